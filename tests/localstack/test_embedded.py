"""A local Sigstore for other projects' tests: the API, tokens of CI jobs, what a seed repeats, the pytest plugin."""

import json
import os
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.error import HTTPError

import jwt
import pytest
from cryptography import x509

from gitsign_py.core.pki.timestampbuild import TimestampRequest, build_request
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.errors import ConfigError, UsageError
from gitsign_py.localstack import LocalSigstore, Stack, local_sigstore
from gitsign_py.localstack.idp.issuer import REQUEST_AUDIENCE
from gitsign_py.localstack.keyring import CERTIFICATE_RFC6979
from gitsign_py.localstack.pytestplugin import _port, pytest_addoption
from gitsign_py.localstack.repeatable import Stream, sources
from gitsign_py.localstack.service import Request
from gitsign_py.localstack.tsa.authority import PATH as TIMESTAMP_PATH
from tests.support.localstackkit import new_key, signing_request
from tests.support.openedstack import answer_to
from tests.support.ports import free_ports
from tests.support.stack import ROOT

PROJECT = """
import os, sys, urllib.request

LOADED_AT_FIRST = {"uvicorn", "cryptography", "gitsign_py.localstack.stack"} & set(sys.modules)

def test_the_environment_is_there(sigstore_stack):
    assert os.environ["GITSIGN_FULCIO_URL"] == os.environ["SIGSTORE_REKOR_URL"] == sigstore_stack.url
    assert not LOADED_AT_FIRST

def test_tokens(sigstore_stack):
    assert sigstore_stack.token("alice@example.com").count(".") == 2

def test_a_fault_ends_with_its_block(sigstore_stack):
    with sigstore_stack.fault("tuf:5xx"):
        try:
            urllib.request.urlopen(sigstore_stack.url + "/tuf/1.root.json")
        except urllib.error.HTTPError as error:
            assert error.code == 503
    assert urllib.request.urlopen(sigstore_stack.url + "/tuf/1.root.json").status == 200

def test_one_of_its_own(sigstore_stack, fresh_sigstore_stack):
    before = fresh_sigstore_stack.trusted_root.read_bytes()
    fresh_sigstore_stack.rotate("rekor")
    assert before != fresh_sigstore_stack.trusted_root.read_bytes() != sigstore_stack.trusted_root.read_bytes()
"""


def unverified_claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def get(url: str, bearer: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": bearer})) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_job_of_github_actions_gets_its_tokens() -> None:
    with local_sigstore() as sigstore:
        found = sigstore.actions_environment("acme/app", environment="production")
        url, secret = found["ACTIONS_ID_TOKEN_REQUEST_URL"], found["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
        status, answer = get(f"{url}&audience=sigstore", f"bearer {secret}")
        claims = unverified_claims(answer["value"])
        assert (status, set(answer), claims["aud"], claims["environment"]) == (200, {"value"}, "sigstore", "production")
        assert claims["sub"] == "repo:acme/app:ref:refs/heads/main"
        assert unverified_claims(get(url, f"Bearer {secret}")[1]["value"])["aud"] == "https://github.com/acme"
        assert get(f"{url}&audience={REQUEST_AUDIENCE}", f"bearer {secret}")[0] == 400
        other = sigstore.token("alice@example.com")
        assert [get(url, bearer)[0] for bearer in (f"bearer {other}", f"basic {secret}", "bearer x")] == [401] * 3
        with pytest.raises(UsageError, match="OWNER/NAME"):
            sigstore.actions_environment("acme")
        name = certified_name(sigstore, answer["value"], claims["sub"])
    assert name == "https://github.com/acme/app/.github/workflows/ci.yml@refs/heads/main"


def certified_name(sigstore: LocalSigstore, token: str, subject: str) -> str:
    body = json.dumps(signing_request(new_key(), token, subject)).encode()
    with urllib.request.urlopen(f"{sigstore.url}/api/v2/signingCert", body) as answer:
        pem = json.load(answer)["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
    names = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return str(names.value[0].value)


def made_by_seed(directory: Path, seed: str) -> list[object]:
    """All that a seed decides: key files, the trusted root, a certificate, a timestamp."""
    repeat = sources(directory, seed)
    stack = Stack(directory, 0, sources=repeat)
    try:
        keys = {path.name: path.read_bytes() for path in sorted((directory / "keys").iterdir())}
        root = stack.info.trusted_root.read_bytes().replace(stack.url.encode(), b"URL")
        query = build_request(TimestampRequest("sha256", bytes(32)))
        request = Request("POST", TIMESTAMP_PATH, headers={"content-type": "application/timestamp-query"}, body=query)
        return [keys, root, answer_to(stack, request).body, answer_to(stack, Request("GET", "/api/v1/log")).body]
    finally:
        stack.close()


def test_a_seed_gives_the_same_stack_twice(tmp_path: Path) -> None:
    first, second = (made_by_seed(tmp_path / name, "golden") for name in "ab")
    assert first == second
    assert all(one != other for one, other in zip(first, made_by_seed(tmp_path / "c", "another"), strict=True))


@pytest.mark.skipif(not CERTIFICATE_RFC6979, reason="needs deterministic ECDSA for certificates")
def test_a_seed_and_a_port_give_the_same_certificate_twice() -> None:
    """The issuer's URL, port and all, is in the certificate; a golden file needs both to stay."""
    key, (port,), certificates = new_key(), free_ports(1), []
    for _ in range(3):
        with local_sigstore(seed="golden", port=port) as sigstore:
            token = sigstore.token("alice@example.com")
            body = json.dumps(signing_request(key, token, "alice@example.com")).encode()
            with urllib.request.urlopen(f"{sigstore.url}/api/v2/signingCert", body) as answer:
                certificates.append(json.load(answer)["signedCertificateEmbeddedSct"]["chain"]["certificates"])
    assert certificates[0] == certificates[1] == certificates[2]


def test_each_worker_has_a_port_of_its_own() -> None:
    asked = {"sigstore_port": 18500}
    alone, first, third = (
        SimpleNamespace(getoption=asked.get, **({"workerinput": {"workerid": name}} if name else {}))
        for name in ("", "gw0", "gw2")
    )
    assert [_port(cast("Any", one)) for one in (alone, first, third)] == [18500, 18500, 18502]
    asked["sigstore_port"] = 0
    assert _port(cast("Any", third)) == 0


@pytest.mark.parametrize("port", ["65536", "-1", "0x50", "²"])
def test_what_is_no_port_is_an_error_of_usage(port: str) -> None:
    options = pytest.Parser(_ispytest=True)
    pytest_addoption(options)
    with pytest.raises(pytest.UsageError, match="is not a port number"):
        options.parse(["--sigstore-port", port])


def test_a_port_after_the_last_one_is_an_error_of_ours() -> None:
    """The last worker of xdist gets it where the first one had a good one."""
    with pytest.raises(ConfigError) as caught, local_sigstore(port=65536):
        pass
    assert (caught.value.reason, caught.value.message) == ("stack-port-unusable", "65536 is no port number")


def test_a_seed_is_for_a_new_directory(tmp_path: Path) -> None:
    Stack(tmp_path / "s", 0).close()
    with pytest.raises(ConfigError) as caught, local_sigstore(tmp_path / "s", seed="golden"):
        pass
    assert caught.value.reason == "stack-seed-used"
    for seed, time in (("", "2026-01-01T00:00:00Z"), ("golden", "yesterday")):
        with pytest.raises(UsageError):
            sources(tmp_path / "t", seed, time)


def test_a_stream_depends_on_seed_purpose_and_place() -> None:
    one = Stream("s", "p")
    parts = [one.read(20), one.read(20), Stream("s", "q").read(20), Stream("t", "p").read(20)]
    assert len(set(parts)) == 4
    assert parts[0] == Stream("s", "p").read(20)
    assert len(one.read(100)) == 100


def test_a_rotation_reaches_the_trusted_root_and_an_unknown_one_is_refused() -> None:
    with local_sigstore() as sigstore:
        sigstore.rotate("tsa", "ecdsa-p384")
        assert len(parse_trusted_root(sigstore.trusted_root.read_bytes()).timestamp_authorities) == 2
        with pytest.raises(UsageError, match="no key to rotate"):
            sigstore.rotate("moon")
        assert sigstore.directory.exists()
    assert not sigstore.directory.exists()


def test_the_plugin_serves_a_small_project_on_two_workers(tmp_path: Path) -> None:
    """By its module, so that it need not be installed; the entry point names that one."""
    (tmp_path / "test_small.py").write_text(PROJECT)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [plugin] = project["entry-points"]["pytest11"].values()
    words = [sys.executable, "-m", "pytest", "-p", plugin, "-p", "xdist.plugin", "-n", "2", "-W", "error"]
    done = subprocess.run(
        [*words, "--sigstore-stack", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, "4 passed" in done.stdout) == (0, True), done.stdout
