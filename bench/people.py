"""What a person waits for: signing, verifying and reading a log, against the local Sigstore, beside Go's gitsign."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.options import Sizes
from bench.peer import Peer
from bench.rows import Row, compared
from bench.timing import Cost, Job, adopt, in_turns, left_behind, run, spent
from gitsign_py.localstack.clientenv import environment as stack_environment
from gitsign_py.localstack.process import start_detached, stop
from tests.support.gitrepo import environment

PROGRAM = str(Path(sys.executable).with_name("gitsign-py"))
EMAIL = "alice@example.com"  # the committer of scratch repositories
_COMMIT = ("commit", "-q", "--allow-empty", "-S", "-m", "x")
_HOUR = "3600"
_HELPED = ("-c", "gitsign.agent=auto")  # a verifier that stays for the next signatures, as by default


@dataclass(frozen=True)
class Desk:
    """A repository with a local Sigstore behind it, and an identity token that both clients use."""

    folder: Path
    env: Mapping[str, str]
    issuer: str
    servants: Mapping[str, int] = field(default_factory=dict)
    """The processes that serve a program in the background, by its path: what they take is counted with it."""

    @property
    def repo(self) -> Path:
        """The working tree."""
        return self.folder / "repo"

    def git(self, program: str, *arguments: str) -> Cost:
        """Run git with a signing program."""
        servant = self.servants.get(program)
        before = spent(servant) if servant else 0
        cost = run(["git", "-c", f"gpg.x509.program={program}", *arguments], self.repo, self.env)
        return cost._replace(cpu=cost.cpu + spent(servant) - before) if servant else cost

    def plain(self, *command: str) -> Cost:
        """Run a program."""
        return run(command, self.repo, self.env)

    def pair(self, peer: str, job: Callable[[str], Cost]) -> dict[str, Job]:
        """The same with our program and with the peer's, if there is one."""
        ours: dict[str, Job] = {"ours": lambda: job(PROGRAM)}
        return ours | ({"other": lambda: job(peer)} if peer else {})


@contextmanager
def desk(peer: Peer, *, agent: bool) -> Iterator[Desk]:
    """A desk, with a warm agent (and the peer's credential cache) or with none."""
    folder = Path(tempfile.mkdtemp(prefix="gitsign-py-bench-"))
    info = start_detached(folder / "stack", ["--port", "0"])
    env = environment(HOME=str(folder), XDG_RUNTIME_DIR=str(folder)) | stack_environment(info)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code
    asked = [PROGRAM, "stack", "token", "--dir", str(folder / "stack"), "--email", EMAIL, "--ttl", _HOUR]
    token = subprocess.run(asked, env=env, capture_output=True, text=True, check=True).stdout.strip()
    env |= {"SIGSTORE_ID_TOKEN": token, "GITSIGN_VERIFY_HELPER": "1", "CI": ""}
    helper = _peer_cache(peer.cache, folder, env) if agent and peer.cache else None
    try:
        made = Desk(folder, env | ({"GITSIGN_CREDENTIAL_CACHE": str(folder / "peer.sock")} if helper else {}), info.url)
        subprocess.run(["git", "init", "-q", "-b", "main", str(made.repo)], env=env, check=True)
        for key, value in (("gpg.format", "x509"), ("gitsign.agent", "on" if agent else "off")):
            subprocess.run(["git", "config", key, value], cwd=made.repo, env=env, check=True)
        if agent:
            made.plain(PROGRAM, "agent", "start")
            servants = {PROGRAM: _agent_process(made)} | ({peer.program: helper.pid} if helper else {})
            made = replace(made, servants=servants)
        yield made
    finally:
        subprocess.run([PROGRAM, "agent", "stop"], cwd=folder, env=env, check=False, capture_output=True)
        if helper is not None:
            helper.terminate()
            helper.wait(20)
        stop(folder / "stack")
        shutil.rmtree(folder, ignore_errors=True)


def _agent_process(at: Desk) -> int:
    told = subprocess.run(
        [PROGRAM, "agent", "status", "--json"], cwd=at.repo, env=at.env, capture_output=True, check=True
    )
    return int(json.loads(told.stdout)["pid"])


def _peer_cache(program: str, folder: Path, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    named = {**env, "GITSIGN_CREDENTIAL_CACHE": str(folder / "peer.sock")}
    return subprocess.Popen(
        [program], cwd=folder, env=named, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def rows(sizes: Sizes, peer: Peer) -> Iterator[Row]:
    """All rows of this part."""
    with desk(peer, agent=False) as cold:
        yield from _cold(cold, sizes, peer)
    with desk(peer, agent=True) as warm:
        yield from _warm(warm, sizes, peer)


def _cold(cold: Desk, sizes: Sizes, peer: Peer) -> Iterator[Row]:
    rounds, beside, why = sizes.rounds, "gitsign", peer.why
    signed = in_turns(cold.pair(peer.program, lambda program: cold.git(program, *_COMMIT)), rounds)
    yield compared("sign-cold", "git commit -S, no agent", signed, beside=beside, why=why, wall=1.15, cpu=2)
    _fill(cold, max(sizes.together, sizes.listed))  # so HEAD is a commit of ours, with its proof in it
    who = ("--certificate-identity", EMAIL, "--certificate-oidc-issuer", cold.issuer)
    checked = in_turns(cold.pair(peer.program, lambda program: cold.git(program, "verify-commit", "HEAD")), rounds)
    yield compared("check-cold", "git verify-commit, no agent", checked, beside=beside, why=why, wall=1.2)
    verified = in_turns(cold.pair(peer.program, lambda program: cold.plain(program, "verify", *who, "HEAD")), rounds)
    yield compared("verify-cold", "verify HEAD", verified, beside=beside, why=why, wall=1.2)
    yield _together(cold, sizes, who)
    adopt()
    yield _listing(cold, sizes, peer, "log-cold", "no agent", 0.7, _HELPED)
    if peer.program:
        cold.git(peer.program, *_COMMIT)  # without a proof: the log is asked
        asked = in_turns(cold.pair(peer.program, lambda program: cold.plain(program, "verify", *who, "HEAD")), rounds)
        yield compared("verify-online", "verify HEAD, signed by gitsign", asked, beside=beside)


def _warm(warm: Desk, sizes: Sizes, peer: Peer) -> Iterator[Row]:
    signing = peer.program if peer.cache else ""
    signed = in_turns(warm.pair(signing, lambda program: warm.git(program, *_COMMIT)), sizes.rounds, warm=2)
    beside, why = "gitsign with a warm cache", peer.why_cold
    yield compared("sign-warm", "git commit -S, warm agent", signed, beside=beside, why=why, wall=0.85)
    pair = warm.pair(peer.program, lambda program: warm.git(program, "verify-commit", "HEAD"))
    checked = in_turns(pair, sizes.rounds, warm=2)
    yield compared("check-warm", "git verify-commit, warm agent", checked, beside="gitsign", why=peer.why, wall=0.5)
    _fill(warm, sizes.listed)
    yield _listing(warm, sizes, peer, "log-warm", "warm agent", 0.45)


def _fill(at: Desk, count: int) -> None:
    """Commits to be looked at."""
    for _ in range(count):
        at.git(PROGRAM, *_COMMIT)


def _together(cold: Desk, sizes: Sizes, who: Sequence[str]) -> Row:
    """One call for many against as many calls."""
    command = (PROGRAM, "verify", *who)

    def calls() -> Cost:
        costs = [cold.plain(*command, f"HEAD~{number}") for number in range(sizes.together)]
        return Cost(sum(cost.wall for cost in costs), sum(cost.cpu for cost in costs))

    names = [f"HEAD~{number}" for number in range(sizes.together)]
    found = in_turns({"ours": lambda: cold.plain(*command, *names), "other": calls}, max(1, sizes.rounds // 3))
    work, beside = f"verify of {sizes.together} in one call", f"{sizes.together} calls"
    return compared("verify-together", work, found, beside=beside, wall=0.05)


def _listing(
    at: Desk, sizes: Sizes, peer: Peer, key: str, words: str, limit: float, options: Sequence[str] = ()
) -> Row:
    def job(program: str) -> Cost:
        cost = at.git(program, *options, "log", "--show-signature", f"-{sizes.listed}")
        return cost._replace(cpu=cost.cpu + left_behind()) if options and program == PROGRAM else cost

    found = in_turns(at.pair(peer.program, job), sizes.rounds)
    work = f"git log --show-signature -{sizes.listed}, {words}"
    return compared(key, work, found, beside="gitsign", why=peer.why, wall=limit)
