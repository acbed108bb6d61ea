"""gpgsm, asked about one signature: bounded in time, without a network, a terminal or a question to anybody.

The program is the first of that name on PATH that is not this one. No configuration of git says which (gpg.x509.program
is this very program, and a repository's own may name anything); GnuPG's own, of the person, counts. Neither CRLs nor
OCSP are asked for: gpgsm checks signature, chain, validity and its trustlist.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress

from gitsign_py.errors import UncheckedError

HANDED_OVER = "GITSIGN_PY_HANDED_OVER"
"""Set for the programs that we hand signatures to, so that one of them which is this program does not ask itself."""
SECONDS = 20.0
_NAMES = ("gpgsm.exe",) if sys.platform == "win32" else ("gpgsm",)
_OPTIONS = (
    "--batch",
    "--no-tty",
    "--disable-dirmngr",
    "--disable-crl-checks",
    "--pinentry-mode=error",
    "--status-fd=1",
)


def find_gpgsm(environment: Mapping[str, str]) -> str | None:
    """Its path. Folders of PATH that begin in the working directory, which may be a repository, do not count."""
    own = os.path.realpath(sys.argv[0])
    for directory in filter(os.path.isabs, environment.get("PATH", os.defpath).split(os.pathsep)):
        for name in _NAMES:
            candidate = os.path.join(directory, name)  # noqa: PTH118
            if os.access(candidate, os.X_OK) and os.path.isfile(candidate) and os.path.realpath(candidate) != own:  # noqa: PTH113
                return candidate
    return None


def ask_gpgsm(signature: bytes, payload: bytes, environment: Mapping[str, str]) -> bytes:
    """Ask about an armored ``signature`` over ``payload``; gives what it says on its status descriptor.

    Raises UncheckedError ``program-missing``, ``gpgsm-failed``.
    """
    program = None if HANDED_OVER in environment else find_gpgsm(environment)
    if program is None:
        raise UncheckedError(
            "program-missing",
            "an S/MIME signature, and the program gpgsm is not installed",
            hint="install GnuPG's gpgsm, which knows the CAs of companies",
        )
    variables = {**{k: v for k, v in environment.items() if not k.startswith("GIT_")}, HANDED_OVER: "1", "LC_ALL": "C"}
    with tempfile.TemporaryDirectory(prefix="gitsign-smime-", ignore_cleanup_errors=True) as folder:
        files = [os.path.join(folder, name) for name in ("signature", "payload")]  # noqa: PTH118
        for file, data in zip(files, (signature, payload), strict=True):
            with open(file, "xb") as opened:  # noqa: PTH123
                opened.write(data)
        return _said([program, *_OPTIONS, "--verify", *files], variables)


def _said(command: list[str], variables: Mapping[str, str]) -> bytes:
    """The output, read from a file: a program that gpgsm starts may keep a pipe open for ever."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, env=variables, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise UncheckedError("gpgsm-failed", f"gpgsm cannot be started: {error.strerror}") from error
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired as error:
            raise UncheckedError("gpgsm-failed", f"gpgsm gave no verdict within {SECONDS:g} s") from error
        finally:
            with suppress(OSError):
                process.kill()
            process.wait()
        said.seek(0)
        return said.read(1 << 20)
