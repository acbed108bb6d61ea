"""A first policy out of what a history shows, for a person to read and correct before it counts."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from gitsign_py.core.frozen import field, slotted
from gitsign_py.core.pki.namekind import kind_said
from gitsign_py.policy.subjects import KEY_OF

_NAME = re.compile(r"[^a-z0-9]+")
_SHORT_FORMS = {"openpgp": "pgp", "ssh": "ssh", "x509": "smime"}


@slotted
class Observed:
    """A signer of something: counts, the first and last proven time as text, and the committer e-mails used.

    An identity of the kind ``san_type`` with its issuer, or a ``key`` of another format: its fingerprint, and for SSH
    the ``public`` key. An S/MIME certificate (``x509``) has subject and issuer as its identity. One that
    ``is_verified`` made good signatures; another is only named by signatures that nobody could check.
    """

    identity: str
    issuer: str
    form: str
    key: str = ""
    public: str = ""
    is_verified: bool = True
    san_type: str = ""
    commits: int = 0
    first: str = ""
    last: str = ""
    emails: Counter[str] = field(default_factory=Counter)

    def add(self, time: str, email: str) -> None:
        """Count one commit; ``time`` is RFC 3339 in UTC, or empty when nothing is proven."""
        self.commits += 1
        self.emails[email] += 1
        if time:
            self.first = min(self.first or time, time)
            self.last = max(self.last, time)

    @property
    def kind(self) -> str:
        """The kind of name that the identity is; by its spelling where that was not noted."""
        return self.san_type or kind_said(self.identity) or "other"

    @property
    def addresses(self) -> list[str]:
        """The committers, the most frequent first."""
        return [email for email, _ in self.emails.most_common() if email]


@slotted
class _Signer:
    """A person or workflow of the proposal."""

    name: str
    one: Observed | None = None
    keys: list[tuple[str, Observed]] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)

    def add_key(self, key: Observed) -> None:
        short = _SHORT_FORMS[key.form]
        number = sum(1 for _, other in self.keys if other.form == key.form)
        self.keys.append((f"{self.name}-{short}-{number + 1}" if number else f"{self.name}-{short}", key))

    @property
    def is_forge(self) -> bool:
        """Tell whether it looks like a forge that signs what people click."""
        return bool(self.keys) and any(email.startswith("noreply@") for email in self.emails)

    @property
    def has_email(self) -> bool:
        return bool(self.emails) or (self.one is not None and self.one.kind == "email")


def propose(observed: Iterable[Observed], *, introduction: str, notes: Iterable[str]) -> str:
    """Write a policy (TOML) that lets everybody seen go on as before; keys that nobody could check are comments.

    At least one must be verified. ``introduction`` is the id after which every commit is signed, or empty; ``notes`` go
    on top as comments.
    """
    seen = sorted(observed, key=lambda one: (one.form != "sigstore", -one.commits, one.identity, one.key))
    signers = _signers([one for one in seen if one.is_verified])
    lines = [*_head(signers, introduction, notes), ""]
    for signer in signers:
        lines += [*_person(signer), ""]
    for signer in signers:
        for name, key in signer.keys:
            lines += [*_key(name, key), ""]
    lines += _seen_only([one for one in seen if not one.is_verified])
    return "\n".join([*lines, *_rule(signers), ""])


def _head(signers: list[_Signer], introduction: str, notes: Iterable[str]) -> Iterator[str]:
    yield "# A proposal from what the history shows. Read every line before it counts: see docs/policy.md."
    yield from (f"# {_one_line(note)}" for note in notes)
    yield ""
    yield "version = 1"
    if introduction:
        yield f"introduction = {_quote(introduction)}  # what is older is accepted as it is"
    first = min(signers, key=lambda signer: (signer.is_forge, not signer.has_email))
    yield f"administrators = [{_quote(first.name)}]  # who may change this policy"


def describe_unchecked(one: Observed) -> str:
    """One line for a key that signatures name and nobody could check."""
    who = f", by committer {_quote(one.addresses[0])}" if one.addresses else ""
    return f"seen, not verified: {one.form} {one.key or 'key that the signature does not name'}, {_count(one)}{who}"


def _signers(seen: list[Observed]) -> list[_Signer]:
    """The people. A key goes to the person with its committers' addresses, else to a person of its own."""
    signers: list[_Signer] = []
    owners: dict[str, _Signer] = {}
    for one in seen:
        if one.form == "sigstore":
            signers.append(_Signer(_name(one.identity, signers), one))
            if one.kind == "email":
                owners.setdefault(one.identity, signers[-1])
    for signer in list(signers):
        _give_addresses(signer, signer.one, owners)
    for key in seen:
        if key.form != "sigstore":
            owner = next((owners[email] for email in key.addresses if email in owners), None)
            if owner is None:
                owner = _Signer(_name(next(iter(key.addresses), "signer"), signers))
                signers.append(owner)
            owner.add_key(key)
            _give_addresses(owner, key, owners)
    return signers


def _give_addresses(signer: _Signer, seen: Observed | None, owners: dict[str, _Signer]) -> None:
    """An address stands for one person; who used it most comes first."""
    for email in seen.addresses if seen else ():
        if owners.setdefault(email, signer) is signer and email not in signer.emails:
            signer.emails.append(email)


def _person(signer: _Signer) -> Iterator[str]:
    """People by their e-mail, workflows by their exact URI: what runs on another branch is another's word."""
    one = signer.one
    is_workflow = one is not None and one.kind == "uri"
    if signer.is_forge:
        yield "# A forge signs for whoever clicks. As one of [forges.*] it could make merges, and nothing else."
    yield f"[{'workflows' if is_workflow else 'people'}.{signer.name}]" + (f"  # {_span(one)}" if one else "")
    if one is not None and is_workflow:
        yield f"uri = {_quote(one.identity)}"
        yield f"issuer = {_quote(one.issuer)}"
    elif one is not None:
        key = KEY_OF["other" if one.kind == "other" else "email"]
        yield f"identities = [{{ {key} = {_quote(one.identity)}, issuer = {_quote(one.issuer)} }}]"
    if signer.keys:
        yield f"keys = [{', '.join(_quote(name) for name, _ in signer.keys)}]"
    emails = [email for email in signer.emails if one is None or one.kind != "email" or email != one.identity]
    if emails:
        yield f"emails = [{', '.join(map(_quote, emails))}]  # committers seen with these signatures"


def _key(name: str, key: Observed) -> Iterator[str]:
    whose = "gpgsm trusts its CA" if key.form == "x509" else "whose key it is, their committer line alone says"
    yield f"[keys.{name}]  # {_count(key)}; {whose}"
    yield f"format = {_quote(key.form)}"
    if key.identity:
        yield f"issuer = {_quote(key.issuer)}"
        yield f"subject = {_quote(key.identity)}"
        return
    yield f"public = {_quote(key.public)}" if key.form == "ssh" else f"fingerprint = {_quote(key.key)}"


def _seen_only(keys: list[Observed]) -> list[str]:
    """A signature that nobody could check proves nothing, least of all that its key may be trusted."""
    return [*(f"# {describe_unchecked(one)}" for one in keys), ""] if keys else []


def _rule(signers: list[_Signer]) -> Iterator[str]:
    """One rule for all. A person who signs only what others committed is left out: it would have to match nobody
    then.
    """
    named = [signer for signer in signers if signer.has_email]
    yield "[[rules]]"
    yield 'name = "everyone"'
    yield f"allow = [{', '.join(_quote(signer.name) for signer in named or signers)}]"
    if not named:
        yield 'match = "none"  # nobody signed as a committer of their own'
        return
    for signer in signers:
        if not signer.has_email:
            yield f'# {signer.name} signed only what others committed; a rule above that allows it needs match = "none"'


def _name(identity: str, signers: list[_Signer]) -> str:
    """A short name, none of them twice."""
    local = identity.partition("@")[0].rpartition("/")[2]
    name = _NAME.sub("-", local.lower()).strip("-") or "signer"
    number = sum(1 for other in signers if re.fullmatch(re.escape(name) + r"(-\d+)?", other.name))
    return f"{name}-{number + 1}" if number else name


def _count(one: Observed) -> str:
    return "1 commit" if one.commits == 1 else f"{one.commits} commits"


def _span(one: Observed) -> str:
    return f"{_count(one)}, {one.first} to {one.last}" if one.first else f"{_count(one)}, no proven time"


def _quote(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's (TOML 1.0, String).

    What does not show, or turns the line around, is escaped: a person is to read it.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)


def _one_line(text: str) -> str:
    return " ".join(text.split())
