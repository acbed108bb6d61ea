"""The refusal that a pusher reads: each refused commit by id, subject, author and reason, and the command that repairs
it.

The commands are to be pasted: names out of a push are quoted for the shell.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import sentence
from gitsign_py.cli.repairbase import RepairBase
from gitsign_py.host.git.attestationrefs import JOIN
from gitsign_py.policy.approvals import MAX_AT_ONCE
from gitsign_py.policy.facts import Decision
from gitsign_py.policy.model import Policy, Rule
from gitsign_py.verification.verdict import LACKING

MAX_NAMED = 20
_MAX_PEOPLE = 5
_OWNERS = ("the trust root", "a form that it knows")
_RESIGN = ("unsigned", "bad", "malformed", "identity-mismatch")
_RENAMED = "tag-name-mismatch"
_TAGS = "refs/tags/"
_BY_HAND = "have somebody who may bring all of it here merge by hand, and sign that (git merge --no-ff -S)"
_FORGE = {
    "forge-head-missing": "bring the head of the pull request here (refs/pull/N/head, refs/notes/gitsign-merges)",
    "head-not-accepted": "mend the pull request first: where approvals are missing, others approve the commit that is "
    "named (gitsign-py approve --ref REF COMMIT), and this can be pushed as it is; else sign it again, and merge again",
    "merged-not-accepted": "mend what it merges first: where approvals are missing, this can be pushed as it is then; "
    "else merge again",
    "merge-not-reproducible": _BY_HAND,
    "merge-changes-policy": _BY_HAND,
    "merge-author-refused": _BY_HAND,
    "pusher-not-author": "have the author of the merge push it",
    "pusher-unknown": "have the author of the merge push it, signed: git push --signed",
}
"""Where a forge made the commit: what helps, by the reason."""


def explain_refusals(
    records: Sequence[Record], count: int, base_of: RepairBase, policy: Policy | None = None
) -> Iterator[str]:
    """Lines for stderr; ``records`` with the newest first, the oldest ones of ``count`` in all.

    ``policy`` is the one that refused: the pusher's clone has none that could explain it.
    """
    if not count:
        return
    refs = ", ".join(dict.fromkeys(record.ref for record in records if record.ref))
    noun = "commit or tag" if count == 1 else "commits or tags"
    yield f"gitsign-py: refused: {count} {noun} in this push{' to ' + refs if refs else ''} failed the checks"
    for record in records[-MAX_NAMED:]:
        yield from _named(record)
    if count > MAX_NAMED:
        yield f"  ... and {count - MAX_NAMED} more"
    yield from _repairs(records, base_of, policy)


def _named(record: Record) -> Iterator[str]:
    name = f"tag {record.ref.removeprefix('refs/tags/')} " if record.kind == "tag" else ""
    yield f"  {name}{record.oid} {record.subject[:72]!r} by {record.author or 'nobody'}"
    yield f"    {record.verdict}: {sentence(record)} [{record.reason}]"


def _repairs(records: Sequence[Record], base_of: RepairBase, policy: Policy | None) -> Iterator[str]:
    """One command for each ref and kind of trouble: a second rebase would start at commits that are gone.

    Tags come last, but for those on commits that a rebase takes away, also signed ones: each right after that rebase,
    while its branch is checked out.
    """
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.ref, _kind(record)), []).append(record)
    moved: dict[str, str] = {}
    for (ref, kind), some in sorted(found.items(), key=_is_tags)[:MAX_NAMED]:
        if (kind == "tag" and (ref, "resign") in found) or (kind in ("tag", "resign") and ref in moved):
            continue  # it was made anew with its commits
        where = f" on {ref}" if ref else ""
        first = "; check that out first" if kind == "resign" and base_of.tip(ref) else ""
        yield f"  to repair ({_verdicts(some)}{where}{first}): {_command(kind, some, base_of, policy)}"
        if kind != "resign" or ref.startswith(_TAGS):
            continue
        for tag, place in base_of.tags_on(ref, base_of(ref, [record.oid for record in some])).items():
            if tag not in moved and len(moved) < MAX_NAMED:
                moved[tag] = place
                refused = found.get((tag, "tag")) or found.get((tag, "resign"))
                why = f"{_verdicts(refused)} on {tag}" if refused else f"{tag}, on a commit that this rewrites"
                yield f"  to repair ({why}): {_tag_again(tag, place, base_of)}"


def _verdicts(records: Sequence[Record]) -> str:
    return ", ".join(dict.fromkeys(record.verdict for record in records))


def _kind(record: Record) -> str:
    """The help that would serve: to sign again, the same for a tag, to wait, the server's owner, or the rule that
    refused.
    """
    if record.verdict == "unchecked" and record.reason not in _FORGE:
        return "owner" if LACKING.get(record.reason) in _OWNERS else "wait"
    if record.verdict in _RESIGN or record.reason == _RENAMED:
        return "tag" if record.kind == "tag" else "resign"
    return f"rule {record.rule} {record.principal} {record.reason}"


def _is_tags(item: tuple[tuple[str, str], list[Record]]) -> bool:
    (ref, kind), _ = item
    return kind == "tag" or ref.startswith(_TAGS)


def _command(kind: str, records: Sequence[Record], base_of: RepairBase, policy: Policy | None) -> str:
    if kind == "tag":
        return _tag_again(records[-1].ref, None, base_of)
    if kind == "resign":
        return _sign_again(records, base_of)
    if kind == "wait":
        return "nothing is known to be wrong; push again later, or show this to the server's owner"
    if kind == "owner":
        return (
            "to sign again does not help: the server's trust root lacks what made this signature; "
            "show this to the server's owner (gitsign.trustedRoot)"
        )
    return who_may(records[-1], policy, [record.oid for record in reversed(records)])


def who_may(record: Record, policy: Policy | None, oids: Sequence[str] = ()) -> str:
    """The rule, who may by it, and whom to ask: the pusher cannot look at the server's policy.

    ``oids`` are all that are refused for the same.
    """
    oids = oids or (record.oid,)
    if policy is None:
        return "ask the server's owner, or have somebody who may do this sign it"
    ask = _ask(policy)
    rule = next((rule for rule in policy.rules if rule.name == record.rule), None)
    if rule is not None:
        return _by_rule(policy, rule, record, oids)
    if record.rule == "administrators":
        return f"only administrators change what lies below .gitsign/: {ask}"
    if record.reason == "signer-unknown":
        return f"{ask} to name {record.identity} in it"
    return _by_forge(record, oids, ask)


def _by_forge(record: Record, oids: Sequence[str], ask: str) -> str:
    """What a forge has made rests on other commits, on who pushes it, or on its author: no key of it helps."""
    if record.reason == "approvals-missing":
        return _approve("others who may", record.ref, oids)
    words = _FORGE.get(record.reason)
    return f"{words}, or {ask}" if words else ask


def who_may_push(policy: Policy, decision: Decision) -> str:
    """The same about a signed push."""
    rule = next((rule for rule in policy.rules if rule.name == decision.rule), None)
    if decision.reason != "rule-refuses" or rule is None:
        return _ask(policy)
    return f"the rule lets {_names(rule.allow)} push there: have one of them push it, or {_ask(policy)}"


def _ask(policy: Policy) -> str:
    return f"ask an administrator of the policy ({_names(policy.administrators)})"


def _by_rule(policy: Policy, rule: Rule, record: Record, oids: Sequence[str]) -> str:
    if record.reason != "approvals-missing":
        allowed = f"rule {rule.name!r} lets {_names(rule.allow)} do this"
        return f"{allowed}: have one of them sign it, or {_ask(policy)}"
    people = (name for name in rule.approvers if policy.principals[name].kind == "person")
    return _approve(f"others of {_names(people)}", record.ref, oids)


def _approve(who: str, ref: str, oids: Sequence[str]) -> str:
    named = " ".join(oids[:MAX_AT_ONCE])  # the next push names the others
    return (
        f"have {who} approve it, and bring that here first: {JOIN} "
        f"--ref {shlex.quote(ref)} {named} && git push origin 'refs/attestations/*:refs/attestations/*'"
    )


def _names(names: Iterable[str]) -> str:
    shown = sorted(names)
    more = len(shown) - _MAX_PEOPLE
    return ", ".join(shown[:_MAX_PEOPLE]) + (f" and {more} more" if more > 0 else "")


def _sign_again(records: Sequence[Record], base_of: RepairBase) -> str:
    """A rebase that keeps merges and empty commits, and signs everything from there on.

    It is for the branch that was pushed, which may have another name there: on one that lacks its commits git would
    rewrite that one's. Of commits that a tag alone brings no branch is known: it is done beside the one that is checked
    out.
    """
    amend = "git commit --amend --no-edit --allow-empty -S"
    if any(record.reason == "author-mismatch" for record in records):
        amend += " --reset-author"
    ref = records[-1].ref
    rebase = (
        f"{_set_address(records)}git rebase --rebase-merges --exec {shlex.quote(amend)} "
        f"{base_of(ref, [record.oid for record in records])}"
    )
    if tip := base_of.tip(ref):
        return f"git merge-base --is-ancestor {tip} HEAD && {rebase}"
    if not ref.startswith(_TAGS):
        return rebase
    there = shlex.quote(f"{ref}^{{}}")
    return f"git checkout -q --detach {there} && {rebase} && {_tag_again(ref, 'HEAD', base_of)} && git checkout -q -"


def _set_address(records: Iterable[Record]) -> str:
    """Where somebody signed for another address, the signer's own has to be in the commit."""
    signers = [record.identity for record in records if record.verdict == "identity-mismatch"]
    if not signers:
        return ""
    address = shlex.quote(signers[-1]) if "@" in signers[-1] and "://" not in signers[-1] else "YOUR-SIGNING-ADDRESS"
    return f"git config user.email {address} && "


def _tag_again(ref: str, place: str | None, base_of: RepairBase) -> str:
    """Make the tag anew with the message that it had; ``-F -`` since an editor would show an empty one.

    ``place`` is where it belongs after a rebase, empty where nobody knows; None where it stays.
    """
    name = ref.removeprefix(_TAGS)
    if place == "":
        return f"tag the commit again that takes the old one's place: git tag -s -f {shlex.quote(name)} COMMIT"
    target = shlex.quote(f"{name}^{{}}" if place is None else place)
    quoted = shlex.quote(name)
    if not base_of.is_annotated(ref):
        return f"git tag --no-sign -f -- {quoted} {target}"
    words = shlex.quote("--format=%(contents:subject)%0a%0a%(contents:body)")
    return f"git for-each-ref {words} {shlex.quote(ref)} | git tag -s -f -F - -- {quoted} {target}"
