"""The statuses that an audit sets on a forge: of a head the three figures and who signed, of a commit its verdict."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from gitsign_py.audit.record import Record
from gitsign_py.audit.recording import Batch
from gitsign_py.audit.reports.base import sentence
from gitsign_py.audit.rollup import Rollup
from gitsign_py.clients.forges import MAX_DESCRIPTION, CommitStatus
from gitsign_py.core.frozen import slotted
from gitsign_py.core.printing import printable

MAX_COMMITS = 100
"""So many commits get a status of their own in one run: forges limit how much a program may write in a minute."""
MAX_HEADS = 20
_MAX_SIGNERS = 20
_MAX_CAUSES = 20
_STATES = {0: "success", 1: "failure"}
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]()<>#+-!|~@&"})


@slotted
class Newest:
    """Keeps the newest commits of an audit while it goes by; ``last`` where it goes from the oldest to the newest."""

    last: bool
    kept: deque[Record]
    seen: int = 0

    def passing(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches."""
        for records in batches:
            self._keep(records)
            yield records

    def _keep(self, records: Batch) -> None:
        commits = (one for one in records if one.kind == "commit")
        room = None if self.last else max(0, MAX_COMMITS - len(self.kept))
        self.kept.extend(islice(commits, room))
        self.seen += len(records)  # tags too, which have no status of their own


def newest(*, last: bool) -> Newest:
    """Keep ``MAX_COMMITS`` of them."""
    return Newest(last, deque(maxlen=MAX_COMMITS))


def status_of_head(rollup: Rollup, url: str = "") -> CommitStatus:
    """The three figures first: what a forge cuts away is the rest."""
    figures = f"{rollup.verified} of {rollup.total} verified, {rollup.accepted} accepted, {rollup.judged} judged"
    names = _signers(rollup)
    by = f"; signed by {_listed(names, MAX_DESCRIPTION - len(figures) - 30)}" if names else ""
    state = _STATES.get(rollup.exit_status, "error")
    return CommitStatus(state, _cut(figures + by), "\n".join(_summary(rollup, names)), url)


def statuses_of_commits(records: Iterable[Record], url: str = "") -> Mapping[str, CommitStatus]:
    """Each commit's own, by its id. One that was judged for several refs has the worst of its verdicts."""
    found: dict[str, CommitStatus] = {}
    for record in records:
        status = _status_of_commit(record, url)
        before = found.get(record.oid)
        if before is None or _WORSE.index(status.state) > _WORSE.index(before.state):
            found[record.oid] = status
    return found


_WORSE = ("success", "error", "failure")


def _status_of_commit(record: Record, url: str) -> CommitStatus:
    state = "success" if record.accepted else "error" if record.verdict == "unchecked" else "failure"
    by = f" {printable(record.signer)}" if record.accepted and record.signer else ""
    why = "" if record.accepted else f": {sentence(record)}"
    return CommitStatus(state, _cut(f"{record.verdict}{by}{why}"), "", url)


def _signers(rollup: Rollup) -> list[str]:
    """Who made a good signature, those of most commits first."""
    ranked = sorted(rollup.identities.items(), key=lambda item: (-item[1].commits, item[0]))
    return [printable(identity) for (identity, _), _ in ranked]


def _listed(names: list[str], room: int) -> str:
    """As many names as there is room for, each of them whole, and how many more there are."""
    shown: list[str] = []
    for name in names:
        if len(", ".join([*shown, name])) > room:
            break
        shown.append(name)
    more = len(names) - len(shown)
    if not shown:
        return f"{more} people or keys"
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _summary(rollup: Rollup, names: list[str]) -> Iterator[str]:
    """Markdown for the page of a check run. Every word of others is text there: no links, no mentions, no pictures."""
    yield f"| figure | of {rollup.total} |"
    yield "|---|---|"
    for name, count in (("verified", rollup.verified), ("accepted", rollup.accepted), ("judged", rollup.judged)):
        yield f"| {name} | {count} |"
    if names:
        yield ""
        yield "Signed by:"
        yield ""
        yield from (f"- {_cut(name).translate(_MARKDOWN)}" for name in names[:_MAX_SIGNERS])
        if len(names) > _MAX_SIGNERS:
            yield f"- and {len(names) - _MAX_SIGNERS} more"
    reasons = rollup.as_object()["reasons"][:_MAX_CAUSES]
    if reasons:
        yield ""
        yield "| verdict | reason | commits and tags |"
        yield "|---|---|---|"
        yield from (f"| {one['verdict']} | {one['reason']} | {one['commits']} |" for one in reasons)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_DESCRIPTION else text[: MAX_DESCRIPTION - 1] + "…"
