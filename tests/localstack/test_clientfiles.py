"""What clients read from the directory: our own parsers take it, and so does the environment that is printed."""

import json
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from gitsign_py.core.trust.clientconfig import parse_client_trust_config
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.core.trust.signingconfig import parse_signing_config, select_services
from tests.support.localstackkit import trusted_root
from tests.support.stack import RunningStack


def test_trusted_root_holds_every_authority_with_its_window(stack: RunningStack) -> None:
    root = trusted_root(stack)
    now = datetime.now(UTC)
    assert root.unsupported == ()
    windows = [log.valid_for for log in (*root.tlogs, *root.ctlogs)]
    windows += [authority.valid_for for authority in (*root.certificate_authorities, *root.timestamp_authorities)]
    for window in windows:
        assert window.covers(now)
        assert not window.covers(datetime(2020, 1, 1, tzinfo=UTC))
    (authority,) = root.certificate_authorities
    chain = x509.load_pem_x509_certificates((stack.directory / "fulcio-chain.pem").read_bytes())
    assert [x509.load_der_x509_certificate(one.raw) for one in authority.chain] == chain
    assert stack.url in {log.base_url for log in root.tlogs}


def test_signing_config_names_the_services(stack: RunningStack) -> None:
    config = parse_signing_config((stack.directory / "signing_config.json").read_bytes())
    for services, versions in ((config.ca_urls, {1}), (config.oidc_urls, {1}), (config.rekor_urls, {1})):
        (found,) = select_services(services, versions=versions, at=datetime.now(UTC))
        assert found.url == stack.url


def test_both_in_one_file(stack: RunningStack) -> None:
    root, config = parse_client_trust_config((stack.directory / "client_trust_config.json").read_bytes())
    assert root.tlogs == parse_trusted_root(stack.trusted_root.read_bytes()).tlogs
    assert config.oidc_urls[0].url == stack.url


def test_environment_points_at_the_stack(stack: RunningStack) -> None:
    found = stack.environment()
    for name in ("FULCIO_URL", "REKOR_URL", "OIDC_ISSUER"):
        assert found[f"GITSIGN_{name}"] == found[f"SIGSTORE_{name}"] == stack.url
    assert found["GITSIGN_TRUSTED_ROOT"] == str(stack.trusted_root)
    pem = ("ROOT_FILE", "REKOR_PUBLIC_KEY", "CT_LOG_PUBLIC_KEY_FILE", "TSA_CERTIFICATE_FILE")
    assert all(Path(found[f"SIGSTORE_{name}"]).read_text().startswith("-----BEGIN ") for name in pem)
    assert found["TUF_MIRROR"] == f"{stack.url}/tuf"
    assert Path(found["TUF_ROOT"]).is_relative_to(stack.directory)
    assert json.loads(Path(found["TUF_ROOT_JSON"]).read_text())["signed"]["_type"] == "root"


def test_stack_json_is_served_and_written(stack: RunningStack) -> None:
    written = json.loads((stack.directory / "stack.json").read_text())
    assert stack.get("/stack.json").json() == written
    assert (written["url"], written["pid"], written["port"]) == (stack.url, stack.process.pid, stack.info.port)
    assert stack.get("/healthz").json() == {"status": "ok"}
