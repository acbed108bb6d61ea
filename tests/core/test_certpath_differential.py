"""The path search against another verifier: cryptography's, with policies that ask for what we ask for.

A few thousand chains, each spoiled in several ways at random. Nothing is accepted here that is refused there. Where
a chain is refused here alone, one of the differences below must be there, and without it (the same chain made again)
both must say the same: so it is the cause, not a bystander. docs/refused.md has the same list.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification as foreign
from cryptography.x509.oid import ExtendedKeyUsageOID

from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.certpath import check_path, check_times
from gitsign_py.errors import GitsignError
from tests.support.forgedworld import CA_USAGE, DIGITAL_SIGNATURE, LOGGED, T0, constraints, extension, purposes
from tests.support.pathworld import NEW, OLD, authority_id, ca, leaf, subject_id
from tests.support.thorough import THOROUGH

pytestmark = pytest.mark.no_cover  # very many calls of what other tests measure
CHAINS = 2400 if THOROUGH else 800
UNKNOWN = "1.3.6.1.4.1.55738.666.1"
_NAMES = der.sequence(der.context(0, der.sequence(der.encode(0x81, b"example.com"))))  # allows the leaf's address
_POLICY = der.sequence(der.context(0, b"\3", constructed=False))
_PLAIN_CONSTRAINTS = extension(oids.BASIC_CONSTRAINTS, der.sequence(der.boolean(value=True)))
_OF_CAS = (
    *("expired", "to-come", "no-constraints", "plain-constraints", "no-ca", "no-usage", "no-cert-sign", "length-0"),
    *("length-1", "no-ski", "no-aki", "other-aki", "critical-ski", "unknown-critical", "unknown", "names"),
    *("names-critical", "policy", "serial-zero", "other-purpose", "own-purpose", "other-key", "other-name"),
    "self-issued",
)
_OF_LEAVES = ("expired", "to-come", "no-aki", "other-aki", "unknown-critical", "unknown", "names", "other-key")

STRICTER = {
    "names": "name constraints are refused, not evaluated",
    "names-critical": "so are critical ones",
    "policy": "policyConstraints that are not critical are refused, not passed over",
    "no-ski": "an intermediate that was sent has a subject key identifier",
    "no-aki": "an intermediate that was sent has an authority key identifier",
    "other-aki": "key identifiers that are there have to agree",
    "critical-ski": "a key identifier that is marked as critical is not understood",
    "serial-zero": "an intermediate that was sent has a serial number that is not zero",
}


@dataclass(frozen=True)
class Link:
    """One certificate: its key's number, the numbers of those that stand above it, what is wrong with it."""

    number: int
    above: int
    flaws: frozenset[str]
    listed: bool = False


@dataclass(frozen=True)
class Made:
    """A chain as both verifiers take it."""

    leaf: Certificate
    root: Certificate
    sent: tuple[Certificate, ...]


def _flaws(source: random.Random, of: Iterable[str], chance: float) -> frozenset[str]:
    return frozenset(flaw for flaw in of if source.random() < chance)


def links(source: random.Random) -> list[Link]:
    """A root, up to four intermediates below one another (or twins of one another), and the leaf last."""
    chance = source.choice((0.01, 0.03, 0.08))
    found = [Link(40, 40, _flaws(source, _OF_CAS, chance) - {"self-issued", "other-key"}, listed=True)]
    for number in range(41, 41 + source.randrange(5)):
        twin = len(found) > 1 and source.random() < 0.3
        last = found[-1]
        flaws = _flaws(source, _OF_CAS, chance) | _flaws(source, ("self-issued", "length-0", "length-1"), 0.08)
        link = Link(number, last.number, flaws)
        found.append(replace(link, number=last.number, above=last.above) if twin else link)
    return [*found, Link(20, found[-1].number, _flaws(source, _OF_LEAVES, chance))]


def make(chain: list[Link], source: random.Random) -> Made:
    names = {40: "root"}
    for link in chain[1:-1]:
        names[link.number] = names[link.above] if "self-issued" in link.flaws else f"ca {link.number}"
    made = [_ca(link, names, at) for at, link in enumerate(chain[:-1])]
    sent = made[1:]
    source.shuffle(sent)
    return Made(_leaf(chain[-1], names), made[0], tuple(sent))


def _parent(link: Link, names: dict[int, str]) -> tuple[int, str]:
    """Key and name of the issuer, or another key under its name, or its key under another name."""
    number = 90 if "other-key" in link.flaws else link.above
    return number, "nobody" if "other-name" in link.flaws else names[link.above]


def _window(link: Link) -> dict[str, Any]:
    if "expired" in link.flaws:
        return {"window": OLD}
    return {"window": (T0 + timedelta(days=1), NEW[1])} if "to-come" in link.flaws else {}


def _extra(link: Link) -> list[bytes]:
    flaws = link.flaws
    extra = [extension(UNKNOWN, der.null(), critical="unknown-critical" in flaws)] if _any(flaws, "unknown") else []
    critical = "names-critical" in flaws
    extra += [extension(oids.NAME_CONSTRAINTS, _NAMES, critical=critical)] if _any(flaws, "names") else []
    extra += [extension(oids.POLICY_CONSTRAINTS, _POLICY)] if "policy" in flaws else []
    extra += [purposes(oids.TIME_STAMPING)] if "other-purpose" in flaws else []
    return extra + ([purposes(oids.CODE_SIGNING)] if "own-purpose" in flaws and "other-purpose" not in flaws else [])


def _any(flaws: frozenset[str], start: str) -> bool:
    return any(flaw.startswith(start) for flaw in flaws)


def _identifiers(link: Link) -> list[bytes]:
    own = [] if "no-ski" in link.flaws else [subject_id(link.number, critical="critical-ski" in link.flaws)]
    return own + ([] if "no-aki" in link.flaws else [authority_id(77 if "other-aki" in link.flaws else link.above)])


def _ca(link: Link, names: dict[int, str], at: int) -> Certificate:
    flaws = link.flaws
    length = 0 if "length-0" in flaws else 1 if "length-1" in flaws else None
    basic = b"" if "no-constraints" in flaws else _PLAIN_CONSTRAINTS if "plain-constraints" in flaws else None
    basic = constraints(ca=False) if "no-ca" in flaws else basic
    bits = None if "no-usage" in flaws else DIGITAL_SIGNATURE if "no-cert-sign" in flaws else CA_USAGE
    return ca(
        link.number,
        names[link.number],
        _parent(link, names),
        path_length=length,
        serial=0 if "serial-zero" in flaws else 1000 + at,
        basic=basic,
        bits=bits,
        identifiers=_identifiers(link),
        extra=_extra(link),
        **_window(link),
    ).certificate


def _leaf(link: Link, names: dict[int, str]) -> Certificate:
    aki = [] if "no-aki" in link.flaws else [authority_id(77 if "other-aki" in link.flaws else link.above)]
    return leaf(_parent(link, names), identifiers=aki, extra=_extra(link), **_window(link))


def ours(made: Made) -> bool:
    try:
        check_path(made.leaf, (made.root,), purpose=oids.CODE_SIGNING, untrusted=made.sent, times=[LOGGED])
        check_times([made.leaf], LOGGED)
    except GitsignError:
        return False
    return True


def theirs(made: Made) -> bool:
    root, leaf_, *sent = (x509.load_der_x509_certificate(one.raw) for one in (made.root, made.leaf, *made.sent))
    verifier = (
        foreign.PolicyBuilder()
        .store(foreign.Store([root]))
        .time(LOGGED)
        .max_chain_depth(6)
        .extension_policies(ca_policy=_ca_policy(), ee_policy=foreign.ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(leaf_, list(sent))
    except foreign.VerificationError:
        return False
    return True


def _ca_policy() -> foreign.ExtensionPolicy:
    agnostic, critical = foreign.Criticality.AGNOSTIC, foreign.Criticality.CRITICAL
    policy = foreign.ExtensionPolicy.permit_all()
    policy = policy.require_present(x509.BasicConstraints, critical, None)
    policy = policy.require_present(x509.KeyUsage, agnostic, _may_certify)
    return policy.may_be_present(x509.ExtendedKeyUsage, agnostic, _for_code)


def _may_certify(policy: Any, certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("no keyCertSign")


def _for_code(policy: Any, certificate: x509.Certificate, wanted: x509.ExtendedKeyUsage | None) -> None:
    if wanted is not None and ExtendedKeyUsageOID.CODE_SIGNING not in wanted:
        raise ValueError("another purpose")


def without(chain: list[Link], flaws: Iterable[str]) -> list[Link]:
    return [replace(link, flaws=link.flaws - frozenset(flaws)) for link in chain]


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_every_difference_has_a_known_cause() -> None:
    seen: Counter[str] = Counter()
    verdicts: Counter[tuple[bool, bool]] = Counter()
    for seed in range(CHAINS):
        chain = links(random.Random(seed))
        made = make(chain, random.Random(seed))
        verdict = ours(made), theirs(made)
        verdicts[verdict] += 1
        if verdict[0] == verdict[1]:
            continue
        assert verdict == (False, True), f"chain {seed} is accepted here alone: {chain}"
        causes = {flaw for link in chain for flaw in link.flaws if flaw in STRICTER}
        again = make(without(chain, causes), random.Random(seed))
        assert causes, f"chain {seed} ({verdict}): {chain}"
        assert ours(again) == theirs(again), f"chain {seed} ({verdict}), without {causes}: {chain}"
        seen.update(causes if len(causes) == 1 else ())
    assert set(seen) == set(STRICTER), "a difference that is listed never was the only one"
    assert verdicts[True, True] > CHAINS // 10
    assert verdicts[False, False] > CHAINS // 10
