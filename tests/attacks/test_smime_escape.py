"""gpgsm's verdict is laxer than the numbered steps: what is Sigstore's must not come to it, and nobody else chooses it.

The gpgsm of these tests calls everything good and trusted, and writes down that it was asked.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.git.armor import armor, dearmor
from gitsign_py.core.pki import der, oids
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.errors import UncheckedError
from gitsign_py.host import gpgsm
from gitsign_py.verification.smime import judged, read_smime
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History
from tests.support.inprocess import Said, run_here
from tests.support.smime import Company, indefinite

LIAR = """#!/bin/sh
echo asked >> {record}
for name in "$@"; do :; done
echo "[GNUPG:] GOODSIG {digest} Carol"
echo "[GNUPG:] VALIDSIG {digest} 2026-01-01 20260101T000000 0 0 0 1 8 00"
echo "[GNUPG:] TRUST_FULLY 0 shell"
"""
PAYLOAD = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nhi\n"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Place:
    """A repository, and a folder of PATH with that gpgsm."""

    repo: ScratchRepo
    signer: BulkSigner
    record: Path
    tools: Path

    @property
    def was_asked(self) -> bool:
        return self.record.exists()

    def liar(self, folder: Path, digest: str = "00" * 20) -> Path:
        folder.mkdir(exist_ok=True)
        script = folder / "gpgsm"
        script.write_text(LIAR.format(record=self.record, digest=digest))
        script.chmod(0o755)
        return script

    def audit(self, oid: str, path: str) -> tuple[str, str]:
        home = {"HOME": str(self.repo.path.parent), "XDG_CACHE_HOME": str(self.repo.path.parent / "cache")}
        root = {"GITSIGN_TRUSTED_ROOT": str(self.repo.path.parent / "root.json")}
        said: Said = run_here(
            self.repo.path, environment(**home, **root, PATH=path), "audit", "--offline", "--format", "json", oid
        )
        [record] = json.loads(said.out)["records"]
        return record["verdict"], record["reason"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    signer = BulkSigner(tmp_path / "authority")
    (tmp_path / "root.json").write_bytes(signer.trusted_root_json)
    made = Place(ScratchRepo.init(tmp_path / "repo"), signer, tmp_path / "asked", tmp_path / "tools")
    made.liar(made.tools)
    return made


def system_path(*before: Path) -> str:
    return ":".join([*map(str, before), "/usr/bin", "/bin"])


def commit_of(place: Place, change: Callable[[bytes], bytes]) -> str:
    """A commit by Alice whose CMS was changed."""

    def sign(person: str, payload: bytes, at: datetime) -> bytes:
        return armor(change(dearmor(place.signer.sign(person, payload, at))))

    history = History(signer=sign)
    oid = history.commit(signed="alice", files={"a": "1"})
    history.write(place.repo.path / ".git", {"refs/heads/main": oid})
    return oid


def certificate_gone(data: bytes) -> bytes:
    """A program that has seen the certificate before would find it among those that it keeps."""
    oid, content = der.parse(data).children()
    parts = [one.raw for one in der.parse(content.content).children() if one.tag != 0xA0]
    return der.sequence(oid.raw, der.context(0, der.sequence(*parts)))


def spoilt_digest(data: bytes) -> bytes:
    """A bit of the signed messageDigest, which stands behind its identifier and two headers."""
    name = der.oid(oids.MESSAGE_DIGEST)
    at = data.index(name) + len(name) + 4
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "digest": spoilt_digest,
    "indefinite lengths": indefinite,
    "no certificate": certificate_gone,
}


@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT)
def test_a_bad_signature_of_sigstore_stays_bad(place: Place, change: Callable[[bytes], bytes]) -> None:
    oid = commit_of(place, change)
    assert place.audit(oid, system_path(place.tools))[0] == "bad"
    assert not place.was_asked


def test_what_a_ca_of_the_trust_root_issued_is_sigstores(place: Place) -> None:
    """A certificate without one extension of Sigstore's, by the very CA."""
    root = parse_trusted_root(place.signer.trusted_root_json)
    carol = Company().person()
    signature = carol.sign(PAYLOAD)
    assert read_smime(signature, root) is not None
    issuer = next(iter(root.certificate_authorities)).chain[0].subject
    named = der.parse(der.parse(carol.certificate.tbs_certificate_bytes).children()[3].raw).raw
    swapped = dearmor(signature).replace(named, issuer)
    assert read_smime(armor(dearmor(signature)), root) is not None
    assert read_smime(armor(swapped), root) is None


@pytest.mark.parametrize("where", ["certificate", "attribute"])
def test_one_identifier_of_sigstore_is_enough(where: str) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oids.FULCIO_ISSUER_V2), b"\x0c\x01x")
    carol = Company().person(extensions=[extension] if where == "certificate" else [])
    signature = carol.sign(PAYLOAD)
    if where == "attribute":
        data = dearmor(signature)
        signature = armor(data.replace(der.oid("1.2.840.113549.1.9.5"), der.oid(oids.LOG_ENTRY)[:11], 1))
    assert read_smime(signature, None) is None


def test_a_repositorys_configuration_chooses_no_program(place: Place, tmp_path: Path) -> None:
    company = Company()
    carol = company.person()
    history = History(signer=lambda _person, payload, _at: carol.sign(payload))
    oid = history.commit(signed="carol", files={"a": "1"})
    history.write(place.repo.path / ".git", {"refs/heads/main": oid})
    evil = place.liar(place.repo.path / "bin", carol.certificate.fingerprint(x509_sha1()).hex())
    for key in ("gpg.x509.program", "gpg.program", "gitsign.gpgsm"):
        place.repo.git("config", key, str(evil))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert place.audit(oid, str(empty) + ":bin:.")[0] == "unchecked"
    assert not place.was_asked
    assert place.audit(oid, system_path(evil.parent)) == ("good", "good")
    assert place.was_asked


def x509_sha1() -> hashes.SHA1:
    return hashes.SHA1()


def test_a_verdict_about_another_certificate_is_none() -> None:
    carol = Company().person()
    smime = read_smime(carol.sign(PAYLOAD), None)
    assert smime is not None
    lines = "[GNUPG:] GOODSIG {0} Carol\n[GNUPG:] VALIDSIG {0} 2026-01-01 20260101T000000 0\n[GNUPG:] TRUST_FULLY 0\n"
    own = carol.certificate.fingerprint(x509_sha1()).hex().upper()
    assert judged(smime, lines.format(own).encode(), None).claimed == NOW
    never = lines.format(own).replace("TRUST_FULLY", "TRUST_NEVER")
    for said in (lines.format("AB" * 20), lines.format(own) * 2, never, ""):
        with pytest.raises(UncheckedError):
            judged(smime, said.encode(), None)


def test_content_of_its_own_is_not_the_commits() -> None:
    assert read_smime(Company().person().sign(PAYLOAD, attached=True), None) is None


def test_a_gpgsm_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that leaves a child behind which keeps its output open, too."""
    script = tmp_path / "gpgsm"
    script.write_text("#!/bin/sh\nsleep 30 &\nwait\n")
    script.chmod(0o755)
    monkeypatch.setattr(gpgsm, "SECONDS", 0.2)
    with pytest.raises(UncheckedError) as caught:
        gpgsm.ask_gpgsm(b"x", b"y", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert caught.value.reason == "gpgsm-failed"


def test_this_program_as_gpgsm_does_not_ask_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpgsm").symlink_to(sys.argv[0] if Path(sys.argv[0]).exists() else sys.executable)
    monkeypatch.setattr(sys, "argv", [str((tmp_path / "gpgsm").resolve())])
    assert gpgsm.find_gpgsm({"PATH": str(tmp_path)}) is None
    with pytest.raises(UncheckedError, match="not installed"):
        gpgsm.ask_gpgsm(b"x", b"y", {"PATH": "/usr/bin", gpgsm.HANDED_OVER: "1"})


def test_junk_is_no_signature_of_this_kind() -> None:
    for data in (b"", b"\x30\x80" * 5000, b"\x30\x80\x00", b"\x30\x84\xff\xff\xff\xff"):
        assert read_smime(pem_encode(data, "SIGNED MESSAGE") if data else b"", None) is None
