"""Fuzz witness policies, requests to a witness and its answers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import all_of, instrumented, run

with instrumented():
    from gitsign_py.core.tlog import addcheckpoint
    from gitsign_py.core.tlog.checkpoint import format_checkpoint
    from gitsign_py.core.tlog.cosigned import cosigners
    from gitsign_py.core.tlog.vkey import parse_vkey
    from gitsign_py.core.tlog.witnesspolicy import parse_policy
    from tests.support.witnesskit import A, B, checkpoint, policy

BOTH, OF = policy("group both all a b", "quorum both", witnesses=[A, B]), checkpoint()


def policies(data: bytes) -> None:
    """The whole is met by all witnesses, and a quorum by none only where none is asked for."""
    found = parse_policy(data)
    assert found.is_met_by([one.name for one in found.witnesses])
    assert found.is_met_by(()) != found.requires


def keys(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert str(parse_vkey(text)) == text


def requests(data: bytes) -> None:
    """A request is read so strictly that it is written the same again."""
    assert addcheckpoint.format_request(addcheckpoint.parse_request(data)) == data


def answers(data: bytes) -> None:
    assert addcheckpoint.format_answer(addcheckpoint.parse_answer(data)) == data


def cosignatures(data: bytes) -> None:
    """Below a checkpoint whatever a log may put there."""
    assert len(cosigners(BOTH, format_checkpoint(OF) + b"\n" + data, OF)) <= 2


one_input = all_of(policies, keys, requests, answers, addcheckpoint.parse_size, cosignatures)

if __name__ == "__main__":
    run(one_input)
