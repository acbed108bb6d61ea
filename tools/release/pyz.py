"""A zipapp (PEP 441) of the program with all that it needs: one file for a server that has a Python and no index."""

import hashlib
import io
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

from tools.release.run import run

_MAIN = Path(__file__).with_name("unpacking.py")
_LEFT_OUT = {"__pycache__", "bin", "direct_url.json", "RECORD", "REQUESTED", "INSTALLER"}
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # as old as an archive's time can be


def platform() -> str:
    """The Python and the system that native modules are for."""
    return f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"


def pyz_of_wheel(wheel: Path) -> bytes:
    """Install the wheel with its dependencies into a folder, and pack that. Raises ReleaseError."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(f"{folder}/venv", with_pip=True)
        pip = [f"{folder}/venv/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
        run(Path(folder), *pip, "--target", f"{folder}/site", str(wheel))
        return pack(Path(folder) / "site")


def pack(*sites: Path) -> bytes:
    """Pack folders of packages; the same files give the same bytes."""
    files: dict[str, bytes] = {}
    for site in sites:
        files |= {
            path.relative_to(site).as_posix(): path.read_bytes()
            for path in sorted(site.rglob("*"))
            if path.is_file() and not _LEFT_OUT & set(path.relative_to(site).parts)
        }
    return pack_files(files)


def pack_files(files: dict[str, bytes]) -> bytes:
    """Pack what lies in site-packages, by its name there."""
    digest = hashlib.sha256(b"".join(_line(name, files[name]) for name in sorted(files))).hexdigest()
    buffer = io.BytesIO()
    buffer.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as packed:
        _add(packed, "__main__.py", _MAIN.read_bytes())
        _add(packed, "contents", f"{digest} {platform()}\n".encode())
        for name in sorted(files):
            _add(packed, f"site/{name}", files[name])
    return buffer.getvalue()


def _line(name: str, data: bytes) -> bytes:
    return f"{hashlib.sha256(data).hexdigest()} {name}\n".encode()


def _add(packed: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _FIRST_DAY)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, data)
