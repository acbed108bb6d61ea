"""Connections through a SOCKS proxy, by the schemes that git and curl have for it.

socks5 (RFC 1928, passwords by RFC 1929) and socks4 are told an address, which is looked up here; socks5h and socks4a
are told the name.
"""

import _socket  # the C core alone, as connections.py has it

from gitsign_py.clients.http.request import BrokenAnswer

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsign_py.clients.http.message import Incoming

_VERSIONS = {"socks5": 5, "socks5h": 5, "socks4": 4, "socks4a": 4, "socks": 4}  # curl takes socks for socks4
_NAMED = ("socks5h", "socks4a")
_LONGEST = 255  # bytes of a name or a password, RFC 1928 §5, RFC 1929 §2
_NONE_ACCEPTED = 0xFF
_REFUSALS = {  # RFC 1928 §6
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "the time to live ran out",
    7: "it cannot connect",
    8: "it does not take this kind of address",
}


def open_socks(
    scheme: str, send: "Callable[[bytes], None]", incoming: "Incoming", place: tuple[str, int], credentials: str
) -> None:
    """Let the proxy connect to ``place``. ``credentials`` are ``name:password``, or nothing.

    Raises OSError where it does not, BrokenAnswer where its answer is no SOCKS, ValueError for what cannot be asked.
    """
    (_open_5 if _VERSIONS[scheme] == 5 else _open_4)(send, incoming, place, credentials, named=scheme in _NAMED)
    if not incoming.idle:
        raise BrokenAnswer("the proxy says more than was asked")


def _open_5(
    send: "Callable[[bytes], None]", incoming: "Incoming", place: tuple[str, int], credentials: str, *, named: bool
) -> None:
    methods = b"\x00\x02" if credentials else b"\x00"
    send(b"\x05" + _counted(methods))
    method = _answer(incoming, 2, 5)[1]
    if method not in methods:
        wants = "wants a name and a password" if not credentials else "takes no name and password"
        raise OSError(f"the proxy {wants}" if method == _NONE_ACCEPTED else "the proxy wants another sign-in")
    if method == 2:
        name, _, password = credentials.partition(":")
        send(b"\x01" + _counted(name.encode()) + _counted(password.encode()))
        if _answer(incoming, 2, 1)[1] != 0:
            raise OSError("the proxy refuses its name and password")
    send(b"\x05\x01\x00" + _address_5(place, named=named) + place[1].to_bytes(2, "big"))
    reply = _answer(incoming, 4, 5)
    if reply[1] != 0:
        raise OSError(f"the proxy refuses: {_REFUSALS.get(reply[1], f'code {reply[1]}')}")
    _pass_over_address(incoming, reply[3])


def _open_4(
    send: "Callable[[bytes], None]", incoming: "Incoming", place: tuple[str, int], credentials: str, *, named: bool
) -> None:
    """SOCKS 4 has a name and no password; 4a writes an impossible address, and the host's name at the end."""
    host, port = place
    name = credentials.partition(":")[0].encode()
    if b"\0" in name:
        raise ValueError("the name in the proxy's URL has a NUL")
    address = _packed(host, _socket.AF_INET)
    if address is None and named:
        address, name = b"\0\0\0\1", name + b"\0" + host.encode()
    elif address is None:
        address = _looked_up(host, _socket.AF_INET)[1]
    send(b"\x04\x01" + port.to_bytes(2, "big") + address + name + b"\0")
    code = _answer(incoming, 8, 0)[1]
    if code != 90:  # request granted
        raise OSError("the proxy refuses" if code in (91, 92, 93) else f"the proxy refuses: code {code}")


def _address_5(place: tuple[str, int], *, named: bool) -> bytes:
    """RFC 1928 §5: the kind of the address, and the address."""
    host = place[0]
    for family, kind in ((_socket.AF_INET, b"\x01"), (_socket.AF_INET6, b"\x04")):
        if (packed := _packed(host, family)) is not None:
            return kind + packed
    if named:
        return b"\x03" + _counted(host.encode())
    family, packed = _looked_up(host, 0)
    return (b"\x04" if family == _socket.AF_INET6 else b"\x01") + packed


def _pass_over_address(incoming: "Incoming", kind: int) -> None:
    """The place from which the proxy connects: nobody needs it."""
    sizes = {1: 4, 4: 16}
    if kind != 3 and kind not in sizes:
        raise BrokenAnswer("no SOCKS answer")
    incoming.exactly((sizes[kind] if kind != 3 else incoming.exactly(1)[0]) + 2)


def _answer(incoming: "Incoming", count: int, version: int) -> bytes:
    answer = incoming.exactly(count)
    if answer[0] != version:
        raise BrokenAnswer("no SOCKS answer")
    return answer


def _counted(data: bytes) -> bytes:
    if len(data) > _LONGEST:
        raise ValueError(f"a name or password for the SOCKS proxy has {len(data)} bytes, expected at most {_LONGEST}")
    return bytes([len(data)]) + data


def _packed(host: str, family: int) -> bytes | None:
    try:
        return _socket.inet_pton(family, host)
    except OSError:
        return None


def _looked_up(host: str, family: int) -> tuple[int, bytes]:
    """The first address of a name, and its family."""
    found = _socket.getaddrinfo(host.encode(), None, family, _socket.SOCK_STREAM)[0]
    return found[0], _socket.inet_pton(found[0], str(found[4][0]).partition("%")[0])
