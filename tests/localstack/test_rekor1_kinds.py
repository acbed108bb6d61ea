"""Entries of every kind, judged by what the real Rekor's own code made of them (rekor1_entries.json has the source)."""

import json
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.encoding import b64_decode
from gitsign_py.localstack.rekor.rekorkinds import propose
from gitsign_py.localstack.service import Refusal
from tests.support.localstackkit import b64, spoiled
from tests.support.stack import RunningStack

CASES: dict[str, dict[str, Any]] = {
    case["name"]: case for case in json.loads(Path(__file__).with_name("rekor1_entries.json").read_text())["cases"]
}
TAKEN = [name for name, case in CASES.items() if "body" in case]
REFUSED = [name for name in CASES if name not in TAKEN]


@pytest.mark.parametrize("name", TAKEN)
def test_the_body_is_that_of_the_real_server(name: str) -> None:
    proposed = propose(CASES[name]["entry"])
    assert proposed.body.decode() == CASES[name]["body"]
    # The real index has a key's hash with an algorithm before it or without, by kind; ours says "key" every time.
    found = {term.split(":")[1] for term in proposed.terms}
    assert found == {key.lower().rpartition(":")[2] for key in CASES[name]["keys"]}


@pytest.mark.parametrize("name", REFUSED)
def test_the_refusal_is_that_of_the_real_server(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        propose(CASES[name]["entry"])
    assert (caught.value.status, caught.value.message) == (400, f"error processing entry: {CASES[name]['refused']}")


@pytest.mark.parametrize("name", ["dsse with P-256", "intoto with P-256"])
def test_an_envelope_is_logged_and_found_by_what_it_is_about(stack: RunningStack, name: str) -> None:
    answer = stack.post("/api/v1/log/entries", CASES[name]["entry"])
    assert answer.status == 201, answer.body
    ((uuid, entry),) = answer.json().items()
    assert b64_decode(entry["body"]).decode() == CASES[name]["body"]
    found = stack.post("/api/v1/index/retrieve", {"hash": "sha256:" + "ab" * 32}).json()
    assert uuid in found
    again = stack.post("/api/v1/log/entries", CASES[name]["entry"])
    assert (again.status, again.headers["location"]) == (409, f"/api/v1/log/entries/{uuid}")


@pytest.mark.parametrize("name", ["dsse with P-256", "intoto with P-256", "hashedrekord with P-256 sha256"])
def test_whatever_stands_where_it_should_not_is_refused_in_words(name: str) -> None:
    """Taken or refused: nothing else may happen to an entry with one value replaced."""
    entry = CASES[name]["entry"]
    for proposed in spoiled(entry):
        taken_or_refused(proposed)
    if entry["kind"] == "dsse":
        for envelope in spoiled(json.loads(entry["spec"]["proposedContent"]["envelope"])):
            taken_or_refused(changed(name, "proposedContent.envelope", json.dumps(envelope)))


def taken_or_refused(entry: object) -> None:
    try:
        answer = propose(entry).body.decode()
    except Refusal as refusal:
        answer = refusal.message
    assert answer.startswith(("{", "error processing entry: ")), answer


def changed(name: str, path: str, value: object) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(json.dumps(CASES[name]["entry"]))
    *parents, last = path.split(".")
    at = entry["spec"]
    for parent in parents:
        at = at[parent]
    at[last] = value
    return entry


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("dsse with P-256", "proposedContent", None),
        ("dsse with P-256", "proposedContent.envelope", None),
        ("dsse with P-256", "proposedContent.envelope", "{"),
        ("dsse with P-256", "proposedContent.envelope", "[]"),
        ("dsse with P-256", "proposedContent.envelope", '{"payload":"","payloadType":"x","signatures":[7]}'),
        ("dsse with P-256", "proposedContent.verifiers", []),
        ("dsse with P-256", "proposedContent.verifiers", ["*"]),
        ("dsse with P-256", "proposedContent.verifiers", [b64(b"no key")]),
        ("intoto with P-256", "content", None),
        ("intoto with P-256", "content.envelope", None),
        ("intoto with P-256", "content.envelope.payload", ""),
        ("intoto with P-256", "content.envelope.signatures", []),
        ("intoto with P-256", "content.hash", None),
        ("intoto with P-256", "content.hash.algorithm", "md5"),
        ("intoto with P-256", "content.hash.value", 5),
    ],
)
def test_a_malformed_envelope_gets_400_and_is_not_logged(
    stack: RunningStack, name: str, path: str, value: object
) -> None:
    size = stack.get("/api/v1/log").json()["treeSize"]
    answer = stack.post("/api/v1/log/entries", changed(name, path, value))
    assert (answer.status, answer.json()["code"]) == (400, 400)
    assert answer.json()["message"].startswith("error processing entry: ")
    assert stack.get("/api/v1/log").json()["treeSize"] == size
