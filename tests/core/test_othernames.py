"""The other spelling of a signed object: the names by the other algorithm, and nothing else, change."""

import pytest

from gitsign_py.core.git.gitobject import split_object
from gitsign_py.core.git.othernames import named, other_payload
from gitsign_py.errors import UncheckedError

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
NAMES = {A: "1" * 40, B: "2" * 40, C: "3" * 40}
WHO = b"Alice <alice@example.com> 1 +0000\n"
ARMOR = b"-----BEGIN SIGNED MESSAGE-----\n x\n -----END SIGNED MESSAGE-----\n"
SIGNED = b"gpgsig " + ARMOR + b"gpgsig-sha256 " + ARMOR
COMMIT = b"tree %b\nparent %b\nparent %b\nauthor %bcommitter %b" % (A.encode(), B.encode(), C.encode(), WHO, WHO)
TAG = b"object %b\ntype commit\ntag v1\ntagger %b" % (A.encode(), WHO)


def test_a_commits_tree_and_parents_are_named_anew_and_its_message_is_not() -> None:
    signed = split_object("commit", COMMIT + SIGNED + b"\ntree " + A.encode() + b"\n", "sha256", two_hashes=True)
    assert named(signed) == (A, B, C)
    payload = other_payload(signed, NAMES).decode()
    assert payload.splitlines()[:3] == [f"tree {'1' * 40}", f"parent {'2' * 40}", f"parent {'3' * 40}"]
    assert payload.endswith(f"{WHO.decode()}\ntree {A}\n")
    assert "gpgsig" not in payload


def test_a_tags_target_is_named_anew() -> None:
    signature = b"-----BEGIN SIGNED MESSAGE-----\nx\n-----END SIGNED MESSAGE-----\n"
    raw = TAG + b"gpgsig " + signature.rstrip(b"\n").replace(b"\n", b"\n ") + b"\n\nv1\n" + signature
    signed = split_object("tag", raw, "sha256", two_hashes=True)
    assert signed.other_signature == signature
    assert other_payload(signed, NAMES) == TAG.replace(A.encode(), b"1" * 40) + b"\nv1\n"


@pytest.mark.parametrize(
    ("more", "names", "why"),
    [
        (b"", {A: "1" * 40, C: "3" * 40}, f"other name of {B}"),
        (b"mergetag object x\n type commit\n", NAMES, "merged tag"),
    ],
)
def test_what_cannot_be_named_is_unchecked(more: bytes, names: dict[str, str], why: str) -> None:
    signed = split_object("commit", COMMIT + more + SIGNED + b"\nx\n", "sha256", two_hashes=True)
    with pytest.raises(UncheckedError, match=why) as caught:
        other_payload(signed, names)
    assert caught.value.reason == "signature-second-unchecked"
