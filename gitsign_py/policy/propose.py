"""A first policy out of what a history shows, for a person to read and correct before it counts."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True)
class Observed:
    """Whoever signed something: counts, the first and last proven time as text, and the committer e-mails used."""

    identity: str
    issuer: str
    form: str
    key: str = ""
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


def propose(observed: Iterable[Observed], *, introduction: str, notes: Iterable[str]) -> str:
    """Write a policy (TOML) that lets everybody seen go on as before.

    ``introduction`` is the id after which every commit is signed, or empty; ``notes`` go on top as comments.
    """
    people = sorted((one for one in observed if one.form == "sigstore"), key=lambda one: (-one.commits, one.identity))
    names = _names(people)
    lines = ["# A proposal from what the history shows. Read every line before it counts: see docs/policy.md."]
    lines += [f"# {_one_line(note)}" for note in notes]
    lines += ["", "version = 1"]
    if introduction:
        lines.append(f"introduction = {_quote(introduction)}  # what is older is accepted as it is")
    signers = ", ".join(_quote(name) for name in names)
    lines += [f"administrators = [{_quote(names[0]) if names else ''}]  # who may change this policy", ""]
    taken = {one.identity for one in people}
    for name, one in zip(names, people, strict=True):
        aliases = [email for email, _ in one.emails.most_common() if email and email not in taken]
        taken.update(aliases)  # an address stands for one person; who used it most comes first
        lines += _person(name, one, aliases)
    lines += ["[[rules]]", 'name = "everyone"', f"allow = [{signers}]", ""]
    return "\n".join(lines)


def _person(name: str, one: Observed, others: list[str]) -> list[str]:
    """People by their e-mail, workflows by their exact URI without the ref, which changes."""
    is_workflow = "://" in one.identity
    table = "workflows" if is_workflow else "people"
    seen = f"{one.commits} commits, {one.first or 'no proven time'} to {one.last or 'no proven time'}"
    lines = [f"[{table}.{name}]  # {seen}"]
    if is_workflow:
        lines += [f"subject = {_quote(one.identity)}", f"issuer = {_quote(one.issuer)}"]
    else:
        lines.append(f"identities = [{{ subject = {_quote(one.identity)}, issuer = {_quote(one.issuer)} }}]")
    if others:
        lines.append(f"emails = [{', '.join(map(_quote, others))}]  # committers seen with this identity")
    return [*lines, ""]


def _names(people: list[Observed]) -> list[str]:
    """Short names, none of them twice."""
    names: list[str] = []
    for one in people:
        local = one.identity.partition("@")[0].rpartition("/")[2]
        name = _NAME.sub("-", local.lower()).strip("-") or "signer"
        number = sum(1 for taken in names if re.fullmatch(re.escape(name) + r"(-\d+)?", taken))
        names.append(f"{name}-{number + 1}" if number else name)
    return names


def _quote(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's (TOML 1.0, String), DEL aside."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return " ".join(text.split())
