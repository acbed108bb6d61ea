"""What ``bundle export`` writes of a commit or tag, cosign believes; and nothing else with the same bundle."""

from pathlib import Path

import pytest

from tests.support.bytechange import with_other_end
from tests.support.foreign import ForeignBench
from tests.support.workbench import Workbench

pytestmark = pytest.mark.unmeasured

STAMPED = "gitsign.timestampServerURL"


def exported(bench: Workbench, name: str, rekor: int, *, timestamps: bool) -> tuple[Path, Path]:
    """Bundle and artifact of a commit or tag that was signed so."""
    bench.configure(f"gitsign.rekorVersion={rekor}")
    if timestamps:
        bench.configure(f"{STAMPED}={bench.stack.url}/api/v1/timestamp")
    bench.commit(SIGSTORE_ID_TOKEN=bench.stack.token())
    if name == "tag":
        bench.git("tag", "-s", "-m", "tag", "tag", SIGSTORE_ID_TOKEN=bench.stack.token())
    revision = name if name == "tag" else "HEAD"
    done = bench.tool("bundle", "export", revision, "--output", "bundle", "--artifact", "der")
    assert done.returncode == 0, done.stderr
    return bench.repo / "bundle", bench.repo / "der"


@pytest.mark.parametrize("name", ["commit", "tag"])
@pytest.mark.parametrize(("rekor", "timestamps"), [(1, False), (1, True), (2, True)])
def test_an_exported_signature(
    place: ForeignBench, bench: Workbench, cosign: str, name: str, rekor: int, timestamps: bool
) -> None:
    bundle, der = exported(bench, name, rekor, timestamps=timestamps)
    check = [cosign, "verify-blob", "--bundle", str(bundle), *place.trust]
    place.good(*check, *place.who, str(der))
    mallory = ["--certificate-identity", "mallory@example.com", "--certificate-oidc-issuer", place.stack.url]
    assert place.run(*check, *mallory, str(der)).returncode == 1
    der.write_bytes(with_other_end(der.read_bytes()))
    assert place.run(*check, *place.who, str(der)).returncode == 1
