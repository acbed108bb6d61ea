"""The tiers of tests: one of the tier unit that starts a process after all fails."""

from importlib import import_module

import pytest


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
