"""Test cases kept beside a policy (``.gitsign/policy-tests.toml``): made-up commits and the verdict each must get."""

from collections.abc import Iterator
from typing import Literal, cast

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.distinguished import written_name
from gitsign_py.core.pki.namekind import NameKind, kind_said
from gitsign_py.errors import FormatError, PolicyError
from gitsign_py.policy.document import DocumentError, read_document
from gitsign_py.policy.evaluation import evaluate
from gitsign_py.policy.facts import VERDICTS, CommitFacts, Decision, SignatureFacts, SignatureForm, SignatureStatus
from gitsign_py.policy.heads import Copy, CopyKind
from gitsign_py.policy.model import TIME_SOURCES, Policy, TimeSource
from gitsign_py.policy.reader import Problems, Table
from gitsign_py.policy.subjects import KEYS
from gitsign_py.policy.surroundings import Stated

CASES_PATH = ".gitsign/policy-tests.toml"
_FORMS = ("sigstore", "openpgp", "ssh", "x509")
_STATUSES = ("good", "bad", "unsigned", "unchecked", "malformed")
_EXPECTED = tuple(verdict for verdict in VERDICTS if verdict != "good")  # no policy says so
_NO_OID = "0" * 40


@frozen
class TestCase:
    """A commit as somebody describes it, and what the policy must say; empty ``reason`` and ``rule`` match all."""

    __test__ = False  # not for pytest

    name: str
    ref: str
    expect: str
    reason: str
    rule: str
    commit: CommitFacts
    signature: SignatureFacts
    around: Stated


def parse_cases(data: bytes, source: str) -> tuple[TestCase, ...]:
    """Read cases. Raises PolicyError ``policy-tests-invalid``, which names line and key."""
    try:
        text, values = read_document(data)
    except DocumentError as error:
        raise PolicyError("policy-tests-invalid", f"{source}:{error.line}: {error.message}") from error
    problems = Problems(text)
    root = Table(values, (), problems)
    cases = tuple(_case(table) for table in root.items("cases"))
    root.finish()
    if not cases and not problems.found:
        root.wrong("cases", "are missing: a file of tests without a test proves nothing")
    if problems.found:
        first = problems.found[0]
        raise PolicyError("policy-tests-invalid", f"{source}:{first.line}: {first.key}: {first.message}")
    return cases


def _case(table: Table) -> TestCase:
    committer = table.text("committer", default="")
    case = TestCase(
        name=table.text("name"),
        ref=table.text("ref", default="refs/heads/main"),
        expect=table.choice("expect", _EXPECTED, default="verified"),
        reason=table.text("reason", default=""),
        rule=table.text("rule", default=""),
        commit=CommitFacts(
            table.text("commit", default=_NO_OID),
            table.text("author", default=committer),
            committer,
            _parents(table),
        ),
        signature=_signature(table),
        around=Stated(
            table.texts("paths"),
            table.flag("reproducible", default=False),
            table.flag("merged-accepted", default=True),
            table.text("pusher", default=""),
            _copied(table),
            table.texts("head-signers"),
            table.texts("approved-by"),
            table.moment("time", end_of_day=False),
        ),
    )
    if "expect" not in table.values:
        table.wrong("expect", "is missing")
    table.finish()
    return case


def _parents(table: Table) -> tuple[str, ...]:
    """Of a merge two, of a forge's copy one; how many another commit has does not matter."""
    if table.flag("merge", default=False):
        return ("1" * 40, "2" * 40)
    return ("1" * 40,) if "copy" in table.values else ()


def _copied(table: Table) -> Copy | None:
    kind = table.choice("copy", ("squash", "rebase"), default="squash")
    return Copy(cast(CopyKind, kind), "3" * 40) if "copy" in table.values else None


def _signature(table: Table) -> SignatureFacts:
    status = cast(SignatureStatus, table.choice("signature", _STATUSES, default="good"))
    form = cast(SignatureForm, table.choice("format", _FORMS, default="sigstore"))
    (identity, san_type), issuer = _identity(table), table.text("issuer", default="")
    if form == "x509":
        identity, san_type, issuer = _written(table, "identity", identity), "", _written(table, "issuer", issuer)
    claims = table.table("claims")
    time = table.moment("time", end_of_day=False)
    sources = table.texts("time-sources") or ("log",)
    for source in sources:
        if source not in TIME_SOURCES:
            table.wrong("time-sources", f"knows {', '.join(TIME_SOURCES)}, not {source}")
    return SignatureFacts(
        status,
        form if status != "unsigned" else "",
        identity=identity,
        san_type=san_type,
        issuer=issuer,
        claims={name: claims.text(name) for name in claims.values},
        times=tuple((cast(TimeSource, source), time) for source in sources) if time else (),
        key=table.text("key", default=""),
        reason="" if status == "good" else status,
        message="" if status == "good" else f"stated as {status}",
    )


def _written(table: Table, key: str, text: str) -> str:
    """A distinguished name in the one form of it."""
    try:
        return written_name(text) if text else ""
    except FormatError as error:
        table.wrong(key, error.message)
        return ""


def _identity(table: Table) -> tuple[str, NameKind | Literal[""]]:
    """``identity`` is an e-mail address, or a URI where it has ``://``; ``uri`` and ``username`` say what they are."""
    given = {key: table.text(key, default="") for key in ("identity", "uri", "username")}
    found = [key for key, text in given.items() if text]
    for other in found[1:]:
        table.wrong(other, f"contradicts {found[0]}: give one of them")
    if not found:
        return "", ""
    text = given[found[0]]
    return text, KEYS.get(found[0]) or ("uri" if kind_said(text) == "uri" else "email")


def run_cases(policy: Policy, cases: tuple[TestCase, ...]) -> Iterator[tuple[TestCase, Decision, bool]]:
    """Judge each case; gives it with the decision and whether that is what was expected."""
    for case in cases:
        decision = evaluate(policy, case.commit, case.signature, case.ref, case.around)
        as_expected = (
            decision.verdict == case.expect
            and case.reason in ("", decision.reason)
            and case.rule in ("", decision.rule)
        )
        yield case, decision, as_expected
