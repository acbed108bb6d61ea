"""The tiers of tests: one of the tier unit that starts a process after all fails."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.shares import is_in_share

TESTS = Path(__file__).resolve().parents[1]
SHARES = ("1/3", "2/3", "3/3")


@pytest.mark.parametrize(
    ("module", "name", "given"),
    [
        ("subprocess", "Popen", (["true"],)),
        ("subprocess", "check_output", (["true"],)),
        ("os", "posix_spawn", ("/bin/true", ["true"], {})),
        ("os", "system", ("true",)),
        ("os", "fork", ()),
        ("multiprocessing.util", "spawnv_passfds", (b"/bin/true", [b"true"], ())),
    ],
)
def test_a_unit_test_starts_no_process(module: str, name: str, given: tuple[object, ...]) -> None:
    """By names in strings, which tests/support/tiers.py does not follow: this stays a unit test."""
    with pytest.raises(Exception, match="a test of the tier unit starts a process"):
        getattr(import_module(module), name)(*given)


def test_no_block_waits_for_a_process_after_it_failed() -> None:
    """Popen's own end of a with statement waits, with no limit: tests.support.processes.ending kills first."""
    bare = re.compile(r"\bwith +(?:[^#\n]*, *)?subprocess\.Popen\(|^ +subprocess\.Popen\([^\n]*\) as ", re.MULTILINE)
    assert bare.search("with open(a) as b, subprocess.Popen(c) as d:")
    assert [str(path) for path in TESTS.rglob("*.py") if bare.search(path.read_text()) and path != Path(__file__)] == []


def test_each_file_is_in_one_share() -> None:
    """CI runs one share on each further Python (tests/support/shares.py): together they are all tests, and alike."""
    files = list(TESTS.rglob("test_*.py"))
    assert all([is_in_share(path, share) for share in SHARES].count(True) == 1 for path in files)
    for share in SHARES:
        assert sum(is_in_share(path, share) for path in files) > len(files) / 4
    assert is_in_share(Path("/elsewhere/tests/cli/test_show.py"), "1/1"), "no folder above counts"
    for wrong in ("4/3", "0/3", "1", "x/y"):
        with pytest.raises(pytest.UsageError, match=f"{wrong} is no share"):
            is_in_share(files[0], wrong)
