"""A server that could not sign, tags, a policy in the history, and a server that is not set up: real pushes."""

import json
from typing import Any

from jsonschema import validate

from gitsign_py.policy.model import POLICY_PATH
from tests.support.sourceserver import MAIN, SCHEMA, SERVER, SourceServer
from tests.support.workbench import Workbench


def stated(server: SourceServer, ref: str = MAIN, *, status: int = 0) -> list[dict[str, Any]]:
    """The statements about a ref, the newest first, as an audit on the server finds them."""
    done = server.source("audit", ref, "--json", cwd=server.bare)
    assert done.returncode == status, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["statements"]
    return found


def test_a_server_that_could_not_sign_makes_up_for_it(bench: Workbench) -> None:
    """The hook judged both pushes and left its marks; nobody but the attester may sign."""
    server = SourceServer(bench)
    server.start()
    first = server.commit("one")
    said = bench.try_git("push", str(server.bare), f"HEAD:{MAIN}", SIGSTORE_ID_TOKEN=bench.stack.token())
    assert said.returncode == 0
    assert "not attested: signed by alice@example.com" in said.stderr.decode()
    second = server.commit("two")
    bench.git("push", "-q", str(server.bare), f"HEAD:{MAIN}", SIGSTORE_ID_TOKEN=bench.stack.token())
    nothing = server.source("audit", MAIN, cwd=server.bare)
    assert (nothing.returncode, b"[source-unstated]" in nothing.stderr) == (1, True)
    assert stated(server, status=1) == []
    token = bench.stack.token(SERVER)
    done = bench.tool("source", "attest", MAIN, "--json", cwd=server.bare, SIGSTORE_ID_TOKEN=token)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        validate(line, SCHEMA)
    assert [(line["revision"], line["level"], line["new"]) for line in lines] == [
        (first, "SLSA_SOURCE_LEVEL_3", True),
        (second, "SLSA_SOURCE_LEVEL_3", True),
    ]
    assert [one["revision"] for one in stated(server)] == [second, first]
    again = bench.tool("source", "attest", MAIN, "--json", cwd=server.bare, SIGSTORE_ID_TOKEN=token)
    assert [json.loads(line)["new"] for line in again.stdout.splitlines()] == [False]

    server.without_hooks(f"{server.commit('three')}:{MAIN}")
    done = bench.tool("source", "attest", MAIN, "--old", second, cwd=server.bare, SIGSTORE_ID_TOKEN=token)
    assert "SLSA_SOURCE_LEVEL_1 (PROVENANCE_AVAILABLE)" in done.stdout.decode(), "saying so is no evidence"


def test_tags_are_stated_and_stay(bench: Workbench) -> None:
    server = SourceServer(bench)
    server.start()
    bench.git("config", "--add", "gitsign.sourceRef", "refs/tags/v*", cwd=server.bare)
    commit = server.commit("one")
    bench.git("tag", "-s", "-m", "one", "v1")
    bench.git("tag", "-m", "unsigned", "light", "--no-sign")
    said = server.pushed(f"HEAD:{MAIN}", "v1")
    assert f"refs/tags/v1 at {bench.git('rev-parse', 'v1')}: attested by {SERVER}, SLSA_SOURCE_LEVEL_3" in said
    [tag] = stated(server, "refs/tags/v1")
    assert (tag["revision"], tag["level"]) == (commit, "SLSA_SOURCE_LEVEL_3")
    clone = server.clone()
    asked = ("v1", "--level", "3", "--ref", "refs/tags/v1")
    bench.git("fetch", "-q", "--tags", "origin", cwd=clone)
    assert server.source("verify", *asked, cwd=clone).returncode == 0
    second = server.commit("two")
    bench.git("symbolic-ref", "refs/heads/master", MAIN, cwd=server.bare)
    assert f"{MAIN} at {second}: attested by {SERVER}" in server.pushed("HEAD:refs/heads/master"), "by whichever name"
    assert "source-ref-forced" in server.push(f"+{commit}:refs/heads/master").stderr.decode()
    bench.git("tag", "-f", "-s", "-m", "another", "v1")
    assert "tag-moved" in server.push("+v1").stderr.decode()
    assert "tag-moved" in server.push(":refs/tags/v1").stderr.decode()


def test_a_policy_in_the_history(bench: Workbench) -> None:
    server = SourceServer(bench)
    server.start("approvals = 1", 'approvers = ["bob"]')
    text = (bench.folder / "policy.toml").read_text()
    (bench.repo / POLICY_PATH).parent.mkdir()
    (bench.repo / POLICY_PATH).write_text(text)
    bench.git("add", ".")
    introduction = bench.commit("policy")
    for key, value in (("gitsign.policyMode", "history"), ("gitsign.introduction", introduction)):
        bench.git("config", key, value, cwd=server.bare)
    server.without_hooks()
    first = server.commit("one")
    server.approve("bob")
    assert "SLSA_SOURCE_LEVEL_4" in server.pushed(f"HEAD:{MAIN}")
    assert [one["revision"] for one in stated(server)] == [first]
    (bench.repo / POLICY_PATH).write_text(text.replace('approvals = 1\napprovers = ["bob"]\n', ""))
    bench.git("add", ".")
    bench.commit("no approvals any more")
    server.approve("bob")
    assert "SLSA_SOURCE_LEVEL_3" in server.pushed(f"HEAD:{MAIN}"), "not every policy of the push wants them"


def test_a_hook_that_could_state_nothing_is_not_installed(bench: Workbench) -> None:
    server = SourceServer(bench)
    server.start()
    status = bench.tool("hooks", "status", cwd=server.bare)
    assert "ok    source provenance: of refs/heads/main as git+https" in status.stdout.decode()
    bench.git("config", "--unset", "gitsign.sourceAttester", cwd=server.bare)
    done = bench.tool("hooks", "install", "--server", "--attest", cwd=server.bare)
    assert (done.returncode, b"[source-unconfigured]" in done.stderr) == (2, True)
    assert bench.tool("hooks", "status", cwd=server.bare).returncode == 1
    bench.git("config", "gitsign.sourceAttester", f"{SERVER} {bench.stack.url}", cwd=server.bare)
    bench.git("config", "gitsign.tokenProvider", "interactive", cwd=server.bare)
    server.commit("one")
    said = bench.try_git("push", str(server.bare), f"HEAD:{MAIN}")
    assert (said.returncode, b"[source-token-missing]" in said.stderr) == (0, True)


def test_a_late_hook_and_a_ref_that_was_moved_back(bench: Workbench) -> None:
    """Of two pushes the second is stated first, and the first with it; what went back past the hooks shows."""
    server = SourceServer(bench)
    server.start()
    first, second, third = (server.commit(text) for text in ("one", "two", "three"))
    server.pushed(f"{first}:{MAIN}")
    late = server.bare / "hooks/post-receive"
    late.rename(late.with_name("late"))
    server.pushed(f"{second}:{MAIN}")
    late.with_name("late").rename(late)
    server.pushed(f"{third}:{MAIN}")
    token = bench.stack.token(SERVER)

    def post_receive() -> str:
        told = f"{first} {second} {MAIN}\n".encode()
        return bench.tool("hook", "post-receive", cwd=server.bare, stdin=told, SIGSTORE_ID_TOKEN=token).stderr.decode()

    assert f"{MAIN} at {second}: attested before by {SERVER}" in post_receive()
    assert [one["revision"] for one in stated(server)] == [third, second, first]

    server.without_hooks(f"+{second}:{MAIN}")
    audited = server.source("audit", MAIN, "--json", cwd=server.bare)
    assert audited.returncode == 1
    [lapse] = json.loads(audited.stdout)["lapses"]
    assert (lapse["kind"], lapse["revision"]) == ("back", second), "it has a statement, and is not the newest"
    assert f"{MAIN} at {third}: attested by {SERVER}" in server.pushed(f"{third}:{MAIN}"), "the same update once more"
    audited = server.source("audit", MAIN, "--json", cwd=server.bare)
    assert ("unseen", third) in {(one["kind"], one["revision"]) for one in json.loads(audited.stdout)["lapses"]}

    for name in (MAIN, "refs/heads/other"):
        bench.git("config", "--add", "gitsign.sourceRef", name, cwd=server.bare)
    marks = server.bare / "gitsign-updates"
    marks.rename(marks.with_name("aside"))
    marks.write_text("no folder")
    told = f"{first} {second} {MAIN}\n{'0' * 40} {second} refs/heads/other\n".encode()
    done = bench.tool("hook", "post-receive", cwd=server.bare, stdin=told, SIGSTORE_ID_TOKEN=token)
    lines = done.stderr.decode().splitlines()
    assert [line.endswith(f"({ref})") for line, ref in zip(lines, (MAIN, "refs/heads/other"), strict=True)] == [
        True
    ] * 2
    assert all("not attested: File exists: " in line for line in lines), "one line for each, whatever fails"
