"""The matrix {setting of TLS authorities} x {command}: each command reaches a server with a company's certificate.

The server answers everything with an empty list, so each command fails; what counts is that its request came.
docs/networks.md has the table, tests/host/test_network.py the same for each kind of connection, and real processes
stand at the end.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography.x509 import IPAddress

from gitsign_py.cli.gpg.checking import check_for_git
from gitsign_py.cli.gpg.signing import sign_for_git
from gitsign_py.errors import GitsignError
from tests.support import tokens
from tests.support.badserver import BadServer, reply, serving
from tests.support.docs import DOCS
from tests.support.gitrepo import environment
from tests.support.inprocess import run_here
from tests.support.stack import ROOT
from tests.support.tls import server_side, write_certificate

VECTORS = Path(__file__).parents[1] / "vectors"
SIGNED = (VECTORS / "online" / "object").read_bytes()
PAYLOAD = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.com> 1 +0000\n" \
    b"committer A <a@example.com> 1 +0000\n\nx\n"  # fmt: skip
Env = Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """A user with a repository whose HEAD is an online-mode signature; ``pem`` is the company's authority."""

    folder: Path
    pem: Path
    server: BadServer

    def environment(self, **more: str) -> dict[str, str]:
        home, url = self.folder / "home", self.server.url
        services = {f"GITSIGN_{name}": url for name in ("FULCIO_URL", "REKOR_URL", "OIDC_ISSUER")}
        plain = environment(HOME=str(home), XDG_RUNTIME_DIR=str(home), GIT_CONFIG_GLOBAL=str(home / ".gitconfig"))
        fixed = {"GITSIGN_AGENT": "off", "GITSIGN_REFRESH": "never", "GITSIGN_MATCH_COMMITTER": "false"}
        fixed |= {"GITSIGN_TRUSTED_ROOT": str(VECTORS / "trusted_root.json"), "GITSIGN_TOKEN_PROVIDER": "device"}
        return plain | services | fixed | more

    def run(self, env: Env, *command: str) -> None:
        run_here(self.folder / "repo", env, *command)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("company")
    (folder / "ca").mkdir()
    (folder / "home").mkdir(mode=0o700)
    pem = write_certificate(folder / "ca" / "company.pem", IPAddress(ip_address("127.0.0.1")))
    with serving(reply(200, []), tls=server_side(pem)) as server:
        made = Place(folder, pem, server)
        git = ["git", "-C", str(folder / "repo")]
        stored = [*git, "hash-object", "-t", "commit", "-w", "--stdin", "--literally"]
        subprocess.run(["git", "init", "-q", str(folder / "repo")], env=made.environment(), check=True)
        oid = subprocess.run(stored, env=made.environment(), input=SIGNED, capture_output=True, check=True).stdout
        subprocess.run([*git, "update-ref", "HEAD", oid.decode().strip()], env=made.environment(), check=True)
        (folder / "predicate.json").write_text("{}")
        yield made


def token() -> str:
    now = int(time.time())
    return tokens.make({"iat": now, "exp": now + 600})


def sign(place: Place, env: Env) -> None:
    with patch.dict(os.environ, {**env, "SIGSTORE_ID_TOKEN": token()}, clear=True), pytest.raises(GitsignError):
        sign_for_git(PAYLOAD)


def verify_commit(place: Place, env: Env) -> None:
    head, _, rest = SIGNED.partition(b"gpgsig ")
    lines = rest.split(b"\n")
    count = next(at for at, line in enumerate(lines) if at and not line.startswith(b" "))
    signature = b"\n".join(line.removeprefix(b" ") for line in lines[:count]) + b"\n"
    with patch.dict(os.environ, env, clear=True):
        check_for_git(head + b"\n".join(lines[count:]), signature)


def attest(place: Place, env: Env) -> None:
    place.run({**env, "SIGSTORE_ID_TOKEN": token()}, "attest", "-f", str(place.folder / "predicate.json"), "HEAD")


def initialize(place: Place, env: Env) -> None:
    root = ROOT / "gitsign_py" / "data" / "public-good" / "root.json"
    place.run(env, "initialize", "--mirror", place.server.url, "--root", str(root))


COMMANDS: dict[str, Callable[[Place, Env], None]] = {
    "git commit -S": sign,
    "git verify-commit": verify_commit,
    "verify": lambda place, env: place.run(env, "verify", "--any-identity", "HEAD"),
    "audit": lambda place, env: place.run(env, "audit", "--no-policy", "--no-cache", "--jobs", "1", "HEAD"),
    "attest": attest,
    "initialize": initialize,
    "login": lambda place, env: place.run(env, "login", "--device"),
    "monitor": lambda place, env: place.run(
        env, "monitor", "--log", f"rekor1={place.server.url}", "--state", str(place.folder / "state")
    ),
    "doctor": lambda place, env: place.run(env, "doctor"),
}
SETTINGS: dict[str, Callable[[Place], dict[str, str]]] = {
    "SSL_CERT_FILE": lambda place: {"SSL_CERT_FILE": str(place.pem)},
    "SSL_CERT_DIR": lambda place: {"SSL_CERT_DIR": str(place.pem.parent)},
    "REQUESTS_CA_BUNDLE": lambda place: {"REQUESTS_CA_BUNDLE": str(place.pem)},
    "CURL_CA_BUNDLE": lambda place: {"CURL_CA_BUNDLE": str(place.pem)},
    "GIT_SSL_CAINFO": lambda place: {"GIT_SSL_CAINFO": str(place.pem)},
    "GIT_SSL_CAPATH": lambda place: {"GIT_SSL_CAPATH": str(place.pem.parent)},
    "http.sslCAInfo": lambda place: said("http.sslCAInfo", str(place.pem)),
    "http.sslCAPath": lambda place: said("http.sslCAPath", str(place.pem.parent)),
    "http.<url>.sslCAInfo": lambda place: said(f"http.{place.server.url}.sslCAInfo", str(place.pem)),
    "http.<url>.sslCAPath": lambda place: (
        said("http.https://*.0.0.1.sslCAPath", "/nowhere")
        | said(f"http.{place.server.url}/.sslCAPath", str(place.pem.parent), 1)
    ),
}


def said(key: str, value: str, number: int = 0) -> dict[str, str]:
    """As ``git -c`` says it: git's settings without a file for each cell."""
    return {"GIT_CONFIG_COUNT": str(number + 1), f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}


def reached(place: Place, command: str, **more: str) -> bool:
    before = len(place.server.requests)
    COMMANDS[command](place, place.environment(**more))
    return len(place.server.requests) > before


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_setting_alone_serves_each_command(place: Place, command: str, setting: str) -> None:
    assert reached(place, command, **SETTINGS[setting](place))


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_else_lets_a_command_reach_it(place: Place, command: str) -> None:
    """Neither the system's store nor another URL's authority, nor what switches verification off for git itself."""
    others = said("http.https://elsewhere.example.sslCAInfo", str(place.pem))
    off = {**said("http.sslVerify", "false"), **said(f"http.{place.server.url}.sslVerify", "false", 1)}
    for more in ({}, others, {**off, "GIT_SSL_NO_VERIFY": "1"}):
        assert not reached(place, command, **more)


def test_a_repository_says_nothing_for_a_url(place: Place) -> None:
    git = ["git", "-C", str(place.folder / "repo"), "config", f"http.{place.server.url}.sslCAInfo"]
    subprocess.run([*git, str(place.pem)], env=place.environment(), check=True)
    try:
        assert not reached(place, "verify")
        assert reached(place, "verify", **said(f"http.{place.server.url}.sslCAInfo", str(place.pem)))
        subprocess.run([*git, "/nowhere"], env=place.environment(), check=True)
        assert reached(place, "verify", **said("http.sslCAInfo", str(place.pem))), "it does not hide the person's own"
    finally:
        subprocess.run([*git[:4], "--unset-all", git[4]], env=place.environment(), check=True)


@pytest.mark.parametrize("command", [["verify", "--any-identity", "HEAD"], ["doctor"]])
def test_a_process_of_its_own_does_as_the_command_here(place: Place, command: list[str]) -> None:
    line = [sys.executable, "-P", "-m", "gitsign_py", *command]
    for more, comes in (({}, False), (SETTINGS["http.<url>.sslCAInfo"](place), True)):
        before = len(place.server.requests)
        env = place.environment(PYTHONPATH=str(ROOT), **more)
        subprocess.run(line, cwd=place.folder / "repo", env=env, capture_output=True, timeout=120, check=False)
        assert (len(place.server.requests) > before) == comes


def test_the_page_has_every_setting_and_command() -> None:
    text = (DOCS / "networks.md").read_text()
    header = next(line for line in text.splitlines() if line.startswith("| command |"))
    rows = {line.split("|")[1].strip(" `"): line for line in text.splitlines() if line.startswith("| ")}
    for command in COMMANDS:
        assert rows[command].count("| counts ") == header.count("|") - 3, command
    for setting in SETTINGS:
        assert f"`{setting}`" in text, setting
