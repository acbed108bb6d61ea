"""A token or a key stands where a path, a setting or a server's words are expected, and a program prints it.

The attack needs no more than a CI log that others may read: a token in GITSIGN_TOKEN_FILE (where a path belongs) was
printed whole in the error. Whatever looks like a token or a key is taken out, by one function that all printers ask.
"""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitsign_py.clients.answer import Answer, status_error
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, veiled
from gitsign_py.host.terminal import Terminal
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.inprocess import Said, run_here
from tests.support.stack import ROOT


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


SECRET = encoded(bytes(range(7, 250, 3)))
CLAIMS = json.dumps({"iss": "https://issuer.example", "sub": "alice", "aud": "sigstore", "exp": 4102444800})
TOKEN = ".".join((encoded(b'{"alg":"ES256"}'), encoded(CLAIMS.encode()), SECRET))
SPACED = ".".join((encoded(b'{ "alg": "RS256" }'), encoded(CLAIMS.encode()), SECRET))
OPAQUE = "q7Zk2Wm9xT4Bv8Yp3Lr6Nd1Hs5Jf0Gc"
GITHUB = "ghp_" + "a1B2" * 9
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----"
SECRETS = {"jws": TOKEN, "spaced": SPACED, "opaque": OPAQUE, "github": GITHUB, "pem": PEM}

COMMANDS = (
    ("config",),
    ("config", "--json"),
    ("version",),
    ("version", "--json"),
    ("doctor", "--offline"),
    ("doctor", "--offline", "--json"),
    ("debug", "token"),
    ("verify", "HEAD", "--any-identity"),
    ("audit",),
    ("whoami",),
    ("agent", "status"),
    ("initialize",),
    ("setup", "--dry-run"),
)
VARIABLES = (
    "GITSIGN_TOKEN_FILE",
    "SIGSTORE_ID_TOKEN_FILE",
    "GITSIGN_TRUSTED_ROOT",
    "GITSIGN_TRUST_BUNDLE",
    "GITSIGN_CREDENTIAL_CACHE",
    "GITSIGN_FULCIO_URL",
    "GITSIGN_LOG",
    "TUF_ROOT_JSON",
    "GITSIGN_CLIENT_SECRET_FILE",
    "SIGSTORE_ROOT_FILE",
)


def run(directory: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    names = ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
    places = {name: str(directory / name.lower()) for name in names}
    return subprocess.run(
        [sys.executable, "-m", "gitsign_py", *arguments],
        cwd=directory,
        env=environment(**{**places, "PYTHONPATH": str(ROOT), "TUF_MIRROR": "http://127.0.0.1:9", **variables}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def leaks(secret: str, said: str) -> bool:
    """Whether any twelve characters of the secret's own part were printed."""
    heart = SECRET if SECRET in secret else secret.removeprefix("ghp_")
    return any(heart[at : at + 12] in said for at in range(len(heart) - 11))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("printed")
    ScratchRepo.init(path).commit()
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_prints_a_token_that_stands_where_a_path_belongs(repository: Path, command: tuple[str, ...]) -> None:
    done = run(repository, *command, **dict.fromkeys(VARIABLES[:5], TOKEN), GITSIGN_REKOR_URL=f"https://x/{OPAQUE}")
    said = done.stdout + done.stderr
    assert not leaks(TOKEN, said), said
    assert OPAQUE not in said
    assert done.returncode != 70, said


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("variable", VARIABLES)
def test_no_variable_is_printed_with_a_secret_in_it(repository: Path, variable: str, secret: str) -> None:
    done = run(repository, "debug", "token", **{variable: secret})
    assert not leaks(secret, done.stdout + done.stderr), done.stdout + done.stderr
    assert done.returncode != 70


def test_settings_of_git_are_veiled_too(repository: Path) -> None:
    keys = {"gitsign.trustedRoot": TOKEN, "gitsign.connectorID": OPAQUE, f"gitsign.{GITHUB.lower()}": "x"}
    places = {f"GIT_CONFIG_KEY_{at}": key for at, key in enumerate(keys)}
    places |= {f"GIT_CONFIG_VALUE_{at}": value for at, value in enumerate(keys.values())}
    for command in (("config",), ("config", "--json"), ("version",), ("verify", "HEAD", "--any-identity")):
        done = run(repository, *command, GIT_CONFIG_COUNT="3", **places)
        said = done.stdout + done.stderr
        assert not leaks(TOKEN, said)
        assert OPAQUE not in said
        assert GITHUB.lower()[4:] not in said


@pytest.mark.parametrize(
    "arguments", [("verify", f"--{TOKEN}"), ("debug", TOKEN), (TOKEN,), ("audit", "--format", TOKEN)]
)
def test_arguments_that_are_not_understood_are_not_repeated(repository: Path, arguments: tuple[str, ...]) -> None:
    done = run(repository, *arguments)
    assert done.returncode == 2
    assert not leaks(TOKEN, done.stdout + done.stderr)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_servers_words_are_veiled(secret: str) -> None:
    body = json.dumps({"message": f"no good: {secret} is not a token", "error": secret}).encode()
    error = status_error(Answer("Fulcio", "POST", "http://x", 400, {}, body))
    assert not leaks(secret, error.message + str(error.facts))
    text = status_error(Answer("Fulcio", "POST", "http://x", 302, {"location": f"http://y/?t={secret}"}, b""))
    assert not leaks(secret, text.message)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_errors_hold_no_secret_in_any_of_their_parts(secret: str) -> None:
    error = ConfigError("x", f"cannot use {secret}", hint=f"unset {secret}", facts={"value": secret})
    assert not leaks(secret, f"{error} {error.message} {error.hint} {dict(error.facts)} {error.args}")


def test_the_log_is_veiled(tmp_path: Path) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    terminal = Terminal(None, log_path=tmp_path / "log", now=lambda: datetime.now(UTC))
    terminal.log(f"a token: {TOKEN}")
    assert not leaks(TOKEN, (tmp_path / "log").read_text())


@pytest.mark.parametrize(
    "text",
    [
        "commit 0123456789abcdef0123456789abcdef01234567 by alice@example.com",
        "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8 is ssh-ed25519",
        "SHA256:nThbg6k/UpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8 is ssh-ed25519",
        "key SHA256:nThbg6kXUpJWGl7E1IGOCs/RomTxdCARLvi/w6E5SY8",
        "key SHA256:nThbg6keyJWGl7E1IGOCs/RomTxdCARLvi/w6E5SY88 of alice",
        "signed by SHA256:nThbg6keyJWGl7E1IGOCs/RomTxdCARLvi/w6E5SY88.",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH7mVq5eyDosS8GTBuyIwyQHviDBux alice",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH7mVq5xvS0rrv7Ag5vB4L9cQ1",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB/AAABgQC7q7Zk2Wm9xT4Bv8Yp3Lr6N/1Hs5Jf0Gc7q7Zk2Wm9xT4Bv8Yp3Lr6Nd1Hs==",
        "ssh://git@host.example/repo and https://alice@host.example/ and sha256:0123456789abcdef0123456789abcdef",
        "https://github.com/octo-org/My-Project-Documentation-2024/.github/workflows/Release-Build.yml@refs/heads/main",
        "/home/alice/thisIsACamelCaseNameForAThing2024/trusted_root.json",
        "dev.sigstore.TransparencyLogEntry hashedRekordRequestV002 PKIX_ECDSA_P256_SHA_256",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    "text",
    [
        f"token:{OPAQUE}",
        f"Private-Token:{OPAQUE}",
        f"https://x-access-token:{OPAQUE}@host.example/repo",
        f"https://alice:pa@ss@{OPAQUE}@host.example/repo",
        f"https://{OPAQUE.lower()}@host.example/repo",
        f"authorization: BEARER {OPAQUE.lower()}",
        f"Bearer:{OPAQUE.lower()}",
        f"Bearer\t{OPAQUE.lower()}",
        f"SHA256:{OPAQUE}",
        f"SHA256:eyJhbGciOiJFUzI1NiJ9.{OPAQUE}",
        f"AAAAeyJhbGciOiJFUzI1NiJ9.{OPAQUE}",
        f"SHA256:{'A' * 35}eyJhbGci.{OPAQUE}",
    ],
)
def test_secrets_are_found_whatever_stands_before_them(text: str) -> None:
    assert OPAQUE[8:] not in printable(text)
    assert OPAQUE[8:].lower() not in printable(text)


def test_a_password_with_an_at_sign_is_hidden_in_full() -> None:
    assert printable("https://alice:pa@ss@host.example/r") == "https://(not shown)@host.example/r"


@pytest.mark.parametrize("name", ["access_token", "client_secret", "password", "PRIVATE_TOKEN", "apikey", "api_key"])
def test_what_is_called_a_secret_is_one_however_plain_it_reads(name: str) -> None:
    """In a URL's query, and where a server repeats what it was sent."""
    for text in (f"https://host.example/r?{name}=hunter2hunter2&x=1", f"invalid {name}=correct-horse"):
        assert "hunter2" not in printable(text)
        assert "horse" not in printable(text)
    for text in ("GITSIGN_TOKEN_FILE=/run/token", "SIGSTORE_ID_TOKEN=$(gitsign-py stack token)", "--token=FILE"):
        assert printable(text) == text


def test_veiling_takes_no_longer_than_its_text_is_long() -> None:
    import time  # noqa: PLC0415

    def once(text: str) -> float:
        began = time.thread_time()
        veiled(text)
        return time.thread_time() - began

    def seconds(text: str) -> float:
        return min(once(text) for _ in range(3))  # other work stretches some of them

    shapes = ("eyJ", "-----BEGIN PRIVATE KEY", "://a:", "earer ", "ghp_", "aA1", "eyJaaaaaaaa.", "=", "- ")
    for shape in (*shapes, "://:", "://@", "a@:", "token_", "token=", "AAAA/", "SHA256:"):
        seconds(shape * 2000)
        small, large = seconds(shape * 20_000), seconds(shape * 160_000)
        assert large < max(small, 0.005) * 40, shape


@pytest.mark.parametrize(
    "value",
    [
        '{"mediaType": "x", "a": "' + "b" * 5000 + '"}',
        "/" + "a" * 5000,
        "x" * 300,
        "~no-such-user-here/x",
        base64.encodebytes(b'{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}' * 3).decode(),
    ],
    ids=["json", "long path", "long name", "user", "wrapped base64"],
)
@pytest.mark.parametrize("variable", [*VARIABLES, "TUF_ROOT", "XDG_RUNTIME_DIR"])
def test_no_value_ends_in_an_internal_error(repository: Path, variable: str, value: str) -> None:
    command = ("debug", "token") if "TOKEN" in variable else ("verify", "HEAD", "--any-identity")
    done = run(repository, *command, **{variable: value})
    assert done.returncode in (0, 1, 2, 3), done.stderr
    assert "internal" not in done.stderr
    assert "Traceback" not in done.stderr


def here(repository: Path, *arguments: str) -> Said:
    names = ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
    places = {name: str(repository / name.lower()) for name in names}
    nowhere = dict.fromkeys(("TUF_MIRROR", "GITSIGN_REKOR_URL"), "http://127.0.0.1:9")
    return run_here(repository, environment(**places, **nowhere), *arguments)


PATHS = (
    *(("log", "info", "--from"), ("log", "get", "1", "--from"), ("monitor", "--repo"), ("monitor", "--against")),
    *(("stack", "status", "--dir"), ("stack", "fsck", "--dir"), ("stack", "restore", "x", "--dir")),
    *(("audit", "--output"), ("verify", "--trusted-root"), ("policy", "test"), ("initialize", "--root")),
)


@pytest.mark.parametrize("command", PATHS, ids=" ".join)
def test_no_argument_ends_in_an_internal_error_or_is_repeated(repository: Path, command: tuple[str, ...]) -> None:
    """Where a path belongs stands one that no file can have, or an opaque token."""
    for value in ("x" * 300, "/" + "y" * 5000, OPAQUE, f"/nowhere/{OPAQUE}"):
        said = here(repository, *command, value)
        assert said.status in (0, 1, 2, 3), said
        assert "internal" not in said.err
        assert OPAQUE not in said.out + said.err


@pytest.mark.parametrize(
    "arguments", [("audit", "--jobs"), ("audit", "--format"), ("show", "HEAD"), ("log", "info"), ("monitor",)]
)
def test_an_opaque_token_that_argparse_would_repeat(repository: Path, arguments: tuple[str, ...]) -> None:
    said = here(repository, *arguments, OPAQUE)
    assert said.status == 2
    assert OPAQUE not in said.out + said.err


def test_wrapped_base64_is_a_trust_bundle(repository: Path) -> None:
    data = (ROOT / "gitsign_py/data/public-good/trusted_root.json").read_bytes()
    for text in (base64.encodebytes(data).decode(), base64.b64encode(data).decode(), data.decode()):
        done = run(repository, "verify", "HEAD", "--any-identity", GITSIGN_TRUST_BUNDLE=text)
        assert done.returncode == 1, done.stderr
        assert "no signature" in done.stdout + done.stderr
