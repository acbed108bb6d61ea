"""Start a private Sigstore in this process, ask it for a token, then break its log on purpose."""

from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from gitsign_py.localstack import local_sigstore


def status(url: str, path: str) -> int:
    """Tell how it answers."""
    with closing(HTTPConnection(urlsplit(url).netloc)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


with local_sigstore() as sigstore:
    print("trusted root:", sigstore.trusted_root.name)
    print("a token has", len(sigstore.token("alice@example.com").split(".")), "parts")
    with sigstore.fault("rekor:5xx"):
        print("with the fault:", status(sigstore.url, "/api/v1/log"))
    print("without:", status(sigstore.url, "/api/v1/log"))
