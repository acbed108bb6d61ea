import hashlib
import json
from pathlib import Path

import gitsign_py.data

ROOT = Path(gitsign_py.data.__file__).parent


def test_digests_are_those_on_record() -> None:
    record = json.loads((ROOT / "digests.json").read_bytes())
    found = {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in ROOT.glob("*/*.json")
    }
    assert found == record["files"]
    assert len(found) == 6


def test_provenance_names_the_same_wheel_and_files() -> None:
    record = json.loads((ROOT / "digests.json").read_bytes())
    text = (ROOT / "PROVENANCE.md").read_text()
    assert record["wheel"] in text
    assert record["wheel_sha256"] in text
    for name in record["files"]:
        assert name in text
