"""rekor-monitor and its ct_monitor beside ``gitsign-py monitor`` on the same logs: they find the same entries."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.foreign import ForeignBench, find_program
from tests.support.stack import running_stack
from tests.support.workbench import EMAIL, Workbench

WATCHED = "watched-by-two@example.com"
PATTERN = r"watched-by-two@example\.com"


@pytest.mark.parametrize(("name", "log"), [("rekor_monitor", "rekor1"), ("ct_monitor", "ct")])
def test_both_find_the_same_entries(tmp_path: Path, name: str, log: str) -> None:
    """Entries by somebody else stand first and last: whether a range includes its ends is no matter here."""
    monitor = find_program(name)
    with running_stack(tmp_path / "stack", "--without", "rekor2") as stack:
        bench = Workbench(tmp_path, stack)
        bench.init()
        for who in (EMAIL, WATCHED, EMAIL, WATCHED, EMAIL):
            token: dict[str, Any] = {"SIGSTORE_ID_TOKEN": stack.token(who), "GIT_COMMITTER_EMAIL": who}
            bench.commit(f"by {who}", **token)
        (tmp_path / "place").mkdir()
        place = ForeignBench(tmp_path / "place", stack)
        config = f"startIndex: 0\nmonitoredValues:\n  certIdentities:\n    - certSubject: {PATTERN}\n"
        (place.folder / "config.yaml").write_text(f"{config}outputIdentities: found.txt\n")
        trust = (f"--tuf-repository={stack.url}/tuf", f"--tuf-root-path={stack.directory / 'root.json'}")
        done = place.run(monitor, "--config-file=config.yaml", f"--url={stack.url}", "--file=checkpoint.txt", *trust)
        assert done.returncode == 0, (done.stdout, done.stderr)
        theirs = places((place.folder / "found.txt").read_text())
        state = ("--state", str(tmp_path / "state" / "m"))
        ours = bench.tool("monitor", *state, "--log", log, "--from", "0", "--identity", WATCHED, "--json")
        assert ours.returncode == 0, ours.stderr
        assert theirs == {json.loads(line)["facts"]["log_index"] for line in ours.stdout.splitlines()} == {1, 3}


def places(text: str) -> set[int]:
    """The indexes in their file, whose lines are the name, the issuer, the index and what else is known."""
    return {int(number) for number in re.findall(rf"^{PATTERN} \S+ (\d+)\b", text, re.MULTILINE)}
