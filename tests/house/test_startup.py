"""What a command must not load: git starts the program for every commit (docs/architecture.md, "Start-up")."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.workbench import EMAIL, Workbench

pytestmark = pytest.mark.unmeasured  # coverage loads modules of its own

_RUN = """\
import atexit, json, sys
out = sys.argv.pop(1)
def note():
    quick = sys.meta_path[-2].__name__ == "OwnModules" and sys.modules["gitsign_py.errors"].__loader__.__module__
    open(out, "w").write(json.dumps([quick, sorted(sys.modules)]))
atexit.register(note)
from gitsign_py.cli import main
sys.exit(main())
"""
PAYLOAD = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author A <alice@example.com> 1 +0000\ncommitter A <alice@example.com> 1 +0000\n\nhi\n"
)
HEAVY = {
    "requests",
    "urllib3",
    "dulwich",
    "keyring",
    "rich",
    "tuf",
    "jwt",
    "starlette",
    "uvicorn",
    "asn1crypto",
    "id",
    "re2",
    "cryptography.x509",
}

NETWORK = {"http.client", "http.cookiejar", "email", "urllib.request", "certifi", "platformdirs", "shutil", "tempfile"}
"""What the libraries for HTTP bring with them, and what else no signature needs."""
PROCESSES = {"subprocess", "threading", "selectors"} if sys.platform == "linux" else set()
"""What ``subprocess`` loads, which starts no git there."""
RARE = {
    "gitsign_py.verification.smime",
    "gitsign_py.core.pki.distinguished",
    "gitsign_py.verification.witnessed",
    "gitsign_py.core.dsse",
    "random",
    "hmac",
    "hashlib",
    "socket",
    "textwrap",
    "cryptography.hazmat.primitives.asymmetric.rsa",
}
"""Of ours and of others: what an ordinary signature has nothing of."""
CHECKING = {"gitsign_py.signing.flow", "gitsign_py.signing.wanted", "gitsign_py.core.sigstore.token", "selectors"}


def loaded(bench: Workbench, *arguments: str, stdin: bytes = b"") -> set[str]:
    """Run a command in a process of its own; gives the modules that it loaded."""
    out = bench.folder / "modules.json"
    done = bench.run([sys.executable, "-c", _RUN, str(out), *arguments], stdin=stdin)
    assert done.returncode == 0, done.stderr
    quick, modules = json.loads(out.read_text())
    assert quick == "gitsign_py.cli.ownmodules"  # right before Python's own finder: hooks of others come first
    return set(modules)


def test_the_package_alone_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import gitsign_py; print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "['gitsign_py']"


def test_offline_verify_loads_no_network_and_no_heavy_library(bench: Workbench) -> None:
    bench.commit()
    modules = loaded(bench, "verify", "--offline", *bench.who, "HEAD")
    assert not modules & (HEAVY | NETWORK | RARE | PROCESSES | {"ssl", "gitsign_py.signing.flow", "gitsign_py.agent"})
    assert "gitsign_py.policy.facts" not in modules


def test_the_front_verifies_without_network(bench: Workbench) -> None:
    (bench.folder / "sig").write_bytes(bench.tool("-bsau", EMAIL, stdin=PAYLOAD).stdout)
    modules = loaded(bench, "--status-fd=2", "--verify", str(bench.folder / "sig"), "-", stdin=PAYLOAD)
    assert not modules & (HEAVY | NETWORK | RARE | CHECKING | {"argparse", "gitsign_py.clients.session"})


def test_signing_loads_no_heavy_library(bench: Workbench) -> None:
    """Servers on this machine are asked without TLS; https would load ssl and socket, and nothing else."""
    modules = loaded(bench, "--status-fd=2", "-bsau", EMAIL, stdin=PAYLOAD)
    assert not modules & (HEAVY | NETWORK | RARE | {"argparse", "ssl", "gitsign_py.localstack"})


def test_a_verification_that_asks_the_log_loads_no_heavy_library(bench: Workbench) -> None:
    bench.git("config", "gitsign.rekorMode", "online")
    bench.commit()
    modules = loaded(bench, "verify", *bench.who, "HEAD")
    assert "gitsign_py.clients.rekor" in modules
    assert "gitsign_py.host.git.notes" in modules
    assert "gitsign_py.host.git.directnames" not in modules  # it reads a repository without git, by the policy's code
    assert not modules & (HEAVY | NETWORK | {"ssl"})


_HTTPS = """\
import sys
from gitsign_py.clients.http.connections import Connections
from gitsign_py.host.network import Network
Connections(Network({})).prepare("https://rekor.example.com")
print("ssl" in sys.modules, sorted(name for name in sys.modules if name.split(".")[0] in sys.argv[1:]))
"""


def test_tls_loads_ssl_alone() -> None:
    names = sorted(HEAVY | {"email", "http", "certifi", "importlib.resources", "tempfile"})
    done = subprocess.run([sys.executable, "-c", _HTTPS, *names], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


@pytest.mark.parametrize("command", [["--help"], ["stack", "status"], ["hooks", "--help"]])
def test_small_commands_stay_small(bench: Workbench, command: list[str]) -> None:
    out = bench.folder / "modules.json"
    bench.run([sys.executable, "-c", _RUN, str(out), *command])
    _, modules = json.loads(out.read_text())
    assert not set(modules) & {"requests", "dulwich", "tuf", "starlette", "uvicorn", "cryptography"}


_THIN = """\
import sys
sys.path.insert(0, sys.argv[1])
import gitsign_py.agent.client
heavy = {"cryptography", "json", "socket", "argparse", "dataclasses", "typing"}
print(sorted(name for name in sys.modules if name.split(".")[0] in heavy))
"""


def test_the_thin_client_of_the_agent_loads_the_standard_library_alone() -> None:
    command = [sys.executable, "-S", "-c", _THIN, str(Path(__file__).parents[2])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
