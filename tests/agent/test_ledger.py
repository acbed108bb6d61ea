"""What the agent's log says about a payload: its kind, and the subject of a commit or tag."""

import pytest

from gitsign_py.agent.ledger import MAX_SUBJECT, kind_of, subject_of

TREE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\n"
TAG = b"object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\ntagger A <a@x> 1 +0000\n"


@pytest.mark.parametrize(
    ("payload", "kind", "subject"),
    [
        (TREE + b"\nadd the parser\nand more\n\nbody\n", "commit", "add the parser and more"),
        (TREE + b"\n", "commit", ""),
        (TREE, "commit", ""),
        (TREE + b"encoding iso-8859-1\n\ncaf\xe9\n", "commit", "caf\xe9"),
        (TREE + b"encoding ../x\n\ncaf\xc3\xa9\n", "commit", "caf\xe9"),
        (TAG + b"\nversion one\n", "tag", "version one"),
        (b"certificate version 0.1\npusher A <a@x>\n\nsecret\n", "data", ""),
        (b"", "data", ""),
    ],
)
def test_kind_and_subject(payload: bytes, kind: str, subject: str) -> None:
    assert (kind_of(payload), subject_of(payload)) == (kind, subject)


def test_a_long_subject_is_cut() -> None:
    assert subject_of(TREE + b"\n" + b"x" * 5000) == "x" * MAX_SUBJECT
