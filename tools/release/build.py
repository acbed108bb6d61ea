"""Wheel and sdist, built twice from the tagged tree to the same bytes (reproducible-builds.org, SOURCE_DATE_EPOCH)."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.release.errors import ReleaseError
from tools.release.run import git


def build(root: Path, revision: str, output: Path, *, isolated: bool = True) -> dict[str, str]:
    """Build wheel and sdist of ``revision`` into ``output``; gives SHA-256 (hex) by name.

    Each of the two builds has a folder and a tree of its own, without what lies about in the worktree. Raises
    ReleaseError when they differ.
    """
    epoch = git(root, "log", "-1", "--format=%ct", revision)
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_build(root, revision, Path(folder) / name, epoch, isolated=isolated) for name in ("a", "bb"))
        if first != second:
            names = sorted(name for name in {*first, *second} if first.get(name) != second.get(name))
            raise ReleaseError(f"two builds of {revision} differ in {', '.join(names)}: nothing is released")
        output.mkdir(parents=True, exist_ok=True)
        for name, data in first.items():
            (output / name).write_bytes(data)
    return digests(first)


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 (hex) by name."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}


def _build(root: Path, revision: str, folder: Path, epoch: str, *, isolated: bool) -> dict[str, bytes]:
    tree, made = folder / "tree", folder / "made"
    _export(root, revision, tree)
    command = [
        sys.executable,
        "-m",
        "build",
        "--outdir",
        str(made),
        *([] if isolated else ["--no-isolation"]),
        str(tree),
    ]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0", "TZ": "UTC"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        raise ReleaseError(f"the build failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return {file.name: file.read_bytes() for file in made.iterdir()}


def _export(root: Path, revision: str, tree: Path) -> None:
    """Write the revision's files, as git has them."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", revision], cwd=root, capture_output=True, check=True, timeout=60
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tree, filter="data")
