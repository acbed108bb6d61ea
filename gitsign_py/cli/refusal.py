"""What a pusher reads: each refused commit by id, subject, author and reason, and the command that repairs it.

The commands are to be pasted: names out of a push are quoted for the shell.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import sentence

MAX_NAMED = 20
_RESIGN = ("unsigned", "bad", "malformed", "identity-mismatch")
BaseOf = Callable[[Sequence[str]], str]
"""Where a rebase starts that rewrites all of these commits: a revision, or ``--root``."""


def explain_refusals(records: Sequence[Record], count: int, base_of: BaseOf) -> Iterator[str]:
    """Lines for stderr; ``records`` with the newest first, the oldest ones of ``count`` in all."""
    if not count:
        return
    refs = ", ".join(dict.fromkeys(record.ref for record in records if record.ref))
    noun = "commit or tag" if count == 1 else "commits or tags"
    yield f"gitsign-py: refused: {count} {noun} in this push{' to ' + refs if refs else ''} failed the checks"
    for record in records[-MAX_NAMED:]:
        yield from _named(record)
    if count > MAX_NAMED:
        yield f"  ... and {count - MAX_NAMED} more"
    yield from _repairs(records, base_of)


def _named(record: Record) -> Iterator[str]:
    name = f"tag {record.ref.removeprefix('refs/tags/')} " if record.kind == "tag" else ""
    yield f"  {name}{record.oid} {record.subject[:72]!r} by {record.author or 'nobody'}"
    yield f"    {record.verdict}: {sentence(record)} [{record.reason}]"


def _repairs(records: Sequence[Record], base_of: BaseOf) -> Iterator[str]:
    """One command for each ref and kind of trouble: a second rebase would start at commits that are gone."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        kind = "resign" if record.verdict in _RESIGN else str(record.verdict)
        kind = "tag" if record.kind == "tag" else kind
        found.setdefault((record.ref, kind), []).append(record)
    for (ref, kind), some in list(found.items())[:MAX_NAMED]:
        words = ", ".join(dict.fromkeys(record.verdict for record in some))
        yield f"  to repair ({words}{' on ' + ref if ref else ''}): {_command(kind, some, base_of)}"


def _command(kind: str, records: Sequence[Record], base_of: BaseOf) -> str:
    if kind == "tag":
        return _sign_tag_again(records[-1].ref)
    if kind == "resign":
        return _sign_again(records, base_of)
    if kind == "unchecked":
        return "nothing is known to be wrong; push again later, or show this to the server's owner"
    return (
        "ask one of the policy's administrators, or have somebody who may do this sign it "
        f"(gitsign-py policy explain {records[-1].oid})"
    )


def _sign_again(records: Sequence[Record], base_of: BaseOf) -> str:
    """A rebase that keeps merges and empty commits, and signs everything from there on."""
    amend = "git commit --amend --no-edit --allow-empty -S"
    if any(record.reason == "author-mismatch" for record in records):
        amend += " --reset-author"
    return (
        f"{_set_address(records)}git rebase --rebase-merges --exec {shlex.quote(amend)} "
        f"{base_of([record.oid for record in records])}"
    )


def _set_address(records: Iterable[Record]) -> str:
    """Where somebody signed for another address, the signer's own has to be in the commit."""
    signers = [record.identity for record in records if record.verdict == "identity-mismatch"]
    if not signers:
        return ""
    address = shlex.quote(signers[-1]) if "@" in signers[-1] and "://" not in signers[-1] else "YOUR-SIGNING-ADDRESS"
    return f"git config user.email {address} && "


def _sign_tag_again(ref: str) -> str:
    """Make the tag anew with the message that it had; ``-F -`` since an editor would show an empty one."""
    name = ref.removeprefix("refs/tags/")
    words = shlex.quote("--format=%(contents:subject)%0a%0a%(contents:body)")
    target = shlex.quote(f"{name}^{{}}")
    quoted = shlex.quote(name)
    return f"git for-each-ref {words} {shlex.quote(ref)} | git tag -s -f -F - -- {quoted} {target}"
