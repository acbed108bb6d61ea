"""The pusher: known by a signed push, or by the name that the server has for them, where its owner says where that
stands.

With an account and a shell on the server a pusher chooses the environment of git-receive-pack, and with it any name in
a variable: so no variable counts that gitsign.pusher does not name. A push certificate counts as what it is over: it
must be signed, name the very changes of this push, and have a nonce that git calls this push's. The account that the
hook runs as is the kernel's word.
"""

import os
import sys
from collections.abc import Iterable, Mapping

from gitsign_py.audit.updates import RefUpdate
from gitsign_py.cli import wiring
from gitsign_py.cli.judgement import verifier
from gitsign_py.cli.refusal import who_may_push
from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.pushcert import PushCertificate, parse_push_certificate, split_certificate
from gitsign_py.errors import ConfigError, GitsignError, PolicyError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.facts import Pusher, SignatureFacts
from gitsign_py.policy.model import Policy
from gitsign_py.policy.pushes import judge_push
from gitsign_py.policy.verified import facts_of
from gitsign_py.verification.result import VerifiedSignature

_FRESH = ("OK", "SLOP")  # git-receive-pack(1): the nonce is this push's, or as young as receive.certNonceSlop says
_OLDEST = 86_400  # seconds; a nonce is given when the push begins, and no push takes a day
_VARIABLE = "GIT_PUSH_CERT"


@frozen
class PushedBy:
    """The ``pusher``, None where nobody says who it is; what they signed, or why no signature counts (``problem``).

    ``trusted_root`` is the SHA-256 of the trust root that the signature was judged by.
    """

    pusher: Pusher | None
    certificate: PushCertificate | None = None
    problem: GitsignError | None = None
    trusted_root: str = ""

    @property
    def signature(self) -> SignatureFacts | None:
        """The facts of the push's signature, where it counts."""
        return self.pusher.signature if self.pusher is not None else None


def find_pusher(settings: wiring.Settings, repository: GitRepository, updates: Iterable[RefUpdate]) -> PushedBy:
    """Find out, for a push that makes these changes as git tells them. A signed push counts before any name."""
    problem: GitsignError
    try:
        certificate, verified = _certified(settings, repository, updates)
        signed = Pusher(signature=facts_of(verified))
        return PushedBy(signed, certificate, trusted_root=verified.trusted_root_digest)
    except GitsignError as error:  # as good as none, for who does not want one
        problem = error
    login = _login(settings)
    return PushedBy(Pusher(login, at=wiring.now()) if login else None, problem=problem)


def is_told(environment: Mapping[str, str]) -> bool:
    """Tell whether git hands over a push certificate."""
    return bool(environment.get(_VARIABLE, "").strip("0"))


def push_problem(policy: Policy, ref: str, by: PushedBy) -> PolicyError | None:
    """Why the policy does not take this push to ``ref``, in words for the pusher; None where it does."""
    decision = judge_push(policy, ref, by.pusher)
    if decision is None:
        return None
    why = f": {by.problem.message}" if decision.reason == "push-unsigned" and by.problem else ""
    return PolicyError(
        decision.reason,
        f"{decision.message} (rule {decision.rule}){why}",
        hint=by.problem.hint if why and by.problem else who_may_push(policy, decision),
        facts={"ref": ref, "rule": decision.rule},
    )


def _certified(
    settings: wiring.Settings, repository: GitRepository, updates: Iterable[RefUpdate]
) -> tuple[PushCertificate, VerifiedSignature]:
    """git-push(1), ``--signed``: the certificate is a text with its signature below it, stored as a blob.

    Raises PolicyError ``push-certificate-missing``, ``push-nonce``, ``push-certificate-other``, FormatError, and what
    verification raises.
    """
    if not is_told(settings.environment):
        raise PolicyError(
            "push-certificate-missing",
            "git hands over no push certificate",
            hint="git push --signed (git config push.gpgSign if-asked); the server needs receive.certNonceSeed and the "
            "hook pre-receive, since git tells no other",
        )
    text, armored = split_certificate(repository.read(settings.environment[_VARIABLE]).data)
    verified = verifier(settings, repository).verify(text, armored)
    certificate = parse_push_certificate(text)
    _check_nonce(certificate, settings.environment.get("GIT_PUSH_CERT_NONCE_STATUS", ""))
    for update in updates:
        if (update.old, update.new, update.ref) not in certificate.updates:
            words = f"the push certificate says nothing of this change of {update.ref}"
            raise PolicyError("push-certificate-other", words, hint="push again with --signed")
    return certificate, verified


def _check_nonce(certificate: PushCertificate, status: str) -> None:
    """The status is git's word in a variable; an old certificate is not taken even for that."""
    if status not in _FRESH:
        raise PolicyError(
            "push-nonce",
            f"the nonce of the push certificate is {status[:20] or 'not checked'}, not this push's",
            hint="push again; the server needs git config receive.certNonceSeed SECRET",
        )
    issued = certificate.issued
    if issued is None or not -_OLDEST <= wiring.now().timestamp() - issued <= _OLDEST:
        raise PolicyError("push-nonce", "the nonce of the push certificate is not of today", hint="push again")


def _login(settings: wiring.Settings) -> str:
    """Raises ConfigError ``pusher-system`` where the system has no accounts of that kind."""
    where = settings.config.server.pusher
    if where != "system":
        return settings.environment.get(where, "") if where else ""
    if sys.platform == "win32":
        raise ConfigError(
            "pusher-system", "gitsign.pusher is system, which Windows does not tell", hint="name a variable"
        )
    import pwd  # noqa: PLC0415 - Windows has none

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
