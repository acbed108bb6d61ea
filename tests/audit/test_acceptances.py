"""A kept acceptance holds as long as the keys behind it are what they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.audit import acceptances
from gitsign_py.audit.acceptances import Acceptances
from gitsign_py.audit.cache import Basis, FactsCache
from gitsign_py.host.git.walk import Git

FIRST, SECOND = "1" * 40, "2" * 40
STATES = {"ssh": b"one", "openpgp": b"two"}


class Runs:
    """Runs of git's commands, one after the other, and the state of the keys."""

    def __init__(self, cache: FactsCache) -> None:
        self.cache, self.now, self.asked = cache, dict(STATES), list[str]()

    def state(self, _git: Git, form: str) -> bytes:
        self.asked.append(form)
        return self.now[form]

    def run(self) -> Acceptances:
        return Acceptances(self.cache, Git({}, None))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    with FactsCache(tmp_path, Basis("acceptances", "")) as cache:
        made = Runs(cache)
        monkeypatch.setattr(acceptances, "state_of_keys", made.state)
        yield made


def test_without_keys_nothing_is_asked(runs: Runs) -> None:
    runs.run().keep([FIRST], {})
    assert runs.run().holds(FIRST)
    assert not runs.run().holds(SECOND)
    assert not runs.asked


@pytest.mark.parametrize("form", STATES)
def test_a_state_that_changed(runs: Runs, form: str) -> None:
    runs.run().keep([FIRST], STATES)
    assert runs.run().holds(FIRST)
    runs.now[form] = b"revoked"
    assert not runs.run().holds(FIRST)
    runs.now[form] = b""
    assert not runs.run().holds(FIRST)
    runs.now = dict(STATES)
    assert runs.run().holds(FIRST)


def test_what_comes_after_rests_on_the_same_keys(runs: Runs) -> None:
    runs.run().keep([FIRST], {"ssh": b"one"})
    later = runs.run()
    assert later.holds(FIRST)
    later.keep([SECOND], {})
    assert runs.run().holds(SECOND)
    runs.now["ssh"] = b"revoked"
    assert not runs.run().holds(SECOND)


@pytest.mark.parametrize("met", [{"ssh": b""}, {"ssh": b"older"}])
def test_nothing_is_kept_of_a_state_that_is_not_seen_or_not_the_same(runs: Runs, met: dict[str, bytes]) -> None:
    runs.run().keep([FIRST], met)
    runs.now |= met
    assert not runs.run().holds(FIRST)


def test_keys_that_changed_during_a_run(runs: Runs) -> None:
    runs.run().keep([FIRST], {"ssh": b"one"})
    later = runs.run()
    assert later.holds(FIRST)
    runs.now["ssh"] = b"newer"
    later.keep([SECOND], {"ssh": b"newer"})
    assert not runs.run().holds(SECOND)


def test_without_a_cache_nothing_is_kept() -> None:
    none = Acceptances(None, Git({}, None))
    none.keep([FIRST], {})
    assert not none.holds(FIRST)
    assert not none.are_kept
