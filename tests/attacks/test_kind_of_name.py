"""A policy ignores which kind of name a certificate has.

Attack: get a certificate whose URI or user name is spelled ``alice@example.com``, or whose workflow runs on a branch of
that name, so that its URI ends like the address. A policy, gitsign.allowedSigner and ``verify`` with a pattern took it
for Alice's e-mail address.
"""

import json
from pathlib import Path

import pytest

from gitsign_py.audit.codec import dump_facts, load_facts, load_kept
from gitsign_py.core.pki.fulcio import CertificateIdentity
from gitsign_py.errors import VerificationError
from gitsign_py.policy.cases import parse_cases, run_cases
from gitsign_py.policy.evaluation import evaluate
from gitsign_py.policy.facts import CommitFacts, SignatureFacts
from gitsign_py.policy.parse import parse_policy, read_policy
from gitsign_py.policy.propose import Observed, propose
from gitsign_py.verification.allowed import parse_allowed_signer
from gitsign_py.verification.identity import Expected, ExpectedIdentity, check_identity
from tests.support.bulksigner import BulkSigner
from tests.support.history import ISSUER, signed_by
from tests.support.signedrepo import WHO, SignedRepo

ADDRESS = "alice@example.com"
WORKFLOW = "https://forge.example/o/r/.ci/release.yml@refs/tags/v1"
ENDS_RIGHT = "https://evil.example/o/r/.ci/x.yml@refs/heads/alice@example.com"
POLICY = """\
version = 1
administrators = ["alice"]
match = "none"
[people.alice]
identities = [{{ {name}, issuer = "{issuer}" }}]
[[rules]]
name = "all"
allow = ["alice"]
"""


def policy_of(name: str) -> bytes:
    return POLICY.format(name=name, issuer=ISSUER).encode()


def verdict(name: str, identity: str, san_type: str) -> str:
    facts = signed_by("alice", identity=identity, san_type=san_type)
    return evaluate(
        parse_policy(policy_of(name), "policy"), CommitFacts("0" * 40, "", ""), facts, "refs/heads/main"
    ).reason


@pytest.mark.parametrize(
    ("name", "kind", "identity"),
    [
        (f'subject = "{ADDRESS}"', "email", ADDRESS),
        ("subject-pattern = '^.*@example\\.com$'", "email", ADDRESS),
        ("subject-pattern = '^[^/]+@example[.]com$'", "email", ADDRESS),
        (f'subject = "{WORKFLOW}"', "uri", WORKFLOW),
        ("subject-pattern = '^https://forge\\.example/o/r/.*$'", "uri", WORKFLOW),
        ("subject-pattern = '^https:\\/\\/forge\\.example\\/o\\/r\\/.*$'", "uri", WORKFLOW),
        (f'uri = "{WORKFLOW}"', "uri", WORKFLOW),
        ("uri-pattern = '^(?:https://forge\\.example/o/r/.*|http://x)$'", "uri", WORKFLOW),
        (f'uri = "{ADDRESS}"', "uri", ADDRESS),
        ('username = "alice!example.com"', "other", "alice!example.com"),
        (f'username = "{ADDRESS}"', "other", ADDRESS),
        ("username-pattern = '^.*@example\\.com$'", "other", ADDRESS),
        ('claims = { build_trigger = "push" }', "", ""),
    ],
)
def test_a_policy_takes_one_kind_of_name(name: str, kind: str, identity: str) -> None:
    if not kind:
        facts = signed_by("x", identity=WORKFLOW, san_type="uri", claims={"build_trigger": "push"})
        policy = parse_policy(policy_of(name).replace(b'match = "none"', b'match = "none"'), "policy")
        assert evaluate(policy, CommitFacts("0" * 40, "", ""), facts, "refs/heads/main").accepted
        return
    found = {each: verdict(name, identity, each) for each in ("email", "uri", "other", "")}
    assert found == {each: "verified" if each == kind else "signer-unknown" for each in found}


@pytest.mark.parametrize("pattern", ["^.*@example\\.com$", "^.*$", "^.+$", "^[^@]*@.*example\\.com$"])
def test_a_pattern_takes_no_uri_that_ends_right(pattern: str) -> None:
    assert verdict(f"subject-pattern = '{pattern}'", ENDS_RIGHT, "uri") == "signer-unknown"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ('subject = "alice!example.com"', "subject"),
        ("uri-pattern = '^.*/o/r/.ci/release.yml@refs/tags/v1$'", "uri-pattern"),
        ("subject-pattern = '^.*/o/r/.ci/release.yml@refs/tags/v1$'", "subject-pattern"),
        ("uri-pattern = '^(?:.*|https://x)/o/r$'", "uri-pattern"),
        (f'subject = "{ADDRESS}", uri = "{WORKFLOW}"', "uri"),
        ("username = \"x\", username-pattern = '^x$'", "username-pattern"),
    ],
)
def test_a_name_that_does_not_say_what_it_is_is_an_error(name: str, key: str) -> None:
    policy, problems = read_policy(policy_of(name), "policy")
    assert policy is None
    assert [problem.key.rpartition(".")[2] for problem in problems] == [key]


def test_facts_carry_the_kind_and_kept_ones_without_it_are_not_read() -> None:
    facts = signed_by("alice", san_type="uri")
    assert load_facts(dump_facts(facts)) == load_kept(dump_facts(facts)) == facts
    old = json.loads(dump_facts(facts))
    del old["a"]
    assert load_kept(json.dumps(old)) is None
    assert load_kept(dump_facts(SignatureFacts("bad", "sigstore", reason="x"))) is not None


def test_cases_beside_a_policy_state_the_kind() -> None:
    policy = parse_policy(policy_of(f'subject = "{ADDRESS}"'), "policy")
    cases = "".join(
        f'[[cases]]\nname = "{key}"\n{key} = "{ADDRESS}"\nissuer = "{ISSUER}"\nexpect = "{verdict}"\n'
        for key, verdict in (("identity", "verified"), ("uri", "unauthorised"), ("username", "unauthorised"))
    )
    assert all(as_expected for _, _, as_expected in run_cases(policy, parse_cases(cases.encode(), "cases")))


@pytest.mark.parametrize(("kind", "key"), [("uri", "uri"), ("other", "username"), ("email", "subject")])
def test_a_proposal_says_which_kind_was_seen(kind: str, key: str) -> None:
    seen = Observed(ADDRESS, ISSUER, "sigstore", san_type=kind)
    seen.add("", "bot@example.com")
    text = propose([seen], introduction="", notes=())
    assert f'{key} = "{ADDRESS}"' in text
    policy = parse_policy(text.encode(), "proposal")
    commit = CommitFacts("0" * 40, "bot@example.com", "bot@example.com")
    for each in ("email", "uri", "other"):
        facts = signed_by("alice", san_type=each)
        assert evaluate(policy, commit, facts, "refs/heads/main").accepted == (each == kind), each


@pytest.mark.parametrize(
    ("line", "kind", "identity"),
    [
        ("*@example.com", "email", ADDRESS),
        ("*example.com", "email", ADDRESS),
        ("alice@*", "email", ADDRESS),
        ("*!example.com", "other", "alice!example.com"),
        ("https://forge.example/*", "uri", WORKFLOW),
        ("*/release.yml@refs/tags/v1", "uri", WORKFLOW),
        (ADDRESS, "email", ADDRESS),
        (WORKFLOW, "uri", WORKFLOW),
    ],
)
def test_an_allowed_signer_is_of_one_kind(line: str, kind: str, identity: str) -> None:
    signer = parse_allowed_signer(f"{line} {ISSUER}")
    assert [each for each in ("email", "uri", "other") if signer.matches(identity, ISSUER, each)] == [kind]
    assert not signer.matches(ENDS_RIGHT.replace("/x.yml@", "/alice@"), ISSUER, "uri") or kind == "uri"


@pytest.mark.parametrize(
    ("pattern", "found", "kind"),
    [
        (".*@example[.]com", ADDRESS, "uri"),
        (".*@example[.]com", ADDRESS, "other"),
        (".*@example[.]com", ENDS_RIGHT, "uri"),
        ("alice[@]example[.]com", ADDRESS, "uri"),
        ("alice.*", ADDRESS, "uri"),
        (".*", ADDRESS, "other"),
        ("https://.*", WORKFLOW, "email"),
        (".*/release[.]yml@.*", WORKFLOW, "email"),
    ],
)
def test_step_6_1_a_pattern_is_held_to_its_kind(pattern: str, found: str, kind: str) -> None:
    expected = ExpectedIdentity(Expected(pattern, is_pattern=True), Expected(ISSUER))
    with pytest.raises(VerificationError) as caught:
        check_identity(CertificateIdentity(found, kind, ISSUER), expected)  # type: ignore[arg-type]
    assert caught.value.reason == "identity-type-mismatch"


@pytest.mark.parametrize(
    ("pattern", "found", "kind"),
    [
        (".*@example[.]com", ADDRESS, "email"),
        (".*", ADDRESS, "email"),
        (".*", WORKFLOW, "uri"),
        ("https://.*", WORKFLOW, "uri"),
        (".*/release[.]yml@refs/tags/v[0-9]+", WORKFLOW, "uri"),
        ("[a-z]+![a-z.]+", "alice!example.com", "other"),
        ("[^/]+@example[.]com", ADDRESS, "email"),
        (".*", "mailto:alice@example.com", "uri"),
    ],
)
def test_step_6_1_a_pattern_takes_names_of_its_kind(pattern: str, found: str, kind: str) -> None:
    expected = ExpectedIdentity(Expected(pattern, is_pattern=True), Expected(ISSUER))
    check_identity(CertificateIdentity(found, kind, ISSUER), expected)  # type: ignore[arg-type]


@pytest.fixture
def forged(tmp_path: Path) -> SignedRepo:
    """One commit by Alice, and one whose certificate has her address as a URI."""
    made = SignedRepo.make(tmp_path, BulkSigner(tmp_path / "authority"))
    good = made.history.commit(signed="alice", files={"a": "1"})
    evil = made.history.commit(good, signed=f"uri:{ADDRESS}", files={"a": "2"})
    made.write(heads__main=evil, heads__good=good)
    (tmp_path / "policy.toml").write_bytes(policy_of(f'subject = "{ADDRESS}"'))
    return made


def test_audit_explain_and_git_refuse_an_address_that_is_a_uri(forged: SignedRepo) -> None:
    policy = f"--policy={forged.folder / 'policy.toml'}"
    done = forged.tool("audit", "--offline", "--format=json", policy, "main")
    assert done.returncode == 1, done.stderr
    records = {record["reason"]: record["san_type"] for record in json.loads(done.stdout)["records"]}
    assert records == {"signer-unknown": "uri", "verified": "email"}
    explained = forged.tool("policy", "explain", "--offline", policy, "main")
    assert explained.returncode == 1
    assert f"URI {ADDRESS} (issuer {ISSUER}) is not named in the policy [signer-unknown]" in explained.stdout
    forged.repo.git("config", "gitsign.allowedSigner", f"*example.com {ISSUER}")
    assert b"TRUST_FULLY" in forged.git("verify-commit", "--raw", "good").stderr
    assert b"TRUST_NEVER" in forged.git("verify-commit", "--raw", "main").stderr


def test_verify_refuses_an_address_that_is_a_uri(forged: SignedRepo) -> None:
    pattern = ("--certificate-identity-regexp", "alice@.*", "--certificate-oidc-issuer", ISSUER)
    for who in (WHO, pattern):
        assert forged.tool("verify", "--offline", *who, "good").returncode == 0
        done = forged.tool("verify", "--offline", *who, "main")
        assert done.returncode == 1
        assert "[6.1 identity-type-mismatch]" in done.stdout
    seen = forged.tool("verify", "--offline", "--any-identity", "-q", "main")
    assert f"good     URI {ADDRESS}  " in seen.stdout
