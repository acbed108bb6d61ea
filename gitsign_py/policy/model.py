"""A policy as it has been read: names, rules, windows, exceptions. Values only; ``parse.py`` makes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.pki.namekind import NameKind
from gitsign_py.policy.patterns import Matcher, glob_matches

POLICY_PATH = ".gitsign/policy.toml"
POLICY_FOLDER = ".gitsign"
Match = Literal["committer", "author", "both", "none"]
TimeSource = Literal["log", "timestamp", "witness"]
TIME_SOURCES: tuple[TimeSource, ...] = ("log", "timestamp", "witness")
KeyFormat = Literal["openpgp", "ssh", "x509"]
PrincipalKind = Literal["person", "workflow", "robot", "forge"]


@frozen
class Identity:
    """The demands on a certificate: ``subject`` of that ``kind`` (None: any), exact ``issuer``, Fulcio ``claims``."""

    issuer: str
    subject: Matcher | None = None
    claims: tuple[tuple[str, Matcher], ...] = ()
    kind: NameKind | None = None


@frozen
class Window:
    """From when to when a principal may sign, ends inclusive; None is open."""

    start: datetime | None = None
    end: datetime | None = None


@frozen
class Key:
    """A key of another signature format: OpenPGP by fingerprint (upper-case hex), SSH by its public key line, an S/MIME
    certificate (x509) by its SHA-256 (lower-case hex) or by ``issuer`` and ``subject`` (core.pki.distinguished).
    """

    name: str
    format: KeyFormat
    fingerprint: str
    public: str = ""
    issuer: str = ""
    subject: str = ""


@frozen
class Principal:
    """Someone who signs. ``emails`` are what may stand in a commit's author or committer line for them, ``logins``
    the names that a server has for them.
    """

    name: str
    kind: PrincipalKind
    identities: tuple[Identity, ...] = ()
    keys: tuple[str, ...] = ()
    emails: frozenset[str] = frozenset()
    window: Window = Window()
    logins: frozenset[str] = frozenset()


@frozen
class Rule:
    """For refs and paths that match, the principals in ``allow`` may sign. The first rule that matches decides.

    So many of the people in ``approvers`` must have approved: ``approvals`` of every commit, ``robot_approvals`` of one
    that a robot signed. With ``signed_push`` a push to such a ref must be signed as well (``pushes.py``).
    """

    name: str
    refs: tuple[str, ...]
    paths: tuple[str, ...]
    allow: frozenset[str]
    match: Match
    times: frozenset[TimeSource]
    approvals: int = 0
    robot_approvals: int = 0
    approvers: frozenset[str] = frozenset()
    signed_push: bool = False

    @property
    def wants_approvals(self) -> bool:
        """Tell whether somebody besides the signer may be asked for."""
        return bool(self.approvals or self.robot_approvals)

    def covers_ref(self, ref: str) -> bool:
        """Tell whether the rule speaks about this full ref name."""
        return not self.refs or any(glob_matches(glob, ref) for glob in self.refs)


@frozen
class Forge:
    """A forge that makes merges itself: known by its committer e-mail, believed by reproduction or by key.

    ``author_pushes``: who pushes a merge that nobody signed must be the person whom it names as its author. ``squash``
    and ``rebase``: commits that the forge makes of a pull request's count too (``copies.py``).
    """

    name: str
    committer: str
    reproducible: bool
    keys: tuple[str, ...]
    author_pushes: bool = False
    squash: bool = False
    rebase: bool = False

    @property
    def copies(self) -> bool:
        """Tell whether commits with one parent may be the forge's."""
        return self.squash or self.rebase


@frozen
class Policy:
    """A whole policy. ``digest`` is the SHA-256 (hex) of the bytes it was read from, ``source`` a name for people.

    ``place`` is the path in the repository that it was read from, where that is not below ``.gitsign/``.
    """

    source: str
    digest: str
    administrators: frozenset[str]
    rules: tuple[Rule, ...]
    principals: Mapping[str, Principal]
    keys: Mapping[str, Key] = field(default_factory=dict)
    forges: tuple[Forge, ...] = ()
    exemptions: Mapping[str, str] = field(default_factory=dict)
    unjudged: tuple[str, ...] = ()
    introduction: str = ""
    place: str = ""

    def judges(self, ref: str) -> bool:
        """Tell whether the policy has anything to say about a ref (``unjudged`` lists those it leaves alone)."""
        return not any(glob_matches(glob, ref) for glob in self.unjudged)

    def rules_for(self, ref: str) -> tuple[int, ...]:
        """Numbers of the rules that speak about ``ref``, in order: refs with the same numbers are judged alike."""
        return tuple(number for number, rule in enumerate(self.rules) if rule.covers_ref(ref))

    def push_rule(self, ref: str) -> Rule | None:
        """The first rule that wants pushes to ``ref`` signed; None where none does, and for what is not judged."""
        wanting = (rule for rule in self.rules if rule.signed_push and rule.covers_ref(ref))
        return next(wanting, None) if self.judges(ref) else None

    def class_of(self, ref: str) -> tuple[object, ...]:
        """The key that refs share when they are judged alike; one for which approvals are wanted is like no other."""
        numbers = self.rules_for(ref)
        return (numbers, ref) if any(self.rules[number].wants_approvals for number in numbers) else numbers
