"""Trust roots by TUF (python-tuf's ngclient): fetch, keep, and use again without a network.

A directory holds one repository's state: ``mirror.json`` (where from), ``bootstrap.json`` (the root that was trusted
at ``initialize``; every chain of root rotations starts there again), ``metadata/`` and ``targets/``. The specification
is theupdateframework.github.io/specification, section 5.

A fetch works on a draft beside the state and takes its place when everything in it has been checked: a fetch that
fails leaves what was there.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.clients.urls import check_url
from gitsign_py.core.closeable import Closeable
from gitsign_py.core.encoding import parse_rfc3339
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import ConfigError, GitsignError, ServiceError, UncheckedError
from gitsign_py.host.filelock import hold
from gitsign_py.host.network import Network
from gitsign_py.host.tufplace import STATE

PUBLIC_GOOD_MIRROR = "https://tuf-repo-cdn.sigstore.dev"
STAGING_MIRROR = "https://tuf-repo-cdn.sigstage.dev"
TRUSTED_ROOT = "trusted_root.json"
SIGNING_CONFIG = "signing_config.v0.2.json"
SIGNING_CONFIG_REKOR_V2 = "signing_config_rekor_v2.v0.2.json"
MAX_TARGET_BYTES = 4 << 20
TOTAL_SECONDS = 60.0  # for everything that one call fetches
_SERVICE = "TUF mirror"
_MAX_METADATA_BYTES = 8 << 20  # more than ngclient asks of any file
_RENAME_SECONDS = 2.0
_TRIES = 3
_FOLDERS = ("metadata", "targets")
_DRAFT, _OLD, _LOCK = ".draft", ".old", ".lock"
_OK = 200
_NOT_THERE = (403, 404)  # how a mirror says that there is no next root
_NOT_CACHED = "not in the cache"
T = TypeVar("T")
_REFRESH = "run gitsign-py initialize to fetch the trust root again"


@frozen
class TufTargets:
    """The files that a repository gives out: the bytes of trusted_root.json and, if it has one, of the signing config.

    ``rekor_v2_config`` is the signing config for those who want Rekor v2, where the repository has one of its own.
    ``root_version`` and ``timestamp_version`` are those of the metadata; at ``expires`` the copy becomes stale.
    """

    mirror: str
    trusted_root: bytes
    signing_config: bytes | None
    root_version: int
    timestamp_version: int
    expires: datetime
    rekor_v2_config: bytes | None = None


def _anything(_targets: TufTargets) -> None:
    """Take any targets: the caller looks at them later."""


def initialize(
    mirror: str,
    root: bytes,
    directory: Path,
    *,
    check: Callable[[TufTargets], object] = _anything,
    network: Network | None = None,
    seconds: float | None = None,
) -> TufTargets:
    """Start to trust the repository at ``mirror`` from ``root`` (its root.json) and fetch its targets.

    The same mirror and root again is a refresh, with what is known as protection against rollbacks; another one
    begins from nothing, and replaces the state that was there once ``check`` accepts what it gives out. Any
    failure leaves that state as it was. Raises what ``check`` raises, ConfigError ``trust-root-cache``, ServiceError
    ``trust-root-unreachable``, UncheckedError ``trust-root-expired``, ``-rolled-back``, ``-tampered``, ``-missing``.
    """
    check_url("the TUF mirror", mirror)
    with _translated(mirror):
        return _renew(mirror, root, directory, check, _BoundedFetcher(network, seconds or TOTAL_SECONDS))


def refresh(
    directory: Path,
    *,
    check: Callable[[TufTargets], object] = _anything,
    network: Network | None = None,
    seconds: float | None = None,
) -> TufTargets:
    """Fetch what is newer than the copy in ``directory``, in ``seconds`` at most (without: a minute).

    Raises as ``initialize`` does.
    """
    mirror, root = _patiently(directory, lambda: _known(directory))
    with _translated(mirror):
        return _renew(mirror, root, directory, check, _BoundedFetcher(network, seconds or TOTAL_SECONDS))


def _renew(
    mirror: str, root: bytes, directory: Path, check: Callable[[TufTargets], object], fetcher: "_BoundedFetcher"
) -> TufTargets:
    directory.mkdir(parents=True, exist_ok=True)
    lock = hold(directory / _LOCK, fetcher.seconds)
    if lock is None:
        raise ConfigError("trust-root-cache", f"another gitsign-py fetches into {directory}", hint="try again")
    with closing(lock), fetcher, _emptied(directory / _DRAFT) as draft, _emptied(directory / _OLD) as old:
        goes_on = _goes_on(mirror, root, directory)
        for name in _FOLDERS:
            if goes_on:
                shutil.copytree(directory / name, draft / name)
            else:
                (draft / name).mkdir()
        targets = _read(mirror, root, draft, fetcher)
        check(targets)
        (draft / "bootstrap.json").write_bytes(root)
        (draft / "mirror.json").write_text(json.dumps({"mirror": mirror}) + "\n", encoding="utf-8")
        _take_over(directory, draft, old)
    return targets


@contextmanager
def _emptied(directory: Path) -> Iterator[Path]:
    """Give an empty directory for a while; a fetch that was killed may have left one."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _goes_on(mirror: str, root: bytes, directory: Path) -> bool:
    """Tell whether this is the repository that the directory holds; one that cannot be read is begun anew."""
    try:
        same = _state(directory) == (mirror, root)
    except UncheckedError:
        return False
    return same and all((directory / name).is_dir() for name in _FOLDERS)


def _take_over(directory: Path, draft: Path, old: Path) -> None:
    """Rename the draft's parts into their place, ``mirror.json`` last; put everything back where one fails."""
    with ExitStack() as undo:
        for name in reversed(STATE):
            kept = directory / name
            if kept.exists():
                kept.rename(old / name)
                undo.callback((old / name).rename, kept)
            (draft / name).rename(kept)
            undo.callback(kept.rename, draft / name)
        undo.pop_all()


def load_cached(directory: Path) -> TufTargets:
    """Use the copy in ``directory`` with no network: signatures, versions, hashes and expiry are checked as ever.

    Raises UncheckedError ``trust-root-missing``, ``-expired``, ``-rolled-back`` or ``-tampered``, ConfigError
    ``trust-root-cache``.
    """
    return _patiently(directory, lambda: _load(directory))


def _load(directory: Path) -> TufTargets:
    mirror, root = _known(directory)
    for name in _FOLDERS:  # never made here: a fetch may be about to put its own there
        if not (directory / name).is_dir():
            raise UncheckedError("trust-root-missing", f"cached copy of {mirror} is not complete", hint=_REFRESH)
    with _translated(mirror):
        return _read(mirror, root, directory, _CacheFetcher(directory))


def _patiently(directory: Path, action: Callable[[], T]) -> T:
    """Read the state, and again where it was no whole one: another process may have been renaming its parts.

    Under the lock nobody does. One fetch after another may keep it all the time: then it is tried without, some times.
    """
    for _ in range(_TRIES):
        try:
            return action()
        except GitsignError as error:
            if error.reason == "trust-root-expired" or not _was_written(directory):
                raise
        with _standing_still(directory) as is_still:
            if is_still:
                return action()
    return action()


@contextmanager
def _standing_still(directory: Path) -> Iterator[bool]:
    """Keep every fetch out for a while; False where that cannot be had."""
    try:
        lock = hold(directory / _LOCK, _RENAME_SECONDS)
    except OSError:
        lock = None
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.close()


def _was_written(directory: Path) -> bool:
    """Tell whether a fetch ever wrote there, in a place whose name no file system may take."""
    try:
        return (directory / _LOCK).exists()
    except OSError:
        return False


def load_version(directory: Path) -> int:
    """Tell the version of the copy's timestamp metadata, 0 where there is none. It is read, not verified."""
    try:
        version = _signed(directory / "metadata" / "timestamp.json")["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return version if isinstance(version, int) else 0


def is_initialized(directory: Path) -> bool:
    """Tell whether ``initialize`` was ever done in ``directory``."""
    return (directory / "mirror.json").is_file()


def forget(directory: Path) -> None:
    """Remove the copy in ``directory``. Raises ConfigError ``trust-root-cache``."""
    with _translated(str(directory)):
        for name in STATE:
            path = directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _known(directory: Path) -> tuple[str, bytes]:
    with _translated(str(directory)):
        state = _state(directory)
    if state is None:
        raise UncheckedError("trust-root-missing", f"no TUF trust root in {directory}", hint=_REFRESH)
    return state


def _state(directory: Path) -> tuple[str, bytes] | None:
    try:
        value = json.loads((directory / "mirror.json").read_bytes())
        root = (directory / "bootstrap.json").read_bytes()
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UncheckedError("trust-root-tampered", f"{directory}/mirror.json is not JSON", hint=_REFRESH) from error
    mirror = value.get("mirror") if isinstance(value, dict) else None
    if not isinstance(mirror, str):
        raise UncheckedError("trust-root-tampered", f"{directory}/mirror.json names no mirror", hint=_REFRESH)
    return mirror, root


def _read(mirror: str, root: bytes, directory: Path, fetcher: FetcherInterface) -> TufTargets:
    metadata, targets = (directory / name for name in _FOLDERS)
    updater = Updater(
        metadata_dir=str(metadata),
        metadata_base_url=mirror,
        target_dir=str(targets),
        target_base_url=f"{mirror.rstrip('/')}/targets/",
        fetcher=fetcher,
        config=UpdaterConfig(app_user_agent="gitsign-py"),
        bootstrap=root,
    )
    updater.refresh()
    trusted_root = _target(updater, TRUSTED_ROOT)
    if trusted_root is None:
        raise UncheckedError(
            "trust-root-missing",
            f"TUF repository {mirror} has no target {TRUSTED_ROOT}",
            hint="it gives out no Sigstore trust root: check the URL, or let gitsign.trustedRoot name the file itself",
        )
    config, for_v2 = _target(updater, SIGNING_CONFIG), _target(updater, SIGNING_CONFIG_REKOR_V2)
    stamp, newest = _signed(metadata / "timestamp.json"), _signed(metadata / "root.json")
    expires = parse_rfc3339(stamp["expires"])
    return TufTargets(mirror, trusted_root, config, newest["version"], stamp["version"], expires, for_v2)


def _signed(path: Path) -> dict[str, Any]:
    """The signed part of metadata that the updater has just verified."""
    signed: dict[str, Any] = json.loads(path.read_bytes())["signed"]
    return signed


def _target(updater: Updater, name: str) -> bytes | None:
    info = updater.get_targetinfo(name)
    if info is None:
        return None
    if info.length > MAX_TARGET_BYTES:
        raise UncheckedError(
            "trust-root-too-large", f"TUF target {name} has {info.length} bytes, at most {MAX_TARGET_BYTES} are read"
        )
    path = updater.find_cached_target(info) or updater.download_target(info)
    data = Path(path).read_bytes()
    info.verify_length_and_hashes(data)  # the very bytes that are used, not those that the file held before
    return data


class _BoundedFetcher(FetcherInterface, Closeable):
    """Fetches over this program's own HTTP: its authorities and proxies, a limit on sizes, and one on the whole."""

    def __init__(self, network: Network | None, seconds: float) -> None:
        self.seconds = seconds
        self._http = HttpSession(Limits(max_bytes=_MAX_METADATA_BYTES), network=network)
        self._deadline = time.monotonic() + seconds

    def close(self) -> None:
        """Drop the connections."""
        self._http.close()

    def _fetch(self, url: str) -> Iterator[bytes]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise DownloadError(f"took longer than {self.seconds:g} seconds")
        limits = replace(self._http.limits, total=left)
        answer = self._http.exchange(_SERVICE, "GET", url, expected=(_OK, *_NOT_THERE), limits=limits)
        if answer.status != _OK:
            raise DownloadHTTPError(f"{url} answers {answer.status}", answer.status)
        return iter([answer.body])


class _CacheFetcher(FetcherInterface):
    """Stands in for the network: gives out what is stored, so that ngclient checks it as if it were fresh."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = unquote(urlsplit(url).path)
        name = path.rpartition("/")[2]
        if "/targets/" in path:
            stored = self._directory / "targets" / name.partition(".")[2]  # without the hash of consistent snapshots
        else:
            stored = self._directory / "metadata" / f"{name.removesuffix('.json').rpartition('.')[2]}.json"
        # The stored roots are read by the updater itself; there is no newer one without a network.
        if stored.name == "root.json" or not stored.is_file():
            raise DownloadHTTPError(_NOT_CACHED, 404)
        return iter([stored.read_bytes()])


@contextmanager
def _translated(mirror: str) -> Iterator[None]:
    """Turn python-tuf's exceptions into ours, with the reason."""
    try:
        yield
    except ServiceError as error:
        raise _unreachable(mirror, error) from error
    except GitsignError:
        raise
    except ExpiredMetadataError as error:
        raise UncheckedError(
            "trust-root-expired", f"TUF metadata of {mirror} is expired: {error}", hint=_REFRESH
        ) from (error)
    except BadVersionNumberError as error:
        raise UncheckedError(
            "trust-root-rolled-back", f"TUF metadata of {mirror} is older than what was seen before: {error}"
        ) from error
    except (RepositoryError, KeyError, ValueError) as error:
        raise UncheckedError("trust-root-tampered", f"TUF metadata of {mirror} does not verify: {error}") from error
    except DownloadHTTPError as error:
        raise _download_failed(mirror, error) from error
    except DownloadError as error:  # ngclient wraps what its fetcher raises
        raise _unreachable(mirror, error.__cause__ or error) from error
    except OSError as error:
        raise ConfigError("trust-root-cache", f"TUF cache cannot be used: {error}") from error


def _download_failed(mirror: str, error: DownloadHTTPError) -> GitsignError:
    if str(error) == _NOT_CACHED:
        return UncheckedError("trust-root-missing", f"cached copy of {mirror} is not complete", hint=_REFRESH)
    return ServiceError("trust-root-unreachable", f"TUF mirror {mirror} answers {error.status_code}")


def _unreachable(mirror: str, error: BaseException) -> ServiceError:
    """Say why nothing came, in the words of the exchange; TLS that failed says what to do."""
    if not isinstance(error, ServiceError):
        return ServiceError("trust-root-unreachable", f"TUF mirror {mirror} does not answer: {error}")
    if error.reason == "service-untrusted":
        return error
    why = error.message.removeprefix(f"{_SERVICE} at {error.facts.get('url')} ")
    return ServiceError("trust-root-unreachable", f"TUF mirror {mirror} does not answer: {why}", hint=error.hint)
