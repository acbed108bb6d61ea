"""How many entries a local stack takes in a second, by the number of writers.

The requests are made before the clock starts, and each writer keeps its connection. The stack is a process of its own.
The directory should be on a disk (``--dir``): in memory a sync costs nothing.
"""

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.rekor2kit import ENTRIES, proposal
from tests.support.stack import running_stack


def write_all(port: int, bodies: list[bytes], start: threading.Barrier) -> None:
    """One writer: its requests one after the other on one connection; each must be answered with 201."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    start.wait()
    for body in bodies:
        connection.request("POST", ENTRIES, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise SystemExit(f"the stack answered {answer.status}")
    connection.close()


def rate(port: int, writers: int, entries: int, name: str) -> float:
    """Entries per second of ``writers`` at once."""
    each = entries // writers
    start = threading.Barrier(writers + 1)
    work = [
        [json.dumps(proposal(f"{name} {writer} {number}".encode())).encode() for number in range(each)]
        for writer in range(writers)
    ]
    threads = [threading.Thread(target=write_all, args=(port, bodies, start)) for bodies in work]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return each * writers / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=None, help="where the stack's directory is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as place, running_stack(Path(place) / "stack") as stack:
        rate(stack.info.port, 1, 50, "warm")
        for writers in options.writers:
            rates = [
                rate(stack.info.port, writers, options.entries, f"{writers} {number}")
                for number in range(options.rounds)
            ]
            print(f"{writers:3} writers: {statistics.median(rates):7.0f} entries/s", flush=True)


if __name__ == "__main__":
    main()
