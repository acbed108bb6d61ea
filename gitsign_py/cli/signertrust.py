"""The people who may sign, by the first that names them: the command line, else what git's own commands obey (a policy,
allowed signers).

The order is that of ``cli.gpg.checking``, so that ``verify`` and ``git verify-commit`` give one verdict.
"""

from gitsign_py.cli import wiring
from gitsign_py.cli.judgement import Accept
from gitsign_py.cli.ownconfig import BY_LIST, BY_POLICY, IN_HISTORY, said_by_repository
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.git.gitobject import SignedObject
from gitsign_py.errors import UncheckedError, UsageError, VerificationError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.verification.allowed import AllowedSigner, is_allowed, parse_allowed_signer
from gitsign_py.verification.identity import ExpectedIdentity
from gitsign_py.verification.result import VerifiedSignature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.policy.facts import Decision
    from gitsign_py.verification.smime import VerifiedSmime

_NOBODY_NAMED = (
    "name who may sign: git config --add gitsign.allowedSigner 'alice@example.com https://accounts.example.com', or a "
    "policy (gitsign.policy); or for this run --certificate-identity with --certificate-oidc-issuer; --any-identity "
    "shows who signed"
)


@frozen
class SignerTrust:
    """The source of that rule, in words for the person; ``sources`` are the lines about the repository's own word."""

    words: str
    accept: Accept | None = None
    sources: tuple[str, ...] = ()
    is_anybody: bool = False


def signer_trust(
    settings: wiring.Settings, expected: ExpectedIdentity | None, *, any_identity: bool = False
) -> SignerTrust:
    """Find what says who may sign. Raises UsageError ``identity-missing`` where nothing does, ``identity-twice``."""
    if expected is not None and any_identity:
        raise UsageError("identity-twice", "--any-identity does not go together with an expected identity")
    if expected is not None:
        return SignerTrust("--certificate-identity")
    if any_identity:
        return SignerTrust("--any-identity, which says nobody", is_anybody=True)
    if settings.config.signers.in_history:
        said = said_by_repository(settings, IN_HISTORY)
        return SignerTrust("the policy in the history", _by_policy(settings), said)
    if settings.config.signers.policy:
        return SignerTrust("gitsign.policy", _by_policy(settings), said_by_repository(settings, BY_POLICY))
    if settings.config.signers.allowed_signers:
        signers = tuple(map(parse_allowed_signer, settings.config.signers.allowed_signers))
        sources = said_by_repository(settings, BY_LIST)
        return SignerTrust("gitsign.allowedSigner", _by_list(signers), sources)
    raise UsageError(
        "identity-missing", "nothing says who may sign: a good signature by anybody says little", hint=_NOBODY_NAMED
    )


def _by_list(signers: tuple[AllowedSigner, ...]) -> Accept:
    def accept(_: GitRepository, _signed: SignedObject, verified: "VerifiedSignature | VerifiedSmime") -> None:
        if not isinstance(verified, VerifiedSignature):
            raise VerificationError(
                "signer-not-allowed",
                f"{verified.signature.named} is not an allowed signer",
                hint="signers with S/MIME certificates are listed by a policy (gitsign.policy)",
            )
        if is_allowed(verified.identity, verified.issuer, verified.san_type, signers):
            return
        # By another issuer the same name is another person, and a reader of the name alone would take it for a fault.
        elsewhere = any(replace(one, issuer="*").matches(verified.identity, "", verified.san_type) for one in signers)
        who = f"{verified.named} of {verified.issuer}" if elsewhere else verified.named
        raise VerificationError(
            "signer-not-allowed",
            f"{who} is not an allowed signer",
            hint="git config --get-all gitsign.allowedSigner lists the allowed signers",
            facts={"identity": verified.identity, "issuer": verified.issuer},
        )

    return accept


def _by_policy(settings: wiring.Settings) -> Accept:
    from gitsign_py.cli.gpg.policy import decision_of  # noqa: PLC0415 - the audit's engine, for who has a policy
    from gitsign_py.policy.verified import facts_of, facts_of_smime  # noqa: PLC0415 - as above

    def accept(repository: GitRepository, signed: SignedObject, verified: "VerifiedSignature | VerifiedSmime") -> None:
        facts = facts_of(verified) if isinstance(verified, VerifiedSignature) else facts_of_smime(verified)
        digest, signature = verified.trusted_root_digest, signed.signature or b""
        decision = decision_of(settings, repository, facts, signed.payload, signature, trust_digest=digest)
        if not decision.accepted:
            raise _refusal(decision)

    return accept


def _refusal(decision: "Decision") -> VerificationError:
    kind = UncheckedError if decision.verdict == "unchecked" else VerificationError
    return kind(decision.reason, decision.message, facts={"rule": decision.rule, "signer": decision.principal})
