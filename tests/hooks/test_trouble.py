"""Pushes of thousands of refs, and servers on which everything goes wrong: a refusal in one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import START
from tests.support.pushserver import POLICY, ROOT, Server, in_history
from tests.support.waiting import wait_until

MAIN = "refs/heads/main"
RELEASES = POLICY.replace(
    "[[rules]]", '[[rules]]\nname = "releases"\nrefs = ["refs/tags/v*"]\nallow = ["bob"]\n[[rules]]', 1
)


def wrap(server: Server, before: str) -> None:
    """Have the server do something to the program before it starts."""
    script = f'#!/bin/sh\n{before}\nPYTHONPATH={ROOT} exec {sys.executable} -m gitsign_py "$@"\n'
    (server.folder / "gitsign-py").write_text(script)


def refusal(said: str) -> str:
    lines = [line for line in said.split("\n") if "gitsign-py: refused:" in line]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    return lines[0]


# --- many refs -------------------------------------------------------------------------------------------------------


@pytest.mark.unmeasured
@pytest.mark.parametrize("mode", ["fixed", "history"])
def test_two_thousand_refs_at_once(server: Server, mode: str) -> None:
    """New, moved and deleted ones in one push; then the same with a bad commit on one of them."""
    base = in_history(server) if mode == "history" else server.history.commit(signed="alice", files={"a": "1"})
    assert server.push(f"{base}:refs/heads/main")[0] == 0  # whose policy says who has left by now
    tips = [server.history.commit(base, signed="alice", files={"a": str(n)}) for n in range(20)]
    alone = [seconds(server, f"{tips[0]}:refs/heads/alone")]  # and again: a machine is busy for a while
    began = time.monotonic()
    status, said = push_refs(server, {f"b{n}": tips[n % 20] for n in range(2000)})
    assert status == 0, said
    alone.append(seconds(server, f"{tips[0]}:refs/heads/alone-2"))
    status, said = push_refs(server, {f"b{n}": tips[(n + 1) % 20] for n in range(1000)}, ":refs/heads/b1500")
    assert status == 0, said
    assert (server.ref("refs/heads/b999"), server.ref("refs/heads/b1500")) == (tips[0], "")
    alone.append(seconds(server, f"{tips[0]}:refs/heads/alone-3"))
    bad = server.history.commit(tips[0], by="alice", files={"a": "x"}, message="slipped in")
    status, said = push_refs(server, {**{f"c{n}": tips[0] for n in range(1999)}, "the-one": bad})
    assert status != 0
    assert "1 commit or tag in this push to refs/heads/the-one failed the checks" in refusal(said)
    assert "slipped in" in said
    assert server.ref("refs/heads/c0") == "", "one bad ref refuses the whole push"
    took = time.monotonic() - began - sum(alone[1:])
    alone.append(seconds(server, f"{tips[0]}:refs/heads/alone-4"))
    assert took < 150 * max(alone), "an audit for each of the 5,000 refs takes many times that"


def seconds(server: Server, refspec: str) -> float:
    """How long a push of one ref takes, which must pass."""
    began = time.monotonic()
    assert server.push(refspec)[0] == 0
    return time.monotonic() - began


def push_refs(server: Server, branches: dict[str, str], *refspecs: str) -> tuple[int, str]:
    """Push these branches by a pattern; of thousands by name git's client compares each with each of the server's."""
    clone = ScratchRepo.init(server.folder / "clone").path / ".git"
    shutil.rmtree(clone / "refs/pushed", ignore_errors=True)
    server.history.write(clone, {f"refs/pushed/{name}": oid for name, oid in branches.items()})
    return server.push("+refs/pushed/*:refs/heads/*", *refspecs)


@pytest.mark.parametrize("mode", ["fixed", "history"])
def test_release_tags_by_others_than_the_authors(server: Server, mode: str) -> None:
    """The rule for v* lets Bob sign tags; what he tags is Alice's, and on main or pushed there along with it."""
    (server.folder / "policy.toml").write_text(RELEASES)
    base = (in_history(server, RELEASES),) if mode == "history" else ()
    one = server.history.commit(*base, signed="alice", files={"a": "1"})
    two = server.history.commit(one, signed="alice", files={"a": "2"})
    loose = server.history.commit(two, signed="alice", files={"a": "3"})
    tag = {name: server.history.tag(name, oid, by="bob", signed="bob") for name, oid in (("v1", one), ("v2", two))}
    status, said = server.push(f"{one}:{MAIN}", f"{tag['v1']}:refs/tags/v1")
    assert status == 0, said
    assert server.push(f"{two}:{MAIN}")[0] == 0
    assert server.push(f"{tag['v2']}:refs/tags/v2")[0] == 0
    for name, oid in (
        ("v3", server.history.tag("v3", two, signed="alice")),
        ("v4", server.history.tag("v4", loose, by="bob", signed="bob")),
        ("v5", two),
    ):
        status, said = server.push(f"{oid}:refs/tags/{name}")
        assert status != 0, name
        assert "[rule-refuses]" in said


def test_tags_in_the_history_mode(server: Server) -> None:
    intro = in_history(server)
    tag = server.history.tag("v1", intro, signed="alice")
    status, said = server.push(f"{intro}:{MAIN}", f"{tag}:refs/tags/v1")
    assert status == 0, said
    side = server.history.commit(signed="alice", files={POLICY_PATH: POLICY.replace("alice", "mallory")})
    evil = server.history.tag("v2", side, by="mallory", signed="mallory")
    status, said = server.push(f"{evil}:refs/tags/v2")
    assert status != 0
    assert f"tag v2 {evil}" in said
    assert side in said


def test_a_new_ref_in_the_history_mode_goes_by_all_policies(server: Server) -> None:
    """What a branch has is known to a new ref when no policy since the introduction tells the two apart."""
    history = server.history
    intro = in_history(server)
    by_bob = history.commit(intro, by="bob", signed="bob", files={"b": "1"})
    equal = POLICY.replace('refs = ["refs/heads/main", "refs/tags/**"]\nallow = ["alice"]', 'allow = ["alice", "bob"]')
    equal = equal[: equal.index('[[rules]]\nname = "rest"')]
    tip = history.commit(by_bob, signed="alice", files={POLICY_PATH: equal})
    status, said = server.push(f"{intro}:{MAIN}")  # whose policy says who has left by now
    assert status == 0, said
    status, said = server.push(f"{tip}:refs/heads/topic")
    assert status == 0, said
    status, said = server.push(f"{tip}:refs/heads/other")
    assert status == 0, said
    for ref in (MAIN, "refs/tags/light"):
        status, said = server.push(f"{tip}:{ref}")
        assert status != 0, "the policy of Bob's commit tells main and tags from other refs"
        assert f"{by_bob}" in said
        assert "[rule-refuses]" in said


def test_a_name_like_an_option(server: Server) -> None:
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(by="alice", files={"a": "1"})
    for oid, accepted in ((good, True), (bad, False)):
        for ref in ("refs/heads/--all", "refs/tags/--exec=x", "refs/heads/-", "refs/heads/a b".replace(" ", "\u00e9")):
            status, said = server.push(f"+{oid}:{ref}")
            assert (status == 0) == accepted, said


def test_tags_of_tags_trees_and_blobs(server: Server) -> None:
    history = server.history
    one = history.commit(signed="alice", files={"a": "1"})
    bad = history.commit(one, by="alice", files={"a": "2"})
    tree = history.tree({"a": "1"})

    def tag(name: str, kind: str, target: str, signer: str | None) -> str:
        payload = f"object {target}\ntype {kind}\ntag {name}\ntagger Alice <alice@example.com> 1704067200 +0000\n\nx\n"
        signature = history.signer("alice@example.com", payload.encode(), history.clock) if signer else b""  # type: ignore[misc]
        return history.add("tag", payload.encode() + signature)

    inner = tag("inner", "commit", one, None)
    pushes = {
        "outer": (tag("outer", "tag", inner, "alice"), True),
        "outer-unsigned": (tag("outer-unsigned", "tag", tag("i", "commit", one, "alice"), None), False),
        "outer-bad-commit": (tag("outer-bad-commit", "tag", tag("j", "commit", bad, "alice"), "alice"), False),
        "tree": (tag("tree", "tree", tree, "alice"), True),
        "tree-unsigned": (tag("tree-unsigned", "tree", tree, None), False),
        "bare-tree": (tree, False),
    }
    for name, (oid, accepted) in pushes.items():
        status, said = server.push(f"{oid}:refs/tags/{name}")
        assert (status == 0) == accepted, (name, said)


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_killed(server: Server) -> None:
    """Killed for its memory, say: nobody of ours is left to speak but the shim."""
    wrap(server, "kill -9 $$")
    one = server.history.commit(signed="alice", files={"a": "1"})
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert "was killed (status 137)" in refusal(said)
    assert server.ref(MAIN) == ""


def test_no_file_can_be_written(server: Server) -> None:
    """A full disk: no temporary file, no cache (bash and dash count in blocks; none are none)."""
    # Without the coverage measurement, which could not write its own file either and would say so.
    wrap(server, "unset COVERAGE_PROCESS_CONFIG COVERAGE_PROCESS_START; ulimit -f 0")
    one = server.history.commit(signed="alice", files={"a": "1"})
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert "[hook-resources]" in refusal(said)
    assert server.ref(MAIN) == ""


@pytest.mark.cold
@pytest.mark.unmeasured
def test_out_of_time_leaves_nobody_at_work(server: Server) -> None:
    """From before the processes start to the middle of their work: a refusal in time, and nobody is left."""
    tip = server.history.commit(signed="alice", files={"a": "1"})
    for _ in range(4000):
        tip = server.history.commit(tip, signed="alice", at=START)
    for seconds in ("0.2", "0.3", "0.4", "0.5"):  # less than the fastest machine so far needs
        server.config("gitsign.hookTimeout", seconds)
        mark = str(uuid.uuid4())
        server.environment["PUSH_MARK"] = mark
        began = time.monotonic()
        status, said = server.push(f"{tip}:{MAIN}")
        assert status != 0, seconds
        assert "[hook-timeout]" in refusal(said)
        assert time.monotonic() - began < 30
        wait_until(lambda: not marked(mark), lambda: (seconds, marked(mark)))  # noqa: B023 - called within the turn


def test_a_git_that_hangs_is_out_of_time_too(server: Server) -> None:
    """No step comes to its end here: git stands still before the first commit, as on a disk that is gone."""
    one = server.history.commit(signed="alice", files={"a": "1"})
    hanging = server.folder / "hanging"
    hanging.mkdir()
    (hanging / "git").write_text('#!/bin/sh\ncase "$*" in *rev-list*) exec sleep 600;; esac\nexec "$REAL_GIT" "$@"\n')
    (hanging / "git").chmod(0o755)
    wrap(server, f'export REAL_GIT="{shutil.which("git")}" PATH="{hanging}:$PATH"')
    server.config("gitsign.hookTimeout", "0.5")
    server.config("gitsign.logPath", str(server.folder / "log"))
    server.environment["REMOTE_USER"] = "somebody"
    began = time.monotonic()
    status, said = server.push(f"{one}:{MAIN}")
    assert status != 0
    assert "[hook-timeout]" in refusal(said)
    assert time.monotonic() - began < 60
    assert server.ref(MAIN) == ""
    [line] = map(json.loads, (server.folder / "log").read_text().splitlines())
    assert line.pop("at")
    told = {"event": "push", "accepted": False, "reason": "hook-timeout"}
    assert line == {"pusher": "somebody", **told, "ref": MAIN, "old": "0" * 40, "new": one}


@pytest.mark.cold
@pytest.mark.unmeasured
def test_killed_at_work_leaves_nobody(server: Server) -> None:
    """kill -9 of the hook, for its memory, say: its processes see that it is gone, wherever they are."""
    tip = server.history.commit(signed="alice", files={"a": "1"})
    for _ in range(4000):
        tip = server.history.commit(tip, signed="alice", at=START)
    mark = server.environment["PUSH_MARK"] = str(uuid.uuid4())
    pid = server.folder / "pid"
    wrap(server, f"echo $$ > {pid}.new && mv {pid}.new {pid}")
    with ThreadPoolExecutor(1) as background:
        pushed = background.submit(server.push, f"{tip}:{MAIN}")
        try:
            wait_until(lambda: sum("pre-receive" in one for one in marked(mark).values()) >= 4)  # it and its processes
            os.kill(int(pid.read_text()), signal.SIGKILL)
            wait_until(lambda: not marked(mark))
        finally:
            for left in marked(mark):
                os.kill(left, signal.SIGKILL)
        status, said = pushed.result()
    assert status != 0
    assert "was killed (status 137)" in refusal(said)
    assert server.ref(MAIN) == ""


def marked(mark: str) -> dict[int, str]:
    """Processes that have the mark in their environment, with their command lines."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
    return found


# --- the states of a reference transaction ---------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "accepted"), [("prepared", False), ("committed", True), ("aborted", True)])
def test_only_what_is_prepared_can_be_refused(server: Server, state: str, accepted: bool) -> None:
    bad = server.history.commit(by="alice", files={"a": "1"})
    server.history.write(server.bare.path, {})
    server.install("reference-transaction")
    line = f"{'0' * 40} {bad} {MAIN}\n".encode()
    done = run_hook(server, "reference-transaction", state, stdin=line)
    assert (done.returncode == 0) == accepted, done.stderr


def run_hook(server: Server, name: str, *arguments: str, stdin: bytes) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [str(server.bare.path / "hooks" / name), *arguments],
        cwd=server.bare.path,
        env=environment(**server.environment, GIT_DIR=str(server.bare.path)),
        input=stdin,
        capture_output=True,
        check=False,
    )


def test_local_changes_of_refs_are_judged_too(server: Server) -> None:
    """update-ref, branch and fetch on the server itself; HEAD and what is not below refs/ are git's own notes."""
    (server.bare.path / "hooks/pre-receive").unlink()
    server.install("reference-transaction")
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"})
    server.history.write(server.bare.path, {})
    bare = server.bare
    assert bare.run("update-ref", MAIN, good, stdin=b"", **server.environment).returncode == 0
    done = bare.run("update-ref", MAIN, bad, stdin=b"", **server.environment)
    assert done.returncode != 0
    assert bad.encode() in done.stderr
    assert bare.run("branch", "x", bad, stdin=b"", **server.environment).returncode != 0
    assert bare.run("symbolic-ref", "HEAD", "refs/heads/other", stdin=b"", **server.environment).returncode == 0
    assert bare.run("branch", "-m", "main", "renamed", stdin=b"", **server.environment).returncode == 0
    assert server.ref("refs/heads/renamed") == good


# --- where hooks are -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["plain", "hooksPath", "worktree", "subfolder"])
def test_hooks_go_where_git_looks_for_them(server: Server, tmp_path: Path, where: str) -> None:
    """Installed from any place, the hook runs: a commit that is refused says so."""
    repo = ScratchRepo.init(tmp_path / "home")
    for key in ("gitsign.trustedRoot", "gitsign.policy"):
        repo.git("config", key, server.bare.git("config", key))
    start = server.history.commit(signed="alice", files={"sub/a": "1"})
    bad = server.history.commit(start, by="alice", files={"sub/a": "2"})
    server.history.write(repo.path / ".git", {MAIN: start})
    repo.git("reset", "-q", "--hard")
    place = repo.path
    if where == "hooksPath":
        repo.git("config", "core.hooksPath", "my hooks")
    elif where == "worktree":
        place = tmp_path / "linked"
        repo.git("worktree", "add", "-q", "-b", "linked", str(place))
    elif where == "subfolder":
        place = repo.path / "sub"
    program = str(server.folder / "gitsign-py")
    done = run_program(server, place, "hooks", "install", "--local", "--program", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"installed") == 3
    assert run_program(server, place, "hooks", "status").stdout.count(b"ours") == 3
    pushed = ScratchRepo(place).run("push", str(server.bare.path), f"{bad}:{MAIN}", stdin=b"", **server.environment)
    assert pushed.returncode != 0
    assert bad.encode() in pushed.stderr
    assert b"remote:" not in pushed.stderr, "it was the clone's own hook that refused"
    assert run_program(server, place, "hooks", "uninstall").stdout.count(b"removed") == 3
    assert b"ours" not in run_program(server, place, "hooks", "status").stdout


def test_hooks_that_can_go_nowhere(server: Server) -> None:
    """core.hooksPath = /dev/null is how people turn hooks off."""
    server.bare.git("config", "core.hooksPath", "/dev/null")
    done = run_program(server, server.bare.path, "hooks", "install", "--server")
    assert done.returncode == 2
    assert b"hooks cannot be changed in /dev/null: File exists; " in done.stderr
    assert b"[hooks-unwritable]" in done.stderr
    status = run_program(server, server.bare.path, "hooks", "status")
    assert b"hooks in /dev/null, which is no folder: git runs none\n" in status.stdout


def run_program(server: Server, place: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [str(server.folder / "gitsign-py"), *arguments],
        cwd=place,
        env=environment(**server.environment),
        capture_output=True,
        check=False,
    )
