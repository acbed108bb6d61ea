"""Witness policies: known logs, known witnesses, and how many must have cosigned (C2SP tlog-policy).

The file is read as octets: a name is whatever stands there, compared byte by byte and never as Unicode.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable

from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.vkey import COSIGNATURE, ECDSA, ED25519, ML_DSA_COSIGNATURE, VerifierKey, parse_vkey
from gitsign_py.errors import ConfigError, FormatError

MAX_BYTES = 256 * 1024
MAX_EACH = 100
"""Logs, witnesses and groups (tlog-policy asks for 32 at least); a note has no more signatures (``MAX_SIGNATURES``)."""
NONE = "none"
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")  # "Character set"
_COUNT = re.compile(r"[1-9][0-9]{0,3}\Z")
_LOG_TYPES, _WITNESS_TYPES = (ED25519, ECDSA), (COSIGNATURE, ML_DSA_COSIGNATURE)


@frozen
class PolicyLog:
    """A log whose checkpoints count; ``url`` may be empty."""

    key: VerifierKey
    url: str = ""


@frozen
class Witness:
    """A witness: ``name`` within the policy, the key that it cosigns with, and perhaps where it is asked."""

    name: str
    key: VerifierKey
    url: str = ""


@frozen
class Group:
    """Has witnessed when ``threshold`` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@frozen
class WitnessPolicy:
    """A policy as it was read: a group stands after its members. ``digest`` is the SHA-256 of the file, hex."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str
    digest: str

    @property
    def requires(self) -> bool:
        """Whether any cosignature is asked for at all."""
        return self.quorum != NONE

    def is_met_by(self, witnesses: Collection[str]) -> bool:
        """Whether the cosignatures of these witnesses are a quorum."""
        witnessed = set(witnesses)
        for group in self.groups:
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return not self.requires or self.quorum in witnessed


def parse_policy(data: bytes) -> WitnessPolicy:
    """Read a policy file.

    Raises ConfigError ``witness-policy-malformed``, ``witness-policy-key``, ``witness-policy-duplicate``,
    ``witness-policy-name`` or ``witness-policy-quorum``, with the number of the line.
    """
    if len(data) > MAX_BYTES:
        raise _refused(0, "malformed", f"it has more than {MAX_BYTES} bytes")
    if not data.endswith(b"\n"):  # what was cut off may have been another quorum
        raise _refused(data.count(b"\n") + 1, "malformed", "the last line does not end in a newline")
    reader = _Reader()
    for number, line in enumerate(data[:-1].split(b"\n"), 1):
        if _FORBIDDEN.search(line):
            raise _refused(number, "malformed", "it holds a control character")
        reader.line(number, line.decode("utf-8", "surrogateescape"))
    return reader.policy(hashlib.sha256(data).hexdigest())


class _Reader:
    """The lines so far."""

    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: list[Witness] = []
        self._groups: list[Group] = []
        self._quorum = ""
        self._names: set[str] = set()
        self._members: set[str] = set()
        self._number = 0

    def line(self, number: int, text: str) -> None:
        """Take one line; empty ones and comments say nothing."""
        self._number = number
        words = [word for word in re.split("[ \t]+", text) if word]
        if not words or words[0].startswith("#"):
            return
        kinds: dict[str, tuple[Callable[[list[str]], None], range]] = {
            "log": (self._log, range(1, 3)),
            "witness": (self._witness, range(2, 4)),
            "group": (self._group, range(3, MAX_EACH * 2 + 3)),
            "quorum": (self._take_quorum, range(1, 2)),
        }
        if words[0] not in kinds:
            raise _refused(
                self._number, "malformed", f"it begins with {words[0]}, and not with log, witness, group or quorum"
            )
        take, counts = kinds[words[0]]
        if len(words) - 1 not in counts:
            raise _refused(self._number, "malformed", f"{words[0]} has {len(words) - 1} items")
        take(words[1:])

    def policy(self, digest: str) -> WitnessPolicy:
        """The whole."""
        if not self._quorum:
            raise _refused(0, "quorum", "it has no quorum line")
        return WitnessPolicy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum, digest)

    def _log(self, items: list[str]) -> None:
        key = self._key(items[0], _LOG_TYPES, (one.key for one in self._logs))
        self._logs.append(PolicyLog(key, *items[1:]))
        self._check_count(self._logs)

    def _witness(self, items: list[str]) -> None:
        self._define(items[0])
        key = self._key(items[1], _WITNESS_TYPES, (one.key for one in self._witnesses))
        self._witnesses.append(Witness(items[0], key, *items[2:]))
        self._check_count(self._witnesses)

    def _group(self, items: list[str]) -> None:
        name, count, *members = items
        for member in members:
            if member not in self._names:
                raise _refused(self._number, "name", f"{member} is defined on no line before")
            if member in self._members:  # "each witness can contribute ... in only one way"
                raise _refused(self._number, "duplicate", f"{member} is a member already")
            self._members.add(member)
        self._define(name)
        self._groups.append(Group(name, self._threshold(count, len(members)), tuple(members)))
        self._check_count(self._groups)

    def _threshold(self, count: str, members: int) -> int:
        if count in ("any", "all"):
            return 1 if count == "any" else members
        if not _COUNT.match(count) or int(count) > members:
            raise _refused(self._number, "quorum", f"{count} is not any, all or a number from 1 to {members}")
        return int(count)

    def _take_quorum(self, items: list[str]) -> None:
        if self._quorum:
            raise _refused(self._number, "quorum", "there is a quorum line already")
        if items[0] != NONE and items[0] not in self._names:
            raise _refused(self._number, "name", f"{items[0]} is defined on no line before")
        self._quorum = items[0]

    def _define(self, name: str) -> None:
        if name == NONE or name in self._names:
            raise _refused(self._number, "duplicate", f"the name {name} is taken")
        self._names.add(name)

    def _key(self, text: str, types: tuple[int, ...], others: Iterable[VerifierKey]) -> VerifierKey:
        """A key that is not there yet: neither its bytes, under whatever name, nor what finds its signatures."""
        try:
            key = parse_vkey(text)
        except FormatError as error:
            raise _refused(self._number, "key", error.message) from error
        if key.type not in types:
            raise _refused(self._number, "key", f"a key of type {key.type:#04x} does not belong on this line")
        for other in others:
            if other.raw == key.raw:
                raise _refused(self._number, "duplicate", f"the key of {key.name} is there already, as {other.name}")
            if (other.name, other.hint) == (key.name, key.hint):
                raise _refused(
                    self._number, "duplicate", f"two keys have the name {key.name} and the hint {key.hint.hex()}"
                )
        return key

    def _check_count(self, several: Collection[object]) -> None:
        if len(several) > MAX_EACH:
            raise _refused(self._number, "malformed", f"more than {MAX_EACH} lines of this kind")


def _refused(line: int, kind: str, why: str) -> ConfigError:
    where = f", line {line}" if line else ""
    return ConfigError(
        f"witness-policy-{kind}",
        f"witness policy{where}: {why[:300]}",
        hint="correct it; docs/witnesses.md explains each line",
        facts={"line": line or None},
    )
