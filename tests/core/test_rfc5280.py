"""What RFC 5280 asks of certificates and paths, case by case as x509-limbo generates them, and what is said of each.

The names are x509-limbo's, the certificates our own: its cases are for TLS, and a signer's certificate has another
profile. Cases of it that are refused there and pass here are listed at the end and explained in docs/refused.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.certpath import check_path, check_times
from gitsign_py.core.pki.fulcio import certificate_identity, check_profile
from gitsign_py.errors import GitsignError
from tests.support.forgedworld import (
    CA_USAGE,
    DIGITAL_SIGNATURE,
    LOGGED,
    T0,
    Authority,
    certify,
    constraints,
    extension,
    key,
    name,
    spki,
    usage,
)
from tests.support.pathworld import NEW, OLD, authority_id, ca, identifier, leaf, subject_id

UNKNOWN = "1.3.6.1.4.1.55738.666.1"
ROOT, MIDDLE = (40, "root"), (41, "middle")
_SUBTREE = der.sequence(der.encode(0x81, b"example.com"))
NAMES = der.sequence(der.context(0, _SUBTREE))
POLICY = der.sequence(der.context(0, b"\3", constructed=False))


@dataclass(frozen=True)
class Chain:
    """What a verifier is given: the leaf, the trust root's certificates (each alone), what was sent along, a time."""

    leaf: Certificate
    trusted: Sequence[Authority] = field(default_factory=lambda: [ca(*ROOT)])
    sent: Sequence[Authority] = ()
    time: datetime = LOGGED


def middle(**changes: object) -> Chain:
    """A leaf below an intermediate that came with the signature."""
    return Chain(leaf(MIDDLE), sent=[ca(*MIDDLE, ROOT, **changes)])  # type: ignore[arg-type]


def root(**changes: object) -> Chain:
    return Chain(leaf(ROOT), [ca(*ROOT, **changes)])  # type: ignore[arg-type]


def single(**changes: object) -> Chain:
    return Chain(leaf(ROOT, **changes))  # type: ignore[arg-type]


def line(*lengths: int | None) -> Chain:
    """Intermediates below the root with these path lengths, a leaf below the last."""
    names = [ROOT, *((50 + at, f"ca {at}") for at in range(len(lengths)))]
    sent = [ca(*names[at + 1], names[at], path_length=length) for at, length in enumerate(lengths)]
    return Chain(leaf(names[-1]), sent=sent)


def self_issued() -> Chain:
    """Root, ICA' (1), ICA' again under a new key (1), ICA'' (0), leaf."""
    sent = [
        ca(50, "ica", ROOT, path_length=1),
        ca(51, "ica", (50, "ica"), path_length=1),
        ca(52, "below", (51, "ica"), path_length=0),
    ]
    return Chain(leaf((52, "below")), sent=sent)


def crossed(*numbers: int, names: Sequence[str]) -> Chain:
    """CAs that sign for each other and lead nowhere."""
    ends = list(zip(numbers, names, strict=True))
    return Chain(leaf(ends[0]), sent=[ca(*end, ends[at - 1]) for at, end in enumerate(ends)])


def web() -> Chain:
    """CVE-2024-0567: A, B and C certify each other, the leaf is below A1, and A is trusted."""
    a, b, c = (40, "root"), (51, "b"), (52, "c")
    pairs = [(a, b), (a, c), (b, a), (b, c), (c, a), (c, b)]
    sent = [ca(*one, other, serial=2000 + at) for at, (one, other) in enumerate(pairs)]
    return Chain(leaf((53, "a1")), sent=[ca(53, "a1", a), *sent, ca(54, "b1", b), ca(55, "c1", c)])


def expired_detour() -> Chain:
    """The leaf's issuer is trusted, and an expired certificate by another root is there for it too."""
    other = (42, "other root")
    return Chain(leaf(ROOT), [ca(*ROOT), ca(*other)], [ca(*ROOT, other, window=OLD, serial=3)])


def hundred() -> Chain:
    """A hundred intermediates with one name and one key; one more is by the root."""
    loop = (60, "loop")
    return Chain(leaf(loop), sent=[*(ca(*loop, loop, serial=3000 + at) for at in range(100)), ca(*loop, ROOT)])


def extension_twice() -> Chain:
    return single(extra=[subject_id(20), subject_id(20)])


def of_time(offset: timedelta, *, whole: bool) -> Chain:
    """All certificates (or the root alone, the intermediate alone) have the leaf's window; judged off its edge."""
    window = (T0, T0 + timedelta(minutes=10))
    chain = Chain(leaf(MIDDLE, window=window), [ca(*ROOT, window=window)], [ca(*MIDDLE, ROOT, window=window)])
    return Chain(chain.leaf, chain.trusted, chain.sent, T0 + offset if not whole else window[1] + offset)


def nameless_ca() -> Chain:
    made = certify(key(40), name("x"), name(""), spki(key(40)), [constraints(ca=True), usage(CA_USAGE)], 5, *NEW)
    return Chain(leaf((40, "")), [Authority(key(40), made, name(""))])


def without_issuer_name() -> Chain:
    return Chain(leaf((40, "")))


NOT_CRITICAL = extension(oids.BASIC_CONSTRAINTS, der.sequence(der.boolean(value=True)))
NO_CA = constraints(ca=False)
CRITICAL_KEY_IDS = [subject_id(40, critical=True), authority_id(40)]

REFUSED: dict[str, tuple[str, Callable[[], Chain]]] = {
    "rfc5280::ee-empty-issuer": ("certificate-issuer-empty", without_issuer_name),
    "rfc5280::ca-empty-subject": ("certificate-issuer-empty", nameless_ca),
    "rfc5280::unknown-critical-extension-ee": (
        "certificate-extension-critical",
        lambda: single(extra=[extension(UNKNOWN, der.null(), critical=True)]),
    ),
    "rfc5280::unknown-critical-extension-root": (
        "certificate-extension-critical",
        lambda: root(extra=[extension(UNKNOWN, der.null(), critical=True)]),
    ),
    "rfc5280::unknown-critical-extension-intermediate": (
        "certificate-extension-critical",
        lambda: middle(extra=[extension(UNKNOWN, der.null(), critical=True)]),
    ),
    "rfc5280::chain-untrusted-root": (
        "certificate-untrusted",
        lambda: Chain(leaf(MIDDLE), [ca(43, "unrelated")], [ca(*ROOT), ca(*MIDDLE, ROOT)]),
    ),
    "rfc5280::intermediate-ca-without-ca-bit": ("certificate-untrusted", lambda: middle(basic=NO_CA)),
    "rfc5280::intermediate-ca-missing-basic-constraints": ("certificate-untrusted", lambda: middle(basic=b"")),
    "rfc5280::root-missing-basic-constraints": ("certificate-issuer-not-ca", lambda: root(basic=b"")),
    "rfc5280::root-non-critical-basic-constraints": (
        "certificate-constraints-not-critical",
        lambda: root(basic=NOT_CRITICAL),
    ),
    "intermediate-non-critical-basic-constraints": (
        "certificate-constraints-not-critical",
        lambda: middle(basic=NOT_CRITICAL),
    ),
    "rfc5280::root-inconsistent-ca-extensions": (
        "certificate-issuer-key-usage",
        lambda: root(bits=DIGITAL_SIGNATURE),
    ),
    "rfc5280::ica-ku-keycertsign": (
        "certificate-issuer-key-usage",
        lambda: middle(path_length=0, bits=DIGITAL_SIGNATURE),
    ),
    "rfc5280::leaf-ku-keycertsign": ("certificate-is-ca", lambda: single(bits=b"\x02\x84", extra=[NO_CA])),
    "rfc5280::ee-critical-aia-invalid": (
        "certificate-extension-critical",
        lambda: single(extra=[extension("1.3.6.1.5.5.7.1.1", der.sequence(), critical=True)]),
    ),
    "rfc5280::duplicate-extensions": ("certificate-extension-repeated", extension_twice),
    "rfc5280::aki::critical-aki": (
        "certificate-extension-critical",
        lambda: root(identifiers=[subject_id(40), authority_id(40, critical=True)]),
    ),
    "rfc5280::aki::intermediate-missing-aki": (
        "certificate-key-identifier",
        lambda: middle(identifiers=[subject_id(41)]),
    ),
    "rfc5280::ski::critical-ski": (
        "certificate-extension-critical",
        lambda: root(identifiers=CRITICAL_KEY_IDS),
    ),
    "rfc5280::ski::intermediate-missing-ski": (
        "certificate-key-identifier",
        lambda: middle(identifiers=[authority_id(40)]),
    ),
    "rfc5280::eku::ee-wrong-eku": ("certificate-not-code-signing", lambda: single(purpose="1.3.6.1.5.5.7.3.2")),
    "name-constraints-in-a-leaf": (
        "certificate-name-constraints",
        lambda: single(extra=[extension(oids.NAME_CONSTRAINTS, NAMES)]),
    ),
    "name-constraints-not-critical": (
        "certificate-name-constraints",
        lambda: middle(extra=[extension(oids.NAME_CONSTRAINTS, NAMES)]),
    ),
    "rfc5280::pc::ica-noncritical-pc": (
        "certificate-policy-constraints",
        lambda: middle(extra=[extension(oids.POLICY_CONSTRAINTS, POLICY)]),
    ),
    "policy-constraints-in-a-leaf": (
        "certificate-policy-constraints",
        lambda: single(extra=[extension(oids.POLICY_CONSTRAINTS, POLICY)]),
    ),
    "inhibit-any-policy": (
        "certificate-policy-constraints",
        lambda: root(extra=[extension(oids.INHIBIT_ANY_POLICY, der.integer(0))]),
    ),
    "rfc5280::san::malformed": (
        "der-truncated",
        lambda: single(san=False, extra=[extension(oids.SUBJECT_ALT_NAME, b"example.com")]),
    ),
    "rfc5280::san::noncritical-with-empty-subject": (
        "certificate-san-not-critical",
        lambda: single(san_critical=False),
    ),
    "rfc5280::serial::serial-number-zero": ("certificate-serial", lambda: single(serial=0)),
    "serial-zero-in-an-intermediate": ("certificate-serial", lambda: middle(serial=0)),
    "rfc5280::serial::serial-number-too-long": ("certificate-serial", lambda: single(serial=1 << 175)),
    "rfc5280::serial::serial-number-negative": ("certificate-serial", lambda: single(serial=-1)),
    "rfc5280::validity::expired-root": ("certificate-expired", lambda: root(window=OLD)),
    "rfc5280::validity::expired-intermediate": ("certificate-expired", lambda: middle(window=OLD)),
    "rfc5280::validity::expired-leaf": ("certificate-expired", lambda: single(window=OLD)),
    "rfc5280::validity::notbefore-fractional": (
        "certificate-not-yet-valid",
        lambda: of_time(timedelta(milliseconds=-1), whole=False),
    ),
    "pathlen::intermediate-violates-pathlen-0": ("certificate-path-too-long", lambda: line(0, 0)),
    "pathlen::intermediate-pathlen-too-long": ("certificate-path-too-long", lambda: line(1, 0, 0)),
    "pathological::intermediate-cycle-distinct-cas": (
        "certificate-untrusted",
        lambda: crossed(50, 51, names=["one", "two"]),
    ),
    "pathological::intermediate-cycle-same-logical-ca": (
        "certificate-untrusted",
        lambda: crossed(50, 51, names=["one", "one"]),
    ),
    # Valid there and refused here: docs/refused.md says why.
    "pathlen::self-issued-certs-pathlen": ("certificate-path-too-long", self_issued),
    "rfc5280::no-keyusage": ("certificate-key-usage", lambda: single(bits=None)),
    "rfc5280::eku::ee-without-eku": ("certificate-not-code-signing", lambda: single(purpose="")),
    "name-constraints-that-permit": (
        "certificate-extension-critical",
        lambda: middle(extra=[extension(oids.NAME_CONSTRAINTS, NAMES, critical=True)]),
    ),
    "pathlen::validation-ignores-pathlen-in-leaf": (
        "certificate-is-ca",
        lambda: single(extra=[constraints(ca=True, path_length=0)]),
    ),
    "a-ca-without-key-usage": ("certificate-issuer-key-usage", lambda: root(bits=None)),
}
ACCEPTED: dict[str, Callable[[], Chain]] = {
    "rfc5280::ee-aia": lambda: single(extra=[extension("1.3.6.1.5.5.7.1.1", der.sequence())]),
    "rfc5280::no-basicconstraints": single,
    "rfc5280::aki::self-signed-root-missing-aki": lambda: root(identifiers=[subject_id(40)]),
    "rfc5280::validity::notbefore-exact": lambda: of_time(timedelta(0), whole=False),
    "rfc5280::validity::notafter-exact": lambda: of_time(timedelta(0), whole=True),
    "rfc5280::validity::notafter-fractional": lambda: of_time(timedelta(milliseconds=5), whole=True),
    "pathlen::ee-with-intermediate-pathlen-0": lambda: line(0),
    "pathlen::ee-with-intermediate-pathlen-1": lambda: line(1),
    "pathlen::ee-with-intermediate-pathlen-2": lambda: line(2),
    "pathlen::intermediate-pathlen-may-increase": lambda: line(1, 2),
    "cve::cve-2024-0567": web,
    "pathological::multiple-chains-expired-intermediate": expired_detour,
    "pathological::chain-same-subject-same-key": hundred,
    # Refused there and accepted here: docs/refused.md says why.
    "rfc5280::aki::leaf-missing-aki": lambda: single(identifiers=()),
    "rfc5280::aki::cross-signed-root-missing-aki": lambda: Chain(
        leaf(MIDDLE), [ca(*MIDDLE, ROOT, identifiers=[subject_id(41)])]
    ),
    "rfc5280::ski::root-missing-ski": lambda: root(identifiers=[authority_id(40)]),
    "a-root-with-serial-zero": lambda: root(serial=0),
}


def judge(chain: Chain) -> None:
    """Steps 2.1, 2.2, 2.4 and 5.3, the trust root's certificates each as an authority of its own."""
    refusals: list[GitsignError] = []
    for one in chain.trusted:
        try:
            sent = [item.certificate for item in chain.sent]
            check_path(
                chain.leaf,
                (one.certificate,),
                purpose=oids.CODE_SIGNING,
                untrusted=sent,
                times=[chain.time],
            )
        except GitsignError as error:
            refusals.append(error)
    if len(refusals) == len(chain.trusted):
        raise refusals[0]
    check_profile(chain.leaf)
    certificate_identity(chain.leaf)
    check_times([chain.leaf], chain.time)


@pytest.mark.parametrize("case", list(REFUSED))
def test_refused(case: str) -> None:
    reason, make = REFUSED[case]
    with pytest.raises(GitsignError) as caught:
        judge(make())
    assert caught.value.reason == reason


@pytest.mark.parametrize("case", list(ACCEPTED))
def test_accepted(case: str) -> None:
    judge(ACCEPTED[case]())


def test_identifiers_that_differ_are_no_step_of_a_path() -> None:
    other = Chain(leaf(ROOT, identifiers=[authority_id(77)]))
    with pytest.raises(GitsignError) as caught:
        judge(other)
    assert caught.value.reason == "certificate-untrusted"
    assert identifier(77) != identifier(40)
