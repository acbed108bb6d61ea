"""The code that verifies: a digest of this package's source, and of the Python and the libraries below it.

Other code may have found other facts, so kept facts (``cache.py``) count under the very same code alone. The
source is read, since a file can change and keep its size and its time; the libraries are told by their versions.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
_APART = {"localstack", "__pycache__"}  # the servers of a private Sigstore verify nothing


@cache
def code_digest() -> bytes:
    """Give 32 bytes that change with any line of the code.

    Computed once for each process, by an agent when it starts: what lies on the disk may be newer than what runs.
    Raises OSError where there is no source to read.
    """
    return digest_of(PACKAGE, library_versions())


def digest_of(package: Path, libraries: tuple[str, ...]) -> bytes:
    """Give the digest of the source below ``package``, and of the names of ``libraries``. Raises OSError."""
    digest = hashlib.sha256()
    for number, path in enumerate(_sources(str(package))):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib costs half as much again
            source = file.read()
        name = path[len(str(package)) :].encode("utf-8", "surrogateescape")
        digest.update(b"%d %d %d\n" % (number, len(name), len(source)) + name + source)
    for library in libraries:
        digest.update(b"%d\n" % len(library.encode()) + library.encode())
    return digest.digest()


def _sources(package: str) -> Iterator[str]:
    found = False
    for folder, folders, names in os.walk(package):
        folders[:] = sorted(set(folders) - _APART)
        for name in sorted(names):
            if name.endswith(".py"):
                found = True
                yield f"{folder}{os.sep}{name}"
    if not found:
        raise FileNotFoundError(f"there is no source of the verifier in {package}")


def library_versions() -> tuple[str, ...]:
    """Name Python, cryptography with its binary, and OpenSSL, without loading cryptography. Raises OSError."""
    spec = find_spec("cryptography")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("there is no cryptography")
    folder = Path(spec.origin).parent
    binaries = [(path.name, path.stat()) for path in sorted((folder / "hazmat" / "bindings").glob("_rust*"))]
    return (
        sys.version,
        (folder / "__about__.py").read_text(encoding="utf-8"),
        *(f"{name} {found.st_size} {found.st_mtime_ns}" for name, found in binaries),
        _openssl_version(),
    )


def _openssl_version() -> str:
    """Name the OpenSSL of this Python, which a system's cryptography shares; that of a wheel is in its binary."""
    try:
        from _ssl import OPENSSL_VERSION  # noqa: PLC0415 - the module ssl costs five times as much
    except ImportError:
        return "none"
    return OPENSSL_VERSION
