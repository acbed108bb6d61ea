"""A trust root renews itself: an instance changes every kind of key while commits, audits and hooks go on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.clients import tuf
from tests.support.alonepolicy import ALICE_ALONE
from tests.support.stack import ROOT, RunningStack, running_stack
from tests.support.waiting import wait_until
from tests.support.workbench import Workbench

RENEWED = "the trust root was renewed"
Done = subprocess.CompletedProcess[bytes]


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack whose keys these tests change."""
    with running_stack(tmp_path_factory.mktemp("renewal") / "stack") as running:
        yield running


@pytest.fixture
def user(tmp_path: Path, own_stack: RunningStack) -> Workbench:
    """Somebody who ran ``initialize`` for the stack's TUF repository, and set nothing else."""
    bench = Workbench(tmp_path, own_stack)
    for name in own_stack.environment():
        bench.env.pop(name, None)
    bench.init()
    initialize(bench)
    return bench


def initialize(bench: Workbench, **env: Any) -> None:
    root, mirror = bench.stack.info.files["root.json"], f"{bench.stack.url}/tuf"
    done = bench.tool("initialize", "--mirror", mirror, "--root", str(root), **env)
    assert done.returncode == 0, done.stderr


def rotate(stack: RunningStack, what: str) -> None:
    line = [sys.executable, "-m", "gitsign_py", "stack", "rotate", what, "--dir", str(stack.directory)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def copy_of(bench: Workbench) -> Path:
    return bench.folder / "home" / ".local" / "share" / "gitsign-py" / "tuf"


def test_every_kind_of_key_changes_while_commits_audits_and_hooks_go_on(user: Workbench) -> None:
    """Each change is met by another way in: a commit, git's own verification, an audit, a hook, ``verify``."""
    server, other = user.init("--bare", path=user.folder / "server.git"), user.init(path=user.folder / "other")
    user.commit("first")
    (user.folder / "policy.toml").write_text(ALICE_ALONE.format(email="alice@example.com", issuer=user.stack.url))
    user.git("config", "gitsign.policy", str(user.folder / "policy.toml"), cwd=server)
    installed = user.tool("hooks", "install", "--server", cwd=server)
    assert installed.returncode == 0, installed.stderr
    signer = other_machine(user)
    again = ["git", "commit", "-q", "--allow-empty", "-S", "-m"]
    ways: dict[str, Callable[[], Done]] = {
        "ctlog": lambda: user.run([*again, "by myself"], cwd=other),
        "ca": lambda: user.run(["git", "verify-commit", "-v", "HEAD"]),
        "rekor2": lambda: user.tool("audit", "HEAD"),
        "tsa": lambda: user.tool("verify", *user.who, "HEAD"),
        "rekor": lambda: user.tool("audit", "HEAD~3..HEAD", cwd=user.repo),
    }
    for what, way in ways.items():
        rotate(user.stack, what)
        user.env["GITSIGN_REKOR_VERSION"] = "1" if what == "rekor" else ""
        for status, renewed in (told(user, lambda: user.run([*again, "x"], **signer)), told(user, way)):
            assert (status, renewed) == (0, 1), what
        assert told(user, way) == (0, 0), what
    rotate(user.stack, "ctlog")
    user.commit("audited", **signer)
    first, second = summary_of_audit(user), summary_of_audit(user)
    judged = first["newer_trusted_root_digest"], first["newer_trusted_root_version"]
    assert judged == (second["trusted_root_digest"], second["trusted_root_version"])
    assert first["trusted_root_digest"] != judged[0]
    assert second["newer_trusted_root_digest"] == ""
    rotate(user.stack, "ctlog")
    user.commit("pushed", **signer)
    pushed = user.run(["git", "push", str(server), "main"])
    assert (pushed.returncode, pushed.stderr.decode().count(RENEWED)) == (0, 1), pushed.stderr


def summary_of_audit(user: Workbench) -> dict[str, Any]:
    done = user.tool("audit", "--format", "ndjson", "HEAD~1..HEAD")
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


def told(user: Workbench, way: Callable[[], Done]) -> tuple[int, int]:
    """The exit status, and how often it was said that the trust root is a new one: on stderr, or in the log file."""
    log = user.folder / "log"
    log.unlink(missing_ok=True)
    user.env["GITSIGN_LOG"] = str(log)
    done = way()
    said = done.stderr.decode() + done.stdout.decode() + (log.read_text() if log.exists() else "")
    assert done.returncode == 0, said
    return done.returncode, said.count(RENEWED)


def test_online_mode_asks_the_log_of_the_instance(user: Workbench) -> None:
    """Nothing but ``initialize`` was done: the log that signs is the one that can be searched, and is searched."""
    user.git("config", "gitsign.rekorMode", "online")
    user.commit("first")
    user.commit("second")
    assert user.verify("HEAD~1..HEAD").returncode == 0
    assert user.run(["git", "verify-commit", "HEAD"]).returncode == 0
    assert user.tool("audit", "--no-policy").returncode == 0


@pytest.mark.parametrize("how", ["offline", "never"])
def test_offline_and_never_mean_it(user: Workbench, how: str) -> None:
    rotate(user.stack, "ctlog")
    user.commit("by a new log", **other_machine(user))
    before = tuf.load_cached(copy_of(user))
    option = ["--offline"] if how == "offline" else []
    user.env["GITSIGN_REFRESH"] = "never" if how == "never" else ""
    done = user.tool("verify", *option, *user.who, "HEAD")
    assert done.returncode == 3
    assert b"sct-log-unknown" in done.stdout + done.stderr
    assert tuf.load_cached(copy_of(user)) == before


def test_the_agent_says_it_to_who_signs(user: Workbench) -> None:
    start = ["git", "-c", "gitsign.agent=on", "commit", "-q", "--allow-empty", "-S", "-m"]
    try:
        assert told(user, lambda: user.run([*start, "by what the root has"])) == (0, 0)
        assert user.tool("agent", "lock").returncode == 0
        rotate(user.stack, "ctlog")
        assert told(user, lambda: user.run([*start, "by another log"])) == (0, 1)
        assert told(user, lambda: user.run([*start, "and again"])) == (0, 0)
    finally:
        user.tool("agent", "stop")


def test_a_copy_of_yesterday_is_renewed_after_the_answer(user: Workbench) -> None:
    user.commit()
    rotate(user.stack, "tsa")
    copy = copy_of(user)
    before, day = tuf.load_version(copy), 86400
    os.utime(copy / "mirror.json", (time.time() - 2 * day, time.time() - 2 * day))
    assert user.verify("HEAD").returncode == 0
    wait_until(lambda: tuf.load_version(copy) > before)


def test_a_signature_by_a_ca_that_nobody_knows_is_looked_up_once(user: Workbench) -> None:
    stranger = user.store("commit", (Path(__file__).parents[1] / "vectors" / "v1" / "object").read_bytes())
    kept = copy_of(user) / "mirror.json"
    fetched = [kept.stat().st_mtime_ns]
    for _ in range(2):
        done = user.verify(stranger)
        assert (done.returncode, RENEWED in done.stderr.decode()) == (3, False)
        fetched.append(kept.stat().st_mtime_ns)
    assert len(set(fetched)) == 2, "the first asks, the second does not"


def test_a_mirror_that_is_gone_is_said_and_not_waited_for_again(user: Workbench) -> None:
    stranger = user.store("commit", (Path(__file__).parents[1] / "vectors" / "v1" / "object").read_bytes())
    state = copy_of(user) / "mirror.json"
    state.write_text('{"mirror": "http://127.0.0.1:9/tuf"}')
    said = [user.verify(stranger).stderr.decode() for _ in range(2)]
    assert "the trust root could not be renewed: TUF mirror http://127.0.0.1:9/tuf does not answer" in said[0]
    assert "renewed" not in said[1]


@pytest.mark.parametrize("agent", ["off", "on"])
def test_a_commit_that_needs_a_newer_root_says_why_there_is_none(user: Workbench, agent: str) -> None:
    """git 2.39 keeps what its signing program says beside the error, and the agent has nobody to say it to."""
    rotate(user.stack, "ctlog")
    (copy_of(user) / "mirror.json").write_text('{"mirror": "http://127.0.0.1:9/tuf"}')
    commit = ["git", "-c", f"gitsign.agent={agent}", "commit", "-q", "--allow-empty", "-S", "-m", "x"]
    try:
        for _ in range(2):
            said = user.run(commit).stderr.decode()
            assert "certificate-unusable" in said
            assert said.count("the trust root could not be renewed: TUF mirror http://127.0.0.1:9/tuf") == 1, said
    finally:
        user.tool("agent", "stop")


def other_machine(user: Workbench) -> dict[str, Any]:
    """Another place for the copy, which is renewed by itself."""
    place = user.folder / "other-machine"
    place.mkdir(mode=0o700)
    initialize(user, XDG_DATA_HOME=str(place))
    return {"XDG_DATA_HOME": str(place)}


def test_initialize_says_what_was_forgotten(user: Workbench) -> None:
    mirror = f"{user.stack.url}/tuf"
    elsewhere = {"TUF_ROOT": str(user.folder / "elsewhere")}
    done = user.tool("initialize", "--mirror", mirror, cwd=None, stdin=b"", **elsewhere)
    assert (done.returncode, b"give its first root.json with --root FILE" in done.stderr) == (3, True)
    done = user.tool("initialize", "--mirror", mirror, "--root", f"{mirror}/1.root.json", cwd=None, stdin=b"")
    assert (done.returncode, b"[root-is-url]" in done.stderr) == (2, True)
    trusted_root = user.stack.info.files["trusted_root.json"]
    done = user.tool("initialize", "--mirror", mirror, "--root", str(trusted_root), cwd=None, stdin=b"")
    said = f"--root names {trusted_root}, which is no root.json of a TUF repository".encode()
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    root = str(user.stack.info.files["root.json"])
    done = user.tool("initialize", "--mirror", user.stack.url, "--root", root, cwd=None, stdin=b"", **elsewhere)
    assert (done.returncode, b"no TUF repository is there" in done.stderr) == (3, True), done.stderr
