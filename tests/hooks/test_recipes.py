"""What docs/hooks.md tells people to do on other servers and in CI, done: the very lines, out of the page."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import xmlschema
import yaml

from tests.support.cijob import expanded, program_on_path, pull_request, run_job
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.pushserver import ROOT, Server

pytestmark = pytest.mark.unmeasured

MAIN = "refs/heads/main"
PAGE = (ROOT / "docs" / "hooks.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def block(title: str, language: str) -> str:
    """The only code block of a section."""
    found = re.findall(rf"```{language}\n(.*?)```", section(title), re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def published_shim(server: Server, path: Path) -> None:
    """The file of the repository, copied where the recipe puts it, with the program on PATH."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "hooks" / "pre-receive", path)
    server.environment["PATH"] = program_on_path(server)


def judges(server: Server) -> None:
    """A signed push passes, an unsigned one is refused with its commit named."""
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"})
    status, said = server.push(f"{good}:{MAIN}")
    assert status == 0, said
    status, said = server.push(f"{bad}:{MAIN}")
    assert status != 0
    assert bad in said
    assert server.ref(MAIN) == good


DELEGATE = """\
#!/usr/bin/env bash
# Runs each program of FOLDER with the same input, and fails when one of them does.
data=$(cat)
status=0
for hook in {folder}/*; do
  test -x "$hook" && test -f "$hook" || continue
  echo "$data" | "$hook" || status=1
done
exit $status
"""


@pytest.mark.parametrize(
    ("title", "place", "pusher"),
    [
        ("Gitea and Forgejo", "hooks/pre-receive.d/gitsign", "GITEA_PUSHER_NAME"),
        ("GitLab", "custom_hooks/pre-receive.d/gitsign", "GL_USERNAME"),
    ],
)
def test_servers_that_run_a_folder(server: Server, title: str, place: str, pusher: str) -> None:
    assert f"`{place}`" in section(title) or f"`REPO.git/{place}`" in section(title)
    published_shim(server, server.bare.path / place)
    folder = (server.bare.path / place).parent
    other = folder / "aaa-other"
    other.write_text("#!/bin/sh\ncat > /dev/null\n")
    other.chmod(0o755)
    hook = server.bare.path / "hooks" / "pre-receive"
    hook.write_text(DELEGATE.format(folder=folder))
    hook.chmod(0o755)
    server.config("gitsign.logPath", str(server.folder / "log"))
    server.environment |= {"USER": "git", pusher: "pusher"}
    judges(server)
    assert '"pusher": "pusher"' in (server.folder / "log").read_text()


def test_gerrit(server: Server) -> None:
    """Gerrit's program calls the file for each ref or commit, in the repository, with named arguments."""
    hooks = server.folder / "site" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("ref-update", "commit-received"):
        assert f"`{name}`" in section("Gerrit")
        (hooks / name).write_text(block("Gerrit", "sh"))
        (hooks / name).chmod(0o755)
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"})
    server.history.write(server.bare.path, {})

    def call(name: str, old: str, new: str, ref: str = MAIN) -> "subprocess.CompletedProcess[str]":
        who = ["--project", "p", "--refname", ref, "--uploader", "A (a@x)", "--uploader-username", "a"]
        more = ["--cmdref", "refs/for/main"] if name == "commit-received" else []
        return subprocess.run(
            [str(hooks / name), *who, "--oldrev", old, "--newrev", new, *more],
            env=environment(
                **{**server.environment, "PATH": program_on_path(server), "GIT_DIR": str(server.bare.path)}
            ),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    zero = "0" * 40
    for name in ("ref-update", "commit-received"):
        done = call(name, zero, good)
        assert done.returncode == 0, done.stderr
        done = call(name, good, bad)
        assert done.returncode == 1
        assert bad in done.stderr
        assert call(name, good, zero).returncode == 0, "a deletion brings nothing"
    unjudged = re.findall(r"`(unjudged = .*?)`", section("Gerrit"))[0]
    policy = server.folder / "policy.toml"
    policy.write_text(policy.read_text().replace('unjudged = ["refs/notes/**"]', unjudged))
    assert call("ref-update", zero, bad, "refs/changes/01/1/1").returncode == 0


def test_update_with_other_arguments(server: Server) -> None:
    done = subprocess.run(
        [str(server.folder / "gitsign-py"), "hook", "update", "--refname", MAIN],
        cwd=server.bare.path,
        env=environment(**server.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "[hook-usage]" in done.stderr


# --- CI --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signed", "status"), [("alice", 0), ("bob", 1), (None, 1)])
@pytest.mark.parametrize("base", ["main", MAIN], ids=["pull_request", "merge_group"])
def test_github_actions(server: Server, base: str, signed: str | None, status: int) -> None:
    """Bob may sign on other branches, and so his change is no good for main."""
    checkout = pull_request(server, signed)
    recipe = yaml.safe_load(block("GitHub Actions", "yaml"))
    assert recipe["permissions"] == {"contents": "read"}
    assert set(recipe[True]) == {"pull_request", "merge_group"}  # YAML 1.1 reads ``on`` as true
    job = recipe["jobs"]["signatures"]
    assert job["env"]["BASE"] == "${{ github.base_ref || github.event.merge_group.base_ref }}"
    checked_out, *steps = job["steps"]
    assert checked_out["with"]["fetch-depth"] == 0
    summary = server.folder / "step-summary"
    variables = {"GITSIGN_PY": job["env"]["GITSIGN_PY"], "BASE": base, "GITHUB_STEP_SUMMARY": str(summary)}
    assert run_job(server, checkout, [step["run"] for step in steps], **variables) == status
    text = summary.read_text()
    assert f"**{1 - status} of 1 verified (" in text
    assert f"\n{1 - status} of 1 accepted (" in text
    assert ("the change" in text) == bool(status)


def gitlab(server: Server, checkout: ScratchRepo, **variables: str) -> int:
    """The job of the page, for a merge request to main that GitLab's runner has checked out."""
    job = yaml.safe_load(block("GitLab CI", "yaml"))["signatures"]
    assert job["image"].startswith("python:")
    assert job["variables"]["GIT_DEPTH"] == 0
    variables["CI_MERGE_REQUEST_TARGET_BRANCH_NAME"] = "main"
    given = {name: expanded(str(value), variables) for name, value in job["variables"].items()}
    return run_job(server, checkout, job["script"], **variables, **given)


@pytest.mark.parametrize(("signed", "status"), [("alice", 0), ("bob", 1), (None, 1)])
def test_gitlab_ci(server: Server, signed: str | None, status: int) -> None:
    checkout = pull_request(server, signed)
    assert gitlab(server, checkout) == status
    report = checkout.path / "audit.xml"
    xmlschema.XMLSchema(str(ROOT / "tests/schemas/junit-10.xsd")).validate(str(report))
    assert f'failures="{status}"' in report.read_text()


def test_gitlab_ci_judges_the_source_of_a_merged_result(server: Server) -> None:
    """GitLab checks out a merge that it made itself, and names the merge request's own head beside it."""
    checkout = pull_request(server, "alice")
    head = checkout.git("rev-parse", "HEAD")
    made = server.history.merge(checkout.git("rev-parse", "origin/main"), head, by="carol")
    server.history.write(checkout.path / ".git", {})
    checkout.git("checkout", "-q", "--detach", made)
    assert gitlab(server, checkout) == 1
    (server.folder / "installed").unlink()
    assert gitlab(server, checkout, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=head) == 0


def test_a_pull_request_does_not_bring_its_own_policy(server: Server) -> None:
    checkout = pull_request(server, "alice")
    own = (server.folder / "policy.toml").read_text().replace("alice", "mallory")
    evil = server.history.commit(
        checkout.git("rev-parse", "HEAD"), by="mallory", signed="mallory", files={".gitsign/policy.toml": own}
    )
    server.history.write(checkout.path / ".git", {})
    checkout.git("checkout", "-q", "--detach", evil)
    assert gitlab(server, checkout) == 1
    assert "is not named in the policy" in (checkout.path / "audit.xml").read_text()


def test_pre_commit_framework(server: Server) -> None:
    """The framework takes pre-push's input away and sets variables: what is pushed is judged, and nothing older."""
    entry = re.findall(
        r"id: gitsign-py-pre-push\n.*?entry: (.*?)\n", (ROOT / ".pre-commit-hooks.yaml").read_text(), re.S
    )
    clone = ScratchRepo.init(server.folder / "work")
    for key in ("gitsign.trustedRoot", "gitsign.policy"):
        clone.git("config", key, server.bare.git("config", key))
    old = server.history.commit(by="carol", files={"a": "0"})
    good = server.history.commit(old, signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"})
    server.history.write(clone.path / ".git", {"refs/remotes/origin/main": old})
    whole = server.history.commit(by="carol", files={"b": "0"})  # a root: the framework names it, and gives no id
    server.history.write(clone.path / ".git", {"refs/heads/whole": whole})
    for before, tip, local, status in (
        (old, good, "HEAD", 0),
        (good, bad, "HEAD", 1),
        ("", bad, "HEAD", 1),
        ("", "", "whole", 1),
        ("", "", "refs/heads/none", 1),
    ):
        done = subprocess.run(
            entry[0].split(),
            cwd=clone.path,
            env=environment(
                **{**server.environment, "PATH": program_on_path(server)},
                PRE_COMMIT_FROM_REF=before,
                PRE_COMMIT_TO_REF=tip,
                PRE_COMMIT_LOCAL_BRANCH=local,
                PRE_COMMIT_REMOTE_BRANCH=MAIN,
                PRE_COMMIT_REMOTE_NAME="origin",
            ),
            input="",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert old not in done.stderr
