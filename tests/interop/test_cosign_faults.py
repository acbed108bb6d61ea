"""What a lying stack makes cosign write, neither cosign nor we believe."""

from pathlib import Path

import pytest

from tests.support.faultystack import FaultyStack
from tests.support.foreign import ForeignBench

pytestmark = pytest.mark.unmeasured


@pytest.mark.parametrize("rekor", [1, 2])
@pytest.mark.parametrize(
    "fault", ["wrong-proof", "wrong-root", "others-entry", "no-sct", "wrong-sct", "expired-certificate"]
)
def test_both_refuse(faulty: FaultyStack, tmp_path: Path, cosign: str, fault: str, rekor: int) -> None:
    place = ForeignBench(tmp_path, faulty)
    config = place.signing_config(rekor, timestamps=True)
    # Without a trust root cosign does not look at what it is given, and writes it into the bundle.
    signing = [cosign, "sign-blob", "-y", "--signing-config", config, "--bundle", "bundle", "artifact"]
    check = ["--bundle", "bundle", *place.trust, *place.who, "artifact"]
    place.good(*signing)
    place.good(cosign, "verify-blob", *check)
    faulty.break_it(fault)
    place.good(*signing)
    faulty.break_it()
    theirs, ours = place.run(cosign, "verify-blob", *check), place.ours("verify-bundle", *check)
    assert (theirs.returncode, ours.returncode) == (1, 1), (theirs.stderr, ours.stdout)
