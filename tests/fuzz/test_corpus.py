"""The corpus goes through every target, and so do spoiled copies of it: a small fuzzing run without atheris."""

import importlib
import random
from pathlib import Path

import pytest

from tests.fuzz import seed

HERE = Path(__file__).parent
TARGETS = sorted(path.stem for path in HERE.glob("fuzz_*.py"))
SPOILED = 20


def spoiled(data: bytes, dice: random.Random) -> bytes:
    """A copy with a byte changed, a piece cut out or a piece doubled."""
    at, size = dice.randrange(len(data) + 1), dice.randrange(1, 9)
    return dice.choice(
        (
            data[:at] + dice.randbytes(1) + data[at + 1 :],
            data[:at] + data[at + size :],
            data[: at + size] + data[at:],
            data[:at],
        )
    )


@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target: str) -> None:
    one_input = importlib.import_module(f"tests.fuzz.{target}").one_input
    files = sorted((HERE / "corpus" / target).iterdir())
    assert files
    for path in files:
        data, dice = path.read_bytes(), random.Random(path.name)
        one_input(data)
        for _ in range(SPOILED):
            one_input(spoiled(data, dice))


def test_every_target_has_its_seeds() -> None:
    assert sorted(seed.seeds()) == TARGETS
    for target, files in seed.seeds().items():
        for name, data in files.items():
            assert (HERE / "corpus" / target / name).read_bytes() == data
