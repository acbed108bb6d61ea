"""Cosignatures on a checkpoint, held against a witness policy (C2SP tlog-cosignature, tlog-policy).

Only a key of the policy can cosign: a signature line counts by key name and hint, and its Ed25519 or ML-DSA-44
signature covers the log's origin, size and root, so that none can be moved to another log or tree. One line of a known
witness that does not verify condemns the checkpoint, as with other signed notes.
"""

from collections.abc import Sequence

from gitsign_py.core.encoding import opaque
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.tlog import note
from gitsign_py.core.tlog.checkpoint import Checkpoint
from gitsign_py.core.tlog.vkey import ML_DSA_COSIGNATURE, VerifierKey
from gitsign_py.core.tlog.witnesspolicy import Witness, WitnessPolicy
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

LATEST_TIME = 2**63 - 1  # tlog-cosignature, "Format"
_TIME_BYTES = 8
_SIGNATURE_BYTES = {ML_DSA_COSIGNATURE: 2420}
_ED25519_BYTES = 64


@frozen
class Cosigned:
    """The witnesses whose cosignatures verified, as (name, POSIX seconds; 0 where it states none).

    ``time`` is the earliest time by which a quorum had cosigned, so no witness alone can date a tree too early; None
    where no quorum is asked for, or it states no time.
    """

    witnesses: tuple[tuple[str, int], ...] = ()
    time: int | None = None

    @property
    def names(self) -> str:
        """The witnesses, for people."""
        return ", ".join(name for name, _ in self.witnesses)


def check_cosigned(
    policy: WitnessPolicy, envelope: bytes, checkpoint: Checkpoint, log_key: PublicKey, *, latest: int
) -> Cosigned:
    """Hold a checkpoint, whose own signature by ``log_key`` was verified in ``envelope``, against the policy.

    A cosignature of a time after ``latest`` (POSIX seconds) does not count. Where the policy lists no logs, checkpoints
    of Rekor v1 that carry no cosignature pass: the log never asked a witness.

    Raises VerificationError ``witness-log-unlisted``, ``witness-quorum-missing``; InvalidSignatureError
    ``cosignature-invalid``; FormatError ``cosignature-malformed``, ``cosignature-unsupported``.
    """
    _check_listed(policy, checkpoint, log_key)
    parsed = note.parse_note(envelope)
    found = {one.name: times for one in policy.witnesses if (times := _times(one, parsed, checkpoint))}
    timely = {name: min(good) for name, times in found.items() if (good := [at for at in times if at <= latest])}
    tiled = checkpoint.origin == checkpoint.signer_name
    if not policy.is_met_by(timely) and (policy.logs or tiled or found):
        raise _missing(policy, timely, found)
    ordered = tuple(sorted(timely.items(), key=lambda item: (item[1], item[0])))
    return Cosigned(ordered, _quorum_time(policy, ordered))


def cosigners(policy: WitnessPolicy, envelope: bytes, checkpoint: Checkpoint) -> tuple[tuple[str, int], ...]:
    """The witnesses of the policy that cosigned a checkpoint, whether they are a quorum or not.

    Raises InvalidSignatureError ``cosignature-invalid``; FormatError ``cosignature-malformed``,
    ``cosignature-unsupported``, ``note-malformed``.
    """
    parsed = note.parse_note(envelope)
    return tuple((one.name, min(times)) for one in policy.witnesses if (times := _times(one, parsed, checkpoint)))


def _check_listed(policy: WitnessPolicy, checkpoint: Checkpoint, log_key: PublicKey) -> None:
    """By name and key: "a checkpoint is considered valid if it is signed by any one of the listed logs"."""
    name = checkpoint.signer_name
    if policy.logs and not any(one.key.name == name and one.key.public_key == log_key for one in policy.logs):
        raise VerificationError(
            "witness-log-unlisted",
            f"witness policy does not list the log {name[:200]} with this key",
            hint="add a log line to the witness policy, or remove all of them to accept the logs of the trust root",
            facts={"log": name[:200], "key": log_key.key_id.hex()},
        )


def _times(witness: Witness, parsed: note.Note, checkpoint: Checkpoint) -> tuple[int, ...]:
    """The times of a witness's cosignatures; several lines by one witness are one witness."""
    name, hint = witness.key.name, witness.key.hint
    lines = [one for one in parsed.signatures if (one.name, one.key_hint) == (name, hint)]
    return tuple(verify_cosignature(witness.key, one.signature, parsed.text, checkpoint) for one in lines)


def verify_cosignature(key: VerifierKey, stamped: bytes, text: bytes, checkpoint: Checkpoint) -> int:
    """Verify a ``timestamped_signature`` over a checkpoint; ``text`` is the note's. Gives its time, POSIX seconds.

    Raises as ``check_cosigned`` does.
    """
    time, signature = int.from_bytes(stamped[:_TIME_BYTES], "big"), stamped[_TIME_BYTES:]
    if len(signature) != _SIGNATURE_BYTES.get(key.type, _ED25519_BYTES) or time > LATEST_TIME:
        raise FormatError(
            "cosignature-malformed",
            f"cosignature by {key.name} is malformed: it has {len(stamped)} bytes, or a time past 2^63-1",
        )
    if key.type == ML_DSA_COSIGNATURE:
        _verify_ml_dsa(key, signature, subtree_message(key.name, checkpoint, time))
    else:
        try:
            key.public_key.verify(signature, note.cosigned_message(text, time))
        except InvalidSignatureError as error:
            raise _invalid(key) from error
    return time


def subtree_message(name: str, checkpoint: Checkpoint, time: int) -> bytes:
    """The ``cosigned_message`` over a whole tree (tlog-cosignature, "ML-DSA-44 signed message")."""
    return b"".join(
        (
            b"subtree/v1\n\0",
            opaque(name.encode(), 1),
            time.to_bytes(8, "big"),
            opaque(checkpoint.origin.encode(), 1),
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _verify_ml_dsa(key: VerifierKey, signature: bytes, message: bytes) -> None:
    """By the installed cryptography, where it has ML-DSA (FIPS 204)."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - few have such keys

    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415

        MLDSA44PublicKey.from_public_bytes(key.raw).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise _invalid(key) from error
    except (ImportError, UnsupportedAlgorithm) as error:
        raise FormatError(
            "cosignature-unsupported",
            f"cosignature by {key.name} is by ML-DSA-44, which the installed cryptography does not have",
            hint="install a newer cryptography, or take this witness out of the policy",
        ) from error


def _invalid(key: VerifierKey) -> InvalidSignatureError:
    return InvalidSignatureError(
        "cosignature-invalid",
        f"cosignature by {key.name} does not verify over this checkpoint",
        facts={"name": key.name, "key_hint": key.hint.hex()},
    )


def _missing(policy: WitnessPolicy, timely: dict[str, int], found: dict[str, tuple[int, ...]]) -> VerificationError:
    early = sorted(set(found) - set(timely))
    return VerificationError(
        "witness-quorum-missing",
        f"checkpoint is cosigned by {', '.join(sorted(timely)) or 'no witness of the policy'}"
        + (f" ({', '.join(early)}: at a time to come)" if early else "")
        + f", and the witness policy asks for {policy.quorum}",
        hint="ask the operator of the log for cosigned checkpoints, or correct the policy (gitsign.witnessPolicy)",
        facts={"quorum": policy.quorum, "cosigned": ", ".join(sorted(timely)), "in_future": ", ".join(early)},
    )


def _quorum_time(policy: WitnessPolicy, ordered: Sequence[tuple[str, int]]) -> int | None:
    stated = [item for item in ordered if item[1]]
    if not policy.requires:
        return None
    for count in range(1, len(stated) + 1):
        if policy.is_met_by([name for name, _ in stated[:count]]):
            return stated[count - 1][1]
    return None
