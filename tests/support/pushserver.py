"""A server with a hook, and clones that push to it with the real git."""

import os
from dataclasses import dataclass
from pathlib import Path

from gitsign_py.cli.commands.hooks import shim
from gitsign_py.policy.model import POLICY_PATH
from tests.support import warm
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import ISSUER, History

ROOT = Path(__file__).resolve().parents[2]
POLICY = f"""\
version = 1
administrators = ["alice"]
unjudged = ["refs/notes/**"]

[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]

[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]

[[rules]]
name = "main"
refs = ["refs/heads/main", "refs/tags/**"]
allow = ["alice"]

[[rules]]
name = "rest"
allow = ["alice", "bob"]
"""


@dataclass
class Server:
    """A bare repository, and the language for histories that are pushed to it."""

    folder: Path
    bare: ScratchRepo
    history: History
    environment: dict[str, str]

    def push(self, *refspecs: str) -> tuple[int, str]:
        """Write the history's objects into a clone and push with the real git; gives exit status and stderr."""
        return self.push_to(str(self.bare.path), *refspecs)

    def push_to(self, url: str, *refspecs: str) -> tuple[int, str]:
        """The same to the server by another name of it."""
        clone = ScratchRepo.init(self.folder / "clone")
        self.history.write(clone.path / ".git", {})
        done = clone.run("push", url, *refspecs, stdin=b"", **self.environment)
        return done.returncode, done.stderr.decode()

    def told(self, *changes: tuple[str, str, str]) -> str:
        """Speak to git receive-pack ourselves, which needs no pack to delete: (old, new, ref); gives its stderr.

        What a pusher says of the old value is theirs (gitprotocol-pack(5)).
        """
        lines = [f"{old} {new} {ref}\0report-status delete-refs".encode() for old, new, ref in changes]
        said = b"".join(b"%04x%s" % (len(line) + 4, line) for line in lines) + b"0000"
        return self.bare.run("receive-pack", ".", stdin=said, **self.environment).stderr.decode()

    def ref(self, name: str) -> str:
        return self.bare.run("rev-parse", "-q", "--verify", name).stdout.decode().strip()

    def install(self, *names: str) -> None:
        for name in names:
            path = self.bare.path / "hooks" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(shim(name, str(self.folder / "gitsign-py")))
            path.chmod(0o755)

    def config(self, key: str, value: str) -> None:
        self.bare.git("config", key, value)


def make_server(folder: Path, signer: BulkSigner, *options: str) -> Server:
    """A server with a policy and the pre-receive hook; ``options`` are those of git init."""
    warm.program(folder / "gitsign-py")
    (folder / "trusted_root.json").write_bytes(signer.trusted_root_json)
    (folder / "policy.toml").write_text(POLICY)
    bare = ScratchRepo.init(folder / "server.git", "--bare", *options)
    environment = {
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "data"),
        "PATH": os.environ["PATH"],
    }
    made = Server(folder, bare, History(signer=signer.sign), environment)
    made.config("gitsign.trustedRoot", str(folder / "trusted_root.json"))
    made.config("gitsign.policy", str(folder / "policy.toml"))
    made.install("pre-receive")
    return made


def in_history(server: Server, policy: str = POLICY) -> str:
    """Switch the server to the policy in the history; gives the introduction."""
    intro = server.history.commit(signed="alice", files={POLICY_PATH: policy})
    server.config("gitsign.policyMode", "history")
    server.config("gitsign.introduction", intro)
    return intro
