"""The refs whose provenance a server states (gitsign.sourceRef): the hook keeps them, and marks what it lets in."""

from collections.abc import Sequence
from pathlib import Path

from gitsign_py.audit.updates import RefUpdate
from gitsign_py.cli import wiring
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.errors import ConfigError, PolicyError
from gitsign_py.host import updatemarks
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.updatemarks import FOLDER, Mark
from gitsign_py.policy.facts import Pusher
from gitsign_py.policy.patterns import glob_matches


def is_source_ref(settings: wiring.Settings, ref: str) -> bool:
    """Tell whether the server states provenance of a ref."""
    return any(glob_matches(glob, ref) for glob in settings.config.source_refs)


def check_configured(settings: wiring.Settings) -> None:
    """Raise ConfigError ``source-unconfigured`` where a server cannot state anything."""
    config = settings.config
    named = {
        "gitsign.sourceURI": config.source_uri,
        "gitsign.sourceRef": config.source_refs,
        "gitsign.sourceAttester": config.source_attester,
    }
    missing = [name for name, value in named.items() if not value]
    if missing:
        raise ConfigError(
            "source-unconfigured",
            f"source provenance needs {', '.join(missing)}",
            hint="see gitsign-py source --help, and docs/slsa.md",
        )


def check_source_moves(settings: wiring.Settings, repository: GitRepository, updates: Sequence[RefUpdate]) -> None:
    """Refuse to move a source ref back or take it away, and to move or delete any tag, where there are source refs.

    refs/attestations/, where statements about them lie, never goes back either. Raises PolicyError
    ``source-ref-deleted``, ``source-ref-forced`` or ``tag-moved``.
    """
    for update in updates if settings.config.source_refs else ():
        is_tag = update.ref.startswith("refs/tags/")
        is_kept = is_tag or update.ref.startswith("refs/attestations/") or is_source_ref(settings, update.ref)
        if not update.old.strip("0") or update.old == update.new or not is_kept:
            continue
        if is_tag:
            raise PolicyError(
                "tag-moved",
                f"{update.ref} is there, and this server keeps tags as they are",
                hint="make a tag of another name",
            )
        if not update.new.strip("0"):
            raise PolicyError("source-ref-deleted", f"{update.ref} is not to be deleted on this server")
        if update.new.startswith("ref:") or not graph_of(repository).is_ancestor(update.old, update.new):
            raise PolicyError(
                "source-ref-forced",
                f"{update.ref} would leave {update.old[:12]} behind, and this server keeps its history",
                hint="bring what is on it into yours (git pull), and push again without --force",
            )


def leave_marks(
    settings: wiring.Settings, repository: GitRepository, updates: Sequence[RefUpdate], pusher: Pusher | None
) -> None:
    """Leave a mark of each update of a source ref that the hook lets in. Raises OSError."""
    for update in updates:
        if not update.brings_nothing and is_source_ref(settings, update.ref):
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
