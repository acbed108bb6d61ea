"""The other direction: what the sigstore package signs on a local stack, verify-bundle believes."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from sigstore import dsse
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext

from tests.support.gitrepo import environment
from tests.support.stack import RunningStack

ARTIFACT = b"signed by somebody else's program\n"


def sign(stack: RunningStack, version: int, *, attest: bool) -> str:
    config = ClientTrustConfig.from_json((stack.directory / "client_trust_config.json").read_text())
    config.force_tlog_version = version
    token = IdentityToken(stack.token())
    with SigningContext.from_trust_config(config).signer(token) as signer:
        if not attest:
            return signer.sign_artifact(ARTIFACT).to_json()
        digest = dsse.DigestSet(root={"sha256": sha256(ARTIFACT).hexdigest()})
        subject = dsse.Subject(name="a", digest=digest)
        builder = dsse.StatementBuilder(subjects=[subject], predicate_type="https://example.com/p", predicate={})
        return signer.sign_dsse(builder.build()).to_json()


@pytest.mark.parametrize(("version", "attest"), [(1, False), (2, False), (2, True)])
def test_bundles_of_sigstore_python(stack: RunningStack, tmp_path: Path, version: int, attest: bool) -> None:
    (tmp_path / "bundle.json").write_text(sign(stack, version, attest=attest))
    (tmp_path / "artifact").write_bytes(ARTIFACT)
    command = [sys.executable, "-m", "gitsign_py", "verify-bundle", "--bundle", "bundle.json", "--trusted-root"]
    command += [str(stack.trusted_root), "--certificate-identity", "alice@example.com"]
    command += ["--certificate-oidc-issuer", stack.url, "artifact"]
    root = Path(__file__).parents[2]
    variables = environment(HOME=str(tmp_path), PYTHONPATH=str(root))
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (tmp_path / "artifact").write_bytes(b"another")
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, check=False, text=True)
    assert done.returncode == 1
