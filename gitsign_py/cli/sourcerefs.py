"""The refs whose provenance a server states (gitsign.sourceRef): the hook keeps them, and marks what it lets in."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gitsign_py.audit.updates import RefUpdate
from gitsign_py.cli import wiring
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.errors import ConfigError, PolicyError
from gitsign_py.host import updatemarks
from gitsign_py.host.config import Server
from gitsign_py.host.git.graph import graph_of
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
) -> Mapping[RefUpdate, PolicyError]:
    """What would move a source ref back or take it away, or move or delete any tag, where there are source refs.

    refs/attestations/, where statements about them lie, never goes back either, and what was said there stays; so too
    where a rule of ``policies`` wants approvals. The reasons are ``source-ref-deleted``, ``source-ref-forced``,
    ``tag-moved`` and ``attestation-removed``.
    """
    has_sources = bool(server.source_refs)
    if not (has_sources or any(rule.wants_approvals for policy in policies for rule in policy.rules)):
        return {}
    found = {
        update: _move_problem(repository, update)
        for update in updates
        if update.old.strip("0")
        and update.old != update.new
        and (update.ref.startswith(ATTESTATIONS) or (has_sources and _is_kept(server, update.ref)))
    }
    return {update: error for update, error in found.items() if error is not None}


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
        return PolicyError(
            "source-ref-forced",
            f"{ref} would leave {update.old[:12]} behind, and this server keeps its history",
            hint="bring what is on it into yours (git pull), and push again without --force",
        )
    return _removed(repository, update) if ref.startswith(ATTESTATIONS) else None


def _removed(repository: GitRepository, update: RefUpdate) -> PolicyError | None:
    """Readers look at the newest tree alone, and a commit on top of it may lack what is in it."""
    from gitsign_py.audit.approvals import PREFIX  # noqa: PLC0415 - a verification's modules, for these refs alone
    from gitsign_py.audit.sourcestatements import PROVENANCE, SUMMARY  # noqa: PLC0415

    staying = [f":(glob)*/{prefix}*" for prefix in (PREFIX, PROVENANCE, SUMMARY)]
    asked = ["diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=DMT", update.old, update.new]
    names = repository.run([*asked, "--", *staying]).split(b"\0")
    if not names[0]:
        return None
    return PolicyError(
        "attestation-removed",
        f"{update.ref} would lose or change {names[0].decode('utf-8', 'replace')[:200]}, and what was said there stays",
        hint="put it back; an approval is taken back by gitsign-py approve --withdraw",
    )


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
