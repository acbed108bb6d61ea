"""Ask witnesses to cosign a checkpoint (C2SP tlog-witness, the client's side), all at once and within a time.

A witness that does not answer in time is left alone for a while, so that one that is down does not slow each entry.
Only lines by the key that the policy gives to a witness are taken, and only where they verify.
"""

import http.client
import logging
import queue
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from gitsign_py.core.frozen import frozen
from gitsign_py.core.printing import printable
from gitsign_py.core.tlog import note
from gitsign_py.core.tlog.addcheckpoint import (
    MAX_ANSWER,
    AddCheckpoint,
    format_request,
    parse_answer,
    parse_size,
)
from gitsign_py.core.tlog.checkpoint import Checkpoint
from gitsign_py.core.tlog.cosigned import verify_cosignature
from gitsign_py.core.tlog.witnesspolicy import Witness, WitnessPolicy
from gitsign_py.errors import ConfigError, FormatError, InvalidSignatureError
from gitsign_py.localstack.service import Refusal

SECONDS, REST_SECONDS = 3.0, 30.0
_log = logging.getLogger("gitsign_py.localstack")
Prove = Callable[[int, int], Sequence[bytes]]
"""Gives the consistency proof between two sizes of the log."""


@frozen
class Sealed:
    """A checkpoint that its log has signed: ``text`` is the note's, ``envelope`` the whole."""

    checkpoint: Checkpoint
    text: bytes
    envelope: bytes


class Cosigning:
    """The witnesses of a policy, those with a URL. ``seconds`` bound an exchange, ``rest`` is the pause after it."""

    def __init__(self, policy: WitnessPolicy, *, seconds: float = SECONDS, rest: float = REST_SECONDS) -> None:
        """Raises ConfigError ``witness-policy-url``."""
        self._policy, self._seconds = policy, seconds
        self._asked = tuple(_Asked(one, seconds, rest) for one in policy.witnesses if one.url)
        if not policy.is_met_by([one.name for one in policy.witnesses if one.url]):
            raise ConfigError(
                "witness-policy-url",
                f"witness policy asks for {policy.quorum}, and too few of its witnesses have a URL to ask at",
                hint="write it behind the key: witness NAME VKEY https://witness.example.com",
            )

    def cosigned(self, envelope: bytes, checkpoint: Checkpoint, prove: Prove) -> bytes:
        """The checkpoint with what the witnesses signed. Raises Refusal 503 ``witnesses-missing`` without a quorum."""
        parsed = note.parse_note(envelope)
        sealed = Sealed(checkpoint, parsed.text, envelope)
        found = self._gathered(sealed, prove)
        if not self._policy.is_met_by(list(found)):
            words = f"the checkpoint is cosigned by {', '.join(sorted(found)) or 'no witness'}"
            raise Refusal(
                503, f"{words}, and the log's policy asks for {self._policy.quorum}", reason="log-unwitnessed"
            )
        return note.format_note(parsed.text, (*parsed.signatures, *found.values()))

    def _gathered(self, sealed: Sealed, prove: Prove) -> dict[str, note.NoteSignature]:
        answers: queue.SimpleQueue[tuple[str, note.NoteSignature | None]] = queue.SimpleQueue()
        waiting = [one for one in self._asked if one.begin(sealed, prove, answers)]
        found: dict[str, note.NoteSignature] = {}
        ends = time.monotonic() + self._seconds
        for _ in waiting:
            try:
                name, signature = answers.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                break
            if signature is not None:
                found[name] = signature
        return found


class _Asked:
    """One witness: what it is known to have cosigned, and whether it is asked at all."""

    def __init__(self, witness: Witness, seconds: float, rest: float) -> None:
        self._witness, self._seconds, self._rest = witness, seconds, rest
        self._sizes: dict[str, int] = {}
        self._busy = threading.Lock()
        self._again = 0.0

    def begin(
        self,
        sealed: Sealed,
        prove: Prove,
        answers: "queue.SimpleQueue[tuple[str, note.NoteSignature | None]]",
    ) -> bool:
        """Ask in a thread of its own; False while the last question is out, or it failed a moment ago."""
        if time.monotonic() < self._again or not self._busy.acquire(blocking=False):
            return False

        def ask() -> None:
            found: note.NoteSignature | None = None
            try:
                found = self._ask(sealed, prove)
            finally:
                self._busy.release()
                answers.put((self._witness.name, found))

        threading.Thread(target=ask, name="ask-witness", daemon=True).start()
        return True

    def _ask(self, sealed: Sealed, prove: Prove) -> note.NoteSignature | None:
        began = time.monotonic()
        try:
            found = self._cosignature(sealed, prove)
        except (OSError, http.client.HTTPException, ValueError, FormatError, InvalidSignatureError) as error:
            words = "witness %s did not cosign: %s"
            _log.warning(words, printable(self._witness.name), printable(f"{type(error).__name__}: {error}"[:300]))
            if time.monotonic() - began >= self._seconds / 2:
                self._again = time.monotonic() + self._rest
            return None
        return found

    def _cosignature(self, sealed: Sealed, prove: Prove) -> note.NoteSignature:
        """Ask with the size that is believed to be known there, and once more with the one that it names."""
        origin, size = sealed.checkpoint.origin, sealed.checkpoint.size
        old = min(self._sizes.get(origin, 0), size)
        status, body = self._post(old, sealed, prove)
        if status == 409 and (known := parse_size(body)) != old and known <= size:
            old = known
            status, body = self._post(old, sealed, prove)
        if status != 200:
            raise ValueError(f"answer {status} {body[:100].decode('ascii', 'replace').strip()}")
        key = self._witness.key
        for line in parse_answer(body):
            if (line.name, line.key_hint) == (key.name, key.hint):
                verify_cosignature(key, line.signature, sealed.text, sealed.checkpoint)
                self._sizes[origin] = size
                return line
        raise ValueError("its answer has no line by its key")

    def _post(self, old: int, sealed: Sealed, prove: Prove) -> tuple[int, bytes]:
        size = sealed.checkpoint.size
        proof = tuple(prove(old, size)) if 0 < old < size else ()
        body = format_request(AddCheckpoint(old, proof, sealed.envelope))
        return post(f"{self._witness.url.rstrip('/')}/add-checkpoint", body, self._seconds)


def post(url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
    """One POST, past any proxy and without redirects: status and body.

    Raises OSError, HTTPException; ValueError for a URL that is none and an answer that is too long or too slow.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("its URL is not http or https")
    ends = time.monotonic() + seconds
    connection = _connection(parts.scheme, parts.hostname, parts.port, seconds)
    try:
        connection.request("POST", parts.path or "/", body, {"Content-Type": "text/plain; charset=utf-8"})
        answer, data = connection.getresponse(), b""
        while part := answer.read1(MAX_ANSWER):
            data += part
            if len(data) > MAX_ANSWER or time.monotonic() > ends:
                raise ValueError("its answer is too long or too slow")
        return answer.status, data
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None, seconds: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=seconds)
