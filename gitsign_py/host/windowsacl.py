"""The owner of a file on Windows, and what its access list lets others do ([MS-DTYP] 2.4: SID, ACE, ACL).

The system gives owner and list as bytes; they are read here without it, so that the rules can be tested on any system.
Only this user, the system and its administrators may do what is asked about: who they are, root is elsewhere.
"""

import os
import sys

SYSTEM, ADMINISTRATORS, CREATOR_OWNER = "S-1-5-18", "S-1-5-32-544", "S-1-3-0"
TRUSTED_INSTALLER = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
_SYSTEM = frozenset({SYSTEM, ADMINISTRATORS, TRUSTED_INSTALLER})
_ALLOWED, _DENIED, _INHERIT_ONLY = 0, frozenset({1, 6, 10, 12}), 0x08
# [MS-DTYP] 2.4.3 and the access rights of files and directories
_DELETE, _WRITE_DAC, _WRITE_OWNER = 0x1_0000, 0x4_0000, 0x8_0000
_GENERIC_ALL, _GENERIC_WRITE, _GENERIC_READ = 0x1000_0000, 0x4000_0000, 0x8000_0000
_READ_DATA, _WRITE_DATA, _APPEND_DATA, _DELETE_CHILD = 0x1, 0x2, 0x4, 0x40
RENAME = _DELETE | _WRITE_DAC | _WRITE_OWNER | _GENERIC_ALL | _DELETE_CHILD
WRITE = RENAME | _GENERIC_WRITE | _WRITE_DATA | _APPEND_DATA
READ = WRITE | _GENERIC_READ | _READ_DATA


def check_private(path: str, *, made: bool = True) -> str:
    """Say why others could have put a file there or could read it; empty when nobody else could.

    ``made`` False: the file is not there yet, its directory is asked. Raises OSError.
    """
    if made and (why := _of_others(path, READ, what="read or change")):
        return why
    directory = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120  as given, and where that leads
    for place in {directory, os.path.realpath(directory)}:
        if why := _of_others(place, WRITE, what="write to"):
            return why
        parent = os.path.dirname(place)  # noqa: PTH120
        while parent != os.path.dirname(parent):  # noqa: PTH120
            if why := _of_others(parent, RENAME, what="rename in"):
                return why
            parent = os.path.dirname(parent)  # noqa: PTH120
    return ""


def _of_others(path: str, rights: int, *, what: str) -> str:
    owner, access = _security(path)
    return refusal(path, owner, access, own=_own_sid(), rights=rights, what=what)


def refusal(path: str, owner: bytes, access: bytes | None, *, own: bytes, rights: int, what: str) -> str:
    """Say what lets others do what ``rights`` are; ``owner`` and ``own`` are SIDs, ``access`` the list (None: none)."""
    trusted = _SYSTEM | {sid_text(own)}
    if sid_text(owner) not in trusted:
        return f"{path} belongs to another user"
    if access is None or any(mask & rights and sid not in trusted for sid, mask in granted(access)):
        return f"other users can {what} {path}"
    return ""


def granted(access: bytes) -> list[tuple[str, int]]:
    """The rights that an ACL grants, by SID. An entry that is read no further here counts as everything for
    everybody.
    """
    found: list[tuple[str, int]] = []
    at = 8
    for _ in range(int.from_bytes(access[4:6], "little")):
        kind, flags, length = access[at], access[at + 1], int.from_bytes(access[at + 2 : at + 4], "little")
        mask, sid = int.from_bytes(access[at + 4 : at + 8], "little"), access[at + 8 : at + length]
        if kind == _ALLOWED and not flags & _INHERIT_ONLY:
            found.append((sid_text(sid), mask))
        elif kind != _ALLOWED and kind not in _DENIED:
            found.append(("", -1))
        at += max(length, 8)
    return found


def sid_text(sid: bytes) -> str:
    """Write a SID as ``S-1-...`` ([MS-DTYP] 2.4.2.1)."""
    parts = [int.from_bytes(sid[at : at + 4], "little") for at in range(8, 8 + 4 * sid[1], 4)]
    return "-".join(["S", str(sid[0]), str(int.from_bytes(sid[2:8], "big")), *map(str, parts)])


if sys.platform == "win32":
    import ctypes

    _advapi, _kernel = ctypes.WinDLL("advapi32", use_last_error=True), ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.GetCurrentProcess.restype = ctypes.c_void_p
    _kernel.LocalFree.argtypes = [ctypes.c_void_p]
    _kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    _advapi.OpenProcessToken.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p]
    _advapi.GetTokenInformation.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p,
    ]  # fmt: skip
    _advapi.GetNamedSecurityInfoW.argtypes = [
        ctypes.c_wchar_p, ctypes.c_int, ctypes.c_ulong, *[ctypes.c_void_p] * 5,
    ]  # fmt: skip

    def _security(path: str) -> tuple[bytes, bytes | None]:
        """Owner and access list of a file (GetNamedSecurityInfoW, OWNER and DACL). Raises OSError."""
        owner, access, descriptor = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        code = _advapi.GetNamedSecurityInfoW(
            path, 1, 5, ctypes.byref(owner), None, ctypes.byref(access), None, ctypes.byref(descriptor)
        )
        if code:
            raise ctypes.WinError(code)
        try:
            length = int.from_bytes(ctypes.string_at(access.value + 2, 2), "little") if access.value else 0
            return _sid_at(owner.value or 0), ctypes.string_at(access.value, length) if access.value else None
        finally:
            _kernel.LocalFree(descriptor)

    def _own_sid() -> bytes:
        """The SID of this process's user (GetTokenInformation, TokenUser). Raises OSError."""
        token, needed = ctypes.c_void_p(), ctypes.c_ulong()
        if not _advapi.OpenProcessToken(_kernel.GetCurrentProcess(), 8, ctypes.byref(token)):
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            buffer = ctypes.create_string_buffer(256)
            if not _advapi.GetTokenInformation(token, 1, buffer, len(buffer), ctypes.byref(needed)):
                raise ctypes.WinError(ctypes.get_last_error())
            return _sid_at(int.from_bytes(buffer.raw[: ctypes.sizeof(ctypes.c_void_p)], "little"))
        finally:
            _kernel.CloseHandle(token)

    def _sid_at(address: int) -> bytes:
        return ctypes.string_at(address, 8 + 4 * ctypes.string_at(address, 2)[1])

else:

    def _security(path: str) -> tuple[bytes, bytes | None]:
        raise OSError(f"{path}: access lists are read on Windows")

    def _own_sid() -> bytes:
        raise OSError("SIDs are there on Windows")
