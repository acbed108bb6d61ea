"""transparency-dev's witness beside ours: the local Rekor v2 asks both, and both refuse its fork."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitsign_py.core.encoding import b64_encode
from gitsign_py.core.tlog.checkpoint import open_checkpoint
from gitsign_py.core.tlog.cosigned import check_cosigned
from gitsign_py.core.tlog.vkey import ED25519, VerifierKey
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy, parse_policy
from gitsign_py.core.trust.root import TransparencyLogInstance
from gitsign_py.localstack.assembly import Choices
from gitsign_py.localstack.faults import Faults
from gitsign_py.localstack.stack import Stack
from gitsign_py.localstack.witness.asking import post
from gitsign_py.localstack.witness.identity import make_identity
from gitsign_py.localstack.witness.service import KnownLog
from gitsign_py.localstack.witness.serving import WitnessServer
from tests.support.foreign import find_program
from tests.support.openedstack import ask, log_an_entry
from tests.support.ports import free_ports
from tests.support.waiting import wait_until
from tests.support.witnesskit import private, vkey

SEED, NAME = 61, "omni.example/w"
CHECKPOINT = "/api/v2/checkpoint"


@contextmanager
def omniwitness(folder: Path, log: TransparencyLogInstance) -> Iterator[str]:
    """The real one, in memory; the URL where it answers."""
    program = find_program("omniwitness")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    own = vkey(NAME, SEED, ED25519)
    seed = b64_encode(bytes([ED25519]) + private(SEED).private_bytes_raw())
    (folder / "key").write_text(f"PRIVATE+KEY+{NAME}+{own.hint.hex()}+{seed}")
    known = VerifierKey("rekor2.local", ED25519, log.public_key.raw)
    fields = f"Origin: rekor2.local\n    URL: http://rekor2.local\n    PublicKey: {known}\n"
    (folder / "logs.yaml").write_text(f"Logs:\n  - {fields}")
    place = url.removeprefix("http://")
    command = [program, f"--listen={place}", "--metrics_listen=", f"--private_key_path={folder}/key"]
    with (folder / "output").open("wb") as output:
        child = subprocess.Popen([*command, f"--additional_logs={folder}/logs.yaml"], stdout=output, stderr=output)
        try:
            wait_until(lambda: answers(url), (folder / "output").read_text)
            yield url
        finally:
            child.kill()
            child.wait(20)


def answers(url: str) -> bool:
    try:
        return post(f"{url}/add-checkpoint", b"", 2.0)[0] == 400
    except OSError:
        return False


def log_of(stack: Stack) -> TransparencyLogInstance:
    (service,) = (one for one in stack.services if one.name == "rekor2")
    return service.trust().tlogs[-1]


def who(stack: Stack, asked: WitnessPolicy) -> list[str]:
    log, envelope = log_of(stack), ask(stack, CHECKPOINT).body
    stated = open_checkpoint(envelope, log.public_key, key_hints=[log.log_id[:4]]).checkpoint
    return [name for name, _ in check_cosigned(asked, envelope, stated, log.public_key, latest=2**40).witnesses]


def test_the_log_asks_both_and_both_refuse_a_fork(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack", 0)
    log = log_of(stack)
    stack.close()
    make_identity(tmp_path / "ours", "ours.example")
    known = KnownLog("rekor2.local", log.public_key, log.log_id[:4])
    faults = Faults([])
    with omniwitness(tmp_path, log) as url, WitnessServer(tmp_path / "ours", [known]) as ours:
        lines = f"witness omni {vkey(NAME, SEED)} {url}\n{ours.line.replace('ours.example ', 'ours ', 1)}\n"
        asked = parse_policy(f"{lines}group both all omni ours\nquorum both\n".encode())
        for numbers in ((0, 1, 2), (3, 4, 5, 6)):  # the second log learns by 409 what they know
            stack = Stack(tmp_path / "stack", 0, hook=faults, choices=Choices(witnesses=asked))
            try:
                assert [log_an_entry(stack, number).status for number in numbers] == [201] * len(numbers)
                assert sorted(who(stack, asked)) == ["omni", "ours"]
                faults.set(["rekor2:fork"])
                assert log_an_entry(stack, 99).status == 503
                faults.set([])
            finally:
                stack.close()
