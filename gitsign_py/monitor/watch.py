"""The watch list: whom and what to look for in a log. A TOML file, or flags of the command.

Each ``[[watch]]`` has a name and one or more conditions; all of its conditions must hold. Patterns are RE2's and must
match the whole value, as everywhere in this program.
"""

import binascii
import re
import tomllib
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from gitsign_py.core.frozen import field, frozen, replace
from gitsign_py.core.regexp import RegexpError, check_regexp, matches_whole
from gitsign_py.core.tlog.hashedrekord import KIND
from gitsign_py.errors import ConfigError
from gitsign_py.monitor.decode import CERTIFICATE, SeenEntry, SeenSigner, decode
from gitsign_py.monitor.findings import Fact, Finding, Inspected, Waiting, unreadable_finding
from gitsign_py.monitor.follow import Inspect
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.sources import Batch, RawEntry

MAX_WATCHES = 1000
MAX_BYTES = 1 << 20
_BASE64 = re.compile(rb'"([A-Za-z0-9+/]{64,}={0,2})"')
_PEM = b"LS0tLS1CRUdJT"  # "-----BEGIN" in base64
_STANDARD = bytes.maketrans(b"-_", b"+/")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_TEXTS = ("name", "identity", "identity_pattern", "issuer", "issuer_pattern", "fingerprint", "key", "digest")


@frozen
class Watch:
    """The demands of one watch; empty members ask for nothing. ``digest`` is algorithm:hex of what is signed."""

    name: str
    identity: str = ""
    identity_pattern: str = ""
    issuer: str = ""
    issuer_pattern: str = ""
    fingerprint: str = ""
    key: str = ""
    digest: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)

    def matches(self, entry: SeenEntry, signer: SeenSigner) -> bool:
        """Whether all conditions hold for a signer of an entry."""
        exact = (
            (self.fingerprint, signer.fingerprint),
            (self.key, signer.key),
            (self.identity, signer.identity),
            (self.issuer, signer.issuer),
            (self.digest, entry.digest),
        )
        patterns = ((self.identity_pattern, signer.identity), (self.issuer_pattern, signer.issuer))
        return (
            all(not wanted or wanted == got for wanted, got in exact)
            and all(not pattern or (got != "" and matches_whole(pattern, got)) for pattern, got in patterns)
            and all(signer.claims.get(name) == value for name, value in self.claims.items())
        )


def hits(watches: tuple[Watch, ...], entry: SeenEntry) -> tuple[tuple[Watch, SeenSigner], ...]:
    """The watches that an entry matches, each once, with the signer that it matches."""
    found: list[tuple[Watch, SeenSigner]] = []
    for watch in watches:
        signer = next((one for one in entry.signers if watch.matches(entry, one)), None)
        if signer is not None:
            found.append((watch, signer))
    return tuple(found)


def parse_watch_list(data: bytes, source: str) -> tuple[Watch, ...]:
    """Read a watch list. Raises ConfigError ``watch-list-invalid`` that names the watch and the key."""
    try:
        top = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _invalid(source, str(error)) from error
    items = top.get("watch")
    if set(top) != {"watch"} or not isinstance(items, list) or not 1 <= len(items) <= MAX_WATCHES:
        raise _invalid(source, f"it must hold from 1 to {MAX_WATCHES} tables [[watch]] and nothing else")
    found = tuple(_watch(item, f"{source}, watch {number}") for number, item in enumerate(items, 1))
    names = [watch.name for watch in found]
    if len(set(names)) != len(names):
        raise _invalid(source, "two watches have the same name")
    return found


def _watch(value: Any, where: str) -> Watch:
    if not isinstance(value, dict):
        raise _invalid(where, "it is not a table")
    claims = value.get("claims", {})
    if unknown := sorted(set(value) - {*_TEXTS, "claims"}):
        raise _invalid(where, f"{unknown[0][:40]} is not a key; known are {', '.join(_TEXTS)}, claims")
    texts = {name: value[name] for name in _TEXTS if name in value}
    if not all(isinstance(text, str) and text for text in texts.values()) or "name" not in texts:
        raise _invalid(where, "it needs a name, and every key a text that is not empty")
    if not isinstance(claims, dict) or not all(isinstance(text, str) for text in claims.values()):
        raise _invalid(where, "claims must be a table of texts")
    return checked(Watch(**texts, claims=claims), where)


def checked(watch: Watch, where: str) -> Watch:
    """Refuse a watch that matches everything, or whose values can match nothing. Raises ``watch-list-invalid``."""
    texts = [getattr(watch, name) for name in _TEXTS if name != "name"]
    if not any(texts) and not watch.claims:
        raise _invalid(where, "it has no condition, so it would match everything")
    for name in ("fingerprint", "key"):
        text = getattr(watch, name)
        if text and not _DIGEST.match(text):
            raise _invalid(where, f"{name} must be 64 hex digits in lower case: a SHA-256")
    for pattern in (watch.identity_pattern, watch.issuer_pattern):
        try:
            check_regexp(pattern)
        except RegexpError as error:
            raise _invalid(where, f"pattern {pattern[:100]} is {error}") from error
    return watch


def _invalid(where: str, why: str) -> ConfigError:
    return ConfigError("watch-list-invalid", f"watch list {where}: {why}", hint="docs/monitor.md has an example")


def watching(watches: tuple[Watch, ...], *, now: int) -> Inspect:
    """Look at entries for a watch list; with an empty one nothing is decoded."""
    needles = _needles(watches)

    def inspect(head: Head, batch: Batch) -> Inspected:
        found: list[Finding] = []
        waiting: list[Waiting] = []
        explains: list[str] = []
        for entry in batch if watches else ():
            if needles is not None and not may_hold(entry, needles):
                continue
            seen = decode(entry)
            met = [hit(head, entry, seen, one, signer, now=now) for one, signer in hits(watches, seen)]
            found += met
            if seen.unread and not met and (needles is not None or not seen.foreign):
                found.append(_untold(head, entry, seen, by_name=needles is not None, now=now))
            if met and seen.kind == CERTIFICATE:
                waiting += [_unused(met[0], seen.signers[0])]
            elif met and seen.kind == KIND:
                waiting += [_unexplained(met[0], seen)]
            if seen.kind != CERTIFICATE:
                explains += [one.tbs.hex() for one in seen.signers if met and one.tbs]
        return Inspected(tuple(found), tuple(waiting), tuple(explains))

    return inspect


def _needles(watches: tuple[Watch, ...]) -> tuple[bytes, ...] | None:
    """Bytes of which an entry must hold some to match any watch; None when a watch asks for nothing of that kind.

    Names stand in a certificate as they are (RFC 5280 §4.2.1.6, Fulcio's extensions); to look for them costs a
    fiftieth of reading the certificate.
    """
    found: list[bytes] = []
    for watch in watches:
        text = watch.identity or watch.issuer or next(iter(watch.claims.values()), "")
        if not text:
            return None
        found.append(text.encode("utf-8", "surrogatepass"))
    return tuple(dict.fromkeys(found))


def may_hold(entry: RawEntry, needles: tuple[bytes, ...]) -> bool:
    """Whether an entry may hold one of these: in the certificate that a CT log has, or in base64 inside its JSON.

    Each spelling that ``decode`` reads must be seen here: what is passed over is never a hit.
    """
    if entry.ct is not None:  # of a precertificate the leaf has the contents; what is beside it, the log may exchange
        return any(needle in entry.leaf or needle in entry.ct.certificate for needle in needles)
    if b"\\" in entry.leaf:  # an escape could hide a part of the base64
        return True
    body = entry.leaf.translate(_STANDARD)  # Rekor v2's messages may have URL-safe base64 (ProtoJSON)
    if any(form in body for needle in needles for form in _in_base64(needle)):  # DER in base64
        return True
    return _PEM in body and any(needle in part for part in _pem_parts(body) for needle in needles)


@lru_cache(MAX_WATCHES)
def _in_base64(needle: bytes) -> tuple[bytes, ...]:
    """The characters that these bytes alone decide in base64, by the place modulo three at which they begin."""
    found: list[bytes] = []
    for before in range(3):
        encoded = b2a_base64(bytes(before) + needle, newline=False)
        found.append(encoded[-(-before * 8 // 6) : (before + len(needle)) * 8 // 6])
    return tuple(found)


def _pem_parts(body: bytes) -> Iterator[bytes]:
    """Everything between two rows of dashes, decoded: which of it is the certificate, only its reader says."""
    for text in _BASE64.findall(body):
        for part in _base64(text).split(b"-----") if text.startswith(_PEM) else ():
            yield _base64(part)


def _base64(text: bytes) -> bytes:
    try:
        return a2b_base64(text)
    except binascii.Error:
        return b""  # no base64 is no certificate either: nothing in it would be read


def _unexplained(met: Finding, seen: SeenEntry) -> Waiting:
    """An entry by one of ours waits for the commit that it is over."""
    words = (
        f"entry {met.facts['log_index']} by {met.facts['identity'] or met.facts['key']} is over no commit that is here"
    )
    subject = f"{met.facts['index']}:{met.facts['leaf_hash']}"
    return Waiting(replace(met, kind="entry-unexplained", subject=subject, message=words), seen.digest)


def _untold(head: Head, entry: RawEntry, seen: SeenEntry, *, by_name: bool, now: int) -> Finding:
    """Nothing of a broken entry tells whether it may match, but the name in it."""
    if seen.broken and not by_name:
        return unreadable_finding(head.tree, entry, seen.problem, now)
    return _unread(head, entry, seen, now=now)


def _unread(head: Head, entry: RawEntry, seen: SeenEntry, *, now: int) -> Finding:
    """An entry that holds a watched name, or may, and tells nobody's: an odd spelling must not hide one."""
    leaf = entry.leaf_hash.hex()
    words = f"{seen.kind[:40]} at index {entry.log_index} may name one of ours and cannot be read: {seen.unread}"
    facts: dict[str, Fact] = {"index": entry.index, "log_index": entry.log_index, "leaf_hash": leaf}
    return Finding("entry-unread", head.tree, f"{entry.index}:{leaf}", words, now, facts)


def _unused(met: Finding, signer: SeenSigner) -> Waiting:
    """A certificate for one of ours waits for an entry of the signature log by it."""
    words = f"certificate {met.facts['log_index']} for {signer.identity} was used for no entry of the signature log"
    subject = f"{met.facts['index']}:{met.facts['leaf_hash']}"
    return Waiting(replace(met, kind="certificate-unused", subject=subject, message=words), signer.tbs.hex())


def hit(head: Head, entry: RawEntry, seen: SeenEntry, watch: Watch, signer: SeenSigner, *, now: int) -> Finding:
    """One watch met in one entry."""
    leaf = entry.leaf_hash.hex()
    who = signer.identity or signer.key
    words = f"{watch.name}: {seen.kind} at index {entry.log_index} by {who}"
    facts: dict[str, Fact] = {
        "watch": watch.name,
        "index": entry.index,
        "log_index": entry.log_index,
        "leaf_hash": leaf,
        "kind": seen.kind,
        "digest": seen.digest,
        "identity": signer.identity,
        "issuer": signer.issuer,
        "fingerprint": signer.fingerprint,
        "key": signer.key,
        "stated": entry.time,
    }
    return Finding("watch-hit", head.tree, f"{watch.name}:{entry.index}:{leaf}", words, now, facts)
