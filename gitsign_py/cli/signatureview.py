"""The statements of a signed object about itself, as values for JSON: an in-toto statement as the Go client prints it,
and more.

Nothing here is verified. ``problem`` says what cannot be parsed; it never hides what can.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from gitsign_py.core.encoding import b64_encode, format_rfc3339, pem_encode
from gitsign_py.core.git.gitobject import SignedObject, signature_format
from gitsign_py.core.git.gittext import decoded, split_person
from gitsign_py.core.pki import cms
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.fulcio import certificate_identity
from gitsign_py.core.pki.timestampbuild import parse_tst_info
from gitsign_py.core.tlog.rekorjson import entry_to_protojson
from gitsign_py.errors import GitsignError
from gitsign_py.verification.signature import Opened, open_signature
from gitsign_py.verification.smime import SmimeSignature, read_smime

STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1"
PREDICATE_TYPE = "https://gitsign.sigstore.dev/predicate/git/v0.1"
Values = dict[str, Any]


def statement(signed: SignedObject, oid: str, remote: str) -> Values:
    """Describe an object: ``remote`` is the URL that names the repository, empty for none."""
    name = "sha1" if signed.kind == "commit" and len(oid) == 40 else f"git{signed.kind.capitalize()}"
    return {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPE,
        "subject": [{"name": remote, "digest": {name: oid}}],
        "predicate": predicate(signed),
    }


def predicate(signed: SignedObject) -> Values:
    """``source`` and ``signature`` as the Go client has them; ``certificate``, ``log_entry`` and the rest are ours.

    ``smime`` has the names of an S/MIME signature, as gpgsm makes them.
    """
    value: Values = {"source": _source(signed), "signature": (signed.signature or b"").decode("ascii", "replace")}
    if signed.signature is None:
        return value
    form = signature_format(signed.signature)
    if form != "x509":
        return value | {"problem": f"signed in another format ({form}), which this program does not read"}
    if (smime := read_smime(signed.signature, None)) is not None:
        return value | {"smime": _smime(smime)}
    try:
        opened = open_signature(signed.signature)
    except GitsignError as error:
        return value | {"problem": f"{error.message} [{error.reason}]"}
    return value | _signer_info(opened) | _contents(opened)


def _source(signed: SignedObject) -> Values:
    encoding = signed.encoding  # of the people's names as well (git's pretty.c)
    message = decoded(signed.message, encoding)
    if signed.kind == "tag":
        target = {"object": signed.target, "type": signed.target_kind, "tag": signed.name.decode("utf-8", "replace")}
        return target | {"tagger": _person(signed.tagger, encoding), "message": message}
    people = {"author": _person(signed.author, encoding), "committer": _person(signed.committer, encoding)}
    return {"tree": signed.tree, "parents": list(signed.parents), **people, "message": message}


def _person(line: bytes, encoding: str) -> Values:
    person = split_person(line)
    texts = {"name": decoded(person.name, encoding), "email": decoded(person.email, encoding)}
    return texts | {"date": _date(person.time, person.zone.decode("ascii", "replace"))}


def _date(seconds: int | None, zone: str) -> str:
    """RFC 3339 with the person's zone; a zone that no calendar knows counts as UTC, an unreadable time as none."""
    try:
        digits = int(zone[1:])
        offset = timedelta(hours=digits // 100, minutes=digits % 100)
        where = timezone(-offset if zone.startswith("-") else offset)
    except ValueError:
        where = UTC
    try:
        return "" if seconds is None else datetime.fromtimestamp(seconds, where).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""


def _signer_info(opened: Opened) -> Values:
    certificate = pem_encode(opened.certificate.raw, "CERTIFICATE").decode("ascii")
    return {"signer_info": [{"attributes": b64_encode(opened.signer.signed_bytes), "certificate": certificate}]}


def _smime(signature: SmimeSignature) -> Values:
    """The certificate of a company's CA: the numbered steps do not read it, gpgsm does."""
    return {"subject": signature.subject, "issuer": signature.issuer, "fingerprint": signature.fingerprint}


def _contents(opened: Opened) -> Values:
    entry = opened.entry
    return {
        "certificate": _certificate(opened.certificate),
        "signing_time": _tried(lambda: _time(cms.signing_time(opened.signer))),
        "digest_algorithm": opened.signer.digest_algorithm,
        "log_entry": None if entry is None else _tried(lambda: entry_to_protojson(entry)),
        "timestamp": None if opened.timestamp is None else _timestamp(opened.timestamp),
    }


def _certificate(certificate: Certificate) -> Values:
    value: Values = {
        "fingerprint": certificate.fingerprint,
        "serial": f"{certificate.serial:x}",
        "not_before": format_rfc3339(certificate.not_before),
        "not_after": format_rfc3339(certificate.not_after),
    }
    try:
        identity = certificate_identity(certificate)
    except GitsignError as error:
        return value | {"problem": f"{error.message} [{error.reason}]"}
    names = {"identity": identity.value, "san_type": identity.san_type, "issuer": identity.issuer}
    return value | names | {"claims": dict(identity.claims)}


def _timestamp(token: bytes) -> Values:
    def read() -> str:
        return format_rfc3339(parse_tst_info(cms.parse_signed_data(token).content or b"").time.replace(microsecond=0))

    return {"time": _tried(read), "token": b64_encode(token)}


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_rfc3339(time)


def _tried(read: Callable[[], Any]) -> Any:
    """A part that cannot be read says so in its own place."""
    try:
        return read()
    except GitsignError as error:
        return {"problem": f"{error.message} [{error.reason}]"}
