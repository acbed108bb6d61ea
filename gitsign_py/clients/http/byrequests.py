"""Requests by the library ``requests``, which knows what our own connections do not: proxies by TLS, names in IDNA."""

import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from gitsign_py.clients.answer import Answer
from gitsign_py.clients.http.request import (
    USER_AGENT,
    Patience,
    Request,
    timed_out,
    too_large,
    unaskable,
    unreachable,
    untrusted,
)
from gitsign_py.errors import GitsignError
from gitsign_py.host.network import Network

_CHUNK = 64 * 1024


class _Adapter(HTTPAdapter):
    """Lets TLS verify by the one context of this program; requests would load the authorities of its own package."""

    def __init__(self, network: Network) -> None:
        self._network = network
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            pool = {
                "cert_reqs": "CERT_REQUIRED",
                "ssl_context": self._network.context(self._network.trust_for(request.url or "")),
            }
        return host, pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the connection as it is: its context verifies."""

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        if proxy.lower().startswith("https:"):
            proxy_kwargs["proxy_ssl_context"] = self._network.context(self._network.trust_for(proxy))
        return super().proxy_manager_for(proxy, **proxy_kwargs)


class ByRequests:
    """One session of ``requests`` without its cookies, .netrc and variables (port ``Transport``)."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._session = requests.Session()
        self._session.trust_env = False  # proxies and authorities come from the network, credentials from nowhere else
        self._session.mount("https://", _Adapter(network))
        self._session.mount("http://", _Adapter(network))
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Drop the connections."""
        self._session.close()

    def prepare(self, url: str) -> None:
        """Nothing: it is all loaded."""

    def send(self, request: Request, patience: Patience) -> Answer:
        """Send one request and read its answer; see ``Transport``."""
        left = max(patience.deadline - time.monotonic(), 0.001)
        try:
            response = self._session.request(
                request.method,
                request.url,
                data=request.body,
                headers=dict(request.headers),
                timeout=(min(patience.connect, left), left),
                allow_redirects=False,
                stream=True,
                proxies=self._proxies(request),
            )
            with response:
                body = _read(request, response.raw, patience)
                headers = {name.lower(): value for name, value in response.headers.items()}
        except requests.exceptions.SSLError as error:
            raise untrusted(request, self._network, error) from error
        except GitsignError:
            raise
        except ValueError as error:  # requests' InvalidURL, InvalidProxyURL, InvalidHeader and their kin
            raise unaskable(request, error, self._network.proxy(request.url)) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise timed_out(request, patience.budget, self._network.proxy(request.url)) from error
        except (requests.ConnectionError, urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(request, error, self._network.proxy(request.url)) from error
        return Answer(request.service, request.method, request.url, response.status_code, headers, body)

    def _proxies(self, request: Request) -> dict[str, str]:
        proxy = self._network.proxy(request.url)
        return {urlsplit(request.url).scheme: proxy} if proxy else {}


def _read(request: Request, raw: urllib3.HTTPResponse, patience: Patience) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := raw.read1(_CHUNK, decode_content=False):
        size += len(part)
        if size > request.max_bytes:
            raise too_large(request)
        if time.monotonic() > patience.deadline:
            raise timed_out(request, patience.budget)
        parts.append(part)
    return b"".join(parts)
