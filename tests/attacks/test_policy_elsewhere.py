"""Attack: the policy lies in the repository, and not below ``.gitsign/``, where nobody but administrators may write.

A server with ``gitsign.policy = refs/heads/main:config/signers.toml`` took a member's commit that made them an
administrator, and judged the next push by it. The file that a policy was read from is as good as one below .gitsign/.
"""

from pathlib import Path

import pytest

from gitsign_py.cli.policysource import configured_policy
from gitsign_py.core.frozen import replace
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.evaluation import evaluate
from gitsign_py.policy.parse import parse_policy
from gitsign_py.policy.surroundings import InRepository, Submission
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.governed import MAIN, policy
from tests.support.history import History, signed_by
from tests.support.pushserver import Server, make_server

PLACE = "config/signers.toml"
RULES = policy("alice", "bob")
TAKEN = policy("alice", "bob", administrators="bob")


def test_a_push_that_takes_the_policy(tmp_path: Path, signer: BulkSigner) -> None:
    server: Server = make_server(tmp_path, signer)
    first = server.history.commit(signed="alice", files={PLACE: RULES, "config/other": "1"})
    server.history.write(server.bare.path, {MAIN: first})
    server.config("gitsign.policy", f"{MAIN}:{PLACE}")
    taken = server.history.commit(first, by="bob", signed="bob", files={PLACE: TAKEN})
    status, said = server.push(f"{taken}:{MAIN}")
    assert status, said
    assert f"bob may not change {PLACE} [policy-change]" in said
    for by, files in (("bob", {"config/other": "2"}), ("alice", {PLACE: RULES + "# more"})):
        first = server.history.commit(first, by=by, signed=by, files=files)
        assert server.push(f"{first}:{MAIN}")[0] == 0


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({PLACE: None}, "policy-change"),
        ({"Config/Signers.toml": TAKEN}, "policy-change"),
        ({PLACE: None, "config/other": None, "config": "a file"}, "policy-change"),
        ({".gitsign/policy.toml": TAKEN}, "policy-change"),
        ({"config/signers": TAKEN}, "verified"),
        ({"signers.toml": TAKEN}, "verified"),
    ],
)
def test_in_whatever_spelling(files: dict[str, str | None], reason: str) -> None:
    history = History()
    first = history.commit(files={PLACE: RULES, "config/other": "1"})
    commit = history.commit_facts(history.commit(first, by="bob", files=files))
    around = InRepository(history, history, lambda _oid: True, Submission(), None)
    rules = replace(parse_policy(RULES.encode(), "p"), place=PLACE)
    assert evaluate(rules, commit, signed_by("bob"), MAIN, around).reason == reason
    assert evaluate(rules, commit, signed_by("alice"), MAIN, around).reason != "policy-change"


def test_where_it_was_read_from(tmp_path: Path) -> None:
    history, repo = History(), ScratchRepo.init(tmp_path / "repo")
    history.write(repo.path / ".git", {MAIN: history.commit(files={PLACE: RULES, ".gitsign/policy.toml": RULES})})
    (repo.path / "own.toml").write_text(RULES)
    with GitRepository(repo.path, environment=environment()) as repository:
        named = {f"{MAIN}:{PLACE}": PLACE, f"{MAIN}:.gitsign/policy.toml": "", "own.toml": ""}
        assert {name: configured_policy(repository, name).place for name in named} == named
