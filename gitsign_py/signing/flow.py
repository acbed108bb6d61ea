"""The signing flow over ports: credential, CMS signature, timestamp, log entry, and a last look as a verifier.

    offline mode: the log holds SHA-256 of the signed attributes, and its entry is embedded in the signature
    online mode:  the log holds SHA-256 of the object's id as hex text; verifying then needs the log

Everything that can be refused is refused before something irrevocable happens: a certificate and a log entry are
public for good. The signature handed to git has passed the same verifier that will judge it later, so a log that lies
about its proof, or a clock that is wrong, costs an error message now and not an unverifiable commit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Literal

from gitsign_py.core import digests
from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.armor import armor
from gitsign_py.core.git.gitobject import HashAlgorithm
from gitsign_py.core.pki.signedattributes import refuse_signed_attributes
from gitsign_py.errors import ConfigError, FormatError, ServiceError, VerificationError
from gitsign_py.ports import CertificateAuthority, Clock, TimestampAuthority, TokenSource, TransparencyLog
from gitsign_py.signing.credential import Credential, CredentialRequest, check_usable, obtain_credential
from gitsign_py.signing.objectname import object_name, unsigned_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.core.pki.certificate import Certificate
    from gitsign_py.core.pki.cms import Attribute
    from gitsign_py.core.tlog.logentry import LogEntry
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
    from gitsign_py.core.trust.root import TrustedRoot
    from gitsign_py.verification.result import VerifiedSignature

LATER = ("gitsign_py.verification.verifier", "gitsign_py.core.pki.cmsbuild")
"""The modules that signing needs when a server has answered, and may load while it waits for one."""
Mode = Literal["offline", "online"]
"""Whether the log entry is embedded in the signature, or looked up in the log by each verifier."""
Random = Callable[[int], bytes]
"""Gives that many random bytes."""

_CLOCK_WARNING = timedelta(seconds=60)


@frozen
class SigningServices:
    """Whom the flow asks. ``timestamps`` is None for no timestamp; ``random`` makes the timestamp's nonce.

    ``log`` is None on an instance without one: then a timestamp proves the time.
    """

    tokens: TokenSource
    authority: CertificateAuthority
    log: TransparencyLog | None
    clock: Clock
    random: Random
    timestamps: TimestampAuthority | None = None


@frozen
class SigningOptions:
    """How to sign. ``algorithm`` is the repository's (online mode); None lets the object names in the payload tell.

    ``rekor_version`` is that of ``SigningServices.log``: version 2 states no time and cannot be searched.
    ``witnesses`` is the policy that the log's checkpoint must meet before its answer is taken.
    """

    request: CredentialRequest
    mode: Mode = "offline"
    algorithm: HashAlgorithm | None = None
    rekor_version: Literal[1, 2] = 1
    witnesses: "WitnessPolicy | None" = None

    @property
    def trusted_root(self) -> "TrustedRoot":
        """The trust that certificate, log and timestamp are checked against."""
        return self.request.trusted_root


@frozen
class SigningResult:
    """A signature that verifies: ``armored`` is what git stores, ``signature_der`` the ContentInfo inside.

    ``object_id`` is the id that was logged (online mode), else None. ``warnings`` are one line each.
    """

    armored: bytes
    signature_der: bytes
    verified: "VerifiedSignature"
    object_id: str | None
    warnings: tuple[str, ...]

    @property
    def identity(self) -> str:
        """The identity of the signer."""
        return self.verified.identity

    @property
    def issuer(self) -> str:
        """The issuer that vouched for the identity."""
        return self.verified.issuer

    @property
    def log_index(self) -> int | None:
        """Where the log holds it; None on an instance without a log."""
        return None if self.verified.log is None else self.verified.log.log_index

    @property
    def logged_at(self) -> str:
        """Where the log holds it, in words."""
        return self.verified.logged_at

    @property
    def certificate(self) -> "Certificate":
        """The leaf."""
        return self.verified.certificate


def sign_payload(payload: bytes, *, services: SigningServices, options: SigningOptions) -> SigningResult:
    """Sign ``payload``, the bytes that git gives to a signing program, with a new credential.

    Raises ConfigError, UsageError (options that do not fit together or the payload), VerificationError (the token),
    PolicyError (the committer) and ServiceError (a server is out of reach, or what it says cannot be used). Nothing
    is to be used of a signature whose making raised.
    """
    check_options(payload, services, options)
    credential = obtain_credential(
        options.request, tokens=services.tokens, authority=services.authority, now=services.clock.now()
    )
    return sign_with(credential, payload, services=services, options=options)


def check_options(payload: bytes, services: SigningServices, options: SigningOptions) -> None:
    """Refuse what cannot end in a signature that verifies, before anything is asked of anybody.

    Raises ConfigError ``timestamp-server-missing``, ``online-mode-needs-rekor-v1``; UsageError ``online-mode-payload``;
    PolicyError ``signed-attributes``.
    """
    refuse_signed_attributes(payload)
    if services.log is None:
        check_without_log(services, options)
    if services.log is None and options.mode == "online":
        raise ConfigError(
            "online-mode-needs-rekor-v1",
            "gitsign.rekorMode online does not go with gitsign.rekor none: there is no log to ask",
            hint="set gitsign.rekorMode to offline",
        )
    if options.mode == "online" and options.rekor_version == 2:
        raise ConfigError(
            "online-mode-needs-rekor-v1",
            "gitsign.rekorMode online does not go with gitsign.rekorVersion 2, whose log cannot be searched",
            hint="set gitsign.rekorMode to offline, so that the log's proof is stored in the signature",
        )
    dated = options.witnesses is not None and options.witnesses.requires
    if options.rekor_version == 2 and services.timestamps is None and not dated:
        raise ConfigError(
            "timestamp-server-missing",
            "gitsign.rekorVersion 2 needs a timestamp, since its log states no time",
            hint="set gitsign.timestampServerURL, or a gitsign.witnessPolicy with a quorum",
        )
    if options.mode == "online":
        unsigned_kind(payload, options.algorithm)


def check_no_log(root: "TrustedRoot") -> None:
    """Refuse to sign without a log where the trust root lists one: it would not verify. Raises ConfigError."""
    if not root.has_no_log:
        raise ConfigError(
            "log-needed",
            "gitsign.rekor is none, and the trust root lists a log: a signature without a log entry would not verify",
            hint="unset gitsign.rekor, or use the trust root of an instance without a log",
        )


def check_without_log(services: SigningServices, options: SigningOptions) -> None:
    """As ``check_no_log``, and there must be a timestamp then. Raises ConfigError ``timestamp-server-missing`` too."""
    check_no_log(options.trusted_root)
    if services.timestamps is None:
        raise ConfigError(
            "timestamp-server-missing",
            "there is no log, so a timestamp must prove the time, and there is no server for it",
            hint="set gitsign.timestampServerURL",
        )


@frozen
class _Draft:
    """A signature that is not on the log yet."""

    credential: Credential
    payload: bytes
    attributes: bytes
    signature: bytes
    unsigned: "tuple[Attribute, ...]"

    def built(self, *more: "Attribute") -> bytes:
        """The ContentInfo, with ``more`` unsigned attributes."""
        from gitsign_py.core.pki.cmsbuild import build_signed_data  # noqa: PLC0415 - LATER

        certificate = self.credential.certificate
        return build_signed_data(certificate, self.attributes, self.signature, (*self.unsigned, *more))


@frozen
class _Made:
    """A finished signature, not judged yet; ``entries`` are what the log gave when they are not in ``der``."""

    payload: bytes
    der: bytes
    object_id: str | None = None
    entries: "tuple[LogEntry, ...]" = ()


def sign_with(
    credential: Credential, payload: bytes, *, services: SigningServices, options: SigningOptions
) -> SigningResult:
    """Sign with a credential that is already there; see ``sign_payload`` for what it raises."""
    from gitsign_py.core.pki.cmsbuild import build_signed_attributes  # noqa: PLC0415 - LATER

    started = services.clock.now()
    check_usable(credential, started)
    # A clock that is behind would state a time before the certificate's, and some verifiers refuse that (GitLab).
    attributes = build_signed_attributes(payload, max(started, credential.certificate.not_before))
    signature = credential.sign(attributes)
    draft = _Draft(credential, payload, attributes, signature, _timestamped(signature, services, options))
    if services.log is None:
        check_without_log(services, options)
        return _verified(_Made(draft.payload, draft.built()), services, options)
    finish = _finish_online if options.mode == "online" else _finish_offline
    return finish(draft, services.log, services, options)


def _finish_offline(
    draft: _Draft, log: TransparencyLog, services: SigningServices, options: SigningOptions
) -> SigningResult:
    from gitsign_py.core.pki.cmsbuild import log_entry_attribute  # noqa: PLC0415 - LATER
    from gitsign_py.core.tlog.logentry import encode_entry  # noqa: PLC0415 - LATER

    digest = digests.sha256(draft.attributes).digest()
    entry = log.submit(digest=digest, signature=draft.signature, certificate=draft.credential.certificate.raw)
    made = _Made(draft.payload, draft.built(log_entry_attribute(encode_entry(entry))))
    return _verified(made, services, options)


def _finish_online(
    draft: _Draft, log: TransparencyLog, services: SigningServices, options: SigningOptions
) -> SigningResult:
    """The object's id covers the signature, so it is known only now; the log gets a second signature, over the id."""
    made = draft.built()
    name = object_name(draft.payload, armor(made), options.algorithm)
    message = name.encode("ascii")
    digest = digests.sha256(message).digest()
    credential = draft.credential
    entry = log.submit(digest=digest, signature=credential.sign(message), certificate=credential.certificate.raw)
    return _verified(_Made(draft.payload, made, name, (entry,)), services, options)


def _timestamped(signature: bytes, services: SigningServices, options: SigningOptions) -> "tuple[Attribute, ...]":
    """RFC 3161 appendix A: the timestamp is over the signature value. The nonce ties the answer to this request."""
    if services.timestamps is None:
        return ()
    # for those who ask for one: 7 ms of every other commit
    from gitsign_py.core.pki.cmsbuild import timestamp_attribute  # noqa: PLC0415
    from gitsign_py.core.pki.timestampbuild import TimestampRequest, build_request, granted_token  # noqa: PLC0415
    from gitsign_py.core.sigstore.timestamp import verify_timestamp  # noqa: PLC0415
    from gitsign_py.verification.renewal import checked  # noqa: PLC0415

    nonce = int.from_bytes(services.random(8), "big") >> 1
    request = TimestampRequest("sha256", digests.sha256(signature).digest(), nonce=nonce)
    response = services.timestamps.timestamp(build_request(request))
    with _refused("timestamp-unusable", "the timestamp cannot be used"):
        token = granted_token(response)
        checked(
            options.trusted_root,
            options.request.renew,
            lambda root: verify_timestamp(
                token, message=signature, authorities=root.timestamp_authorities, nonce=nonce
            ),
        )
    return (timestamp_attribute(token),)


def _verified(made: _Made, services: SigningServices, options: SigningOptions) -> SigningResult:
    """Let the verifier judge the new signature: the log's promise, proof and checkpoint are checked here."""
    from gitsign_py.verification.signature import Sources  # noqa: PLC0415 - LATER
    from gitsign_py.verification.steps import Requirements  # noqa: PLC0415 - LATER
    from gitsign_py.verification.verifier import Verifier  # noqa: PLC0415 - LATER

    now = services.clock.now()
    armored = armor(made.der)
    required = Requirements(sct=options.request.require_sct, witnesses=options.witnesses)
    find = Sources(lambda _digest, _certificate: made.entries)
    with _refused("signature-unverifiable", "the new signature does not verify and is not used"):
        verifier = Verifier(options.trusted_root, now, required, find, options.request.renew)
        verified = verifier.verify(made.payload, armored, object_id=made.object_id)
    return SigningResult(armored, made.der, verified, made.object_id, _warnings(verified, now))


def _warnings(verified: "VerifiedSignature", now: datetime) -> tuple[str, ...]:
    off = verified.time - now
    if abs(off) <= _CLOCK_WARNING:
        return ()
    where = "behind" if off > timedelta(0) else "ahead of"
    return (f"this machine's clock is {abs(int(off.total_seconds()))} s {where} the proven time of signing",)


@contextmanager
def _refused(reason: str, what: str) -> Iterator[None]:
    try:
        yield
    except (FormatError, VerificationError) as error:
        step = error.step if isinstance(error, VerificationError) else ""
        raise ServiceError(
            reason,
            f"{what}: {error.message}" + (f" (step {step})" if step else ""),
            hint=error.hint or "check that the services and the trust root belong to the same instance",
            facts={"cause": error.reason, "step": step or None, **error.facts},
        ) from error
