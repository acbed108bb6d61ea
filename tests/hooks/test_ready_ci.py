"""The action and the GitLab component that judge a pull request: their own scripts, run as a runner runs them."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.support.badserver import serving
from tests.support.cijob import expanded, job_environment, pull_request, run_job
from tests.support.forgeserver import PROJECT, FakeForge
from tests.support.gitrepo import ScratchRepo
from tests.support.pushserver import ROOT, Server

pytestmark = pytest.mark.unmeasured

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
SPEC, COMPONENT = yaml.safe_load_all((ROOT / "templates" / "signatures.yml").read_text())
WHEEL = "https://files.example.com/gitsign_py-0.9.0-py3-none-any.whl"
EXPRESSIONS = {
    "PACKAGE": "${{ inputs.package || github.action_path }}",
    "BASE": "${{ inputs.base || github.base_ref || github.event.merge_group.base_ref }}",
    "HEAD": "${{ github.event.pull_request.head.sha || github.sha }}",
    "POLICY": "${{ inputs.policy }}",
    "TRUSTED_ROOT": "${{ inputs.trusted-root }}",
    "PUBLISH": "${{ inputs.publish }}",
    "GITHUB_TOKEN": "${{ inputs.publish == 'true' && inputs.token || '' }}",
    "PLACE": "${{ runner.temp }}/gitsign",
}
"""What the runner puts into the variables of the step; nothing of them stands in the script itself."""


def step() -> dict[str, Any]:
    [found] = ACTION["runs"]["steps"]
    assert found["env"] == EXPRESSIONS
    assert "${{" not in found["run"], "text of others would become a script"
    assert ACTION["inputs"]["publish"]["default"] == "false"
    return dict(found)


def variables(server: Server, checkout: ScratchRepo, **more: str) -> dict[str, str]:
    """The step's variables for a pull request to main, with the defaults of the action."""
    head = checkout.git("rev-parse", "origin/topic")
    place = str(server.folder / "runner temp" / "gitsign")
    given = {"PACKAGE": "/actions/gitsign_py/v1", "BASE": "main", "HEAD": head, "PLACE": place, "GITHUB_TOKEN": ""}
    defaults = {"POLICY": "policy", "TRUSTED_ROOT": "trusted-root", "PUBLISH": "publish"}
    return given | {name: ACTION["inputs"][one]["default"] for name, one in defaults.items()} | more


@pytest.mark.parametrize(("signed", "status"), [("alice", 0), ("bob", 1), (None, 1)])
def test_the_action_judges_by_the_base_branchs_policy(server: Server, signed: str | None, status: int) -> None:
    checkout = pull_request(server, signed)
    assert run_job(server, checkout, [step()["run"]], **variables(server, checkout)) == status


def test_the_action_judges_the_head_also_where_github_checked_out_its_own_merge(server: Server) -> None:
    checkout = pull_request(server, "alice")
    given = variables(server, checkout, BASE="refs/heads/main")
    made = server.history.merge(checkout.git("rev-parse", "origin/main"), given["HEAD"], by="carol")
    server.history.write(checkout.path / ".git", {})
    checkout.git("checkout", "-q", "--detach", made)
    assert run_job(server, checkout, [step()["run"]], **given) == 0


def test_the_action_sets_a_status_and_takes_the_trust_root_of_the_base_branch(server: Server) -> None:
    root = (server.folder / "trusted_root.json").read_text()
    checkout = pull_request(server, "alice", {"trust/root.json": root})
    forge = FakeForge("github", "ghs_" + "x" * 36, takes_checks=True)
    with serving(forge.action) as http:
        ci = {"GITHUB_API_URL": http.url, "GITHUB_REPOSITORY": PROJECT, "GITSIGN_TRUSTED_ROOT": "/nowhere"}
        more = {"TRUSTED_ROOT": "trust/root.json", "PUBLISH": "true", "GITHUB_TOKEN": forge.token, **ci}
        given = variables(server, checkout, **more)
        assert run_job(server, checkout, [step()["run"]], **given) == 0
    [run] = forge.checks[given["HEAD"]]
    assert run["conclusion"] == "success"
    assert run["output"]["title"].startswith("1 of 1 verified")


@pytest.mark.parametrize(
    ("more", "words"),
    [({"PACKAGE": "gitsign-py"}, "a bare name"), ({"BASE": ""}, "no base branch")],
)
def test_the_action_says_what_it_lacks(server: Server, more: dict[str, str], words: str) -> None:
    checkout = pull_request(server, "alice")
    env = job_environment(server, **variables(server, checkout, **more))
    done = subprocess.run(
        ["bash", "-ec", step()["run"]], cwd=checkout.path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert words in done.stdout
    assert not (server.folder / "installed").exists()


@pytest.mark.parametrize("depth", ["one commit of the change", "one branch", "a cut history"])
def test_the_action_says_that_the_checkout_lacks_history(server: Server, depth: str) -> None:
    """actions/checkout fetches one commit by default."""
    checkout = pull_request(server, "alice")
    given = variables(server, checkout)
    if depth != "a cut history":
        checkout.git("update-ref", "-d", "refs/remotes/origin/main")
    if depth != "one branch":
        (checkout.path / ".git" / "shallow").write_text(f"{given['HEAD']}\n")
    env = job_environment(server, **given)
    done = subprocess.run(
        ["bash", "-ec", step()["run"]], cwd=checkout.path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "::error::main is not here with its history; give actions/checkout fetch-depth: 0" in done.stdout
    assert not (server.folder / "installed").exists()


# --- GitLab ----------------------------------------------------------------------------------------------------------


def component(server: Server, inputs: dict[str, str], **ci: str) -> tuple[str, dict[str, str]]:
    """The script and variables of the job, with inputs and variables put in as GitLab does."""
    defaults = {name: one["default"] for name, one in SPEC["spec"]["inputs"].items() if "default" in one}
    assert set(SPEC["spec"]["inputs"]) - set(defaults) == {"package"}, "no default could be anything but a bare name"
    job = COMPONENT["signatures"]
    script = "\n".join(job["script"])
    assert "$[[" not in script, "text of others would become a script"
    words = {
        name: str(value).lower() if isinstance(value, bool) else value for name, value in (defaults | inputs).items()
    }
    filled = {
        name: re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda match: words[match[1]], str(value))
        for name, value in job["variables"].items()
    }
    ci["CI_MERGE_REQUEST_TARGET_BRANCH_NAME"] = "main"
    return script, ci | {name: expanded(value, ci) for name, value in filled.items()}


@pytest.mark.parametrize(("signed", "status"), [("alice", 0), ("bob", 1), (None, 1)])
def test_the_component_judges_by_the_target_branchs_policy(server: Server, signed: str | None, status: int) -> None:
    checkout = pull_request(server, signed)
    script, given = component(server, {"package": WHEEL})
    assert run_job(server, checkout, [script], **given) == status
    assert f'failures="{status}"' in (checkout.path / "audit.xml").read_text()


def test_the_component_sets_a_status_and_takes_the_trust_root_of_the_target_branch(server: Server) -> None:
    root = (server.folder / "trusted_root.json").read_text()
    checkout = pull_request(server, "alice", {"trust/root.json": root})
    head = checkout.git("rev-parse", "HEAD")
    forge = FakeForge("gitlab", "glpat-" + "x" * 20)
    with serving(forge.action) as http:
        ci = {"CI_API_V4_URL": http.url, "CI_PROJECT_ID": PROJECT, "CI_MERGE_REQUEST_PROJECT_ID": PROJECT}
        ci |= {"GITLAB_TOKEN": forge.token}
        ci |= {"CI_COMMIT_SHA": head, "CI_PIPELINE_ID": "7", "GITSIGN_TRUSTED_ROOT": "/nowhere"}
        inputs = {"package": WHEEL, "publish": "true", "trusted-root": "trust/root.json"}
        script, given = component(server, inputs, **ci)
        assert run_job(server, checkout, [script], **given, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=head) == 0
    [status] = forge.statuses[head]
    assert (status["state"], status["pipeline_id"]) == ("success", "7")


@pytest.mark.parametrize(
    ("package", "project", "words"),
    [("gitsign-py", "7", "a bare name"), (WHEEL, "8", "runs in the fork 8, whose branches say what they like")],
)
def test_the_component_refuses_a_bare_name_and_the_branches_of_a_fork(
    server: Server, package: str, project: str, words: str
) -> None:
    checkout = pull_request(server, "alice")
    projects = {"CI_PROJECT_ID": project, "CI_MERGE_REQUEST_PROJECT_ID": "7"}
    script, given = component(server, {"package": package}, **projects)
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=checkout.path,
        env=job_environment(server, **given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert not (server.folder / "installed").exists()
