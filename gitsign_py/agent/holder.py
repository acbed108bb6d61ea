"""Holds the credentials: one slot for each instance and issuer, in it one for each identity and who vouches for it.

A credential serves until less than a minute of its certificate is left. A client that comes while another one signs in
waits for that one and uses what it brought, so twenty commits at once mean one sign-in. Nothing here gives a key out: a
:class:`gitsign_py.signing.credential.Credential` can sign, and that is all that can be done with it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitsign_py.agent.conversation import Conversation
from gitsign_py.agent.hardening import forget
from gitsign_py.agent.ledger import Ledger, Request, kind_of, subject_of
from gitsign_py.core.git.gittext import committer_of
from gitsign_py.core.sigstore.mapping import certificate_identities, kind_for, may_identify, may_vouch
from gitsign_py.core.sigstore.token import IdentityToken, UnverifiedClaims, parse_unverified
from gitsign_py.errors import PolicyError, ServiceError
from gitsign_py.host.consent import ConsentBook, Decision, MatchCommitter, Publication, decide, mismatch
from gitsign_py.ports import TokenSource
from gitsign_py.signing.attestation import Attestation, attest_with
from gitsign_py.signing.credential import Credential, obtain_credential
from gitsign_py.signing.flow import SigningOptions, SigningResult, SigningServices, check_options, sign_with
from gitsign_py.signing.wanted import WantedSigner, check_address
from gitsign_py.verification.bundle import Artifact

RENEW_BEFORE = timedelta(seconds=60)
ANSWER_SECONDS = 240.0  # what a client may take to bring an answer, beside the time for signing in


@dataclass(frozen=True, slots=True)
class Words:
    """What a client's person is told: ``note`` writes to the log file that the settings name, ``quiet`` keeps the line
    of a good signature to that file, ``told`` has what else was noted and is still to be shown (a renewed trust root).
    """

    note: Callable[[str], None] = field(default=lambda _text: None)
    quiet: bool = False
    told: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """Note a line, and keep it for the answer."""
        self.note(f"gitsign-py: {text}")
        self.told.append(text)


@dataclass(frozen=True, slots=True)
class SigningPlan:
    """The outcome of one client's configuration.

    ``slot`` names everything that a credential depends on (servers, issuer, client id, trust root, ...) and what a
    person calls that (``label``). ``services.tokens`` is not used: tokens come from ``given`` (the client sent one),
    ``silent`` (for a committer's e-mail address: one that needs no person, or None) or the client, when it is asked.
    ``words`` go to the person. ``sign_in_seconds`` is what they give a person for signing in. ``clock_told`` is a
    context in which errors that a wrong clock explains say so. ``wanted`` is the signer that git was told.
    """

    slot: str
    label: str
    fulcio: str
    issuer: str
    services: SigningServices
    options: SigningOptions
    match_committer: MatchCommitter
    consent: ConsentBook
    silent: Callable[[str], IdentityToken | None] = field(default=lambda _email: None)
    given: TokenSource | None = None
    words: Words = field(default_factory=Words)
    sign_in_seconds: float = 120.0
    clock_told: Callable[[], AbstractContextManager[None]] = nullcontext
    wanted: WantedSigner = field(default_factory=WantedSigner)


@dataclass(frozen=True, slots=True)
class Held:
    """One line of ``agent status``: a credential, described."""

    label: str
    identity: str
    issuer: str
    not_after: datetime
    fingerprint: str
    signatures: int


@dataclass(frozen=True, slots=True)
class _Token:
    """A token that is at hand already (port ``TokenSource``)."""

    value: IdentityToken

    def token(self) -> IdentityToken:
        return self.value


@dataclass(frozen=True, slots=True)
class Subject:
    """The attested thing: the in-toto ``statement``, and the git object that it has to be about."""

    statement: bytes
    artifact: Artifact


class _Slot:
    def __init__(self, label: str) -> None:
        self.label = label
        self.lock = threading.Lock()
        self.credentials: dict[tuple[str, str], Credential] = {}
        self.uses: dict[tuple[str, str], int] = {}


class Holder:
    """The credentials of one user; ``now`` tells the time, ``ledger`` gets what is signed. Fit for any thread."""

    def __init__(self, now: Callable[[], datetime], ledger: Ledger) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}
        self._ledger = ledger

    def sign(self, plan: SigningPlan, payload: bytes, conversation: Conversation, *, directory: str) -> SigningResult:
        """Sign ``payload`` as the right person, asking the client for a token or a consent where that is needed.

        Raises as :func:`gitsign_py.signing.flow.sign_payload` does; PolicyError ``consent-needed``,
        ``consent-refused``; ServiceError ``sign-in-needed``, ``client-gone``.
        """
        check_options(payload, plan.services, plan.options)
        slot, credential = self._for_signing(plan, committer_of(payload), conversation)
        result = sign_with(credential, payload, services=plan.services, options=plan.options)
        request = Request(kind_of(payload), directory, conversation.restricted, subject_of(payload))
        self._record(slot, credential, result.log_index, request)
        return result

    def attest(
        self,
        plan: SigningPlan,
        subject: Subject,
        committer: tuple[str, str],
        conversation: Conversation,
        *,
        directory: str,
    ) -> Attestation:
        """Sign a statement about a git object for this committer; raises as :meth:`sign` does."""
        slot, credential = self._for_signing(plan, committer, conversation)
        services, options = plan.services, plan.options
        result = attest_with(credential, subject.statement, subject.artifact, services=services, options=options)
        request = Request("attestation", directory, conversation.restricted)
        entries = result.verified.entries
        self._record(slot, credential, entries[0].log_index if entries else None, request)
        return result

    def _for_signing(
        self, plan: SigningPlan, committer: tuple[str, str], conversation: Conversation
    ) -> tuple[_Slot, Credential]:
        slot, credential = self.credential(plan, committer, conversation)
        if conversation.gone:  # its user pressed Ctrl-C: publish nothing in his name
            raise ServiceError("client-gone", "the client hung up, nothing was signed")
        return slot, credential

    def _record(self, slot: _Slot, credential: Credential, log_index: int | None, request: Request) -> None:
        name = _key(credential)
        with self._lock:
            slot.uses[name] = slot.uses.get(name, 0) + 1
        self._ledger.record(credential, log_index, request)

    def credential(
        self, plan: SigningPlan, committer: tuple[str, str], conversation: Conversation
    ) -> tuple[_Slot, Credential]:
        """Return a credential for this committer (name, e-mail), held already or new, and its slot."""
        with self._lock:
            slot = self._slots.setdefault(plan.slot, _Slot(plan.label))
        with slot.lock:
            return slot, self._chosen(slot, plan, committer, conversation)

    def _chosen(
        self, slot: _Slot, plan: SigningPlan, committer: tuple[str, str], conversation: Conversation
    ) -> Credential:
        """One that may sign; else a token that needs no person; else one that a person allows; else a sign-in."""
        held, publication, decision = next(self._candidates(slot, plan, committer), (None, None, "refuse"))
        if held is not None and decision == "go":
            return held
        email = plan.wanted.address or committer[1]
        token = plan.silent(email) if plan.given is None else None
        if held is not None and publication is not None and token is None:
            _require_consent(publication, conversation)
            return held
        token = token or _token(plan, email, conversation)
        credential = self._certified(token, plan, committer, conversation)
        with self._lock:  # a lock in the meantime has made this slot one that nobody finds any more
            slot.credentials[_key(credential)] = credential
        return credential

    def _candidates(
        self, slot: _Slot, plan: SigningPlan, committer: tuple[str, str]
    ) -> Iterator[tuple[Credential, Publication, Decision]]:
        """First those that may sign, the committer's own before others, then those that a person has to allow.

        A given token says which one it is.
        """
        limit = self._now() + RENEW_BEFORE
        live = [one for one in tuple(slot.credentials.values()) if one.usable(limit) and one.usable(self._now())]
        if plan.given is not None:
            claims = parse_unverified(plan.given.token().raw)
            live = [one for one in live if _is_of(one, claims)]
        live = [one for one in live if plan.wanted.is_met_by(one.identity.value, one.identity.issuer)]
        live.sort(key=lambda one: one.identity.value not in committer)
        judged = [(one, _publication(plan, one.identity.value, one.identity.san_type, committer)) for one in live]
        decided = [(*pair, decide(pair[1], plan.match_committer, plan.consent)) for pair in judged]
        for wanted in ("go", "ask"):
            yield from (each for each in decided if each[2] == wanted)

    def prospect(self, plan: SigningPlan, committer: tuple[str, str]) -> Credential | None:
        """Say which held credential would sign for this committer; asks nobody and waits for nobody."""
        with self._lock:
            slot = self._slots.get(plan.slot)
        found = None if slot is None else next(self._candidates(slot, plan, committer), None)
        return None if found is None else found[0]

    def _certified(
        self, token: IdentityToken, plan: SigningPlan, committer: tuple[str, str], conversation: Conversation
    ) -> Credential:
        claims = parse_unverified(token.raw)
        check_address(plan.wanted, claims)

        def agree(identity: str, kind: str) -> None:
            _agree(plan, _publication(plan, identity, kind, committer), conversation)

        agree(certificate_identities(claims)[-1], kind_for(claims))
        # The committer has been compared above, for every signature and not only for the first.
        request = replace(plan.options.request, committer=(), wanted=plan.wanted, agree=agree)
        services = plan.services
        return obtain_credential(request, tokens=_Token(token), authority=services.authority, now=self._now())

    def expire(self) -> None:
        """Drop what has ended."""
        now = self._now()
        with self._lock:
            for slot in self._slots.values():
                for name in [name for name, one in slot.credentials.items() if not one.usable(now)]:
                    del slot.credentials[name]

    def lock(self) -> int:
        """Drop everything; returns how many credentials were held. A signature under way finishes with what it has."""
        with self._lock:
            count = sum(len(slot.credentials) for slot in self._slots.values())
            self._slots.clear()
        forget()
        return count

    def held(self) -> tuple[Held, ...]:
        """Describe what is held."""
        with self._lock:
            return tuple(
                Held(
                    slot.label,
                    one.identity.value,
                    one.identity.issuer,
                    one.certificate.not_after,
                    one.certificate.fingerprint,
                    slot.uses.get(name, 0),
                )
                for slot in self._slots.values()
                for name, one in slot.credentials.items()
            )


def _key(credential: Credential) -> tuple[str, str]:
    """The same address by another provider is another person's word."""
    return credential.identity.value, credential.identity.issuer


def _is_of(credential: Credential, claims: UnverifiedClaims) -> bool:
    identity = credential.identity
    return may_vouch(claims, identity.issuer) and may_identify(
        claims, identity.value, identity.san_type, identity.claims.get("token_subject")
    )


def _token(plan: SigningPlan, email: str, conversation: Conversation) -> IdentityToken:
    if plan.given is not None:
        return plan.given.token()
    if conversation.restricted:
        raise ServiceError(
            "sign-in-needed",
            "the forwarded agent is not signed in, and nobody can sign in through a forwarded socket",
            hint="run gitsign-py login on the machine where the agent runs (--remember to do so once)",
        )
    patience = plan.sign_in_seconds + ANSWER_SECONDS
    given = conversation.need(patience, what=b"token", issuer=plan.issuer.encode(), email=email.encode())
    if given is None or "token" not in given:
        raise ServiceError("sign-in-needed", "nobody signed in, nothing was signed", hint="try again")
    return IdentityToken(given["token"].decode("ascii", "replace"))


def _publication(plan: SigningPlan, identity: str, kind: str, committer: tuple[str, str]) -> Publication:
    return Publication(identity, kind, plan.fulcio, *committer)


def _agree(plan: SigningPlan, publication: Publication, conversation: Conversation) -> None:
    decision = decide(publication, plan.match_committer, plan.consent)
    if decision == "refuse":
        raise mismatch(publication)
    # Behind a forwarded socket is nobody to be told; the committer's own address needs no question.
    if decision == "ask" or not (conversation.restricted or plan.consent.announced(publication)):
        _require_consent(publication, conversation)


def _require_consent(publication: Publication, conversation: Conversation) -> None:
    """Let the client ask its person (host.consent.require_consent): the agent has no terminal."""
    given = None
    if not conversation.restricted:
        names = Publication.__dataclass_fields__
        fields = {name: str(getattr(publication, name)).encode() for name in names}
        given = conversation.need(ANSWER_SECONDS, what=b"consent", **fields)
    if given is None or given.get("consent") != b"yes":
        raise PolicyError(
            "consent-needed",
            f"nobody agreed to publish {publication.identity} for the committer {publication.committer_email}",
            hint="sign once in a terminal where the agent runs, or set gitsign.matchCommitter to false",
            facts={"identity": publication.identity, "committer": publication.committer_email},
        )
