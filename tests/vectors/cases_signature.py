"""Steps 3.1 to 3.3: algorithms, signed attributes, the signature and what it is over."""

from collections.abc import Callable

from gitsign_py.core.pki import der, oids
from tests.support.forge import COMMIT, Forged, Parts, attribute, forge, signed_attributes, v001_body
from tests.support.forgedworld import T0, World, digest
from tests.vectors.case import Case

_SHA1, _SHA384 = der.sequence(der.oid(oids.SHA1)), der.sequence(der.oid(oids.SHA384))
_TYPE = attribute(oids.CONTENT_TYPE, der.oid(oids.DATA))
_OTHER_TYPE = attribute(oids.CONTENT_TYPE, der.oid(oids.TST_INFO))
_DIGEST = attribute(oids.MESSAGE_DIGEST, der.octet_string(digest(COMMIT)))


def _case(name: str, title: str, reason: str, step: str = "3.1", **changes: object) -> Case:
    return Case(name, title, step, reason, lambda world: forge(world, **changes))  # type: ignore[arg-type]


def _without(oid: str) -> Callable[[Parts], Parts]:
    return lambda parts: [part for part in parts if der.read_oid(der.parse(part).children()[0]) != oid]


def _negated(signature: bytes) -> bytes:
    """The other half of an ECDSA signature, (r, n - s): it verifies too, but it is not what was logged."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = (der.read_integer(part) for part in der.parse(signature).children())
    return der.sequence(der.integer(r), der.integer(order - s))


def _replaced(old: bytes, new: bytes) -> Callable[[Parts], Parts]:
    return lambda parts: sorted(new if part == old else part for part in parts)


def _negated_after_logging(world: World) -> Forged:
    return forge(
        world,
        signature=_negated,
        body=lambda message, made, leaf: v001_body(message, _negated(made), leaf),
    )


CASES = (
    _case(
        "attributes-changed",
        "a signed attribute was changed after signing",
        "cms-signature-invalid",
        "3.2",
        attributes_bytes=lambda content: content.replace(b"250601120000Z", b"250601120001Z"),
    ),
    _case(
        "attributes-reordered",
        "signed attributes in another order than DER's, signed so",
        "cms-attributes-order",
        attributes=lambda parts: parts[::-1],
    ),
    _case(
        "attributes-reordered-after",
        "signed attributes reordered after signing",
        "cms-attributes-order",
        attributes_bytes=lambda _: b"".join(signed_attributes(COMMIT)[::-1]),
    ),
    _case(
        "unsigned-attributes-reordered",
        "unsigned attributes in another order than DER's",
        "cms-attributes-order",
        timestamp={},
        unsigned=lambda parts: parts[::-1],
    ),
    _case(
        "attribute-added",
        "an attribute was added after signing",
        "cms-signature-invalid",
        "3.2",
        attributes_bytes=lambda content: attribute("2.5.4.3", der.null()) + content,
    ),
    _case("attributes-missing", "no signed attributes", "cms-attributes-missing", attributes=lambda _: []),
    _case(
        "message-digest-missing",
        "no messageDigest",
        "cms-attributes-missing",
        "3.3",
        attributes=_without(oids.MESSAGE_DIGEST),
    ),
    _case("content-type-missing", "no contentType", "cms-attributes-missing", attributes=_without(oids.CONTENT_TYPE)),
    _case(
        "signing-time-malformed",
        "a signingTime that is no time",
        "der-unexpected-tag",
        attributes=_replaced(attribute(oids.SIGNING_TIME, der.utc_time(T0)), attribute(oids.SIGNING_TIME, der.null())),
    ),
    _case(
        "signing-time-not-utc",
        "a signingTime with a time zone (BER)",
        "der-time",
        attributes=_replaced(
            attribute(oids.SIGNING_TIME, der.utc_time(T0)),
            attribute(oids.SIGNING_TIME, der.encode(der.UTC_TIME, b"250601120000+0000")),
        ),
    ),
    _case(
        "content-type-wrong",
        "contentType of another type",
        "cms-content-type-wrong",
        attributes=_replaced(_TYPE, _OTHER_TYPE),
    ),
    _case(
        "message-digest-twice",
        "messageDigest twice, the right one last",
        "cms-attribute-repeated",
        "1.1",
        attributes=lambda parts: sorted([*parts, attribute(oids.MESSAGE_DIGEST, der.octet_string(digest(b"other")))]),
    ),
    _case(
        "message-digest-two-values",
        "messageDigest with two values",
        "cms-attribute-values",
        "3.3",
        attributes=_replaced(
            _DIGEST,
            attribute(oids.MESSAGE_DIGEST, *sorted([der.octet_string(digest(b"x")), der.octet_string(digest(COMMIT))])),
        ),
    ),
    _case(
        "message-digest-no-value",
        "messageDigest without a value",
        "cms-attribute-values",
        "3.3",
        attributes=_replaced(_DIGEST, attribute(oids.MESSAGE_DIGEST)),
    ),
    _case(
        "message-digest-long",
        "messageDigest with bytes after the digest",
        "content-digest-mismatch",
        "3.3",
        attributes=_replaced(_DIGEST, attribute(oids.MESSAGE_DIGEST, der.octet_string(digest(COMMIT) + b"\0"))),
    ),
    _case(
        "digest-weak",
        "SHA-1",
        "cms-digest-weak",
        signer={"digest_algorithm": _SHA1},
        cms={"digests": [_SHA1]},
    ),
    _case(
        "digest-not-listed",
        "a digest that the signature does not list",
        "cms-digest-disagrees",
        cms={"digests": [_SHA384]},
    ),
    _case(
        "digest-listed-twice",
        "two digests are listed",
        "cms-digest-disagrees",
        cms={"digests": [der.sequence(der.oid(oids.SHA256)), _SHA384]},
    ),
    _case(
        "digest-other-than-signed",
        "SHA-384 is named, SHA-256 was used",
        "cms-signature-algorithm",
        signer={"digest_algorithm": _SHA384},
        cms={"digests": [_SHA384]},
    ),
    _case(
        "signature-algorithm-rsa",
        "the signature algorithm is not the key's",
        "cms-signature-algorithm",
        "3.2",
        signer={"signature_algorithm": der.sequence(der.oid(oids.RSA_SHA256), der.null())},
    ),
    _case(
        "algorithm-parameters",
        "parameters that no algorithm here has",
        "der-trailing",
        "1.1",
        signer={"digest_algorithm": der.sequence(der.oid(oids.SHA256), der.integer(1))},
    ),
    _case("signature-by-other-key", "signed by another key", "cms-signature-invalid", "3.2", signing_key=21),
    _case(
        "signature-raw",
        "an ECDSA signature without its DER",
        "cms-signature-invalid",
        "3.2",
        signature=lambda made: b"".join(part.content[-32:].rjust(32, b"\0") for part in der.parse(made).children()),
    ),
    _case("signature-empty", "an empty signature", "cms-signature-invalid", "3.2", signature=lambda _: b"\0"),
    _case(
        "signature-zero",
        "r and s are zero (CVE-2022-21449's kind)",
        "cms-signature-invalid",
        "3.2",
        signature=lambda _: der.sequence(der.integer(0), der.integer(0)),
    ),
    _case(
        "signature-trailing",
        "bytes after the ECDSA signature",
        "cms-signature-invalid",
        "3.2",
        signature=lambda made: made + b"\0",
    ),
    Case(
        "signature-negated",
        "the other half of the ECDSA signature: valid, but not what was logged",
        "4.3",
        "set-invalid",
        _negated_after_logging,
    ),
)
