"""How many entries of a tiled log the monitor follows in a second, beside ``sha256sum`` over the same bytes.

The log is made first: entries of Rekor v2 by one certificate over different digests, in tiles, signed by a key of this
script, and given out by a small server in a process of its own. Then the monitor follows it from its first entry in a
fresh process, once without a watch list and once with an address to look for. Peak memory is that of the process.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gitsign_py.clients.session import HttpSession
from gitsign_py.core.encoding import opaque, parse_rfc3339
from gitsign_py.core.pki.keys import load_spki
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.checkpoint import Checkpoint, seal_checkpoint
from gitsign_py.core.tlog.compactrange import CompactRange
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v002_body
from gitsign_py.core.tlog.tiles import TILE_WIDTH, bundle_path, subtree_hash, tile_path
from gitsign_py.core.trust.root import TransparencyLogInstance, TrustedRoot, Validity
from gitsign_py.monitor.follow import Options, follow
from gitsign_py.monitor.rekorsources import Rekor2Source
from gitsign_py.monitor.state import Store
from gitsign_py.monitor.watch import Watch, watching
from tests.support.rekor2kit import CERTIFICATE

ORIGIN = "bench.example"
SEED = b"\x07" * 32


@dataclass(frozen=True)
class Made:
    """A log in a folder, by its size."""

    folder: Path
    size: int


def body(number: int) -> bytes:
    digest = hashlib.sha256(b"%d" % number).digest()
    return hashedrekord_v002_body(digest, b"%064d" % number, CERTIFICATE, "PKIX_ECDSA_P256_SHA_256")


def key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(SEED)


def trust() -> TrustedRoot:
    spki = key().public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = load_spki(spki)
    window = Validity(parse_rfc3339("2020-01-01T00:00:00Z"), None)
    log_id = note.key_id(ORIGIN, public)
    return TrustedRoot(
        tlogs=(TransparencyLogInstance(f"https://{ORIGIN}", "SHA2_256", public, "PKIX_ED25519", window, log_id),)
    )


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def make(folder: Path, size: int) -> Made:
    """Write the tiles, row by row."""
    api = folder / "api" / "v2"
    part = CompactRange()
    row: list[bytes] = []
    for at in range(0, size, TILE_WIDTH):
        bodies = [body(number) for number in range(at, min(at + TILE_WIDTH, size))]
        write(api / bundle_path(at // TILE_WIDTH, len(bodies)), b"".join(opaque(one, 2) for one in bodies))
        leaves = [merkle.leaf_hash(one) for one in bodies]
        part = part.appended(leaves)
        row += leaves
    level = 0
    while row:
        above: list[bytes] = []
        for at in range(0, len(row), TILE_WIDTH):
            tile = tuple(row[at : at + TILE_WIDTH])
            write(api / tile_path(level, at // TILE_WIDTH, len(tile)), b"".join(tile))
            above += [subtree_hash(tile)] if len(tile) == TILE_WIDTH else []
        row, level = above, level + 1
    head = Checkpoint(ORIGIN, size, part.root())
    write(api / "checkpoint", seal_checkpoint(head, trust().tlogs[0].public_key, key().sign))
    return Made(folder, size)


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as servers do: the end of each answer would wait for an acknowledgement
    wbufsize = -1  # head and body in one

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


def serve(folder: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def served(made: Made) -> Iterator[str]:
    child = subprocess.Popen([sys.executable, __file__, "--serve", str(made.folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
    finally:
        child.terminate()
        child.wait(20)


def run(url: str, state: str, *, watch: bool) -> None:
    """One run in this process; prints what it cost."""
    watches = (Watch("w", identity="watched@example.com"),) if watch else ()
    began, spent = time.perf_counter(), time.process_time()
    with HttpSession() as session, Store(Path(state)) as store:
        source = Rekor2Source(session, url, trust())
        done = follow(source, store, Options(watching(watches, now=1), lambda: 1, 0))
        (kept,) = store.trees()
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    peak = peak_memory()
    checked = kept.checked is not None and kept.checked.root() == kept.root
    print(
        json.dumps(
            {"read": done.read, "seconds": seconds, "cpu": spent, "peak": peak, "checked": checked}
            | {"alarms": len(done.alarms)}
        )
    )


def peak_memory() -> int:
    """MiB that this program took at most; getrusage's figure has the parent's memory from before exec in it."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    elif options.run:
        run(options.run[0], options.run[1], watch=options.run[2] == "watch")
    else:
        for size in options.entries:
            measure(size)


def measure(size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = make(Path(name) / "log", size)
        bundles = sorted(str(path) for path in (made.folder / "api/v2/tile/entries").rglob("*") if path.is_file())
        total = sum(Path(path).stat().st_size for path in bundles)
        began, spent = time.perf_counter(), children()
        subprocess.run(
            ["xargs", "sha256sum"], input="\n".join(bundles), text=True, stdout=subprocess.DEVNULL, check=True
        )
        plain, spent = time.perf_counter() - began, children() - spent
        print(f"{size} entries, {total >> 20} MiB: sha256sum {rates(size, plain, spent)}", flush=True)
        with served(made) as url:
            for mode in ("plain", "watch"):
                command = [sys.executable, __file__, "--run", url, f"{name}/{mode}/state", mode]
                found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                rate = rates(found["read"], found["seconds"], found["cpu"])
                print(f"  {mode}: {rate}, peak {found['peak']} MiB, root checked: {found['checked']}", flush=True)


def children() -> float:
    """Processor seconds of the processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rates(entries: int, seconds: float, spent: float) -> str:
    """Entries a second by the clock, and by processor time, which other work on the machine does not disturb."""
    return f"{entries / seconds:,.0f} entries/s by the clock, {entries / spent:,.0f} by processor time"


if __name__ == "__main__":
    main()
