"""The refs whose provenance a server states (gitsign.sourceRef): the hook keeps them, and marks what it lets in."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gitsign_py.audit.updates import RefUpdate
from gitsign_py.cli import wiring
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.git.gitobject import object_id
from gitsign_py.errors import ConfigError, GitsignError, PolicyError, UncheckedError
from gitsign_py.host import updatemarks
from gitsign_py.host.config import Server
from gitsign_py.host.git.attestationrefs import JOIN, check_size
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.naming import object_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.updatemarks import FOLDER, Mark
from gitsign_py.policy.facts import Pusher
from gitsign_py.policy.model import Policy
from gitsign_py.policy.patterns import glob_matches

ATTESTATIONS = "refs/attestations/"


def is_source_ref(server: Server, ref: str) -> bool:
    """Tell whether the server states provenance of a ref."""
    return any(glob_matches(glob, ref) for glob in server.source_refs)


def wants_statements(server: Server) -> bool:
    """Tell whether provenance is to be stated: ``gitsign.sourceRef`` alone keeps refs from going back."""
    return bool(server.source_uri or server.source_attester)


def check_configured(server: Server) -> None:
    """Raise ConfigError ``source-unconfigured`` where a server cannot state anything."""
    named = {
        "gitsign.sourceURI": server.source_uri,
        "gitsign.sourceRef": server.source_refs,
        "gitsign.sourceAttester": server.source_attester,
    }
    missing = [name for name, value in named.items() if not value]
    if missing:
        raise ConfigError(
            "source-unconfigured",
            f"source provenance needs {', '.join(missing)}",
            hint="see gitsign-py source --help, and docs/slsa.md",
        )


def refused_moves(
    server: Server, repository: GitRepository, updates: Sequence[RefUpdate], policies: Iterable[Policy]
) -> Mapping[RefUpdate, GitsignError]:
    """What would move a source ref back or take it away, or move or delete any tag, where there are source refs.

    refs/attestations/, where statements about them lie, never goes back either, and what was said there stays; so too
    where a rule of ``policies`` wants approvals. What the server states is never pushed: readers look at so many files
    alone, and others' could hide its own. No list of objects there is larger than is read. The reasons are
    ``source-ref-deleted``, ``source-ref-forced``, ``tag-moved``, ``attestation-removed``, ``attestations-too-many`` and
    ``source-statement-pushed``.
    """
    has_sources = bool(server.source_refs)
    if not (has_sources or any(rule.wants_approvals for policy in policies for rule in policy.rules)):
        return {}
    found = {update: _problem(server, repository, update) for update in updates}
    return {update: error for update, error in found.items() if error is not None}


def _problem(server: Server, repository: GitRepository, update: RefUpdate) -> GitsignError | None:
    has_sources, is_said = bool(server.source_refs), update.ref.startswith(ATTESTATIONS)
    if is_said and (problem := _too_large(repository, update)):
        return problem
    is_kept = is_said or (has_sources and _is_kept(server, update.ref))
    is_moved = update.old.strip("0") and update.old != update.new
    if is_kept and is_moved and (problem := _move_problem(repository, update)):
        return problem
    return _pushed_statement(repository, update) if has_sources and is_said else None


def _too_large(repository: GitRepository, update: RefUpdate) -> GitsignError | None:
    """Readers pass over such a tree as a whole, so that nothing that was said would count any more."""
    tree = "" if update.brings_nothing else object_at(repository, f"{update.new}^{{tree}}")
    try:
        if tree:
            check_size(update.ref, repository.read(tree).data)
    except UncheckedError as error:
        return error
    return None


def _is_kept(server: Server, ref: str) -> bool:
    return ref.startswith("refs/tags/") or is_source_ref(server, ref)


def _move_problem(repository: GitRepository, update: RefUpdate) -> PolicyError | None:
    ref = update.ref
    if ref.startswith("refs/tags/"):
        words = f"{ref} is there, and this server keeps tags as they are"
        return PolicyError("tag-moved", words, hint="make a tag of another name")
    if not update.new.strip("0"):
        return PolicyError("source-ref-deleted", f"{ref} is not to be deleted on this server")
    if update.new.startswith("ref:") or not graph_of(repository).is_ancestor(update.old, update.new):
        bring = JOIN if ref.startswith(ATTESTATIONS) else "bring its commits into your branch (git pull)"
        return PolicyError(
            "source-ref-forced",
            f"{ref} would leave {update.old[:12]} behind, and this server keeps its history",
            hint=f"{bring}, and push again without --force",
        )
    return _removed(repository, update) if ref.startswith(ATTESTATIONS) else None


def _removed(repository: GitRepository, update: RefUpdate) -> PolicyError | None:
    """Readers look at the newest tree alone, and a commit on top of it may lack what is in it."""
    from gitsign_py.audit.approvals import PREFIX  # noqa: PLC0415 - a verification's modules, for these refs alone
    from gitsign_py.audit.sourcestatements import PROVENANCE, SUMMARY  # noqa: PLC0415

    name = _differing(repository, update, "DMT", (PREFIX, PROVENANCE, SUMMARY))
    if not name:
        return None
    return PolicyError(
        "attestation-removed",
        f"{update.ref} would lose or change {name}, and what was said there stays",
        hint="put it back; an approval is taken back by gitsign-py approve --withdraw",
    )


def _pushed_statement(repository: GitRepository, update: RefUpdate) -> PolicyError | None:
    if update.brings_nothing:
        return None
    from gitsign_py.audit.sourcestatements import PROVENANCE, SUMMARY  # noqa: PLC0415 - as above

    name = _differing(repository, update, "A", (PROVENANCE, SUMMARY))
    if not name:
        return None
    return PolicyError(
        "source-statement-pushed",
        f"{update.ref} would bring {name}, and this server states by itself how its refs came to their revisions",
        hint="leave it out of the push",
    )


def _differing(repository: GitRepository, update: RefUpdate, kinds: str, prefixes: Sequence[str]) -> str:
    """The first file with such a name that a push adds, deletes or changes; empty for none."""
    old = update.old if update.old.strip("0") else object_id("tree", b"", repository.algorithm)
    asked = ["diff-tree", "-r", "-z", "--no-renames", "--name-only", f"--diff-filter={kinds}", old, update.new]
    names = repository.run([*asked, "--", *(f":(glob)*/{prefix}*" for prefix in prefixes)]).split(b"\0")
    return names[0].decode("utf-8", "replace")[:200]


def leave_marks(server: Server, repository: GitRepository, updates: Sequence[RefUpdate], pusher: Pusher | None) -> None:
    """Leave a mark of each update of a source ref that the hook lets in. Raises OSError."""
    for update in updates:
        if not update.brings_nothing and is_source_ref(server, update.ref):
            at = format_rfc3339(wiring.now())
            updatemarks.leave(marks_folder(repository), Mark(update.ref, update.old, update.new, at, _said_of(pusher)))


def _said_of(pusher: Pusher | None) -> dict[str, str]:
    if pusher is None:
        return {}
    signature = pusher.signature
    if signature is None or signature.status != "good":
        return {"login": pusher.login} if pusher.login else {}
    return {"identity": signature.identity or signature.key, "issuer": signature.issuer}


def marks_folder(repository: GitRepository) -> Path:
    """Where the marks lie, in the directory that all worktrees share."""
    return repository.common_directory / FOLDER
