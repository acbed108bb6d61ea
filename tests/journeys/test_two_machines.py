"""A stack on another machine, behind a proxy as docs/private-instance.md has it: from trust root to verified commit.

Two network namespaces are the machines. The client has the name, the proxy's authority and the first root, no more.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.docs import DOCS
from tests.support.gitrepo import environment
from tests.support.machines import Machine, two_machines
from tests.support.stack import ROOT
from tests.support.tls import write_certificate
from tests.support.waiting import wait_until

Proxy = Callable[[Path, Path], list[str]]
NAME = "sigstore.example.com"
URL = f"https://{NAME}"
ISSUER = "https://dex.example.com"
EMAIL = "alice@example.com"
NGINX = """\
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{block}
}}
"""
FETCH = """
import ssl, sys, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], headers=dict(pair.split("=") for pair in sys.argv[2:]))
try:
    print(urllib.request.urlopen(request, timeout=20).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def nginx(folder: Path, certificate: Path) -> list[str]:
    """The server block as the page has it, with our certificate in the place of the one that the reader has."""
    block = re.sub(r"/etc/ssl/sigstore\.(pem|key)", str(certificate), in_the_docs(r"```nginx\n(.*?)```"))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, block=block))
    return ["nginx", "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, certificate: Path) -> list[str]:
    """The page's line, with our certificate: caddy would fetch one from a public authority."""
    host, block = in_the_docs(r"For caddy: `(.*) }`").split("{")
    storage = f"{{\n  admin off\n  storage file_system {folder}/caddy\n}}\n"
    (folder / "Caddyfile").write_text(f"{storage}{host}{{\n{block}\ntls {certificate} {certificate}\n}}\n")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def in_the_docs(pattern: str) -> str:
    found = re.search(pattern, (DOCS / "private-instance.md").read_text(), re.DOTALL)
    assert found
    return found[1]


PROXIES = [
    pytest.param(made, id=name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"needs {name} (Debian)"))
    for name, made in (("nginx", nginx), ("caddy", caddy))
]


@contextmanager
def running(machine: Machine, command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as file:
        child = subprocess.Popen(machine.command(*command), cwd=ROOT, stdout=file, stderr=file, env=environment())
    try:
        yield child
    finally:
        child.terminate()
        child.wait(20)


@contextmanager
def instance(server: Machine, folder: Path, proxy: Proxy, token_key: rsa.RSAPrivateKey) -> Iterator[Path]:
    """Stack and proxy on the server; gives the log of the stack."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(token_key.public_key(), as_dict=True)
    (folder / "keys.json").write_text(json.dumps({"keys": [{**public, "kid": "k", "use": "sig", "alg": "RS256"}]}))
    (folder / "fulcio.yaml").write_text(f"oidc-issuers: {{{ISSUER}: {{client-id: sigstore, type: email}}}}")
    certificate = write_certificate(folder / "tls.pem", x509.DNSName(NAME))
    up = ["stack", "up", "--dir", str(folder / "stack"), "--url", URL, "--without", "idp", "--log-format", "json"]
    up += ["--issuers", str(folder / "fulcio.yaml"), "--issuer-keys", f"{ISSUER}={folder / 'keys.json'}"]
    log = folder / "stack.log"
    stack = running(server, [sys.executable, "-m", "gitsign_py", *up], log)
    with stack, running(server, proxy(folder, certificate), folder / "proxy.log"):
        wait_until(lambda: b"local Sigstore at" in log.read_bytes())
        yield log


def token(key: rsa.RSAPrivateKey) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "x", "aud": "sigstore", "iat": now, "exp": now + 600}
    return jwt.encode({**claims, "email": EMAIL, "email_verified": True}, key, "RS256", headers={"kid": "k"})


class Client:
    """Somebody at the client machine: a home of their own, and what the operator handed out."""

    def __init__(self, machine: Machine, folder: Path, handed_out: Path, authority: Path) -> None:
        self.machine, self.repo = machine, folder / "repo"
        self.repo.mkdir(parents=True)
        self.root = str(shutil.copy(handed_out, folder / "root.json"))
        self.env = environment(HOME=str(folder), XDG_RUNTIME_DIR=str(folder), SSL_CERT_FILE=str(authority))
        for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE", "GIT_CONFIG_GLOBAL", "XDG_CACHE_HOME"):
            self.env.pop(name, None)

    def run(self, *command: str, **env: str) -> str:
        done = subprocess.run(
            self.machine.command(*command),
            cwd=self.repo,
            env=self.env | env,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return (done.stdout + done.stderr).decode()

    def tool(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "gitsign_py", *arguments)

    def status(self, path: str, *headers: str) -> int:
        return int(self.run(sys.executable, "-c", FETCH, f"{URL}{path}", *headers))


def configure(client: Client) -> None:
    client.run("git", "init", "-q", "-b", "main", ".")
    program = Path(sys.executable).with_name("gitsign-py")
    for name, value in {
        "gpg.format": "x509",
        "gpg.x509.program": str(program),
        "gitsign.agent": "off",
        "gitsign.fulcio": URL,
        "gitsign.rekor": URL,
        "gitsign.issuer": ISSUER,
        "gitsign.timestampServerURL": f"{URL}/api/v1/timestamp",
        "gitsign.matchCommitter": "false",
    }.items():
        client.run("git", "config", "--global", name, value)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.skipif(not Path(sys.executable).with_name("gitsign-py").exists(), reason="needs the installed program")
@pytest.mark.unmeasured
def test_a_commit_is_signed_and_verified_from_another_machine(tmp_path: Path, proxy: Proxy) -> None:
    key = rsa.generate_private_key(65537, 2048)
    server_folder = tmp_path / "server"
    server_folder.mkdir()
    with two_machines(tmp_path, NAME) as (there, server), instance(server, server_folder, proxy, key) as log:
        client = Client(there, tmp_path / "client", server_folder / "stack" / "root.json", server_folder / "tls.pem")
        wait_until(lambda: client.status("/readyz") == 200)
        client.tool("initialize", "--mirror", f"{URL}/tuf", "--root", client.root)
        configure(client)
        client.run("git", "commit", "-q", "--allow-empty", "-S", "-m", "from afar", SIGSTORE_ID_TOKEN=token(key))
        asked = ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", ISSUER]
        assert EMAIL in client.tool("verify", *asked)
        client.tool("log", "search", "--commit", "HEAD")
        assert [client.status(path) for path in ("/token", "/stack.json")] == [404] * 2
        if proxy is nginx:  # its block is for all names, and leaves out the metrics
            assert client.status("/metrics") == 404
            assert client.status("/livez", "Host=evil.example") == 403
        assert client.status("/livez", "X-Forwarded-For=192.0.2.1") == 200
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert {line["client"] for line in lines if "client" in line} == {there.address}
    assert EMAIL in {line.get("identity") for line in lines}
