"""A machine of Google's as a job on it sees it: the metadata server, the IAM Credentials API, the product's name.

All of it is played by the test's own servers; ``sitecustomize`` in the job's Python stands for the machine's name
server and for its /sys, so that the program runs as it is.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.x509 import DNSName

from tests.support.badserver import Action, Received, computed, reply, serving, unused_url
from tests.support.tls import server_side, write_certificate

ACCOUNT = "robot@project.iam.gserviceaccount.com"
CREDENTIALS_HOST = "iamcredentials.googleapis.com"
METADATA = "/computeMetadata/v1/instance/service-accounts/default"
_MACHINE = """\
import _socket, builtins, io, json, os
places = json.loads(os.environ["TEST_PLACES"])
lookup, opened = _socket.getaddrinfo, io.open


def getaddrinfo(host, port, *rest, **named):
    name = host.decode() if isinstance(host, bytes) else host
    if name in places["ports"]:
        host, port = "127.0.0.1", places["ports"][name]
    return lookup(host, port, *rest, **named)


def open_(file, *rest, **named):
    return opened(file if isinstance(file, int) else places["files"].get(os.fspath(file), file), *rest, **named)


_socket.getaddrinfo = getaddrinfo  # socket's own asks it too
io.open = builtins.open = open_
"""


def google_servers(raw: str) -> Action:
    """The metadata server and the IAM Credentials API, as Google documents both ("Verifying VM identity",
    "projects.serviceAccounts.generateIdToken")."""

    def answer(request: Received) -> tuple[int, object, dict[str, str]]:
        from_inside = request.headers.get("metadata-flavor") == "Google"
        if request.path == f"{METADATA}/identity?audience=sigstore&format=full" and from_inside:
            return 200, raw.encode(), {}
        if request.path.startswith(f"{METADATA}/token?") and from_inside:
            return 200, {"access_token": "ya29.access", "expires_in": 3599, "token_type": "Bearer"}, {}
        asked = {"audience": "sigstore", "includeEmail": True}
        if request.headers.get("authorization") == "Bearer ya29.access" and json.loads(request.body) == asked:
            return 200, {"token": raw}, {}
        return 403, b"Missing Metadata-Flavor:Google header.", {}

    return computed(answer)


@contextmanager
def google_machine(folder: Path, raw: str, trouble: str) -> Iterator[dict[str, str]]:
    """A machine whose service account's token is ``raw``; for ``trouble`` see tests.support.platforms."""
    (folder / "product_name").write_text("Google Compute Engine\n")
    (folder / "sitecustomize.py").write_text(_MACHINE)
    certificate = write_certificate(folder / "google.pem", DNSName(CREDENTIALS_HOST))
    action = {"refused": reply(403, {"error": "denied"}), "garbage": reply(200, b"<html>moved</html>")}.get(trouble)
    with ExitStack() as stack:
        answer = action or google_servers(raw)
        servers = [stack.enter_context(serving(answer, tls=tls)).url for tls in (None, server_side(certificate))]
        if trouble == "missing":
            servers = [unused_url(), unused_url()]
        ports = dict(zip(("metadata", CREDENTIALS_HOST), (urlsplit(url).port for url in servers), strict=True))
        files = {"/sys/class/dmi/id/product_name": str(folder / "product_name")}
        yield {
            "PYTHONPATH": str(folder),
            "TEST_PLACES": json.dumps({"ports": ports, "files": files}),
            "SSL_CERT_FILE": str(certificate),
        }


@contextmanager
def impersonating(folder: Path, raw: str, trouble: str) -> Iterator[dict[str, str]]:
    """The same machine, where a job is to sign as another account."""
    with google_machine(folder, raw, trouble) as env:
        yield {**env, "GOOGLE_SERVICE_ACCOUNT_NAME": ACCOUNT}
