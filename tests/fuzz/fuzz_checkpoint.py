"""Fuzz signed notes and checkpoints."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import all_of, instrumented, run

with instrumented():
    from gitsign_py.core.tlog import checkpoint, note
    from tests.support.forgedworld import World

LOGS = (World().v1, World().v2)


def opened(data: bytes) -> None:
    for log in LOGS:
        checkpoint.open_checkpoint(data, log.public)


def written(data: bytes) -> None:
    """A note is read so strictly that it is written the same again."""
    parsed = note.parse_note(data)
    assert note.format_note(parsed.text, parsed.signatures) == data


def text(data: bytes) -> None:
    assert checkpoint.format_checkpoint(checkpoint.parse_checkpoint(data)) == data


one_input = all_of(opened, written, text)

if __name__ == "__main__":
    run(one_input)
