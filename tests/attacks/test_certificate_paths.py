"""CAs with one name and one key, or that issue each other, made the path search try every order of them.

Eight kilobytes of commit kept a verifier for days, without any trusted key. The same search took the first path that it
met and asked for its times afterwards: with an intermediate that was certified again a good signature was refused, and
whoever signs could choose by what he sent along.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gitsign_py.core.pki import certpath, der, oids
from gitsign_py.core.pki.certificate import Certificate, key_identifiers, parse_certificate
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.trust.root import CertificateAuthority, TrustedRoot
from gitsign_py.core.trust.validity import Validity
from gitsign_py.errors import GitsignError, VerificationError
from gitsign_py.verification import verify_signature
from gitsign_py.verification.bundle import artifact_of, verify_bundle
from tests.support import tsafactory
from tests.support.bundles import ARTIFACT, AT, BundleMaker, Identity, as_version, b64
from tests.support.forge import forge
from tests.support.forgedworld import (
    CA_USAGE,
    LOGGED,
    WINDOW,
    Authority,
    World,
    certify,
    constraints,
    extension,
    key,
    make_ca,
    name,
    usage,
)
from tests.support.pathworld import HOSTILE, NEW, OLD, ca, claimants, pair, subject_id
from tests.support.pathworld import leaf as pathleaf
from tests.support.rsakeys import rsa_key
from tests.support.timestampcheck import MESSAGE

MOST_SIGNATURES = 120
"""So many signatures may be looked at for 32 certificates: it grows with their number and not with their orders."""
MOST_STEPS = 10_000


@pytest.fixture(name="maker", scope="module")
def _maker(tmp_path_factory: pytest.TempPathFactory) -> BundleMaker:
    return BundleMaker(tmp_path_factory.mktemp("sigstore"))


@pytest.fixture(name="counted")
def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the signatures that are looked at, and ends what looks at too many."""
    verify, seen = PublicKey.verify, [0]

    def counting(key: PublicKey, *arguments: Any, **options: Any) -> None:
        seen[0] += 1
        assert seen[0] <= MOST_SIGNATURES, "the search does not end"
        verify(key, *arguments, **options)

    monkeypatch.setattr(PublicKey, "verify", counting)
    steps = [0]

    def stepping(certificate: Certificate) -> tuple[bytes | None, bytes | None]:
        steps[0] += 1
        assert steps[0] <= MOST_STEPS, "the search does not end"
        return key_identifiers(certificate)

    monkeypatch.setattr(certpath, "key_identifiers", stepping)
    return seen


@pytest.mark.parametrize("hostile", HOSTILE)
def test_certificates_of_a_commit_are_searched_once(
    hostile: Callable[[int], list[Authority]], counted: list[int]
) -> None:
    world, sent = World(), hostile(15)
    made = forge(
        world,
        leaf={"issuer": sent[0]},
        certificates=lambda parts: [*parts, *(one.certificate.raw for one in sent)],
    )
    with pytest.raises(VerificationError) as caught:
        verify_signature(made.payload, made.signature, trusted_root=made.root, now=LOGGED)
    assert caught.value.reason in ("certificate-untrusted", "certificate-signature-invalid")
    assert caught.value.step == "2.1"


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("issued", [True, False])
def test_certificates_are_searched_once_below_a_good_leaf(
    hostile: Callable[[int], list[Authority]], issued: bool, counted: list[int]
) -> None:
    """32 of them, as in a bundle, whether or not there is a path beside them."""
    world = World()
    chain = (world.intermediate.certificate, world.root.certificate)
    leaf = world.leaf(issuer=world.intermediate if issued else hostile(1)[0])
    sent = [one.certificate for one in hostile(31)]
    if issued:
        path = certpath.check_path(leaf, chain, purpose=oids.CODE_SIGNING, untrusted=sent, times=[LOGGED])
        assert path == chain
    else:
        with pytest.raises(VerificationError):
            certpath.check_path(leaf, chain, purpose=oids.CODE_SIGNING, untrusted=sent, times=[LOGGED])


@pytest.mark.parametrize("hostile", [pair, claimants])  # the others are roots, which a bundle may not hold at all
def test_certificates_of_a_bundle_are_searched_once(
    maker: BundleMaker, hostile: Callable[[int], list[Authority]], counted: list[int]
) -> None:
    bundle = as_version(maker.message(), "0.2")
    sent = hostile(31)
    chain = [World().leaf(issuer=sent[0]), *(one.certificate for one in sent)]
    bundle["verificationMaterial"]["x509CertificateChain"] = {
        "certificates": [{"rawBytes": b64(one.raw)} for one in chain]
    }
    root = replace(maker.trusted_root, certificate_authorities=World().trusted.certificate_authorities)
    counted[0] = 0
    with pytest.raises(VerificationError) as caught:
        verify_bundle(json.dumps(bundle).encode(), artifact=artifact_of(ARTIFACT), trusted_root=root, now=LOGGED)
    assert caught.value.reason in ("certificate-untrusted", "certificate-signature-invalid")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_certificates_of_a_timestamp_are_searched_once(
    hostile: Callable[[int], list[Authority]], counted: list[int]
) -> None:
    world, sent = World(), hostile(15)
    tsa = world.make_tsa(11, root=sent[0])
    token = tsafactory.make_token(
        tsa,
        MESSAGE,
        time=LOGGED,
        embed=[tsa.chain_der[0], *(one.certificate.raw for one in sent)],
    )
    trusted = CertificateAuthority("tests", "tsa", "", (world.tsa_root.certificate,), WINDOW)
    with pytest.raises(VerificationError) as caught:
        verify_timestamp(token, message=MESSAGE, authorities=(trusted,))
    assert caught.value.reason == "timestamp-authority-untrusted"


# --- an intermediate that was certified again ------------------------------------------------------------------------

ROOT = ca(50, "root")
EXPIRED = ca(51, "middle", (50, "root"), window=OLD, serial=1)
VALID = ca(51, "middle", (50, "root"), window=NEW, serial=2)
SECOND = timedelta(seconds=1)
_NAMED = {"root": ROOT, "old": EXPIRED, "new": VALID}


def _orders() -> list[Any]:
    """Every way to spread the two intermediates over trust root and signature, in every order."""
    found = []
    for listed, sent in [
        (("new",), ("old",)),
        ((), ("new", "old")),
        (("new", "old"), ()),
        (("old",), ("new",)),
        (("new", "old"), ("new", "old")),
    ]:
        for chain, extra in itertools.product(itertools.permutations(listed), itertools.permutations(sent)):
            found.append(pytest.param((*chain, "root"), extra, id="-".join([*chain, "root", *extra])))
    return found


def _raw(names: Sequence[str]) -> tuple[Certificate, ...]:
    return tuple(_NAMED[one].certificate for one in names)


@pytest.mark.parametrize(("chain", "sent"), _orders())
def test_a_renewed_intermediate_is_found_for_a_commit(chain: tuple[str, ...], sent: tuple[str, ...]) -> None:
    world = World()

    def root(trusted: TrustedRoot) -> TrustedRoot:
        authority = CertificateAuthority("tests", "ca", "", _raw(chain), WINDOW)
        return replace(trusted, certificate_authorities=(authority,))

    made = forge(
        world,
        leaf={"issuer": VALID},
        root=root,
        certificates=lambda parts: [*parts, *(one.raw for one in _raw(sent))],
    )
    verified = verify_signature(made.payload, made.signature, trusted_root=made.root, now=LOGGED)
    assert verified.identity == "alice@example.com"


@pytest.mark.parametrize(("chain", "sent"), _orders())
def test_a_renewed_intermediate_is_found_for_a_bundle(
    maker: BundleMaker, chain: tuple[str, ...], sent: tuple[str, ...]
) -> None:
    world = World()
    leaf = world.leaf(issuer=VALID, not_before=AT - SECOND, not_after=AT + SECOND)
    bundle = as_version(maker.message(Identity(key(20), leaf)), "0.2")
    bundle["verificationMaterial"]["x509CertificateChain"] = {
        "certificates": [{"rawBytes": b64(one.raw)} for one in (leaf, *_raw(sent))]
    }
    root = replace(
        maker.trusted_root,
        certificate_authorities=(CertificateAuthority("tests", "ca", "", _raw(chain), Validity()),),
        ctlogs=(world.ct.trusted(),),
    )
    verified = verify_bundle(
        json.dumps(bundle).encode(), artifact=artifact_of(ARTIFACT), trusted_root=root, now=AT + SECOND
    )
    assert verified.identity == "alice@example.com"


@pytest.mark.parametrize(("chain", "sent"), _orders())
def test_a_renewed_intermediate_is_found_for_a_timestamp(chain: tuple[str, ...], sent: tuple[str, ...]) -> None:
    tsa = World().make_tsa(11, root=VALID)
    token = tsafactory.make_token(tsa, MESSAGE, time=LOGGED, embed=[tsa.chain_der[0], *(one.raw for one in _raw(sent))])
    leaf = parse_certificate(tsa.chain_der[0])
    for listed in ((), (leaf,)):  # by its CA alone, or with the signer's own certificate
        authority = CertificateAuthority("tests", "tsa", "", (*listed, *_raw(chain)), WINDOW)
        assert verify_timestamp(token, message=MESSAGE, authorities=(authority,)).time == LOGGED


@pytest.mark.parametrize("named", ["old", "new"])
def test_a_timestamp_may_name_either_certificate_of_its_issuer(named: str) -> None:
    """Both are valid, and the token says which one its path has (RFC 5035 §3)."""
    twin = ca(51, "middle", (50, "root"), serial=3)
    other = {"old": twin, "new": VALID}[named].certificate
    tsa = World().make_tsa(11, root=VALID)
    ess = tsafactory.ess_v2(tsa.chain_der[0], others=[other.raw])
    token = tsafactory.make_token(tsa, MESSAGE, time=LOGGED, signer={"ess": [("signing_certificate_v2", ess)]})
    chain = (VALID.certificate, twin.certificate, ROOT.certificate)
    for order in (chain, (chain[1], chain[0], chain[2])):
        authority = CertificateAuthority("tests", "tsa", "", order, WINDOW)
        assert verify_timestamp(token, message=MESSAGE, authorities=(authority,)).time == LOGGED


@pytest.mark.parametrize(("chain", "sent"), [(("old", "root"), ()), (("root",), ("old",))])
def test_without_the_renewed_one_the_failure_is_its_time(chain: tuple[str, ...], sent: tuple[str, ...]) -> None:
    leaf = World().leaf(issuer=VALID)
    with pytest.raises(VerificationError) as caught:
        certpath.check_path(leaf, _raw(chain), purpose=oids.CODE_SIGNING, untrusted=_raw(sent), times=[LOGGED])
    assert caught.value.reason == "certificate-expired"


def test_a_path_is_valid_at_every_proven_time_and_not_each_at_another() -> None:
    """One intermediate for the log's time and another one for the timestamp's are no path."""
    early = ca(51, "middle", (50, "root"), window=(NEW[0], LOGGED), serial=4)
    late = ca(51, "middle", (50, "root"), window=(LOGGED + SECOND, NEW[1]), serial=5)
    leaf = World().leaf(issuer=VALID)
    chain = (early.certificate, late.certificate, ROOT.certificate)
    for times in ([LOGGED], [LOGGED + SECOND]):
        assert certpath.check_path(leaf, chain, purpose=oids.CODE_SIGNING, times=times)[1:] == (ROOT.certificate,)
    with pytest.raises(VerificationError):
        certpath.check_path(leaf, chain, purpose=oids.CODE_SIGNING, times=[LOGGED, LOGGED + SECOND])


# --- words -----------------------------------------------------------------------------------------------------------

_NAMES = der.sequence(der.context(0, der.sequence(der.encode(0x81, b"example.org"))))
_LIMITED = {
    "certificate-name-constraints": ca(55, "limited", (50, "root"), extra=[extension(oids.NAME_CONSTRAINTS, _NAMES)]),
    "certificate-extension-critical": ca(
        55, "limited", (50, "root"), extra=[extension(oids.NAME_CONSTRAINTS, _NAMES, critical=True)]
    ),
    "certificate-policy-constraints": ca(
        55,
        "limited",
        (50, "root"),
        extra=[extension(oids.POLICY_CONSTRAINTS, der.sequence(der.context(0, b"\0", constructed=False)))],
    ),
    "certificate-path-too-long": ca(55, "limited", (56, "short"), path_length=0),
}
_SHORT = ca(56, "short", (50, "root"), path_length=0)


@pytest.mark.parametrize("reason", list(_LIMITED))
@pytest.mark.parametrize("deeper", [False, True])
def test_a_limit_of_an_intermediate_that_was_sent_is_named(reason: str, deeper: bool) -> None:
    """Not "issued by nobody", with the advice to change the trust root."""
    below = ca(57, "below", (55, "limited"))
    leaf = World().leaf(issuer=below if deeper else _LIMITED[reason])
    sent = [one.certificate for one in (below, _LIMITED[reason], _SHORT)]
    for order in (sent, sent[::-1]):
        with pytest.raises(VerificationError) as caught:
            certpath.check_path(leaf, (ROOT.certificate,), purpose=oids.CODE_SIGNING, untrusted=order)
        assert caught.value.reason == reason


def test_a_limit_that_does_not_lead_to_the_leaf_is_not_named() -> None:
    leaf = World().leaf(issuer=make_ca(58, "elsewhere"))
    sent = [one.certificate for one in (*_LIMITED.values(), _SHORT)]
    with pytest.raises(GitsignError) as caught:
        certpath.check_path(leaf, (ROOT.certificate,), purpose=oids.CODE_SIGNING, untrusted=sent)
    assert caught.value.reason == "certificate-untrusted"


_SHA256 = der.sequence(der.oid(oids.SHA256))
_PSS = der.sequence(
    der.context(0, _SHA256),
    der.context(1, der.sequence(der.oid("1.2.840.113549.1.1.8"), _SHA256)),
    der.context(2, der.integer(32)),
)
_BY_OTHERS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "RSASSA-PSS": (
        _PSS,
        lambda tbs: rsa_key(0).sign(tbs, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
    ),
    "RSA with SHA-1": (der.null(), lambda tbs: rsa_key(0).sign(tbs, padding.PKCS1v15(), hashes.SHA1())),
}
_OIDS = {"RSASSA-PSS": oids.RSA_PSS, "RSA with SHA-1": "1.2.840.113549.1.1.5"}


@pytest.mark.parametrize("by", list(_BY_OTHERS))
@pytest.mark.parametrize("sent", [False, True])
def test_an_algorithm_that_is_not_taken_is_named(by: str, sent: bool) -> None:
    """Such a signature is its issuer's, and saying that it is not sends somebody after a forger."""
    public = rsa_key(0).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    usages = [constraints(ca=True), usage(CA_USAGE), subject_id(50)]
    anchor = certify(key(50), name("rsa"), name("rsa"), public, usages, 1, *NEW)
    parameters, signed = _BY_OTHERS[by]
    algorithm = der.sequence(der.oid(_OIDS[by]), parameters)
    middle = ca(55, "middle", (50, "rsa"))
    plain = der.parse(middle.certificate.tbs).children() if sent else der.parse(pathleaf((50, "rsa")).tbs).children()
    tbs = der.sequence(*(algorithm if at == 2 else part.raw for at, part in enumerate(plain)))
    made = parse_certificate(der.sequence(tbs, algorithm, der.bit_string(signed(tbs))))
    leaf = pathleaf((55, "middle")) if sent else made
    with pytest.raises(VerificationError) as caught:
        certpath.check_path(leaf, (anchor,), purpose=oids.CODE_SIGNING, untrusted=[made] if sent else [])
    assert caught.value.reason == "certificate-signature-invalid"
    assert (
        caught.value.message == f"certificate is signed by an algorithm that is not taken from its issuer ({_OIDS[by]})"
    )
