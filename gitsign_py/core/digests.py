"""SHA-1 and SHA-2, by ``hashlib`` or, where a process hashes a few kilobytes and ends, by what Python has built in.

Loading ``hashlib`` loads the system's OpenSSL, 11 million instructions of the 240 of a verification, while cryptography
brings one of its own. Python's own functions give the same digests, at a fifth of the speed: so audits, hooks and the
agent keep ``hashlib``, and git's single calls ask for the light ones (:func:`choose_light`) until they meet much data.
"""

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Hash(Protocol):
        """What all these functions give."""

        def update(self, data: bytes, /) -> None:
            """Take more bytes."""

        def digest(self) -> bytes:
            """The digest of all bytes."""

        def hexdigest(self) -> str:
            """The same in hex."""

    Maker = Callable[[bytes], Hash]

_makers: "dict[str, Maker]" = {}
_light: "dict[str, Maker]" = {}
_FEW = 1 << 18
"""Bytes up to which a light function takes less than loading ``hashlib`` does."""


def new(name: str, data: bytes = b"", *, more: int = 0) -> "Hash":
    """Give what ``hashlib.new`` gives; ``more`` is how many bytes are to follow."""
    if len(data) + more > _FEW:
        _choose_quick()
    return (_makers.get(name) or _maker(name))(data)


def sha256(data: bytes = b"") -> "Hash":
    """Give what ``hashlib.sha256`` gives."""
    if len(data) > _FEW:
        _choose_quick()
    return (_makers.get("sha256") or _maker("sha256"))(data)  # without a second call: audits come here often


def choose_light() -> None:
    """From now on without OpenSSL, for the functions that Python has built in (its ``random`` does so too)."""
    try:
        from _sha1 import sha1 as light_sha1  # type: ignore[import-not-found]  # noqa: PLC0415 - for those who ask
    except ImportError:  # Python may be built without them
        return
    try:
        from _sha2 import sha256 as light_sha256  # type: ignore[import-not-found]  # noqa: PLC0415 - Python 3.12
    except ImportError:
        from _sha256 import sha256 as light_sha256  # type: ignore[import-not-found]  # noqa: PLC0415
    _light.update(sha1=light_sha1, sha256=light_sha256)
    _makers.update(_light)


def _choose_quick() -> None:
    """Forget the light functions: for so much data, OpenSSL's are worth their load."""
    for name in _light:
        if _makers.get(name) is _light[name]:
            _makers.pop(name, None)


def _maker(name: str) -> "Maker":
    import hashlib  # noqa: PLC0415 - see above

    named: dict[str, Maker] = {
        "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False),
        "sha256": hashlib.sha256,  # a third of the time that hashlib.new takes to find it
        "sha384": hashlib.sha384,
        "sha512": hashlib.sha512,
    }
    return _makers.setdefault(name, named.get(name) or (lambda data: hashlib.new(name, data)))
