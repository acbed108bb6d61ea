"""The pusher: known by a signed push, or by the name that the server has for them, where its owner says where that
stands.

With an account and a shell on the server a pusher chooses the environment of git-receive-pack, and with it any name in
a variable: so no variable counts that gitsign.pusher does not name. The account that the hook runs as is the kernel's
word.
"""

import os
import sys

from gitsign_py.cli import wiring
from gitsign_py.cli.judgement import verifier
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.facts import Pusher
from gitsign_py.policy.verified import facts_of

_SIGNATURE = b"-----BEGIN SIGNED MESSAGE-----"
_FRESH = ("OK", "SLOP")  # git-receive-pack(1): the nonce is this push's, or as young as receive.certNonceSlop says


def pusher_of(settings: wiring.Settings, repository: GitRepository) -> Pusher | None:
    """Find out; None where nobody says it. A signed push counts before any name."""
    certificate = settings.environment.get("GIT_PUSH_CERT", "")
    if certificate.strip("0") and settings.environment.get("GIT_PUSH_CERT_NONCE_STATUS") in _FRESH:
        try:
            return _by_certificate(settings, repository, certificate)
        except GitsignError:  # no signature of ours, or one that does not verify: as good as none
            pass
    login = _login(settings)
    return Pusher(login) if login else None


def _by_certificate(settings: wiring.Settings, repository: GitRepository, oid: str) -> Pusher:
    """git-push(1), ``--signed``: the certificate is a text with its signature below it, stored as a blob."""
    data = repository.read(oid).data
    start = max(data.find(_SIGNATURE), 0)
    verified = verifier(settings, repository).verify(data[:start], data[start:])
    return Pusher(signature=facts_of(verified))


def _login(settings: wiring.Settings) -> str:
    """Raises ConfigError ``pusher-system`` where the system has no accounts of that kind."""
    where = settings.config.pusher
    if where != "system":
        return settings.environment.get(where, "") if where else ""
    if sys.platform == "win32":
        raise ConfigError(
            "pusher-system", "gitsign.pusher is system, which Windows does not tell", hint="name a variable"
        )
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
