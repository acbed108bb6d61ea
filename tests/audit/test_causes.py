"""Each cause of an audit is named with its people and keys, and with what to do about it."""

import re
from collections import Counter

import pytest

from gitsign_py.audit.causes import Cause, Causes
from gitsign_py.audit.reports.html import HtmlReport
from gitsign_py.audit.reports.plain import TextReport
from gitsign_py.policy.facts import ACCEPTED, VERDICTS
from gitsign_py.verification.verdict import LACKING
from tests.support.reports import record, write

HELPED = ("the trust root", "the log's word", "a form that it knows")


def test_causes_name_keys_people_and_what_to_do() -> None:
    missing = [
        record(n, "unchecked", reason="key-missing", claimed="B5690EEEBB952194", committer="noreply@forge.example")
        for n in range(1475)
    ]
    other = [record(2000, "unchecked", reason="key-missing", claimed="AAAA", committer="dave@example.com")]
    forged = [record(3000, "bad", reason="content-digest-mismatch", claimed="eve@example.com (i)")]
    text, rollup = write(TextReport, [*missing, *other, *forged])
    assert "   1476 unchecked: the signing key is not in the keyring [key-missing]\n" in text
    assert "        gpg --recv-keys B5690EEEBB952194   (1475)\n" in text
    assert "committed by noreply@forge.example (1475), dave@example.com (1)\n" in text
    assert "signed by eve@example.com (i) (1) (claimed, not proven)" in text
    assert rollup.identities == {}, "a claim is no signature by anybody"
    html, _ = write(HtmlReport, [*missing, *other, *forged])
    assert html.index("Not accepted, by cause") < html.index("Coverage over time") < html.index('id="commits"')
    assert 'data-cause="unchecked key-missing"' in html
    assert "eve@example.com (i) (claimed, not proven)" in html


def test_every_cause_has_something_to_do() -> None:
    """A hint for each code that is documented, quoted for the shell that it is pasted into."""
    for verdict in set(VERDICTS) - ACCEPTED:
        for reason in ("key-missing", "no-such-code", "signer-unknown", "rule-refuses"):
            cause = Cause(verdict, reason, "why", "1" * 40)
            assert cause.todo
            assert cause.words
    named = Cause("unchecked", "key-missing", "", "1" * 40, what=Counter({"x; rm -rf /": 1}))
    assert named.todo == "gpg --recv-keys 'x; rm -rf /'"


def test_a_verdict_is_explained_where_it_was_given() -> None:
    """On the branch that is checked out, or by another policy, the same commit may be verified."""
    causes = Causes("gitsign-py policy explain --policy p.toml")
    causes.add(one := record(1, "unauthorised", reason="rule-refuses", ref="refs/tags/it's"), [one])
    [cause] = causes.sorted()
    assert cause.todo.endswith(f"explain --policy p.toml --ref 'refs/tags/it'\"'\"'s' {one.oid[:12]}")
    lacking = Cause("unauthorised", "approvals-missing", "why", "1" * 40, ref="refs/heads/main")
    assert lacking.todo.endswith("gitsign-py approve --ref refs/heads/main 111111111111")
    bare = Cause("unauthorised", "rule-refuses", "why", "1" * 40)
    assert bare.todo.endswith("gitsign-py policy explain 111111111111")


@pytest.mark.parametrize("reason", [reason for reason, what in LACKING.items() if what in HELPED])
def test_what_the_verifier_lacks_comes_with_where_to_get_it(reason: str) -> None:
    """To be told to look again at what is missing helps nobody."""
    cause = Cause("unchecked", reason, "why", "1" * 40)
    assert re.search("--trusted-root|initialize|git fetch|administrator", cause.todo), cause.todo
    assert "verify -v" not in cause.todo


def test_the_line_that_allows_a_signer_is_for_that_signer_alone() -> None:
    """It is pasted into a shell and read as a pattern: a name that would allow others is left to the person."""

    def todo(*records: tuple[str, str], form: str = "sigstore") -> str:
        more = {"reason": "signer-not-allowed", "format": form}
        found = [
            record(number, "unauthorised", identity=identity, issuer=issuer, **more)
            for number, (identity, issuer) in enumerate(records)
        ]
        [cause] = write(TextReport, found)[1].causes.sorted()
        return cause.todo

    command = "git config --add gitsign.allowedSigner"
    assert todo(("bob@x", "https://i")) == f"if bob@x belongs here: {command} 'bob@x https://i'"
    assert todo(("x'; rm", "https://i")).endswith("'IDENTITY ISSUER'")
    for unclear in (
        (("https://x/*", "https://i"),),
        (("bob@x", "https://i"), ("bob@x", "https://j")),
        (("bob@x", ""),),
    ):
        assert todo(*unclear).endswith(f"{command} 'IDENTITY ISSUER'"), unclear
    smime = todo(("CN=Carol", "CN=Root"), form="x509")
    assert (command in smime, "a policy can" in smime) == (False, True)
