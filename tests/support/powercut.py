"""A disk whose power can be cut: ext4 in a file, mounted through a loop device, and shut down without a flush.

The file system is told to forget all that it has not written (the ioctl of xfstests' godown), so what is there after
the next mount is what a machine finds after a power cut: what was synced, and perhaps more. Only root can mount.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN (fs/ext4/ext4.h)
_NO_LOG_FLUSH = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH
_SECONDS = 60


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)


@dataclass(frozen=True, slots=True)
class CuttableDisk:
    """The disk is at ``place`` while it is mounted."""

    image: Path
    place: Path

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self.image), str(self.place))

    def cut(self) -> None:
        """Cut the power: from now on each write fails, and what was not synced is lost."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        _run("umount", str(self.place))


@contextmanager
def cuttable_disk(directory: Path, megabytes: int = 48) -> Iterator[CuttableDisk]:
    """A fresh disk below ``directory``; skips the test where it cannot be made."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("needs Linux, root and mkfs.ext4 to cut the power of a loop-mounted disk")
    disk = CuttableDisk(directory / "disk.img", directory / "disk")
    disk.place.mkdir()
    with disk.image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run("mkfs.ext4", "-q", str(disk.image))
    try:
        disk.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this system lets us mount no loop device: {error.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        if disk.place.is_mount():
            disk.unmount()
