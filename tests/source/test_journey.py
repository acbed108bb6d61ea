"""A server states what its hooks enforced, and a consumer's build takes or refuses a revision by it: real pushes, the
local stack.
"""

import json
from pathlib import Path

from tests.support.sourceserver import MAIN, SERVER, URI, SourceServer
from tests.support.workbench import Workbench, program

BUILD = (
    '#!/bin/sh\nset -e\n"$GITSIGN" source verify HEAD --level 3 --ref {main} --resource-uri {uri} {who}\ntouch built\n'
)


def built(server: SourceServer, clone: Path) -> bool:
    """Run a consumer's build script, which begins with the check."""
    script = server.bench.folder / "build.sh"
    script.write_text(BUILD.format(main=MAIN, uri=URI, who=" ".join(server.who)))
    done = server.bench.run(["sh", str(script)], cwd=clone, GITSIGN=str(program(server.bench.folder)))
    made = clone / "built"
    was_made = made.exists()
    made.unlink(missing_ok=True)
    assert was_made == (done.returncode == 0), done.stderr
    return was_made


def test_a_revision_is_stated_consumed_and_a_gap_found(bench: Workbench) -> None:
    server = SourceServer(bench)
    server.start()
    first = server.commit("one")
    said = server.pushed()
    assert f"{MAIN} at {first}: attested by {SERVER}, SLSA_SOURCE_LEVEL_3" in said
    second = server.commit("two")
    server.pushed()
    clone = server.clone()
    assert built(server, clone)
    found = server.verified(clone, 3)
    assert (found["revision"], found["level"], found["identity"]) == (second, "SLSA_SOURCE_LEVEL_3", SERVER)
    assert {since["revision"] for since in found["controls"].values()} == {first}, "held since the first one"
    assert server.verified(clone, 4, status=1)["reason"] == "source-level"
    assert server.source("audit", MAIN, "--tip", "HEAD", cwd=clone).returncode == 0

    bench.git("checkout", "-q", "-b", "other", first)
    aside = server.commit("aside")
    assert "source-ref-forced" in server.push(f"+{aside}:{MAIN}").stderr.decode()
    assert "source-ref-deleted" in server.push(f":{MAIN}").stderr.decode()
    bench.git("update-ref", "refs/attestations/commits", aside)
    assert "source-ref-forced" in server.push("+refs/attestations/commits").stderr.decode()
    bench.git("update-ref", "-d", "refs/attestations/commits")
    bench.git("checkout", "-q", "main")

    third = server.commit("three", signed=False)
    server.without_hooks()
    assert server.clone() == clone
    assert not built(server, clone)
    assert server.verified(clone, 1, status=1)["reason"] == "source-summary-missing"
    fourth = server.commit("four")
    assert "SLSA_SOURCE_LEVEL_2" in server.pushed(), "what came in past the hooks is judged with it, and unsigned"
    server.clone()
    assert not built(server, clone)
    assert server.verified(clone, 2)["controls"]["CONTINUITY_ENFORCED"]["revision"] == fourth
    audited = server.source("audit", MAIN, "--tip", "HEAD", "--json", cwd=clone)
    assert audited.returncode == 1
    report = json.loads(audited.stdout)
    assert [one["revision"] for one in report["statements"]] == [fourth, second, first]
    assert ("unseen", fourth) in {(one["kind"], one["revision"]) for one in report["lapses"]}
    assert any(third in one["message"] for one in report["lapses"])

    server.write_policy("approvals = 1", 'approvers = ["bob"]')
    fifth = server.commit("five")
    server.approve("bob")
    assert "SLSA_SOURCE_LEVEL_4" in server.pushed()
    server.clone()
    found = server.verified(clone, 4)
    assert found["results"] == ["SLSA_SOURCE_LEVEL_4", "SLSA_SOURCE_TWO_PARTY_REVIEWED"]
    assert found["controls"]["CONTINUITY_ENFORCED"]["revision"] == fourth
    assert found["controls"]["REVIEW_ENFORCED"]["revision"] == fifth
    assert server.verified(clone, 4, "--since", "2020-01-01", status=1)["reason"] == "source-since"
