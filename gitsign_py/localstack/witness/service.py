"""The witness as a service: ``POST /add-checkpoint`` (C2SP tlog-witness), and nothing else that writes.

It cosigns a tree when the log signed it and proves that it extends the one that the witness cosigned before. A signed
tree that contradicts an earlier one is kept with it: the two together convict the log.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.printing import printable
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.addcheckpoint import MAX_REQUEST, SIZE_TYPE, AddCheckpoint, format_answer, parse_request
from gitsign_py.core.tlog.checkpoint import Checkpoint, open_checkpoint, signer_name
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, VerificationError
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service
from gitsign_py.localstack.witness.identity import WitnessIdentity
from gitsign_py.localstack.witness.record import Record, Seen

NAME = "witness"
_PORT = re.compile(r":[0-9]{1,5}\Z")
_log = logging.getLogger("gitsign_py.localstack")


@frozen
class KnownLog:
    """A log that is witnessed: the key that signs its checkpoints under ``name``, and the key's hint."""

    name: str
    key: PublicKey
    hint: bytes


def logs_of_policy(policy: WitnessPolicy) -> tuple[KnownLog, ...]:
    """The logs that a policy lists."""
    return tuple(KnownLog(one.key.name, one.key.public_key, one.key.hint) for one in policy.logs)


def logs_of_root(root: TrustedRoot) -> tuple[KnownLog, ...]:
    """The signature logs of a trust root, each under its URL without the scheme (rekor-tiles, CLIENTS.md).

    Rekor v1 names itself by its host alone, whatever port it answers at; the key tells two such logs apart.
    """
    found = []
    for log in root.tlogs:
        whole = log.base_url.partition("://")[2].rstrip("/")
        for name in dict.fromkeys((whole, _PORT.sub("", whole))):
            named = log.checkpoint_key_id or note.key_id(name, log.public_key)
            found.append(KnownLog(name, log.public_key, named[: note.HINT_BYTES]))
    return tuple(found)


class Witness:
    """One witness over its record; ``clock`` gives aware datetimes."""

    def __init__(
        self, identity: WitnessIdentity, record: Record, logs: Iterable[KnownLog], clock: Callable[[], datetime]
    ) -> None:
        self._identity, self._record, self._clock = identity, record, clock
        self._logs: dict[str, list[KnownLog]] = {}
        for log in logs:
            self._logs.setdefault(log.name, []).append(log)

    def add_checkpoint(self, request: Request) -> Response:
        """``POST /add-checkpoint``: 200 with a cosignature, else 400, 403, 404, 409 or 422."""
        asked = parse_request(request.body)
        text = note.parse_note(asked.checkpoint).text
        opened = self._opened(asked, text)
        if asked.old > opened.size:
            raise Refusal(400, f"the old size {asked.old} is larger than the checkpoint's {opened.size}")
        now = int(self._clock().timestamp())
        seen = Seen(opened.origin, opened.size, opened.root, now, asked.checkpoint)
        answer = self._advance(asked, seen)
        if answer is not None:
            return answer
        line = self._identity.cosign(text, now)
        return Response(200, format_answer([line]), "text/plain; charset=utf-8")

    def _opened(self, asked: AddCheckpoint, text: bytes) -> Checkpoint:
        """By the keys of the log that the origin names: 404 without one, 403 when none of them signed."""
        origin = text.partition(b"\n")[0].decode()
        logs = self._logs.get(signer_name(origin), [])
        if not logs:
            raise Refusal(404, "this witness does not know the log")
        for log in logs:
            try:
                return open_checkpoint(asked.checkpoint, log.key, origin=origin, key_hints=[log.hint]).checkpoint
            except VerificationError:
                continue
        raise Refusal(403, "no key that this witness knows of the log signed the checkpoint")

    def _advance(self, asked: AddCheckpoint, seen: Seen) -> Response | None:
        """Compare and write in one turn. Gives the refusal; what contradicts the record is kept first."""
        with self._record.turn():
            kept = self._record.latest(seen.origin)
            answer, contradicts = _judged(asked, seen, kept)
            if answer is None:
                self._record.write(seen)
        if contradicts and kept is not None and self._record.contradicted(seen, kept):
            words = "%s signed a tree of %d that contradicts the one of %d that it signed before"
            _log.error(words, printable(seen.origin), seen.size, kept.size)
        return answer

    def status(self, _: Request) -> Response:
        """``GET /``: who cosigns, for people who look."""
        return Response(200, f"{self._identity.key}\n".encode(), "text/plain; charset=utf-8")


def _judged(asked: AddCheckpoint, seen: Seen, kept: Seen | None) -> tuple[Response | None, bool]:
    """The refusal, None to cosign; and whether the log contradicts what it signed before."""
    size = kept.size if kept is not None else 0
    forked = kept is not None and seen.size == kept.size and seen.root != kept.root
    if asked.old != size or forked:
        return Response(409, b"%d\n" % size, SIZE_TYPE), forked
    if size in (seen.size, 0):  # RFC 6962 §2.1.2: such proofs are empty
        return (_text(422, "the consistency proof must be empty") if asked.proof else None), False
    try:
        merkle.verify_consistency(size, seen.size, asked.proof, kept.root if kept is not None else b"", seen.root)
    except (VerificationError, FormatError) as error:
        # A wrong proof is no contradiction yet: anybody can send one with a checkpoint that was seen in public.
        return _text(422, f"the consistency proof does not verify: {error.message}"), False
    return None, False


def _text(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, f"{words}\n".encode(), "text/plain; charset=utf-8", headers or {})


def text_errors(refusal: Refusal) -> Response:
    """Errors as one line of text."""
    return _text(refusal.status, refusal.message, refusal.headers)


def service(witness: Witness) -> Service:
    """The routes: the submission prefix is the URL itself."""
    routes = (
        Route("POST", "/add-checkpoint", witness.add_checkpoint, max_body=MAX_REQUEST),
        Route("GET", "/", witness.status),
    )
    return Service(NAME, routes, text_errors)
