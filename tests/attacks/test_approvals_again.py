"""An approval that was taken back and is shown again with a younger proof of its time."""

import base64
import hashlib
import json
import urllib.request

from gitsign_py.audit.approvals import REF
from gitsign_py.core.pki.timestampbuild import TimestampRequest, build_request
from gitsign_py.host.git import attestationrefs
from gitsign_py.host.git.objects import GitRepository
from tests.support.waiting import next_second
from tests.support.workbench import Workbench


def policy(bench: Workbench) -> str:
    people = "".join(
        f'[people.{name}]\nidentities = [{{ subject = "{name}@example.com", issuer = "{bench.stack.url}" }}]\n'
        for name in ("alice", "bob")
    )
    path = bench.folder / "policy.toml"
    rule = '[[rules]]\nname = "all"\nallow = ["alice"]\napprovals = 1\napprovers = ["bob"]\n'
    head = 'version = 1\nadministrators = ["alice"]\ntimes = ["timestamp"]\nunjudged = ["refs/attestations/**"]\n'
    path.write_text(head + people + rule)
    return str(path)


def stamped_again(bench: Workbench, bundle: bytes) -> bytes:
    """The same bundle with a timestamp of now: the authority stamps for everybody."""
    value = json.loads(bundle)
    signature = base64.b64decode(value["dsseEnvelope"]["signatures"][0]["sig"])
    asked = build_request(TimestampRequest("sha256", hashlib.sha256(signature).digest(), certificates=True))
    headers = {"Content-Type": "application/timestamp-query"}
    request = urllib.request.Request(f"{bench.stack.url}/api/v1/timestamp", asked, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        stamp = base64.b64encode(answer.read()).decode()
    value["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": stamp}]}
    return json.dumps(value).encode()


def test_a_younger_timestamp_does_not_undo_a_withdrawal(bench: Workbench) -> None:
    bench.configure("gitsign.rekorVersion=2", f"gitsign.timestampServerURL={bench.stack.url}/api/v1/timestamp")
    bench.configure(f"gitsign.policy={policy(bench)}")
    bench.commit()
    token = bench.stack.token("bob@example.com")

    def judged() -> str:
        return str(json.loads(bench.tool("policy", "explain", "--json", "HEAD").stdout)["reason"])

    def approve(*words: str) -> None:
        done = bench.tool("approve", *words, SIGSTORE_ID_TOKEN=token, GIT_COMMITTER_EMAIL="bob@example.com")
        assert done.returncode == 0, done.stderr

    approve()
    assert judged() == "verified"
    tree = bench.git("rev-parse", "HEAD^{tree}").strip()
    with GitRepository(bench.repo) as repository:
        [kept] = attestationrefs.stored(repository, REF, tree)
    approve("--withdraw")
    assert judged() == "approvals-missing"
    assert kept.bundle is not None
    next_second()  # of one second the withdrawal counts
    again = stamped_again(bench, kept.bundle)
    with GitRepository(bench.repo) as repository:
        attestationrefs.store(repository, REF, tree, {"approval-again.json.sigstore.json": again}, message="again")
    assert judged() == "approvals-missing"
    next_second()  # of one second the withdrawal counts
    approve()
    assert judged() == "verified"
