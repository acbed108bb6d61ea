"""What a person sees in a terminal (tmux), and that nothing of it lands in the signature."""

import sys
import time

import pytest

from tests.support.home import Home
from tests.support.screen import COMMIT, NEEDED, Screen, clean, until_gone, value
from tests.support.webform import fetch

pytestmark = NEEDED


@pytest.fixture
def home(home: Home) -> Home:
    home.git("config", "gitsign.signInTimeout", "30")
    return home


@pytest.mark.parametrize("agent", ["auto", "off"])
def test_the_device_flow_in_a_terminal(home: Home, screen: Screen, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    home.git("config", "gitsign.tokenProvider", "device")
    screen.type(COMMIT)
    text = screen.wait("or open")
    assert "Sign in on any device:" in text
    page = fetch(value(text, "address"))
    page.press("allow", user_code=value(text, "code"), email="alice@example.com")
    text = screen.wait("status 0")
    assert "alice@example.com will stand in the log of the Sigstore on this machine" in text
    assert "gitsign-py: signed by alice@example.com, vouched for by" in text
    assert "log index" in text
    clean(home)


@pytest.mark.parametrize("agent", ["auto", "off"])
def test_a_pasted_code_in_a_terminal(home: Home, screen: Screen, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    home.git("config", "gitsign.tokenProvider", "oob")
    screen.type(COMMIT)
    text = screen.wait("Code from the page:")
    page = fetch(value(text, "http")).press("allow", email="alice@example.com")
    screen.type(page.text.partition('<code id="code">')[2].partition("<")[0])
    screen.wait("status 0")
    clean(home)


@pytest.mark.parametrize("agent", ["auto", "off"])
def test_another_address_is_asked_about_and_remembered(home: Home, screen: Screen, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    home.person_signs_in("alice@work.example")
    screen.type(COMMIT)
    text = screen.wait("[y/N]")
    assert "You are signed in as alice@work.example; the committer is alice@example.com." in text
    assert "into the log of the Sigstore on this machine" in text
    screen.type("n")
    screen.wait("status 128")
    assert "[consent-refused]" in screen.text()
    assert home.run("git", "log").returncode != 0
    screen.clear()
    screen.type(COMMIT)
    screen.wait("[y/N]")
    screen.type("y")
    screen.wait("status 0")
    clean(home)
    screen.clear()
    screen.type(COMMIT)
    assert "[y/N]" not in screen.wait("status 0")


@pytest.mark.parametrize("agent", ["auto", "off"])
@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("interactive", "Sign in with your browser:"),
        ("device", "or open"),
        ("oob", "Code from the page:"),
    ],
)
def test_ctrl_c_during_a_sign_in_leaves_nothing(
    home: Home, screen: Screen, agent: str, provider: str, words: str
) -> None:
    """git fails, and is not killed: see host/foreground.py. No commit, nobody waits, and the next one signs at once."""
    home.git("config", "gitsign.agent", agent)
    home.git("config", "gitsign.tokenProvider", provider)
    screen.type(COMMIT)
    screen.wait(words)
    screen.interrupt()
    text = screen.wait("status 128")
    assert "gitsign-py: interrupted, nothing was signed" in text
    assert "Traceback" not in text
    assert home.run("git", "log").returncode != 0
    until_gone(f"{home.program} --status-fd")
    home.person_signs_in()
    home.commit("signed")
    clean(home)


@pytest.mark.parametrize("running", [True, False])
def test_an_agent_that_dies_during_a_sign_in_costs_no_second_one(home: Home, screen: Screen, running: bool) -> None:
    home.git("config", "gitsign.tokenProvider", "device")
    if running:
        home.gitsign("agent", "start")
    screen.type(COMMIT)
    text = screen.wait("or open")
    home.kill()
    page = fetch(value(text, "address"))
    page.press("allow", user_code=value(text, "code"), email="alice@example.com")
    text = screen.wait("status 0")
    assert text.count("Sign in on any device:") == 1
    clean(home)


def test_an_agent_that_leaves_the_work_to_others_says_why(home: Home, screen: Screen) -> None:
    """Where nobody has to sign in for it, it costs nobody anything, and nothing is said."""
    home.gitsign("agent", "start")
    screen.type(f"HTTPS_PROXY=http://127.0.0.1:1 {COMMIT}")
    assert "the agent" not in screen.wait("status 0")
    screen.clear()
    home.git("config", "gitsign.tokenProvider", "device")
    screen.type(f"HTTPS_PROXY=http://127.0.0.1:1 {COMMIT}")
    text = screen.wait("or open")
    stop = "gitsign-py agent stop, and the next one fits"
    assert f"gitsign-py: the agent does not sign here, since it has another HTTPS_PROXY ({stop})" in text
    fetch(value(text, "address")).press("allow", user_code=value(text, "code"), email="alice@example.com")
    screen.wait("status 0")
    clean(home)


def test_doctor_has_nobody_sign_in_unasked(home: Home, screen: Screen) -> None:
    home.git("config", "gitsign.tokenProvider", "device")
    screen.type(f'{home.program} doctor; echo "status $?"')
    text = screen.wait("status 0")
    assert "Sign in on any device:" not in text
    assert "not tried, since somebody would have to sign in for it" in text
    assert "-> gitsign-py doctor --sign" in text
    screen.clear()
    screen.type(f"{home.program} doctor --sign")
    text = screen.wait("or open")
    fetch(value(text, "address")).press("allow", user_code=value(text, "code"), email="alice@example.com")
    screen.wait("a test signature verifies: alice@example.com")


@pytest.mark.parametrize("agent", ["auto", "off"])
def test_an_opener_that_opens_nothing_is_named(home: Home, screen: Screen, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    home.git("config", "gitsign.tokenProvider", "interactive")
    home.git("config", "--global", "gitsign.urlOpener", "nonesuch --new-window")
    home.git("config", "gitsign.signInTimeout", "1")
    screen.type(COMMIT)
    text = screen.wait("status 128")
    assert "gitsign.urlOpener (nonesuch --new-window) opened no browser: open that address yourself" in text
    assert "or raise gitsign.signInTimeout [sign-in-timeout]" in text
    home.git("config", "--global", "gitsign.urlOpener", "firefox '{{.URL}}")
    screen.clear()
    screen.type(COMMIT)
    text = screen.wait("status 128")
    assert "Sign in with your browser" not in text
    assert "gitsign.urlOpener cannot be split into words (no closing quotation): firefox '{{.URL}}; correct it" in text


def test_ctrl_z_does_not_leave_git_waiting_for_ever(home: Home, screen: Screen) -> None:
    home.git("config", "gitsign.tokenProvider", "device")
    screen.type(COMMIT)
    page = fetch(value(screen.wait("or open"), "address"))
    screen.tmux("send-keys", "-t", "0", "C-z")
    time.sleep(0.2)
    page.press("allow", user_code=value(screen.text(), "code"), email="alice@example.com")
    screen.wait("status 0")
    clean(home)


def test_a_program_above_git_keeps_the_terminal(home: Home, screen: Screen) -> None:
    """An editor that runs git goes on reading its keys, and is not stopped for doing so (SIGTTIN)."""
    home.git("config", "gitsign.tokenProvider", "device")
    editor = home.directory / "editor.py"
    editor.write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen(['git', 'commit', '-q', '--allow-empty', '-S', '-m', 'signed'])\n"
        "print('read', sys.stdin.readline(), 'status', child.wait(), flush=True)\n"
    )
    screen.type(f"{sys.executable} {editor}")
    text = screen.wait("or open")
    screen.type("keys")
    page = fetch(value(text, "address"))
    page.press("allow", user_code=value(text, "code"), email="alice@example.com")
    screen.wait("status 0")
    assert "read keys" in screen.text()
    clean(home)


@pytest.mark.parametrize("agent", ["auto", "off"])
def test_ctrl_c_at_the_question_is_a_no_that_is_not_remembered(home: Home, screen: Screen, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    home.person_signs_in("alice@work.example")
    screen.type(COMMIT)
    screen.wait("[y/N]")
    screen.interrupt()
    screen.wait("status 128")
    assert home.run("git", "log").returncode != 0
    screen.clear()
    screen.type(COMMIT)
    screen.wait("[y/N]")
    screen.type("y")
    screen.wait("status 0")
    clean(home)


@pytest.mark.parametrize("agent", ["auto", "off"])
def test_ctrl_c_in_a_rebase_that_signs_can_be_continued(home: Home, screen: Screen, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    home.git("commit", "-q", "--allow-empty", "-m", "base")
    for name in ("one", "two"):
        (home.repository / name).write_text(name)
        home.git("add", name)
        home.git("commit", "-q", "-m", name)
    home.git("config", "commit.gpgSign", "true")
    home.git("config", "core.editor", "true")
    home.git("config", "gitsign.tokenProvider", "interactive")
    screen.type("git rebase -q -f HEAD~2")
    screen.wait("Sign in with your browser:")
    screen.interrupt()
    screen.wait("git rebase --continue")
    assert "rebase in progress" in home.git("status")
    home.person_signs_in()
    screen.type('git commit -q --no-edit && git rebase --continue; echo "status $?"')
    screen.wait("status 0")
    assert [verdict for verdict, _ in home.signers("HEAD~2..")] == ["U", "U"]
    assert home.git("log", "--format=%s") == "two\none\nbase"


def test_login_on_another_device_and_out_again(home: Home, screen: Screen) -> None:
    home.git("config", "gitsign.tokenProvider", "interactive")  # where nobody comes: the commit finds the sign-in
    screen.type(f'{home.program} login --device; echo "status $?"')
    text = screen.wait("or open")
    assert "Sign in on any device:" in text
    page = fetch(value(text, "address"))
    page.press("allow", user_code=value(text, "code"), email="alice@example.com")
    text = screen.wait("status 0")
    assert (
        f"alice@example.com will stand in the log of the Sigstore on this machine (certificates of {home.stack.url})."
        in text
    )
    assert f"Signed in as alice@example.com at {home.stack.url}." in text
    assert "The signing agent signs with it until" in text
    screen.clear()
    screen.type(COMMIT)
    assert "signed by alice@example.com" in screen.wait("status 0")
    clean(home)
    screen.type(f"{home.program} logout")
    text = screen.wait("has dropped 1 key.")
    assert f"Signed out: alice@example.com at {home.stack.url}." in text


def test_ctrl_c_and_a_refusal_at_login_are_one_line(home: Home, screen: Screen) -> None:
    screen.type(f'{home.program} login --device; echo "status $?"')
    screen.wait("or open")
    screen.interrupt()
    text = screen.wait("status 130")
    assert "gitsign-py: interrupted" in text
    assert "Traceback" not in text
    screen.clear()
    screen.type(f'{home.program} login --device; echo "status $?"')
    text = screen.wait("or open")
    fetch(value(text, "address")).press("deny", user_code=value(text, "code"), email="alice@example.com")
    text = screen.wait("status 3")
    assert "the sign-in was refused on the issuer's page, nothing was signed" in text
    assert home.run(home.program, "whoami").returncode == 0, "an issuer on this machine needs no sign-in"


def test_a_time_out_is_one_line_and_the_rebase_goes_on(home: Home, screen: Screen) -> None:
    home.git("commit", "-q", "--allow-empty", "-m", "base")
    for name in ("one", "two"):
        (home.repository / name).write_text(name)
        home.git("add", name)
        home.git("commit", "-q", "-m", name)
    home.git("config", "gitsign.tokenProvider", "interactive")
    home.git("config", "gitsign.signInTimeout", "1")
    screen.type('git rebase -q --exec "git commit -q --amend --no-edit -S" HEAD~2; echo "status $?"')
    text = screen.wait("status 1")
    assert "nobody signed in within 1 s, nothing was signed" in text
    home.person_signs_in()
    home.git("config", "gitsign.signInTimeout", "30")
    home.git("commit", "-q", "--amend", "--no-edit", "-S")
    screen.type('git rebase --continue; echo "status $?"')
    screen.wait("status 0")
    assert [verdict for verdict, _ in home.signers("HEAD~2..")] == ["U", "U"]


def test_an_agent_and_no_agent_say_the_same_line(home: Home, screen: Screen) -> None:
    lines = []
    for agent in ("off", "on"):
        home.git("config", "gitsign.agent", agent)
        screen.clear()
        screen.type(COMMIT)
        text = screen.wait("status 0")
        line = next(line for line in text.splitlines() if line.startswith("gitsign-py: signed by"))
        lines.append(line.rpartition(" ")[0])
    assert lines[0] == lines[1]
