"""The __main__ of the zipapp, with nothing but the standard library: unpack once, then run from there.

Python imports no native module from an archive, and this program's data are files. What was unpacked is kept by the
digest of the contents, in a folder that nobody else can write.
"""

import os
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path


def main() -> None:
    """Run the program that lies in this archive."""
    archive = Path(sys.argv[0]).absolute()
    sys.argv[0] = str(archive)
    with zipfile.ZipFile(archive) as packed:
        digest, built = packed.read("contents").decode("ascii").split()
        here = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
        if built != here:
            sys.exit(f"gitsign-py: {archive.name} is for {built}, this Python is {here}")
        root = _place() / digest
        try:
            if not root.is_dir():
                _unpack(packed, root)
            _check(root)
        except OSError as error:
            sys.exit(
                f"gitsign-py: cannot unpack to {root}: {error.strerror or error}; let GITSIGN_PY_UNPACKED name a folder"
            )
    sys.path[0] = str(root / "site")  # in the place of the archive
    from gitsign_py.cli import main as run  # noqa: PLC0415 - it was not there before

    sys.exit(run())


def _place() -> Path:
    if named := os.environ.get("GITSIGN_PY_UNPACKED"):
        return Path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "gitsign-py" / "pyz"


def _unpack(packed: zipfile.ZipFile, root: Path) -> None:
    """Into a folder of this process, which becomes the one that counts when it is whole."""
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = root.with_name(f"{root.name}.{os.getpid()}")
    own.mkdir(mode=0o700)
    try:
        packed.extractall(own, [name for name in packed.namelist() if name.startswith("site/")])
        own.rename(root)
    except OSError:
        if not root.is_dir():  # another process was not faster
            raise
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _check(root: Path) -> None:
    found = root.lstat()
    if hasattr(os, "geteuid") and (found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022):
        raise PermissionError(0, "others may write to what is there")


if __name__ == "__main__":
    main()
