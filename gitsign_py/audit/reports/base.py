"""The parts that all report formats share: the heading, the protocol, and how a record is put in words."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

from gitsign_py.audit.causes import SHOWN, Cause
from gitsign_py.audit.record import Record
from gitsign_py.audit.recording import Batch
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.frozen import frozen
from gitsign_py.core.printing import escaped

_MAX_BRANCHES = 10
_MAX_NAMED = 3
UNPROVEN = ("bad", "unchecked", "malformed")


@frozen
class Heading:
    """The heading of a report: words for people and digests for machines."""

    repository: str
    revisions: tuple[str, ...]
    policy: str
    policy_digest: str
    trust_root: str
    trust_root_digest: str
    version: str
    time: str
    notices: tuple[str, ...] = ()
    refs: tuple[tuple[str, str], ...] = ()
    remote: str = ""
    policy_commit: str = ""
    trust_root_version: str = ""
    run_by: str = ""

    def as_object(self) -> dict[str, Any]:
        """The heading as JSON."""
        return {
            "repository": self.repository,
            "revisions": list(self.revisions),
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "trusted_root": self.trust_root,
            "trusted_root_digest": self.trust_root_digest,
            "version": self.version,
            "time": self.time,
            "notices": list(self.notices),
            "refs": dict(self.refs),
            "remote": self.remote,
            "policy_commit": self.policy_commit,
            "trusted_root_version": self.trust_root_version,
            "run_by": self.run_by,
        }

    def lines(self) -> list[tuple[str, str]]:
        """The same for people: what each line is about, and its text, which may be a commit's words."""
        shown = self.refs[:_MAX_BRANCHES]
        more = len(self.refs) - len(shown)
        named = [("commit", f"{oid} {ref}") for ref, oid in shown]
        policy = [("", part) for part in _digests(self.policy_digest, self.policy_commit)]
        trust = [("", part) for part in _digests(self.trust_root_digest)]
        version = f" ({self.trust_root_version})" if self.trust_root_version else ""
        return [
            ("repository", self.repository),
            *([("remote", self.remote)] if self.remote else []),
            ("revisions", ", ".join(self.revisions)),
            *named,
            *([("", f"and {more} more refs")] if more else []),
            ("policy", self.policy),
            *policy,
            ("trust root", f"{self.trust_root}{version}"),
            *trust,
            ("run", f"{self.time}{f' by {self.run_by}' if self.run_by else ''}, gitsign-py {self.version}"),
            *(("note", notice) for notice in self.notices),
        ]

    def facts(self) -> list[str]:
        """The same without the notices, a text for each line: for formats that have no place for a heading."""
        return [f"{about} {text}".strip() for about, text in self.lines() if about != "note"]


def _digests(digest: str, commit: str = "") -> list[str]:
    return [*([f"sha256 {digest}"] if digest else []), *([f"commit {commit}"] if commit else [])]


class ReportFormat(Protocol):
    """A format. Records are written as they come; none keeps them."""

    def begin(self, heading: Heading) -> None:
        """Write what stands first."""
        ...

    def record(self, record: Record) -> None:
        """Write one record."""
        ...

    def records(self, records: Batch) -> None:
        """Write several."""
        for record in records:
            self.record(record)

    def end(self, rollup: Rollup) -> None:
        """Write the sums, and close what is open."""
        ...

    def close(self) -> None:
        """Let go of what the format holds, also where the audit ends by an error."""
        return  # most hold nothing


def sentence(record: Record) -> str:
    """Why a record has its verdict, on one line of printable text."""
    words = record.message or record.reason or record.verdict
    return escaped(words)


def warning_lines(rollup: Rollup) -> list[str]:
    """The warnings that a reader of the figures must see first."""
    return [*_lacking_lines(rollup), *_renewed_lines(rollup)]


def _renewed_lines(rollup: Rollup) -> list[str]:
    """By which trust root, where there were two: nobody could make the verdicts again with the first alone."""
    if rollup.newer_root is None:
        return []
    digest, version = rollup.newer_root
    named = f"{version}, " if version else ""
    return [f"the trust root lacked an authority and was renewed: from there on {named}sha256 {digest} judged"]


def _lacking_lines(rollup: Rollup) -> list[str]:
    """What is no success although nothing was refused."""
    if not rollup.total:
        return ["there was nothing to judge, which is no success"]
    if not rollup.judged:
        return [f"nothing was judged: all {rollup.total} are exempt, most as older than the introduction"]
    if rollup.exempt > rollup.judged:
        return [
            f"{rollup.exempt} of {rollup.total} are exempt and only {rollup.judged} were judged: "
            "the introduction (or the exemptions) leaves out more than it judges"
        ]
    return _by_anybody(rollup)


def _by_anybody(rollup: Rollup) -> list[str]:
    """Good signatures of which nothing says that their signers may: there is no policy, and no list of signers."""
    good = rollup.verdicts["good"]
    if not good:
        return []
    which = "the good signature is" if good == 1 else f"{good} good signatures are"
    todo = (
        "gitsign-py policy init proposes a policy, git config --add gitsign.allowedSigner 'IDENTITY ISSUER' names one"
    )
    return [f"nothing says who may sign, so {which} by anybody and not verified: {todo}"]


def figures(rollup: Rollup) -> tuple[tuple[str, int, str], ...]:
    """The three figures, never one, and what each counts: what is proven comes first."""
    accepted = "any good signature" if rollup.verdicts["good"] else "by the policy, exemptions included"
    return (
        ("verified", rollup.verified, "signed by somebody who may"),
        ("accepted", rollup.accepted, accepted),
        ("judged", rollup.judged, "not exempt"),
    )


def figure_lines(rollup: Rollup) -> list[str]:
    """The three figures as lines."""
    return [
        f"{count} of {rollup.total} {name} ({rollup.percent(count):.1f} %): {words}"
        for name, count, words in figures(rollup)
    ]


def summary_lines(rollup: Rollup) -> list[str]:
    """The sums in plain words, the figures first."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in rollup.verdicts.most_common())
    lines = [*figure_lines(rollup), *([f"verdicts: {counts}"] if counts else [])]
    refs = rollup.by_ref()
    if len(refs) > 1:
        counts = ", ".join(f"{escaped(ref)} {sums.verified} of {sums.commits}" for ref, sums in refs[:_MAX_BRANCHES])
        more = len(refs) - _MAX_BRANCHES
        lines.append(f"verified by ref: {counts}" + (f" and {more} more refs" if more > 0 else ""))
    run = rollup.longest_run()
    if run.length > 1:
        lines.append(f"longest unsigned run: {run.length} commits, {run.first[:12]} to {run.last[:12]}")
    return lines


def cause_lines(rollup: Rollup) -> Iterator[str]:
    """Each cause on one line with its count, then whom and what it is about, and what to do."""
    for cause in rollup.causes.sorted():
        yield f"{cause.commits:>7} {cause.verdict}: {escaped(cause.words)} [{cause.reason}]"
        if names := _most(cause.who):
            yield f"{'':8}committed by {names}"
        if cause.reason == "key-missing" and cause.what:
            yield from _keys_to_fetch(cause)
        else:
            if names := _most(cause.what):
                unproven = " (claimed, not proven)" if cause.verdict in UNPROVEN else ""
                yield f"{'':8}signed by {names}{unproven}"
            yield f"{'':8}first: {cause.example[:12]}; to do: {escaped(cause.todo)}"


def _keys_to_fetch(cause: Cause) -> Iterator[str]:
    """A command for each key, since each brings its own commits."""
    for key, count in cause.what.most_common(_MAX_NAMED):
        yield f"{'':8}gpg --recv-keys {escaped(key)}   ({count})"
    if len(cause.what) > _MAX_NAMED:
        yield f"{'':8}and {len(cause.what) - _MAX_NAMED} more keys (--format json lists {SHOWN})"


def _most(names: "Counter[str]") -> str:
    """The most frequent ones by name, the others by their number."""
    shown = names.most_common(_MAX_NAMED)
    if not any(name for name, _ in shown):
        return ""
    text = ", ".join(f"{escaped(name) or 'nobody'} ({count})" for name, count in shown)
    return text + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def signer_lines(rollup: Rollup) -> Iterator[str]:
    """Everybody who made good signatures, under the name that the policy gives them."""
    found = sorted(rollup.identities.items(), key=lambda item: -item[1].commits)
    if found:
        yield ""
        yield "good signatures by:"
    for (who, issuer), seen in found[:SHOWN]:
        name = f"{escaped(seen.name)}: " if seen.name else ""
        yield f"{seen.commits:>7} {name}{escaped(who)} ({escaped(issuer) or 'key'})"
    if len(found) > SHOWN:
        yield f"        and {len(found) - SHOWN} more (gitsign-py identities lists all)"
