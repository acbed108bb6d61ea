"""update, reference-transaction, pre-push, post-merge, post-rewrite, and the installer."""

import json
import subprocess
from pathlib import Path

import pytest

from gitsign_py.cli.commands.hook import HOOKS
from gitsign_py.cli.commands.hooks import shim
from gitsign_py.policy.model import POLICY_PATH
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.inprocess import run_here
from tests.support.pushserver import POLICY, ROOT, Server, in_history

MAIN = "refs/heads/main"


@pytest.mark.parametrize("name", HOOKS)
def test_shims_in_the_repository_are_what_is_installed(name: str) -> None:
    path = ROOT / "hooks" / name
    assert path.read_text() == shim(name)
    assert path.stat().st_mode & 0o111
    assert len(path.read_text().splitlines()) == 5


@pytest.mark.parametrize("name", ["update", "reference-transaction"])
def test_other_server_hooks(server: Server, name: str) -> None:
    (server.bare.path / "hooks/pre-receive").unlink()
    server.install(name)
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"})
    status, said = server.push(f"{good}:{MAIN}")
    assert status == 0, said
    status, said = server.push(f"{bad}:{MAIN}")
    assert status != 0
    assert bad in said
    assert server.ref(MAIN) == good
    assert server.push(f"{good}:refs/heads/x")[0] == 0
    assert server.push(":refs/heads/x")[0] == 0


def clone_with(server: Server, *hooks: str) -> ScratchRepo:
    clone = ScratchRepo.init(server.folder / "work")
    for name in hooks:
        (clone.path / ".git/hooks").mkdir(exist_ok=True)
        path = clone.path / ".git/hooks" / name
        path.write_text(shim(name, str(server.folder / "gitsign-py")))
        path.chmod(0o755)
    for key in ("gitsign.trustedRoot", "gitsign.policy"):
        clone.git("config", key, server.bare.git("config", key))
    return clone


def test_pre_push(server: Server) -> None:
    (server.bare.path / "hooks/pre-receive").unlink()
    clone = clone_with(server, "pre-push")
    clone.git("remote", "add", "origin", str(server.bare.path))
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"})
    server.history.write(clone.path / ".git", {})
    assert clone.run("push", "origin", f"{good}:{MAIN}", stdin=b"", **server.environment).returncode == 0
    done = clone.run("push", "origin", f"{bad}:{MAIN}", stdin=b"", **server.environment)
    assert done.returncode != 0
    assert bad.encode() in done.stderr
    assert good.encode() not in done.stderr


def test_pre_push_without_policy_takes_any_good_signature(server: Server) -> None:
    (server.bare.path / "hooks/pre-receive").unlink()
    clone = clone_with(server, "pre-push")
    clone.git("config", "--unset", "gitsign.policy")
    one = server.history.commit(by="mallory", signed="mallory", files={"a": "1"})
    server.history.write(clone.path / ".git", {})
    done = clone.run("push", str(server.bare.path), f"{one}:{MAIN}", stdin=b"", **server.environment)
    assert done.returncode == 0, done.stderr


def test_pre_push_with_the_policy_in_the_history(server: Server) -> None:
    """What the remote has counts as judged, by its remote-tracking branches and by what git says of it."""
    (server.bare.path / "hooks/pre-receive").unlink()
    clone = clone_with(server, "pre-push")
    history = server.history
    intro = history.commit(signed="alice", files={POLICY_PATH: POLICY})
    unjudged = history.commit(intro, by="carol", files={"a": "0"})
    clone.git("remote", "add", "origin", str(server.bare.path))
    for key, value in (("policyMode", "history"), ("introduction", intro)):
        clone.git("config", f"gitsign.{key}", value)
    history.write(clone.path / ".git", {MAIN: unjudged, "refs/remotes/origin/main": unjudged})
    history.write(server.bare.path, {MAIN: unjudged})
    good = history.commit(unjudged, signed="alice", files={"a": "1"})
    tag = history.tag("v1", good, signed="alice")
    bad = history.commit(good, by="bob", signed="bob", files={"a": "2"})
    history.write(clone.path / ".git", {})
    for refspecs, accepted in (
        ((f"{good}:{MAIN}", f"{tag}:refs/tags/v1"), True),
        ((f"{bad}:{MAIN}",), False),
        ((f"{bad}:refs/heads/topic",), False),  # a new branch brings all since the introduction, Carol's too
        ((":refs/tags/v1",), True),
    ):
        done = clone.run("push", "origin", *refspecs, stdin=b"", **server.environment)
        assert (done.returncode == 0) == accepted, (refspecs, done.stderr)
    assert server.ref(MAIN) == good


def test_post_merge_and_post_rewrite_tell(server: Server) -> None:
    clone = clone_with(server, "post-merge", "post-rewrite")
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"}, message="from upstream")
    server.history.write(clone.path / ".git", {MAIN: good})
    clone.git("reset", "-q", "--hard", "main")
    merged = clone.run("merge", "-q", "--ff-only", bad, stdin=b"", **server.environment)
    assert b"from upstream" in merged.stderr
    assert clone.git("rev-parse", "main") == bad, "git merges all the same"
    amended = clone.run("commit", "-q", "--amend", "-m", "other words", stdin=b"", **server.environment)
    assert b"other words" in amended.stderr


def test_post_merge_and_post_rewrite_follow_the_policy(server: Server) -> None:
    """A good signature is not enough; and a rebase tells of what it made, not of what it found under that."""
    clone = clone_with(server, "post-merge", "post-rewrite")
    good = server.history.commit(signed="alice", files={"a": "1"})
    upstream = server.history.commit(good, by="bob", signed="bob", files={"b": "1"}, message="from upstream")
    mine = server.history.commit(good, by="alice", files={"c": "1"}, message="my own work")
    server.history.write(clone.path / ".git", {MAIN: good, "refs/heads/up": upstream, "refs/heads/mine": mine})
    clone.git("reset", "-q", "--hard", "main")
    merged = clone.run("merge", "-q", "--ff-only", "up", stdin=b"", **server.environment)
    assert b"[rule-refuses]" in merged.stderr
    clone.git("reset", "-q", "--hard", good)
    clone.git("checkout", "-q", "mine")
    rebased = clone.run("rebase", "-q", "up", stdin=b"", **server.environment)
    assert b"my own work" in rebased.stderr
    assert b"from upstream" not in rebased.stderr


@pytest.mark.parametrize("line", ["x", "0000 1111", "\udcff \udcff", f"{'0' * 40}", f"{'0' * 40}  {'1' * 40}"])
def test_post_rewrite_with_input_that_is_not_gits(server: Server, line: str) -> None:
    done = subprocess.run(
        [str(server.folder / "gitsign-py"), "hook", "post-rewrite"],
        cwd=server.bare.path,
        env=environment(**server.environment),
        input=line.encode("utf-8", "surrogateescape") + b"\n",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"that is no rewritten commit [hook-input]" in done.stderr


def cli(server: Server, repo: ScratchRepo, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(server.folder / "gitsign-py"), "hooks", *arguments],
        cwd=repo.path,
        env=environment(**server.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_install_status_uninstall(server: Server) -> None:
    (server.bare.path / "hooks/pre-receive").unlink()
    assert cli(server, server.bare, "install")[0] == 2
    status, said = cli(server, server.bare, "install", "--server", "--program", str(server.folder / "gitsign-py"))
    assert status == 0, said
    bad = server.history.commit(by="alice", files={"a": "1"})
    assert server.push(f"{bad}:{MAIN}")[0] != 0
    said = cli(server, server.bare, "status")[1]
    assert "pre-receive            ours\n" in said
    assert cli(server, server.bare, "install", "--server")[0] == 0, "ours is replaced by ours"
    assert cli(server, server.bare, "uninstall", "--server")[0] == 0
    assert not (server.bare.path / "hooks/pre-receive").exists()


def test_foreign_hook_is_never_overwritten(server: Server) -> None:
    foreign = server.bare.path / "hooks/pre-receive"
    foreign.write_text("#!/bin/sh\ncat > seen\n")
    status, said = cli(server, server.bare, "install", "--server", "--hook", "update")
    assert status == 2
    assert "[hook-foreign]" in said
    assert "cat > seen" in foreign.read_text()
    assert not (server.bare.path / "hooks/update").exists(), "nothing is left half done"


def test_chain_runs_the_old_hook_with_the_same_input(server: Server) -> None:
    foreign = server.bare.path / "hooks/pre-receive"
    foreign.write_text("#!/bin/sh\ncat > seen\n")
    program = str(server.folder / "gitsign-py")
    assert cli(server, server.bare, "install", "--server", "--chain", "--program", program)[0] == 0
    good = server.history.commit(signed="alice", files={"a": "1"})
    status, said = server.push(f"{good}:{MAIN}")
    assert status == 0, said
    assert good in (server.bare.path / "seen").read_text()
    kept = server.bare.path / "hooks/pre-receive.before-gitsign"
    kept.write_text("#!/bin/sh\necho no from the old one >&2; exit 3\n")
    status, said = server.push(f"{server.history.commit(good, signed='alice')}:{MAIN}")
    assert status != 0
    assert "no from the old one" in said
    assert cli(server, server.bare, "uninstall")[0] == 0
    assert "no from the old one" in foreign.read_text()
    assert not kept.exists()


def test_chained_hook_of_another_repository_does_not_run(server: Server, tmp_path: Path) -> None:
    """The folder comes from the shim's own place, not from whoever pushes."""
    good = server.history.commit(signed="alice", files={"a": "1"})
    server.environment["GITSIGN_HOOK_FOLDER"] = str(tmp_path)
    (tmp_path / "pre-receive.before-gitsign").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "pre-receive.before-gitsign").chmod(0o755)
    status, said = server.push(f"{good}:{MAIN}")
    assert status == 0, said


def test_a_server_whose_first_push_must_fail_is_not_left_behind(server: Server) -> None:
    """What is missing, where to put it; afterwards status and doctor find what has gone since."""
    (server.bare.path / "hooks/pre-receive").unlink()
    server.bare.git("config", "--unset", "gitsign.policy")
    program = str(server.folder / "gitsign-py")
    status, said = cli(server, server.bare, "install", "--server", "--program", program)
    assert status == 2
    assert "the hook would refuse every push: policy: no policy is configured" in said
    assert "git config gitsign.policy /etc/gitsign/policy.toml" in said
    assert "[hooks-server-unready]" in said
    assert not (server.bare.path / "hooks/pre-receive").exists()
    server.config("gitsign.policy", str(server.folder / "policy.toml"))
    assert cli(server, server.bare, "install", "--server", "--program", program)[0] == 0
    status, said = cli(server, server.bare, "status")
    assert status == 0
    assert f"  ok    pre-receive: calls {program}\n" in said

    server.config("gitsign.policy", "refs/heads/main:.gitsign/policy.toml")
    (server.folder / "gitsign-py").rename(server.folder / "moved")
    done = subprocess.run(
        [str(server.folder / "moved"), "hooks", "status"],
        cwd=server.bare.path,
        env=environment(**server.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"fail  pre-receive: calls {program}, which is not there or cannot be run" in done.stdout
    assert "fail  policy: the policy refs/heads/main:.gitsign/policy.toml cannot be read" in done.stdout
    assert "warn  receive.denyDeletes: is not set" in done.stdout
    assert "-> git config receive.denyNonFastForwards true" in done.stdout


UNREADY = {
    "policy in no branch": ({"gitsign.policy": f"{MAIN}:.gitsign/policy.toml"}, "push the policy there first"),
    "policy by a short name": ({"gitsign.policy": "main:.gitsign/policy.toml"}, "push the policy there first"),
    "no introduction": ({"gitsign.policyMode": "history"}, "git config gitsign.introduction ID"),
    "no trust root": ({"gitsign.trustedRoot": "/nowhere.json"}, "gitsign-py initialize"),
    "no place for the log": ({"gitsign.logPath": "/dev/null/log"}, "give the hook's account access"),
    "a folder for the log": ({"gitsign.logPath": "/"}, "give the hook's account access"),
    "no program": ({}, "calls /nowhere/gitsign-py, which is not there"),
}


@pytest.mark.parametrize("case", UNREADY)
def test_no_hook_is_installed_that_would_refuse_the_first_push(server: Server, case: str) -> None:
    """Each with what to put where."""
    (server.bare.path / "hooks/pre-receive").unlink()
    settings, words = UNREADY[case]
    for key, value in settings.items():
        server.config(key, value)
    program = "/nowhere/gitsign-py" if not settings else str(server.folder / "gitsign-py")
    said = run_here(
        server.bare.path, environment(**server.environment), "hooks", "install", "--server", "--program", program
    )
    assert (said.status, words in said.err, "[hooks-server-unready]" in said.err) == (2, True, True), said.err
    assert not (server.bare.path / "hooks/pre-receive").exists()


def test_the_first_push_may_bring_the_introduction(server: Server) -> None:
    """An empty repository has none yet: the hook is installed, and takes that push and no other."""
    (server.bare.path / "hooks/pre-receive").unlink()
    older = server.history.commit(by="carol", files={"a": "1"})
    intro = in_history(server)
    here, program = environment(**server.environment), str(server.folder / "gitsign-py")
    assert run_here(server.bare.path, here, "hooks", "install", "--server", "--program", program).status == 0
    status = run_here(server.bare.path, here, "hooks", "status")
    assert "warn  policy: in the history" in status.out
    assert "-> let the first push bring a branch that has it" in status.out
    assert server.push(f"{older}:{MAIN}")[0] != 0
    done, said = server.push(f"{intro}:{MAIN}")
    assert done == 0, said
    assert "ok    policy: in the history" in run_here(server.bare.path, here, "hooks", "status").out


def test_post_receive_is_installed_where_settings_ask_for_it(server: Server) -> None:
    """As the pages about squashes, statuses and source levels say; it states nothing that nobody asked for."""
    after, place = server.bare.path / "hooks/post-receive", server.bare.path

    def hooks(*arguments: str) -> tuple[int, str]:
        done = run_here(place, environment(**server.environment), "hooks", *arguments)
        return done.status, done.out + done.err

    server.config("gitsign.sourceRef", MAIN)
    assert hooks("install", "--server")[0] == 0
    assert not after.exists(), "refs that never go back need none"
    assert hooks("install", "--hook", "post-receive")[0] == 0, "for the notes of merged heads"
    assert "warn  post-receive: has nothing to do" in hooks("status")[1]
    forge = '[forges.github]\ncommitter = "noreply@github.com"\nreproducible = true\nsquash = true\n'
    (server.folder / "policy.toml").write_text(f"{POLICY}\n{forge}")
    status, said = hooks("status")
    assert (status, "post-receive:" in said, "source provenance" in said) == (0, False, False)
    assert hooks("uninstall", "--server")[0] == 0
    assert not after.exists()

    server.config("gitsign.publish", "gitea")
    assert hooks("install", "--hook", "pre-receive")[0] == 0
    assert "warn  post-receive: gitsign.publish is set, and post-receive is not ours" in hooks("status")[1]
    assert hooks("install", "--server")[0] == 0
    assert after.exists()
    assert hooks("uninstall")[0] == 0
    assert hooks("install", "--server", "-c", "gitsign.sourceURI=git+https://git.example.com/project")[0] == 2
    assert not after.exists(), "it could state nothing"
    server.config("gitsign.sourceURI", "git+https://git.example.com/project")
    server.config("gitsign.sourceAttester", "server@example.com https://issuer.example.com")
    assert hooks("install", "--server")[0] == 0
    assert after.exists()


def test_a_move_that_is_refused_has_its_reason_and_change_in_the_log(server: Server) -> None:
    """Each ref of the push by itself: the reason is of the one that may not move."""
    history = server.history
    intro = in_history(server)
    first = history.commit(intro, signed="alice", files={"a": "1"})
    second = history.commit(first, signed="alice", files={"a": "2"})
    stranger = history.commit(by="alice", files={"a": "3"})
    names = {f"refs/heads/{name}": second for name in ("main", "old", "kept")} | {"refs/tags/v1": first}
    history.write(server.bare.path, names)
    for name in ("main", "kept"):
        server.bare.git("config", "--add", "gitsign.sourceRef", f"refs/heads/{name}")
    server.config("gitsign.logPath", str(server.folder / "log"))
    moves = (f"+{first}:{MAIN}", ":refs/heads/kept", "+HEAD:refs/tags/v1", f"+{stranger}:refs/heads/old")
    clone = ScratchRepo.init(server.folder / "clone")
    clone.git("symbolic-ref", "HEAD", "refs/heads/here")
    history.write(clone.path / ".git", {"refs/heads/here": second})
    status, said = server.push(*moves, f"{second}:refs/heads/new")
    assert status != 0
    lines = {line["ref"]: line for line in map(json.loads, (server.folder / "log").read_text().splitlines())}
    found = {ref: (line["change"], line.get("reason", ""), line["accepted"]) for ref, line in lines.items()}
    assert found == {
        MAIN: ("forced", "source-ref-forced", False),
        "refs/heads/kept": ("deleted", "source-ref-deleted", False),
        "refs/tags/v1": ("updated", "tag-moved", False),
        "refs/heads/old": ("forced", "ref-before-introduction", False),
        "refs/heads/new": ("created", "", False),
    }
    assert all(f"[{reason}]" in said for _, reason, _ in found.values() if reason), "all of them are told at once"
