"""A server owner's week: set up hooks, see pushes come and be refused, look at the log and at what goes wrong."""

import json
import re
from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import environment
from tests.support.inprocess import Said, run_here
from tests.support.pushserver import POLICY, Server, make_server

ESCAPE = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")


class Week:
    """A bare repository that has no hooks yet, and its owner's shell."""

    def __init__(self, folder: Path) -> None:
        self.server: Server = make_server(folder, BulkSigner(folder / "authority"))
        (self.server.bare.path / "hooks" / "pre-receive").unlink()
        self.log = folder / "pushes.ndjson"

    def run(self, *arguments: str, **how: bool) -> Said:
        own = {name: self.server.environment[name] for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
        return run_here(self.server.bare.path, environment(**own), *arguments, **how)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def week(tmp_path: Path) -> Week:
    return Week(tmp_path)


def remote(said: str) -> list[str]:
    """The lines that the pusher reads."""
    return [line.removeprefix("remote: ").rstrip() for line in said.splitlines() if line.startswith("remote:")]


def test_a_week(week: Week) -> None:
    server, program = week.server, str(week.server.folder / "gitsign-py")
    install = ("hooks", "install", "--server", "--program", program)

    # Monday: a server without a policy is not left with a hook that refuses everything.
    server.bare.git("config", "--unset", "gitsign.policy")
    refused = week.run(*install)
    assert refused.status == 2
    assert "the hook would refuse every push: policy: no policy is configured; put one on the server" in refused.err
    assert not (server.bare.path / "hooks" / "pre-receive").exists()
    server.config("gitsign.policy", str(server.folder / "policy.toml"))
    server.config("gitsign.logPath", str(week.log))
    assert week.run(*install).status == 0
    status = week.run("hooks", "status")
    assert status.status == 0
    assert [line.split()[1].rstrip(":") for line in status.lines if line.startswith("  ok")] == [
        "pre-receive", "policy", "trust", "log",
    ]  # fmt: skip

    # Tuesday to Thursday: what the pushers read, and what the log says of it.
    base = server.history.commit(signed="alice", message="begin")
    assert server.push(f"{base}:refs/heads/main")[0] == 0
    other = server.history.commit(base, by="bob", signed="bob", message="not his branch")
    done, said = server.push(f"{other}:refs/heads/main")
    assert done == 1
    lines = remote(said)
    assert lines[0] == "gitsign-py: refused: 1 commit or tag in this push to refs/heads/main failed the checks"
    assert lines[-1].endswith(
        "rule 'main' lets alice do this: have one of them sign it, or ask an administrator of the policy (alice)"
    )
    unsigned = server.history.commit(base, by="bob", message="forgot")
    done, said = server.push(f"{unsigned}:refs/heads/topic")
    assert done == 1
    assert f"--exec 'git commit --amend --no-edit --allow-empty -S' {unsigned}^" in remote(said)[-1]
    assert server.push(f"{other}:refs/heads/topic")[0] == 0
    pushes = [(line["ref"], line["accepted"]) for line in week.lines() if line["event"] == "push"]
    assert pushes == [
        ("refs/heads/main", True), ("refs/heads/main", False), ("refs/heads/topic", False), ("refs/heads/topic", True),
    ]  # fmt: skip
    assert all(line["pusher"] for line in week.lines())
    reasons = [line["reason"] for line in week.lines() if line["event"] == "refused"]
    assert reasons == ["rule-refuses", "unsigned"]

    # Friday: everything that was let in is verified, at 80 columns, with and without colour.
    audited = week.run("audit", "--all", "--offline", terminal=True)
    assert audited.status == 0
    assert "\x1b[1;32m2 of 2 verified (100.0 %)" in audited.out
    without = week.run("audit", "--all", "--offline", terminal=True, colour=False)
    for report in (audited, without):
        lines = [ESCAPE.sub("", line) for line in report.lines if "judging" not in line]
        assert max(map(len, lines)) <= 80
        assert any("2 of 2 verified (100.0 %): signed by somebody who may" in line for line in lines)
    looked = week.run("doctor", "--offline")
    assert looked.err == ""
    for words in (f"calls {program}", str(server.folder / "policy.toml"), str(week.log)):
        assert any(line.startswith("ok") and words in line for line in looked.lines), words

    # Saturday: somebody broke the policy. Nothing gets in, and both commands say where.
    (server.folder / "policy.toml").write_text("version = 1\nbroken")
    broken = week.run("hooks", "status")
    assert broken.status == 1
    assert any(line.startswith("  fail  policy: ") and "policy.toml:2:" in line for line in broken.lines)
    assert week.run("doctor", "--offline").status == 1
    done, said = server.push(f"{base}:refs/heads/more")
    assert done == 1
    assert "policy.toml:2: not valid TOML" in remote(said)[0]
    (server.folder / "policy.toml").write_text(POLICY)
    assert server.push(f"{base}:refs/heads/more")[0] == 0
