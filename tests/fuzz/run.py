"""Fuzz every target for some seconds each: ``python -m tests.fuzz.run 60``. Exit status 1 when one found something.

What is found stays in ``--findings`` (the current directory); put the input into the corpus when it is mended.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run all targets, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("seconds", type=int, help="for each target")
    parser.add_argument("--findings", type=Path, default=Path(), help="where inputs that broke something go")
    options = parser.parse_args()
    failed = [
        path.stem for path in sorted(HERE.glob("fuzz_*.py")) if not holds(path, options.seconds, options.findings)
    ]
    print("broken: " + ", ".join(failed) if failed else "all targets hold")
    return 1 if failed else 0


def holds(target: Path, seconds: int, findings: Path) -> bool:
    """Fuzz one target; its corpus is read and never written to."""
    with tempfile.TemporaryDirectory() as grown:
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=1024", "-timeout=10"]
        kept = f"-artifact_prefix={findings.resolve() / target.stem}-"
        command = [sys.executable, str(target), *limits, kept, grown, str(HERE / "corpus" / target.stem)]
        return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
