"""``gitsign-py audit`` and ``gitsign-py policy`` as a person runs them."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gitsign_py.core.trust.root import format_trusted_root
from tests.support.audited import POLICY, Audited
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.processes import ending

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(every: Audited, tmp_path: Path) -> Path:
    (tmp_path / "root.json").write_bytes(format_trusted_root(every.trusted_root))
    (tmp_path / "policy.toml").write_text(POLICY.replace("EXEMPT", every.named["exempt"]))
    return tmp_path


def run(folder: Path, *arguments: str, place: Path | None = None, **more: str) -> "subprocess.CompletedProcess[str]":
    env = environment(
        HOME=str(folder),
        XDG_CACHE_HOME=str(folder / "cache"),
        XDG_DATA_HOME=str(folder / "data"),
        GITSIGN_TRUSTED_ROOT=str(folder / "root.json"),
        PYTHONPATH=str(ROOT),
        **more,
    )
    return subprocess.run(
        [sys.executable, "-m", "gitsign_py", *arguments],
        cwd=place or folder / "repo",
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_text(every: Audited, folder: Path) -> None:
    done = run(folder, "audit", "--offline", "--policy", str(folder / "policy.toml"))
    assert done.returncode == 1, done.stderr
    assert every.named["unsigned"][:12] in done.stdout
    assert "unsigned: no signature [unsigned]" in done.stdout
    assert "identity-mismatch" in done.stdout


def test_the_command_that_is_printed_gives_the_same_verdict(every: Audited, folder: Path) -> None:
    """On the branch that is checked out the commit may stay; no setting names the policy."""
    alone = POLICY.replace('name = "everyone"', 'name = "releases"\nrefs = ["refs/heads/release"]')
    alone = alone.replace('"bob"]', '"bob"]\n[[rules]]\nname = "rest"\nallow = ["alice", "bob"]', 1)
    (folder / "alone.toml").write_text(
        alone.replace('allow = ["alice", "bob"]', 'allow = ["bob"]', 1).replace("EXEMPT", every.named["exempt"])
    )
    one, ref = every.named["verified"], "refs/heads/release"
    asked = ("audit", "--offline", "--policy", str(folder / "alone.toml"), "--ref", ref, one)
    done = run(folder, *asked)
    [printed] = re.findall(r"\[rule-refuses\]\n(?:.*\n)*?.*: gitsign-py (policy explain .*)", done.stdout)
    explained = run(folder, *shlex.split(printed))
    assert (explained.returncode, "[rule-refuses]" in explained.stdout) == (1, True), explained
    assert run(folder, "policy", "explain", *asked[2:4], one).returncode == 0


def test_ndjson_to_a_file_and_cache(every: Audited, folder: Path) -> None:
    arguments = ("audit", "--offline", "--all", "--format", "ndjson", "--output", str(folder / "out.ndjson"))
    outputs = []
    for _ in range(2):
        assert run(folder, *arguments).returncode == 1
        outputs.append([json.loads(line) for line in (folder / "out.ndjson").read_text().splitlines()])
    assert outputs[0][:-1] == outputs[1][:-1]
    assert outputs[0][-1]["type"] == "summary"
    assert (folder / "cache" / "gitsign-py" / "audit" / "audit.key").exists()


def test_cached_run_loads_no_pool(every: Audited, folder: Path) -> None:
    run(folder, "audit", "--offline", every.named["verified"])
    done = run(folder, "audit", "--offline", every.named["verified"], PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "gitsign_py.audit.scan" in done.stderr, "imports are listed"
    assert "gitsign_py.audit.workers" not in done.stderr
    assert "requests" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--policy", "gone.toml"), "[policy-unreadable]"),
        (("--policy", "main:gone.toml"), "[policy-unreadable]"),
        (("--policy", "~no-such-user/p.toml"), "[policy-unreadable]"),
        (("nothing-here",), "[revision-unknown]"),
        (("main@{u}",), "git knows no revision 'main@{u}': no upstream configured for branch"),
        (("--in-history",), "[introduction-missing]"),
        (("--in-history", "--introduction", "main"), "[introduction-invalid]"),
        (("--in-history", "--introduction", "1" * 40), "[introduction-missing]"),
        (("--all", "main"), "[audit-all]"),
        (("--output", "no/such/folder/x"), "[output-unwritable]"),
        (("--jobs", "0"), "not a number"),
        (("--format", "pdf"), "invalid choice"),
        *(((option, ""), "must not be empty") for option in ("--policy", "--introduction", "--since", "--output")),
        *((("--ref", name), "[ref-name]") for name in ("main", "refs/heads/main@{1}", "refs/heads/main^{}")),
        (("--no-policy", "--policy", "policy.toml"), "[audit-policy]"),
    ],
)
def test_usage(every: Audited, folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run(folder, "audit", "--offline", *arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_trust_root_nothing_can_be_checked(every: Audited, folder: Path) -> None:
    done = run(folder, "audit", "--offline", "--trusted-root", "gone.json")
    assert done.returncode == 3
    assert "[trust-root-missing]" in done.stderr


def test_broken_policy_is_no_verdict(every: Audited, folder: Path) -> None:
    (folder / "policy.toml").write_text("version = 3\n")
    done = run(folder, "audit", "--offline", "--policy", str(folder / "policy.toml"))
    assert done.returncode == 2
    assert "policy.toml:1: version" in done.stderr


def test_only_unchecked_is_3(every: Audited, folder: Path) -> None:
    tip = every.named["unchecked"]
    assert run(folder, "audit", "--offline", f"{tip}^..{tip}").returncode in (1, 3)
    done = run(folder, "audit", "--offline", "--format", "json", "--first-parent", f"{tip}^1..{tip}")
    records = json.loads(done.stdout)["records"]
    assert done.returncode == (3 if {one["verdict"] for one in records} <= {"unchecked", "good"} else 1)


def test_policy_init_check_explain(every: Audited, folder: Path) -> None:
    proposed = run(folder, "policy", "init", "--offline", "main")
    assert proposed.returncode == 0, proposed.stderr
    (folder / "first.toml").write_text(proposed.stdout)
    checked = run(folder, "policy", "check", str(folder / "first.toml"))
    assert checked.returncode == 0, proposed.stdout + checked.stdout
    assert "valid" in checked.stdout
    told = run(
        folder,
        "policy",
        "explain",
        "--offline",
        "--policy",
        str(folder / "policy.toml"),
        every.named["identity-mismatch"],
    )
    assert told.returncode == 1
    assert "committer is bob@example.com, signed by alice" in told.stdout
    assert "rule       everyone" in told.stdout
    (folder / "alone.toml").write_text(
        (folder / "policy.toml").read_text().replace('allow = ["alice", "bob"]', 'allow = ["bob"]')
    )
    refused = run(
        folder, "policy", "explain", "--offline", "--policy", str(folder / "alone.toml"), every.named["verified"]
    )
    ask = "have one of them sign it, or ask an administrator of the policy (alice)"
    assert f"  to repair  rule 'everyone' lets bob do this: {ask}\n" in refused.stdout, refused.stdout
    assert run(folder, "policy", "explain", "--offline", every.named["verified"]).returncode == 2
    assert "[ref-name]" in run(folder, "policy", "explain", "--offline", "--ref", "main", "HEAD").stderr


def test_policy_check_lists_everything(every: Audited, folder: Path) -> None:
    (folder / "bad.toml").write_text("version = 1\nadministrators = ['x']\nrulez = 1\n")
    done = run(folder, "policy", "check", str(folder / "bad.toml"))
    assert done.returncode == 1
    assert done.stdout.count("bad.toml:") == 3
    value = json.loads(run(folder, "policy", "check", "--json", str(folder / "bad.toml")).stdout)
    assert value["valid"] is False
    assert [one["line"] for one in value["problems"]] == [1, 2, 3]


def test_policy_test(every: Audited, folder: Path) -> None:
    case = '[[cases]]\nname = "unsigned"\nsignature = "unsigned"\nexpect = "unsigned"\n'
    (folder / "policy-tests.toml").write_text(case)
    done = run(folder, "policy", "test", str(folder / "policy.toml"))
    assert done.returncode == 0, done.stderr
    assert "1 of 1 cases as expected" in done.stdout
    (folder / "policy-tests.toml").write_text(case.replace('expect = "unsigned"', 'expect = "verified"'))
    assert run(folder, "policy", "test", str(folder / "policy.toml")).returncode == 1


@pytest.mark.parametrize(
    "command", [("audit",), ("policy",), ("policy", "explain"), ("hook",), ("hooks",), ("hooks", "install")]
)
def test_help(every: Audited, folder: Path, command: tuple[str, ...]) -> None:
    done = run(folder, *command, "--help")
    assert done.returncode == 0
    assert "usage: gitsign-py" in done.stdout


def test_a_report_that_goes_to_a_file_is_announced(every: Audited, folder: Path) -> None:
    done = run(folder, "audit", "--offline", "--format", "html", "--output", "page.html", every.named["verified"])
    assert done.returncode == 0
    assert done.stdout == ""
    warning, figures = done.stderr.splitlines()
    assert warning.startswith("nothing says who may sign, so the good signature is by anybody and not verified: ")
    assert figures == "0 of 1 verified (0.0 %): signed by somebody who may; the report is in page.html"


def test_a_terminal_gets_its_cursor_back(every: Audited, folder: Path) -> None:
    """Also when the audit ends in the middle, here because a commit's parent is gone."""
    parent = every.named["unsigned"]
    (folder / "repo/.git/objects" / parent[:2] / parent[2:]).unlink()
    screen, terminal = os.openpty()
    env = environment(
        HOME=str(folder), GITSIGN_TRUSTED_ROOT=str(folder / "root.json"), PYTHONPATH=str(ROOT), TERM="xterm"
    )
    with ending(
        subprocess.Popen(
            [sys.executable, "-m", "gitsign_py", "audit", "--offline", "--no-cache"],
            cwd=folder / "repo",
            env=env,
            stdout=terminal,
            stderr=subprocess.DEVNULL,
        )
    ) as program:
        os.close(terminal)
        said = b"".join(until_hung_up(screen))
    os.close(screen)
    assert program.returncode == 3
    assert b"\x1b[?25l" in said, "the bar hides it"
    assert said.rindex(b"\x1b[?25h") > said.rindex(b"\x1b[?25l")


def until_hung_up(screen: int) -> Iterator[bytes]:
    """What a terminal shows until the last program lets go of it, which Linux says with EIO."""
    with suppress(OSError):
        while data := os.read(screen, 1 << 16):
            yield data


def test_a_configured_policy_is_the_repositorys_in_every_folder(every: Audited, folder: Path) -> None:
    """A relative gitsign.policy starts at the top, where git runs its programs, and not at a folder of that name."""
    top, below = folder / "repo", folder / "repo" / "sub" / "deeper"
    valid = POLICY.replace("EXEMPT", every.named["exempt"])
    for place, text in ((top, valid), (below, "version = 3\n")):
        (place / ".gitsign").mkdir(parents=True)
        (place / ".gitsign/policy.toml").write_text(text)
    every.repo.git("config", "gitsign.policy", ".gitsign/policy.toml")
    case = '[[cases]]\nname = "unsigned"\nsignature = "unsigned"\nexpect = "unsigned"\n'
    (top / ".gitsign/policy-tests.toml").write_text(case)
    commit = every.named["verified"]
    for place in (top, below):
        assert run(folder, "audit", "--offline", commit, place=place).returncode == 0
        assert run(folder, "policy", "explain", "--offline", commit, place=place).returncode == 0
        assert run(folder, "policy", "check", place=place).returncode == 0
        assert run(folder, "policy", "test", place=place).returncode == 0
    named = run(folder, "policy", "check", ".gitsign/policy.toml", place=below)
    assert named.returncode == 1, "what a command line names starts where we are"
    bare = folder / "bare.git"
    every.repo.git("clone", "-q", "--bare", ".", str(bare))
    (bare / "policy.toml").write_text(valid)
    subprocess.run(["git", "-C", str(bare), "config", "gitsign.policy", "policy.toml"], check=True)
    assert run(folder, "audit", "--offline", commit, place=bare / "refs").returncode == 0


def test_a_repository_without_a_commit(every: Audited, folder: Path) -> None:
    ScratchRepo.init(folder / "new")
    for arguments in (("audit",), ("policy", "init")):
        done = run(folder, *arguments, "--offline", place=folder / "new")
        assert done.returncode == 2
        assert done.stderr == "gitsign-py: HEAD names no commit: there is none here yet [revision-unknown]\n"


def test_a_tag_of_no_commit_is_not_judged_by_silence(every: Audited, folder: Path) -> None:
    """An audit of nothing looks like a success: who names such a tag is told how to judge it."""
    every.repo.git("tag", "-a", "-m", "tree", "tree", f"{every.named['verified']}^{{tree}}")
    done = run(folder, "audit", "--offline", "tree")
    assert done.returncode == 2
    assert "refs/tags/tree is a tag of no commit; judge the tag itself with --tags [revision-kind]" in done.stderr
    oid = every.repo.git("rev-parse", "refs/tags/tree")
    assert f"gitsign-py: {oid} is a tag of no commit;" in run(folder, "audit", "--offline", oid).stderr
    assert run(folder, "audit", "--offline", "--tags", "tree").returncode == 1
    assert run(folder, "audit", "--offline", "--all").returncode == 1
