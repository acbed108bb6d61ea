"""Audits of whole histories beside what they must cost at least: openssl's ECDSA, and git's own reading."""

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.kinds import MixedRepo, signed_repo, unsigned_repo
from bench.options import Sizes
from bench.rows import Figure, Row, compared
from bench.timing import Cost, in_turns, middle, run
from tests.support.gitrepo import ScratchRepo, environment

ROOT = Path(__file__).resolve().parents[1]
P256, P384 = 4, 1  # CMS, SCT, SET, checkpoint; the leaf by its CA (the CA's own certificate once in a run)
_PLAIN = "git rev-list --all | git cat-file --batch"


def rows(folder: Path, sizes: Sizes) -> Iterator[Row]:
    """All rows of this part."""
    yield from mixed(folder / "mixed", sizes)
    for fresh in (True, False):
        yield from signed(folder / f"signed-{fresh}", sizes, fresh=fresh)
    yield unsigned(folder, sizes)


def openssl_speed(processes: int = 1) -> dict[str, float]:
    """Seconds for one verification, by curve; of so many processes together, since cores may share what they have."""
    multi = ["-multi", str(processes)] if processes > 1 else []
    command = ["openssl", "speed", *multi, "-seconds", "1", "ecdsap256", "ecdsap384"]
    out = subprocess.run(command, capture_output=True, check=True)
    found = re.findall(r"(\d+) bits ecdsa \(nistp\d+\)(?:\s+\S+s){2}\s+\S+\s+(\S+)", out.stdout.decode())
    return {bits: 1 / float(rate) for bits, rate in found}


def audit(repo: Path, folder: Path, *options: str, **env: str) -> Cost:
    """What a whole ``gitsign-py audit`` takes; its cache is below ``folder``."""
    around = environment(
        XDG_CACHE_HOME=str(folder / "cache"), XDG_DATA_HOME=str(folder / "data"), HOME=str(folder), PYTHONPATH=str(ROOT)
    )
    around.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code, so the first run makes it
    command = [sys.executable, "-m", "gitsign_py", "audit", "--offline", *options]
    return run(command, repo, around | env, accepted=(0, 1))


def signed(folder: Path, sizes: Sizes, *, fresh: bool) -> Iterator[Row]:
    """Signed commits beside openssl, in turns, and once more from the cache."""
    folder.mkdir()
    repo, root = signed_repo(folder, sizes.signed, fresh=fresh).path, ("--trusted-root", str(folder / "root.json"))
    cores, rounds = os.cpu_count() or 1, max(2, sizes.rounds // 2)
    audit(repo, folder, *root)
    costs, kept, clock, processor = [], [], [], []
    for number in range(rounds):
        if number == 0 or not sizes.quick:  # a few seconds each time
            alone, together = openssl_speed(), openssl_speed(cores)
        costs.append(cost := audit(repo, folder, *root, "--no-cache"))
        kept.append(audit(repo, folder, *root))
        clock.append(100 * sizes.signed * _least(together, fresh=fresh) / cost.wall)
        processor.append(100 * sizes.signed * _least(alone, fresh=fresh) / cost.cpu)
    words = "a certificate each" if fresh else "certificates shared"
    shares = (
        Figure(
            "ECDSA's share of the clock on all cores", statistics.median(clock), 75 if fresh else None, "%", least=True
        ),
        Figure("ECDSA's share of the processor time", statistics.median(processor), None, "%"),
    )
    key, beside = "signed-fresh" if fresh else "signed-shared", "openssl speed, each check made"
    yield Row(key, f"{sizes.signed} signed, {words}", middle(costs), rounds, beside, figures=shares)
    limit = Figure("from the cache", middle(kept).wall, 0.5, " s")
    yield Row(f"{key}-kept", "    the same from the cache", middle(kept), rounds, figures=(limit,))


def _least(speed: dict[str, float], *, fresh: bool) -> float:
    """Seconds of ECDSA for one commit."""
    return P256 * speed["256"] + (P384 * speed["384"] if fresh else 0)


def unsigned(folder: Path, sizes: Sizes) -> Row:
    """Unsigned commits beside git's two commands."""
    repo = unsigned_repo(folder / "unsigned", sizes.unsigned).path
    found = in_turns({"ours": lambda: audit(repo, folder), "other": lambda: plain(repo)}, max(2, sizes.rounds // 2))
    return compared("unsigned", f"{sizes.unsigned} unsigned", found, beside=_PLAIN, wall=1.2)


def plain(repo: Path) -> Cost:
    """What git's two commands take."""
    return run(["sh", "-c", _PLAIN], repo, environment())


def mixed(folder: Path, sizes: Sizes) -> Iterator[Row]:
    """A history of all three formats, as in a large project, beside git's own verification of two of them."""
    rounds = max(1, sizes.rounds // 4)
    with MixedRepo(folder, sizes.mixed) as made:
        repo, options = made.repo.path, ("--trusted-root", str(folder / "root.json"))
        jobs = {
            "ours": lambda: audit(repo, folder, *options, "--no-cache", **made.variables),
            "other": lambda: _git_log(made.repo, made.allowed, made.variables),
        }
        found = in_turns(jobs, rounds, warm=0)
        audit(repo, folder, *options, **made.variables)
        kept = [audit(repo, folder, *options, **made.variables) for _ in range(rounds)]
    work, beside = f"{sizes.mixed} commits, three formats", "git log --format=%G? (Sigstore's left out)"
    row = compared("mixed", work, found, beside=beside)
    limits = (Figure("clock", row.ours.wall, 4, " s"), Figure("processor", row.ours.cpu, None, " s"))
    yield Row(row.key, work, row.ours, rounds, beside, row.other, limits)
    limit = Figure("from the cache", middle(kept).wall, 0.7, " s")
    yield Row("mixed-kept", "    the same from the cache", middle(kept), rounds, figures=(limit,))


def _git_log(repo: ScratchRepo, allowed: Path, variables: dict[str, str]) -> Cost:
    options = ["-c", f"gpg.ssh.allowedSignersFile={allowed}", "-c", "gpg.x509.program=true"]
    command = ["git", *options, "log", "--all", "--format=%G?"]
    return run(command, repo.path, environment(**variables))
