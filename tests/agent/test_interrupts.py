"""Ctrl-C while the program waits for somebody else: a server that hangs, an agent behind another client's sign-in.

git fails and is not killed (host/foreground.py), so nothing is half made and a rebase can be continued.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.badserver import BadServer, slow
from tests.support.home import Home
from tests.support.screen import COMMIT, NEEDED, Screen, clean, until_gone
from tests.support.waiting import wait_until
from tests.support.webform import fetch

pytestmark = NEEDED
SERVERS = ("fulcio", "rekor", "issuer")


@pytest.fixture
def home(home: Home) -> Home:
    for name in ("GITSIGN_FULCIO_URL", "GITSIGN_REKOR_URL", "GITSIGN_OIDC_ISSUER"):
        del home.variables[name], home.variables[name.replace("GITSIGN", "SIGSTORE")]
    for server in SERVERS:
        home.git("config", "--global", f"gitsign.{server}", home.stack.url)  # a repository's own are asked about
    home.git("config", "gitsign.timeout", "60")
    home.git("commit", "-q", "--allow-empty", "-m", "base")
    return home


@contextmanager
def hanging(home: Home, server: str) -> Iterator[BadServer]:
    """Let one server take requests and say nothing; afterwards it is itself again."""
    with BadServer([slow(60)]) as bad:
        home.git("config", "--global", f"gitsign.{server}", bad.url)
        yield bad
        home.git("config", "--global", f"gitsign.{server}", home.stack.url)


def with_agent(home: Home, mode: str) -> None:
    """``on`` with one that runs already: the thin client alone waits then."""
    home.git("config", "gitsign.agent", mode)
    if mode == "on":
        home.gitsign("agent", "start")


def until_asked(server: BadServer, screen: Screen) -> None:
    wait_until(lambda: server.requests, screen.text)


def nothing_left(home: Home, head: str) -> None:
    """Nobody waits, nothing is locked, no ref has moved."""
    until_gone(f"{home.program} --status-fd")
    assert list((home.repository / ".git").rglob("*.lock")) == []
    assert home.git("rev-parse", "HEAD") == head


@pytest.mark.parametrize("agent", ["on", "off"])
@pytest.mark.parametrize("server", SERVERS)
def test_ctrl_c_while_a_server_hangs(home: Home, screen: Screen, server: str, agent: str) -> None:
    with_agent(home, agent)
    head = home.git("rev-parse", "HEAD")
    with hanging(home, server) as bad:
        screen.type(COMMIT)
        until_asked(bad, screen)
        screen.interrupt()
        text = screen.wait("status 128")  # 130 would be a git that was killed
    assert text.count("gitsign-py:") == 1
    assert "gitsign-py: interrupted, nothing was signed" in text
    nothing_left(home, head)
    home.commit("signed")
    clean(home)


def two_commits(home: Home) -> None:
    for name in ("one", "two"):
        (home.repository / name).write_text(name)
        home.git("add", name)
        home.git("commit", "-q", "-m", name)
    home.git("config", "core.editor", "true")


@pytest.mark.parametrize("agent", ["on", "off"])
def test_a_rebase_that_signs_goes_on_after_ctrl_c(home: Home, screen: Screen, agent: str) -> None:
    with_agent(home, agent)
    two_commits(home)
    home.git("config", "commit.gpgSign", "true")
    with hanging(home, "rekor") as bad:
        screen.type('git rebase -q -f HEAD~2; echo "status $?"')
        until_asked(bad, screen)
        screen.interrupt()
        screen.wait("this rebase goes on with: git rebase --continue")
        screen.wait("status 1")
    until_gone(f"{home.program} --status-fd")
    screen.type('git rebase --continue; echo "then $?"')
    text = screen.wait("then 0")
    assert text.count("signed by alice@example.com") == 1
    assert "gitsign-py: 2 commits of this rebase signed by alice@example.com, vouched for by" in text
    screen.clear()
    home.git("config", "gitsign.quiet", "true")
    screen.type('git rebase -q -f HEAD~2; git commit -q --allow-empty -m quiet; echo "quiet $?"')
    assert "signed by" not in screen.wait("quiet 0")
    home.git("reset", "-q", "--hard", "HEAD~1")
    assert [verdict for verdict, _ in home.signers("HEAD~2..")] == ["U", "U"]
    assert home.git("log", "--format=%s") == "two\none\nbase"


@pytest.mark.parametrize("agent", ["on", "off"])
def test_a_rebase_that_runs_git_goes_on_after_ctrl_c(home: Home, screen: Screen, agent: str) -> None:
    """The command that failed is the person's to repeat, as after any failure of --exec."""
    with_agent(home, agent)
    two_commits(home)
    with hanging(home, "fulcio") as bad:
        screen.type('git rebase -q --exec "git commit -q --amend --no-edit -S" HEAD~2; echo "status $?"')
        until_asked(bad, screen)
        screen.interrupt()
        screen.wait("this rebase goes on with: git commit --amend --no-edit -S && git rebase --continue")
        screen.wait("status 1")
    until_gone(f"{home.program} --status-fd")
    screen.type('git commit -q --amend --no-edit -S && git rebase --continue; echo "then $?"')
    screen.wait("then 0")
    assert [verdict for verdict, _ in home.signers("HEAD~2..")] == ["U", "U"]
    assert home.git("log", "--format=%s") == "two\none\nbase"


@pytest.fixture
def other(home: Home) -> Path:
    """Another working tree, so that two commits at once do not meet in one index."""
    path = home.directory / "other"
    home.git("worktree", "add", "-q", "-b", "other", str(path))
    return path


def start_commit(home: Home, where: Path) -> "subprocess.Popen[bytes]":
    command = ["git", "commit", "-q", "--allow-empty", "-S", "-m", "signed"]
    return subprocess.Popen(command, cwd=where, env=home.variables, stdin=subprocess.DEVNULL, start_new_session=True)


def test_ctrl_c_behind_somebody_elses_sign_in(home: Home, screen: Screen, other: Path) -> None:
    """Who waits goes; who signs in is not disturbed, and the agent signs for the next one."""
    opener = home.directory / "opener.py"
    opener.write_text(f"import sys; open({str(home.directory / 'browser.log')!r}, 'a').write(sys.argv[1])")
    home.git("config", "gitsign.tokenProvider", "interactive")
    home.git("config", "--global", "gitsign.urlOpener", f"{sys.executable} {opener} {{{{.URL}}}}")
    home.gitsign("agent", "start")
    head = home.git("rev-parse", "HEAD")
    first = start_commit(home, other)
    wait_until(lambda: home.sign_ins)
    screen.type(COMMIT)
    wait_until(lambda: screen.holder().startswith("python"))
    screen.interrupt()
    text = screen.wait("status 128")
    assert text.count("gitsign-py:") == 1
    assert "gitsign-py: interrupted, nothing was signed" in text
    assert home.git("rev-parse", "HEAD") == head
    fetch(home.sign_ins[0]).press("allow", email="alice@example.com")
    assert first.wait(30) == 0
    nothing_left(home, head)
    home.commit("signed")
    assert len(home.sign_ins) == 1
    assert home.status()["held"][0]["signatures"] == 2


def test_a_script_above_git_ends_with_it(home: Home, screen: Screen) -> None:
    """There Ctrl-C is everybody's: git ends by it too, and cleans up after itself."""
    with_agent(home, "on")
    head = home.git("rev-parse", "HEAD")
    with hanging(home, "fulcio") as bad:
        screen.type("sh -c 'git commit -q --allow-empty -S -m signed; echo made'")
        until_asked(bad, screen)
        screen.interrupt()
        text = screen.wait("gitsign-py: interrupted, nothing was signed")
        screen.type('echo "script $?"')
        screen.wait("script 130")
    assert "Traceback" not in text
    nothing_left(home, head)


def test_a_git_that_is_killed_leaves_the_terminal_to_the_shell(home: Home, screen: Screen) -> None:
    with_agent(home, "off")
    home.git("config", "gitsign.timeout", "3")
    head = home.git("rev-parse", "HEAD")
    with hanging(home, "fulcio") as bad:
        screen.type(COMMIT)
        until_asked(bad, screen)
        subprocess.run(["pkill", "-9", "-x", "-P", screen.shell(), "git"], check=True)
        screen.wait("status 137")
        screen.type("echo still here $((1 + 1))")
        screen.wait("still here 2")
        until_gone(f"{home.program} --status-fd")
    (home.repository / ".git" / "index.lock").unlink(missing_ok=True)  # SIGKILL leaves git no time for it
    nothing_left(home, head)


def test_a_commit_in_the_background_leaves_the_terminal_alone(home: Home, screen: Screen) -> None:
    with_agent(home, "on")
    with hanging(home, "rekor") as bad:
        screen.type("git commit -q --allow-empty -S -m signed &")
        until_asked(bad, screen)
        screen.interrupt()
        wait_until(lambda: screen.text().endswith("\n$"), screen.text)  # the shell throws away what it has read before
        screen.type("echo still here $((1 + 1))")
        screen.wait("still here 2")
        assert screen.holder() == "sh"
        assert subprocess.run(["pgrep", "-f", f"{home.program} --status-fd"], check=False).returncode == 0


def test_without_a_terminal_on_stdin_ctrl_c_is_ours_too(home: Home, screen: Screen) -> None:
    with_agent(home, "on")
    head = home.git("rev-parse", "HEAD")
    with hanging(home, "rekor") as bad:
        screen.type(COMMIT.replace("-m signed", "-F - < /dev/null --allow-empty-message"))
        until_asked(bad, screen)
        screen.interrupt()
        screen.wait("status 128")
    nothing_left(home, head)
