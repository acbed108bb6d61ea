"""A process of the program, and what it used: itself and those that it waited for."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.gitrepo import environment

ROOT = Path(__file__).resolve().parents[2]
# A process starts with the peak of the one that made it, and the tests are a large one: a small one stands between.
_LAUNCHER = """
import json, os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
child = subprocess.Popen(sys.argv[1:], stdout=2)
_, status, used = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
seconds, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
print(json.dumps({"status": child.returncode, "seconds": seconds, "megabytes": megabytes}))
"""


@dataclass(frozen=True)
class Used:
    """How it ended, what it wrote, and the processor time and the largest process of it."""

    status: int
    text: str
    seconds: float
    megabytes: float


def run_measured(folder: Path, *arguments: str, stdin: bytes = b"", **more: str) -> Used:
    """Run the program in ``folder``."""
    places = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    env = {name: value for name, value in environment(**places, **more).items() if not name.startswith("COV")}
    command = [sys.executable, "-c", _LAUNCHER, sys.executable, "-m", "gitsign_py", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, input=stdin, capture_output=True, check=False)
    assert done.stdout, done.stderr
    used = json.loads(done.stdout)
    return Used(used["status"], done.stderr.decode(errors="replace"), used["seconds"], used["megabytes"])
