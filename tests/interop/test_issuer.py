"""A certified OpenID Connect issuer and the published Fulcio: people sign in there, and sign."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import cookieperson
from tests.support.foreign import EMAIL, find_node_package
from tests.support.home import Home, living
from tests.support.ports import free_ports
from tests.support.processes import ending
from tests.support.realfulcio import running, settings
from tests.support.secretservice import SERVICE, SecretService, secret_service
from tests.support.stack import RunningStack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.unmeasured

SCRIPT = Path(__file__).parent / "issuer.mjs"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    modules, [port] = find_node_package("oidc-provider"), free_ports(1)
    log = tmp_path_factory.mktemp("issuer") / "log"
    with (
        log.open("wb") as file,
        ending(subprocess.Popen(["node", SCRIPT, modules, str(port)], stdout=file, stderr=file)) as child,
    ):
        try:
            wait_until(lambda: b"listening" in log.read_bytes() or child.poll() is not None)
            assert child.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()


@pytest.fixture
def home(tmp_path: Path, stack: RunningStack, issuer: str) -> Iterator[Home]:
    """Somebody whose issuer it is, with a Fulcio that believes it."""
    (tmp_path / "u").mkdir(mode=0o700)
    with (
        running(stack, tmp_path, settings(issuer, "email")) as fulcio,
        living(tmp_path / "u", stack) as home,
    ):
        for name in ("GITSIGN_OIDC_ISSUER", "SIGSTORE_OIDC_ISSUER", "GITSIGN_FULCIO_URL", "SIGSTORE_FULCIO_URL"):
            home.variables[name] = issuer if "OIDC" in name else fulcio.url
        home.git("config", "gitsign.tokenProvider", "interactive")
        opens_browser(home)
        yield home


def opens_browser(home: Home, *words: str) -> None:
    person = [sys.executable, cookieperson.__file__, "{{.URL}}", EMAIL, *words]
    home.git("config", "--global", "gitsign.urlOpener", " ".join(person))


def good(home: Home, issuer: str, *revisions: str) -> bool:
    who = ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", issuer]
    return all(home.run(home.program, "verify", *who, one).returncode == 0 for one in revisions or ["HEAD"])


@pytest.mark.parametrize("agent", ["on", "off"])
def test_the_browser_flow(home: Home, issuer: str, agent: str) -> None:
    home.git("config", "gitsign.agent", agent)
    home.commit("one")
    assert good(home, issuer)


def test_a_client_with_a_secret(home: Home) -> None:
    """Form-encoded in the header (RFC 6749 §2.3.1). Fulcio knows no such client: the sign-in is as far as it goes."""
    (home.directory / "secret").write_text("s:cr/t +\n")
    home.git("config", "gitsign.clientID", "confidential")
    home.git("config", "--global", "gitsign.clientSecretFile", str(home.directory / "secret"))
    assert f"Signed in as {EMAIL}" in home.gitsign("login", "--no-agent")
    (home.directory / "secret").write_text("another\n")
    done = home.run(home.program, "login", "--no-agent")
    assert done.returncode != 0
    assert "invalid_client" in done.stderr


def test_a_person_who_refuses(home: Home) -> None:
    opens_browser(home, "refuses")
    done = home.run("git", "commit", "-q", "--allow-empty", "-S", "-m", "one")
    assert done.returncode != 0
    assert "[sign-in-denied]" in done.stderr
    assert home.run("git", "rev-parse", "-q", "--verify", "HEAD").returncode != 0


def by_device(home: Home, *options: str) -> None:
    """Sign in on another device."""
    home.git("config", "gitsign.tokenProvider", "device")
    with ending(subprocess.Popen(
        [home.program, "login", *options],
        cwd=home.repository, env=home.variables, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )) as login:  # fmt: skip
        assert login.stderr is not None
        address = next(found[0] for line in login.stderr if (found := re.search(r"http\S+user_code=\S+", line)))
        cookieperson.go_through(address, EMAIL)
        assert login.wait(120) == 0, login.stderr.read()


def test_the_device_flow(home: Home, issuer: str) -> None:
    by_device(home)
    home.commit("one")
    home.commit("two")
    assert good(home, issuer, "HEAD", "HEAD^")


@pytest.fixture
def service(home: Home) -> Iterator[SecretService]:
    with secret_service(home.variables) as service:
        home.variables["DBUS_SESSION_BUS_ADDRESS"] = service.address
        yield service


@SERVICE
@pytest.mark.parametrize("flow", ["browser", "device"])
def test_refresh_tokens_that_change_each_time(home: Home, issuer: str, service: SecretService, flow: str) -> None:
    """The issuer takes each one once: the next one has to be kept in its place."""
    if flow == "browser":
        home.gitsign("login", "--remember")
        opens_browser(home, "refuses")
    else:
        by_device(home, "--remember")
    for message in ("one", "two", "three"):
        home.gitsign("agent", "stop")
        home.commit(message)
    assert good(home, issuer, "HEAD", "HEAD^", "HEAD^^")
    assert len(service.secrets()) == 1
    home.gitsign("logout")
    assert service.secrets() == []
