"""Verify a Sigstore bundle over an artifact: the steps of docs/verification.md, with a bundle where a commit would be.

From the trust root outwards, as for signatures over commits. A bundle is by a certificate, whose identity is then
compared, or by a managed key, which the caller holds: then steps 2.1 to 2.4, 5.3 and 6.1 have no object.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from gitsign_py.core.dsse import IN_TOTO_PAYLOAD_TYPE, Envelope, Statement, names_artifact, pae, parse_statement
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.certificate import Certificate, basic_constraints, parse_certificate
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.pki.timestampbuild import granted_token
from gitsign_py.core.sigstore.bundle import Bundle, parse_bundle
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError
from gitsign_py.verification.bundlelog import Signed, check_entries, check_windows, envelope_digest
from gitsign_py.verification.identity import ExpectedIdentity
from gitsign_py.verification.result import LoggedEntry, ProvenTime
from gitsign_py.verification.signer import Signer, check_expected, check_signer, check_validity
from gitsign_py.verification.steps import TITLES, Report, Requirements, Step
from gitsign_py.verification.verdict import lacks_authority
from gitsign_py.verification.witnessed import telling

BUNDLE_TITLES: Mapping[str, str] = {
    **TITLES,
    "1.1": "bundle is well-formed, of a known version",
    "1.2": "bundle names one signer: a certificate, or the managed key that was given",
    "3.1": "signed content and algorithms are in order",
    "3.3": "signed content is about the artifact",
    "4.1": "log entries are there",
    "4.2": "log entries are of this very signature",
    "4.3": "log entries are promised and included by known logs",
    "5.1": "timestamps are by authorities of the trust root",
}
"""The meaning of the numbers for a bundle, where it is not what they mean for a signature over a commit."""
HASH_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}
_KEY_HASHES = {"ecdsa-p384": "sha384", "ecdsa-p521": "sha512", "ed25519": "sha512"}


@frozen
class Artifact:
    """The expected subject of the bundle: all digests of ``content``, or one digest and no content."""

    digests: Mapping[str, bytes]
    content: bytes | None

    def digest(self, name: str) -> bytes:
        """Return the digest under a hash's name. Raises VerificationError ``artifact-digest-unknown``."""
        if name not in self.digests:
            raise VerificationError(
                "artifact-digest-unknown",
                f"bundle uses {name}, and only another digest of the artifact was given",
                hint="give the file itself",
            )
        return self.digests[name]


def artifact_of(content: bytes) -> Artifact:
    """Make the artifact of some bytes."""
    return Artifact({name: hashlib.new(name, content).digest() for name in HASH_SIZES}, content)


def artifact_of_digest(name: str, digest: bytes) -> Artifact:
    """Make the artifact of which only a digest is known. Raises FormatError ``digest-invalid``."""
    if len(digest) != HASH_SIZES.get(name):
        raise FormatError("digest-invalid", f"not a digest of {', '.join(HASH_SIZES)}: {len(digest)} bytes of {name}")
    return Artifact({name: digest}, None)


@frozen
class VerifiedBundle:
    """A bundle that passed every step.

    ``certificate`` and ``identity`` are None for a managed key; ``times`` may be empty for a managed key alone;
    ``statement`` is the in-toto statement of a DSSE envelope, None for a message signature.
    """

    certificate: Certificate | None
    identity: str | None
    san_type: str | None
    issuer: str | None
    claims: Mapping[str, str]
    key: PublicKey
    entries: tuple[LoggedEntry, ...]
    times: tuple[ProvenTime, ...]
    statement: Statement | None
    identity_checked: bool
    trusted_root_digest: str
    steps: tuple[Step, ...]


def verify_bundle(
    data: bytes,
    *,
    artifact: Artifact,
    trusted_root: TrustedRoot,
    now: datetime,
    expected: ExpectedIdentity | PublicKey | None = None,
    requirements: Requirements | None = None,
    report: Report | None = None,
) -> VerifiedBundle:
    """Verify the JSON of a bundle (v0.1 to v0.3) over ``artifact``.

    ``expected`` is who must have signed: a managed key, or the identity in a certificate of the trust root's CAs (None:
    anybody's, and steps 6.1 and 6.2 are the caller's). ``now`` serves to refuse log times in the future alone.
    ``report`` collects the steps, those of a refusal too.

    Raises VerificationError with step and reason.
    """
    steps, required = report if report is not None else Report(), requirements or Requirements()
    with steps.step("1.1") as facts:
        bundle = parse_bundle(data)
        facts["version"] = bundle.version
    key, identity = (expected, None) if isinstance(expected, PublicKey) else (None, expected)
    leaf, extra = _certificates(steps, bundle, key)
    signer = None if leaf is None else check_signer(steps, leaf, extra, trusted_root, require_sct=required.sct)
    signing_key = leaf.public_key if leaf is not None else key
    assert signing_key is not None  # noqa: S101 - _certificates refused the bundle when there is neither
    statement = _check_content(steps, bundle, artifact, signing_key)
    signed = _signed(bundle, artifact, leaf, signing_key)
    proven = check_entries(steps, bundle, signed, trusted_root, now=now, witnesses=required.witnesses)
    stamps = _timestamps(steps, bundle, trusted_root, proven=any(entry.times for entry in proven))
    times = tuple(time for entry in proven for time in entry.times) + stamps
    seen = () if leaf is None else telling((time for entry in proven for time in entry.witnessed), times, leaf)
    times += seen
    unstamped = required.timestamp and not stamps
    _check_time(steps, signer, times, lambda: check_windows(proven, stamps + seen, now=now), unstamped=unstamped)
    check_expected(steps, signer, identity)
    found = signer.identity if signer else None
    return VerifiedBundle(
        certificate=leaf,
        identity=found.value if found else None,
        san_type=found.san_type if found else None,
        issuer=found.issuer if found else None,
        claims=found.claims if found else MappingProxyType({}),
        key=signing_key,
        entries=tuple(entry.logged for entry in proven),
        times=times,
        statement=statement,
        identity_checked=found is not None and identity is not None,
        trusted_root_digest=trusted_root.digest,
        steps=tuple(steps.steps),
    )


def _certificates(
    steps: Report, bundle: Bundle, key: PublicKey | None
) -> tuple[Certificate | None, tuple[Certificate, ...]]:
    """Step 1.2: the leaf and what came with it, or nothing when a managed key is asked for and was used."""
    with steps.step("1.2") as facts:
        if (key is not None) != (bundle.key_hint is not None):
            raise VerificationError(
                "bundle-signer-mismatch",
                "bundle is by a certificate, not by a managed key" if key else "bundle is by a managed key",
                hint="leave --key out and name the identity" if key else "give the public key with --key",
            )
        if key is not None:
            facts["key"] = key.key_id.hex()
            return None, ()
        leaf, *extra = (parse_certificate(der) for der in bundle.certificates)
        facts["certificate"] = leaf.fingerprint
        for certificate in extra:
            # sigstore_bundle.proto: "Signers MUST NOT include root CA certificates": it could only mislead.
            if certificate.subject == certificate.issuer and basic_constraints(certificate)[0]:
                raise VerificationError("bundle-root-certificate", "bundle carries a root certificate")
        return leaf, tuple(extra)


def _check_content(steps: Report, bundle: Bundle, artifact: Artifact, key: PublicKey) -> Statement | None:
    content = bundle.content
    if isinstance(content, Envelope):
        return _check_envelope(steps, content, artifact, key)
    with steps.step("3.1") as facts:
        names = _hashes_of(content.algorithm, artifact, key)
        facts["digest"], facts["key"] = ", ".join(names), key.kind
    with steps.step("3.2"):
        _verify_any(content.signature, artifact, key, names)
    with steps.step("3.3") as facts:
        facts[names[0]] = artifact.digest(names[0]).hex()
        if content.digest != artifact.digest(content.algorithm):
            raise VerificationError(
                "artifact-digest-mismatch",
                "bundle says that it is about another artifact",
                facts={"expected": artifact.digest(content.algorithm).hex(), "got": content.digest.hex()},
            )
    return None


def _hashes_of(named: str, artifact: Artifact, key: PublicKey) -> tuple[str, ...]:
    """The hashes that may have been signed: the one the bundle names, the key's usual one, and SHA-256.

    Older clients used SHA-256 with every key. Trying several is safe: each is as strong as the others.
    """
    names = dict.fromkeys((named or "sha256", _KEY_HASHES.get(key.kind, "sha256"), "sha256"))
    known = tuple(name for name in names if name in artifact.digests)
    if not known:
        artifact.digest(named or "sha256")  # says which one is missing
    return known


def _verify_any(signature: bytes, artifact: Artifact, key: PublicKey, names: tuple[str, ...]) -> None:
    for name in names:
        try:
            _verify_message(signature, artifact, key, name)
        except InvalidSignatureError:
            continue
        return
    raise InvalidSignatureError("signature-invalid", "signature is not over this content by the bundle's key")


def _verify_message(signature: bytes, artifact: Artifact, key: PublicKey, hash_name: str) -> None:
    schemes = ("pkcs1v15", "pss") if key.kind == "rsa" else ("pkcs1v15",)
    for scheme in schemes:
        try:
            if artifact.content is not None:
                key.verify(signature, artifact.content, hash_name, scheme=scheme)
            else:
                key.verify_digest(signature, artifact.digest(hash_name), hash_name, scheme=scheme)
        except InvalidSignatureError:
            continue
        return
    raise InvalidSignatureError("signature-invalid", "signature is not over this content by the bundle's key")


def _check_envelope(steps: Report, envelope: Envelope, artifact: Artifact, key: PublicKey) -> Statement:
    """DSSE: the signature is over the PAE; the statement inside must name the artifact."""
    with steps.step("3.1") as facts:
        facts["payload_type"], facts["key"] = envelope.payload_type[:100], key.kind
        if envelope.payload_type != IN_TOTO_PAYLOAD_TYPE:
            raise VerificationError(
                "dsse-payload-type",
                "DSSE envelope does not hold an in-toto statement",
                facts={"expected": IN_TOTO_PAYLOAD_TYPE, "got": envelope.payload_type[:100]},
            )
    with steps.step("3.2"):
        encoded = artifact_of(pae(envelope.payload_type, envelope.payload))
        _verify_any(envelope.signatures[0].signature, encoded, key, _hashes_of("", encoded, key))
    with steps.step("3.3") as facts:
        statement = parse_statement(envelope.payload)
        facts["subjects"], facts["predicate_type"] = len(statement.subjects), statement.predicate_type[:200]
        if not names_artifact(statement, artifact.digests):
            raise VerificationError("statement-other-artifact", "no subject of the statement is this artifact")
    return statement


def _signed(bundle: Bundle, artifact: Artifact, leaf: Certificate | None, key: PublicKey) -> Signed:
    envelope = bundle.content if isinstance(bundle.content, Envelope) else None
    return Signed(
        signature=bundle.signature,
        verifier_der=leaf.raw if leaf is not None else key.spki,
        verifier_kind="certificate" if leaf is not None else "public-key",
        key_kind=key.kind,
        envelope=envelope,
        digest=artifact.digest if envelope is None else envelope_digest(envelope),
    )


def _timestamps(steps: Report, bundle: Bundle, trusted_root: TrustedRoot, *, proven: bool) -> tuple[ProvenTime, ...]:
    """Step 5.1: every timestamp by an authority of the trust root must be over this signature, and one such must be.

    Where a log has ``proven`` the time, or another authority has, one by an authority that is unknown is named and says
    nothing. Raises VerificationError.
    """
    if not bundle.timestamps:
        steps.skip("5.1", "bundle has no timestamp")
        return ()
    times: list[ProvenTime] = []
    unknown: list[VerificationError] = []
    with steps.step("5.1") as facts:
        for response in bundle.timestamps:
            try:
                stamp = verify_timestamp(
                    granted_token(response),
                    message=bundle.signature,
                    authorities=trusted_root.timestamp_authorities,
                )
            except VerificationError as error:
                if not lacks_authority(error):
                    raise
                unknown.append(error)
                continue
            times.append(ProvenTime(stamp.time, "timestamp", stamp.authority.uri, stamp.accuracy))
        if unknown and not (times or proven):
            raise unknown[0]
        facts["times"] = ", ".join(format_rfc3339(one.time) for one in times)
        if unknown:
            facts["left_out"] = f"{len(unknown)} by an authority that the trust root lacks: {unknown[0].message}"
    return tuple(times)


def _check_time(
    steps: Report,
    signer: Signer | None,
    times: tuple[ProvenTime, ...],
    check_logs: Callable[[], None],
    *,
    unstamped: bool,
) -> None:
    """Steps 5.2 and 5.3: a certificate needs a proven time, and must have been valid at each of them.

    A managed key has no end of validity and needs none; the logs' keys must have been valid in either case.
    ``unstamped``: a timestamp is required, and there is none.
    """
    with steps.step("5.2") as facts:
        if signer is not None and not times:
            raise VerificationError(
                "time-unproven", "nothing proves when this was signed: the log states no time and there is no timestamp"
            )
        if unstamped:
            raise VerificationError("timestamp-required", "a timestamp is required and the bundle has none")
        check_logs()
        if times:
            facts["time"] = format_rfc3339(min(proven.time for proven in times))
            facts["sources"] = ", ".join(proven.source for proven in times)
        else:
            facts["note"] = "no time is proven, and a managed key needs none"
    if signer is not None:
        check_validity(steps, signer, times)
