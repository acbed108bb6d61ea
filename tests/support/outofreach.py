"""A folder that this user may not look into, also where the tests run as root, to whom nothing is out of reach."""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def put_out_of_reach(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let every look at what is in ``folder``, and every file made there, fail as at another user's 0700 folder."""
    for module, name in ((os, "stat"), (os, "lstat"), (os, "mkdir"), (os, "open"), (io, "open")):
        monkeypatch.setattr(module, name, _denying(getattr(module, name), str(folder) + os.sep))


def _denying(real: Callable[..., Any], inside: str) -> Callable[..., Any]:
    def denied(path: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(path, (str, os.PathLike)) and str(path).startswith(inside):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *arguments, **named)

    return denied
