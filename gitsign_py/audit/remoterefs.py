"""The refs of a remote, as far as they are known here: its branches, by the names that they have there."""

from gitsign_py.audit.plan import Target, read_refs
from gitsign_py.core.frozen import replace
from gitsign_py.host.git.objects import GitRepository


def remote_branches(repository: GitRepository, remote: str) -> tuple[Target, ...]:
    """Remote-tracking branches of ``remote`` under their names over there.

    A refspec may bring other refs to the same place (``+refs/pull/*/head:refs/remotes/origin/pr/*``): nobody judged
    what they have, so what such a one covers is left out.
    """
    if not remote:
        return ()
    branches, others = _refspecs(repository, remote)
    found = []
    for target in read_refs(repository, (f"refs/remotes/{remote}/",)):
        if any(_filled(pattern, "", target.ref) is not None for _, pattern in others):
            continue
        names = (_filled(local, there, target.ref) for there, local in branches)
        found += [replace(target, ref=name) for name in names if name]
    return tuple(found)


def _refspecs(repository: GitRepository, remote: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of the name over there and the name here: of branches, and of other refs (git-fetch(1), refspec)."""
    out = repository.run(["config", "--get-all", f"remote.{remote}.fetch"], accept=(0, 1))
    pairs = [line.lstrip("+").split(":") for line in out.decode("utf-8", "surrogateescape").split("\n") if ":" in line]
    named = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
    standard = ("refs/heads/*", f"refs/remotes/{remote}/*")
    branches = [pair for pair in named if pair[0].startswith("refs/heads/")] or [standard]
    return branches, [pair for pair in named if not pair[0].startswith("refs/heads/")]


def _filled(pattern: str, other: str, ref: str) -> str | None:
    """``other`` with what the star of ``pattern`` stands for in ``ref``; None where the pattern does not fit."""
    before, star, after = pattern.partition("*")
    if not star:
        return other if ref == pattern else None
    if len(ref) < len(before) + len(after) or not (ref.startswith(before) and ref.endswith(after)):
        return None
    return other.replace("*", ref[len(before) : len(ref) - len(after)])
