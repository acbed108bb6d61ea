"""Trust roots by TUF (python-tuf's ngclient): fetch, keep, and use again without a network.

A directory holds one repository's state: ``mirror.json`` (where from), ``bootstrap.json`` (the root that was trusted
at ``initialize``; every chain of root rotations starts there again), ``metadata/`` and ``targets/``. The specification
is theupdateframework.github.io/specification, section 5.

A fetch works on a draft beside the state and takes its place when everything in it has been checked: a fetch that
fails leaves what was there.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from gitsign_py.clients.tuffetch import FETCH_AGAIN, BoundedFetcher, CacheFetcher, translated
from gitsign_py.clients.urls import check_url
from gitsign_py.core.encoding import parse_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import ConfigError, GitsignError, UncheckedError
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
_RENAME_SECONDS = 2.0
_TRIES = 3
_FOLDERS = ("metadata", "targets")
_DRAFT, _OLD, _LOCK = ".draft", ".old", ".lock"
T = TypeVar("T")


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
    with translated(mirror, fetched=True):
        return _renew(mirror, root, directory, check, BoundedFetcher(network, seconds or TOTAL_SECONDS))


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
    with translated(mirror, fetched=True):
        return _renew(mirror, root, directory, check, BoundedFetcher(network, seconds or TOTAL_SECONDS))


def _renew(
    mirror: str, root: bytes, directory: Path, check: Callable[[TufTargets], object], fetcher: "BoundedFetcher"
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
            raise UncheckedError("trust-root-missing", f"cached copy of {mirror} is not complete", hint=FETCH_AGAIN)
    with translated(mirror), TemporaryDirectory(prefix="gitsign-py-tuf-") as place:
        draft = Path(place)  # ngclient writes where it reads, and others read here at the same time
        for name in _FOLDERS:
            shutil.copytree(directory / name, draft / name)
        return _read(mirror, root, draft, CacheFetcher(draft))


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
    with translated(str(directory)):
        for name in STATE:
            path = directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _known(directory: Path) -> tuple[str, bytes]:
    with translated(str(directory)):
        state = _state(directory)
    if state is None:
        raise UncheckedError("trust-root-missing", f"no TUF trust root in {directory}", hint=FETCH_AGAIN)
    return state


def _state(directory: Path) -> tuple[str, bytes] | None:
    try:
        value = json.loads((directory / "mirror.json").read_bytes())
        root = (directory / "bootstrap.json").read_bytes()
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UncheckedError("trust-root-tampered", f"{directory}/mirror.json is not JSON", hint=FETCH_AGAIN) from error
    mirror = value.get("mirror") if isinstance(value, dict) else None
    if not isinstance(mirror, str):
        raise UncheckedError("trust-root-tampered", f"{directory}/mirror.json names no mirror", hint=FETCH_AGAIN)
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
