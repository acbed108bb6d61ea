"""A repository with a pipe where a file belongs, or whose configuration names one: its reader waits for ever.

Opening a named pipe waits for a writer, and /dev/zero never ends. An archive or a shared folder can bring both, a
clone a link to them. Each reader says in words that this is no file, at once and in little memory.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitsign_py.clients.signin import SignInSettings, read_client
from gitsign_py.errors import ConfigError, UncheckedError
from gitsign_py.host.git import walk
from gitsign_py.host.git.cuts import listed_commits, missing_alternate
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.stack import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
SECONDS = 50
"""Less than the 60 s after which git is given up; a pipe would hold its reader for ever."""


@pytest.fixture
def repo(tmp_path: Path) -> ScratchRepo:
    made = ScratchRepo.init(tmp_path / "repo")
    made.commit()
    return made


def run(repo: ScratchRepo, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    home = str(repo.path.parent)
    places = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"), home)
    limited = f'ulimit -v {2 << 20}; exec {sys.executable} -m gitsign_py "$@"'  # 2 GiB of addresses
    return subprocess.run(
        ["sh", "-c", limited, "sh", *arguments],
        cwd=repo.path,
        env=environment(**{**places, "PYTHONPATH": str(ROOT), **variables}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


AUDIT = ("audit", "--offline", "HEAD")


@pytest.mark.parametrize(
    ("key", "command", "reason"),
    [
        ("gitsign.policy", AUDIT, "policy-unreadable"),
        ("gitsign.fulcioRoot", AUDIT, "trust-root-file"),
        ("gitsign.trustedRoot", AUDIT, "trust-root-missing"),
        ("gitsign.witnessPolicy", AUDIT, "witness-policy-unreadable"),
        ("gitsign.timestampCertChain", AUDIT, "trust-root-file"),
        ("gitsign.fulcioRoot", ("verify", "--any-identity", "--offline", "HEAD"), "trust-root-file"),
    ],
)
def test_settings(repo: ScratchRepo, no_file: Path, key: str, command: tuple[str, ...], reason: str) -> None:
    repo.git("config", key, str(no_file))
    done = run(repo, *command)
    assert f"[{reason}]" in done.stderr
    assert done.returncode in (2, 3)


def test_a_signing_configuration(no_file: Path) -> None:
    from gitsign_py.cli.instance import read_signing_config  # noqa: PLC0415

    with pytest.raises(ConfigError, match="regular"):
        read_signing_config(no_file)


def test_a_clients_secret(no_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="regular"):
        read_client(SignInSettings("https://issuer.example", "sigstore", str(no_file)))
    large = tmp_path / "large"
    large.write_text("x" * (1 << 17))
    with pytest.raises(ConfigError, match="65536 bytes"):
        read_client(SignInSettings("https://issuer.example", "sigstore", str(large)))


def test_the_list_of_shallow_commits(repo: ScratchRepo, no_file: Path) -> None:
    no_file.rename(repo.path / ".git/shallow")
    done = run(repo, "audit", "--offline", "--no-policy", "HEAD")
    assert "[history-incomplete]" in done.stderr
    assert done.returncode == 3
    with pytest.raises(UncheckedError, match="regular"):
        listed_commits([repo.path / ".git/shallow"])


def test_alternates(repo: ScratchRepo, no_file: Path) -> None:
    """git waits at such a pipe as well, and is given up; here it is our own reader's turn."""
    folder = repo.path / ".git/objects/info"
    folder.mkdir(exist_ok=True)
    no_file.rename(folder / "alternates")
    assert missing_alternate(folder.parent) == ""


@pytest.mark.parametrize("way", ["walk", "shown", "read", "reread"])
def test_an_object(repo: ScratchRepo, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """git opens it and waits; whoever reads from git waits with it, but not for ever."""
    first = repo.git("rev-parse", "HEAD")
    head = repo.commit()
    path = repo.path / ".git/objects" / first[:2] / first[2:]
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(walk, "_SILENCE", 1.0)
    git = walk.Git(environment(), repo.path)
    with tempfile.TemporaryFile() as errors, walk.Rereader(git, errors) as rereader:
        ways: dict[str, Callable[[], Iterator[object]]] = {
            "walk": lambda: walk.walk(git, [head], [], errors),
            "shown": lambda: walk.walk_shown(git, [head], [], errors),
            "read": lambda: walk.read_all(git, [first], errors),
            "reread": lambda: rereader.read([first]),
        }
        with pytest.raises(UncheckedError, match="did not answer"):
            list(ways[way]())


@pytest.mark.parametrize("command", [("policy", "check"), ("policy", "test")], ids=" ".join)
def test_the_working_trees_policy(repo: ScratchRepo, no_file: Path, command: tuple[str, ...]) -> None:
    (repo.path / ".gitsign").mkdir()
    (repo.path / ".gitsign/policy.toml").symlink_to(no_file)
    done = run(repo, *command)
    assert "[policy-unreadable]" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("command", [("status",), ("install", "--local")], ids=" ".join)
def test_a_hook(repo: ScratchRepo, no_file: Path, command: tuple[str, ...]) -> None:
    folder = repo.path / ".git/hooks"
    folder.mkdir(exist_ok=True)
    no_file.rename(folder / "pre-push")
    done = run(repo, "hooks", *command)
    assert done.returncode == (0 if command == ("status",) else 2), done.stderr


def test_what_a_person_names_may_be_a_pipe(repo: ScratchRepo, tmp_path: Path) -> None:
    """``policy check <(make-policy)`` of a shell."""
    (tmp_path / "policy").write_text("version = 1\n")
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m gitsign_py policy check <(cat ../policy)"],
        cwd=repo.path,
        env=environment(HOME=str(tmp_path), PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "administrators" in done.stdout, done.stderr
