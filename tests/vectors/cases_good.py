"""What must be accepted: the same forge with nothing wrong, and what lies just inside each bound."""

from dataclasses import replace
from datetime import timedelta

from gitsign_py.core.pki import der, oids
from gitsign_py.core.tlog import note
from gitsign_py.core.tlog.logentry import LogEntry
from tests.support.forge import COMMIT, Forged, forge
from tests.support.forgedworld import ISSUER, T0, World, issuer_claims
from tests.vectors.case import Case

_END = T0 + timedelta(minutes=10)
_ATTACHED = der.sequence(der.oid(oids.DATA), der.context(0, der.octet_string(COMMIT)))


def _good(name: str, title: str, **changes: object) -> Case:
    return Case(name, title, "", "", lambda world: forge(world, **changes))  # type: ignore[arg-type]


def _two_scts(world: World) -> Forged:
    return forge(world, leaf={"scts": lambda w, leaf, ca: [w.other_ct.sct(leaf, ca), w.ct.sct(leaf, ca)]})


def _witnessed(world: World) -> Forged:
    """A checkpoint that a witness signed too, whose key nobody here knows."""

    def add(entry: LogEntry) -> LogEntry:
        proof = entry.inclusion_proof
        assert proof is not None
        opened = note.parse_note(proof.checkpoint)
        other = note.NoteSignature("witness.example.com", b"\1\2\3\4", bytes(72))
        checkpoint = note.format_note(opened.text, [*opened.signatures, other])
        return replace(entry, inclusion_proof=replace(proof, checkpoint=checkpoint))

    return forge(world, entry=add)


def _more_certificates(world: World) -> Forged:
    return forge(world, timestamp={"embed": [world.tsa.chain_der[0], world.other_tsa.chain_der[0]]})


CASES = (
    Case("witness-unknown", "a checkpoint that an unknown witness signed too", "", "", _witnessed),
    Case(
        "timestamp-other-certificates",
        "a timestamp token that carries somebody else's certificate too",
        "",
        "",
        _more_certificates,
    ),
    _good("v1", "Rekor v1"),
    _good("v1-timestamp", "Rekor v1 and a timestamp", timestamp={}),
    _good("v2-timestamp", "Rekor v2 and a timestamp", log="v2", timestamp={}),
    _good("v1-tag", "a tag", kind="tag"),
    _good("first-second", "logged in the first second of the certificate", time=T0),
    _good("last-second", "logged in the last second of the certificate", time=_END),
    _good("issuer-v1-only", "the older issuer extension alone", leaf={"claims": issuer_claims(ISSUER, None)}),
    _good("issuer-v2-only", "the newer issuer extension alone", leaf={"claims": issuer_claims(None, ISSUER)}),
    _good("carriage-return-signed", "a CR that was signed", payload=COMMIT.replace(b"hello\n", b"hello\r\n")),
    _good("attached-same-content", "attached content that is the object's", cms={"content": _ATTACHED}),
    Case("two-scts", "an SCT by an unknown log beside one by a known one", "", "", _two_scts),
)
