"""How files of a TUF repository come to ngclient, from its mirror or from the copy here, and what its errors say.

The fetch goes over this program's own HTTP; the copy stands in for a mirror, so that what is stored is verified as if
it were fresh.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.ngclient.fetcher import FetcherInterface

from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.closeable import Closeable
from gitsign_py.core.frozen import replace
from gitsign_py.errors import ConfigError, GitsignError, ServiceError, UncheckedError, plain_words
from gitsign_py.host.network import Network

_SERVICE = "TUF mirror"
_MAX_METADATA_BYTES = 8 << 20  # more than ngclient asks of any file
_OK = 200
_NOT_THERE = (403, 404)  # how a mirror says that there is no next root
_NOT_CACHED = "not in the cache"
FETCH_AGAIN = "run gitsign-py initialize to fetch the trust root again"
_FROZEN = (
    "the mirror gives out metadata that has ended, or this machine's clock is ahead: check the clock, then the mirror"
)


class BoundedFetcher(FetcherInterface, Closeable):
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


class CacheFetcher(FetcherInterface):
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
def translated(mirror: str, *, fetched: bool = False) -> Iterator[None]:
    """Turn python-tuf's exceptions into ours, with the reason. What was ``fetched`` just now is no better again."""
    try:
        yield
    except ServiceError as error:
        raise _unreachable(mirror, error) from error
    except GitsignError:
        raise
    except ExpiredMetadataError as error:
        raise UncheckedError(
            "trust-root-expired",
            f"TUF metadata of {mirror} is expired: {error}",
            hint=_FROZEN if fetched else FETCH_AGAIN,
        ) from error
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
        words = f"{error.filename}: {plain_words(error)}" if error.filename else plain_words(error)
        raise ConfigError(
            "trust-root-cache", f"TUF cache cannot be used: {words}", hint="make room there, or set TUF_ROOT"
        ) from error


def _download_failed(mirror: str, error: DownloadHTTPError) -> GitsignError:
    if str(error) == _NOT_CACHED:
        return UncheckedError("trust-root-missing", f"cached copy of {mirror} is not complete", hint=FETCH_AGAIN)
    hint = "check the URL: no TUF repository is there (that of a local Sigstore ends in /tuf)"
    return ServiceError(
        "trust-root-unreachable",
        f"TUF mirror {mirror} answers {error.status_code}",
        hint=hint if error.status_code == 404 else "",
    )


def _unreachable(mirror: str, error: BaseException) -> ServiceError:
    """Say why nothing came, in the words of the exchange; TLS that failed says what to do."""
    if not isinstance(error, ServiceError):
        return ServiceError("trust-root-unreachable", f"TUF mirror {mirror} does not answer: {error}")
    if error.reason == "service-untrusted":
        return error
    why = error.message.removeprefix(f"{_SERVICE} at {error.facts.get('url')} ")
    return ServiceError("trust-root-unreachable", f"TUF mirror {mirror} does not answer: {why}", hint=error.hint)
