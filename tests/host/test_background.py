"""What goes on without us holds nothing of ours, and hears no Ctrl-C of our terminal."""

import os
import subprocess
import sys

from gitsign_py.host.background import let_go, start_in_background

_FACTS = """
import os
streams = (os.path.realpath(f"/proc/self/fd/{number}") for number in (0, 2))
print(os.getpid() == os.getsid(0) == os.getpgrp(), *streams, os.getcwd())
print(sorted(os.environ)[0], flush=True)
"""


def test_it_has_a_session_and_streams_of_its_own() -> None:
    process = start_in_background(
        [sys.executable, "-c", _FACTS], environment={"A": "1"}, directory="/", stdout=subprocess.PIPE
    )
    out, _ = process.communicate(timeout=20)
    assert out == b"True /dev/null /dev/null /\nA\n"
    assert process.returncode == 0


def test_nobody_waits_for_what_was_let_go() -> None:
    process = start_in_background([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        let_go(process)
        assert process.wait() == 0  # at once
    finally:
        os.kill(process.pid, 9)
        os.waitpid(process.pid, 0)
