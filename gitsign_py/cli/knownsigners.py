"""The signers that git's settings allow, for audits without a policy: by certificate and by SSH key.

A file that the repository's own configuration names is the word of whoever made the repository: it is read, and said.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from gitsign_py.audit.knownsigners import MAX_SIGNERS_BYTES, KnownSigners, ssh_signers
from gitsign_py.cli import wiring
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.plainfile import read_plain
from gitsign_py.verification.allowed import parse_allowed_signer

_KEY = "gpg.ssh.allowedSignersFile"


def known_signers(repository: GitRepository, settings: wiring.Settings, *, warn: Callable[[str], None]) -> KnownSigners:
    """Read both. ``warn`` is told of a file that cannot be read, whose signers are then only good."""
    lines = settings.config.signers.allowed_signers
    return KnownSigners(tuple(map(parse_allowed_signer, lines)), _by_key(repository, settings, warn))


def said_by_repository(settings: wiring.Settings) -> tuple[str, ...]:
    """A line for the file with SSH keys, where the repository's own configuration names it."""
    value = settings.gitconfig.last(_KEY)
    if value is None or not value.text or not value.of_repository:
        return ()
    name = value.text.strip()
    return (f"{_KEY} = {name} is said by this repository's own configuration; --isolated leaves it out",)


def _by_key(repository: GitRepository, settings: wiring.Settings, warn: Callable[[str], None]) -> Mapping[str, str]:
    value = settings.gitconfig.last(_KEY)
    if value is None or not value.text:
        return {}
    name = value.text.strip()
    try:
        path = Path(name).expanduser()
        data = read_plain(path if path.is_absolute() else repository.top / path, MAX_SIGNERS_BYTES)
    except (OSError, ValueError, RuntimeError) as error:
        warn(f"{_KEY} {name} cannot be read, so SSH signatures are only good: {error}")
        return {}
    return ssh_signers(data)
