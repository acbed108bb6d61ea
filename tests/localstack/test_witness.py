"""The witness: every answer of C2SP tlog-witness, its durable record, and many that ask at once."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.addcheckpoint import AddCheckpoint, format_request, parse_answer
from gitsign_py.core.tlog.checkpoint import Checkpoint, format_checkpoint, seal_checkpoint
from gitsign_py.core.tlog.cosigned import verify_cosignature
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ConfigError, FormatError, UsageError
from gitsign_py.localstack.context import Hook
from gitsign_py.localstack.http import _handle
from gitsign_py.localstack.keyfiles import VARIABLE
from gitsign_py.localstack.service import Request, Response
from gitsign_py.localstack.witness import record as record_module
from gitsign_py.localstack.witness.identity import KEY, RECORD, make_identity, read_identity
from gitsign_py.localstack.witness.record import Record, Seen
from gitsign_py.localstack.witness.service import KnownLog, Witness, logs_of_root, service
from tests.support.logs import MemoryLog as SignedLog
from tests.support.smalltree import hash_at, root
from tests.support.witnesskit import LOG, NOW, ORIGIN, log_key, private

KNOWN = KnownLog(ORIGIN, log_key(), LOG.hint)
NAME = "witness.example.com/team"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    make_identity(tmp_path / "w", NAME)
    return tmp_path / "w"


@pytest.fixture
def witness(directory: Path) -> Iterator[Witness]:
    with Record(directory / RECORD) as record:
        yield over(directory, record)


def over(directory: Path, record: Record) -> Witness:
    return Witness(read_identity(directory), record, [KNOWN], lambda: datetime.fromtimestamp(NOW, UTC))


def signed(size: int, *, origin: str = ORIGIN, top: bytes | None = None, by: int = 200) -> bytes:
    stated = Checkpoint(origin, size, root(size) if top is None else top)
    return seal_checkpoint(stated, log_key(), private(by).sign)


def proof(old: int, size: int) -> tuple[bytes, ...]:
    return merkle.prove_consistency(old, size, hash_at) if 0 < old < size else ()


def asked(old: int, size: int, **other: object) -> AddCheckpoint:
    return replace(AddCheckpoint(old, proof(old, size), signed(size)), **other)  # type: ignore[arg-type]


def answer(witness: Witness, request: AddCheckpoint | bytes) -> Response:
    body = request if isinstance(request, bytes) else format_request(request)
    made = service(witness)
    return _handle(made, made.routes[0], Request("POST", "/add-checkpoint", body=body), Hook())


def test_a_log_that_grows_is_cosigned_and_remembered(witness: Witness, directory: Path) -> None:
    key = read_identity(directory).key
    for old, size in ((0, 1), (1, 7), (7, 7), (7, 64), (64, 130)):
        given = answer(witness, asked(old, size))
        assert (given.status, given.media_type) == (200, "text/plain; charset=utf-8"), given.body
        (line,) = parse_answer(given.body)
        assert (line.name, line.key_hint) == (NAME, key.hint)
        stated = Checkpoint(ORIGIN, size, root(size))
        assert verify_cosignature(key, line.signature, format_checkpoint(stated), stated) == NOW
    with Record(directory / RECORD) as again:
        assert [(one.origin, one.size, one.root, one.at) for one in again.logs()] == [(ORIGIN, 130, root(130), NOW)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"old 0\n" + signed(3), 400),
        (b"new 0\n\n" + signed(3), 400),
        (b"old 00\n\n" + signed(3), 400),
        (b"old 0\n\n" + signed(3)[:-1], 400),
        (b"old 0\nAAAA\n\n" + signed(3), 400),
        (format_request(asked(0, 3, proof=(bytes(32),) * 64)), 400),
        (format_request(asked(4, 3)), 400),
        (format_request(asked(0, 3, checkpoint=signed(3, origin="other.example.com"))), 404),
        (format_request(asked(0, 3, checkpoint=signed(3, by=5))), 403),
        (format_request(asked(0, 3, proof=(bytes(32),))), 422),
        (format_request(asked(1, 3)), 409),
    ],
)
def test_the_first_request_of_a_log_is_refused_by_its_status(witness: Witness, body: bytes, status: int) -> None:
    assert answer(witness, body).status == status
    assert answer(witness, asked(0, 3)).status == 200


def test_another_old_size_is_told_the_one_that_is_known(witness: Witness) -> None:
    answer(witness, asked(0, 5))
    for old in (0, 3, 6):
        given = answer(witness, asked(old, 9))
        assert (given.status, given.media_type, given.body) == (409, "text/x.tlog.size", b"5\n")


def test_proofs_that_do_not_lead_from_the_old_tree_are_refused(witness: Witness) -> None:
    answer(witness, asked(0, 5))
    for wrong in (proof(4, 9), proof(5, 9)[:-1], (*proof(5, 9), bytes(32)), ()):
        assert answer(witness, asked(5, 9, proof=wrong)).status == 422
    assert answer(witness, asked(5, 5, proof=(bytes(32),))).status == 422
    assert answer(witness, asked(5, 9)).status == 200


def test_two_trees_of_one_size_convict_the_log(witness: Witness, directory: Path) -> None:
    answer(witness, asked(0, 5))
    other = signed(5, top=bytes(32))
    for _ in range(3):
        given = answer(witness, asked(5, 5, checkpoint=other))
        assert (given.status, given.media_type, given.body) == (409, "text/x.tlog.size", b"5\n")
    assert answer(witness, asked(0, 5, checkpoint=other)).status == 409
    with Record(directory / RECORD) as record:
        ((seen, beside),) = record.contradictions()
        assert (seen.envelope, beside) == (other, signed(5))
        assert [one.root for one in record.logs()] == [root(5)]


def test_a_fork_that_grows_is_never_cosigned(witness: Witness) -> None:
    answer(witness, asked(0, 5))
    assert answer(witness, asked(5, 9, checkpoint=signed(9, top=bytes(32)))).status == 422


def test_rekor_v1_s_trees_are_logs_of_their_own(witness: Witness) -> None:
    for tree in ("1", "2"):
        origin = f"{ORIGIN} - {tree}"
        assert answer(witness, asked(0, 3, checkpoint=signed(3, origin=origin))).status == 200
        assert answer(witness, asked(0, 3, checkpoint=signed(3, origin=origin))).body == b"3\n"


def test_a_rekor_v1_at_a_port_is_known_by_its_host(directory: Path) -> None:
    """Rekor v1 signs as its host name alone; the trust root has the URL with the port."""
    log = SignedLog("127.0.0.1:3000")
    log.fill(3)
    with Record(directory / RECORD) as record:
        logs = logs_of_root(TrustedRoot(tlogs=(log.trusted(),)))
        own = Witness(read_identity(directory), record, logs, lambda: datetime.fromtimestamp(NOW, UTC))
        log.name = "127.0.0.1"
        known = log.checkpoint(origin="127.0.0.1 - 5")
        assert answer(own, AddCheckpoint(0, (), known)).status == 200
        assert answer(own, AddCheckpoint(0, (), SignedLog("127.0.0.1").checkpoint())).status == 403


def test_many_at_once_never_take_the_record_back(witness: Witness, directory: Path) -> None:
    """Each asks from what it believes; afterwards the record is the largest tree that anybody got cosigned."""
    answer(witness, asked(0, 1))

    def grow(size: int) -> int:
        old = 1
        while True:
            given = answer(witness, asked(old, size))
            if given.status != 409:
                return size if given.status == 200 else 0
            old = int(given.body)
            if old > size:
                return 0

    with ThreadPoolExecutor(8) as pool:
        cosigned = list(pool.map(grow, [*range(2, 100, 3), *range(120, 3, -5)]))
    with Record(directory / RECORD) as record:
        (kept,) = record.logs()
    assert kept.size == max(cosigned)
    assert kept.root == root(kept.size)


def test_what_cannot_be_written_is_not_cosigned(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Record, __: Seen) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    answer(witness, asked(0, 5))
    monkeypatch.setattr(Record, "write", full)
    assert answer(witness, asked(5, 9)).status == 503
    monkeypatch.undo()
    assert answer(witness, asked(0, 9)).body == b"5\n"


def test_an_answer_that_got_lost_is_asked_for_again(witness: Witness) -> None:
    """The tree was kept and the witness was killed before it answered: the log learns the size, and asks from there."""
    answer(witness, asked(0, 5))
    answer(witness, asked(5, 9))
    assert answer(witness, asked(5, 9)).body == b"9\n"
    assert answer(witness, asked(9, 9)).status == 200


def test_contradictions_do_not_fill_the_disk(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "MAX_CONTRADICTIONS", 3)
    with Record(directory / RECORD) as record:
        one = Seen(ORIGIN, 5, root(5), NOW, b"kept")
        news = [record.contradicted(replace(one, root=number.to_bytes(32, "big")), one) for number in range(5)]
    assert news == [True, True, True, False, False]


def test_a_record_of_a_later_program_or_of_other_bytes_is_not_begun_anew(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "later")
    database.execute("PRAGMA user_version = 2")
    database.close()
    (tmp_path / "other").write_bytes(b"not a database, " * 100)
    for name in ("later", "other"):
        with pytest.raises(ConfigError) as caught:
            Record(tmp_path / name)
        assert caught.value.reason == "witness-record-unusable"


# -- name and key -----------------------------------------------------------------------------------------------------


def test_the_key_is_the_user_s_alone_and_made_once(directory: Path) -> None:
    before = (directory / KEY).read_bytes()
    assert (directory / KEY).stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigError) as caught:
        make_identity(directory, "other.example")
    assert caught.value.reason == "witness-exists"
    assert (directory / KEY).read_bytes() == before
    assert sorted(path.name for path in directory.iterdir()) == ["key.pem", "vkey"]


def test_a_passphrase_encrypts_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "open sesame")
    made = make_identity(tmp_path / "w", NAME)
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "w" / KEY).read_bytes()
    assert read_identity(tmp_path / "w").key == made.key
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ConfigError) as caught:
        read_identity(tmp_path / "w")
    assert caught.value.reason == "stack-key-encrypted"
    monkeypatch.setenv(VARIABLE, "wrong")
    with pytest.raises(ConfigError) as caught:
        read_identity(tmp_path / "w")
    assert caught.value.reason == "witness-unusable"


def test_a_key_that_is_not_the_name_s_is_refused(directory: Path, tmp_path: Path) -> None:
    make_identity(tmp_path / "other", NAME)
    (directory / KEY).write_bytes((tmp_path / "other" / KEY).read_bytes())
    with pytest.raises(ConfigError) as caught:
        read_identity(directory)
    assert caught.value.reason == "witness-unusable"
    with pytest.raises(ConfigError) as caught:
        read_identity(tmp_path / "nowhere")
    assert caught.value.reason == "witness-missing"


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nbreak", "x" * 256])
def test_names_that_cannot_stand_in_a_note_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        make_identity(tmp_path / "w", name)


@pytest.mark.parametrize("body", [b"", b"x", b"\xe2\x80\x94 a AAAA\n", b"\n\n"])
def test_answers_that_are_none_are_malformed(body: bytes) -> None:
    with pytest.raises(FormatError):
        parse_answer(body)
