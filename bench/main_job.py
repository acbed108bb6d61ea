"""The main job as whole processes: start-up, `git commit -S` against the local stack, verify, with and without agent.

    python bench/main_job.py [RUNS]

What the servers take is measured beside it: the same requests by a client that is running already.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from timing import measure, table

from gitsign_py.clients.fulcio import FulcioClient
from gitsign_py.clients.oidc_static import StackTokenSource
from gitsign_py.clients.rekor import RekorClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.localstack.clientenv import environment as stack_environment
from gitsign_py.localstack.process import StackInfo, start_detached, stop
from gitsign_py.signing.credential import CredentialRequest
from gitsign_py.signing.flow import SigningOptions, SigningServices, sign_payload

PROGRAM = str(Path(sys.executable).with_name("gitsign-py"))
PAYLOAD = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\n\n%d\n"
)


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def servers_share(info: StackInfo, runs: int) -> float:
    """Median milliseconds of the whole flow in a warm process, signing and checking included: an upper bound."""
    root = parse_trusted_root(info.trusted_root.read_bytes())
    with HttpSession() as http:
        services = SigningServices(
            tokens=StackTokenSource(http, info.url, "a@example.com"),
            authority=FulcioClient(http, info.url),
            log=RekorClient(http, info.url),
            clock=Clock(),
            random=os.urandom,
        )
        options = SigningOptions(CredentialRequest(root))
        times = []
        for number in range(runs + 2):
            started = time.perf_counter()
            sign_payload(PAYLOAD % number, services=services, options=options)
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[2:])


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    folder = Path(tempfile.mkdtemp(prefix="gitsign-py-bench-"))
    info = start_detached(folder / "stack", ["--port", "0"])
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT", "SIGSTORE"))}
    env |= {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "GIT_CONFIG_NOSYSTEM": "1"} | stack_environment(info)
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    repo = folder / "repo"
    try:
        subprocess.run(["git", "init", "-q", str(repo)], env=env, check=True)
        for key, value in {
            "user.name": "A", "user.email": "a@example.com", "gpg.format": "x509", "gpg.x509.program": PROGRAM,
            "gitsign.agent": "off",
        }.items():  # fmt: skip
            subprocess.run(["git", "config", key, value], cwd=repo, env=env, check=True)
        commit = ["git", "commit", "-q", "--allow-empty", "-m", "x"]
        subprocess.run([*commit, "-S"], cwd=repo, env=env, check=True, capture_output=True)
        python = sys.executable
        commands = {
            "python -c pass": [python, "-c", "pass"],
            "cryptography's EC primitives": [python, "-c", "from cryptography.hazmat.primitives.asymmetric import ec"],
            "cryptography.x509 with asn1crypto.cms": [
                python,
                "-c",
                "from cryptography import x509; from asn1crypto import cms",
            ],
            "gitsign-py --help": [PROGRAM, "--help"],
            "git commit (unsigned)": commit,
            "git commit -S (no agent)": [*commit, "-S"],
            "gitsign-py verify --offline HEAD": [PROGRAM, "verify", "-q", "--offline", "--any-identity", "HEAD"],
            "git verify-commit HEAD (no agent)": ["git", "verify-commit", "HEAD"],
        }
        print(table(measure(commands, runs=runs, cwd=repo, env=env)))
        print(f"{'the signing flow in a warm process':<44} {'':8} {servers_share(info, runs):8.1f}")
        subprocess.run(["git", "config", "gitsign.agent", "on"], cwd=repo, env=env, check=True)
        subprocess.run([PROGRAM, "agent", "start"], cwd=repo, env=env, check=True, capture_output=True)
        with_agent = {
            "git commit -S (agent)": [*commit, "-S"],
            "git verify-commit HEAD (agent)": ["git", "verify-commit", "HEAD"],
        }
        print(table(measure(with_agent, runs=runs, cwd=repo, env=env, warm=2)))
    finally:
        subprocess.run([PROGRAM, "agent", "stop"], cwd=folder, env=env, check=False, capture_output=True)
        stop(folder / "stack")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
