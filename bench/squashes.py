"""What squash merges cost an audit, beside plain signed commits under a rule with paths.

    python bench/squashes.py [--count 2000] [--rounds 3]

Both histories change a file with each commit, and both policies have a rule with paths. Of a squash the merge is made
again and the head judged, which is one signed commit; heads lie behind by ten squashes, as when people work at once.
Whole processes, in turns, without the cache; processor time of the whole tree counts on a machine that does other work.
The bound is a ratio of two.
"""

import argparse
import os
import statistics
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
from tests.support.pulls import FILES, FORGE, policy  # noqa: E402

BEHIND = 10
FOLDERS = 40
BOUND = 2.0


def change(number: int) -> dict[str, str | None]:
    return {f"src/d{number % FOLDERS}/f{number % 7}": str(number)}


def plain(history: History, count: int) -> dict[str, str]:
    tip = history.commit(signed="alice", files=FILES)
    for number in range(count):
        tip = history.commit(tip, by="bob", signed="bob", files=change(number))
    return {"refs/heads/main": tip}


def squashed(history: History, count: int) -> dict[str, str]:
    made = [history.commit(signed="alice", files=FILES)]
    refs = {}
    for number in range(1, count + 1):
        base = made[max(0, len(made) - BEHIND)]
        head = history.commit(base, by="bob", signed="bob", files=change(number))
        refs[f"refs/pull/{number}/head"] = head
        made.append(
            history.commit(made[-1], by=FORGE, author="bob", files=change(number), message=f"Do it (#{number})")
        )
    return {**refs, "refs/heads/main": made[-1]}


def repository(folder: Path, name: str, signer: BulkSigner, refs: dict[str, str], history: History) -> ScratchRepo:
    (folder / "root.json").write_bytes(signer.trusted_root_json)
    (folder / "policy.toml").write_text(policy())
    repo = ScratchRepo.init(folder / name)
    history.write(repo.path / ".git", refs)
    repo.git("gc", "-q")
    return repo


def audit(repo: ScratchRepo, folder: Path) -> tuple[float, float]:
    """Seconds by the clock and of the processor, of a whole audit that accepts everything."""
    env = environment(HOME=str(folder), XDG_CACHE_HOME=str(folder / "cache"), PYTHONPATH=str(ROOT))
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    given = ["--offline", "--no-cache", "--trusted-root", str(folder / "root.json")]
    command = [sys.executable, "-m", "gitsign_py", "audit", *given, "--policy", str(folder / "policy.toml"), "main"]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=repo.path, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the audit ended with {process.returncode}")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repos = {}
        for kind, make in (("plain", plain), ("squashed", squashed)):
            signer = BulkSigner(folder / f"authority-{kind}", fresh=True)
            history = History(signer=signer.sign)
            (folder / kind).mkdir()
            repos[kind] = repository(folder / kind, "repo", signer, make(history, options.count), history)
        turns = [[audit(repos[kind], folder / kind) for kind in repos] for _ in range(options.rounds + 1)][1:]
    for at, kind in enumerate(repos):
        wall, cpu = (statistics.median(turn[at][one] for turn in turns) for one in (0, 1))
        print(f"{options.count} {kind:<9} {wall:6.2f} s, {cpu:6.2f} s of processor")
    ratio = statistics.median(turn[1][1] / turn[0][1] for turn in turns)
    print(f"squashes take {ratio:.2f} times the processor time of plain commits (bound: {BOUND:g})")


if __name__ == "__main__":
    main()
