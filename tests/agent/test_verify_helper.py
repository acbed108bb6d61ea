"""Where no agent runs, the first verifier of a git log stays a while for the next ones, and leaves nothing behind."""

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.agent import client
from gitsign_py.agent.conversation import Conversation, Fields
from tests.support.agentserver import serving
from tests.support.bulksigner import BulkSigner
from tests.support.signedrepo import SignedRepo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a fork is taken on Linux alone")

LOG = ("log", "--show-signature", "--format=%G? %s")
PATIENCE = 30.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SignedRepo:
    folder = tmp_path_factory.mktemp("helper")
    signed = SignedRepo.make(folder, BulkSigner(folder / "authority"))
    tip = signed.history.commit(signed="alice", message="one")
    for message in ("two", "three", "four"):
        tip = signed.history.commit(tip, signed="alice", message=message)
    signed.write(heads__main=tip)
    signed.repo.git("config", "--unset", "gitsign.agent")
    return signed


@pytest.fixture
def run() -> Iterator[Path]:
    """The place of sockets: short, and nobody else's. A helper that is still there is ended by its number."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir="/tmp"))
    yield folder
    if (number := helper_of(folder)) is not None:
        os.kill(number, signal.SIGTERM)
        assert gone(number)
    shutil.rmtree(folder)


def log(made: SignedRepo, run: Path, *arguments: str, seconds: str = "60", **more: str) -> str:
    variables = {**made.variables, "XDG_RUNTIME_DIR": str(run), "CI": "", "GITSIGN_VERIFY_HELPER": seconds, **more}
    done = made.repo.run(*(arguments or LOG), stdin=b"", **variables)
    assert done.returncode in (0, 1), done.stderr
    return (done.stdout + done.stderr).decode()


def place(run: Path) -> Path:
    return Path(client.helper_path(str(run / "gitsign-py" / "agent.sock")))


def helper_of(run: Path) -> int | None:
    """The number of the process that listens, as the kernel knows it (unix(7), SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
        connection.connect(str(place(run)))
        return int.from_bytes(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)
    return None


def waited(run: Path) -> int:
    """The helper's number, once it listens."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (number := helper_of(run)) is not None:
            return number
        time.sleep(0.05)
    raise AssertionError("no helper came")


def gone(number: int) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":  # nobody waits for orphans in a container without an init
            return True
        time.sleep(0.05)
    return False


def test_a_helper_answers_the_same_and_holds_nothing_of_gits(made: SignedRepo, run: Path) -> None:
    alone = log(made, run, seconds="0")
    assert alone.count("Good signature by alice@example.com") == 4
    assert not place(run).exists()
    assert log(made, run) == alone  # git has ended, so no pipe of its is held
    number = waited(run)
    assert log(made, run) == alone
    assert waited(run) == number  # one, and the same
    facts = place(run).stat()
    assert (facts.st_uid, facts.st_mode & 0o777) == (os.geteuid(), 0o600)
    held = {str(one.readlink()) for one in Path(f"/proc/{number}/fd").iterdir()}
    assert {one for one in held if not one.startswith(("socket:", "anon_inode:"))} <= {
        "/dev/null",
        f"{place(run)}.lock",
    }
    assert Path(f"/proc/{number}/cwd").readlink() == Path("/")
    assert client.ask(str(place(run)), "stop") is not None  # it was heard, and refused:
    assert waited(run) == number
    os.kill(number, signal.SIGTERM)
    assert gone(number)
    assert not place(run).exists()


def test_it_goes_by_the_settings_of_each_client(made: SignedRepo, run: Path) -> None:
    """A list of signers that is set later counts at once, and so does a repository that wants no agent."""
    log(made, run)
    number = waited(run)
    allowed = ("-c", "gitsign.allowedSigner=bob@example.com https://issuer.example")
    assert "is not an allowed signer" in log(made, run, *allowed, *LOG)
    assert log(made, run, "-c", "gitsign.agent=off", *LOG).count("Good signature") == 4
    assert "trust-root" in log(made, run, "-c", "gitsign.trustedRoot=/nowhere/root.json", *LOG).lower().replace(
        " ", "-"
    )
    assert waited(run) == number


def test_it_ends_when_nobody_asks(made: SignedRepo, run: Path) -> None:
    log(made, run, seconds="1")
    end = time.monotonic() + PATIENCE
    while place(run).exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert helper_of(run) is None
    assert not place(run).exists()


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (("-c", "gitsign.agent=off", *LOG), {}),
        (LOG, {"CI": "true"}),
        (LOG, {"GITSIGN_VERIFY_HELPER": "0"}),
        (("-c", "gitsign.verifyHelper=0", *LOG), {"GITSIGN_VERIFY_HELPER": ""}),
        (("verify-commit", "HEAD"), {}),
    ],
)
def test_none_is_left_where_none_is_wanted(
    made: SignedRepo, run: Path, arguments: tuple[str, ...], more: dict[str, str]
) -> None:
    assert "Good signature" in log(made, run, *arguments, **more)
    assert not place(run).parent.exists()


def test_what_others_planted_is_not_asked(made: SignedRepo, run: Path) -> None:
    """A socket in a place where others may write, in the name of this very user: nothing is said to it."""
    heard: list[Fields] = []

    def answer(request: Fields, _: Conversation) -> Fields:
        heard.append(request)
        return {"status": b"ok", "status_lines": b"[GNUPG:] TRUST_FULLY 0 shell", "text": b"", "exit_status": b"0"}

    place(run).parent.mkdir(mode=0o700)
    with serving(place(run), verify=answer):
        place(run).parent.chmod(0o777)
        assert log(made, run).count("Good signature by alice@example.com") == 4
        place(run).parent.chmod(0o700)
        assert heard == []
