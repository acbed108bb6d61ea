"""What a pusher reads: each refused commit by id, subject, author and reason, and the command that repairs it."""

from collections.abc import Iterator, Sequence

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import sentence

MAX_NAMED = 20
_RESIGN = ("unsigned", "bad", "malformed")


def explain_refusals(records: Sequence[Record], count: int) -> Iterator[str]:
    """Lines for stderr; ``records`` in the order of the walk (newest first), ``count`` of them in all."""
    if not count:
        return
    refs = ", ".join(dict.fromkeys(record.ref for record in records if record.ref))
    yield f"gitsign-py: refused: {count} of what you push {'to ' + refs if refs else ''} is not accepted".replace(
        "  ", " "
    )
    for record in records[-MAX_NAMED:]:
        yield from _named(record)
    if count > MAX_NAMED:
        yield f"  ... and {count - MAX_NAMED} more"
    yield from _repairs(records)


def _named(record: Record) -> Iterator[str]:
    name = f"tag {record.ref.removeprefix('refs/tags/')} " if record.kind == "tag" else ""
    yield f"  {name}{record.oid} {record.subject[:72]!r} by {record.author or 'nobody'}"
    yield f"    {record.verdict}: {sentence(record)} [{record.reason}]"


def _repairs(records: Sequence[Record]) -> Iterator[str]:
    """One command for each kind of trouble; the oldest commit of a kind is where the rewriting starts."""
    last: dict[str, Record] = {}
    for record in records:
        last["tag" if record.kind == "tag" else record.verdict] = record
    for verdict, record in last.items():
        yield f"  to repair ({verdict}): {_command(verdict, record)}"


def _command(verdict: str, record: Record) -> str:
    oldest = record.oid[:12]
    if verdict == "tag":
        name = record.ref.removeprefix("refs/tags/")
        return f"git tag -s -f {name} {name}^{{}}"
    if verdict in _RESIGN:
        return f"git rebase --exec 'git commit --amend --no-edit -S' {oldest}^"
    if verdict == "identity-mismatch":
        return (
            "git config user.email YOUR-SIGNING-ADDRESS, then "
            f"git rebase --exec 'git commit --amend --no-edit --reset-author -S' {oldest}^"
        )
    if verdict == "unchecked":
        return "nothing is known to be wrong; push again later, or show this to the server's owner"
    return (
        "ask one of the policy's administrators, or have somebody who may do this sign it (gitsign-py policy explain)"
    )
