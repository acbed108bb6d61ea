"""Rekor v2, a tiled log: put a signature on it; read checkpoint, tiles and entries; prove an entry from the tiles.

The server answers a submission when the entry is in a published checkpoint, which takes seconds. The answer is
compared with the request; checkpoint signatures and proofs are checked by whoever holds the trust root.
"""

import hashlib
import re
import time
from collections.abc import Callable

from gitsign_py.clients.answer import Answer
from gitsign_py.clients.session import HttpSession, json_body
from gitsign_py.clients.tiles import TileClient
from gitsign_py.clients.urls import check_url, join_url
from gitsign_py.core.dsse import Envelope, pae
from gitsign_py.core.encoding import b64_encode, decimal_decode
from gitsign_py.core.frozen import replace
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from gitsign_py.core.tlog.logentry import (
    InclusionProof,
    LogEntry,
    entry_from_protojson,
    hashedrekord_v002_body,
)
from gitsign_py.core.tlog.note import HINT_BYTES, parse_note
from gitsign_py.core.tlog.tiles import TILE_WIDTH, hash_at_of, split_bundle, tile_width
from gitsign_py.core.trust.root import TransparencyLogInstance
from gitsign_py.errors import FormatError, ServiceError, VerificationError

SERVICE = "Rekor"
SUBMIT_SECONDS = 25.0  # rekor-tiles, CLIENTS.md: a submission waits for the next checkpoint, 20 s are normal
MAX_SUBMIT_WAITS = 20
_API = "/api/v2"
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_WHERE = re.compile(r"with index ([0-9]{1,19})\b")
_KEY_DETAILS = {"ecdsa-p256": "PKIX_ECDSA_P256_SHA_256"}  # the one kind whose hash is the SHA-256 of the port


class RekorV2Client:
    """A tiled transparency log behind HTTP (port ``TransparencyLog``).

    ``logs`` are those of the trust root: entries that are read back name their log by them, since a tile does not.
    """

    def __init__(
        self,
        session: HttpSession,
        url: str,
        *,
        logs: tuple[TransparencyLogInstance, ...] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        check_url(SERVICE, url)
        self._session = session
        self._url = url
        self._tiles = TileClient(session, SERVICE, join_url(url, _API))
        self._logs = logs
        self._sleep = sleep

    def submit(self, *, digest: bytes, signature: bytes, certificate: bytes) -> LogEntry:
        """Log a hashedrekord 0.0.2; see the port. An entry that is there already (409) is read back from the tiles."""
        details = _key_details(certificate)
        body = hashedrekord_v002_body(digest, signature, certificate, details)
        verifier = {"x509Certificate": {"rawBytes": b64_encode(certificate)}, "keyDetails": details}
        request = {"digest": b64_encode(digest), "signature": {"content": b64_encode(signature), "verifier": verifier}}
        answer = self._session.exchange(
            SERVICE,
            "POST",
            join_url(self._url, f"{_API}/log/entries"),
            body=json_body({"hashedRekordRequestV002": request}),
            headers=_JSON,
            expected=(200, 201, 409),
            limits=replace(self._session.limits, total=SUBMIT_SECONDS),
        )
        entry = self._existing(answer) if answer.status == 409 else _new_entry(answer)
        if entry.body != body:
            raise _foreign(answer, "its entry is another one than the one we sent")
        return entry

    def submit_envelope(self, *, envelope: Envelope, certificate: bytes) -> LogEntry:
        """Log a hashedrekord 0.0.2 over what the envelope's signature is over (PAE); see the port."""
        digest = hashlib.sha256(pae(envelope.payload_type, envelope.payload)).digest()
        return self.submit(digest=digest, signature=envelope.signatures[0].signature, certificate=certificate)

    def _existing(self, conflict: Answer) -> LogEntry:
        """The entry that a 409 speaks of. It may have been taken a moment ago, before the next checkpoint."""
        value = conflict.json()
        message = value.get("message") if isinstance(value, dict) else None
        found = _WHERE.search(message) if isinstance(message, str) else None
        if found is None:
            raise conflict.invalid("it says that the entry exists already and does not say where")
        index = decimal_decode(found[1])
        for _ in range(MAX_SUBMIT_WAITS):
            entry = self.entry(index)
            if entry is not None:
                return entry
            self._sleep(1.0)
        raise conflict.invalid(f"it says that the entry exists with index {index}, which no checkpoint covers")

    def find(self, *, digest: bytes | None = None, certificate: bytes | None = None) -> tuple[LogEntry, ...]:
        """Tiled logs have no index to ask. Raises ServiceError ``log-cannot-search``."""
        del digest, certificate
        raise ServiceError(
            "log-cannot-search",
            f"{SERVICE} at {self._url} is of version 2, which cannot be searched",
            hint="sign in offline mode (git config gitsign.rekorMode offline), or use a log of version 1",
            facts={"service": SERVICE, "url": self._url},
        )

    def checkpoint(self) -> bytes:
        """Fetch the present checkpoint, a signed note, unverified."""
        return self._tiles.checkpoint().body

    def tile(self, level: int, number: int, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
        """Fetch ``width`` hashes of tile ``number`` in row ``level`` (32 bytes each)."""
        return self._tiles.tile(level, number, width)

    def entries(self, number: int, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
        """Fetch the first ``width`` entries of bundle ``number``: canonicalized bodies."""
        answer = self._tiles.bundle(number, width)
        try:
            return split_bundle(answer.body, width)
        except FormatError as error:
            raise answer.invalid(f"a bundle of {width} entries was asked for: {error.message}") from error

    def entry(self, index: int) -> LogEntry | None:
        """Read an entry with its proof, computed from the tiles of the present checkpoint; None past its end.

        Raises ServiceError ``service-answer-invalid`` when tiles, entry and checkpoint do not fit together.
        """
        answer = self._tiles.checkpoint()
        checkpoint, log_id = self._open(answer)
        if index >= checkpoint.size:
            return None
        number, place = divmod(index, TILE_WIDTH)
        body = self.entries(number, tile_width(0, number, checkpoint.size))[place]
        proof = self._prove(index, checkpoint.size)
        try:
            merkle.verify_inclusion(merkle.leaf_hash(body), index, checkpoint.size, proof, checkpoint.root)
        except VerificationError as error:
            raise answer.invalid("its tiles and entries do not fit its checkpoint") from error
        return LogEntry(
            log_index=index,
            log_id=log_id,
            kind="hashedrekord",
            version="0.0.2",
            integrated_time=0,
            signed_entry_timestamp=b"",
            inclusion_proof=InclusionProof(index, checkpoint.root, checkpoint.size, proof, answer.body),
            body=body,
        )

    def _prove(self, index: int, size: int) -> tuple[bytes, ...]:
        return merkle.prove_inclusion(index, size, hash_at_of(self.tile, size))

    def _open(self, answer: Answer) -> tuple[Checkpoint, bytes]:
        """Size and root of a checkpoint and its log's id: verified with the key of the trust root's log that signed it.

        Of a log that is not known the claims are read and the id stays empty, which no verification accepts.
        """
        try:
            claimed = parse_note(answer.body)
            hints = {line.key_hint for line in claimed.signatures}
            for log in self._logs:
                hint = (log.checkpoint_key_id or log.log_id)[:HINT_BYTES]
                if hint in hints:
                    opened = open_checkpoint(answer.body, log.public_key, key_hints=[hint])
                    return opened.checkpoint, log.log_id
            return parse_checkpoint(claimed.text), b""
        except (FormatError, VerificationError) as error:
            raise answer.invalid(error.message) from error


def _key_details(certificate: bytes) -> str:
    kind = parse_certificate(certificate).public_key.kind
    details = _KEY_DETAILS.get(kind)
    if details is None:
        raise FormatError("key-unsupported", f"a {kind} key cannot be logged with a SHA-256 digest")
    return details


def _new_entry(answer: Answer) -> LogEntry:
    try:
        return entry_from_protojson(answer.json())
    except FormatError as error:
        raise answer.invalid(error.message) from error


def _foreign(answer: Answer, why: str) -> ServiceError:
    return ServiceError(
        "service-answer-foreign",
        f"{SERVICE} at {answer.url} gave somebody else's entry: {why}",
        hint="do not use this log until its operator explains; check the URL (gitsign.rekor)",
        facts={"service": SERVICE, "url": answer.url},
    )
