"""The real gitolite, which has an update hook of its own and says in GL_USER who pushes."""

import json
import shutil
import subprocess

import pytest

from tests.support.gitrepo import ScratchRepo
from tests.support.pushserver import ROOT, Server

MAIN = "refs/heads/main"
PAGE = (ROOT / "docs" / "hooks.md").read_text()
pytestmark = pytest.mark.skipif(
    not shutil.which("gitolite") or not shutil.which("ssh-keygen"), reason="no gitolite3 or ssh-keygen here"
)


@pytest.fixture
def gitolite(server: Server) -> Server:
    """``server`` with its bare repository where gitolite keeps ``testing``, and ssh that ends at gitolite's shell."""
    home = server.folder
    environment = server.environment
    environment["PATH"] = f"{home}:{environment['PATH']}"  # gitsign-py
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "admin")], check=True)
    (home / ".gitconfig").write_text(
        f"[user]\nname = g\nemail = g@example.com\n[init]\ndefaultBranch = main\n"
        f"[gitsign]\ntrustedRoot = {home}/trusted_root.json\npolicy = {home}/policy.toml\nlogPath = {home}/log\n"
    )
    subprocess.run(
        ["gitolite", "setup", "-pk", "admin.pub"], cwd=home, env=environment, check=True, capture_output=True
    )
    library = subprocess.run(
        ["gitolite", "query-rc", "GL_BINDIR"], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()
    ssh = home / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nshift\nexport SSH_ORIGINAL_COMMAND="$*" SSH_CONNECTION="127.0.0.1 1 127.0.0.1 2"\n'
        f"exec {library}/gitolite-shell admin\n"
    )
    ssh.chmod(0o755)
    environment |= {"GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "simple", "GIT_CONFIG_GLOBAL": f"{home}/.gitconfig"}
    server.bare = ScratchRepo(home / "repositories" / "testing.git")
    return server


def push(gitolite: Server, commit: str) -> tuple[int, str]:
    clone = ScratchRepo.init(gitolite.folder / "clone")
    gitolite.history.write(clone.path / ".git", {})
    done = clone.run("push", "git@server:testing", f"{commit}:{MAIN}", stdin=b"", **gitolite.environment)
    return done.returncode, done.stderr.decode()


def judges(gitolite: Server) -> None:
    good = gitolite.history.commit(signed="alice", files={"a": "1"})
    bad = gitolite.history.commit(good, by="alice", files={"a": "2"})
    status, said = push(gitolite, good)
    assert status == 0, said
    status, said = push(gitolite, bad)
    assert status != 0
    assert bad in said
    assert gitolite.ref(MAIN) == good
    lines = [json.loads(line) for line in (gitolite.folder / "log").read_text().splitlines()]
    assert {line["pusher"] for line in lines} == {"admin"}
    assert [(line["event"], line.get("accepted"), line.get("new", line.get("oid"))) for line in lines] == [
        ("push", True, good),
        ("refused", None, bad),
        ("push", False, bad),
    ]


def test_in_one_repository(gitolite: Server) -> None:
    done = subprocess.run(
        ["gitsign-py", "hooks", "install", "--server"],
        cwd=gitolite.bare.path,
        env=gitolite.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "pre-receive" in done.stdout
    judges(gitolite)


def test_in_all_repositories(gitolite: Server) -> None:
    section = PAGE.split("\n## gitolite\n")[1].split("\n## ")[0]
    assert "`~/.gitolite/hooks/common/pre-receive`" in section
    place = gitolite.folder / ".gitolite" / "hooks" / "common" / "pre-receive"
    shutil.copy(ROOT / "hooks" / "pre-receive", place)
    assert "`gitolite setup --hooks-only`" in section
    subprocess.run(["gitolite", "setup", "--hooks-only"], env=gitolite.environment, check=True, capture_output=True)
    assert (gitolite.bare.path / "hooks" / "pre-receive").resolve() == place.resolve()
    judges(gitolite)
