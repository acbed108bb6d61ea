"""Every vector in tests/vectors gives the same verdict from the library, ``gitsign-py verify`` and ``git``."""

import json
import os
import subprocess
import zlib
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.cli import wiring
from gitsign_py.cli.gpg.checking import check
from gitsign_py.cli.judgement import verify_object
from gitsign_py.cli.text import exit_status
from gitsign_py.core.git.gitobject import object_id, split_object
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.tlog.logentry import LogEntry, entry_from_rekor_v1
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.errors import FormatError, GitsignError
from gitsign_py.host.settingvalues import Value
from gitsign_py.verification import Expected, ExpectedIdentity, Report, Sources, Verifier
from tests.support.badserver import Exchange, serving
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.workbench import program
from tests.vectors import generate, table

pytestmark = pytest.mark.unmeasured

VECTORS = Path(generate.__file__).parent
NOWHERE = "http://127.0.0.1:9"  # discard: nothing listens there
UNSEEN_BY_GIT = {
    "gpgsig-unknown-kind_fail": "git leaves the header out of what it hands over (commit.c, standard_header_field)",
}


@dataclass(frozen=True)
class Vector:
    """A folder of tests/vectors."""

    folder: Path
    expect: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def data(self) -> bytes:
        return (self.folder / "object").read_bytes()

    @property
    def root(self) -> Path:
        own = self.folder / "trusted_root.json"
        return own if own.exists() else VECTORS / "trusted_root.json"

    @property
    def answers(self) -> list[dict[str, Any]] | None:
        path = self.folder / "entries.json"
        return json.loads(path.read_bytes()) if path.exists() else None

    @property
    def verdict(self) -> tuple[int, str, str]:
        return self.expect["status"], self.expect["step"], self.expect["reason"]

    def find(self, digest: bytes, certificate: Certificate) -> tuple[LogEntry, ...]:
        found = (answer.popitem() for answer in self.answers or ())
        return tuple(entry_from_rekor_v1(uuid, value) for uuid, value in found)


def read(folder: Path) -> Vector:
    return Vector(folder, json.loads((folder / "expect.json").read_bytes()))


ALL = [read(path.parent) for path in sorted(VECTORS.glob("*/expect.json"))]


def test_the_checked_in_vectors_are_what_the_generator_makes() -> None:
    assert {vector.name for vector in ALL} == {case.folder for case in generate.CASES}
    for case in generate.CASES:
        folder = VECTORS / case.folder
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == generate.files(case), case.name


def test_a_vector_is_named_for_what_it_gives() -> None:
    assert all(vector.name.endswith("_fail") == bool(vector.expect["status"]) for vector in ALL)


# --- the library -----------------------------------------------------------------------------------------------------


def expected(wanted: Mapping[str, str]) -> ExpectedIdentity:
    identity, issuer = (
        Expected(wanted[name]) if name in wanted else Expected(wanted[f"{name}_regexp"], is_pattern=True)
        for name in ("identity", "issuer")
    )
    return ExpectedIdentity(identity, issuer)


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.name)
def test_library(vector: Vector) -> None:
    verifier = Verifier(
        parse_trusted_root(vector.root.read_bytes()),
        datetime.now(UTC),
        find=Sources(None if vector.answers is None else vector.find),
    )
    who = expected(vector.expect["expected"])
    report = Report()
    try:
        signed = split_object(vector.expect["kind"], vector.data, "sha1")
        verify_object(signed, vector.expect["oid"], verifier, who, report)
    except GitsignError as error:
        cause = error.facts.get("cause", "") if error.reason == "log-entry-unproven" else ""
        got = exit_status(error), getattr(error, "step", "") or "0", error.reason
        failed = [step.number for step in report.steps if step.outcome in ("failed", "unchecked")]
        assert failed == ([] if got[1] == "0" else [got[1]])
    else:
        got, cause = (0, "", ""), ""
    assert (got, cause) == (vector.verdict, vector.expect.get("cause", ""))


# --- the command line and git ----------------------------------------------------------------------------------------


def store(repo: ScratchRepo, kind: str, data: bytes) -> str:
    """Write a loose object, however odd it is."""
    oid = object_id(kind, data)
    path = repo.path / ".git/objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(zlib.compress(b"%s %d\0" % (kind.encode(), len(data)) + data))
    return oid


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> ScratchRepo:
    folder = tmp_path_factory.mktemp("refused")
    made = ScratchRepo.init(folder / "repo")
    store(made, "tree", b"")
    made.git("config", "gpg.format", "x509")
    made.git("config", "gpg.x509.program", str(program(folder)))
    for vector in ALL:
        assert store(made, vector.expect["kind"], vector.data) == vector.expect["oid"], vector.name
    return made


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(run)}


def flags(wanted: Mapping[str, str]) -> list[str]:
    names = {"identity": "--certificate-identity", "issuer": "--certificate-oidc-issuer"}
    words: list[str] = []
    for name, value in wanted.items():
        words += [names[name.removesuffix("_regexp")] + ("-regexp" if name.endswith("_regexp") else ""), value]
    return words


def judged(repo: ScratchRepo, home: dict[str, str], vectors: list[Vector], *more: str, **env: str) -> int:
    """Let one process judge all of ``vectors``, which have the trust root and expectations of the first."""
    first = vectors[0]
    command = ["verify", "--json", "--trusted-root", str(first.root), *flags(first.expect["expected"]), *more]
    oids = [vector.expect["oid"] for vector in vectors]
    tool = repo.git("config", "gpg.x509.program")
    everything = environment(**home, **env)
    done = subprocess.run([tool, *command, *oids], cwd=repo.path, env=everything, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr, done.stderr
    results = json.loads(done.stdout)
    assert [result["oid"] for result in results] == oids
    verdicts = {"verified": 0, "not-verified": 1, "unchecked": 3}
    for vector, result in zip(vectors, results, strict=True):
        got = verdicts[result["verdict"]], result.get("step", ""), result.get("reason", "")
        assert (got[0], got[1] or ("0" if got[0] else ""), got[2]) == vector.verdict, vector.name
    return done.returncode


def groups(vectors: list[Vector]) -> list[list[Vector]]:
    """Vectors that one call can judge: same trust root, same person expected, same status."""
    found: dict[tuple[str, str, int], list[Vector]] = defaultdict(list)
    for vector in vectors:
        person = json.dumps(vector.expect["expected"])
        found[vector.root.read_text(), person, vector.expect["status"]].append(vector)
    return list(found.values())


@pytest.mark.parametrize("part", range(4))
def test_command_line(repo: ScratchRepo, home: dict[str, str], part: int) -> None:
    embedded = [vector for vector in ALL if vector.answers is None]
    for group in groups(embedded)[part::4]:
        assert judged(repo, home, group, "--offline") == group[0].expect["status"]


@pytest.mark.parametrize("vector", [v for v in ALL if v.answers is not None], ids=lambda vector: vector.name)
def test_command_line_online(repo: ScratchRepo, home: dict[str, str], vector: Vector) -> None:
    answers = vector.answers or []

    def act(exchange: Exchange) -> bool:
        value: list[Any] = answers
        if exchange.request.path.endswith("/index/retrieve"):
            value = [uuid for answer in answers for uuid in answer]
        exchange.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})
        return True

    with serving(act) as server:
        assert judged(repo, home, [vector], GITSIGN_REKOR_URL=server.url) == vector.expect["status"]


def signer_of(vector: Vector) -> str:
    """The line of gitsign.allowedSigner that asks for the vector's signer."""
    wanted = vector.expect["expected"]
    return f"{wanted.get('identity', 'alice@example.com')} {wanted.get('issuer', 'https://issuer.example.com')}"


def accepted_by_git(vector: Vector) -> bool:
    """git cannot reach a log here, so what needs one is not accepted."""
    return vector.expect["status"] == 0 and vector.answers is None


def git_says(repo: ScratchRepo, home: dict[str, str], vector: Vector) -> tuple[bool, str]:
    """Whether git accepts a vector, and what is said."""
    env = environment(**home, GITSIGN_TRUSTED_ROOT=str(vector.root), GITSIGN_REKOR_URL=NOWHERE)
    env = {name: value for name, value in env.items() if not name.startswith("COV")}  # 270 processes, untraced
    signer = ["-c", f"gitsign.allowedSigner={signer_of(vector)}"]
    command = ["git", *signer, f"verify-{vector.expect['kind']}", "--raw", vector.expect["oid"]]
    done = subprocess.run(command, cwd=repo.path, env=env, capture_output=True, check=False)
    return done.returncode == 0, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("part", range(4))
def test_git(repo: ScratchRepo, home: dict[str, str], part: int) -> None:
    """Real git and a process of the program for each vector, as everywhere outside the tests."""
    asked = [vector for vector in ALL[part::4] if vector.name not in UNSEEN_BY_GIT]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(lambda vector: git_says(repo, home, vector), asked))
    for vector, (accepted, said) in zip(asked, answers, strict=True):
        assert accepted == accepted_by_git(vector), (vector.name, said)
        assert accepted == ("TRUST_FULLY" in said), (vector.name, said)
        assert "Traceback" not in said


def test_what_git_does_not_show_is_all_that_git_accepts(repo: ScratchRepo, home: dict[str, str]) -> None:
    unseen = [vector for vector in ALL if vector.name in UNSEEN_BY_GIT]
    assert len(unseen) == len(UNSEEN_BY_GIT)
    assert all(git_says(repo, home, vector)[0] for vector in unseen)


@pytest.fixture(scope="module")
def settings(repo: ScratchRepo) -> wiring.Settings:
    return wiring.load_settings(environment(GITSIGN_REKOR_URL=NOWHERE, HOME=str(repo.path)), repo.path)


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.name)
def test_what_git_is_told(settings: wiring.Settings, vector: Vector) -> None:
    values: dict[str, Value] = {"allowed_signers": (signer_of(vector),), "refresh": "never"}  # the vector's own root
    config = settings.config.with_values(values)
    try:
        signed = split_object(vector.expect["kind"], vector.data, "sha1")
    except FormatError:
        assert vector.expect["step"] == "0"
        return
    fields = check(
        replace(settings, config=config),
        signed.payload,
        signed.signature or b"",
        root=parse_trusted_root(vector.root.read_bytes()),
    )
    accepted = accepted_by_git(vector)
    assert (fields["exit_status"] == b"0") == accepted
    assert (b"TRUST_FULLY" in fields["status_lines"]) == accepted
    if vector.expect["status"] and vector.answers is None and vector.expect["step"] not in ("0", "6.1"):
        word = {1: b"[GNUPG:] BADSIG ", 3: b"[GNUPG:] ERRSIG "}[vector.expect["status"]]
        assert (word in fields["status_lines"], int(fields["exit_status"])) == (True, vector.expect["status"])
        reason = vector.expect["reason"].replace("log-entry-not-embedded", "log-unreachable")  # git's front asks
        assert f"[{vector.expect['step']} {reason}]" in fields["text"].decode()


def test_the_page_of_refused_cases_is_that_of_the_vectors() -> None:
    assert table.PAGE.read_text() == table.page()
