"""Steps 2.1 to 2.4: the certificate's path, profile, SCT and names."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from gitsign_py.core.pki import der, oids
from gitsign_py.core.trust.root import TrustedRoot
from tests.support.forge import Forged, forge
from tests.support.forgedworld import (
    DIGITAL_SIGNATURE,
    EMAIL,
    ISSUER,
    KEY_CERT_SIGN,
    T0,
    WINDOW,
    Authority,
    World,
    constraints,
    extension,
    issuer_claims,
    make_ca,
    sign,
    usage,
)
from tests.vectors.case import Case

_UNKNOWN = "1.3.6.1.4.1.99999.1"
_NAMES = der.sequence(der.context(0, der.sequence(der.encode(0x81, b"example.org"))))  # permitted: example.org
_MAIL = EMAIL.encode()


def _leaf(name: str, title: str, step: str, reason: str, **changes: Any) -> Case:
    return Case(name, title, step, reason, lambda world: forge(world, leaf=changes))


def _chain(name: str, title: str, reason: str, **changes: Any) -> Case:
    """A leaf by an intermediate with something wrong, which the trust root holds."""

    def make(world: World) -> Forged:
        issuer = make_ca(30, "odd", world.root, **changes)
        return _under(world, issuer, world.root)

    return Case(name, title, "2.1", reason, make)


def _under(world: World, *chain: Authority, extra: tuple[Authority, ...] = ()) -> Forged:
    """A leaf by the first of ``chain``; the trust root holds the chain, the signature ``extra``."""

    def root(trusted: TrustedRoot) -> TrustedRoot:
        return replace(trusted, certificate_authorities=(world.authority(*chain),))

    issuer = extra[0] if extra else chain[0]
    return forge(
        world,
        leaf={"issuer": issuer},
        root=root,
        certificates=lambda parts: [*parts, *(one.certificate.raw for one in extra)],
    )


def _too_long(world: World) -> Forged:
    inner = make_ca(31, "inner", world.intermediate)
    return _under(world, world.intermediate, world.root, extra=(inner,))


def _leaf_as_issuer(world: World) -> Forged:
    """Somebody's own leaf signs a leaf for Alice."""
    own = world.leaf(number=31, serial=77, subject="mallory", names=((0x81, b"mallory@example.com"),))
    mallory = Authority(make_ca(31, "x").key, own, own.subject)
    return _under(world, world.intermediate, world.root, extra=(mallory,))


def _self_made_chain(world: World) -> Forged:
    root = make_ca(33, "mallory root")
    inner = make_ca(34, "mallory", root)
    return forge(
        world,
        leaf={"issuer": inner},
        certificates=lambda parts: [*parts, inner.certificate.raw, root.certificate.raw],
    )


def _other_intermediate(world: World) -> Forged:
    """An intermediate of the same name with a key of its own, self-issued, sent along."""
    twin = make_ca(35, "intermediate")
    return forge(world, leaf={"issuer": twin}, certificates=lambda parts: [*parts, twin.certificate.raw])


def _forged_signature(world: World) -> Forged:
    """The CA's name, another key."""
    fake = Authority(make_ca(36, "intermediate").key, world.intermediate.certificate, world.intermediate.subject)
    return forge(world, leaf={"issuer": fake})


def _extension_twice(certificate: bytes) -> bytes:
    tbs, *rest = der.parse(certificate).children()
    *fields, wrapped = tbs.children()
    extensions = der.parse(wrapped.content).content + usage(DIGITAL_SIGNATURE)
    again = der.context(3, der.encode(der.SEQUENCE, extensions))
    return der.sequence(der.sequence(*(one.raw for one in fields), again), *(one.raw for one in rest))


def _refilled(name: str, title: str, reason: str, number: int, field: bytes) -> Case:
    """A leaf that its CA signed with another field ``number`` of the TBSCertificate (RFC 5280 §4.1)."""

    def other(world: World, certificate: bytes) -> bytes:
        tbs, algorithm, _ = der.parse(certificate).children()
        fields = [one.raw for one in tbs.children()]
        fields[number] = field
        made = der.sequence(*fields)
        return der.sequence(made, algorithm.raw, der.bit_string(sign(world.intermediate.key, made)))

    def make(world: World) -> Forged:
        return forge(world, certificates=lambda parts: [other(world, parts[0])])

    return Case(name, title, "1.1", reason, make)


def _times(not_before: bytes) -> bytes:
    return der.sequence(der.encode(der.GENERALIZED_TIME, not_before), der.utc_time(T0 + timedelta(minutes=10)))


def _no_authorities(trusted: TrustedRoot) -> TrustedRoot:
    return replace(trusted, certificate_authorities=())


CASES = (
    Case("ca-other", "a certificate by another CA of the same name", "2.1", "certificate-untrusted", _self_made_chain),
    Case(
        "ca-twin",
        "an intermediate of the same name, sent along",
        "2.1",
        "certificate-signature-invalid",
        _other_intermediate,
    ),
    Case(
        "ca-signature", "the CA's name, another's signature", "2.1", "certificate-signature-invalid", _forged_signature
    ),
    Case(
        "ca-none",
        "a trust root without a CA",
        "2.1",
        "certificate-untrusted",
        lambda world: forge(world, root=_no_authorities),
    ),
    Case("path-too-long", "one CA more than pathLenConstraint allows", "2.1", "certificate-path-too-long", _too_long),
    Case("leaf-as-issuer", "a signer's own certificate as a CA", "2.1", "certificate-untrusted", _leaf_as_issuer),
    _chain("issuer-not-ca", "an issuer that is no CA", "certificate-issuer-not-ca", ca=False),
    _chain("issuer-key-usage", "an issuer without keyCertSign", "certificate-issuer-key-usage", bits=DIGITAL_SIGNATURE),
    _chain("issuer-no-key-usage", "an issuer without keyUsage", "certificate-issuer-key-usage", bits=None),
    _chain("issuer-path-length", "a negative path length", "certificate-path-length", path_length=-1),
    _chain("issuer-purpose", "a CA for time stamping", "certificate-issuer-purpose", purpose=[oids.TIME_STAMPING]),
    _chain(
        "issuer-critical-unknown",
        "an issuer with an unknown critical extension",
        "certificate-extension-critical",
        extra=[extension(_UNKNOWN, der.null(), critical=True)],
    ),
    _chain(
        "issuer-name-constraints-critical",
        "critical name constraints, which are not evaluated",
        "certificate-extension-critical",
        extra=[extension(oids.NAME_CONSTRAINTS, _NAMES, critical=True)],
    ),
    _chain(
        "issuer-name-constraints",
        "name constraints that exclude the identity, not critical",
        "certificate-name-constraints",
        extra=[extension(oids.NAME_CONSTRAINTS, _NAMES)],
    ),
    _leaf(
        "leaf-critical-unknown",
        "a leaf with an unknown critical extension",
        "2.1",
        "certificate-extension-critical",
        extra=[extension(_UNKNOWN, der.null(), critical=True)],
    ),
    Case(
        "leaf-extension-twice",
        "a leaf with an extension twice",
        "1.1",
        "certificate-extension-repeated",
        lambda world: forge(world, certificates=lambda parts: [_extension_twice(parts[0])]),
    ),
    _refilled("leaf-serial-negative", "a negative serial number", "certificate-serial", 1, der.integer(-21)),
    _refilled("leaf-serial-long", "a serial number of 21 octets", "certificate-serial", 1, der.integer(1 << 160)),
    _refilled(
        "leaf-time-fraction",
        "a validity in tenths of a second",
        "der-time",
        4,
        _times(f"{T0:%Y%m%d%H%M%S}.5Z".encode()),
    ),
    _refilled(
        "leaf-time-generalized",
        "a validity that spells a year before 2050 in the form for later ones",
        "der-time",
        4,
        _times(f"{T0:%Y%m%d%H%M%S}Z".encode()),
    ),
    _refilled("leaf-issuer-empty", "an issuer without a name", "certificate-issuer-empty", 3, der.sequence()),
    _refilled("leaf-subject-malformed", "a subject that is no name", "der-unexpected-tag", 5, der.sequence(der.null())),
    _refilled(
        "leaf-extension-malformed",
        "an extension whose value is cut off",
        "der-truncated",
        7,
        der.context(3, der.sequence(extension("1.3.6.1.5.5.7.1.1", b"\x30\x05a"))),
    ),
    _leaf("leaf-serial-zero", "the serial number zero", "2.2", "certificate-serial", serial=0),
    _leaf(
        "leaf-path-length",
        "a path length without being a CA",
        "2.2",
        "certificate-path-length",
        extra=[constraints(ca=False, path_length=1)],
    ),
    _leaf(
        "leaf-default-spelled",
        "a default value that is spelled out",
        "2.2",
        "der-default",
        extra=[extension(oids.BASIC_CONSTRAINTS, der.sequence(der.boolean(False)), critical=True)],
    ),
    _leaf("leaf-is-ca", "a CA as a leaf", "2.2", "certificate-is-ca", extra=[constraints(ca=True)]),
    _leaf("leaf-key-cert-sign", "a leaf that may sign certificates", "2.2", "certificate-is-ca", bits=KEY_CERT_SIGN),
    _leaf("leaf-no-key-usage", "a leaf without keyUsage", "2.2", "certificate-key-usage", bits=None),
    _leaf("leaf-key-agreement", "a leaf for key agreement", "2.2", "certificate-key-usage", bits=b"\x03\x08"),
    _leaf("leaf-no-purpose", "a leaf without extended key usage", "2.2", "certificate-not-code-signing", purpose=()),
    _leaf(
        "leaf-server",
        "a TLS server's certificate",
        "2.2",
        "certificate-not-code-signing",
        purpose=("1.3.6.1.5.5.7.3.1",),
    ),
    _leaf(
        "leaf-any-purpose",
        "a leaf for any purpose",
        "2.2",
        "certificate-not-code-signing",
        purpose=(oids.ANY_EXTENDED_KEY_USAGE,),
    ),
    _leaf("sct-missing", "no SCT", "2.3", "sct-missing", scts=None),
    _leaf(
        "sct-log-unknown",
        "an SCT by a log that is not trusted",
        "2.3",
        "sct-log-unknown",
        scts=lambda world, leaf, issuer: [world.other_ct.sct(leaf, issuer)],
    ),
    _leaf(
        "sct-other-certificate",
        "an SCT over another certificate",
        "2.3",
        "sct-signature-invalid",
        scts=lambda world, leaf, issuer: [world.ct.sct(world.leaf(serial=5, scts=None), issuer)],
    ),
    _leaf(
        "sct-other-issuer",
        "an SCT over this certificate by another issuer",
        "2.3",
        "sct-signature-invalid",
        scts=lambda world, leaf, issuer: [world.ct.sct(leaf, world.root.certificate)],
    ),
    _leaf(
        "sct-outside-window",
        "an SCT from after the log's window",
        "2.3",
        "sct-outside-log-window",
        scts=lambda world, leaf, issuer: [world.ct.sct(leaf, issuer, WINDOW.end.replace(year=2027))],  # type: ignore[union-attr]
    ),
    _leaf(
        "sct-one-wrong",
        "a good SCT beside a wrong one by the same log",
        "2.3",
        "sct-signature-invalid",
        scts=lambda world, leaf, issuer: [
            world.ct.sct(leaf, issuer),
            world.ct.sct(world.leaf(serial=5, scts=None), issuer),
        ],
    ),
    _leaf(
        "sct-version",
        "an SCT of version 2",
        "2.3",
        "sct-version-unsupported",
        scts=lambda world, leaf, issuer: [replace(one := world.ct.sct(leaf, issuer), raw=b"\x01" + one.raw[1:])],
    ),
    _leaf(
        "sct-trailing",
        "bytes after the SCT",
        "2.3",
        "sct-malformed",
        scts=lambda world, leaf, issuer: [replace(one := world.ct.sct(leaf, issuer), raw=one.raw + b"\0")],
    ),
    _leaf("san-missing", "no subject alternative name", "2.4", "certificate-san-missing", names=()),
    _leaf(
        "san-several",
        "two names, one of them expected",
        "2.4",
        "certificate-san-several",
        names=((0x81, _MAIL), (0x81, b"mallory@example.com")),
    ),
    _leaf("san-dns", "a host name", "2.4", "certificate-san-unsupported", names=((0x82, _MAIL),)),
    _leaf(
        "san-nul", "a NUL inside the address", "2.4", "certificate-san-unsupported", names=((0x81, _MAIL + b"\0.org"),)
    ),
    _leaf(
        "san-newline",
        "a newline after the address",
        "2.4",
        "certificate-san-unsupported",
        names=((0x81, _MAIL + b"\n"),),
    ),
    _leaf(
        "san-not-ascii",
        "a Cyrillic letter that looks like a Latin one",
        "2.4",
        "certificate-san-invalid",
        names=((0x81, "\u0430lice@example.com".encode()),),
    ),
    _leaf(
        "san-uri-space",
        "a URI with a space",
        "2.4",
        "certificate-san-invalid",
        names=((0x86, b"https://example.com/alice smith"),),
    ),
    _leaf(
        "san-uri-host",
        "a URI whose host has an empty label",
        "2.4",
        "certificate-san-invalid",
        names=((0x86, b"https://example..com/alice"),),
    ),
    _leaf("san-empty", "an empty name", "2.4", "certificate-san-unsupported", names=((0x81, b""),)),
    _leaf("issuer-missing", "no issuer", "2.4", "certificate-issuer-missing", claims=[]),
    _leaf(
        "issuer-disagrees-first",
        "the older issuer extension is the expected one, the newer is not",
        "2.4",
        "certificate-issuer-disagrees",
        claims=issuer_claims(ISSUER, "https://evil.example"),
    ),
    _leaf(
        "issuer-disagrees-second",
        "the newer issuer extension is the expected one, the older is not",
        "2.4",
        "certificate-issuer-disagrees",
        claims=issuer_claims("https://evil.example", ISSUER),
    ),
    _leaf(
        "issuer-unprintable",
        "an issuer with a newline",
        "2.4",
        "certificate-issuer-missing",
        claims=issuer_claims(ISSUER + "\n", None),
    ),
    _leaf(
        "issuer-raw-in-second",
        "the newer issuer extension without DER around it",
        "2.4",
        "der-unexpected-tag",
        claims=[extension(oids.FULCIO_ISSUER_V2, ISSUER.encode())],
    ),
    _leaf(
        "claim-trailing",
        "bytes after a claim",
        "2.4",
        "der-trailing",
        claims=[*issuer_claims(), extension(f"{oids.SIGSTORE}.1.9", der.utf8_string("x") + b"\0")],
    ),
)
