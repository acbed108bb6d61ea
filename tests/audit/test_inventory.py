"""``gitsign-py identities``: who ever signed, what of it is proven, with which certificates."""

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from gitsign_py.core.trust.root import format_trusted_root
from tests.support.audited import Audited
from tests.support.gitrepo import environment
from tests.support.history import ISSUER
from tests.support.inprocess import Said, run_here
from tests.support.schemas import SCHEMAS


@pytest.fixture
def place(every: Audited, tmp_path: Path) -> Audited:
    (tmp_path / "root.json").write_bytes(format_trusted_root(every.trusted_root))
    return every


def run(place: Audited, *arguments: str) -> Said:
    folder = place.repo.path.parent
    variables = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    env = environment(**variables, GITSIGN_TRUSTED_ROOT=str(folder / "root.json"))
    said = run_here(place.repo.path, env, "identities", "--offline", *arguments)
    assert said.status == 0, said.err
    return said


def test_everybody_who_signed_proven_or_claimed(place: Audited) -> None:
    """In all three forms; what a changed commit names stands apart from what is proven."""
    found = json.loads(run(place, "--format", "json", "--certificates").out)
    jsonschema.validate(found, json.loads((SCHEMAS / "identities.json").read_text()))
    proven = {one["identity"]: one for one in found if one["proven"]}
    assert set(proven) == {"alice@example.com", "bob@example.com", "mallory@example.com"}
    claimed = {one["identity"] for one in found if not one["proven"]}
    assert f"alice@example.com ({ISSUER})" in claimed
    alice = proven["alice@example.com"]
    assert (alice["issuer"], alice["kind"]) == (ISSUER, "email")
    assert "refs/heads/main" in alice["refs"] or "refs/heads/merged" in alice["refs"]
    assert alice["first"] < alice["last"]
    [certificate] = alice["certificates"]
    assert len(certificate["serial"]) > 10
    assert certificate["not_before"] < certificate["not_after"]
    assert certificate["log_index"] is not None

    rows = list(csv.DictReader(io.StringIO(run(place, "--format", "csv", "--certificates").out)))
    assert {row["fingerprint"] for row in rows if row["identity"] == "alice@example.com"} == {
        certificate["fingerprint"]
    }
    text = run(place)
    assert f"{alice['signatures']:>6} proven  email    alice@example.com" in text.lines
    assert max(map(len, text.lines)) <= 80
    assert text.lines[-1] == f"{len(found)} signers: 3 proven by good signatures, {len(claimed)} only claimed"
