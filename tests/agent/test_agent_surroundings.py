"""Who asks the agent from elsewhere gets the verdict and the signature that he would have made himself, or none."""

import json
import os
import shutil
import socket
import subprocess
from datetime import UTC, datetime

import pytest

from gitsign_py.agent import client
from gitsign_py.agent.clientcontext import ClientContext
from gitsign_py.agent.conversation import Conversation
from gitsign_py.agent.hardening import Hardening
from gitsign_py.cli.agentside.agentservices import agent_services
from gitsign_py.errors import ServiceError
from tests.support.home import Home
from tests.support.stack import running_stack

PAYLOAD = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author A <alice@example.com> 1 +0000\ncommitter A <alice@example.com> 1 +0000\n\nhi\n"
)


@pytest.fixture
def home(home: Home) -> Home:
    home.gitsign("agent", "start")
    return home


def signed(home: Home) -> int:
    return len(json.loads(home.gitsign("agent", "log", "--json")))


def verdicts(home: Home, **more: str) -> tuple[object, object]:
    """With the agent, and without one."""
    done = [
        home.run("git", "verify-commit", "--raw", "HEAD", **more, GITSIGN_CREDENTIAL_CACHE=path)
        for path in (str(home.socket), "/proc/no-agent.sock")
    ]
    return tuple((one.returncode, one.stderr) for one in done)  # type: ignore[return-value]


def test_relative_paths_are_the_callers(home: Home) -> None:
    for variable in ("GITSIGN_FULCIO_ROOT", "SIGSTORE_REKOR_PUBLIC_KEY"):
        shutil.copy(home.variables[variable], home.repository / f"{variable}.pem")
        home.variables[variable] = f"{variable}.pem"
    shutil.copy(home.variables.pop("GITSIGN_TRUSTED_ROOT"), home.repository / "root.json")
    home.git("config", "gitsign.trustedRoot", "root.json")
    (home.repository / "token").write_text(home.stack.token())
    home.commit("one", GITSIGN_TOKEN_FILE="token", GITSIGN_LOG="signing.log")
    assert signed(home) == 1
    assert "signed by alice@example.com" in (home.repository / "signing.log").read_text()
    warm, cold = verdicts(home)
    assert warm == cold
    assert "GOODSIG" in str(warm)


@pytest.mark.parametrize("name", ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"])
def test_other_places_are_not_the_agents(home: Home, name: str) -> None:
    other = home.directory / "other"
    other.mkdir(mode=0o700)
    home.commit("one", **{name: str(other)})
    assert signed(home) == 0
    assert home.signers()[0][0] == "U"


def test_a_callers_own_trust_root_judges(home: Home) -> None:
    """Another HOME with another TUF cache: what the agent believes is not what this caller believes."""
    home.commit("one")
    for name in ("GITSIGN_TRUSTED_ROOT", "GITSIGN_FULCIO_ROOT", "SIGSTORE_REKOR_PUBLIC_KEY"):
        home.variables.pop(name)
    home.variables.pop("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE")
    warm, cold = verdicts(home, XDG_DATA_HOME=str(home.directory / "nothing"))
    assert warm == cold
    assert "GOODSIG" not in str(warm)


def test_other_proxies_are_the_callers(home: Home) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        done = home.run("git", "commit", "-q", "--allow-empty", "-S", "-m", "one", http_proxy=proxy)
    assert done.returncode != 0, "nobody listens at this proxy"
    assert signed(home) == 0
    home.commit("two")
    assert signed(home) == 1


def test_a_directory_that_is_another_one_for_the_agent(home: Home) -> None:
    fields = client.context(home.variables, str(home.repository)) | {"request": b"whoami"}
    declined = {"status": b"declined", "differs": b"another directory at this path"}
    assert client.converse(str(home.socket), fields) == {"status": b"ok"}
    assert client.converse(str(home.socket), fields | {"place": b"1 1"}) == declined
    assert client.converse(str(home.socket), fields | {"directory": b"/proc/none"}) == declined


def test_settings_of_one_command_count_for_that_command(home: Home) -> None:
    """Through -c, GIT_CONFIG_COUNT and SIGSTORE_ variables: another instance signs with its own credential."""
    with running_stack(home.directory / "other") as other:
        home.commit("one")
        theirs = other.environment()
        home.commit("two", **theirs)
        options = {
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gitsign.trustedRoot",
            "GIT_CONFIG_VALUE_0": theirs["GITSIGN_TRUSTED_ROOT"],
        }  # fmt: skip
        held = {one["issuer"]: one["signatures"] for one in home.status()["held"]}
        assert held == {home.stack.url: 1, other.url: 1}
        theirs = {name: value for name, value in theirs.items() if name != "GITSIGN_TRUSTED_ROOT"} | options
        home.commit("three", **theirs)
        here, there = (home.git("log", "--format=%G?", **each).split() for each in ({}, theirs))
        assert [verdict == "U" for verdict in here] == [False, False, True], "each instance knows its own alone"
        assert [verdict == "U" for verdict in there] == [True, True, False]
    assert signed(home) == 3


def test_several_people_repositories_and_instances_at_once(home: Home) -> None:
    """Each commit is signed by its own committer, at its own instance, whoever else the agent signs for meanwhile."""
    with running_stack(home.directory / "other") as other:
        instances = {home.stack.url: {}, other.url: other.environment()}
        jobs = [
            (number, f"person{number % 3}@example.com", list(instances)[number % 2])
            for number in range(18)
        ]  # fmt: skip
        for number, _, _ in jobs:
            home.git("init", "-q", str(home.directory / f"r{number}"))
        running = [
            subprocess.Popen(
                ["git", "-c", "gpg.format=x509", "-c", f"gpg.x509.program={home.program}", "commit", "-q",
                 "--allow-empty", "-S", "-m", "x"],
                cwd=home.directory / f"r{number}", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env={**home.variables, **instances[url], "GIT_COMMITTER_EMAIL": email},
            )
            for number, email, url in jobs
        ]  # fmt: skip
        for process in running:
            assert process.communicate(timeout=120)[1] == b""
        for number, email, url in jobs:
            who = ("--certificate-identity", email, "--certificate-oidc-issuer", url)
            done = subprocess.run(
                [str(home.program), "verify", "-q", *who, "HEAD"], cwd=home.directory / f"r{number}",
                env={**home.variables, **instances[url]}, capture_output=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    held = home.status()["held"]
    assert len(held) == 6
    assert [one["signatures"] for one in held] == [3] * 6


def test_the_umask_of_the_caller_is_not_the_agents(home: Home) -> None:
    script = f"umask 077; {home.program} -bsau alice@example.com -o signature payload"
    (home.repository / "payload").write_bytes(PAYLOAD)
    subprocess.run(["sh", "-c", script], cwd=home.repository, env=home.variables, check=True, capture_output=True)
    assert (home.repository / "signature").stat().st_mode & 0o777 == 0o600
    assert signed(home) == 1


def test_doctor_says_when_the_agent_leaves_the_work_to_others(home: Home) -> None:
    assert "holds 0 keys" in home.run(home.program, "doctor", "--offline").stdout
    done = home.run(home.program, "doctor", "--offline", HTTPS_PROXY="http://127.0.0.1:1")
    assert "has another HTTPS_PROXY, and leaves the work to each command" in done.stdout
    home.git("config", "gitsign.agent", "off")
    assert "gitsign.agent off keeps it out" in home.run(home.program, "doctor", "--offline").stdout


class Slow(Conversation):
    """A client that is asked, and whose patience is what the test looks at."""

    def __init__(self) -> None:
        self.patience: list[float] = []
        self.restricted = False

    def need(self, seconds: float, **_: bytes) -> None:
        self.patience.append(seconds)


def test_a_person_has_as_long_as_the_settings_say(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in client.PLACES:
        if name in home.variables:  # each system has some of them
            monkeypatch.setenv(name, home.variables[name])
    home.git("config", "gitsign.signInTimeout", "600")
    home.git("config", "gitsign.tokenProvider", "interactive")
    hardening = Hardening(no_core_dump=False, not_dumpable=False, memory_locked=False)
    work = agent_services(hardening, stop=lambda: None, started=datetime.now(UTC))
    environment = {**home.variables, **{name: os.environ.get(name, "") for name in client.NETWORK}}
    plan = work.plan(ClientContext(str(home.repository), environment), None)
    asked = Slow()
    with pytest.raises(ServiceError, match="nobody signed in"):
        work.holder.credential(plan, ("Alice", "alice@example.com"), asked)
    assert asked.patience[0] > 600
