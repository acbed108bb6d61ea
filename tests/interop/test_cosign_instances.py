"""A trust root and a signing configuration that cosign puts together are good for our client too."""

from pathlib import Path

import pytest

from tests.support.foreign import ForeignBench
from tests.support.workbench import Workbench

pytestmark = pytest.mark.unmeasured

START = "start-time=2020-01-01T00:00:00Z"


def trusted_root(place: ForeignBench, cosign: str) -> Path:
    url, files = place.stack.url, place.stack.info.files
    made = place.folder / "made-root.json"
    parts = [
        f"--fulcio=url={url},certificate-chain={files['fulcio-chain.pem']}",
        f"--rekor=url={url},public-key={files['rekor.pub']},{START}",
        f"--rekor=url=http://rekor2.local,public-key={files['rekor2.pub']},{START},origin=rekor2.local",
        f"--ctfe=url={url},public-key={files['ctlog.pub']},{START}",
        f"--tsa=url={url}/api/v1/timestamp,certificate-chain={files['tsa-chain.pem']}",
    ]
    place.good(cosign, "trusted-root", "create", *parts, "--out", str(made))
    return made


def signing_config(place: ForeignBench, cosign: str, rekor: int) -> Path:
    url = place.stack.url
    made = place.folder / "made-config.json"
    since = f"{START},operator=local"
    parts = [
        f"--fulcio=url={url},api-version=1,{since}",
        f"--oidc-provider=url={url},api-version=1,{since}",
        f"--rekor=url={url},api-version={rekor},{since}",
        "--rekor-config=ANY",
        f"--tsa=url={url}/api/v1/timestamp,api-version=1,{since}",
        "--tsa-config=ANY",
    ]
    place.good(cosign, "signing-config", "create", *parts, "--out", str(made))
    return made


@pytest.mark.parametrize("rekor", [1, 2])
def test_a_commit_is_signed_and_verified_with_them(
    place: ForeignBench, bench: Workbench, cosign: str, rekor: int
) -> None:
    root, config = trusted_root(place, cosign), signing_config(place, cosign, rekor)
    for name in bench.stack.environment():  # the two files say everything
        bench.env.pop(name)
    bench.env |= {"GITSIGN_TRUSTED_ROOT": str(root), "GITSIGN_SIGNING_CONFIG": str(config)}
    bench.commit(SIGSTORE_ID_TOKEN=bench.stack.token())
    done = bench.verify("-v", "HEAD")
    assert done.returncode == 0, done.stdout
    assert f"{'rekor2.local' if rekor == 2 else bench.stack.url}, log_id" in done.stdout.decode()
