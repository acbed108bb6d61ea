"""Policies and cosignatures judged by transparency-dev's Go code (github.com/transparency-dev/formats) beside ours."""

import json
import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.core.tlog import note
from gitsign_py.core.tlog.addcheckpoint import AddCheckpoint, format_request, parse_answer
from gitsign_py.core.tlog.cosigned import cosigners
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy, parse_policy
from gitsign_py.localstack.service import Request
from gitsign_py.localstack.witness.identity import RECORD, make_identity
from gitsign_py.localstack.witness.record import Record
from gitsign_py.localstack.witness.service import KnownLog, Witness
from tests.support.foreign import built_with_go
from tests.support.witnesskit import LOG, NOW, ORIGIN, Cosigner, checkpoint, cosigned, log_key

SEVEN = [Cosigner(f"w{number}", number) for number in range(1, 8)]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> str:
    return built_with_go(Path(__file__).with_name("gowitness"), tmp_path_factory.mktemp("go"))


def answers(judge: str, asked: list[tuple[str, bytes]]) -> list[str]:
    lines = [json.dumps({"policy": policy, "checkpoint": envelope.decode()}) for policy, envelope in asked]
    done = subprocess.run([judge], input="\n".join(lines).encode(), capture_output=True, timeout=60, check=True)
    return done.stdout.decode().split()


def with_urls(*lines: str) -> str:
    """Go's parser wants a URL behind each witness."""
    return "".join(f"{line}\n" for line in (*(f"{one.line} http://{one.name}.example" for one in SEVEN), *lines))


def some_policy(dice: random.Random) -> str:
    """Groups of what is not in a group yet, and a quorum of any name."""
    free = [one.name for one in SEVEN]
    lines = []
    for number in range(dice.randrange(4)):
        members = dice.sample(free, dice.randrange(1, len(free) + 1))
        free = [name for name in free if name not in members] + [f"g{number}"]
        count = dice.choice(["any", "all", str(dice.randrange(1, len(members) + 1))])
        lines.append(f"group g{number} {count} {' '.join(members)}")
    return with_urls(*lines, f"quorum {dice.choice([*free, 'none'])}")


def met(policy: WitnessPolicy, envelope: bytes) -> str:
    return "met" if policy.is_met_by([name for name, _ in cosigners(policy, envelope, checkpoint())]) else "unmet"


def test_quorums_are_those_of_go_s_implementation(judge: str) -> None:
    dice = random.Random(17)
    asked = [(some_policy(dice), cosigned(*dice.sample(SEVEN, dice.randrange(len(SEVEN) + 1)))) for _ in range(200)]
    ours = [met(parse_policy(policy.encode()), envelope) for policy, envelope in asked]
    assert answers(judge, asked) == ours
    assert set(ours) == {"met", "unmet"}


def test_go_s_implementation_takes_what_our_witness_signs(judge: str, tmp_path: Path) -> None:
    identity = make_identity(tmp_path / "w", "witness.example.com/team")
    with Record(tmp_path / "w" / RECORD) as record:
        known = KnownLog(ORIGIN, log_key(), LOG.hint)
        witness = Witness(identity, record, [known], lambda: datetime.fromtimestamp(NOW, UTC))
        envelope = cosigned()
        body = format_request(AddCheckpoint(0, (), envelope))
        (line,) = parse_answer(witness.add_checkpoint(Request("POST", "/add-checkpoint", body=body)).body)
    parsed = note.parse_note(envelope)
    policy = f"witness team {identity.key} http://witness.example.com\nquorum team\n"
    spoiled = note.NoteSignature(line.name, line.key_hint, line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
    asked = [(policy, note.format_note(parsed.text, (*parsed.signatures, one))) for one in (line, spoiled)]
    assert answers(judge, [*asked, (policy, envelope)]) == ["met", "unmet", "unmet"]
