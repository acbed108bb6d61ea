"""Steps 5.1 to 6.1: timestamps, validity at the proven times, and the identity."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gitsign_py.core.pki import oids
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.trust.root import CertificateAuthority, TrustedRoot, Validity
from tests.support import tsafactory
from tests.support.forge import COMMIT, Forged, forge
from tests.support.forgedworld import EMAIL, ISSUER, T0, WINDOW, World, edwards, issuer_claims, make_ca, name, spki
from tests.vectors.case import WHO, Case

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_END = T0 + timedelta(minutes=10)


def _stamp(name: str, title: str, reason: str, **changes: Any) -> Case:
    return Case(name, title, "5.1", reason, lambda world: forge(world, timestamp=changes))


def _over(name: str, title: str, message: bytes) -> Case:
    return Case(
        name,
        title,
        "5.1",
        "timestamp-imprint-mismatch",
        lambda world: forge(world, timestamp=lambda _: world.token(message)),
    )


def _by(name: str, title: str, reason: str, **changes: Any) -> Case:
    """A token by an authority with something wrong, which the trust root holds."""

    def make(world: World) -> Forged:
        tsa = world.make_tsa(14, **changes)

        def root(trusted: TrustedRoot) -> TrustedRoot:
            chain = tuple(parse_certificate(one) for one in tsa.chain_der)
            return replace(trusted, timestamp_authorities=(CertificateAuthority("t", "t", "https://t", chain, WINDOW),))

        return forge(world, timestamp={"tsa": tsa}, root=root)

    return Case(name, title, "5.1", reason, make)


def _twin_certificate(world: World) -> Forged:
    """A second certificate for the authority's key, which only some readers look at (CVE-2026-39984's kind)."""
    twin = make_ca(13, "tsa root")
    bait = twin.certify(name("bait"), spki(edwards(11)), [], serial=1, not_before=T0 - _DAY, not_after=T0 + _DAY)
    return forge(world, timestamp={"embed": [bait.raw, world.tsa.chain_der[0]]})


def _bait_first(world: World) -> Forged:
    """The signer is not for time stamping; a certificate that is, somebody else's, stands first (CVE-2026-39984)."""
    signer = world.make_tsa(15, purpose=(oids.CODE_SIGNING,))

    def root(trusted: TrustedRoot) -> TrustedRoot:
        chain = (world.tsa_root.certificate,)
        return replace(trusted, timestamp_authorities=(CertificateAuthority("t", "t", "https://t", chain, WINDOW),))

    bait = world.other_tsa.chain_der[0]
    return forge(world, timestamp={"tsa": signer, "embed": [bait, signer.chain_der[0]]}, root=root)


def _other_certificate(world: World) -> Forged:
    """The same key, another certificate named by signingCertificateV2."""
    ess = [("signing_certificate_v2", tsafactory.ess_v2(world.other_tsa.chain_der[0]))]
    return forge(world, timestamp={"signer": {"ess": ess}})


def _tsa_window(trusted: TrustedRoot) -> TrustedRoot:
    old = trusted.timestamp_authorities[0]
    return replace(trusted, timestamp_authorities=(replace(old, valid_for=Validity(WINDOW.start, T0 - _DAY)),))


def _ca_window(start: datetime, end: datetime | None) -> Any:
    def change(trusted: TrustedRoot) -> TrustedRoot:
        old = trusted.certificate_authorities[0]
        return replace(trusted, certificate_authorities=(replace(old, valid_for=Validity(start, end)),))

    return change


def _expired_intermediate(world: World) -> Forged:
    issuer = make_ca(37, "short", world.root, path_length=0, not_after=T0 + _SECOND)
    root = lambda trusted: replace(trusted, certificate_authorities=(world.authority(issuer, world.root),))  # noqa: E731
    return forge(world, leaf={"issuer": issuer}, root=root)


def _time(name: str, title: str, step: str, reason: str, **changes: Any) -> Case:
    return Case(name, title, step, reason, lambda world: forge(world, **changes))


def _who(name: str, title: str, reason: str, expected: dict[str, str], **leaf: Any) -> Case:
    return Case(name, title, "6.1", reason, lambda world: forge(world, leaf=leaf), expected={**expected})


_REGEXP = {"identity_regexp": r"alice@example\.com", "issuer": ISSUER}

CASES = (
    Case(
        "timestamp-authority-untrusted",
        "a token by an authority that is not trusted",
        "5.1",
        "timestamp-authority-untrusted",
        lambda w: forge(w, timestamp={"tsa": w.other_tsa}),
    ),
    Case(
        "timestamp-none-trusted",
        "a token, and a trust root without authorities",
        "5.1",
        "timestamp-authority-untrusted",
        lambda w: forge(w, timestamp={}, root=lambda r: replace(r, timestamp_authorities=())),
    ),
    _over("timestamp-over-payload", "a token over the commit instead of the signature", COMMIT),
    _over("timestamp-over-other", "a token over another signature", b"other"),
    _stamp("timestamp-weak-hash", "a token over SHA-1", "timestamp-hash-not-allowed", hash_name="sha1"),
    _stamp("timestamp-version", "a token of version 2", "timestamp-version", version=2),
    _stamp(
        "timestamp-critical-extension",
        "an unknown critical extension",
        "timestamp-extension-critical-unknown",
        extensions=[("1.3.6.1.4.1.99999.1", True)],
    ),
    _stamp(
        "timestamp-digest-wrong",
        "messageDigest of another statement",
        "timestamp-signature-invalid",
        signer={"message_digest": bytes(32)},
    ),
    _stamp("timestamp-no-certificate-id", "no ESSCertID", "timestamp-ess-certid-mismatch", signer={"ess": []}),
    Case(
        "timestamp-other-certificate-id",
        "an ESSCertID of another certificate",
        "5.1",
        "timestamp-ess-certid-mismatch",
        _other_certificate,
    ),
    Case(
        "timestamp-twin-certificate",
        "a second certificate for the authority's key",
        "5.1",
        "timestamp-signer-ambiguous",
        _twin_certificate,
    ),
    Case(
        "timestamp-bait-certificate",
        "the signer is not for time stamping, a certificate beside it is (CVE-2026-39984)",
        "5.1",
        "timestamp-eku-wrong",
        _bait_first,
    ),
    Case(
        "timestamp-outside-window",
        "outside the authority's window",
        "5.1",
        "timestamp-outside-authority-window",
        lambda w: forge(w, timestamp={}, root=_tsa_window),
    ),
    _by(
        "timestamp-no-purpose",
        "an authority that is not for time stamping",
        "timestamp-eku-wrong",
        purpose=(oids.CODE_SIGNING,),
    ),
    _by(
        "timestamp-extra-purpose",
        "an authority for time stamping and more",
        "timestamp-eku-wrong",
        purpose=(oids.TIME_STAMPING, oids.CODE_SIGNING),
    ),
    _by("timestamp-purpose-not-critical", "the purpose is not critical", "timestamp-eku-wrong", critical=False),
    _by(
        "timestamp-key-usage",
        "an authority whose key is for key agreement",
        "timestamp-key-usage-wrong",
        bits=b"\x03\x08",
    ),
    _by(
        "timestamp-certificate-expired",
        "the authority's certificate had expired",
        "timestamp-certificate-not-valid-at-time",
        not_after=T0,
    ),
    Case(
        "timestamp-garbage",
        "no token at all",
        "5.1",
        "timestamp-malformed",
        lambda w: forge(w, timestamp=lambda _: b"\x05\x00"),
    ),
    Case(
        "timestamp-bare-statement",
        "a CMS signature that is no token",
        "5.1",
        "timestamp-content-type-wrong",
        lambda w: forge(w, timestamp={"content_type": "data"}),
    ),
    _time("time-unproven", "Rekor v2 without a timestamp", "5.2", "time-unproven", log="v2"),
    _time(
        "expired-at-log-time", "logged after the certificate's end", "5.3", "certificate-expired", time=_END + _SECOND
    ),
    _time(
        "not-yet-valid-at-log-time",
        "logged before the certificate's start",
        "5.3",
        "certificate-not-yet-valid",
        time=T0 - _SECOND,
    ),
    _time(
        "expired-at-timestamp",
        "log time inside, timestamp after the end",
        "5.3",
        "certificate-expired",
        timestamp={"time": _END + _SECOND},
    ),
    _time(
        "not-yet-valid-at-timestamp",
        "log time inside, timestamp before the start",
        "5.3",
        "certificate-not-yet-valid",
        timestamp={"time": T0 - timedelta(seconds=2)},
    ),
    _time(
        "expired-at-log-time-only",
        "timestamp inside, log time after the end",
        "5.3",
        "certificate-expired",
        timestamp={},
        time=_END + _SECOND,
    ),
    _time(
        "expired-v2",
        "Rekor v2, timestamp after the end",
        "5.3",
        "certificate-expired",
        log="v2",
        timestamp={"time": _END + _SECOND},
    ),
    _time(
        "ca-window-over",
        "after the CA's window in the trust root",
        "5.3",
        "ca-outside-window",
        root=_ca_window(T0 - _DAY, T0),
    ),
    _time(
        "ca-window-to-come",
        "before the CA's window in the trust root",
        "5.3",
        "ca-outside-window",
        root=_ca_window(T0 + _DAY, None),
    ),
    Case(
        "intermediate-expired",
        "the intermediate had expired, the leaf had not (CVE-2026-24122)",
        "5.3",
        "certificate-expired",
        _expired_intermediate,
    ),
    _who("identity-other", "another identity", "identity-mismatch", {**WHO, "identity": "bob@example.com"}),
    _who(
        "identity-part",
        "the expected address is the end of the certificate's",
        "identity-mismatch",
        WHO,
        names=((0x81, b"malice.alice@example.com"),),
    ),
    _who(
        "identity-prefix",
        "the expected address is the start of the certificate's",
        "identity-mismatch",
        WHO,
        names=((0x81, EMAIL.encode() + b".evil.org"),),
    ),
    _who("identity-case", "capital letters", "identity-mismatch", WHO, names=((0x81, b"Alice@example.com"),)),
    _who(
        "identity-domain-case",
        "capital letters in the domain",
        "identity-mismatch",
        WHO,
        names=((0x81, b"alice@Example.com"),),
    ),
    _who(
        "identity-look-alike",
        "a digit one for the letter l",
        "identity-mismatch",
        WHO,
        names=((0x81, b"a1ice@example.com"),),
    ),
    _who(
        "identity-space", "a space after the address", "identity-mismatch", WHO, names=((0x81, b"alice@example.com "),)
    ),
    _who("identity-uri", "the same spelling as a URI", "identity-type-mismatch", WHO, names=((0x86, EMAIL.encode()),)),
    _who(
        "identity-email-for-uri",
        "a URI's spelling as an e-mail address",
        "identity-type-mismatch",
        {"identity": "https://example.com/alice", "issuer": ISSUER},
        names=((0x81, b"https://example.com/alice"),),
    ),
    _who(
        "identity-regexp-middle",
        "a pattern that matches in the middle",
        "identity-mismatch",
        _REGEXP,
        names=((0x81, b"x.alice@example.com.evil.org"),),
    ),
    _who(
        "identity-regexp-alternative",
        "a pattern of which one alternative matches the start",
        "identity-mismatch",
        {"identity_regexp": r"alice@example\.com|bob", "issuer": ISSUER},
        names=((0x81, b"alice@example.community"),),
    ),
    _who(
        "identity-regexp-anchored",
        "an anchored pattern, another address",
        "identity-mismatch",
        {"identity_regexp": r"^alice@example\.com$", "issuer": ISSUER},
        names=((0x81, b"alice@example.com.evil.org"),),
    ),
    _who("issuer-other", "another issuer", "issuer-mismatch", {**WHO, "issuer": "https://other.example.com"}),
    _who(
        "issuer-slash",
        "a slash at the issuer's end",
        "issuer-mismatch",
        WHO,
        claims=issuer_claims(ISSUER + "/", ISSUER + "/"),
    ),
    _who(
        "issuer-http",
        "http for https",
        "issuer-mismatch",
        WHO,
        claims=issuer_claims("http://issuer.example.com", "http://issuer.example.com"),
    ),
    _who(
        "issuer-regexp-middle",
        "an issuer pattern that matches in the middle",
        "issuer-mismatch",
        {"identity": EMAIL, "issuer_regexp": r"https://issuer\.example\.com"},
        claims=issuer_claims(ISSUER + ".evil.org", ISSUER + ".evil.org"),
    ),
    _who(
        "issuer-look-alike",
        "a Cyrillic letter in the issuer",
        "issuer-mismatch",
        WHO,
        claims=issuer_claims("https://issuer.ex\u0430mple.com", "https://issuer.ex\u0430mple.com"),
    ),
)
