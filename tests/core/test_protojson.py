"""Protobuf JSON: what its mapping allows is read, what Go's protojson refuses is refused."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.protojson import Message, decode_bytes, decode_int64
from gitsign_py.errors import FormatError

FIELDS = ("logIndex", "rawBytes", "other")


def refused(reason: str, value: Any, call: str = "text") -> None:
    with pytest.raises(FormatError) as caught:
        getattr(Message(value, FIELDS, "here"), call)("logIndex")
    assert caught.value.reason == reason


def test_both_spellings_of_a_field_are_read() -> None:
    assert Message({"logIndex": "7"}, FIELDS, "here").int64("logIndex") == 7
    assert Message({"log_index": 7}, FIELDS, "here").int64("logIndex") == 7


def test_null_is_not_set() -> None:
    message = Message({"logIndex": None, "rawBytes": None, "other": None}, FIELDS, "here")
    assert (message.int64("logIndex"), message.data("rawBytes"), message.text("other")) == (0, b"", "")
    assert message.message("other", ()) is None
    assert message.items("other", most=1) == []
    assert message.only_one("logIndex", "rawBytes") is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "json-not-object"),
        (None, "json-not-object"),
        ({"extra": 1}, "json-unknown-field"),
        ({"LOGINDEX": 1}, "json-unknown-field"),
        ({"logIndex": 1, "log_index": 1}, "json-duplicate-field"),
        ({"logIndex": 7}, "json-type"),
        ({"logIndex": "\ud800"}, "json-type"),
    ],
)
def test_refusals(value: Any, reason: str) -> None:
    refused(reason, value)


@pytest.mark.parametrize(
    "value", [-1, 1 << 63, 1.0, True, "01", "+1", "1_0", " 7", "-1", str(1 << 63), "", [], "\u0667"]
)
def test_numbers_have_one_spelling(value: Any) -> None:
    with pytest.raises(FormatError) as caught:
        decode_int64(value, "here")
    assert caught.value.reason == "json-int64"


def test_oneof_and_lists_are_bounded() -> None:
    message = Message({"logIndex": "1", "other": [1, 2]}, FIELDS, "here")
    with pytest.raises(FormatError, match="both logIndex and other"):
        message.only_one("logIndex", "other")
    with pytest.raises(FormatError, match="2 items, at most 1"):
        message.items("other", most=1)
    with pytest.raises(FormatError, match="not a list"):
        message.items("logIndex", most=1)


@given(st.binary(max_size=100))
def test_each_spelling_of_base64_is_read(data: bytes) -> None:
    standard, safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    wrapped = "".join(f"{letter}\n" for letter in standard)
    for text in (standard, safe, standard.rstrip("="), safe.rstrip("="), wrapped):
        assert decode_bytes(text, "here") == data


@pytest.mark.parametrize("text", ["A", "AB=", "AB===", "A B=", "AA==AA==", "+_8=", "AB==", "é", "====", "=AAA", 7])
def test_other_base64_is_refused(text: Any) -> None:
    with pytest.raises(FormatError) as caught:
        decode_bytes(text, "here")
    assert caught.value.reason in ("json-base64", "json-type")
