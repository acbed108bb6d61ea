"""sigstore-python, a client that is not ours, signs against the stack with its own checks on, and verifies."""

import json
from pathlib import Path

import pytest
from sigstore.errors import VerificationError
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from tests.support.stack import RunningStack

BLOB = b"signed by somebody else's client\n"


@pytest.fixture
def config(stack: RunningStack) -> ClientTrustConfig:
    """The stack's trust configuration, with Rekor v1 alone to sign with."""
    value = json.loads((stack.directory / "client_trust_config.json").read_text())
    signing = value["signingConfig"]
    signing["rekorTlogUrls"] = [url for url in signing["rekorTlogUrls"] if url["majorApiVersion"] == 1]
    signing["tsaUrls"] = []
    return ClientTrustConfig.from_json(json.dumps(value))


@pytest.fixture
def bundle(stack: RunningStack, config: ClientTrustConfig) -> Bundle:
    context = SigningContext.from_trust_config(config)
    with context.signer(IdentityToken(stack.token())) as signer:
        return signer.sign_artifact(BLOB)


def test_bundle_of_sigstore_python_verifies(
    stack: RunningStack, config: ClientTrustConfig, bundle: Bundle, tmp_path: Path
) -> None:
    again = Bundle.from_json(bundle.to_json())
    policy = Identity(identity="alice@example.com", issuer=stack.url)
    Verifier(trusted_root=config.trusted_root).verify_artifact(BLOB, again, policy)


def test_other_identity_other_blob_are_refused(stack: RunningStack, config: ClientTrustConfig, bundle: Bundle) -> None:
    verifier = Verifier(trusted_root=config.trusted_root)
    with pytest.raises(VerificationError):
        verifier.verify_artifact(BLOB, bundle, Identity(identity="mallory@example.com", issuer=stack.url))
    with pytest.raises(VerificationError):
        verifier.verify_artifact(BLOB + b"!", bundle, Identity(identity="alice@example.com", issuer=stack.url))
