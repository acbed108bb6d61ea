"""A repository whose configuration names the services: the identity token would go to whoever made it.

.git/config of a copy names a Fulcio, a log, an issuer or a time-stamp authority of the attacker's, or a signing
configuration with them; a file that the issuer is sent as the client's secret; a program that "opens the browser". The
next signature sends the token there. Each is named first, once, and without anybody to ask nothing goes out.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.errors import PolicyError
from gitsign_py.host.consent import ConsentBook, Named, require_named
from tests.support.person import Person
from tests.support.workbench import Workbench

KEYS = ("gitsign.fulcio", "gitsign.rekor", "gitsign.issuer", "gitsign.timestampServerURL")
EVIL = Named("gitsign.fulcio", "https://fulcio.evil.example", "local, file:.git/config")


@pytest.fixture
def evil() -> Iterator[tuple[str, list[str]]]:
    """The attacker's server: its address, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(f"{self.headers} {body.decode('utf-8', 'replace')}")
            self.send_error(500)

        do_GET = do_POST  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def local(bench: Workbench, key: str, value: str) -> None:
    bench.git("config", "--local", key, value)


@pytest.fixture
def without_services(bench: Workbench) -> Workbench:
    """The person's own services stand in their own settings, so that a repository's are the nearer ones."""
    for name, key in (("FULCIO_URL", "fulcio"), ("REKOR_URL", "rekor"), ("OIDC_ISSUER", "issuer")):
        for prefix in ("GITSIGN", "SIGSTORE"):
            value = bench.env.pop(f"{prefix}_{name}", None)
            if value:
                bench.git("config", "--global", f"gitsign.{key}", value)
    return bench


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("command", ["commit", "attest", "doctor"])
def test_nothing_goes_there_unasked(
    without_services: Workbench, evil: tuple[str, list[str]], key: str, command: str
) -> None:
    bench, (url, asked) = without_services, evil
    bench.commit("before")
    token = bench.stack.token()
    local(bench, key, url)
    if command == "commit":
        done = bench.try_git("commit", "--allow-empty", "-S", "-m", "x", SIGSTORE_ID_TOKEN=token)
    elif command == "attest":
        (bench.folder / "file.json").write_text("{}")
        done = bench.tool("attest", "-f", str(bench.folder / "file.json"), SIGSTORE_ID_TOKEN=token)
    else:
        done = bench.tool("doctor", "--sign", SIGSTORE_ID_TOKEN=token)
    assert done.returncode != 0
    said = (done.stdout + done.stderr).decode()
    assert "this repository's own configuration (local, file:.git/config) says where your identity goes" in said
    assert f"{key} = {url}" in said
    assert not [one for one in asked if token in one or token.split(".")[1] in one]
    if command != "doctor":  # which asks each service whether it is there
        assert asked == []
        assert "[service-unconfirmed]" in said


def test_a_log_that_is_asked_for_an_entry_is_named(without_services: Workbench, evil: tuple[str, list[str]]) -> None:
    """No token goes there, and its answer proves nothing; but that it has none leaves the signature unchecked."""
    bench, (url, asked) = without_services, evil
    bench.configure("gitsign.rekorMode=online")
    oid = bench.commit("one")
    other: dict[str, Any] = {"XDG_CACHE_HOME": str(bench.folder / "c"), "XDG_DATA_HOME": str(bench.folder / "d")}
    local(bench, "gitsign.rekor", url)
    name = f"gitsign.rekor = {url} is said by this repository's own configuration (local, file:.git/config)"
    audit = ("audit", "--no-policy", "--no-cache", oid)
    for done in (bench.verify(oid, **other), bench.tool(*audit, **other), bench.try_git("verify-commit", oid, **other)):
        said = (done.stdout + done.stderr).decode()
        assert done.returncode
        assert said.count(name) == 1
    assert len(asked) >= 3
    asked.clear()
    for done in (bench.verify("--isolated", oid, **other), bench.tool(*audit, "--isolated", **other)):
        assert done.returncode == 0
        assert name not in (done.stdout + done.stderr).decode()
    assert not asked


def test_a_signing_configuration_names_them_too(without_services: Workbench, evil: tuple[str, list[str]]) -> None:
    bench, (url, asked) = without_services, evil
    for key in ("fulcio", "rekor", "issuer"):
        bench.git("config", "--global", "--unset", f"gitsign.{key}")
    whole = json.loads((bench.stack.directory / "signing_config.json").read_text().replace(bench.stack.url, url))
    (bench.folder / "evil.json").write_text(json.dumps(whole))
    local(bench, "gitsign.signingConfig", str(bench.folder / "evil.json"))
    done = bench.try_git("commit", "--allow-empty", "-S", "-m", "x", SIGSTORE_ID_TOKEN=bench.stack.token())
    assert f"gitsign.signingConfig = {url}".encode() in done.stderr
    assert asked == []


@pytest.mark.parametrize("key", ["gitsign.clientSecretFile", "gitsign.urlOpener"])
def test_what_else_takes_part_in_a_sign_in(without_services: Workbench, key: str) -> None:
    bench = without_services
    opened = bench.folder / "opened"
    local(bench, key, f"touch {opened}")
    done = bench.try_git("commit", "--allow-empty", "-S", "-m", "x", GITSIGN_TOKEN_PROVIDER="interactive")
    assert b"[service-unconfirmed]" in done.stderr
    assert not opened.exists()


def test_no_file_of_the_persons_is_written_to(without_services: Workbench) -> None:
    """gitsign.logPath of a repository: a message in ~/.bashrc, with a URL of the attacker's in it, is a program."""
    bench = without_services
    target = bench.folder / "home" / ".bashrc"
    local(bench, "gitsign.logPath", str(target))
    bench.commit("well")
    local(bench, "gitsign.fulcio", "https://fulcio.example/$(touch${IFS}/tmp/x)")
    for command in (["doctor", "--sign"], ["login"], ["attest", "-f", "/dev/null"]):
        bench.tool(*command, SIGSTORE_ID_TOKEN=bench.stack.token())
    assert bench.try_git("commit", "--allow-empty", "-S", "-m", "x").returncode != 0
    assert not target.exists()


def test_agreed_once_is_agreed(without_services: Workbench) -> None:
    """A script whose owner says so signs: in the environment, in their own settings, or by a yes in a terminal."""
    bench = without_services
    local(bench, "gitsign.fulcio", bench.stack.url)
    assert bench.try_git("commit", "--allow-empty", "-S", "-m", "x").returncode != 0
    bench.commit("by the environment", GITSIGN_FULCIO_URL=bench.stack.url)
    book = ConsentBook(Path(bench.env["HOME"]) / ".local" / "state" / "gitsign-py" / "consent.json")
    require_named([Named("gitsign.fulcio", bench.stack.url, "local")], book, Person())
    bench.commit("after a yes")
    local(bench, "gitsign.fulcio", "http://127.0.0.1:1")
    assert b"[service-unconfirmed]" in bench.try_git("commit", "--allow-empty", "-S", "-m", "x").stderr


def test_setup_is_a_yes(without_services: Workbench) -> None:
    bench = without_services
    for key in ("fulcio", "rekor", "issuer"):
        bench.git("config", "--global", "--unset", f"gitsign.{key}")
    done = bench.tool("setup", "--yes", "--instance", str(bench.stack.directory))
    assert done.returncode == 0, done.stderr
    bench.commit("x")


def test_the_person_is_asked_once_for_each(tmp_path: Path) -> None:
    book = ConsentBook(tmp_path / "consent.json")
    other = Named("gitsign.fulcio", "https://other.example", EVIL.place)
    with pytest.raises(PolicyError, match=r"where your identity goes: gitsign\.fulcio = ") as caught:
        require_named([EVIL], book, Person(interactive=False))
    assert caught.value.reason == "service-unconfirmed"
    with pytest.raises(PolicyError) as caught:
        require_named([EVIL], book, Person(says_yes=False))
    assert caught.value.reason == "service-refused"
    person = Person(says_yes=True)
    require_named([EVIL], book, person)
    require_named([EVIL], book, Person(interactive=False))
    assert book.unconfirmed([EVIL, other]) == (other,)
    assert len(person.shown) == 1
    for words in (EVIL.key, EVIL.value, EVIL.place):
        assert words in person.shown[0]
