"""Attack: the power goes while a stack of the local Sigstore takes entries, has just started, or gets a new key.

What was answered must be there afterwards, no size of a log may be signed with a second root, and the stack starts.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pytest

from gitsign_py.core.encoding import b64_decode
from gitsign_py.core.tlog import merkle
from gitsign_py.localstack.rotate import ROTATIONS, rotate
from tests.support.powercut import CuttableDisk, cuttable_disk
from tests.support.rekor2kit import ENTRIES, proposal
from tests.support.stack import RunningStack, running_stack

WRITERS = 6


@dataclass
class Answered:
    """What writers were told: leaf hash by position, root by size."""

    leaves: dict[int, bytes] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)

    def note(self, value: dict[str, object]) -> None:
        proof = value["inclusionProof"]
        assert isinstance(proof, dict)
        self.leaves[int(str(value["logIndex"]))] = merkle.leaf_hash(b64_decode(str(value["canonicalizedBody"])))
        self.roots[int(proof["treeSize"])] = b64_decode(proof["rootHash"])


def write_until_cut(stack: RunningStack, answered: Answered, name: str) -> None:
    bodies = [proposal(f"{name} {number}".encode()) for number in range(300)]
    for body in bodies:
        try:
            answer = stack.post(ENTRIES, body)
            if answer.status != 201:
                return
            answered.note(answer.json())
        except (OSError, HTTPException):
            return


def cut_under_writers(disk: CuttableDisk, answered: Answered, name: str) -> None:
    with running_stack(disk.place / "stack") as stack:
        threads = [
            threading.Thread(target=write_until_cut, args=(stack, answered, f"{name} {writer}"))
            for writer in range(WRITERS)
        ]
        before, deadline = len(answered.leaves), time.monotonic() + 30
        for thread in threads:
            thread.start()
        while len(answered.leaves) < before + 30 and time.monotonic() < deadline:
            time.sleep(0.01)
        disk.cut()
        stack.process.kill()
        for thread in threads:
            thread.join()
    disk.unmount()
    disk.mount()


def history(stack: RunningStack) -> list[bytes]:
    """The leaf hashes of the log, from its tiles."""
    size = int(stack.get("/api/v2/checkpoint").body.split(b"\n")[1])
    hashes = b""
    for number in range((size + 255) // 256):
        width = min(256, size - 256 * number)
        hashes += stack.get(f"/api/v2/tile/0/{number:03d}" + (f".p/{width}" if width < 256 else "")).body
    return [hashes[place : place + 32] for place in range(0, len(hashes), 32)]


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1 over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return merkle.node_hash(root_of(leaves[:split]), root_of(leaves[split:]))


def test_what_was_answered_outlives_power_cuts(tmp_path: Path) -> None:
    answered = Answered()
    with cuttable_disk(tmp_path) as disk:
        for number in range(3):
            cut_under_writers(disk, answered, f"round {number}")
        with running_stack(disk.place / "stack") as stack:
            kept = history(stack)
    assert len(answered.leaves) >= 30
    lost = [place for place, leaf in answered.leaves.items() if kept[place : place + 1] != [leaf]]
    assert lost == []
    assert [size for size, root in answered.roots.items() if root_of(kept[:size]) != root] == []


def test_a_cut_right_after_the_first_start_leaves_a_stack_that_starts(tmp_path: Path) -> None:
    with cuttable_disk(tmp_path) as disk:
        with running_stack(disk.place / "stack") as stack:
            key = stack.get("/api/v1/log/publicKey").body
            disk.cut()
            stack.process.kill()
        disk.unmount()
        disk.mount()
        with running_stack(disk.place / "stack") as stack:
            assert stack.get("/api/v1/log/publicKey").body == key
            json.loads(stack.trusted_root.read_bytes())


@pytest.mark.parametrize("what", ["rekor", "ca"])
def test_a_cut_right_after_a_rotation_leaves_the_new_key(tmp_path: Path, what: str) -> None:
    assert what in ROTATIONS
    with cuttable_disk(tmp_path) as disk:
        with running_stack(disk.place / "stack") as stack:
            key = rotate(stack.directory, stack.url, what)
            disk.cut()
            stack.process.kill()
        disk.unmount()
        disk.mount()
        assert (disk.place / "stack" / key.file).read_bytes().startswith(b"-----BEGIN ")
        with running_stack(disk.place / "stack") as stack:
            assert stack.get("/healthz").status == 200
