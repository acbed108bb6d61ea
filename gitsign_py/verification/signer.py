"""Steps 2.1 to 2.4, 5.3, 6.1 and 6.2: may this certificate sign, who issued it, was it logged, whom does it name, when,
and is that who was expected.
"""

from collections.abc import Sequence
from datetime import datetime

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.certpath import check_path, check_times, covers_with_accuracy
from gitsign_py.core.pki.fulcio import CertificateIdentity, certificate_identity, check_profile
from gitsign_py.core.tlog.sct import verify_embedded_scts
from gitsign_py.core.tlog.tlogproof import check_log_window
from gitsign_py.core.trust.root import CertificateAuthority, TransparencyLogInstance, TrustedRoot
from gitsign_py.errors import VerificationError
from gitsign_py.verification.identity import ExpectedIdentity, check_claims, check_identity
from gitsign_py.verification.result import ProvenTime
from gitsign_py.verification.steps import Report, Step


@frozen
class IssuedBy:
    """One way from the leaf to a CA of the trust root: ``path`` starts with the leaf's own issuer, times aside."""

    authority: CertificateAuthority
    path: tuple[Certificate, ...]


@frozen
class Signer:
    """A leaf that passed steps 2.1 to 2.4; its validity in time is step 5.3. ``untrusted`` came with it."""

    certificate: Certificate
    identity: CertificateIdentity
    issued_by: tuple[IssuedBy, ...]
    untrusted: tuple[Certificate, ...] = ()


_MAX_PASSED = 256
_PASSED: dict[tuple[bytes, tuple[bytes, ...], bool], tuple[TrustedRoot, Signer, tuple[Step, ...]]] = {}


def check_signer(
    report: Report,
    leaf: Certificate,
    untrusted: Sequence[Certificate],
    trusted_root: TrustedRoot,
    *,
    require_sct: bool = True,
) -> Signer:
    """Check profile, path, SCT and names of a leaf. ``untrusted`` are the certificates that came with it.

    What passed is remembered: one certificate signs many commits, and nothing here depends on the commit or the time.
    It holds for the very TrustedRoot that it was checked against; a digest would be the caller's word.
    Raises VerificationError with the step that failed.
    """
    key = (leaf.raw, tuple(extra.raw for extra in untrusted), require_sct)
    known = _PASSED.get(key)
    if known is not None and known[0] is trusted_root:
        report.steps += known[2]
        return known[1]
    before = len(report.steps)
    signer = _check_signer(report, leaf, untrusted, trusted_root, require_sct=require_sct)
    if len(_PASSED) >= _MAX_PASSED:
        _PASSED.clear()
    _PASSED[key] = trusted_root, signer, tuple(report.steps[before:])
    return signer


def _check_signer(
    report: Report,
    leaf: Certificate,
    untrusted: Sequence[Certificate],
    trusted_root: TrustedRoot,
    *,
    require_sct: bool,
) -> Signer:
    with report.step("2.1") as facts:
        facts["certificate"] = leaf.fingerprint
        issued_by = find_issuers(leaf, untrusted, trusted_root.certificate_authorities)
        facts["ca"] = issued_by[0].authority.uri or issued_by[0].authority.common_name
        facts["ca_certificate"] = issued_by[0].path[0].fingerprint
    with report.step("2.2"):
        check_profile(leaf)
    if require_sct and trusted_root.has_no_ct_log and leaf.extension(oids.SCT_LIST) is None:
        report.skip("2.3", "trust root lists no CT log and no other log, and the certificate has no promise of one")
    elif require_sct:
        with report.step("2.3") as facts:
            proven = verify_embedded_scts(leaf, issued_by[0].path[0], trusted_root.ctlogs)
            facts["ct_log"] = proven.log.base_url
            facts["sct_time"] = format_rfc3339(proven.time)
    else:
        report.skip("2.3", "left out on request (--insecure-ignore-sct)")
    with report.step("2.4") as facts:
        identity = certificate_identity(leaf)
        facts["identity"], facts["issuer"] = identity.value, identity.issuer
    return Signer(leaf, identity, issued_by, tuple(untrusted))


def find_issuers(
    leaf: Certificate, untrusted: Sequence[Certificate], authorities: Sequence[CertificateAuthority]
) -> tuple[IssuedBy, ...]:
    """Every CA of the trust root that a path leads to; one key may stand there twice, with two windows.

    Raises VerificationError: the most telling of the refusals.
    """
    found: list[IssuedBy] = []
    refusals: list[VerificationError] = []
    for authority in authorities:
        try:
            path = check_path(leaf, authority.chain, purpose=oids.CODE_SIGNING, untrusted=untrusted)
        except VerificationError as error:
            refusals.append(error)
        else:
            if path:
                found.append(IssuedBy(authority, path))
            else:  # the root of the trust root itself: what it signs is certificates
                refusals.append(VerificationError("certificate-is-ca", "certificate is a CA's, not a signer's"))
    if found:
        return tuple(found)
    telling = [error for error in refusals if error.reason != "certificate-untrusted"]
    raise (
        (telling or refusals)[0]
        if refusals
        else VerificationError("certificate-untrusted", "trust root holds no certificate authority")
    )


def check_validity(
    report: Report, signer: Signer, times: Sequence[ProvenTime], log: TransparencyLogInstance | None = None
) -> None:
    """Step 5.3: leaf, CA certificates and the trust root's windows for CA and log all cover every proven time.

    Raises VerificationError ``certificate-expired``, ``certificate-not-yet-valid``, ``ca-outside-window`` or
    ``log-key-expired``.
    """
    with report.step("5.3") as facts:
        facts["not_before"] = format_rfc3339(signer.certificate.not_before)
        facts["not_after"] = format_rfc3339(signer.certificate.not_after)
        for proven in times:
            leaf = signer.certificate
            if not covers_with_accuracy(proven.time, proven.accuracy, leaf.not_before, leaf.not_after):
                check_times([leaf], proven.time)
            if log is not None:
                check_log_window(log, proven.time)
        refusal: VerificationError | None = None
        for issued_by in signer.issued_by:
            try:
                _check_authority(signer, issued_by, times)
            except VerificationError as error:
                refusal = error
            else:
                return
        if refusal is not None:
            raise refusal


def _check_authority(signer: Signer, issued_by: IssuedBy, times: Sequence[ProvenTime]) -> None:
    _check_path_times(signer, issued_by, [proven.time for proven in times])
    for proven in times:
        if not issued_by.authority.valid_for.covers(proven.time):
            raise VerificationError(
                "ca-outside-window",
                f"trust root does not accept this CA for {format_rfc3339(proven.time)}",
                facts={"ca": issued_by.authority.uri, "time": format_rfc3339(proven.time)},
            )


def _check_path_times(signer: Signer, issued_by: IssuedBy, times: Sequence[datetime]) -> None:
    """The path that was found first, or else any other one, is valid at all times: a CA may renew an intermediate."""
    try:
        for time in times:
            check_times(issued_by.path, time)
    except VerificationError:
        chain = issued_by.authority.chain
        check_path(signer.certificate, chain, purpose=oids.CODE_SIGNING, untrusted=signer.untrusted, times=times)


def check_expected(report: Report, signer: Signer | None, expected: ExpectedIdentity | None) -> None:
    """Steps 6.1 and 6.2, left out where nobody is expected or a managed key signed. Raises VerificationError."""
    if signer is None or expected is None:
        report.skip("6.1", "no identity was asked for")
        return
    with report.step("6.1") as facts:
        facts["identity"], facts["issuer"] = signer.identity.value, signer.identity.issuer
        check_identity(signer.identity, expected)
    if expected.claims:
        with report.step("6.2"):
            check_claims(signer.identity, expected.claims)
