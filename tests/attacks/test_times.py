"""Times that are none in UTC, or none at all, wherever somebody else writes them: a refusal in words, never a crash.

``9999-12-31T23:59:59-12:00`` is a time of TOML and lies outside Python's calendar in UTC: a policy with it ended every
audit of the repository in an internal error, exit 70.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.audit.rollup import Rollup, Seen
from gitsign_py.clients.answer import Answer
from gitsign_py.core.encoding import parse_rfc3339
from gitsign_py.core.pki import der
from gitsign_py.core.pki.certpath import covers_with_accuracy
from gitsign_py.errors import FormatError, PolicyError
from gitsign_py.policy.model import POLICY_PATH
from gitsign_py.policy.parse import parse_policy, read_policy
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History
from tests.support.pushserver import POLICY, ROOT

BEYOND = ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-00:01"]
LINE = POLICY.split("\n").index("[people.bob]") + 2


def with_time(key: str, value: str) -> str:
    return POLICY.replace("[people.bob]\n", f"[people.bob]\n{key} = {value}\n")


@pytest.mark.parametrize("key", ["from", "until"])
@pytest.mark.parametrize("value", BEYOND)
def test_a_policy_with_a_time_outside_the_calendar(key: str, value: str) -> None:
    policy, problems = read_policy(with_time(key, value).encode(), "policy.toml")
    assert policy is None
    assert [(problem.line, problem.key) for problem in problems] == [(LINE, f"people.bob.{key}")]
    assert problems[0].message.startswith("is outside the calendar in UTC: ")
    with pytest.raises(PolicyError) as refused:
        parse_policy(with_time(key, value).encode(), "policy.toml")
    assert refused.value.reason == "policy-invalid"


@pytest.mark.parametrize("value", ["9999-12-31", "0001-01-01", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00-12:00"])
def test_the_ends_of_the_calendar_are_in_it(value: str) -> None:
    for key in ("from", "until"):
        assert read_policy(with_time(key, value).encode(), "policy.toml")[0] is not None


VALUES = [
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1979-05-27T07:32:00", "07:32:00", "1979-05-27"),
    *("9" * 4000, "-1", "0x" + "f" * 5000, "1e999", "inf", "nan", "true", "[]", "{}", "[[[]]]", "[{}]", '""'),
    *('"\\uFFFF"', '"\\u0000"', '"\\U0010FFFF"', "'x'", "['x']", "{a = 1}", "[{issuer = 'x', subject = 'y'}]"),
]
KEYS = [
    *(
        "version",
        "introduction",
        "administrators",
        "match",
        "times",
        "unjudged",
        "people",
        "workflows",
        "groups",
        "keys",
    ),
    *("forges", "rules", "exemptions", "people.alice.identities", "people.alice.from", "people.x", "people.x.until"),
    *("people.x.keys", "people.x.emails", "workflows.w", "workflows.w.issuer", "workflows.w.claims", "groups.g"),
    *("keys.k", "keys.k.fingerprint", "keys.k.format", "keys.k.public", "forges.f", "forges.f.committer"),
    *("forges.f.reproducible", "forges.f.keys", '"".x', '"a\\nb"'),
]


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), max_size=6))
def test_any_value_at_any_key_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in pairs)
    for tail in ("", '[[rules]]\nname = "r"\nallow = ["x"]\n'):
        policy, problems = read_policy((text + tail).encode(), "policy.toml")
        assert policy is not None or problems


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScratchRepo, Path, str]:
    """HEAD has a policy that cannot be read; commits below it have times that no calendar has."""
    folder = tmp_path_factory.mktemp("odd")
    signer = BulkSigner(folder / "authority")
    history = History(signer=signer.sign)
    tip = introduction = history.commit(signed="alice", files={POLICY_PATH: POLICY})
    for time in (b"9" * 19, b"9" * 30, b"253402300800", b"0", b"-5", b"18446744073709551616"):
        tree = history.objects[tip].data.partition(b"\n")[0]
        for zone in (b"+0000", b"-9999", b"+99999999999"):
            person = b"Alice <alice@example.com> " + time + b" " + zone
            lines = (tree, b"parent " + tip.encode(), b"author " + person, b"committer " + person)
            tip = history.add("commit", b"\n".join(lines) + b"\n\nx\n")
            history.files[tip] = history.files[introduction]
    tip = history.commit(tip, signed="alice", files={POLICY_PATH: with_time("until", BEYOND[0])})
    repo = ScratchRepo.init(folder / "repo")
    history.write(repo.path / ".git", {"refs/heads/main": tip})
    (folder / "trusted_root.json").write_bytes(signer.trusted_root_json)
    (folder / "policy.toml").write_text(POLICY)
    return repo, folder, introduction


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "--in-history", "--introduction", "INTRODUCTION", "main"],
        ["audit", "--policy", "policy.toml", "main"],
        ["audit", "--policy", "refs/heads/main:.gitsign/policy.toml", "main"],
        *(
            ["audit", "--policy", "policy.toml", "--format", kind, "main"]
            for kind in ("json", "html", "sarif", "junit")
        ),
        *(["audit", "--since", time, "main"] for time in (*BEYOND, "9" * 400, "-1", "@99999999999999999999")),
        ["policy", "check", "refs/heads/main:.gitsign/policy.toml"],
        ["policy", "explain", "--in-history", "main"],
        ["policy", "init", "main"],
        ["show", "main~3"],
        ["verify", "--any-identity", "main", "main~1", "main~18"],
    ],
    ids=" ".join,
)
def test_never_an_internal_error(odd: tuple[ScratchRepo, Path, str], arguments: list[str]) -> None:
    repo, folder, introduction = odd
    words = [word.replace("INTRODUCTION", introduction) for word in arguments]
    words = [str(folder / word) if word == "policy.toml" else word for word in words]
    repo.git("config", "gitsign.introduction", introduction)
    env = environment(HOME=str(folder), PYTHONPATH=str(ROOT), GITSIGN_TRUSTED_ROOT=str(folder / "trusted_root.json"))
    done = subprocess.run(
        [sys.executable, "-m", "gitsign_py", *words], cwd=repo.path, env=env, capture_output=True, check=False
    )
    assert done.returncode in (0, 1, 2, 3), done.stderr
    assert b"internal" not in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("time", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_times_of_certificates_and_timestamps(time: datetime) -> None:
    """The ends of the calendar, with an accuracy that leads out of it."""
    assert covers_with_accuracy(time, timedelta(minutes=1), time, time.replace(microsecond=0) + timedelta(0))
    assert not covers_with_accuracy(datetime(2024, 1, 1, tzinfo=UTC), timedelta(minutes=1), time, time)


@pytest.mark.parametrize("text", ["00000101000000Z", "99991231235960Z", "99991232000000Z", "20240230000000Z"])
def test_times_in_der(text: str) -> None:
    with pytest.raises(FormatError):
        der.read_time(der.parse(der.encode(der.GENERALIZED_TIME, text.encode())))


@pytest.mark.parametrize("text", [*BEYOND, "0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "2024-01-01T00:00:00+24:00"])
def test_times_in_json(text: str) -> None:
    with pytest.raises(FormatError):
        parse_rfc3339(text)


@pytest.mark.parametrize("year", ["0000", "99999999999999999999", "9" * 5000, "10000"])
@pytest.mark.parametrize("zone", ["GMT", "+9999", "-99999999999999999999"])
def test_a_servers_date(year: str, zone: str) -> None:
    headers = {"date": f"Mon, 01 Jan {year} 00:00:00 {zone}"}
    date = Answer("the log", "GET", "https://log.example.com", 200, headers, b"").date()
    assert date is None or 1 <= date.year <= 9999


def test_who_is_new_in_the_calendars_first_month() -> None:
    rollup = Rollup()
    who = ("alice@example.com", "https://accounts.example.com")
    rollup.identities[who] = seen = Seen()
    seen.add("0001-01-02T00:00:00Z")
    assert rollup.new_identities() == [who]
