"""Steps 4.1 to 4.3: the log entry, whose it is, and its promise."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.tlog.logentry import LogEntry
from gitsign_py.core.trust.root import TrustedRoot, Validity
from tests.support.forge import Forged, forge, v001_body, v002_body
from tests.support.forgedworld import LOGGED, WINDOW, World, key, sign
from tests.vectors.case import Case


def _entry(name: str, title: str, reason: str, change: Callable[[LogEntry], LogEntry], **more: Any) -> Case:
    """A good entry, changed after the log's promise."""
    return Case(name, title, "4.3", reason, lambda world: forge(world, entry=change, **more))


def _log(name: str, title: str, reason: str, make: Callable[[World], Forged], step: str = "4.3") -> Case:
    return Case(name, title, step, reason, make)


def _entry_of(world: World, body: Callable[[bytes, bytes, Certificate], bytes], **more: Any) -> Forged:
    return forge(world, body=body, **more)


def _with_body(body: Callable[[bytes, bytes, Certificate], bytes]) -> Callable[[World], Forged]:
    """The entry carries its body, which is another one."""

    def make(world: World) -> Forged:
        def add(value: bytes) -> bytes:
            return value + b"\x3a" + _varint(len(stray)) + stray

        stray = b'{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{}}'
        return forge(world, body=body, entry_bytes=add)

    return make


def _varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, value >> 7]) if value > 0x7F else bytes([value])


def _window(**validity: Any) -> Callable[[TrustedRoot], TrustedRoot]:
    def change(root: TrustedRoot) -> TrustedRoot:
        logs = tuple(replace(log, valid_for=Validity(**validity)) for log in root.tlogs)
        return replace(root, tlogs=logs)

    return change


def _no_logs(root: TrustedRoot) -> TrustedRoot:
    return replace(root, tlogs=())


def _key_swapped(world: World) -> Forged:
    """The entry and checkpoint are by a stranger's log that says it has the trusted log's id (CVE-2023-47122)."""
    return forge(
        world,
        log=world.other_v1,
        before=lambda entry: replace(entry, log_id=world.v1.log_id),
    )


def _time_bytes(world: World) -> bytes:
    """The integrated time as protobuf writes it."""
    value, octets = int(LOGGED.timestamp()), []
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
_LATE = WINDOW.end or _FUTURE

CASES = (
    Case(
        "log-entry-not-embedded",
        "no log entry inside, and the log is not asked",
        "4.1",
        "log-entry-not-embedded",
        lambda world: forge(world, log=None),
    ),
    _log(
        "entry-other-signature",
        "the entry of another signature",
        "set-invalid",
        lambda w: _entry_of(w, lambda m, s, c: v001_body(m, sign(key(20), b"x"), c)),
    ),
    _log(
        "entry-other-hash",
        "an entry over another hash by the same key (CVE-2024-51746)",
        "set-invalid",
        lambda w: _entry_of(w, lambda m, s, c: v001_body(b"other", s, c)),
    ),
    _log(
        "entry-other-certificate",
        "an entry with another certificate",
        "set-invalid",
        lambda w: _entry_of(w, lambda m, s, c: v001_body(m, s, w.leaf(number=21))),
    ),
    _log(
        "entry-v2-other-signature",
        "Rekor v2: the entry of another signature",
        "inclusion-proof-mismatch",
        lambda w: _entry_of(w, lambda m, s, c: v002_body(m, sign(key(20), b"x"), c), log="v2", timestamp={}),
    ),
    _log(
        "entry-v2-other-certificate",
        "Rekor v2: an entry with another certificate",
        "inclusion-proof-mismatch",
        lambda w: _entry_of(w, lambda m, s, c: v002_body(m, s, w.leaf(number=21)), log="v2", timestamp={}),
    ),
    _log(
        "entry-foreign-body",
        "the entry carries a body that is not this signature's (CVE-2026-22703)",
        "log-entry-mismatch",
        _with_body(v001_body),
        "4.2",
    ),
    _log("log-unknown", "an entry by a log that is not trusted", "log-unknown", lambda w: forge(w, log=w.other_v1)),
    _log(
        "log-unknown-v2",
        "Rekor v2: a log that is not trusted",
        "log-unknown",
        lambda w: forge(w, log=w.other_v2, timestamp={}),
    ),
    _log("log-none", "a trust root without logs", "log-unknown", lambda w: forge(w, root=_no_logs)),
    _log(
        "log-key-from-server",
        "a stranger's log under the trusted log's id (CVE-2023-47122)",
        "set-invalid",
        _key_swapped,
    ),
    _log(
        "log-window-over",
        "the log's key was retired before",
        "log-key-expired",
        lambda w: forge(w, root=_window(start=WINDOW.start, end=WINDOW.start)),
    ),
    _log(
        "log-window-to-come",
        "the log's key is for later times",
        "log-key-expired",
        lambda w: forge(w, root=_window(start=_LATE, end=None)),
    ),
    _log(
        "log-v2-window-over",
        "Rekor v2: the log's key was retired before the timestamp",
        "log-key-expired",
        lambda w: forge(w, log="v2", timestamp={}, root=_window(start=WINDOW.start, end=WINDOW.start)),
        "5.3",
    ),
    _entry("set-missing", "no SET", "set-missing", lambda e: replace(e, signed_entry_timestamp=b"")),
    _entry(
        "set-wrong",
        "a SET that does not verify",
        "set-invalid",
        lambda e: replace(e, signed_entry_timestamp=e.signed_entry_timestamp[:-1] + b"\0"),
    ),
    _log(
        "set-by-other-key",
        "a SET by another key",
        "set-invalid",
        lambda w: forge(
            w, entry=lambda e: replace(e, signed_entry_timestamp=w.other_v1.promise(e).signed_entry_timestamp)
        ),
    ),
    _entry(
        "set-index-changed", "the log index was changed", "set-invalid", lambda e: replace(e, log_index=e.log_index + 1)
    ),
    _entry(
        "set-time-changed",
        "the integrated time was changed",
        "set-invalid",
        lambda e: replace(e, integrated_time=e.integrated_time + 1),
    ),
    _log(
        "time-in-future", "the log promised at a time to come", "log-time-in-future", lambda w: forge(w, time=_FUTURE)
    ),
    _log(
        "time-zero",
        "the log promised at no time at all",
        "log-key-expired",
        lambda w: forge(w, before=lambda e: replace(e, integrated_time=0)),
    ),
    _log(
        "time-negative",
        "a time before 1970",
        "protobuf-malformed",
        lambda w: forge(
            w, entry_bytes=lambda data: data.replace(b"\x20" + _time_bytes(w), b"\x20" + b"\xff" * 9 + b"\x01", 1)
        ),
        "1.2",
    ),
    _entry("entry-kind", "an entry of an unknown kind", "entry-kind-unsupported", lambda e: replace(e, kind="rpm")),
    _entry(
        "entry-version",
        "an entry of an unknown version",
        "entry-version-unsupported",
        lambda e: replace(e, version="0.0.3"),
    ),
    _entry(
        "entry-kind-dsse",
        "a hashedrekord that says it is a dsse",
        "entry-kind-mismatch",
        lambda e: replace(e, kind="dsse"),
    ),
    _entry(
        "entry-version-mismatch",
        "0.0.1 inside, 0.0.2 outside",
        "entry-version-mismatch",
        lambda e: replace(e, version="0.0.2"),
    ),
    Case(
        "entry-trailing",
        "a protobuf field that no entry has",
        "1.2",
        "protobuf-malformed",
        lambda w: forge(w, entry_bytes=lambda data: data + b"\x4a\x00"),
    ),
    Case(
        "entry-field-twice",
        "the log index twice",
        "1.2",
        "protobuf-malformed",
        lambda w: forge(w, entry_bytes=lambda data: data + b"\x08\x05"),
    ),
    Case("entry-empty", "an empty entry", "1.2", "log-entry-malformed", lambda w: forge(w, entry_bytes=lambda _: b"")),
)
