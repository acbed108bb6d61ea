"""How fast an audit is, beside what it must cost at least; all figures of one run on one machine.

    python bench/audit_history.py [--signed 2000] [--unsigned 80000]

1. ``openssl speed`` for P-256 and P-384 verification, and from it the cost of the ECDSA verifications alone.
2. The audit of signed commits, once with a certificate for each commit and once with one for nine minutes' commits.
3. A second run out of the cache, as a whole process.
4. Unsigned commits against ``git rev-list | git cat-file --batch``, and the memory of the audit.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.bulksigner import BulkSigner  # noqa: E402
from tests.support.gitrepo import ScratchRepo, environment  # noqa: E402
from tests.support.history import History  # noqa: E402

P256, P384 = 4, 1  # CMS, SCT, SET, checkpoint; the leaf by its CA (the CA's own certificate once in a run)


def openssl_speed() -> dict[str, float]:
    """Seconds for one verification, by curve."""
    out = subprocess.run(
        ["openssl", "speed", "-seconds", "2", "ecdsap256", "ecdsap384"], capture_output=True, check=True
    )
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
    stream = []
    for number in range(count):
        who = f"Person {number % 50} <person{number % 50}@example.com> {1_600_000_000 + number * 600} +0000"
        message = f"change number {number}\n\nSome words about why this was changed, as people write them.\n"
        stream.append(f"commit refs/heads/main\ncommitter {who}\ndata {len(message)}\n{message}\n")
    repo = ScratchRepo.init(folder / "unsigned")
    repo.git("fast-import", "--quiet", stdin="".join(stream).encode())
    return repo


def audit(repo: ScratchRepo, folder: Path, *options: str) -> float:
    """Seconds that a whole ``gitsign-py audit`` takes."""
    env = environment(
        XDG_CACHE_HOME=str(folder / "cache"), XDG_DATA_HOME=str(folder / "data"), HOME=str(folder), PYTHONPATH=str(ROOT)
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "gitsign_py", "audit", "--offline", *options],
        cwd=repo.path,
        env=env,
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    assert done.returncode in (0, 1), done.stderr.decode()
    return seconds


def baseline(repo: ScratchRepo) -> float:
    """Seconds of ``git rev-list | git cat-file --batch``."""
    began = time.perf_counter()
    subprocess.run(
        "git rev-list HEAD | git cat-file --batch > /dev/null", shell=True, cwd=repo.path, env=environment(), check=True
    )
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signed", type=int, default=2000)
    parser.add_argument("--unsigned", type=int, default=80_000)
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    speed = openssl_speed()
    micros = {bits: seconds * 1e6 for bits, seconds in speed.items()}
    print(f"{cores} cores; openssl speed: P-256 {micros['256']:.0f} us, P-384 {micros['384']:.0f} us a verification")
    with tempfile.TemporaryDirectory() as name:
        for fresh in (True, False):
            folder = Path(name) / f"signed-{fresh}"
            folder.mkdir()
            repo = signed_repo(folder, options.signed, fresh=fresh)
            root = ("--trusted-root", str(folder / "root.json"))
            per_commit = P256 * speed["256"] + (P384 * speed["384"] if fresh else 0)
            least = options.signed * per_commit / cores
            naive = options.signed * (P256 * speed["256"] + 2 * speed["384"]) / cores
            took = min(audit(repo, folder, *root, "--no-cache") for _ in range(3))
            kind = "a certificate each" if fresh else "certificates shared"
            print(f"{options.signed} signed, {kind}: {took:.2f} s; ECDSA alone,")
            print(f"    each check once: {least:.2f} s ({100 * least / took:.0f} %),")
            print(f"    each chain in full for each commit: {naive:.2f} s ({100 * naive / took:.0f} %)")
            audit(repo, folder, *root)
            again = min(audit(repo, folder, *root) for _ in range(3))
            print(f"    again from the cache: {again:.2f} s, process start included")
        repo = unsigned_repo(Path(name), options.unsigned)
        git = min(baseline(repo) for _ in range(3))
        ours = min(audit(repo, Path(name)) for _ in range(3))
        print(f"{options.unsigned} unsigned: {ours:.2f} s;", end=" ")
        print(f"git rev-list | git cat-file --batch: {git:.2f} s ({ours / git:.2f} times)")
        print(f"highest memory of any child: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
