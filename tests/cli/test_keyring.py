"""The system's keyring as the programs meet it: a real Secret Service, a locked one, one that hangs, none at all."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import warm
from tests.support.home import Home
from tests.support.secretservice import SERVICE, SecretService, secret_service, silent_bus


@pytest.fixture
def home(home: Home) -> Home:
    home.person_signs_in()
    home.variables["GITSIGN_LOG"] = str(home.directory / "log")
    return home


@pytest.fixture
def service(home: Home) -> Iterator[SecretService]:
    with secret_service(home.variables) as service:
        home.variables["DBUS_SESSION_BUS_ADDRESS"] = service.address
        yield service


def warnings(home: Home) -> list[str]:
    """What the person was told about the keyring while signing."""
    log = home.directory / "log"
    return [line for line in log.read_text().splitlines() if "keyring" in line] if log.exists() else []


def remembered(home: Home) -> bool:
    [record] = json.loads((home.directory / "state" / "gitsign-py" / "logins.json").read_text())
    return bool(record["remembered"])


def pretend_remembered(home: Home) -> None:
    """As on a machine whose keyring worked yesterday."""
    home.gitsign("login", "--no-agent")
    path = home.directory / "state" / "gitsign-py" / "logins.json"
    [record] = json.loads(path.read_text())
    path.write_text(json.dumps([{**record, "remembered": True}]))


@SERVICE
@pytest.mark.parametrize("agent", ["auto", "off"])
def test_a_sign_in_outlives_the_agent_and_ends_with_logout(home: Home, service: SecretService, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    assert "remembered in the system's keyring" in home.gitsign("login", "--remember")
    home.gitsign("agent", "stop")  # a new session: nothing lives on but the keyring
    assert "remembered in the system's keyring" in home.gitsign("whoami")
    home.commit("one")
    home.gitsign("agent", "stop")
    home.commit("two")
    assert len(home.sign_ins) == 1
    assert [verdict for verdict, _ in home.signers()] == ["U", "U"]
    assert len(service.secrets()) == 1
    assert "Signed out: alice@example.com" in home.gitsign("logout")
    assert service.secrets() == []
    assert home.run(home.program, "whoami").returncode == 1
    assert warnings(home) == []


@SERVICE
def test_only_who_says_so_is_remembered(home: Home, service: SecretService) -> None:
    home.gitsign("login")
    home.commit("one")
    assert service.secrets() == []


@SERVICE
@pytest.mark.parametrize("agent", ["auto", "off"])
def test_a_locked_keyring_is_one_warning_and_a_sign_in(home: Home, service: SecretService, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    home.gitsign("login", "--remember")
    service.lock()
    for message in ("one", "two"):
        home.gitsign("agent", "stop")
        home.commit(message)
    assert len(home.sign_ins) == 3
    assert len(warnings(home)) == 1
    assert "going on without it" in warnings(home)[0]
    assert remembered(home), "the token is still there"
    done = home.run(home.program, "logout")
    assert done.returncode == 3
    assert "alice@example.com is still remembered" in done.stderr
    service.unlock()
    home.gitsign("agent", "stop")
    home.commit("three")
    assert len(home.sign_ins) == 3
    home.gitsign("logout")
    assert service.secrets() == []


@SERVICE
def test_a_forwarded_request_has_nobody_else_to_ask(home: Home, service: SecretService) -> None:
    settings = Path(home.variables["HOME"]) / ".gitconfig"
    for key in ("gitsign.tokenProvider", "gitsign.urlOpener"):
        home.git("config", "--file", str(settings), key, home.git("config", key))
    home.variables.pop("GIT_CONFIG_GLOBAL", None)
    home.gitsign("login", "--remember")
    home.gitsign("agent", "lock")
    home.commit("far", GITSIGN_CREDENTIAL_CACHE=str(home.socket.with_name("forward.sock")))
    assert "from a forwarded request" in home.gitsign("agent", "log")
    assert len(home.sign_ins) == 1


def keyring_line(home: Home) -> dict[str, str]:
    findings = json.loads(home.run(home.program, "doctor", "--offline", "--json").stdout)["findings"]
    return next(one for one in findings if one["name"] == "keyring")


@SERVICE
def test_doctor_asks_for_what_was_remembered(home: Home, service: SecretService) -> None:
    assert "SecretService" in keyring_line(home)["message"]
    home.gitsign("login", "--remember", "--no-agent")
    assert keyring_line(home)["outcome"] == "ok"
    service.lock()
    line = keyring_line(home)
    assert line["outcome"] == "warn"
    assert "unlock it (the sign-in of alice@example.com is there)" in line["advice"]
    service.unlock()
    [item] = service.secrets()
    service.call(item, "org.freedesktop.Secret.Item.Delete")
    line = keyring_line(home)
    assert f"has lost the sign-in of alice@example.com at {home.stack.url}" in line["message"]
    assert line["advice"] == "gitsign-py login --remember"


@SERVICE
def test_many_at_once_use_the_refresh_token_in_turn(home: Home, service: SecretService) -> None:
    """The issuer replaces it at each use; who comes with the old one would lose the sign-in for all."""
    home.git("config", "gitsign.agent", "off")
    home.gitsign("login", "--remember")
    home.git("config", "user.name", "Alice")
    home.git("commit", "-q", "--allow-empty", "-m", "base")
    for number in range(6):
        home.git("worktree", "add", "-q", "-b", f"b{number}", str(home.directory / f"w{number}"))
    running = [
        subprocess.Popen(
            ["git", "commit", "-q", "--allow-empty", "-S", "-m", "x"],
            cwd=home.directory / f"w{number}", env=home.variables, stdin=subprocess.DEVNULL,
        )
        for number in range(6)
    ]  # fmt: skip
    assert [process.wait(60) for process in running] == [0] * 6
    assert len(home.sign_ins) == 1
    assert remembered(home)
    assert len(service.secrets()) == 1


@SERVICE
def test_another_persons_sign_in_takes_the_place_of_the_remembered_one(home: Home, service: SecretService) -> None:
    home.gitsign("login", "--remember")
    home.person_signs_in("bob@example.com")
    out = home.gitsign("login", "--no-agent")
    assert "Nothing was kept" in out
    assert service.secrets() == []
    assert not remembered(home)


@SERVICE
def test_a_new_sign_in_of_the_same_person_leaves_the_remembered_one(home: Home, service: SecretService) -> None:
    home.gitsign("login", "--remember")
    assert "is remembered" in home.gitsign("login", "--no-agent")
    assert len(service.secrets()) == 1
    home.gitsign("agent", "stop")
    home.commit("one")
    assert len(home.sign_ins) == 2


@pytest.mark.parametrize("agent", ["auto", "off"])
@pytest.mark.parametrize("speaks", [False, True])
def test_a_bus_that_hangs_is_one_warning_and_a_sign_in(home: Home, agent: str, speaks: bool) -> None:
    """One that takes the connection and says nothing, and one that lets the client in and then falls silent."""
    home.git("config", "gitsign.agent", agent)
    pretend_remembered(home)
    sooner = warm.constants(host__keystore__TIMEOUT_SECONDS=0.5)
    home.variables |= sooner
    with silent_bus(home.directory / "bus", speaks=speaks) as address:
        home.variables["DBUS_SESSION_BUS_ADDRESS"] = address
        for message in ("one", "two"):
            home.gitsign("agent", "stop")
            home.commit(message)
    assert len(home.sign_ins) == 3
    assert len(warnings(home)) == 1
    assert "going on without it" in warnings(home)[0]
    assert not speaks or f"did not answer within {'0.5' if sooner else '3'} s" in warnings(home)[0]
    assert [verdict for verdict, _ in home.signers()] == ["U", "U"]


def test_without_a_keyring_login_says_so_and_signing_goes_on(home: Home) -> None:
    home.variables.pop("DBUS_SESSION_BUS_ADDRESS", None)
    done = home.run(home.program, "login", "--remember", "--no-agent")
    assert done.returncode == 0
    assert "Nothing was kept: no signing agent holds the sign-in, and no keyring remembers it." in done.stdout
    assert "no keyring of the system" in done.stderr
    assert "this sign-in is not remembered" in done.stderr
    home.commit("one")
    assert home.signers()[0][0] == "U"
