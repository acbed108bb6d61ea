"""``identities --log``: what the CT log issued to our people, beside what they used, here, elsewhere or not at all."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema

from gitsign_py.audit.inventory import Inventory, IssuedCertificate, SeenCertificate
from gitsign_py.audit.record import Record
from tests.support.localstackkit import certify
from tests.support.schemas import SCHEMAS
from tests.support.workbench import Workbench

ME = "issued@example.com"
NEVER = "never@example.com"


def ask(bench: Workbench, *arguments: str, status: int = 0) -> str:
    done = bench.tool("identities", *arguments)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout.decode() + done.stderr.decode()


def test_certificates_are_told_apart_by_their_use(bench: Workbench, tmp_path: Path) -> None:
    """One used here, one used in another repository, one never used; and one of somebody who never signs."""
    as_me: dict[str, Any] = {"SIGSTORE_ID_TOKEN": bench.stack.token(ME), "GIT_COMMITTER_EMAIL": ME}
    bench.commit("mine", **as_me)
    other = bench.init(path=tmp_path / "other")
    bench.commit("elsewhere", cwd=other, **as_me)
    for name in (ME, NEVER):
        certify(bench.stack, name)
    whole = ("--log", "ct", "--log", "rekor1", "--identity", NEVER)
    found = {one["identity"]: one for one in json.loads(ask(bench, *whole, "--format", "json"))}
    jsonschema.validate(list(found.values()), json.loads((SCHEMAS / "identities.json").read_text()))
    assert sorted(one["use"] for one in found[ME]["issued"]) == ["elsewhere", "here", "unused"]
    assert (found[NEVER]["signatures"], found[NEVER]["proven"]) == (0, False)
    assert [one["use"] for one in found[NEVER]["issued"]] == ["unused"]
    text = ask(bench, *whole)
    assert "3 certificates issued: 1 used here, 1 used elsewhere, 1 unused" in text
    assert "1 signer: 1 proven by good signatures, 0 only claimed" in text
    rows = list(csv.DictReader(io.StringIO(ask(bench, *whole, "--format", "csv"))))
    assert sorted(row["use"] for row in rows if row["identity"] == ME) == ["elsewhere", "here", "unused"]
    assert all(row["fingerprint"] for row in rows if row["use"] == "here")
    mirror = tmp_path / "mirror"
    monitor = ("monitor", "-q", "--state", str(tmp_path / "state" / "m"), "--mirror", str(mirror))
    assert bench.tool(*monitor, "--log", "ct", "--log", "rekor1").returncode == 0
    again = json.loads(ask(bench, "--log-from", str(mirror), "--offline", "--identity", NEVER, "--format", "json"))
    uses = {one["identity"]: sorted(each["use"] for each in one["issued"]) for one in again}
    assert uses == {ME: ["elsewhere", "here", "unused"], NEVER: ["unused"]}
    alone = json.loads(ask(bench, "--log", "ct", "--format", "json"))
    assert sorted(each["use"] for each in alone[0]["issued"]) == ["here", "unknown", "unknown"]
    assert "--log-from" in ask(bench, "--log", "ct", "--offline", status=2)
    assert "--log-from" in ask(bench, "--identity", NEVER, status=2)


def test_a_copy_in_a_bad_signature_is_no_use() -> None:
    """Certificates are public: a commit that holds somebody's and a wrong signature must not make it look used."""
    inventory = Inventory()
    copied = SeenCertificate("f" * 64, "1", "", "", None, "a" * 64)
    bad = Record("1" * 40, "bad", "bad", "it is bad", format="sigstore", claimed=ME)
    inventory.add(bad, "", copied)
    assert inventory.used() == frozenset()
    assert inventory.names() == frozenset()
    good = bad._replace(verdict="verified", identity=ME, issuer="https://i", san_type="email")
    inventory.add(good, "", copied)
    assert inventory.used() == {"a" * 64}
    inventory.issue(ME, "https://i", "email", IssuedCertificate("a" * 64, "1", "", "", "ct", 0, "here"))
    assert [len(one.issued) for one in inventory.signers()] == [1, 0]
