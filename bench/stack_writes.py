"""What a local stack takes in a second, by the number of writers: entries of Rekor v2, timestamps, searches.

A search is one by address, which finds 25,000 entries.

The requests are made before the clock starts. One loop over all connections writes them and looks at the answers'
status and length alone, so that it is the stack that is measured: its processor time is the process's own
(user and system), and holds on a machine that does other work too. The directory should be on a disk (``--dir``): in
memory a sync costs nothing.
"""

import argparse
import hashlib
import json
import os
import selectors
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gitsign_py.core.pki.timestampbuild import TimestampRequest, build_request
from gitsign_py.localstack.directory import DATABASE
from gitsign_py.localstack.rekor.rekorproposal import name_term
from tests.support.rekor2kit import ENTRIES, proposal
from tests.support.stack import running_stack

TIMESTAMPS = "/api/v1/timestamp"
EMAIL, HITS = "alice@example.com", 25_000
WHAT = ["entries", "timestamps", "searches"]
_LENGTH = b"content-length: "


def entry(name: str) -> bytes:
    """A request that writes an entry to Rekor v2."""
    return post(ENTRIES, "application/json", json.dumps(proposal(name.encode())).encode())


def post(path: str, media_type: str, body: bytes) -> bytes:
    """A whole request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def exchange_all(port: int, requests: Sequence[bytes], writers: int) -> None:
    """Send all ``requests`` on ``writers`` connections, each the next one when it has its answer."""
    waiting = list(reversed(requests))
    with selectors.DefaultSelector() as selector:
        for _ in range(min(writers, len(waiting))):
            link = socket.create_connection(("127.0.0.1", port))
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(link, selectors.EVENT_READ, (link, bytearray()))
            link.sendall(waiting.pop())
        while selector.get_map():
            for key, _ in selector.select():
                link, held = key.data
                if not answered(link, held):
                    continue
                if waiting:
                    link.sendall(waiting.pop())
                else:
                    selector.unregister(link)
                    link.close()


def answered(link: socket.socket, held: bytearray) -> bool:
    """Read what is there; True at the end of an answer, which must be one of success."""
    part = link.recv(1 << 16)
    held += part
    end = held.find(b"\r\n\r\n")
    if part and end < 0:
        return False
    if not held.startswith(b"HTTP/1.1 20"):
        raise SystemExit(f"the stack answered {bytes(held[:200])!r}")
    at = held[:end].lower().index(_LENGTH) + len(_LENGTH)
    if len(held) < end + 4 + int(held[at : held.index(b"\r\n", at)]):
        return False
    held.clear()
    return True


def searched(directory: Path) -> bytes:
    """Make an address findable in 25,000 entries that are in the index alone; the request that searches for it."""
    with closing(sqlite3.connect(directory / DATABASE)) as db, db:
        tree_id = db.execute("SELECT tree_id FROM keys WHERE role = 'rekor1'").fetchone()[0]
        hashes = (hashlib.sha256(b"%d" % number).digest() for number in range(HITS))
        rows = [(name_term(EMAIL), tree_id, place, one) for place, one in enumerate(hashes)]
        db.executemany("INSERT INTO search (term, tree_id, position, leaf_hash) VALUES (?, ?, ?, ?)", rows)
    return post("/api/v1/index/retrieve", "application/json", json.dumps({"email": EMAIL}).encode())


def processor_seconds(pid: int) -> float:
    """User and system time of a process (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    port: int, pid: int, writers: int, make: Callable[[str], bytes], entries: int, name: str
) -> tuple[float, float]:
    """Requests per second by the clock, and the stack's processor time for each in milliseconds."""
    requests = [make(f"{name} {number}") for number in range(entries)]
    spent, began = processor_seconds(pid), time.perf_counter()
    exchange_all(port, requests, writers)
    elapsed = time.perf_counter() - began
    return entries / elapsed, 1000 * (processor_seconds(pid) - spent) / entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=WHAT, nargs="+", default=WHAT)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--entries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=None, help="where the stack's directory is made")
    options = parser.parse_args()
    query = build_request(TimestampRequest("sha256", bytes(32), 1 << 63, True, None))
    stamped = post(TIMESTAMPS, "application/timestamp-query", query)
    with tempfile.TemporaryDirectory(dir=options.dir) as place, running_stack(Path(place) / "stack") as stack:
        search = searched(stack.directory)
        makers = {"entries": entry, "timestamps": lambda _: stamped, "searches": lambda _: search}
        port, pid = stack.info.port, stack.info.pid
        for what in options.what:
            count = options.entries // 20 if what == "searches" else options.entries
            measure(port, pid, 1, makers[what], 50, "warm")
            for writers in options.writers:
                rounds = [
                    measure(port, pid, writers, makers[what], count, f"{writers} {number}")
                    for number in range(options.rounds)
                ]
                rate, processor = (statistics.median(column) for column in zip(*rounds, strict=True))
                print(
                    f"{writers:3} writers: {rate:7.0f} {what}/s, {processor:.2f} ms of processor time each", flush=True
                )


if __name__ == "__main__":
    main()
