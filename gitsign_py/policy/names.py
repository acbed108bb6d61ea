"""Names as file systems read them: two that git tells apart may be one file in a checkout on macOS or Windows.

Such a name is folded to what it may be taken for. That takes in more than any one file system does, since a rule that
is asked too often does less harm than one that is passed by.
"""

import re
import unicodedata
from functools import lru_cache

# The characters that HFS+ passes over in names (git's utf8.c), and those that Unicode ignores by default
# (DerivedCoreProperties, Default_Ignorable_Code_Point), which Linux passes over in folders without case (ext4, f2fs).
_IGNORED = dict.fromkeys(
    (
        *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010)),
        *(*range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0),
        *(*range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
    )
)
# NTFS makes a name of eight and three characters for each that is longer: six of it, a tilde and a number.
_SHORT = re.compile(r"([^.]{1,6})~([0-9]{1,6})(?:\.([^.]{0,3}))?\Z")
_SHORT_LENGTH = 8
_HEX = re.compile(r"[0-9a-f]*\Z")
_WILD = re.compile(r"[*?]")
_NO_UTF8 = re.compile("[\udc80-\udcff]")  # each stands for a byte that is not UTF-8 (PEP 383)
_HALVES = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_PRINTABLE = 0xA0
_LONGEST_NAME = 1024  # characters; what folds names (APFS, HFS+, NTFS, ext4) takes 255 at most


@lru_cache(maxsize=4096)
def folded(name: str) -> tuple[str, ...]:
    """The parts of a path that a file system may make of one name: mostly one; more where a backslash divides it.

    Windows passes over dots and spaces at the end of a name, and over what follows a colon (a stream of the file), so a
    name may come to nothing as well: it is then the folder that it lies in.
    """
    if _NO_UTF8.search(name):
        name = _on_windows(name)
    return tuple(filter(None, map(_folded, name.split("\\"))))


def _on_windows(name: str) -> str:
    """A name that is not UTF-8 as git for Windows writes it (xutftowcsn in its compat/mingw.c).

    A byte from A0 on becomes the character of that number, one before it two hex digits, and a character that is
    there as its two halves of UTF-16 is that character.
    """
    joined = _HALVES.sub(_joined, name.encode("utf-8", "surrogateescape"))
    return _NO_UTF8.sub(_of_byte, joined.decode("utf-8", "surrogateescape"))


def _joined(halves: "re.Match[bytes]") -> bytes:
    return halves[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()


def _of_byte(escaped: "re.Match[str]") -> str:
    byte = ord(escaped[0]) & 0xFF
    return chr(byte) if byte >= _PRINTABLE else f"{byte:02x}"


def _folded(name: str) -> str:
    name = name.partition(":")[0]
    # No checkout writes a longer name, and to put its marks in order takes the square of their number.
    if not name.isascii() and len(name) <= _LONGEST_NAME:
        # As Unicode compares without case (3.13, D145); by way of upper case too, which is how NTFS does it.
        name = unicodedata.normalize("NFD", name).translate(_IGNORED).upper().casefold()
        return unicodedata.normalize("NFD", name).rstrip(". ")
    return name.rstrip(". ").lower()


@lru_cache(maxsize=4096)
def may_be_short_for(name: str, long: str) -> bool:
    """Tell whether NTFS may have made ``name`` (folded) for ``long`` (folded, or a glob for one part of a path).

    ``CODEOW~1`` is the first of CODEOWNERS; from the fifth on it is two characters and a hash, ``CO0A1B~1``, whose
    value is not computed here. Longer numbers leave less room for what stands before them (git's path.c).
    """
    short = _SHORT.match(name)
    if short is None or len(short[1]) + 1 + len(short[2]) > _SHORT_LENGTH:
        return False
    room = _SHORT_LENGTH - 1 - len(short[2])
    base, _, ending = _divided(long)
    return _fits_ending(short[3] or "", ending) and (
        _begins(short[1], base, min(room, 6)) or _is_hashed(short[1], base, room)
    )


def _divided(long: str) -> tuple[str, str, str]:
    base, dot, ending = long.lstrip(". ").rpartition(".")
    if not dot:
        base, ending = ending, ("*" if "*" in ending else "")  # a wildcard may hold the dot
    return base.replace(".", "").replace(" ", ""), dot, ending.replace(" ", "")


def _fits_ending(short: str, ending: str) -> bool:
    return _begins(short, ending, 3)


def _begins(short: str, base: str, room: int) -> bool:
    """Tell whether ``short`` is the first ``room`` characters of ``base``, or all; a wildcard in them may be anything.

    So may what the names of DOS cannot hold: NTFS writes something else for it.
    """
    wild = _WILD.search(base[:room])
    if wild:
        return _same(short[: wild.start()], base[: wild.start()])
    return _same(short, base[:room])


def _same(short: str, base: str) -> bool:
    return len(short) == len(base) and all(
        one == other or not other.isascii() or other in "+,;=[]" for one, other in zip(short, base, strict=True)
    )


def _is_hashed(short: str, base: str, room: int) -> bool:
    start = min(2, len(base))
    return (
        len(short) == min(start + 4, room)
        and _begins(short[:start], base, start)
        and _HEX.match(short[start:]) is not None
    )


def looks_like(name: bytes, folder: str) -> bool:
    """Tell whether a checkout on macOS or Windows may write ``name`` where ``folder`` (``.gitsign``) is.

    Names that come to nothing count: what lies in them may be taken for what lies beside them.
    """
    if name == folder.encode():
        return True
    parts = folded(name.decode("utf-8", "surrogateescape"))
    return not parts or parts[0] == folder or may_be_short_for(parts[0], folder)
