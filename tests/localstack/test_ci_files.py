"""The GitHub action and the GitLab template: their shell lines, run as a runner would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gitsign_py.localstack import process
from tests.support.stack import ROOT

STAND_IN = """\
#!/bin/sh
# python3 -m venv DIRECTORY: with the program of this checkout, and a pip that installs nothing
mkdir -p "$3/bin"
printf '#!/bin/sh\\n[ "$1" = install ] && echo "$4" >"%s/installed"\\n' "$3" >"$3/bin/pip"
printf '#!/bin/sh\\nexec "{python}" -m gitsign_py "$@"\\n' >"$3/bin/gitsign-py"
chmod +x "$3/bin/pip" "$3/bin/gitsign-py"
"""


@pytest.fixture
def runner(tmp_path: Path) -> dict[str, str]:
    """The environment of a job whose python3 makes such environments."""
    shim = tmp_path / "shim" / "python3"
    shim.parent.mkdir()
    shim.write_text(STAND_IN.format(python=sys.executable))
    shim.chmod(0o755)
    return {**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def test_the_github_action_exports_a_running_sigstore(tmp_path: Path, runner: dict[str, str]) -> None:
    action = yaml.safe_load((ROOT / "ci" / "github" / "action.yml").read_text())
    [step] = action["runs"]["steps"]
    outside = {
        "PACKAGE": "",
        "ACTIONS_FOR": "acme/app",
        "OPTIONS": "--fault no-sct",
        "DIRECTORY": str(tmp_path / "d"),
    }
    assert set(step["env"]) == set(outside)
    files = {name: tmp_path / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
    place = {"GITHUB_ACTION_PATH": str(ROOT / "ci" / "github")}
    env = runner | outside | place | {name: str(path) for name, path in files.items()}
    try:
        subprocess.run(["bash", "-c", step["run"]], env=env, check=True, timeout=120, stdout=subprocess.DEVNULL)
        exported = dict(line.split("=", 1) for line in files["GITHUB_ENV"].read_text().splitlines())
        info = process.running(tmp_path / "d")
        assert info is not None
        assert exported["GITSIGN_FULCIO_URL"] == info.url
        assert exported["ACTIONS_ID_TOKEN_REQUEST_URL"].startswith(info.url)
        assert files["GITHUB_OUTPUT"].read_text() == f"url={info.url}\n"
        installed = (tmp_path / "d-venv" / "installed").read_text().strip()
        assert Path(installed.removesuffix("[local]")).resolve() == ROOT  # and no name that an index could give away
        assert Path(files["GITHUB_PATH"].read_text().strip(), "gitsign-py").exists()
    finally:
        process.stop(tmp_path / "d")


def test_the_gitlab_template_does_the_same(tmp_path: Path, runner: dict[str, str]) -> None:
    job = yaml.safe_load((ROOT / "ci" / "gitlab" / "local-sigstore.yml").read_text())[".local-sigstore"]
    after = ['echo "at $GITSIGN_FULCIO_URL"', "gitsign-py stack down --dir .local-sigstore"]
    script = "\n".join([*job["before_script"], *after])
    env = runner | job["variables"] | {"CI_PROJECT_DIR": str(tmp_path)}
    refused = subprocess.run(
        ["bash", "-ec", script], cwd=tmp_path, env=env, check=False, capture_output=True, text=True
    )
    assert "LOCAL_SIGSTORE_PACKAGE: set it to a wheel by path or URL" in refused.stderr
    env["LOCAL_SIGSTORE_PACKAGE"] = "./gitsign_py-0.1.0-py3-none-any.whl[local]"
    done = subprocess.run(
        ["bash", "-ec", script], cwd=tmp_path, env=env, check=True, timeout=120, stdout=subprocess.PIPE, text=True
    )
    assert "at http://127.0.0.1:" in done.stdout
