"""Input made to exhaust its reader ends in a refusal: little time, little memory, no traceback, through the program."""

import json
import subprocess
import sys
import time
import zlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gitsign_py.core.git.armor import armor
from gitsign_py.core.git.gitobject import object_id
from gitsign_py.core.pki import der
from tests.support.forge import COMMIT, TREE, forge, join
from tests.support.forgedworld import EMAIL, ISSUER, World
from tests.support.gitrepo import environment
from tests.support.pathworld import ca
from tests.support.stack import ROOT

STARTS = 4
"""So many starts of the program may be spent on top of one, in processor time: a slow machine is slow at both."""
PAUSES = (0.0, 0.0, 0.0, 0.3, 1.0, 3.0)
"""Seconds before each further look at what took long."""
MEGABYTES = 200
# A process starts with the peak of the one that made it, and the tests are a large one: a small one stands between.
LAUNCHER = """
import json, os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
child = subprocess.Popen(sys.argv[1:], stdout=2)
_, status, used = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
seconds, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
print(json.dumps({"status": child.returncode, "seconds": seconds, "megabytes": megabytes}))
"""
Make = Callable[[], bytes]
"""Input of many megabytes, made when its test runs: each worker collects all tests."""
VECTORS = Path(__file__).parents[1] / "vectors"
WHO = ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", ISSUER]


@dataclass(frozen=True)
class Ended:
    """How a process ended, with what it used: itself and those that it waited for."""

    status: int
    text: str
    seconds: float
    megabytes: float


def run(folder: Path, *arguments: str, stdin: bytes = b"") -> Ended:
    """Take out what a start costs. Where much is left, both are measured again: other work makes a machine slow.

    The least of all looks counts, against a start of the same moment.
    """
    ended = launch(folder, *arguments, stdin=stdin)
    least = ended.seconds
    for pause in PAUSES:
        if least < (1 + STARTS) * start_cost():
            break
        time.sleep(pause)
        start_cost.cache_clear()
        least = min(least, launch(folder, *arguments, stdin=stdin).seconds)
    return replace(ended, seconds=least - start_cost())


def launch(folder: Path, *arguments: str, stdin: bytes = b"") -> Ended:
    home = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    env = environment(**home, GITSIGN_TRUSTED_ROOT=str(VECTORS / "trusted_root.json"))
    env = {name: value for name, value in env.items() if not name.startswith("COV")}  # tracing costs more than we do
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "gitsign_py", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, input=stdin, capture_output=True, check=False)
    used = json.loads(done.stdout)
    return Ended(used["status"], done.stderr.decode(errors="replace"), used["seconds"], used["megabytes"])


@cache
def start_cost() -> float:
    """What a small verification costs here and now, in seconds of processor time."""
    made = forge(World(), timestamp={})
    with TemporaryDirectory() as name:
        (Path(name) / "small").write_bytes(made.signature)
        command = ("--status-fd=1", "--verify", f"{name}/small", "-")
        return launch(Path(name), *command, stdin=made.payload).seconds


def check(ended: Ended, reason: str, status: int = 1) -> None:
    assert "Traceback" not in ended.text
    assert reason in ended.text, ended.text[:2000]
    assert ended.status == status
    assert ended.seconds < STARTS * start_cost()
    assert ended.megabytes < MEGABYTES


def nested(depth: int) -> bytes:
    """SEQUENCEs inside each other."""
    heads: list[bytes] = []
    size = 0
    for _ in range(depth):
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big") if size > 0x7F else bytes([size])
        heads.append(bytes([der.SEQUENCE]) + (bytes([0x80 | len(octets)]) if size > 0x7F else b"") + octets)
        size += len(heads[-1])
    return b"".join(reversed(heads))


def gpg(folder: Path, signature: bytes, payload: bytes = COMMIT) -> Ended:
    """As git asks: the signature in a file, the payload on stdin."""
    (folder / "signature").write_bytes(signature)
    return run(folder, "--status-fd=1", "--verify", str(folder / "signature"), "-", stdin=payload)


def test_a_good_signature_stays_inside_the_same_bounds(tmp_path: Path) -> None:
    made = forge(World(), timestamp={})
    check(gpg(tmp_path, made.signature, made.payload), "GOODSIG", 0)


def test_a_signature_of_100_megabytes(tmp_path: Path) -> None:
    body = (b"A" * 64 + b"\n") * (100 * 2**20 // 65)
    text = b"-----BEGIN SIGNED MESSAGE-----\n" + body + b"-----END SIGNED MESSAGE-----\n"
    check(gpg(tmp_path, text), "input-too-large")


def test_a_signature_just_above_what_is_read(tmp_path: Path) -> None:
    check(gpg(tmp_path, armor(bytes(1 << 20))), "armor-too-large")


@pytest.mark.parametrize("depth", [10_000, 150_000])
def test_a_deep_nest_of_der(tmp_path: Path, depth: int) -> None:
    check(gpg(tmp_path, armor(nested(depth))), "der-")


def test_a_set_of_very_many_certificates(tmp_path: Path) -> None:
    made = forge(World(), certificates=lambda parts: parts * 1000)
    check(gpg(tmp_path, made.signature, made.payload), "cms-too-large")


@pytest.mark.parametrize("names", [["one"], ["one", "two"]], ids=["one name and key", "two names"])
def test_certificates_that_issue_each_other(tmp_path: Path, names: list[str]) -> None:
    """Eight kilobytes whose every order was a path to look at; to git, and to verify."""
    ends = [(60 + at, name) for at, name in enumerate(names)]
    sent = [ca(*ends[at % len(ends)], ends[at % len(ends) - 1], serial=5000 + at) for at in range(15)]
    made = forge(
        World(),
        leaf={"issuer": sent[0]},
        certificates=lambda parts: [*parts, *(one.certificate.raw for one in sent)],
    )
    check(gpg(tmp_path, made.signature, made.payload), "certificate-untrusted", 3)
    subprocess.run(["git", "init", "-q", str(tmp_path)], env=environment(), check=True)
    check(run(tmp_path, "verify", "--offline", *WHO, store(tmp_path, made.data)), "certificate-untrusted", 3)


def test_a_set_of_very_many_signers(tmp_path: Path) -> None:
    made = forge(World(), signers=lambda parts: parts * 400)
    check(gpg(tmp_path, made.signature, made.payload), "cms-")


def test_a_stored_signature_of_100_megabytes(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], env=environment(), check=True)
    body = (b"A" * 64 + b"\n") * (100 * 2**20 // 65)
    data = join("commit", COMMIT, b"-----BEGIN SIGNED MESSAGE-----\n" + body + b"-----END SIGNED MESSAGE-----\n")
    check(run(tmp_path, "verify", "--offline", *WHO, store(tmp_path, data)), "object-too-large", 3)


PARENT = b"parent " + TREE + b"\n"


@pytest.mark.parametrize(
    "header",
    [
        lambda: PARENT * 160_000,
        lambda: b"x y\n" * 1_900_000,
        lambda: b"mergetag y\n" + b" \n" * 3_900_000,
        lambda: b"encoding " + b"u" * 8_000_000,
    ],
    ids=["parents", "headers", "continued", "long"],
)
def test_a_commit_of_very_much_header(tmp_path: Path, header: Make) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], env=environment(), check=True)
    made = forge(World())
    tree, rest = made.data.split(b"\n", 1)
    more = header()
    data = tree + b"\n" + (more + b"\n" + rest if not more.endswith(b"\n") else more + rest)
    check(run(tmp_path, "verify", "--offline", *WHO, store(tmp_path, data)), "header-too-large")


@pytest.mark.parametrize(("megabytes", "reason", "status"), [(7, "content-digest-mismatch", 1), (30, "too-large", 3)])
def test_a_commit_of_many_megabytes(tmp_path: Path, megabytes: int, reason: str, status: int) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], env=environment(), check=True)
    data = forge(World()).data + b"\n" * (megabytes << 20)
    check(run(tmp_path, "verify", "--offline", *WHO, store(tmp_path, data)), reason, status)


def store(folder: Path, data: bytes) -> str:
    """Write a loose commit."""
    oid = object_id("commit", data)
    path = folder / ".git/objects" / oid[:2] / oid[2:]
    path.parent.mkdir()
    path.write_bytes(zlib.compress(b"commit %d\0" % len(data) + data, 1))
    return oid


def bundle(hashes: int = 0, entries: int = 1) -> bytes:
    proof = {"logIndex": "1", "treeSize": "2", "rootHash": "AAAA", "hashes": ["AAAA"] * hashes}
    entry = {"logIndex": "1", "inclusionProof": proof}
    material = {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": [entry] * entries}
    top = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": material}
    return json.dumps(top).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: bundle(hashes=1_000_000), "bundle-too-large"),
        (lambda: bundle(entries=100_000), "bundle-too-large"),
        (lambda: b"[" * 1_000_000, "-"),
        (lambda: b'{"a":' * 200_000, "-"),
        (lambda: b" " * (100 << 20), "too-large"),
        (lambda: json.dumps({"mediaType": "9" * 15_000_000}).encode(), "-"),
    ],
    ids=["hashes", "entries", "lists", "objects", "spaces", "text"],
)
def test_a_huge_bundle(tmp_path: Path, data: Make, reason: str) -> None:
    (tmp_path / "bundle").write_bytes(data())
    (tmp_path / "artifact").write_bytes(b"hello")
    root = ["--trusted-root", str(VECTORS / "trusted_root.json")]
    ended = run(
        tmp_path, "verify-bundle", "--bundle", str(tmp_path / "bundle"), *root, *WHO, str(tmp_path / "artifact")
    )
    assert ended.status in (1, 2)
    check(ended, reason, ended.status)


TRUST_ROOT = b'{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":['


@pytest.mark.parametrize(
    ("data", "reason", "status"),
    [
        (lambda: b"[" + b64encode(bytes(20 << 20)), "trust-root-file", 2),
        (lambda: TRUST_ROOT + b"{}," * 1_300_000 + b"{}]}", "json-too-large", 3),
        (lambda: TRUST_ROOT + b'"' + b"[{" * 100_000 + b"a" * 3_900_000 + b'"]}', "json-not-object", 3),
        (lambda: b'{"a":' * 100_000, "json-too-deep", 3),
    ],
    ids=["bytes", "logs", "text", "nest"],
)
def test_a_huge_trust_root(tmp_path: Path, data: Make, reason: str, status: int) -> None:
    (tmp_path / "root").write_bytes(data())
    subprocess.run(["git", "init", "-q", str(tmp_path)], env=environment(), check=True)
    check(run(tmp_path, "verify", "--trusted-root", str(tmp_path / "root"), *WHO, "HEAD"), reason, status)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: b"a" * (100 << 20), "at most"),
        (lambda: b"a" + b".a" * 130_000 + b" = 1", "more than 8 parts"),
        (lambda: b"[" + b'"a" . ' * 40_000 + b"a]", "more than 8 parts"),
        (lambda: b"a = " + b"[" * 260_000, "not valid TOML"),
        (lambda: b"a = " + b"9" * 260_000, "not valid TOML"),
        (lambda: b"[[rules]]\n" * 26_000, "more than 256"),
        (lambda: b"[[rules]]\npaths = [" + b'"/a",' * 25_000 + b'"/a"]\n[[rules]]\npaths = ["/b"]', "names /a twice"),
        (lambda: b"a" * 260_000, "not valid TOML"),
        (lambda: b'"\\' * 130_000, "not valid TOML"),
    ],
    ids=["bytes", "key", "header", "nest", "number", "rules", "paths", "word", "quotes"],
)
def test_a_huge_policy(tmp_path: Path, data: Make, reason: str) -> None:
    (tmp_path / "policy").write_bytes(data())
    check(run(tmp_path, "policy", "check", str(tmp_path / "policy")), reason)
