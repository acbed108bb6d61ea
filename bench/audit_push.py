"""How long a push of signed commits through pre-receive takes, over a path and over http on loopback, with and without.

    python bench/audit_push.py [--commits 2000] [--rounds 3]

By two policies: the signer administers it, or a rule with paths judges the signer, so that trees are read too.
"""

import argparse
import http.server
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.audit_history import P256, openssl_speed  # noqa: E402
from gitsign_py.cli.commands.hooks import shim  # noqa: E402
from tests.hooks.conftest import POLICY  # noqa: E402
from tests.support.bulksigner import BulkSigner  # noqa: E402
from tests.support.gitrepo import ScratchRepo, environment  # noqa: E402
from tests.support.history import History  # noqa: E402

BY_PATHS = POLICY.replace('administrators = ["alice"]', 'administrators = ["bob"]').replace(
    'allow = ["alice"]', 'paths = ["/d*/**"]\nallow = ["alice"]'
)


class GitOverHttp(http.server.BaseHTTPRequestHandler):
    """git-http-backend (CGI, RFC 3875) behind Python's own server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(b"".join(self._chunks()))

    def _chunks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        request = {
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, stdout=subprocess.PIPE, env={**os.environ, **request}, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(value[:3]) for name, value in fields if name == "Status"), 200)
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def server_repo(folder: Path, name: str, *, hook: bool) -> ScratchRepo:
    bare = ScratchRepo.init(folder / name, "--bare")
    for key, value in (
        ("gitsign.policy", str(folder / "policy.toml")),
        ("gitsign.trustedRoot", str(folder / "root.json")),
        ("http.receivepack", "true"),
    ):
        bare.git("config", key, value)
    if hook:
        path = bare.path / "hooks/pre-receive"
        path.parent.mkdir(exist_ok=True)
        path.write_text(shim("pre-receive", str(folder / "gitsign-py")))
        path.chmod(0o755)
    return bare


def push(clone: ScratchRepo, url: str, home: Path) -> float:
    began = time.perf_counter()
    done = clone.run(
        "-c", "http.postBuffer=500000000", "push", "-q", url, "main:refs/heads/main", stdin=b"", HOME=str(home)
    )
    assert done.returncode == 0, done.stderr.decode()
    return time.perf_counter() - began


def processor_time() -> float:
    """Seconds of all processes that have ended: both sides of a push are ours."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "gitsign-py"
        program.write_text(f'#!/bin/sh\nHOME={folder} PYTHONPATH={ROOT} exec {sys.executable} -m gitsign_py "$@"\n')
        program.chmod(0o755)
        signer = BulkSigner(folder / "authority")
        history = History(signer=signer.sign)
        tip = history.commit(signed="alice")
        for number in range(options.commits - 1):
            tip = history.commit(tip, signed="alice", files={f"d{number % 20}/f{number}": "x"})
        (folder / "root.json").write_bytes(signer.trusted_root_json)
        clone = ScratchRepo.init(folder / "clone")
        history.write(clone.path / ".git", {"refs/heads/main": tip})
        clone.git("gc", "-q")
        os.environ |= environment(
            GIT_PROJECT_ROOT=str(folder),
            GIT_HTTP_EXPORT_ALL="1",
        )
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), GitOverHttp)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        print(f"ECDSA alone: {options.commits * P256 * openssl_speed()['256']:.2f} s of processor")
        for transport, prefix in (("file", f"file://{folder}"), ("http", f"http://127.0.0.1:{web.server_port}")):
            for what, policy in (("no hook", ""), ("judged", POLICY), ("judged by paths", BY_PATHS)):
                took = []
                (folder / "policy.toml").write_text(policy)
                for number in range(options.rounds):
                    bare = server_repo(folder, f"{transport}-{what.replace(' ', '-')}-{number}.git", hook=bool(policy))
                    before = processor_time()
                    took.append((push(clone, f"{prefix}/{bare.path.name}", folder), processor_time() - before))
                    shutil.rmtree(folder / ".cache", ignore_errors=True)
                    shutil.rmtree(bare.path)
                wall, cpu = (statistics.median(figures) for figures in zip(*took, strict=True))
                print(f"{options.commits} signed commits over {transport}, {what}:", end=" ")
                print(f"{wall:.2f} s ({cpu:.2f} s of processor)", flush=True)


if __name__ == "__main__":
    main()
