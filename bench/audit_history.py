"""How fast an audit is, beside what it must cost at least; all figures of one run on one machine.

    python bench/audit_history.py [--signed 2000] [--unsigned 80000] [--rounds 5]

1. ``openssl speed`` for P-256 and P-384 verification, on one core and on all, and from it the cost of the ECDSA
   verifications alone: each that is made, and the whole chain of each commit.
2. The audit of signed commits, once with a certificate for each commit and once with one for nine minutes' commits.
3. A second run out of the cache, as a whole process.
4. Unsigned commits against ``git rev-list --all | git cat-file --batch``, without a policy and with one.

Each figure is given as wall-clock time and as processor time of the whole process tree: on a machine that does other
work too, only the second one means much. What is compared runs in turns; ratios are medians of the turns' ratios.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gitsign_py import __version__  # noqa: E402
from tests.support.bulksigner import BulkSigner  # noqa: E402
from tests.support.gitrepo import ScratchRepo, environment  # noqa: E402
from tests.support.history import ISSUER, History  # noqa: E402

POLICY = f"""\
version = 1
administrators = ["alice"]

[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]

[[rules]]
name = "all"
allow = ["alice"]
"""
P256, P384 = 4, 1  # CMS, SCT, SET, checkpoint; the leaf by its CA (the CA's own certificate once in a run)
CHAIN = 2  # P-384 for who checks the whole chain of each commit: the leaf, and its CA by the root


def openssl_speed(processes: int = 1) -> dict[str, float]:
    """Seconds for one verification, by curve; of so many processes together, since cores may share what they have."""
    multi = ["-multi", str(processes)] if processes > 1 else []
    command = ["openssl", "speed", *multi, "-seconds", "2", "ecdsap256", "ecdsap384"]
    out = subprocess.run(command, capture_output=True, check=True)
    found = re.findall(r"(\d+) bits ecdsa \(nistp\d+\)(?:\s+\S+s){2}\s+\S+\s+(\S+)", out.stdout.decode())
    return {bits: 1 / float(rate) for bits, rate in found}


def signed_repo(folder: Path, count: int, *, fresh: bool) -> ScratchRepo:
    """A packed repository of ``count`` signed commits, with its trust root beside it."""
    signer = BulkSigner(folder / "authority", fresh=fresh)
    history = History(signer=signer.sign)
    tip = history.commit(signed="alice")
    for _ in range(count - 1):
        tip = history.commit(tip, signed="alice")
    (folder / "root.json").write_bytes(signer.trusted_root_json)
    repo = ScratchRepo.init(folder / "repo")
    history.write(repo.path / ".git", {"refs/heads/main": tip})
    repo.git("gc", "-q")
    return repo


def unsigned_repo(folder: Path, count: int) -> ScratchRepo:
    """A packed repository of ``count`` unsigned commits, made by git fast-import."""
    repo = ScratchRepo.init(folder / "unsigned")
    made = subprocess.Popen(
        ["git", "fast-import", "--quiet"], cwd=repo.path, env=environment(), stdin=subprocess.PIPE, text=True
    )
    assert made.stdin is not None
    for number in range(count):
        who = f"Person {number % 50} <person{number % 50}@example.com> {1_000_000_000 + number * 600} +0000"
        message = f"change number {number}\n\nSome words about why this was changed, as people write them.\n"
        made.stdin.write(f"commit refs/heads/main\ncommitter {who}\ndata {len(message)}\n{message}\n")
    made.stdin.close()
    assert made.wait() == 0
    return repo


class Cost(NamedTuple):
    """What a process tree took: seconds by the clock, seconds of processor, MiB of its largest process.

    The last is never below this script's own size: a process is a copy of its parent before it becomes something else.
    """

    wall: float
    cpu: float
    largest: float


def run(command: Sequence[str], folder: Path, env: Mapping[str, str], accepted: tuple[int, ...] = (0,)) -> Cost:
    """Run a command to its end. The kernel counts the processes that it waited for, and theirs, with it."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        assert process.returncode in accepted, errors.read().decode()
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def audit(repo: ScratchRepo, folder: Path, *options: str) -> Cost:
    """What a whole ``gitsign-py audit`` takes."""
    env = environment(
        XDG_CACHE_HOME=str(folder / "cache"), XDG_DATA_HOME=str(folder / "data"), HOME=str(folder), PYTHONPATH=str(ROOT)
    )
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code, so the first run makes it
    command = [sys.executable, "-m", "gitsign_py", "audit", "--offline", *options]
    return run(command, repo.path, env, accepted=(0, 1))


def baseline(repo: ScratchRepo) -> Cost:
    """What ``git rev-list --all | git cat-file --batch`` takes."""
    return run(["sh", "-c", "git rev-list --all | git cat-file --batch"], repo.path, environment())


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each figure; the largest process of all."""
    walls, cpus, sizes = zip(*costs, strict=True)
    return Cost(statistics.median(walls), statistics.median(cpus), max(sizes))


def signed(folder: Path, count: int, rounds: int, *, fresh: bool) -> None:
    """Measure signed commits beside openssl, in turns."""
    folder.mkdir()
    repo = signed_repo(folder, count, fresh=fresh)
    root = ("--trusted-root", str(folder / "root.json"))
    cores = os.cpu_count() or 1
    audit(repo, folder, *root)
    costs, again, once, each, doubled, processor = [], [], [], [], [], []
    for _ in range(rounds):
        alone, together = openssl_speed(), openssl_speed(cores)
        costs.append(cost := audit(repo, folder, *root, "--no-cache"))
        again.append(audit(repo, folder, *root))
        least = count * (P256 * together["256"] + (P384 * together["384"] if fresh else 0))
        once.append(least / cost.wall)
        each.append((least + count * (CHAIN - P384) * together["384"]) / cost.wall)
        chains = count * (P256 * alone["256"] + CHAIN * alone["384"])
        doubled.append(chains / cores / cost.wall)
        processor.append(count * (P256 * alone["256"] + (P384 * alone["384"] if fresh else 0)) / cost.cpu)
    cost, kept = middle(costs), middle(again)
    shares = [round(100 * statistics.median(found)) for found in (once, processor, each, doubled)]
    print(f"{count} signed, {'a certificate each' if fresh else 'certificates shared'}:")
    print(f"    {cost.wall:.2f} s ({cost.cpu:.2f} s of processor); ECDSA alone, by openssl speed on {cores} cores:")
    print(f"    {shares[0]} % ({shares[1]} % of the processor time), each check that is made counted", end="")
    whole = f"; {shares[2]} % with the whole chain of each commit, {shares[3]} % by one core's speed times {cores}"
    print(whole if fresh else "")
    print(f"    again from the cache: {kept.wall:.2f} s ({kept.cpu:.2f} s), process start included")


def unsigned(folder: Path, count: int, rounds: int) -> None:
    """Measure unsigned commits beside git, in turns."""
    repo = unsigned_repo(folder, count)
    (folder / "policy.toml").write_text(POLICY)
    for words, options in (("no policy", ()), ("a policy", ("--policy", str(folder / "policy.toml")))):
        gits, ours = zip(*((baseline(repo), audit(repo, folder, *options)) for _ in range(rounds)), strict=True)
        git, cost = middle(gits), middle(ours)
        walls = statistics.median(one.wall / other.wall for one, other in zip(ours, gits, strict=True))
        cpus = statistics.median(one.cpu / other.cpu for one, other in zip(ours, gits, strict=True))
        print(f"{count} unsigned, {words}: {cost.wall:.2f} s ({cost.cpu:.2f} s of processor), largest", end=" ")
        print(f"process {cost.largest:.0f} MiB; git rev-list --all | git cat-file --batch: {git.wall:.2f} s", end=" ")
        print(f"({git.cpu:.2f} s), {git.largest:.0f} MiB; {walls:.2f} times the time, {cpus:.2f} the processor's")


def versions() -> str:
    """Of whom these figures speak."""
    programs = (["git", "--version"], ["openssl", "version"])
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for command in programs]
    return f"Python {platform.python_version()}; {'; '.join(said)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signed", type=int, default=2000)
    parser.add_argument("--unsigned", type=int, default=80_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{options.rounds} rounds; gitsign-py {__version__}; {versions()}")
    micros = {bits: seconds * 1e6 for bits, seconds in openssl_speed().items()}
    print(f"{os.cpu_count()} cores; openssl speed: P-256 {micros['256']:.0f} us, P-384 {micros['384']:.0f} us", end=" ")
    print("a verification")
    with tempfile.TemporaryDirectory() as name:
        for fresh in (True, False) if options.signed else ():
            signed(Path(name) / f"signed-{fresh}", options.signed, options.rounds, fresh=fresh)
        if options.unsigned:
            unsigned(Path(name), options.unsigned, options.rounds)


if __name__ == "__main__":
    main()
