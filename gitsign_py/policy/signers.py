"""The signer, and whether they could sign at that time."""

from collections.abc import Iterable
from datetime import datetime

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.policy.facts import Decision, Pusher, SignatureFacts
from gitsign_py.policy.model import Identity, Key, Policy, Principal


def refused(reason: str, message: str, signer: str = "", rule: str = "") -> Decision:
    """The signature is good and the policy says no."""
    return Decision("unauthorised", reason, message, rule, signer)


def find_signers(policy: Policy, signature: SignatureFacts) -> list[Principal]:
    """Whom the policy knows by this identity or key: one, or nobody; more only where patterns overlap."""
    found = [one for one in policy.principals.values() if _is_signer(policy, one, signature)]
    if signature.form != "sigstore":
        found += [
            Principal(forge.name, "forge", keys=forge.keys)
            for forge in policy.forges
            if _has_key(policy, forge.keys, signature)
        ]
    return found


def _is_signer(policy: Policy, principal: Principal, signature: SignatureFacts) -> bool:
    if signature.form != "sigstore":
        return _has_key(policy, principal.keys, signature)
    return any(
        identity.issuer == signature.issuer
        and _is_named(identity, signature)
        and all(name in signature.claims and want.matches(signature.claims[name]) for name, want in identity.claims)
        for identity in principal.identities
    )


def _is_named(identity: Identity, signature: SignatureFacts) -> bool:
    """Tell whether a certificate's name is meant: a text of another kind is another's name, however it is spelled."""
    if identity.subject is None:
        return True
    return identity.kind == signature.san_type and identity.subject.matches(signature.identity)


def _has_key(policy: Policy, names: Iterable[str], signature: SignatureFacts) -> bool:
    keys = (policy.keys[name] for name in names if name in policy.keys)
    return any(key.format == signature.form and _is_key(key, signature) for key in keys)


def _is_key(key: Key, signature: SignatureFacts) -> bool:
    """An x509 key without a fingerprint is any certificate of that subject by that issuer."""
    if key.fingerprint:
        return key.fingerprint in (signature.key, signature.subkey)
    return bool(key.subject) and (key.issuer, key.subject) == (signature.issuer, signature.identity)


def check_window(signer: Principal, signature: SignatureFacts) -> Decision | None:
    """Every proven time must lie in the signer's window; a window with nothing proven to hold against it refuses.

    The times in the commit and in a key's signature are the signer's own words: whoever left could backdate them.
    """
    start, end = signer.window.start, signer.window.end
    if start is None and end is None:
        return None
    if not signature.times:
        return refused("time-unproven", f"{signer.name} may sign in a window only, and no time is proven", signer.name)
    for source, time in signature.times:
        if start is not None and time < start:
            return refused("signed-too-early", f"{_at(signer, source, time)}, may sign from {_day(start)}", signer.name)
        if end is not None and time > end:
            return refused("signed-too-late", f"{_at(signer, source, time)}, could sign until {_day(end)}", signer.name)
    return None


def check_push_window(person: Principal, pusher: Pusher) -> Decision | None:
    """The same of who pushes: by the proven times of a signed push, else by the clock of the server that names them.

    It is the server's word that they push, and it says so now: nothing of it is the pusher's own.
    """
    if pusher.signature is not None:
        return check_window(person, pusher.signature)
    start, end, at = person.window.start, person.window.end, pusher.at
    if start is None and end is None:
        return None
    if at is None:
        return refused("time-unproven", f"{person.name} may push in a window only, and no time is known", person.name)
    pushed = f"{person.name} pushes at {_day(at)} by this server's clock"
    if start is not None and at < start:
        return refused("signed-too-early", f"{pushed}, may do so from {_day(start)}", person.name)
    if end is not None and at > end:
        return refused("signed-too-late", f"{pushed}, could do so until {_day(end)}", person.name)
    return None


def _at(signer: Principal, source: str, time: datetime) -> str:
    return f"{signer.name} signed at {_day(time)} ({source})"


def _day(time: datetime) -> str:
    return format_rfc3339(time.replace(microsecond=0))
