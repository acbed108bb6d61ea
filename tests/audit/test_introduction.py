"""The introduction that a proposal pins: everything without a good signature is at or before it, and HEAD is not."""

from pathlib import Path

import pytest

from gitsign_py.audit.introduction import Introduction, find_introduction
from gitsign_py.audit.plan import git_of
from tests.support.audited import Make
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import environment
from tests.support.history import History
from tests.support.inprocess import run_here


def forked() -> tuple[History, dict[str, str]]:
    """A base, a side that is as old as main's part, their merge, and one more commit; and these by name."""
    history = History()
    named = {"base": history.commit()}
    named["side"] = history.commit(named["base"], files={"s": "1"})
    named["side2"] = history.commit(named["side"], files={"s": "2"})
    named["main"] = history.commit(named["base"], files={"a": "1"})
    named["main2"] = history.commit(named["main"], files={"a": "2"})
    named["merged"] = history.merge(named["main2"], named["side2"])
    named["tip"] = history.commit(named["merged"])
    return history, named


@pytest.mark.parametrize(
    ("poor", "tips", "exclude", "found"),
    [
        ("main", "tip", "", Introduction("main", 5)),
        ("main base", "tip", "", Introduction("main", 5)),
        ("side2", "tip", "", Introduction("side2", 4)),
        ("main side", "tip", "", Introduction("merged", 1)),  # the newest one alone would leave the side to be refused
        ("main side base", "merged", "", None),
        ("tip", "tip", "", None),
        ("merged main", "tip", "", Introduction("merged", 1)),
        ("main", "tip main2", "", Introduction("main", 5)),
        ("main2 side", "tip main2", "", Introduction("merged", 1)),
        ("side2 side", "tip", "side", Introduction("side2", 4)),
        ("base", "base", "", None),
    ],
)
def test_the_oldest_that_has_all_of_them_behind_it(
    make: Make, poor: str, tips: str, exclude: str, found: Introduction | None
) -> None:
    history, named = forked()
    audited = make(history, named["tip"])

    def ids(names: str) -> list[str]:
        return [named[name] for name in names.split()]

    with audited.repository() as repository:
        made = find_introduction(git_of(repository), ids(tips), ids(exclude), ids(poor))
    assert made == (found and Introduction(named[found.commit], found.judged))


def test_a_proposed_policy_accepts_the_history_that_it_was_made_of(
    make: Make, signer: BulkSigner, tmp_path: Path
) -> None:
    """Also where a branch with an unsigned commit was merged after the newest unsigned one; the figures are true."""
    history = History(signer=signer.sign)
    base = history.commit(signed="alice", files={"a": "0"})
    unsigned = history.commit(base, files={"s": "1"})
    side = history.commit(unsigned, signed="alice", files={"s": "2"})
    main = history.commit(history.commit(base, files={"a": "1"}), signed="alice", files={"a": "2"})
    tip = history.commit(history.merge(main, side, signed="alice"), signed="alice", files={"a": "3"})
    audited = make(history, tip)
    (tmp_path / "root.json").write_bytes(signer.trusted_root_json)
    own = environment(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    trust = ("--offline", "--trusted-root", str(tmp_path / "root.json"))
    path = str(tmp_path / "policy.toml")
    proposed = run_here(audited.repo.path, own, "policy", "init", *trust, "--output", path)
    assert proposed.status == 0, proposed.err
    assert "at or before it: it exempts 6 of 7 commits and judges 1." in proposed.err
    judged = run_here(audited.repo.path, own, "audit", *trust, "--policy", path)
    assert judged.status == 0, judged.out
    assert "6 of 7 are exempt and only 1 were judged" in judged.out
