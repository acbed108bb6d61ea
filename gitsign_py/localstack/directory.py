"""The directory of a local stack: which one it may be."""

from pathlib import Path

from gitsign_py.errors import ConfigError

DATABASE = "state.db"
LOCK = "stack.lock"
LOG = "stack.log"
INFO = "stack.json"


def prepare_directory(directory: Path) -> Path:
    """Make the directory (0700) and give its absolute path.

    Raises ConfigError ``stack-directory-...`` unless it is new, empty or a stack's already: a mistyped --dir must not
    fill a checkout.
    """
    try:
        directory = directory.absolute()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (directory / DATABASE).exists() and any(not _is_ours(path) for path in directory.iterdir()):
            raise ConfigError(
                "stack-directory-not-empty",
                f"{directory} is not empty and holds no local Sigstore",
                hint="give --dir a new or empty directory",
            )
        directory.chmod(0o700)
    except OSError as error:
        raise ConfigError(
            "stack-directory-unusable", f"cannot use the directory {directory}: {error.strerror}"
        ) from error
    return directory


def _is_ours(path: Path) -> bool:
    """Files that a background start writes before the database is there."""
    return path.name in {LOCK, LOG, f"{LOG}.1"}
