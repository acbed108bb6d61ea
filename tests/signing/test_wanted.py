"""The signer that git was told: what names one, whose certificates and tokens fit."""

import pytest

from gitsign_py.core.sigstore.token import parse_unverified
from gitsign_py.errors import PolicyError
from gitsign_py.signing.wanted import check_possible, wanted_signer
from tests.support.tokens import make

ALICE = ("Alice", "alice@example.com")
ISSUER = "https://accounts.example.com"
WORKFLOW = "https://github.com/o/r/.github/workflows/w.yml@refs/heads/main"


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("Alice <alice@example.com>", ""),
        ("<alice@example.com>", ""),
        ("", ""),
        ("Bob <bob@example.com>", "bob@example.com"),
        ("bob@example.com", "bob@example.com"),
        ("alice@example.com", "alice@example.com"),
        (f"{ISSUER}/bob@example.com", f"{ISSUER}/bob@example.com"),
        (WORKFLOW, WORKFLOW),
        ("spiffe://example.com/bob", "spiffe://example.com/bob"),
        ("bob!example.com", "bob!example.com"),
        ("0xDEADBEEFDEADBEEF", ""),
        ("ABCDEF0123456789!x"[:16], ""),
        ("~/.ssh/id_ed25519.pub", ""),
        ("/home/alice@work/.ssh/id.pub", ""),
        ("key::ssh-ed25519 AAAA alice@laptop", ""),
        ("ssh-ed25519 AAAA alice@laptop", ""),
    ],
)
def test_what_names_a_signer(key: str, wanted: str) -> None:
    assert wanted_signer(key, ALICE).text == wanted


def test_without_a_committer_gits_own_default_is_no_wish() -> None:
    assert wanted_signer("Alice <alice@example.com>", ("", "")).text == ""


def test_certificates_that_fit() -> None:
    for key in ("bob@example.com", f"{ISSUER}/bob@example.com"):
        wanted = wanted_signer(key, ALICE)
        assert wanted.is_met_by("bob@example.com", ISSUER)
        assert not wanted.is_met_by("alice@example.com", ISSUER)
        assert not wanted.is_met_by("xbob@example.com", ISSUER)
        assert wanted.address == "bob@example.com"
    assert not wanted_signer(f"{ISSUER}/bob@example.com", ALICE).is_met_by("bob@example.com", "https://other.example")
    assert wanted_signer("", ALICE).is_met_by("anybody@example.com", ISSUER)
    assert wanted_signer(WORKFLOW, ALICE).address == ""


def test_tokens_that_may_fit() -> None:
    person = parse_unverified(make({"iss": ISSUER, "sub": "1", "email": "bob@example.com", "email_verified": True}))
    path = WORKFLOW.removeprefix("https://github.com/")
    job = parse_unverified(make({"iss": ISSUER, "sub": "repo:o/r", "email": None, "job_workflow_ref": path}))
    for key in ("bob@example.com", f"{ISSUER}/bob@example.com"):
        assert wanted_signer(key, ALICE).may_be(person)
        assert not wanted_signer(key, ALICE).may_be(job)
    for key in (WORKFLOW, f"{ISSUER}/{WORKFLOW}"):
        assert wanted_signer(key, ALICE).may_be(job)
        with pytest.raises(PolicyError, match=r"nobody is signed in as .* here it would be bob@example.com"):
            check_possible(wanted_signer(key, ALICE), person)
    assert not wanted_signer("https://other.example/bob@example.com", ALICE).may_be(person)
