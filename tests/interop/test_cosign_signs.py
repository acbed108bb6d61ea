"""What cosign signs against the local stack, cosign and verify-bundle believe; of anything else they do not."""

import pytest

from tests.support.foreign import ARTIFACT, ForeignBench

pytestmark = pytest.mark.unmeasured

PREDICATE = "https://example.com/predicate/v1"
LOGS = [(1, False), (1, True), (2, True)]


def judge(place: ForeignBench, cosign: str, *expected: str, attested: bool = False) -> None:
    """Both verifiers pass ``bundle`` over the artifact, and refuse it over another one."""
    subcommand = ["verify-blob-attestation", "--type", PREDICATE] if attested else ["verify-blob"]
    theirs = [cosign, *subcommand, "--bundle", "bundle", *place.trust, *expected, "artifact"]
    ours = ["verify-bundle", "--bundle", "bundle", *place.trust, *expected, "artifact"]
    place.good(*theirs)
    done = place.ours(*ours)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    place.artifact.write_bytes(ARTIFACT + b"!")
    assert (place.run(*theirs).returncode, place.ours(*ours).returncode) == (1, 1)
    place.artifact.write_bytes(ARTIFACT)


@pytest.mark.parametrize(("rekor", "timestamps"), LOGS)
def test_a_signature_with_a_certificate(place: ForeignBench, cosign: str, rekor: int, timestamps: bool) -> None:
    config = place.signing_config(rekor, timestamps=timestamps)
    place.good(cosign, "sign-blob", "-y", "--signing-config", config, *place.trust, "--bundle", "bundle", "artifact")
    assert place.log_kinds("bundle") == [f"hashedrekord 0.0.{rekor}"]
    judge(place, cosign, *place.who)


@pytest.mark.parametrize(("rekor", "timestamps"), LOGS)
def test_an_attestation_with_a_certificate(place: ForeignBench, cosign: str, rekor: int, timestamps: bool) -> None:
    (place.folder / "predicate").write_text('{"made": "by hand"}')
    config = place.signing_config(rekor, timestamps=timestamps)
    stated = ["--predicate", "predicate", "--type", PREDICATE, "--bundle", "bundle", "artifact"]
    place.good(cosign, "attest-blob", "-y", "--signing-config", config, *place.trust, *stated)
    assert place.log_kinds("bundle") == ["dsse 0.0.1" if rekor == 1 else "hashedrekord 0.0.2"]
    judge(place, cosign, *place.who, attested=True)


@pytest.mark.parametrize(
    "algorithm", ["ecdsa-sha2-384-nistp384", "ecdsa-sha2-512-nistp521", "rsa-sign-pkcs1-2048-sha256"]
)
@pytest.mark.parametrize("rekor", [1, 2])
def test_other_keys(place: ForeignBench, cosign: str, rekor: int, algorithm: str) -> None:
    chosen = ["--signing-algorithm", algorithm, "--signing-config", place.signing_config(rekor, timestamps=True)]
    place.good(cosign, "sign-blob", "-y", *chosen, *place.trust, "--bundle", "bundle", "artifact")
    judge(place, cosign, *place.who)


@pytest.mark.parametrize(("rekor", "timestamps"), [(1, False), (2, True), (2, False)])
def test_a_managed_key(place: ForeignBench, cosign: str, rekor: int, timestamps: bool) -> None:
    place.good(cosign, "generate-key-pair")
    config = place.signing_config(rekor, timestamps=timestamps)
    signing = ["--key", "cosign.key", "--signing-config", config, *place.trust]
    place.good(cosign, "sign-blob", "-y", *signing, "--bundle", "bundle", "artifact")
    judge(place, cosign, "--key", "cosign.pub")
    place.good(cosign, "generate-key-pair", "--output-key-prefix", "other")
    other = ["--bundle", "bundle", *place.trust, "--key", "other.pub", "artifact"]
    assert place.run(cosign, "verify-blob", *other).returncode == 1
    assert place.ours("verify-bundle", *other).returncode == 1


def test_a_managed_key_without_a_log(place: ForeignBench, cosign: str) -> None:
    """Where the trust root has logs, both want an entry."""
    place.good(cosign, "generate-key-pair")
    signing = ["--key", "cosign.key", "--signing-config", place.signing_config(0, timestamps=True), *place.trust]
    place.good(cosign, "sign-blob", "-y", *signing, "--bundle", "bundle", "artifact")
    check = ["--bundle", "bundle", *place.trust, "--key", "cosign.pub", "artifact"]
    assert place.run(cosign, "verify-blob", *check).returncode == 1
    done = place.ours("verify-bundle", *check)
    assert (done.returncode, "log-entry-missing" in done.stdout) == (1, True)


def test_the_tuf_repository_is_all_that_cosign_needs(place: ForeignBench, cosign: str) -> None:
    root = str(place.stack.directory / "root.json")
    place.good(cosign, "initialize", "--mirror", f"{place.stack.url}/tuf", "--root", root)
    place.good(cosign, "sign-blob", "-y", "--bundle", "bundle", "artifact")
    place.good(cosign, "verify-blob", "--bundle", "bundle", *place.who, "artifact")
    judge(place, cosign, *place.who)


def test_what_stack_env_prints_is_all_that_cosign_needs_to_sign(place: ForeignBench, cosign: str) -> None:
    env = place.stack.environment()
    place.good(cosign, "sign-blob", "-y", "--bundle", "bundle", "artifact", **env)
    place.good(cosign, "verify-blob", "--bundle", "bundle", *place.trust, *place.who, "artifact", **env)
    judge(place, cosign, *place.who)


def test_urls_on_the_command_line_and_the_older_form_of_bundles(place: ForeignBench, cosign: str) -> None:
    """The older form is cosign's own; the PEM files that ``stack env`` names are what it is verified with."""
    url, env = place.stack.url, place.stack.environment()
    services = ["--use-signing-config=false", "--fulcio-url", url, "--rekor-url", url, "--oidc-issuer", url]
    place.good(cosign, "sign-blob", "-y", *services, "--bundle", "bundle", "artifact", **env)
    judge(place, cosign, *place.who)
    stamped = ["--timestamp-server-url", f"{url}/api/v1/timestamp", "--rfc3161-timestamp", "stamp"]
    older = ["--new-bundle-format=false", *stamped, "--bundle", "older", "artifact"]
    place.good(cosign, "sign-blob", "-y", *services, *older, **env)
    check = ["--bundle", "older", "--rfc3161-timestamp", "stamp", "--use-signed-timestamps", *place.who, "artifact"]
    place.good(cosign, "verify-blob", *check, **env)
    done = place.ours("verify-bundle", "--bundle", "older", *place.trust, *place.who, "artifact")
    assert done.returncode == 1


def test_without_a_bundle_cosign_finds_the_entry_in_the_log(place: ForeignBench, cosign: str) -> None:
    """Its client of Rekor v1 searches by the artifact's hash, fetches the entry and checks proof and promise."""
    url, env = place.stack.url, place.stack.environment()
    services = ["--use-signing-config=false", "--fulcio-url", url, "--rekor-url", url, "--oidc-issuer", url]
    files = ["--new-bundle-format=false", "--output-signature", "signature", "--output-certificate", "certificate"]
    place.good(cosign, "sign-blob", "-y", *services, *files, "artifact", **env)
    check = ["--signature", "signature", "--certificate", "certificate", "--rekor-url", url, *place.who, "artifact"]
    place.good(cosign, "verify-blob", *check, **env)
    place.artifact.write_bytes(ARTIFACT + b"!")
    assert place.run(cosign, "verify-blob", *check, **env).returncode == 1


def test_a_token_that_is_not_good_for_signing_is_refused(place: ForeignBench, cosign: str) -> None:
    config = place.signing_config(1, timestamps=False)
    command = [cosign, "sign-blob", "-y", "--signing-config", config, *place.trust, "--bundle", "bundle", "artifact"]
    done = place.run(*command, SIGSTORE_ID_TOKEN=place.stack.token(ttl=-60))
    assert done.returncode == 1
    assert "There was an error processing the identity token" in done.stderr
