"""The command ``sigstore`` and cosign believe each other's signatures on the local stack, and ours believes both."""

import sys

import pytest

from tests.support.foreign import EMAIL, ForeignBench

pytestmark = pytest.mark.unmeasured

PROVENANCE = "https://slsa.dev/provenance/v1"
PREDICATE = """{
  "buildDefinition": {"buildType": "https://example.com/b", "externalParameters": {"a": 1}, "internalParameters": {}},
  "runDetails": {"builder": {"id": "https://example.com/builder"}}
}"""
SIGSTORE = [sys.executable, "-m", "sigstore"]


def by_file(place: ForeignBench) -> list[str]:
    return [*SIGSTORE, "--trust-config", str(place.stack.directory / "client_trust_config.json")]


def verify(place: ForeignBench, program: list[str]) -> None:
    who = ["--cert-identity", EMAIL, "--cert-oidc-issuer", place.stack.url]
    place.good(*program, "verify", "identity", "--bundle", "bundle", *who, "artifact")


def sign(place: ForeignBench, program: list[str], *options: str, command: str = "sign") -> None:
    token = ["--identity-token", place.stack.token()]
    place.good(*program, command, *token, *options, "--bundle", "bundle", "artifact", **place.stack.environment())


@pytest.mark.parametrize("rekor", ["1", "2"])
def test_a_signature_by_sigstore(place: ForeignBench, cosign: str, rekor: str) -> None:
    sign(place, by_file(place), "--rekor-version", rekor)
    verify(place, by_file(place))
    check = ["--bundle", "bundle", *place.trust, *place.who, "artifact"]
    place.good(cosign, "verify-blob", *check)
    assert place.ours("verify-bundle", *check).returncode == 0


@pytest.mark.parametrize(("rekor", "kind"), [("1", "dsse 0.0.1"), ("2", "hashedrekord 0.0.2")])
def test_an_attestation_by_sigstore(place: ForeignBench, cosign: str, rekor: str, kind: str) -> None:
    (place.folder / "predicate").write_text(PREDICATE)
    stated = ["--predicate", "predicate", "--predicate-type", PROVENANCE]
    sign(place, by_file(place), "--rekor-version", rekor, *stated, command="attest")
    assert place.log_kinds("bundle") == [kind]
    verify(place, by_file(place))
    check = ["--bundle", "bundle", *place.trust, *place.who, "artifact"]
    place.good(cosign, "verify-blob-attestation", "--type", PROVENANCE, *check)
    assert place.ours("verify-bundle", *check).returncode == 0


@pytest.mark.parametrize("rekor", [1, 2])
def test_a_signature_by_cosign(place: ForeignBench, cosign: str, rekor: int) -> None:
    # cosign leaves out a log index of 0, which sigstore does not read; so this is not the log's first entry.
    sign(place, by_file(place), "--rekor-version", str(rekor))
    (place.folder / "bundle").unlink()
    config = place.signing_config(rekor, timestamps=True)
    place.good(cosign, "sign-blob", "-y", "--signing-config", config, *place.trust, "--bundle", "bundle", "artifact")
    verify(place, by_file(place))


def test_the_tuf_repository_is_all_that_sigstore_needs(place: ForeignBench) -> None:
    instance = [*SIGSTORE, "--instance", f"{place.stack.url}/tuf"]
    place.good(*instance, "trust-instance", str(place.stack.directory / "root.json"))
    sign(place, instance)
    verify(place, instance)
    check = ["--bundle", "bundle", *place.trust, *place.who, "artifact"]
    assert place.ours("verify-bundle", *check).returncode == 0
