"""Steps 4.1 to 4.3 in online mode: what a log answers when it is asked for the entry of a commit.

The answers lie in ``entries.json`` beside the object, as Rekor v1 gives them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gitsign_py.core.tlog.logentry import LogEntry
from tests.support.forge import Forged, forge, v001_body
from tests.support.forgedworld import LOGGED, ForgedLog, World, key, sign
from tests.vectors.case import Case

OnlineLog = Callable[[World, str], Sequence[LogEntry]]


def _logged(
    world: World,
    oid: str,
    *,
    signed: bytes | None = None,
    number: int = 20,
    leaf: int = 20,
    log: ForgedLog | None = None,
) -> LogEntry:
    """An entry over ``oid``; ``signed`` is what the signature is over when it is something else."""
    log = log or world.v1
    message = oid.encode()
    signature = sign(key(number), message if signed is None else signed)
    index = log.append(v001_body(message, signature, world.leaf(number=leaf)))
    return log.entry(index, time=int(LOGGED.timestamp()))


def _case(name: str, title: str, step: str, cause: str, answer: OnlineLog) -> Case:
    """What a log answers shows nothing about the signature: without proof by an entry it is unchecked."""

    def make(world: World) -> Forged:
        made = forge(world, log=None)
        return replace(made, entries=tuple(answer(world, made.oid)))

    if not cause:
        return Case(name, title, "", "", make)
    if cause == "log-entry-not-found":
        return Case(name, title, step, cause, make)
    return Case(name, title, step, "log-entry-unproven", make, cause=cause)


def _other(oid: str) -> str:
    return "b" * len(oid)


def _spoiled(entry: LogEntry) -> LogEntry:
    return replace(entry, signed_entry_timestamp=entry.signed_entry_timestamp[:-1] + b"\0")


CASES = (
    _case("online", "the log has the entry", "", "", lambda w, oid: [_logged(w, oid)]),
    _case(
        "online-several",
        "several entries by one key, one of them right",
        "",
        "",
        lambda w, oid: [_logged(w, _other(oid)), _logged(w, oid)],
    ),
    _case("online-none", "the log has nothing", "4.1", "log-entry-not-found", lambda w, oid: []),
    _case(
        "online-other-commit",
        "several entries by this key, none over this commit (CVE-2024-51746)",
        "4.2",
        "log-entry-other-hash",
        lambda w, oid: [_logged(w, _other(oid)), _logged(w, "c" * 40)],
    ),
    _case(
        "online-other-certificate",
        "an entry over this commit by another certificate",
        "4.2",
        "log-entry-other-certificate",
        lambda w, oid: [_logged(w, oid, number=21, leaf=21)],
    ),
    _case(
        "online-other-signature",
        "an entry with this hash, its signature over something else",
        "4.2",
        "log-entry-other-signature",
        lambda w, oid: [_logged(w, oid, signed=b"other")],
    ),
    _case(
        "online-right-unproven",
        "the right entry without proof beside a proven one of another commit",
        "4.3",
        "set-invalid",
        lambda w, oid: [_logged(w, _other(oid)), _spoiled(_logged(w, oid))],
    ),
    _case(
        "online-proof-of-another",
        "the right entry with the proof of another one",
        "4.3",
        "inclusion-proof-mismatch",
        lambda w, oid: [replace(_logged(w, oid), inclusion_proof=w.v1.proof(1))],
    ),
    _case(
        "online-other-log",
        "the right entry by a log that is not trusted (CVE-2023-47122)",
        "4.3",
        "log-unknown",
        lambda w, oid: [_logged(w, oid, log=w.other_v1)],
    ),
    _case(
        "online-no-promise",
        "the right entry without a SET",
        "4.3",
        "set-missing",
        lambda w, oid: [replace(_logged(w, oid), signed_entry_timestamp=b"")],
    ),
)
