"""Renews the trust root of a TUF repository: at once where it lacks an authority, in the background when it is old.

A run looks once, for five seconds at most. A refresh that brought nothing is remembered beside the copy, so that a
history of signatures by a CA that nobody knows is not a row of look-ups: the same authority is asked for again after
ten minutes, a mirror that does not answer after one. ``gitsign.refresh never`` and ``--offline`` switch all of it off.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.clients.trustroot import (
    CURRENT,
    KEPT_TARGETS,
    MIRRORS,
    LoadedTrust,
    age_of,
    embedded_tuf_root,
    in_words,
    tuf_copy,
)
from gitsign_py.core.digests import sha256
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.trust.root import TrustedRoot, parse_trusted_root
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.config import Trust
from gitsign_py.host.paths import private_directory
from gitsign_py.host.privatefile import write_whole

if TYPE_CHECKING:
    from gitsign_py.clients.tuf import TufTargets
    from gitsign_py.host.network import Network

SECONDS = 5.0
"""How long a signature or a verification waits for a newer trust root."""
OLD = timedelta(days=1)
_SAME_SECONDS = 600.0
_SILENT_SECONDS = 60.0
_HOUR_SECONDS = 3600.0
_MOST_KEYS = 64
_FILE = "renewal.json"


@frozen
class Copy:
    """A copy of a TUF repository; ``instance`` is one of this package, which may not have been fetched yet."""

    directory: Path
    instance: str = ""


class NotRenewed:
    """In the place of a renewal that ``why`` forbids: the error of a check says how old the trust root is."""

    def __init__(self, directory: Path, why: str) -> None:
        self._directory = directory
        self._why = why

    def __call__(self, error: GitsignError) -> None:
        """Give no trust root."""
        if said := self._in_words(timedelta(0)):
            error.hint = told_first(said, error.hint)

    @property
    def stale(self) -> str:
        """The same in words, where the trust root is older than a day."""
        return self._in_words(OLD)

    def _in_words(self, least: timedelta) -> str:
        age = age_of(self._directory)
        if age is None or age < least:
            return ""
        return f"the trust root was fetched {in_words(age)}, and {self._why} forbids to renew it"


class TrustRenewal:
    """The renewal of one run. Call it with the error of a check; it gives a newer trust root, or None.

    ``load`` reads the trust root as the settings have it; ``say`` tells the person what was renewed, or why not.
    """

    def __init__(
        self,
        root: TrustedRoot,
        copy: "Copy",
        network: "Callable[[], Network]",
        load: Callable[[], LoadedTrust],
        say: Callable[[str], None],
    ) -> None:
        self._root = root
        self._copy = copy
        self._network = network
        self._load = load
        self._say = say
        self._newer: TrustedRoot | None = None
        self._asked = False

    def __call__(self, error: GitsignError) -> TrustedRoot | None:
        """Look once for a newer trust root; later calls of the run get what was found."""
        if self._newer is None and not self._asked:
            self._newer = self._look(_key(error))
        if self._newer is None and not self._asked and (why := silent_since(self._copy.directory)):
            error.hint = told_first(f"the trust root could not be renewed: {why}", error.hint)
        return self._newer

    def _look(self, key: str) -> TrustedRoot | None:
        newer = self._fresh()  # another process may have fetched it
        if newer is not None or not may_ask(self._copy.directory, key):
            return newer
        self._asked = True
        try:
            refresh(self._copy, self._network(), seconds=SECONDS)
        except GitsignError as error:
            note_failure(self._copy.directory, error.message)
            age = age_of(self._copy.directory)
            fetched = f", fetched {in_words(age)}," if age is not None and age > OLD else ""
            self._say(f"the trust root{fetched} could not be renewed: {error.message} [{error.reason}]")
            return None
        newer = self._fresh(by="the trust root was renewed, since it lacked an authority")
        if newer is None:
            _note(self._copy.directory, key=key)
        return newer

    def _fresh(self, by: str = "") -> TrustedRoot | None:
        """Another root than this run's, if there is one now; ``by`` begins the line that says which one judges."""
        loaded = self._load()
        if loaded.root.digest == self._root.digest:
            return None
        if by:
            version = f"{loaded.version}, " if loaded.version else ""
            self._say(f"{by}: from here on {version}sha256 {loaded.root.digest} judges")
        return loaded.root


def refresh(copy: Copy, network: "Network", *, seconds: float | None = None) -> None:
    """Fetch what is newer than the copy. Raises as ``clients.tuf.refresh`` does, ConfigError ``directory-...``."""
    from gitsign_py.clients import tuf  # noqa: PLC0415 - 170 ms

    def check(fetched: tuf.TufTargets) -> None:
        parse_trusted_root(fetched.trusted_root)

    if not copy.instance:
        tuf.refresh(copy.directory, check=check, network=network, seconds=seconds)
    else:
        place = private_directory(copy.directory)
        mirror, root = MIRRORS[copy.instance], embedded_tuf_root(copy.instance)
        targets = tuf.initialize(mirror, root, place, check=check, network=network, seconds=seconds)
        _note_current(place, targets)
    with suppress(OSError):
        (copy.directory / _FILE).unlink(missing_ok=True)


def _note_current(place: Path, targets: "TufTargets") -> None:
    """Note what was verified, so that reading it again needs no TUF. Raises ConfigError ``directory-unusable``."""
    files = zip(KEPT_TARGETS, (targets.trusted_root, targets.signing_config, targets.rekor_v2_config), strict=True)
    note = {
        "files": {name: sha256(data).hexdigest() for name, data in files if data is not None},
        "version": f"TUF root {targets.root_version}, timestamp {targets.timestamp_version}",
        "expires": format_rfc3339(targets.expires),
    }
    try:
        write_whole(place / CURRENT, json.dumps(note).encode())
    except OSError as error:
        raise ConfigError("directory-unusable", f"{place} cannot be written: {error.strerror}") from error


def may_renew(trust: Trust, environment: Mapping[str, str], *, file: str | None, offline: bool) -> Copy | None:
    """Give the copy that may be renewed; None for a file that the person named, or when forbidden."""
    if file is not None or offline or trust.refresh == "never":
        return None
    found = tuf_copy(trust, environment)
    return None if found is None else Copy(*found)


def not_renewed(trust: Trust, environment: Mapping[str, str], *, file: str | None, offline: bool) -> NotRenewed | None:
    """What says that a copy may not be renewed; None for a file that the person named."""
    found = None if file is not None else tuf_copy(trust, environment)
    return None if found is None else NotRenewed(found[0], "--offline" if offline else "gitsign.refresh never")


def told_first(words: str, hint: str) -> str:
    """A hint that begins with ``words``."""
    return f"{words}; {hint}" if hint else words


@contextmanager
def told_with_errors(lines: Sequence[str]) -> Iterator[None]:
    """Let errors of the block begin their hint with ``lines``, what was said about a renewal to nobody who sees it."""
    try:
        yield
    except GitsignError as error:
        if lines:
            error.hint = told_first("; ".join(lines), error.hint)
        raise


def may_ask(directory: Path, key: str = "") -> bool:
    """Tell whether it is time to ask the mirror, for the authority ``key``."""
    if silent_since(directory) is not None:
        return False
    asked = _noted(directory).get("asked")
    return not (isinstance(asked, dict) and time.time() - _number(asked.get(key)) < _SAME_SECONDS)


def silent_since(directory: Path) -> str | None:
    """Why the mirror was of no use within the last minute; None where it was not asked in vain."""
    kept = _noted(directory)
    return str(kept.get("why"))[:1000] if time.time() - _number(kept.get("silent")) < _SILENT_SECONDS else None


def begin_if_old(directory: Path) -> bool:
    """Tell whether to renew now: the last fetch was more than a day ago, and in the last hour nobody has tried."""
    age = age_of(directory)
    now, kept = time.time(), _noted(directory)
    last = max(_number(kept.get(name)) for name in ("silent", "begun"))
    if age is None or age <= OLD or now - last < _HOUR_SECONDS:
        return False
    return _write(directory, {**kept, "begun": now})


def note_failure(directory: Path, message: str) -> None:
    """Remember that the mirror did not answer."""
    _note(directory, silent=message)


def _key(error: GitsignError) -> str:
    """Name the authority that was lacking, as far as the error does."""
    facts = error.facts
    named = facts.get("authority") or facts.get("log_id") or ""
    return f"{facts.get('cause') or error.reason} {named}"


def _noted(directory: Path) -> dict[str, object]:
    try:
        value = json.loads((directory / _FILE).read_bytes()[:65536])
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _note(directory: Path, *, key: str = "", silent: str = "") -> None:
    """Keep what was asked in vain, the latest first; a directory that cannot be written is asked again."""
    kept, now = _noted(directory), time.time()
    asked = kept.get("asked")
    keys = {
        name: at for name, at in (asked if isinstance(asked, dict) else {}).items() if now - _number(at) < _HOUR_SECONDS
    }
    if key:
        keys = dict([(key, now), *list(keys.items())[: _MOST_KEYS - 1]])
    _write(directory, {**kept, "asked": keys, **({"silent": now, "why": silent} if silent else {})})


def _write(directory: Path, value: Mapping[str, object]) -> bool:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / _FILE).write_text(json.dumps(value), encoding="utf-8")
    except OSError:
        return False
    return True


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
