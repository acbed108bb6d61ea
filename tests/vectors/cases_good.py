"""What must be accepted: the same forge with nothing wrong, and what lies just inside each bound."""

from datetime import timedelta

from gitsign_py.core import der, oids
from tests.support.forge import COMMIT, forge
from tests.support.forgedworld import ISSUER, T0, World, issuer_claims
from tests.vectors.case import Case

_END = T0 + timedelta(minutes=10)
_ATTACHED = der.sequence(der.oid(oids.DATA), der.context(0, der.octet_string(COMMIT)))


def _good(name: str, title: str, **changes: object) -> Case:
    return Case(name, title, "", "", lambda world: forge(world, **changes), status=0)  # type: ignore[arg-type]


def _two_scts(world: World):  # type: ignore[no-untyped-def]
    both = lambda w, leaf, issuer: [w.other_ct.sct(leaf, issuer), w.ct.sct(leaf, issuer)]  # noqa: E731
    return forge(world, leaf={"scts": both})


CASES = (
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
    Case("two-scts", "an SCT by an unknown log beside one by a known one", "", "", _two_scts, status=0),
)
