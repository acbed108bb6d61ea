"""Consent before publication: who is asked, who is refused, what is remembered."""

import json
import stat
from pathlib import Path

import pytest

from gitsign_py.core.frozen import replace
from gitsign_py.errors import PolicyError
from gitsign_py.host.consent import ConsentBook, Decision, MatchCommitter, Publication, decide, require_consent
from tests.support.person import Person

FULCIO = "https://fulcio.example"


def publication(
    identity: str = "alice@work.example", kind: str = "email", email: str = "alice@home.example"
) -> Publication:
    return Publication(identity, kind, FULCIO, "Alice", email)


@pytest.fixture
def book(tmp_path: Path) -> ConsentBook:
    return ConsentBook(tmp_path / "state" / "consent.json")


@pytest.mark.parametrize(
    ("mode", "identity", "kind", "expected"),
    [
        ("ask", "alice@home.example", "email", "go"),
        ("ask", "alice@work.example", "email", "ask"),
        ("ask", "Alice@home.example", "email", "ask"),  # addresses are compared letter by letter
        ("ask", "https://github.com/o/r/.github/workflows/x.yml@refs/heads/main", "uri", "go"),
        ("true", "alice@home.example", "email", "go"),
        ("true", "alice@work.example", "email", "refuse"),
        ("true", "https://example.com/robot", "uri", "refuse"),
        ("true", "Alice", "uri", "go"),  # the Go client compares a URI with the committer's name
        ("false", "alice@work.example", "email", "go"),
        ("false", "https://example.com/robot", "uri", "go"),
    ],
)
def test_the_decision(book: ConsentBook, mode: MatchCommitter, identity: str, kind: str, expected: Decision) -> None:
    assert decide(publication(identity, kind), mode, book) == expected


def test_a_matching_identity_is_announced_once(book: ConsentBook) -> None:
    person = Person()
    for _ in range(3):
        require_consent(publication("alice@home.example"), "ask", book, person)
    assert person.shown == [
        "alice@home.example will stand in a public log for ever (certificates of https://fulcio.example)."
    ]


def test_another_address_is_asked_about_once_and_remembered(book: ConsentBook) -> None:
    person = Person()
    for _ in range(3):
        require_consent(publication(), "ask", book, person)
    assert len(person.shown) == 1
    assert "signed in as alice@work.example; the committer is alice@home.example" in person.shown[0]
    assert stat.S_IMODE(book.path.stat().st_mode) == 0o600
    assert json.loads(book.path.read_text()) == {
        "announced": [[FULCIO, "alice@work.example"]],
        "allowed": [[FULCIO, "alice@work.example", "alice@home.example"]],
        "named": [],
    }
    require_consent(
        publication(email="alice@third.example"), "ask", book, person
    )  # another committer, another question
    assert len(person.shown) == 2


def test_a_no_signs_nothing_and_is_not_remembered(book: ConsentBook) -> None:
    person = Person(says_yes=False)
    for count in (1, 2):
        with pytest.raises(PolicyError) as caught:
            require_consent(publication(), "ask", book, person)
        assert caught.value.reason == "consent-refused"
        assert len(person.shown) == count
    assert not book.path.exists()


def test_without_a_terminal_the_setting_is_named(book: ConsentBook) -> None:
    with pytest.raises(PolicyError) as caught:
        require_consent(publication(), "ask", book, Person(interactive=False))
    assert caught.value.reason == "consent-needed"
    assert "into a public log for ever" in caught.value.message
    assert "gitsign.matchCommitter" in caught.value.hint


@pytest.mark.parametrize("interactive", [True, False])
def test_a_stack_on_this_machine_publishes_nothing(book: ConsentBook, *, interactive: bool) -> None:
    person = Person(interactive=interactive)
    local = replace(publication(), instance="http://127.0.0.1:18400")
    try:
        require_consent(local, "ask", book, person)
        [said] = person.shown
    except PolicyError as error:
        said = error.message
    assert "the log of the Sigstore on this machine" in said
    assert "for ever" not in said
    assert "publi" not in said


def test_match_committer_true_refuses_without_a_question(book: ConsentBook) -> None:
    person = Person()
    with pytest.raises(PolicyError) as caught:
        require_consent(publication(), "true", book, person)
    assert caught.value.reason == "committer-mismatch"
    assert person.shown == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"allowed": 7}', '{"allowed": [], "allowed": []}', "\xff"])
def test_a_book_that_cannot_be_read_holds_nothing_and_is_written_anew(book: ConsentBook, text: str) -> None:
    book.path.parent.mkdir()
    book.path.write_bytes(text.encode("latin-1"))
    assert decide(publication(), "ask", book) == "ask"
    require_consent(publication(), "ask", book, Person())
    assert decide(publication(), "ask", book) == "go"


def test_a_state_directory_that_cannot_be_written_means_another_question(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    book, person = ConsentBook(tmp_path / "file" / "consent.json"), Person()
    for _ in range(2):
        require_consent(publication(), "ask", book, person)
    assert len(person.shown) == 2


def test_a_committer_without_an_address_is_named_as_such(book: ConsentBook) -> None:
    person = Person()
    require_consent(Publication("a@b.example", "email", FULCIO, "", ""), "ask", book, person)
    assert "nobody (no e-mail address)" in person.shown[0]
