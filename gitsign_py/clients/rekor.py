"""Rekor v1: put a signature on the log, find it again.

An answer is compared with what was asked: the entry that comes back must hold the very body that was sent, or belong
to the UUID that was asked for. Promise, proof and checkpoint are checked by whoever holds the trust root.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gitsign_py.clients.answer import Answer
from gitsign_py.clients.session import HttpSession, Limits, json_body
from gitsign_py.clients.urls import check_url, join_url
from gitsign_py.core import digests
from gitsign_py.core.encoding import b64_encode, decimal_decode, hex_decode, pem_decode, pem_encode
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.pattern import pattern
from gitsign_py.core.tlog.logentry import LogEntry, entry_from_rekor_v1, hashedrekord_v001_body, leaf_hash_of
from gitsign_py.errors import FormatError, ServiceError

if TYPE_CHECKING:
    from gitsign_py.core.dsse import Envelope

SERVICE = "Rekor"
BATCH = 10  # entries that one retrieve may ask for; the server's own limit
MAX_ONE_BYTES = 64 << 20
"""Of an answer with one entry: its body may have 32 MiB, in base64."""
WIDE_SECONDS = 60.0
MAX_FOUND = 100
MAX_SHARDS = 64
_ENTRIES = "/api/v1/log/entries"
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_UUID = pattern(r"(?:[0-9a-f]{16})?[0-9a-f]{64}\Z")  # tree id (newer servers), leaf hash


@frozen
class LogInfo:
    """The state that a log claims: ``checkpoint`` is the signed note, ``size`` counts this tree alone.

    ``inactive`` are the trees that it filled before, oldest first.
    """

    tree_id: str
    size: int
    root_hash: bytes
    checkpoint: bytes
    inactive: "tuple[LogInfo, ...]" = ()


class RekorClient:
    """A transparency log behind HTTP (port ``TransparencyLog``)."""

    def __init__(self, session: HttpSession, url: str) -> None:
        check_url(SERVICE, url)
        self._session = session
        self._url = url

    def submit(self, *, digest: bytes, signature: bytes, certificate: bytes) -> LogEntry:
        """Log a hashedrekord 0.0.1; see the port. An entry that is there already (409) is fetched and compared."""
        body = hashedrekord_v001_body(digest, signature, pem_encode(certificate, "CERTIFICATE"))
        answer = self._submitted(body)
        entry = _single(answer)
        if entry.body != body:
            raise _foreign(answer, "its entry is another one than the one we sent")
        return entry

    def submit_envelope(self, *, envelope: "Envelope", certificate: bytes) -> LogEntry:
        """Log a dsse 0.0.1, which sigstore-go and sigstore for Python want of an envelope in Rekor v1; see the port."""
        verifier = b64_encode(pem_encode(certificate, "CERTIFICATE"))
        from gitsign_py.core.dsse import envelope_json  # noqa: PLC0415 - no commit has an envelope

        proposed = {"envelope": envelope_json(envelope).decode("ascii"), "verifiers": [verifier]}
        value = {"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": proposed}}
        answer = self._submitted(json_body(value))
        entry = _single(answer)
        if not _is_over(entry, envelope, certificate):
            raise _foreign(answer, "its entry is another one than the one we sent")
        return entry

    def _submitted(self, body: bytes) -> Answer:
        answer = self._session.exchange(
            SERVICE, "POST", join_url(self._url, _ENTRIES), body=body, headers=_JSON, expected=(201, 409)
        )
        return self._existing(answer) if answer.status == 409 else answer

    def _existing(self, conflict: Answer) -> Answer:
        """RFC 9110 §15.5.10 leaves the form open; Rekor names the entry in Location."""
        uuid = conflict.headers.get("location", "").rpartition("/")[2]
        if not _UUID.match(uuid):
            raise conflict.invalid("it says that the entry exists already and does not say where")
        return self._get(f"{_ENTRIES}/{uuid}")

    def find(self, *, digest: bytes | None = None, certificate: bytes | None = None) -> tuple[LogEntry, ...]:
        """Find entries by SHA-256 digest, by a leaf's DER, or by both together; see the port."""
        return self.retrieve(uuids=self.search(digest=digest, certificate=certificate))

    def search(
        self, *, digest: bytes | None = None, email: str | None = None, certificate: bytes | None = None
    ) -> tuple[str, ...]:
        """Ask the index for the UUIDs of entries that match everything given (at most 100). Raises ServiceError.

        ``digest`` is 32 bytes of SHA-256, ``certificate`` DER. Asking for everything together matters: anybody may
        log an entry for somebody else's digest, nobody for somebody else's key.
        """
        query: dict[str, object] = {}
        if digest is not None:
            query["hash"] = f"sha256:{digest.hex()}"
        if email is not None:
            query["email"] = email
        if certificate is not None:
            query["publicKey"] = {"format": "x509", "content": b64_encode(pem_encode(certificate, "CERTIFICATE"))}
        if not query:
            raise ValueError("nothing to search for")
        answer = self._post("/api/v1/index/retrieve", {**query, "operator": "and"} if len(query) > 1 else query)
        return _uuids(answer)

    def by_uuid(self, uuid: str) -> LogEntry | None:
        """Fetch the entry of a UUID (64 or 80 lower-case hex digits); None when the log has none."""
        if not _UUID.match(uuid):
            raise FormatError("log-uuid-invalid", f"a log UUID has 64 or 80 lower-case hex digits, not {uuid!r}")
        answer = self._get(f"{_ENTRIES}/{uuid}", missing=True)
        if answer.status == 404:
            return None
        return _check_uuid(answer, _single(answer), uuid)

    def by_index(self, index: int) -> LogEntry | None:
        """Fetch the entry of a log-wide index; None when the log has none."""
        answer = self._get(f"{_ENTRIES}?logIndex={index}", missing=True, limits=self._wide)
        if answer.status == 404:
            return None
        entry = _single(answer)
        if entry.log_index != index:
            raise _foreign(answer, f"its entry has index {entry.log_index}, not {index}")
        return entry

    def retrieve(self, *, uuids: Sequence[str] = (), indexes: Sequence[int] = ()) -> tuple[LogEntry, ...]:
        """Fetch many entries, ten in a request; those that the log does not have are left out.

        One whose body cannot be read has no kind. One that is asked for alone may be large.
        """
        found: list[LogEntry] = []
        for at in range(0, len(uuids), BATCH):
            found += self._retrieve("entryUUIDs", uuids[at : at + BATCH])
        for at in range(0, len(indexes), BATCH):
            found += self._retrieve("logIndexes", indexes[at : at + BATCH])
        return tuple(found)

    def _retrieve(self, name: str, wanted: Sequence[str] | Sequence[int]) -> Iterator[LogEntry]:
        answer = self._post(f"{_ENTRIES}/retrieve", {name: list(wanted)}, self._wide if len(wanted) == 1 else None)
        items = answer.json()
        if not isinstance(items, list) or len(items) > len(wanted):
            raise answer.invalid("it is not a list of the entries asked for")
        leaves = {str(one)[-64:] for one in wanted}
        for item in items:
            entry = _entry(answer, item)
            if str(entry.log_index) not in leaves and _leaf(entry) not in leaves:
                raise _foreign(answer, "it holds an entry that was not asked for")
            yield entry

    def info(self) -> LogInfo:
        """Return the log's claimed size, root and checkpoint, unchecked."""
        answer = self._get("/api/v1/log")
        value = answer.json()
        try:
            closed = value["inactiveShards"] if value.get("inactiveShards") is not None else []
            return replace(_tree(value), inactive=tuple(_tree(item) for item in closed[:MAX_SHARDS]))
        except (KeyError, TypeError, AttributeError, FormatError) as error:
            raise answer.invalid("it does not describe a log") from error

    def consistency(self, first: int, last: int, *, tree_id: str | None = None) -> tuple[bytes, ...]:
        """Fetch the proof that the tree of ``last`` leaves extends the tree of ``first`` (32-byte hashes)."""
        tree = "" if tree_id is None else f"&treeID={decimal_decode(tree_id, maximum=2**64 - 1)}"
        answer = self._get(f"/api/v1/log/proof?firstSize={first}&lastSize={last}{tree}")
        value = answer.json()
        try:
            return tuple(hex_decode(text, length=32) for text in value["hashes"])
        except (KeyError, TypeError, FormatError) as error:
            raise answer.invalid("it holds no list of hashes") from error

    def public_key(self) -> bytes:
        """Return the key that the log claims as its own, DER SubjectPublicKeyInfo. No trust anchor."""
        answer = self._get("/api/v1/log/publicKey", accept="application/x-pem-file")
        try:
            return pem_decode(answer.body, "PUBLIC KEY")[0]
        except FormatError as error:
            raise answer.invalid(error.message) from error

    @property
    def _wide(self) -> Limits:
        return replace(
            self._session.limits, max_bytes=MAX_ONE_BYTES, total=max(WIDE_SECONDS, self._session.limits.total)
        )

    def _get(
        self, path: str, *, missing: bool = False, accept: str = "application/json", limits: Limits | None = None
    ) -> Answer:
        expected = (200, 404) if missing else (200,)
        url = join_url(self._url, path)
        return self._session.exchange(SERVICE, "GET", url, headers={"Accept": accept}, expected=expected, limits=limits)

    def _post(self, path: str, request: object, limits: Limits | None = None) -> Answer:
        url = join_url(self._url, path)
        return self._session.exchange(SERVICE, "POST", url, body=json_body(request), headers=_JSON, limits=limits)


def _tree(value: Any) -> LogInfo:
    return LogInfo(
        tree_id=str(decimal_decode(value["treeID"], maximum=2**64 - 1)),
        size=_count(value["treeSize"]),
        root_hash=hex_decode(value["rootHash"], length=32),
        checkpoint=value["signedTreeHead"].encode(),
    )


def _is_over(entry: LogEntry, envelope: "Envelope", certificate: bytes) -> bool:
    """Tell whether an entry is a dsse 0.0.1 over this envelope, by this certificate."""
    from gitsign_py.core.tlog.rekorbodies import parse_envelope_body  # noqa: PLC0415 - no commit has an envelope

    try:
        found = parse_envelope_body(entry.body, "dsse", "0.0.1")
    except FormatError:
        return False
    signed = [(one.signature, one.verifier_der) for one in found.signatures]
    wanted = [(one.signature, certificate) for one in envelope.signatures]
    payload = digests.sha256(envelope.payload).digest()
    return (found.algorithm, found.payload_digest, signed) == ("sha256", payload, wanted)


def _single(answer: Answer) -> LogEntry:
    return _entry(answer, answer.json())


def _entry(answer: Answer, value: Any) -> LogEntry:
    """Read ``{UUID: entry}`` and check that the UUID is this body's."""
    if not isinstance(value, dict) or len(value) != 1:
        raise answer.invalid("it is not one log entry under its UUID")
    ((uuid, content),) = value.items()
    if not _UUID.match(uuid):
        raise answer.invalid("its entry has no UUID")
    try:
        entry = entry_from_rekor_v1(uuid, content)
    except FormatError as error:
        raise answer.invalid(error.message) from error
    return _check_uuid(answer, entry, uuid)


def _check_uuid(answer: Answer, entry: LogEntry, uuid: str) -> LogEntry:
    if _leaf(entry) != uuid[-64:]:
        raise _foreign(answer, "its entry does not belong to its UUID")
    return entry


def _leaf(entry: LogEntry) -> str:
    return leaf_hash_of(entry.body).hex()


def _uuids(answer: Answer) -> tuple[str, ...]:
    value = answer.json()
    if not isinstance(value, list) or not all(isinstance(uuid, str) and _UUID.match(uuid) for uuid in value):
        raise answer.invalid("it is not a list of UUIDs")
    if len(value) > MAX_FOUND:
        raise answer.invalid(f"it names {len(value)} entries, at most {MAX_FOUND} are looked at")
    return tuple(dict.fromkeys(value))


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise FormatError("log-size-invalid", "not a tree size")
    return value


def _foreign(answer: Answer, why: str) -> ServiceError:
    return ServiceError(
        "service-answer-foreign",
        f"{SERVICE} at {answer.url} gave somebody else's entry: {why}",
        hint="do not use this log until its operator explains; check the URL (gitsign.rekor)",
        facts={"service": SERVICE, "url": answer.url},
    )
