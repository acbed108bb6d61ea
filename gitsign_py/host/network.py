"""How this program reaches others: which TLS authorities count, and which proxy is asked. Every connection goes by it.

One order for the authorities, the first that is set counts: SSL_CERT_FILE and SSL_CERT_DIR (as Go and OpenSSL read
them), REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, GIT_SSL_CAINFO and GIT_SSL_CAPATH, git's http.sslCAInfo and http.sslCAPath,
the system's store. A variable of the first three counts instead of the system's store. git's own count beside it: they
are set for a company's git server, and the public services must still be found; ``http.<url>.sslCAInfo`` is for the
URLs that it matches, as git matches them. One that names the system's store says nothing, so the next is looked at:
tools set all of these variables to it. Nothing switches verification off, and what a repository's own configuration
says about it is passed over.
"""

import ipaddress
import os
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.errors import ConfigError, plain_words
from gitsign_py.host.git.config import GitConfig, to_path

if TYPE_CHECKING:
    import ssl

_MAX_FILES = 2000  # of a directory; Debian's own has some 300
_LINUX_STORES = (  # where systems keep their authorities in one file, for a Python that was built elsewhere
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, the BSDs
)
_LINUX_DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs")
_VARIABLES = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "HOME",
)  # fmt: skip
_NAMES = frozenset({"sslcainfo", "sslcapath", "proxy"})  # of http. and of http.<url>.
_PORTS = {"http": 80, "https": 443}
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://")


@frozen
class TlsTrust:
    """The authorities that count for TLS: files and directories of PEM certificates, and the setting that names them.

    Without a ``name`` it is the system's store; ``beside`` says that they count beside it.
    """

    name: str = ""
    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    beside: bool = False

    def __str__(self) -> str:
        if not self.name:
            return "the system's store"
        named = ", ".join((*self.files, *self.directories))
        return f"{self.name} ({named}{', beside the system store' if self.beside else ''})"


def tls_trust(environment: Mapping[str, str], gitconfig: GitConfig | None = None, url: str = "") -> TlsTrust:
    """Choose by the order above, for ``url`` or any; no certificate is read. Raises ConfigError
    ``tls-authorities-unreadable``.
    """
    get = environment.get
    directories = [one for one in (get("SSL_CERT_DIR") or "").split(os.pathsep) if one]
    own = gitconfig.without_repository() if gitconfig is not None else GitConfig()
    home = environment.get("HOME", "")
    chosen = (
        _chosen({"SSL_CERT_FILE": [get("SSL_CERT_FILE") or ""], "SSL_CERT_DIR": directories}),
        _chosen({"REQUESTS_CA_BUNDLE": [get("REQUESTS_CA_BUNDLE") or ""]}),
        _chosen({"CURL_CA_BUNDLE": [get("CURL_CA_BUNDLE") or ""]}),
        _chosen(
            dict([_of_git("GIT_SSL_CAINFO", get("GIT_SSL_CAINFO"), _setting(own, "sslCAInfo", url), home)])
            | dict([_of_git("GIT_SSL_CAPATH", get("GIT_SSL_CAPATH"), _setting(own, "sslCAPath", url), home)]),
            beside=True,
        ),
    )
    return next((one for one in chosen if one is not None), TlsTrust())


def _chosen(named: Mapping[str, Sequence[str]], *, beside: bool = False) -> TlsTrust | None:
    """The authorities that these settings name, None where that is nothing or the system's own store."""
    counted = {name: [path for path in paths if path and not _is_system(path)] for name, paths in named.items()}
    counted = {name: paths for name, paths in counted.items() if paths}
    if not counted:
        return None
    paths = [path for found in counted.values() for path in found]
    directories = tuple(path for path in paths if os.path.isdir(path))  # noqa: PTH112 - never raises
    return TlsTrust(" and ".join(counted), tuple(p for p in paths if p not in directories), directories, beside)


def _is_system(path: str) -> bool:
    """Whether it is where this system keeps its authorities, by any of its names."""
    places = {os.path.realpath(place) for place in (*_LINUX_STORES, *_LINUX_DIRECTORIES)}
    return sys.platform not in ("darwin", "win32") and os.path.realpath(path) in places


def _setting(own: GitConfig, name: str, url: str) -> tuple[str, str | None]:
    """The setting of git that counts for ``url``: its key, and its text if it is set."""
    if url and _has_sections(own):
        from gitsign_py.host.git.urlmatch import for_url  # noqa: PLC0415 - for those who have such a section

        found = for_url(own, name, url)
        return (f"http.{name}", None) if found is None else (found[0], found[1].text or "")
    value = own.last(f"http.{name}")
    return f"http.{name}", None if value is None else value.text or ""


def _has_sections(own: GitConfig) -> bool:
    """Whether git has settings of ours for single URLs."""
    return any(key.startswith("http.") and "://" in key and key.rpartition(".")[2] in _NAMES for key in own.entries)


def _of_git(variable: str, value: str | None, setting: tuple[str, str | None], home: str) -> tuple[str, list[str]]:
    """The variable or the setting, as git's http.c has it: the variable wins, if it says something."""
    if value and not _is_system(value):
        return variable, [value]
    key, text = setting
    try:
        return key, [str(to_path(text, home))] if text else []
    except ValueError as error:
        raise _unreadable(key, text or "", f"expected {error}") from error


def tls_context(trust: TlsTrust) -> "ssl.SSLContext":
    """Make the context that verifies servers by ``trust``. Raises ConfigError ``tls-authorities-unreadable``."""
    context = _system_context() if trust.beside or not trust.name else _empty_context()
    for path in trust.files:
        _load(context, trust.name, path)
    for directory in trust.directories:
        loaded = [_tried(context, path) for path in _listed(trust.name, directory)]
        if not any(loaded):
            raise _unreadable(trust.name, directory, "no file in it holds a certificate")
    return context


def _empty_context() -> "ssl.SSLContext":
    import ssl  # noqa: PLC0415 - 15 ms, and loopback services need no TLS

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, names of hosts too
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _system_context() -> "ssl.SSLContext":
    """The system's own store: by its own interface on macOS and Windows, which OpenSSL does not read, or not whole."""
    if sys.platform in ("darwin", "win32"):
        import ssl  # noqa: PLC0415 - as above

        try:
            import truststore  # noqa: PLC0415 - on these systems alone

            native: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return native
        except ImportError:  # an installation without it: what OpenSSL finds
            pass
    context = _empty_context()
    if sys.platform in ("darwin", "win32"):
        context.load_default_certs()
        return context
    hashed = next((path for path in _LINUX_DIRECTORIES if _is_hashed(path)), None)
    if hashed is not None:  # a certificate is read when it is asked for: the whole store costs 20 ms and more
        context.load_verify_locations(capath=hashed)
    elif not any(_tried(context, path) for path in (*_LINUX_STORES, _certifi()) if path):
        context.load_default_certs()
    return context


def _is_hashed(directory: str) -> bool:
    """Whether OpenSSL can look certificates up in it by the hash of their subject (c_rehash)."""
    try:
        with os.scandir(directory) as entries:
            return any(entry.name.endswith(".0") for entry in entries)
    except OSError:
        return False


def _certifi() -> str:
    """The bundle that came with requests, for a machine that has no store at all (a slim container)."""
    try:
        import certifi  # noqa: PLC0415 - as above
    except ImportError:
        return ""
    return certifi.where()


def _listed(name: str, directory: str) -> list[str]:
    try:
        entries = sorted(Path(directory).iterdir())[:_MAX_FILES]
    except (OSError, ValueError) as error:
        raise _unreadable(name, directory, plain_words(error)) from error
    return list({os.path.realpath(path): str(path) for path in entries if path.is_file()}.values())


def _tried(context: "ssl.SSLContext", path: str) -> bool:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ValueError):  # SSLError is an OSError: no certificate in it
        return False
    return True


def _load(context: "ssl.SSLContext", name: str, path: str) -> None:
    import ssl  # noqa: PLC0415 - as above

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a pipe would be waited for
            raise _unreadable(name, path, "it is no file")
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise _unreadable(name, path, "no PEM certificate in it") from error
    except FileNotFoundError as error:
        raise _unreadable(name, path, "there is no such file") from error
    except (OSError, ValueError) as error:
        raise _unreadable(name, path, plain_words(error)) from error


def _unreadable(name: str, path: str, why: str) -> ConfigError:
    return ConfigError(
        "tls-authorities-unreadable",
        f"{name} names {path[:200]} for the authorities of TLS, which cannot be used: {why}",
        hint=f"correct {name}, or unset it; gitsign-py doctor says which setting counts",
        facts={"setting": name, "path": path[:200]},
    )


class Network:
    """How one call of the program connects: by its environment and git's settings, never by the process's own."""

    def __init__(self, environment: Mapping[str, str], gitconfig: GitConfig | None = None) -> None:
        self._environment = environment
        self._own = gitconfig.without_repository() if gitconfig is not None else GitConfig()
        self._contexts: dict[TlsTrust, ssl.SSLContext] = {}

    @property
    def key(self) -> tuple[str | None, ...]:
        """All that is read of both: connections of one are another's only where it is the same."""
        proxies = sorted(name for name in self._environment if name.lower().endswith("_proxy"))
        named = [(name, self._environment.get(name)) for name in (*_VARIABLES, *proxies)]
        said = [
            (key, value.text)
            for key in sorted(self._own.entries)
            if key.startswith("http.") and key.rpartition(".")[2] in _NAMES
            for value in self._own.all(key)
        ]
        return tuple(part for pair in (*named, *said) for part in pair)

    @cached_property
    def trust(self) -> TlsTrust:
        """The authorities that count where nothing else is said of a URL."""
        return tls_trust(self._environment, self._own)

    @cached_property
    def _sections(self) -> bool:
        return _has_sections(self._own)

    def trust_for(self, url: str) -> TlsTrust:
        """The authorities that count for ``url``."""
        return tls_trust(self._environment, self._own, url) if self._sections else self.trust

    def context(self, trust: TlsTrust) -> "ssl.SSLContext":
        """The context for every TLS connection by these authorities, made when the first one is."""
        found = self._contexts.get(trust)
        if found is None:
            found = self._contexts[trust] = tls_context(trust)
        return found

    def proxy(self, url: str) -> str:
        """The URL of the proxy for ``url``, empty where none is asked."""
        return proxy_for(url, self._environment, self._own)


def proxy_for(url: str, environment: Mapping[str, str], gitconfig: GitConfig | None = None) -> str:
    """Choose the proxy as git and curl do: http.proxy, SCHEME_proxy, all_proxy, unless no_proxy lists the host.

    Without a scheme it is an http proxy. The lower-case variable wins, and HTTP_PROXY in capitals is not read, as in
    curl: a web server that runs git makes it of a request's header (CVE-2016-5385). Without any, macOS and Windows are
    asked for their own settings. http.proxy is http.<url>.proxy where one matches; of a repository's own configuration
    neither counts.
    """
    parts = urlsplit(url)
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if _is_listed(parts.hostname or "", parts.port or _PORTS.get(parts.scheme), listed):
        return ""
    own = _setting(gitconfig.without_repository(), "proxy", url)[1] if gitconfig is not None else None
    if own is not None:
        return _in_full(own)
    capitals = () if parts.scheme == "http" else (f"{parts.scheme}_proxy".upper(),)
    names = (f"{parts.scheme}_proxy", *capitals, "all_proxy", "ALL_PROXY")
    found = next((value for name in names if (value := environment.get(name))), "")
    return _in_full(found or _system_proxy(parts.scheme, parts.hostname or ""))


def _in_full(proxy: str) -> str:
    """With the scheme and the port that curl takes where none is named (curl(1), --proxy)."""
    whole = proxy if not proxy or _SCHEME.match(proxy) else f"http://{proxy}"
    try:
        parts = urlsplit(whole)
        if not parts.hostname or parts.port is not None:
            return whole
    except ValueError:  # whoever connects says what is wrong with it
        return whole
    port = 443 if parts.scheme == "https" else 1080
    return parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{port}").geturl()


def _system_proxy(scheme: str, host: str) -> str:
    if sys.platform not in ("darwin", "win32"):
        return ""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - on these systems alone

    return "" if proxy_bypass(host) else getproxies().get(scheme, "")


def _is_listed(host: str, port: int | None, listed: str) -> bool:
    """As curl's CURLOPT_NOPROXY: ``*``, a domain with all below it, an address or a network of addresses."""
    entries = [entry for entry in re.split(r"[\s,]+", listed.lower()) if entry]
    return "*" in entries or any(_matches(host.lower(), port, entry) for entry in entries)


def _matches(host: str, port: int | None, entry: str) -> bool:
    name, wanted = _split_port(entry)
    if wanted and wanted != str(port):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = name.strip(".")
        return bool(name) and (host.rstrip(".") == name or host.rstrip(".").endswith(f".{name}"))
    try:
        return address in ipaddress.ip_network(name.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, str]:
    """The host and the port of an entry, if it has one. Of an address of version 6 only what follows a bracket is."""
    name, colon, port = entry.rpartition(":")
    return (name, port) if colon and (":" not in name or "]" in name) and port.isdigit() else (entry, "")
