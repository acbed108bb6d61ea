"""sigstore-js, the client of npm: what it signs on the local stack we believe, and what we sign it believes."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.interop.test_cosign_verifies import exported
from tests.support.bytechange import with_other_end
from tests.support.foreign import ARTIFACT, EMAIL, ForeignBench, find_node_package
from tests.support.workbench import Workbench

pytestmark = pytest.mark.unmeasured

SCRIPT = str(Path(__file__).parent / "sigstore.cjs")
LOGS = [(1, False), (1, True), (2, True)]


class SigstoreJs:
    """The program on a bench."""

    def __init__(self, place: ForeignBench) -> None:
        self._modules = find_node_package("sigstore")
        self._place = place

    def signs(self, command: str, file: str, config: str) -> None:
        self._place.good("node", SCRIPT, command, file, "bundle", config, NODE_PATH=self._modules)

    def believes(self, bundle: Path | str, file: Path | str, email: str = EMAIL) -> bool:
        stack = self._place.stack
        trust = (f"{stack.url}/tuf", str(stack.directory / "root.json"), "tuf-cache")
        command = ["node", SCRIPT, "verify", str(file), str(bundle), *trust, email, stack.url]
        done = self._place.run(*command, NODE_PATH=self._modules)
        assert done.returncode in (0, 1, 3), done.stderr
        assert (done.returncode == 0) == (done.stderr == ""), done.stderr
        return done.returncode == 0


@pytest.fixture
def js(place: ForeignBench) -> SigstoreJs:
    return SigstoreJs(place)


def we_believe(place: ForeignBench) -> bool:
    done = place.ours("verify-bundle", "--bundle", "bundle", *place.trust, *place.who, "artifact")
    assert done.returncode in (0, 1, 3), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize(("rekor", "timestamps"), LOGS)
def test_a_signature_of_its_own(place: ForeignBench, js: SigstoreJs, rekor: int, timestamps: bool) -> None:
    js.signs("sign", "artifact", place.signing_config(rekor, timestamps=timestamps))
    assert place.log_kinds("bundle") == [f"hashedrekord 0.0.{rekor}"]
    assert (we_believe(place), js.believes("bundle", "artifact")) == (True, True)
    assert not js.believes("bundle", "artifact", "mallory@example.com")
    place.artifact.write_bytes(ARTIFACT + b"!")
    assert (we_believe(place), js.believes("bundle", "artifact")) == (False, False)


@pytest.mark.parametrize(("rekor", "timestamps"), LOGS[:2])
def test_an_attestation_of_its_own(place: ForeignBench, js: SigstoreJs, rekor: int, timestamps: bool) -> None:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "artifact", "digest": {"sha256": hashlib.sha256(ARTIFACT).hexdigest()}}],
        "predicateType": "https://example.com/predicate/v1",
        "predicate": {},
    }
    (place.folder / "statement").write_text(json.dumps(statement))
    js.signs("attest", "statement", place.signing_config(rekor, timestamps=timestamps))
    assert (we_believe(place), js.believes("bundle", "statement")) == (True, True)
    place.artifact.write_bytes(ARTIFACT + b"!")
    assert not we_believe(place)


@pytest.mark.parametrize("name", ["commit", "tag"])
@pytest.mark.parametrize(("rekor", "timestamps"), LOGS)
def test_an_exported_signature(
    place: ForeignBench, bench: Workbench, js: SigstoreJs, name: str, rekor: int, timestamps: bool
) -> None:
    bundle, der = exported(bench, name, rekor, timestamps=timestamps)
    assert js.believes(bundle, der)
    assert not js.believes(bundle, der, "mallory@example.com")
    der.write_bytes(with_other_end(der.read_bytes()))
    assert not js.believes(bundle, der)
