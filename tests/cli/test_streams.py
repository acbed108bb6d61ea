"""Standard streams that are closed, full, or whose reader goes away: one line and a status, and no report spoilt."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gitrepo import ScratchRepo, environment
from tests.support.stack import ROOT

POLICY = """\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{ subject = "alice@example.com", issuer = "https://issuer.example" }]
[[rules]]
name = "everyone"
allow = ["alice"]
"""
COMMANDS = [
    pytest.param(words, id=" ".join(words), marks=() if words[-1] == "check" else pytest.mark.unmeasured)
    for words in (
        ("policy", "check"),
        ("policy", "check", "--json"),
        ("hooks", "status"),
        ("config",),
        ("version",),
        ("--help",),
    )
]


@pytest.fixture
def repo(tmp_path: Path) -> ScratchRepo:
    made = ScratchRepo.init(tmp_path / "repo")
    (made.path / ".gitsign").mkdir()
    (made.path / ".gitsign/policy.toml").write_text(POLICY)
    made.git("add", "-A")
    made.commit("policy")
    return made


def run(repo: ScratchRepo, streams: str, *arguments: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the program with its streams as the shell puts them."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "gitsign_py", *arguments],
        cwd=repo.path,
        env=environment(HOME=str(repo.path.parent), PYTHONPATH=str(ROOT), **more),
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", COMMANDS)
def test_closed_streams(repo: ScratchRepo, arguments: tuple[str, ...]) -> None:
    """Who closes a stream does not want to read it; the status stays what it is."""
    whole = run(repo, "", *arguments)
    assert whole.returncode == 0, whole.stderr
    for streams in (">&-", "2>&-", "<&-", "<&- >&- 2>&-", ">&- 2>&-"):
        done = run(repo, streams, *arguments)
        assert done.returncode == 0, (streams, done.stderr)
        assert done.stdout == (b"" if ">&- " in f"{streams.replace('2>&-', '')} " else whole.stdout), streams
        assert done.stderr == b"", streams


def test_complaints_do_not_land_in_a_report(repo: ScratchRepo) -> None:
    """Python would print to stdout what is for a stderr that is not there."""
    done = run(repo, "2>&-", "audit", "--offline", "--format", "json", "--trusted-root", str(root_file(repo)))
    assert done.returncode == 1
    assert json.loads(done.stdout)["summary"]["total"] == 1
    spoken = run(repo, "", "audit", "--trusted-root", str(root_file(repo)), "--offline").stderr
    assert b"this audit ignores the policy in" in spoken


def root_file(repo: ScratchRepo) -> Path:
    path = repo.path.parent / "root.json"
    path.write_text('{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}')
    return path


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_full_disk_is_no_error_of_ours(repo: ScratchRepo, arguments: tuple[str, ...]) -> None:
    done = run(repo, ">/dev/full", *arguments)
    assert done.returncode == 2
    assert done.stderr == (
        b"gitsign-py: cannot write: No space left on device; free some space there [output-unwritable]\n"
    )


@pytest.mark.parametrize(
    "encoding",
    ["ascii", *(pytest.param(other, marks=pytest.mark.unmeasured) for other in ("latin1", "utf-8"))],
)
def test_locales_that_lack_letters(repo: ScratchRepo, encoding: str) -> None:
    """What a locale has no letter for is spelled out; documents are UTF-8, as they say themselves."""
    repo.git("commit", "-q", "--allow-empty", "-m", "größe 大")
    arguments = ("audit", "--offline", "--trusted-root", str(root_file(repo)))
    text = run(repo, "", *arguments, "--verbose", PYTHONIOENCODING=encoding)
    assert (text.returncode, b"internal" in text.stderr) == (1, False), text.stderr
    assert "größe 大".encode(encoding, "backslashreplace") in text.stdout
    for form in ("json", "ndjson", "sarif", "junit", "markdown", "html"):
        done = run(repo, "", *arguments, "--format", form, PYTHONIOENCODING=encoding)
        assert done.returncode == 1, done.stderr
        whole = run(repo, "", *arguments, "--format", form, "--output", "report", PYTHONIOENCODING=encoding)
        assert whole.returncode == 1
        written = (repo.path / "report").read_bytes()
        assert without_times(done.stdout) == without_times(written)


def without_times(report: bytes) -> str:
    return re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", "", report.decode())
