"""Trust roots of a process that answers many requests, by what they were read from."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from gitsign_py.agent.clientcontext import ClientContext
from gitsign_py.agent.conversation import Fields
from gitsign_py.cli import wiring
from gitsign_py.cli.agentside.settings import settings_for
from gitsign_py.cli.gpg.checking import check
from gitsign_py.clients.renewal import may_renew
from gitsign_py.clients.trustroot import CURRENT, kept_copy
from gitsign_py.core.trust.root import TrustedRoot

_TRUST_SECONDS = 60.0
FILES = ("trusted_root", "fulcio_root", "rekor_public_key", "ctlog_public_key", "timestamp_cert_chain")
WORDS = ("instance", "refresh", "rekor_url")
"""The other settings by which ``clients.trustroot`` chooses: a repository may name each of them, for itself alone."""
_TUF_FILES = ("mirror.json", "metadata/timestamp.json", CURRENT)
_VARIABLES = ("GITSIGN_TRUST_BUNDLE", "TUF_ROOT", "TUF_MIRROR", "HOME")


class KeptRoots:
    """Reads them, and keeps each for a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._roots: dict[tuple[object, ...], tuple[float, TrustedRoot]] = {}

    def trusted_root(self, settings: wiring.Settings) -> TrustedRoot:
        """A file that changes is read anew at once, metadata that expires within a minute."""
        key, now = _trust_key(settings), time.monotonic()
        with self._lock:
            held = self._roots.get(key)
        if held is not None and now - held[0] < _TRUST_SECONDS:
            return held[1]
        root = wiring.trusted_root(settings)
        if (copy := may_renew(settings.config.trust, settings.environment, file=None, offline=False)) is not None:
            wiring.renew_if_old(settings, copy, afterwards=False)  # before a request is asked to do so at its end
        with self._lock:
            self._roots = {name: one for name, one in self._roots.items() if now - one[0] < _TRUST_SECONDS}
            self._roots[key] = (now, root)
        return root


def verify_by(roots: KeptRoots) -> Callable[[ClientContext, bytes, bytes], Fields]:
    """How a process that goes on verifies for its clients: by their settings, read anew, and trust roots kept here."""

    def verify(context: ClientContext, payload: bytes, signature: bytes) -> Fields:
        settings = settings_for(context)
        return dict(check(settings, payload, signature, root=roots.trusted_root(settings)))

    return verify


def _trust_key(settings: wiring.Settings) -> tuple[object, ...]:
    words: list[object] = [settings.environment.get(name) for name in _VARIABLES]
    words += [settings.config.value(name) for name in WORDS]
    paths = [path for path in map(settings.config.value, FILES) if path is None or isinstance(path, Path)]
    copy = kept_copy(settings.config.trust, settings.environment)[0]
    paths += [copy / name for name in _TUF_FILES]
    if bundle := settings.environment.get("GITSIGN_TRUST_BUNDLE"):
        paths.append(Path(bundle[:255]))
    return (*words, *(_version(path) for path in paths))


def _version(path: Path | None) -> tuple[str, int, int] | None:
    if path is None:
        return None
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return (str(path), 0, 0)
    return (str(path), facts.st_mtime_ns, facts.st_size)
