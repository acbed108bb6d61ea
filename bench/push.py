"""A push of signed commits through pre-receive, over a path and over http on loopback, beside the same without a hook.

By two policies: the signer administers it, or a rule with paths judges the signer, so that trees are read too.
"""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.kinds import packed
from bench.options import Sizes
from bench.rows import Figure, Row, compared
from bench.timing import Cost, in_turns, run
from gitsign_py.cli.commands.hooks import shim
from tests.hooks.conftest import POLICY
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History

ROOT = Path(__file__).resolve().parents[1]
BY_PATHS = POLICY.replace('administrators = ["alice"]', 'administrators = ["bob"]').replace(
    'allow = ["alice"]', 'paths = ["/d*/**"]\nallow = ["alice"]'
)


class GitOverHttp(http.server.BaseHTTPRequestHandler):
    """git-http-backend (CGI, RFC 3875) behind Python's own server."""

    env: Mapping[str, str] = os.environ
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
            ["git", "http-backend"], input=body, stdout=subprocess.PIPE, env={**self.env, **request}, check=False
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


@dataclass(frozen=True)
class Served:
    """A clone to push from, and the servers' folder."""

    folder: Path
    clone: ScratchRepo
    env: Mapping[str, str]

    def push(self, prefix: str, policy: str) -> Cost:
        """Push everything to a new repository."""
        (self.folder / "policy.toml").write_text(policy)
        bare = self._server(hook=bool(policy))
        url = f"{prefix}/{bare.path.name}"
        command = ["git", "-c", "http.postBuffer=500000000", "push", "-q", url, "main:refs/heads/main"]
        cost = run(command, self.clone.path, self.env)
        shutil.rmtree(self.folder / ".cache", ignore_errors=True)
        shutil.rmtree(bare.path)
        return cost

    def _server(self, *, hook: bool) -> ScratchRepo:
        bare = ScratchRepo.init(self.folder / "server.git", "--bare")
        for key, value in (
            ("gitsign.policy", str(self.folder / "policy.toml")),
            ("gitsign.trustedRoot", str(self.folder / "root.json")),
            ("http.receivepack", "true"),
        ):
            bare.git("config", key, value)
        if hook:
            path = bare.path / "hooks/pre-receive"
            path.parent.mkdir(exist_ok=True)
            path.write_text(shim("pre-receive", str(self.folder / "gitsign-py")))
            path.chmod(0o755)
        return bare


@contextmanager
def web_server(env: Mapping[str, str]) -> Iterator[str]:
    """git-http-backend on loopback; gives the URL."""
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Backend", (GitOverHttp,), {"env": env}))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{web.server_port}"
    finally:
        web.shutdown()
        web.server_close()


def served(folder: Path, count: int) -> Served:
    """A clone of ``count`` signed commits in packs, and a program for the hook."""
    folder.mkdir()
    program = folder / "gitsign-py"
    program.write_text(f'#!/bin/sh\nHOME={folder} PYTHONPATH={ROOT} exec {sys.executable} -m gitsign_py "$@"\n')
    program.chmod(0o755)
    signer = BulkSigner(folder / "authority")
    history = History(signer=signer.sign)
    tip = history.commit(signed="alice")
    for number in range(count - 1):
        tip = history.commit(tip, signed="alice", files={f"d{number % 20}/f{number}": "x"})
    (folder / "root.json").write_bytes(signer.trusted_root_json)
    env = environment(HOME=str(folder), GIT_PROJECT_ROOT=str(folder), GIT_HTTP_EXPORT_ALL="1")
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code
    return Served(folder, packed(history, folder / "clone", tip), env)


def rows(folder: Path, sizes: Sizes) -> Iterator[Row]:
    """All rows of this part. Over http the server's processes are this one's, so there only the clock tells."""
    at, rounds = served(folder / "push", sizes.pushed), max(2, sizes.rounds // 3)
    with web_server(at.env) as url:
        for transport, prefix in (("file", f"file://{at.folder}"), ("http", url)):
            for words, policy in (("judged", POLICY), ("judged by paths", BY_PATHS)):
                jobs = {
                    "ours": lambda prefix=prefix, policy=policy: at.push(prefix, policy),  # type: ignore[misc]
                    "other": lambda prefix=prefix: at.push(prefix, ""),
                }
                work = f"push of {sizes.pushed} over {transport}, {words}"
                key = f"push-{transport}-{words.replace(' ', '-')}"
                row = compared(key, work, in_turns(jobs, rounds), beside="a push without a hook")
                limit = 1.0 if words == "judged" else None
                yield Row(
                    key, work, row.ours, rounds, row.beside, row.other, (Figure("clock", row.ours.wall, limit, " s"),)
                )
