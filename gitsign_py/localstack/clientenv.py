"""The environment in which clients find a local Sigstore: gitsign-py's names, gitsign's, cosign's and sigstore's.

Light to import: ``stack env`` and ``stack run`` need nothing of the server for it.
"""

from gitsign_py.localstack.process import StackInfo

_URL_NAMES = ("FULCIO_URL", "REKOR_URL", "OIDC_ISSUER")
_FILE_NAMES = {
    "GITSIGN_TRUSTED_ROOT": "trusted_root.json",
    # The whole chain: a git signature carries the leaf alone, so others need the intermediate from here too.
    "GITSIGN_FULCIO_ROOT": "fulcio-chain.pem",
    "SIGSTORE_ROOT_FILE": "fulcio-chain.pem",
    "SIGSTORE_REKOR_PUBLIC_KEY": "rekor.pub",
    "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": "ctlog.pub",
    "SIGSTORE_TSA_CERTIFICATE_FILE": "tsa-chain.pem",
    "TUF_ROOT_JSON": "root.json",
}
_LOG_KEYS = {"rekor.pub", "rekor2.pub"}
TOKEN_PATH = "/actions/idtoken"  # noqa: S105 - a path


def environment(info: StackInfo) -> dict[str, str]:
    """The variables that clients read."""
    urls = {f"{prefix}_{name}": info.url for prefix in ("GITSIGN", "SIGSTORE") for name in _URL_NAMES}
    if not info.files.keys() & _LOG_KEYS:  # up --without rekor1,rekor2: a timestamp proves the time
        for prefix in ("GITSIGN", "SIGSTORE"):
            urls |= {f"{prefix}_REKOR_URL": "none", f"{prefix}_TIMESTAMP_SERVER_URL": f"{info.url}/api/v1/timestamp"}
    files = {name: info.files[file] for name, file in _FILE_NAMES.items() if file in info.files}
    # A cache of its own: of another stack at this address a client's usual cache would remember another root.
    tuf = {"TUF_MIRROR": f"{info.url}/tuf", "TUF_ROOT": str(info.directory / "tuf-clients")}
    return urls | files | tuf


def actions_environment(url: str, request_token: str) -> dict[str, str]:
    """The variables that a job of GitHub Actions finds when it may ask for identity tokens; ``request_token`` lets
    it ask.
    """
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}{TOKEN_PATH}?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": request_token,
    }
