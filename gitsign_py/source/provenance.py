"""Source provenance: how a ref came to name a revision, stated by the server that saw it (docs/slsa.md).

SLSA leaves the format to the source control system (v1.2, "Source provenance attestations"). Ours is a predicate of an
in-toto statement (v1) whose subject is the revision. Each statement names the one before it, by its digest: a chain of
the ref's updates, in which a missing link shows.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gitsign_py.core.dsse import Statement
from gitsign_py.core.encoding import format_rfc3339, parse_rfc3339
from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.git.refname import is_full_ref_name
from gitsign_py.errors import FormatError
from gitsign_py.source.controls import CONTROLS, Since

PREDICATE = "https://gitsign-py.invalid/source-provenance/v0.1"
_STATEMENT = "https://in-toto.io/Statement/v1"
_ID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@frozen
class Previous:
    """The statement before: about ``revision``, in a bundle of this ``digest`` (SHA-256, hex)."""

    revision: str
    digest: str


@frozen
class Provenance:
    """One update of a ref. ``old`` is empty where nobody saw where the ref was before, zeros where it was not there.

    ``revision`` is the commit, ``tag`` the annotated tag that the ref names on the way to it. ``time`` is when the
    server saw the update. ``controls`` say since when each held; ``previous`` is the statement before, None at first.
    """

    repository: str
    ref: str
    old: str
    revision: str
    time: datetime
    policy_uri: str
    policy_digest: str
    controls: Mapping[str, Since]
    previous: Previous | None = None
    pusher: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)
    tag: str = ""

    @property
    def new(self) -> str:
        """The object that the ref names now."""
        return self.tag or self.revision


def subject_of(provenance: Provenance) -> dict[str, Any]:
    """The subject of statements about the revision (SLSA v1.2, "Source verification summary attestation")."""
    digests = {"gitCommit": provenance.revision} | ({"gitTag": provenance.tag} if provenance.tag else {})
    uri = f"{provenance.repository}@{provenance.revision}"  # SPDX download location
    return {"uri": uri, "digest": digests, "annotations": {"sourceRefs": [provenance.ref]}}


def statement(provenance: Provenance, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """An in-toto statement about the revision, as JSON."""
    value = {
        "_type": _STATEMENT,
        "subject": [subject_of(provenance)],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def provenance_statement(provenance: Provenance) -> bytes:
    """The statement of a provenance, as JSON."""
    return statement(provenance, PREDICATE, _predicate(provenance))


def _predicate(provenance: Provenance) -> dict[str, Any]:
    made: dict[str, Any] = {"repository": provenance.repository, "ref": provenance.ref}
    if provenance.old:
        made["oldId"] = provenance.old
    made |= {
        "newId": provenance.new,
        "updatedOn": format_rfc3339(provenance.time),
        "policy": policy_descriptor(provenance),
        "changes": dict(provenance.changes),
        "controls": [{"name": name, "since": _since(since)} for name, since in provenance.controls.items()],
    }
    if provenance.pusher:
        made["pusher"] = dict(provenance.pusher)
    if provenance.previous is not None:
        digest = {"sha256": provenance.previous.digest}
        made["previous"] = {"revision": provenance.previous.revision, "digest": digest}
    return made


def policy_descriptor(provenance: Provenance) -> dict[str, Any]:
    """The policy as a resource descriptor (in-toto, spec/v1/resource_descriptor.md)."""
    return {"uri": provenance.policy_uri, "digest": {"sha256": provenance.policy_digest}}


def _since(since: Since) -> dict[str, str]:
    return {"revision": since.revision, "time": format_rfc3339(since.time)}


# --- read ------------------------------------------------------------------------------------------------------------


def read_provenance(found: Statement) -> Provenance:
    """Read the statement of a bundle that was verified. Names of controls that are unknown here are passed over.

    Raises FormatError ``source-provenance-malformed``.
    """
    if found.predicate_type != PREDICATE or found.predicate is None:
        raise _malformed("is of another type", found.predicate_type[:80])
    if len(found.subjects) != 1:
        raise _malformed("has several subjects", len(found.subjects))
    digests, given = found.subjects[0].digests, found.predicate
    policy, tag = _object(given, "policy"), digests.get("gitTag", "")
    read = Provenance(
        repository=_text(given, "repository"),
        ref=_text(given, "ref"),
        old=_text(given, "oldId") if "oldId" in given else "",
        revision=digests.get("gitCommit", ""),
        time=_time(given, "updatedOn"),
        policy_uri=_text(policy, "uri"),
        policy_digest=_sha256(policy),
        controls=_controls(given.get("controls")),
        previous=_previous(given),
        pusher=_texts(given, "pusher"),
        changes=_counts(given),
        tag=tag,
    )
    if not is_full_ref_name(read.ref):
        raise _malformed("names no full ref", read.ref[:80])
    for one in (read.revision, read.new, *((read.old,) if read.old else ())):
        _id(one)
    if _text(given, "newId") != read.new:
        raise _malformed("is about another object than its subject", _text(given, "newId")[:80])
    return read


def _controls(given: Any) -> Mapping[str, Since]:
    if not isinstance(given, list):
        raise _malformed("has no list of controls", type(given).__name__)
    found: dict[str, Since] = {}
    for one in given:
        since = _object(one, "since")
        if (name := _text(one, "name")) in found:
            raise _malformed("has a control twice", name[:80])
        if name in CONTROLS:
            found[name] = Since(_id(_text(since, "revision")), _time(since, "time"))
    return found


def _previous(given: Mapping[str, Any]) -> Previous | None:
    if "previous" not in given:
        return None
    found = _object(given, "previous")
    return Previous(_id(_text(found, "revision")), _sha256(found))


def _counts(given: Mapping[str, Any]) -> Mapping[str, int]:
    found = _object(given, "changes")
    if not all(isinstance(count, int) and not isinstance(count, bool) for count in found.values()):
        raise _malformed("counts changes by no number", "changes")
    return found


def _texts(given: Mapping[str, Any], name: str) -> Mapping[str, str]:
    found = _object(given, name) if name in given else {}
    if not all(isinstance(text, str) for text in found.values()):
        raise _malformed("has a field that is no text", name)
    return found


def _object(given: Any, name: str) -> Mapping[str, Any]:
    found = given.get(name) if isinstance(given, dict) else None
    if not isinstance(found, dict):
        raise _malformed("lacks an object", name)
    return found


def _text(given: Mapping[str, Any], name: str) -> str:
    found = given.get(name)
    if not isinstance(found, str) or not found:
        raise _malformed("lacks a text", name)
    return found


def _time(given: Mapping[str, Any], name: str) -> datetime:
    try:
        return parse_rfc3339(_text(given, name))
    except FormatError as error:
        raise _malformed("has a time that is none", name) from error


def _id(text: str) -> str:
    if not _ID.match(text):
        raise _malformed("has an id that is none", text[:80])
    return text


def _sha256(given: Mapping[str, Any]) -> str:
    found = _text(_object(given, "digest"), "sha256")
    if not _DIGEST.match(found):
        raise _malformed("has a digest that is none", found[:80])
    return found


def _malformed(what: str, got: str | int) -> FormatError:
    return FormatError("source-provenance-malformed", f"source provenance {what}: {got}", facts={"got": got})
