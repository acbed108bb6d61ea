"""Other people's programs: where they are, and a bench on which they run against the local stack."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.gitrepo import environment
from tests.support.processes import ending
from tests.support.stack import ROOT, RunningStack
from tests.support.waiting import wait_until

EMAIL = "alice@example.com"
ARTIFACT = b"signed by one program, verified by another\n"
_SOURCES = {
    "gitsign": "go mod download github.com/sigstore/gitsign@v0.14.0, and go build -mod=mod in a copy: .ci/run",
    "cosign": "go install github.com/sigstore/cosign/v3/cmd/cosign@latest",
    "fulcio": "go install github.com/sigstore/fulcio@latest",
    "rekor-cli": "go install github.com/sigstore/rekor/cmd/rekor-cli@latest",
    "timestamp-cli": "go install github.com/sigstore/timestamp-authority/cmd/timestamp-cli@v1.2.9",
    "omniwitness": "go install github.com/transparency-dev/witness/cmd/omniwitness@v0.0.0-20260720115447-2e1c6971d19e",
    "fsck": "go install github.com/transparency-dev/tessera/cmd/fsck@latest",
    "tesseract": "go build -o tesseract github.com/transparency-dev/tesseract/cmd/tesseract/posix, at v0.1.1",
    "rekor-server": "go install github.com/sigstore/rekor/cmd/rekor-server@v1.5.3",
    "rekor-tiles": "go build -o rekor-tiles github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix, at v2.3.0",
    "rekor_monitor": "go install github.com/sigstore/rekor-monitor/cmd/rekor_monitor@latest",
    "ct_monitor": "go install github.com/sigstore/rekor-monitor/cmd/ct_monitor@latest",
    "ctclient": "go install github.com/google/certificate-transparency-go/client/ctclient@latest",
}


def find_program(name: str, *, on_path: bool = True) -> str:
    """Its path: in GITSIGN_PY_TEST_TOOLS, on PATH, or where ``go install`` puts it. Skips the test without it."""
    path = os.environ.get("PATH", "") if on_path else ""
    folders = (os.environ.get("GITSIGN_PY_TEST_TOOLS", ""), path, str(Path.home() / "go/bin"))
    found = shutil.which(name, path=os.pathsep.join(folder for folder in folders if folder))
    if found is None:
        pytest.skip(f"{name} is not here ({_SOURCES[name]}; then PATH or GITSIGN_PY_TEST_TOOLS)")
    return found


def find_node_package(name: str) -> str:
    """The folder of node packages that this one is in, for NODE_PATH. Skips the test without node or the package."""
    tools = Path(os.environ.get("GITSIGN_PY_TEST_TOOLS", "/nowhere"))
    if shutil.which("node") is None or not (tools / "node_modules" / name).is_dir():
        pytest.skip(f"{name} is not here (npm install --prefix $GITSIGN_PY_TEST_TOOLS {name})")
    return str(tools / "node_modules")


def built_with_go(source: Path, folder: Path) -> str:
    """A program of the Go module in ``source``, built into ``folder``. Skips the test without go, or its modules."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not here (https://go.dev/dl)")
    made = folder / source.name
    done = subprocess.run(
        [go, "build", "-o", str(made), "."], cwd=source, capture_output=True, timeout=240, check=False
    )
    if done.returncode:
        pytest.skip(f"go cannot build {source.name}: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return str(made)


@contextmanager
def serving(command: Sequence[str], folder: Path, is_up: Callable[[], bool]) -> Iterator[None]:
    """Run somebody's server from when ``is_up`` says so; what it says stands in the folder's file ``out``."""

    def answers() -> bool:
        try:
            return is_up()
        except OSError:
            return False

    said = folder / "out"
    with said.open("ab") as out, ending(subprocess.Popen(command, stdout=out, stderr=out, cwd=folder)) as child:
        try:
            wait_until(lambda: child.poll() is not None or answers())
            assert child.poll() is None, said.read_text()[-2000:]
            yield
        finally:
            child.terminate()


@dataclass
class ForeignBench:
    """A directory with an artifact in it; programs run there with a home of their own and nothing of the tester's."""

    folder: Path
    stack: RunningStack
    environment: dict[str, str] = field(default_factory=dict)
    """What programs get besides."""

    def __post_init__(self) -> None:
        (self.folder / "home").mkdir()
        self.artifact.write_bytes(ARTIFACT)

    @property
    def artifact(self) -> Path:
        return self.folder / "artifact"

    @property
    def who(self) -> list[str]:
        """The flags that ask for Alice, as cosign and we name them."""
        return ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", self.stack.url]

    @property
    def trust(self) -> list[str]:
        """The flag that names the stack's trust root, for cosign and for us."""
        return ["--trusted-root", str(self.stack.trusted_root)]

    def run(self, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a program; a token is in SIGSTORE_ID_TOKEN."""
        variables = {"HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT), "COSIGN_PASSWORD": "secret"}
        token = {"SIGSTORE_ID_TOKEN": self.stack.token()}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment(**variables | token | self.environment | env),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def good(self, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a program that must succeed."""
        done = self.run(*command, **env)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done

    def ours(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run gitsign-py."""
        return self.run(sys.executable, "-m", "gitsign_py", *arguments, **env)

    def signing_config(self, rekor: int, *, timestamps: bool) -> str:
        """The stack's signing configuration with one version of Rekor, and with timestamps or without."""
        value = json.loads((self.stack.directory / "signing_config.json").read_text())
        value["rekorTlogUrls"] = [url for url in value["rekorTlogUrls"] if url["majorApiVersion"] == rekor]
        if not timestamps:
            value["tsaUrls"] = []
            del value["tsaConfig"]
        path = self.folder / f"signing-config-{rekor}-{timestamps}.json"
        path.write_text(json.dumps(value))
        return str(path)

    def log_kinds(self, bundle: str) -> list[str]:
        """Kind and version of each log entry of a bundle."""
        material = json.loads((self.folder / bundle).read_text())["verificationMaterial"]
        return [" ".join(entry["kindVersion"].values()) for entry in material.get("tlogEntries", [])]
