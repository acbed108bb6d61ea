"""Faults on demand: a local stack that is slow, broken, or lies, so that refusals are tested through the front door.

A fault is written ``[SERVICE:]NAME[=VALUE]``: ``rekor2:slow=5``, ``5xx=2``, ``no-sct``. Without a service it is that of
every service that can have it. Faults that any server can have (slow, 5xx, drop, garbage) and what can be read off an
answer (wrong-proof, others-entry) happens here, around the services; lies that need a server's key are asked for by
the service itself, through ``Hook.setting("SERVICE:NAME")``.
"""

import hashlib
import json
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gitsign_py.core.encoding import b64_decode, b64_encode
from gitsign_py.errors import UsageError
from gitsign_py.localstack.context import Hook
from gitsign_py.localstack.placement import ALIASES, SERVICES
from gitsign_py.localstack.service import JSON, Request, Response, Route, Service, json_response, plain_errors

NAME = "faults"
_LOGS, _CA = ("rekor1", "rekor2"), ("fulcio",)
_TREES = (*_LOGS, "ctlog")
_WRITERS = ("fulcio", "ctlog", "rekor1", "rekor2")
_WRITES = ("/log/entries", "/add-chain", "/add-pre-chain", "/signingCert")
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,3})?\Z")
_COUNT = re.compile(r"[1-9][0-9]{0,5}\Z")
_EXTRA_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class Kind:
    """The effect of a fault, and the services that have it; ``value`` is none, count (optional) or seconds (with a
    default).
    """

    text: str
    services: tuple[str, ...]
    value: str = "none"
    default: str = ""


KINDS = {
    "slow": Kind("wait VALUE seconds before each answer", SERVICES, "seconds", "5"),
    "5xx": Kind("answer 503, VALUE times (default: always)", SERVICES, "count"),
    "drop": Kind("break the connection in the middle of the answer, VALUE times", SERVICES, "count"),
    "garbage": Kind("answer meaningless bytes, VALUE times", SERVICES, "count"),
    "clock-skew": Kind("have a clock that is VALUE seconds ahead (negative: behind)", SERVICES, "seconds", "3600"),
    "wrong-proof": Kind("give inclusion proofs with one bit turned", _LOGS),
    "wrong-root": Kind("sign checkpoints over another root", _TREES),
    "others-entry": Kind("answer a submission with the entry of the one before it", _LOGS),
    "duplicate-entries": Kind("log the same entry again and again, each time under a new index", _LOGS),
    "stale-checkpoint": Kind("sign a tree that is VALUE entries smaller than it is", _TREES, "count", "1"),
    "rewrite": Kind("serve the newest entry with other content than its tree holds", _TREES),
    "drop-entry": Kind("leave the newest entry out of what is served", _TREES),
    "backdate": Kind("date new entries VALUE seconds too early", ("rekor1", "ctlog"), "seconds", "172800"),
    "odd-entry": Kind("log new entries in a form that nobody reads, VALUE bytes larger", _TREES, "count", "1"),
    "fork": Kind("show another history than before, signed by the same key", _TREES),
    "no-sct": Kind("issue certificates without a CT log's promise", _CA),
    "wrong-sct": Kind("issue certificates with the promise for another certificate", _CA),
    "detached-sct": Kind("give the CT log's promise beside the certificate", _CA),
    "disk-full": Kind("refuse what must be written, as a full disk does (503); reads go on", _WRITERS),
    "expired-certificate": Kind("issue certificates that expired an hour ago", _CA),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``service`` empty for all, ``value`` as it was written, or the default."""

    service: str
    name: str
    value: str

    def __str__(self) -> str:
        prefix = f"{self.service}:" if self.service else ""
        return f"{prefix}{self.name}" + (f"={self.value}" if self.value else "")

    def hits(self, service: str) -> bool:
        """Whether it is a fault of ``service``."""
        return service in KINDS[self.name].services and self.service in ("", service)


def parse_fault(text: str) -> Fault:
    """Parse ``[SERVICE:]NAME[=VALUE]``. Raises UsageError ``fault-unknown``, ``fault-service`` or ``fault-value``."""
    head, _, value = text.partition("=")
    service, colon, name = head.rpartition(":")
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError("fault-unknown", f"fault {name!r} is not known", hint=f"one of: {', '.join(KINDS)}")
    service = ALIASES.get(service, service)
    if colon and service not in kind.services:
        raise UsageError(
            "fault-service", f"fault {name} is not one of {service!r}", hint=f"one of: {', '.join(kind.services)}"
        )
    pattern = {"none": re.compile(r"\Z"), "count": _COUNT, "seconds": _NUMBER}[kind.value]
    if value and not pattern.match(value):
        raise UsageError("fault-value", f"fault {name} cannot have the value {value!r}", hint=kind.text)
    return Fault(service, name, value or kind.default)


class Faults(Hook):
    """The hook that breaks what it is told to. Safe to change while requests are served."""

    def __init__(self, texts: Iterable[str] = (), *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Begin with the faults in ``texts``. Raises UsageError as ``parse_fault`` does."""
        self._lock = threading.Lock()
        self._sleep = sleep
        self._active: tuple[Fault, ...] = ()
        self._spent: dict[Fault, int] = {}
        self._last_entry: dict[str, Response] = {}
        self.set(texts)

    @property
    def active(self) -> tuple[Fault, ...]:
        """The faults that are on now."""
        return self._active

    def set(self, texts: Iterable[str]) -> None:
        """Let exactly these faults be active; counts begin anew. Raises UsageError and then changes nothing."""
        active = tuple(parse_fault(text) for text in texts)
        with self._lock:
            self._active, self._spent = active, {}

    def _of(self, service: str, name: str) -> Fault | None:
        return next((fault for fault in self._active if fault.name == name and fault.hits(service)), None)

    def _spend(self, service: str, name: str) -> bool:
        """Whether a fault with a count happens this time."""
        fault = self._of(service, name)
        if fault is None:
            return False
        with self._lock:
            used = self._spent.get(fault, 0)
            self._spent[fault] = used + 1
        return not fault.value or used < int(fault.value)

    # -- Hook -----------------------------------------------------------------------------------------------------

    @property
    def calm(self) -> bool:
        """Whether no fault is on."""
        return not self._active

    def now(self, service: str, now: datetime) -> datetime:
        """The time, skewed."""
        fault = self._of(service, "clock-skew")
        return now if fault is None else now + timedelta(seconds=float(fault.value))

    def before(self, service: str, request: Request) -> Response | None:
        """Wait, or answer 503 in place of the service. Raises sqlite3.OperationalError for a full disk."""
        fault = self._of(service, "slow")
        if fault is not None:
            self._sleep(max(0.0, float(fault.value)))
        if self._spend(service, "5xx"):
            return json_response({"code": 503, "message": "out of order, as asked for"}, 503)
        writes = request.method == "POST" and request.path.endswith(_WRITES)
        if writes and self._of(service, "disk-full") is not None:
            raise sqlite3.OperationalError("database or disk is full")
        return None

    def after(self, service: str, request: Request, response: Response) -> Response:
        """Change an answer."""
        response = self._entry_of_another(service, request, response)
        if self._of(service, "wrong-proof") is not None:
            response = _spoil_proofs(response)
        if self._spend(service, "garbage"):
            response = _garbage(response)
        return _cut_off(response) if self._spend(service, "drop") else response

    def setting(self, name: str) -> str | None:
        """The value of fault ``SERVICE:NAME`` when it is on."""
        service, _, fault_name = name.rpartition(":")
        fault = self._of(service, fault_name)
        return None if fault is None else fault.value

    def _entry_of_another(self, service: str, request: Request, response: Response) -> Response:
        """Keep each new entry of a log, and give the one before it while the fault is on."""
        if service not in _LOGS or request.method != "POST" or response.status != 201:
            return response
        with self._lock:
            before = self._last_entry.get(service, response)
            self._last_entry[service] = response
        return before if self._of(service, "others-entry") is not None else response


def service(faults: Faults) -> Service:
    """``GET`` and ``POST /faults``: tell, or replace, what is broken. For tests; only with ``--fault-control``."""

    def tell(_: Request) -> Response:
        return json_response({"faults": [str(fault) for fault in faults.active]})

    def replace(request: Request) -> Response:
        texts = request.json_object().get("faults")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            return json_response({"code": 400, "message": "faults must be a list of texts"}, 400)
        try:
            faults.set(texts)
        except UsageError as error:
            return json_response({"code": 400, "message": f"{error.message} ({error.hint})"}, 400)
        return tell(request)

    routes = (Route("GET", "/faults", tell), Route("POST", "/faults", replace, ("application/json",)))
    return Service(NAME, routes, plain_errors)


# Answers of a server that is broken: each function takes a right answer and gives a wrong one.


def _garbage(response: Response) -> Response:
    """Bytes that are no JSON, DER, PEM or tile, as many as there were (at least 16), with the same status and type."""
    length = max(16, len(response.body))
    noise = b"".join(hashlib.sha256(b"garbage %d" % part).digest() for part in range(length // 32 + 1))
    return replace(response, body=b"\xff" + noise[: length - 1])


def _cut_off(response: Response) -> Response:
    """The first half of the body under the whole one's length: the server then breaks the connection."""
    length = max(2, len(response.body))
    headers = {**response.headers, "Content-Length": str(length)}
    return replace(response, body=response.body[: length // 2], headers=headers)


def _spoil_proofs(response: Response) -> Response:
    """Turn a bit in every inclusion proof of a JSON answer; a proof without hashes gets one too many."""
    if response.media_type != JSON:
        return response
    try:
        value = json.loads(response.body)
    except ValueError:
        return response
    _spoil(value)
    return json_response(value, response.status, response.headers)


def _spoil(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _spoil(item)
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "inclusionProof" and isinstance(item, dict):
                item["hashes"] = _spoiled(item.get("hashes") or [], item.get("rootHash", ""))
            else:
                _spoil(item)


def _spoiled(hashes: list[str], root: str) -> list[str]:
    """The hashes in their own spelling: hex as Rekor v1 has it, base64 as version 2 has it."""
    in_hex = len(root) == 64
    if not hashes:
        return [_EXTRA_HASH.hex() if in_hex else b64_encode(_EXTRA_HASH)]
    first = bytearray(bytes.fromhex(hashes[0]) if in_hex else b64_decode(hashes[0]))
    first[0] ^= 1
    return [bytes(first).hex() if in_hex else b64_encode(bytes(first)), *hashes[1:]]
