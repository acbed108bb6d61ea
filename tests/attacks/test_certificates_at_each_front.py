"""The certificates of ``test_certificate_paths`` at every front: audits, each hook, the agent.

What costs a verifier days must not be reached by another way. Steps of the search are counted where it runs: too many
end it, and then no front says what the certificates are.
"""

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.agent import client
from gitsign_py.agent.handlers import handlers
from gitsign_py.agent.hardening import Hardening
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.resources import Resources
from gitsign_py.cli.agentside.agentservices import agent_services
from gitsign_py.cli.commands import hook
from gitsign_py.core.pki import certpath
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.trust.root import format_trusted_root
from gitsign_py.host.git.objects import GitRepository
from tests.support.agentserver import serving
from tests.support.court import Court
from tests.support.forge import Forged, forge
from tests.support.forgedworld import World
from tests.support.gitrepo import ISOLATED, environment
from tests.support.governed import MAIN, policy
from tests.support.history import History
from tests.support.pathworld import HOSTILE, line

MOST_STEPS = 2_000
"""Comparisons of a certificate with a CA, for one signature with 16 certificates; every order of them is 10^13."""
NONE = "0" * 40
UNTRUSTED = ("certificate-untrusted", "certificate-signature-invalid")
KINDS = {
    **{one.__name__: (one, 15, UNTRUSTED) for one in HOSTILE},
    "a-line": (line, 15, UNTRUSTED),
    "a-hundred": (line, 100, ("cms-too-large",)),
}


@dataclass
class Front:
    """A bare repository with one hostile commit, whose trust root and policy are there."""

    path: Path
    made: Forged
    reasons: tuple[str, ...]
    patch: pytest.MonkeyPatch
    error: Callable[[], str]

    def ask_hook(self, name: str, *rest: str, stdin: str = "") -> str:
        """Run a hook in this process, as far as hooks do, and give what it says."""
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        assert hook.run([name, *rest]) == 1
        return self.error()

    def is_refused_for_it(self, said: str) -> bool:
        return any(f"{reason}]" in said for reason in self.reasons)


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the steps; a child of this process goes on counting by itself."""
    claims, steps = certpath._claims, [0]

    def counting(child: Certificate, issuer: Certificate) -> bool:
        steps[0] += 1
        assert steps[0] <= MOST_STEPS, "the search does not end"
        return claims(child, issuer)

    monkeypatch.setattr(certpath, "_claims", counting)


@pytest.fixture(params=list(KINDS))
def front(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Front:
    made_of, count, reasons = KINDS[request.param]
    world, sent = World(), made_of(count)
    made = forge(
        world,
        leaf={"issuer": sent[0]},
        certificates=lambda parts: [*parts, *(one.certificate.raw for one in sent)],
    )
    history = History()
    history.add("tree", b"")
    assert history.add("commit", made.data) == made.oid
    path = Court(tmp_path).repository(history, {})
    (tmp_path / "root.json").write_bytes(format_trusted_root(made.root))
    (tmp_path / "policy.toml").write_text(policy("alice"))
    with (path / "config").open("a") as config:
        config.write(f"[gitsign]\n\ttrustedRoot = {tmp_path}/root.json\n\tpolicy = {tmp_path}/policy.toml\n")
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_DATA_HOME": str(tmp_path / "data")}
    for name, value in {**ISOLATED, **places}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(path)
    return Front(path, made, reasons, monkeypatch, lambda: capfd.readouterr().err)


def test_audits_end(front: Front) -> None:
    oid = front.made.oid
    settings = VerifySettings(front.made.root, datetime.now(UTC))
    with GitRepository(front.path, environment=environment()) as repository:
        [record] = audit_history(repository, AuditPlan((Target(MAIN, oid),)), Resources(settings, 1))
    assert not record.accepted
    assert record.reason in front.reasons, record


@pytest.mark.unmeasured  # each hook is a fork of this large process, which would save what was measured in all of it
def test_hooks_end(front: Front) -> None:
    oid = front.made.oid
    line = f"{NONE} {oid} {MAIN}\n"
    assert front.is_refused_for_it(front.ask_hook("pre-receive", stdin=line))
    assert front.is_refused_for_it(front.ask_hook("update", MAIN, NONE, oid))
    assert front.is_refused_for_it(front.ask_hook("reference-transaction", "prepared", stdin=line))
    assert front.is_refused_for_it(
        front.ask_hook("pre-push", "origin", "nowhere", stdin=f"{MAIN} {oid} {MAIN} {NONE}\n")
    )


def test_the_agent_ends(front: Front, tmp_path: Path) -> None:
    path = tmp_path / "run" / "agent.sock"
    path.parent.mkdir(mode=0o700)
    hardening = Hardening(no_core_dump=False, not_dumpable=False, memory_locked=False)
    services = agent_services(hardening, stop=lambda: None, started=datetime.now(UTC))
    request: dict[str, Any] = {**client.context(dict(os.environ), str(front.path)), "payload": front.made.payload}
    with serving(path, verify=handlers(services)["verify"]):
        answer = client.try_verify(str(path), {**request, "signature": front.made.signature})
    assert answer is not None
    assert answer["status"] == b"ok"
    assert answer["exit_status"] != b"0"
    assert front.is_refused_for_it(answer["text"].decode()), answer
