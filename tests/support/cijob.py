"""A job of a CI: a checkout as it makes one, and the steps of a recipe, run in an environment of their own."""

import os
import re
import subprocess
from collections.abc import Mapping

from tests.support.gitrepo import ScratchRepo
from tests.support.pushserver import Server

MAIN = "refs/heads/main"


def program_on_path(server: Server, program: str = "gitsign-py") -> str:
    """A folder whose only programs are what a recipe calls by name."""
    folder = server.folder / "bin"
    folder.mkdir(exist_ok=True)
    if not (folder / program).exists():
        (folder / program).symlink_to(server.folder / "gitsign-py")
    return f"{folder}:{server.environment['PATH']}"


def pull_request(server: Server, signed: str | None, files: Mapping[str, str | None] | None = None) -> ScratchRepo:
    """A checkout as a CI makes it: HEAD detached at the change, branches of the server as remote ones.

    ``files`` are in the base branch too.
    """
    (server.bare.path / "hooks/pre-receive").unlink(missing_ok=True)
    policy = (server.folder / "policy.toml").read_text()
    base = server.history.commit(signed="alice", files={".gitsign/policy.toml": policy, **(files or {})})
    by = signed or "alice"
    change = server.history.commit(base, by=by, signed=signed, files={"a": "1"}, message="the change")
    assert server.push(f"{base}:{MAIN}", f"{change}:refs/heads/topic")[0] == 0
    checkout = ScratchRepo(server.folder / "checkout")
    ScratchRepo(server.folder).git("clone", "-q", str(server.bare.path), str(checkout.path))
    checkout.git("checkout", "-q", "--detach", "origin/topic")
    return checkout


PIP = """\
#!/bin/sh
# Takes what a recipe installs down, in place of an index.
echo "$@" >> {said}
"""
VENV = """\
#!/bin/sh
# Without -I the modules of the checkout come before Python's own.
test "$1 $2 $3" = "-I -m venv" && mkdir -p "$4/bin" && cp -P {folder}/pip {folder}/gitsign-py "$4/bin"
"""


def job_environment(server: Server, **variables: str) -> dict[str, str]:
    """What a job finds: nothing of our own environment, and no index to install from."""
    folder, said = server.folder / "bin", server.folder / "installed"
    program_on_path(server)
    for name, text in (("pip", PIP.format(said=said)), ("python3", VENV.format(folder=folder))):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return {
        "PATH": f"{folder}:{os.defpath}:/usr/bin:/bin",
        "HOME": str(server.folder / "home-of-ci"),
        "RUNNER_TEMP": str(server.folder / "runner temp"),
        "GITSIGN_TRUSTED_ROOT": str(server.folder / "trusted_root.json"),
        **variables,
    }


def run_job(server: Server, checkout: ScratchRepo, lines: list[str], **variables: str) -> int:
    """Run the steps as CI does: ``bash -e``, an end at the first that fails."""
    env = job_environment(server, **variables)
    for line in lines:
        done = subprocess.run(["bash", "-ec", line], cwd=checkout.path, env=env, capture_output=True, check=False)
        assert done.returncode in (0, 1), (line, done.stderr)
        if done.returncode:
            break
    package = variables.get("GITSIGN_PY") or variables["PACKAGE"]
    assert (server.folder / "installed").read_text() == f"install --quiet {package}\n", "a file, and never a bare name"
    assert line == lines[-1], "what comes before the audit goes well"
    return done.returncode


def expanded(text: str, variables: dict[str, str]) -> str:
    """What a runner makes of ``$NAME`` in the value of a variable."""
    return re.sub(r"\$(\w+)", lambda match: variables[match[1]], text)
