"""The program in docs/audit.md does what the page says."""

import subprocess
import sys
from pathlib import Path

from tests.support.audited import POLICY, ROOT_OF_TESTS
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History

PAGE = (ROOT_OF_TESTS / "docs" / "audit.md").read_text()


def test_the_documented_program(tmp_path: Path, signer: BulkSigner) -> None:
    """More commits than one process would verify alone."""
    history = History(signer=signer.sign)
    tip = history.commit(signed="alice")
    for number in range(40):
        tip = history.commit(tip, signed=None if number == 7 else "alice")
    repo = ScratchRepo.init(tmp_path / "repo")
    history.write(repo.path / ".git", {"refs/heads/main": tip})
    (repo.path / "trusted_root.json").write_bytes(signer.trusted_root_json)
    (repo.path / "policy.toml").write_text(POLICY.replace("EXEMPT", "0" * 40))
    program = repo.path / "program.py"
    program.write_text(PAGE.split("```python\n")[1].split("```")[0])
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=repo.path,
        env=environment(PYTHONPATH=str(ROOT_OF_TESTS)),
        capture_output=True,
        text=True,
        check=True,
    )
    *records, last = done.stdout.splitlines()
    assert last == "40 of 41 verified"
    assert [line.split()[1:] for line in records].count(["verified", "verified", "alice@example.com"]) == 40
    assert [line.split()[1:] for line in records].count(["unsigned", "unsigned"]) == 1
    assert done.stderr == ""
