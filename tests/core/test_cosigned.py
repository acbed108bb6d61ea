"""Cosignatures against a policy: those of Go's implementation, those of our own, and the time that they prove."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.tlog.checkpoint import open_checkpoint
from gitsign_py.core.tlog.cosigned import check_cosigned, cosigners, subtree_message
from gitsign_py.core.tlog.vkey import parse_vkey
from gitsign_py.core.tlog.witnesspolicy import parse_policy
from gitsign_py.errors import FormatError, VerificationError
from tests.support.witnesskit import LOG, NOW, A, B, C, checkpoint, cosigned, log_key, policy, sealed

GO: dict[str, Any] = json.loads(Path(__file__).with_name("cosigned_by_go.json").read_text(encoding="utf-8"))
TWO = policy("group two 2 a b c", "quorum two")


def go_policy(*names: str, quorum: str) -> bytes:
    keys = dict(zip(("a", "b", "pq"), (*GO["witnesses"], GO["mldsa"]), strict=True))
    lines = [f"witness {name} {keys[name]}" for name in names]
    return "".join(f"{line}\n" for line in (f"log {GO['log']}", *lines, f"group q {quorum}", "quorum q")).encode()


def check_go(text: bytes) -> tuple[str, ...]:
    envelope = GO["checkpoint"].encode()
    key = parse_vkey(GO["log"]).public_key
    opened = open_checkpoint(envelope, key).checkpoint
    found = check_cosigned(parse_policy(text), envelope, opened, key, latest=2**40)
    assert found.time is not None
    assert all(found.time == time for _, time in found.witnesses)
    return tuple(name for name, _ in found.witnesses)


def test_ed25519_cosignatures_of_go_s_implementation_verify() -> None:
    assert check_go(go_policy("a", "b", quorum="all a b")) == ("a", "b")


def test_ml_dsa_cosignatures_of_go_s_implementation_verify() -> None:
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    assert mldsa
    assert check_go(go_policy("a", "pq", quorum="all a pq")) == ("a", "pq")


def test_ml_dsa_is_refused_by_name_where_cryptography_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.endswith("asymmetric.mldsa"):
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FormatError) as caught:
        check_go(go_policy("a", "pq", quorum="any a pq"))
    assert caught.value.reason == "cosignature-unsupported"


def test_the_message_of_a_subtree_is_laid_out_as_the_document_says() -> None:
    message = subtree_message("w", checkpoint(3), 5)
    assert message[:14] == b"subtree/v1\n\0\x01w"
    assert message[14:22] == (5).to_bytes(8, "big")
    assert message[22:38] == b"\x0flog.example.com"
    assert message[38:54] == bytes(15) + b"\x03"
    assert message[54:] == checkpoint(3).root


def test_a_quorum_is_met_and_dated_by_the_last_that_it_needs() -> None:
    """One witness with an early clock dates nothing alone where two are asked for."""
    of = checkpoint()
    text = cosigned(of=of).partition(b"\n\n")[0] + b"\n"
    lines = [A.cosign(text, 5), B.cosign(text, NOW), C.cosign(text, NOW + 60)]
    found = check_cosigned(TWO, sealed(of, *lines), of, log_key(), latest=NOW + 300)
    assert found.witnesses == (("a", 5), ("b", NOW), ("c", NOW + 60))
    assert found.time == NOW
    assert found.names == "a, b, c"


def test_too_few_are_told_with_who_did() -> None:
    with pytest.raises(VerificationError) as caught:
        check_cosigned(TWO, cosigned(B), checkpoint(), log_key(), latest=NOW)
    assert caught.value.reason == "witness-quorum-missing"
    assert caught.value.facts["cosigned"] == "b"
    assert caught.value.facts["quorum"] == "two"
    assert cosigners(TWO, cosigned(B), checkpoint()) == (("b", NOW),)


def test_a_log_that_the_policy_does_not_list_is_refused() -> None:
    listed = policy(f"log {LOG}", "quorum a")
    assert check_cosigned(listed, cosigned(A), checkpoint(), log_key(), latest=NOW).time == NOW
    for of, key in ((checkpoint(origin="other.example.com"), log_key()), (checkpoint(), A.key.public_key)):
        with pytest.raises(VerificationError) as caught:
            check_cosigned(listed, cosigned(A), of, key, latest=NOW)
        assert caught.value.reason == "witness-log-unlisted"


def test_rekor_v1_is_asked_for_witnesses_where_it_is_listed_or_has_some() -> None:
    v1 = checkpoint(origin="log.example.com - 42")
    assert check_cosigned(policy("quorum a"), cosigned(of=v1), v1, log_key(), latest=NOW).witnesses == ()
    assert check_cosigned(policy("quorum a"), cosigned(A, of=v1), v1, log_key(), latest=NOW).time == NOW
    for asked, by in ((policy(f"log {LOG}", "quorum a"), ()), (policy("quorum a"), (B,))):
        with pytest.raises(VerificationError) as caught:
            check_cosigned(asked, cosigned(*by, of=v1), v1, log_key(), latest=NOW)
        assert caught.value.reason == "witness-quorum-missing"


def test_without_a_quorum_nothing_is_asked_and_no_time_is_proven() -> None:
    found = check_cosigned(policy("quorum none"), cosigned(A), checkpoint(), log_key(), latest=NOW)
    assert (found.witnesses, found.time) == ((("a", NOW),), None)


def test_a_cosignature_that_states_no_time_counts_and_dates_nothing() -> None:
    found = check_cosigned(policy("quorum a"), cosigned(A, time=0), checkpoint(), log_key(), latest=NOW)
    assert (found.witnesses, found.time) == ((("a", 0),), None)
