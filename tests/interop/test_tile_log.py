"""The checker of tiled logs by Tessera's authors reads the whole local Rekor v2: leaves, tiles, checkpoint."""

from pathlib import Path

from gitsign_py.core.encoding import b64_encode
from tests.support.foreign import ForeignBench, find_program
from tests.support.localstackkit import trusted_root
from tests.support.rekor2kit import ENTRIES, proposal
from tests.support.stack import RunningStack, running_stack

ED25519 = b"\x01"  # C2SP signed-note, type of the key


def verifier_key(stack: RunningStack, path: Path) -> str:
    """Write the log's key as Go's note package reads it (NAME+HINT+KEY); gives the path."""
    log = trusted_root(stack).tlogs[-1]
    name, hint = log.base_url.removeprefix("http://"), log.log_id[:4].hex()
    path.write_text(f"{name}+{hint}+{b64_encode(ED25519 + log.public_key.raw)}")
    return str(path)


def test_every_tile_is_there_and_right(tmp_path: Path) -> None:
    """One full tile and a partial one, then a second full one: what was partial must be whole."""
    program = find_program("fsck", on_path=False)  # every Linux has another fsck
    with running_stack(tmp_path / "stack") as stack:
        place = ForeignBench(tmp_path, stack)
        key = verifier_key(stack, tmp_path / "key")
        check = [program, "--ui=false", "--public_key", key, "--storage_url", f"{stack.url}/api/v2/"]
        for begin, end in ((0, 300), (300, 512)):
            for number in range(begin, end):
                assert stack.post(ENTRIES, proposal(b"%d" % number)).status == 201
            done = place.good(*check)
            assert f"Successfully fsck'd log with size {end}" in done.stderr
