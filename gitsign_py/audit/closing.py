"""The protected branch: by its policy somebody has left, on other branches too, where older policies name them.

The judged commits must never choose that branch: not by the tip of a pull request, nor by HEAD where somebody has
checked one out. A policy from there closes windows, and does nothing else.
"""

from collections.abc import Iterator

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.naming import commit_at, list_refs, remotes, setting, symbolic_ref
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.history import closing_policy
from gitsign_py.policy.model import Policy

_USUAL = ("main", "master")


@frozen
class Place:
    """The repository that the refs belong to. ``configured`` is gitsign.protectedRef; ``remote`` the one that is pushed
    to.

    ``namespace`` is what stands before the names there (``refs/namespaces/n/``). With ``is_server`` HEAD is the
    repository's own word about its default branch, as in every bare one, and not what somebody has checked out.
    """

    configured: str = ""
    is_server: bool = False
    remote: str = ""
    namespace: str = ""


HERE = Place()


@frozen
class Closing:
    """The policy that closes, and the ref that it is from; or why there is none, and then nothing is accepted."""

    policy: Policy | None = None
    ref: str = ""
    missing: UncheckedError | None = None


def find_closing(repository: GitRepository, introduction: str, place: Place = HERE) -> Closing:
    """The policy of the protected branch; without one, ``protected-ref-missing`` or ``closing-policy-missing``.

    Nobody has left before the introduction: a branch that has not come to it yet closes by the first policy, and so
    does a server that has no branch at all.
    """
    names = [place.configured] if place.configured else list(dict.fromkeys(_defaults(repository, place)))
    for name in dict.fromkeys(prefix + name for prefix in (place.namespace, "") for name in names):
        if tip := commit_at(repository, name):
            return _closing_at(repository, introduction, name, tip)
    if place.is_server and not place.configured and not _has_branches(repository):
        return _closing_at(repository, introduction, "the introduction", introduction)
    why = f"{', '.join(names)} is not there" if names else "no HEAD names it"
    missing = UncheckedError(
        "protected-ref-missing",
        f"no protected branch says who has left by now: {why}",
        hint="git config gitsign.protectedRef REF, such as refs/heads/main or refs/remotes/origin/main",
    )
    return Closing(missing=missing)


def _closing_at(repository: GitRepository, introduction: str, ref: str, tip: str) -> Closing:
    graph = graph_of(repository)
    policy = closing_policy(repository, tip)
    if policy is None and tip != introduction and graph.is_ancestor(tip, introduction):
        policy = closing_policy(repository, introduction)
    if policy is not None:
        return Closing(policy, ref)
    missing = UncheckedError(
        "closing-policy-missing",
        f"{ref} has no valid policy, and no other says who has left by now",
        hint="put it right there, or name another branch: git config gitsign.protectedRef REF",
    )
    return Closing(missing=missing)


def _defaults(repository: GitRepository, place: Place) -> Iterator[str]:
    """The branch that HEAD of a server or of the remote names; where there is no remote, the branch of the usual
    name.
    """
    if place.is_server or repository.is_bare:
        yield from _names(symbolic_ref(repository, f"{place.namespace}HEAD"), place.namespace)
        yield from _names(symbolic_ref(repository, "HEAD"), "")
        return
    remote = place.remote or _remote(repository)
    if not remote:
        return
    folder = f"refs/remotes/{remote}/"
    if not list_refs(repository, folder):  # nothing came from there yet
        folder = "refs/heads/"
    # A remote's HEAD is not always fetched: git remote add, and checkouts in CI.
    head = symbolic_ref(repository, f"{folder}HEAD") if folder != "refs/heads/" else ""
    yield from _names(head, "") if head else (folder + name for name in _usual_names(repository))


def _names(ref: str, prefix: str) -> Iterator[str]:
    if ref:
        yield ref.removeprefix(prefix)


def _remote(repository: GitRepository) -> str:
    """The remote that the clone is of; a dot where there is none, nothing where several may be meant."""
    names = remotes(repository) or [""]
    if "origin" in names or len(names) == 1:
        return "origin" if "origin" in names else names[0] or "."
    return ""


def _usual_names(repository: GitRepository) -> Iterator[str]:
    configured = setting(repository, "init.defaultBranch")
    yield from filter(None, (configured, *_USUAL))


def _has_branches(repository: GitRepository) -> bool:
    return bool(list_refs(repository, "refs/heads/", "refs/namespaces/"))
