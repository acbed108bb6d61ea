"""``verify`` and ``audit`` where there is no git program: the same records, or a clear no."""

import json
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.errors import GitsignError
from gitsign_py.host.git.objects import Revision
from gitsign_py.host.repository import open_repository
from gitsign_py.policy.model import POLICY_PATH
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import ALICE_AND_BOB, ISSUER, History
from tests.support.nogit import run_program, variables

POLICY = f"""\
{ALICE_AND_BOB}[[rules]]
name = "one file"
paths = ["/x"]
allow = ["alice"]
[[rules]]
name = "everyone"
allow = ["alice", "bob"]
"""
WHO = ("--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", ISSUER)


class World:
    """A repository with a criss-cross of merges, tags and unsigned commits; the program in it, with git or without."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        signer = BulkSigner(folder / "authority")
        (folder / "root.json").write_bytes(signer.trusted_root_json)
        (folder / "p.toml").write_text(POLICY)
        self.history = history = History(signer=signer.sign)
        self.repo = ScratchRepo.init(folder / "repo")
        self.first = history.commit(signed="alice", files={POLICY_PATH: POLICY, "a": "1"})
        one = history.commit(self.first, signed="alice", files={"a": "2"})
        two = history.commit(self.first, by="bob", signed="bob", files={"x": "2"})
        left, right = history.merge(one, two, signed="alice"), history.merge(two, one, by="bob", signed="bob")
        self.unsigned = history.commit(left, right, files={"x": "3"})
        self.tip = history.commit(self.unsigned, signed="alice", files={"y": "1"})
        self.side = history.commit(one, signed="alice", files={"z": "1"})
        self.tag = history.tag("v1", self.tip, signed="alice")
        refs = {"refs/heads/main": self.tip, "refs/heads/side": self.side, "refs/tags/v1": self.tag}
        history.write(self.repo.path / ".git", refs)

    def run(self, *arguments: str, git: bool = False, inside: str = "repo", **more: str) -> tuple[int, str, str]:
        done = run_program(
            self.folder / inside,
            *arguments,
            git=git,
            **{
                "HOME": str(self.folder),
                "XDG_CACHE_HOME": str(self.folder / "cache"),
                "GITSIGN_TRUSTED_ROOT": str(self.folder / "root.json"),
                **more,
            },
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def both(self, *arguments: str, inside: str = "repo") -> tuple[Any, Any]:
        """What is said with git and without: status and output, JSON parsed, without the hour."""
        answers = []
        for git in (True, False):
            status, out, err = self.run(*arguments, git=git, inside=inside)
            lines = [json.loads(line) for line in out.splitlines()] if "ndjson" in arguments else [out]
            for line in lines:
                if isinstance(line, dict):
                    line.pop("time", None)
            answers.append((status, lines, err))
        return answers[0], answers[1]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("nogit"))


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("none", ("HEAD",)),
        ("file", ("--all", "--tags")),
        ("file", ("--first-parent",)),
        ("revision", ("side..main",)),
        ("revision", ("main~1^2", "refs/heads/side")),
        ("history", ("--all", "--tags")),
        ("history", ("v1",)),
    ],
)
def test_an_audit_says_the_same(world: World, policy: str, words: tuple[str, ...]) -> None:
    chosen = {
        "none": ("--no-policy",),
        "file": ("--policy", str(world.folder / "p.toml")),
        "revision": ("--policy", f"{world.first[:12]}:{POLICY_PATH}"),
        "history": ("--in-history", "--introduction", world.first),
    }[policy]
    with_git, without = world.both("audit", "--offline", "--no-cache", "--format", "ndjson", *chosen, *words)
    assert with_git == without
    assert len(without[1]) > 1, without


def test_verify_says_the_same(world: World) -> None:
    words = ("HEAD", "v1", f"{world.first}..{world.tip}")
    with_git, without = world.both("verify", "--offline", "--json", *WHO, *words)
    assert with_git == without
    assert len(json.loads(without[1][0])) == 8, without


def resolved(world: World, *words: str, git: bool) -> "tuple[Revision, ...] | str":
    """What words name, or the reason why not."""
    with open_repository(world.repo.path, environment=variables(git=git)) as repository:
        try:
            return repository.resolve(words)
        except GitsignError as error:
            return error.reason


def test_words_mean_the_same(world: World) -> None:
    words = ["HEAD", "@", "main", "heads/side", "refs/heads/side", "v1", "v1^{}", "v1^0", "v1~1", "main~2", "main~1^2"]
    words += ["HEAD^{commit}", "v1^{tag}", "main^", "main~1^2~1", "main~", "side..main", "..side", "side..", "v1..side"]
    words += [world.tip, world.tip[:9], world.tip[:7].upper(), world.tag, world.tag[:10], f"{world.first}..{world.tip}"]
    words += ["nobody", "0" * 40, "main~99", "main^3", "main~1^3", "f" * 12, "HEAD^{tag}", "main^2"]
    for word in words:
        assert resolved(world, word, git=False) == resolved(world, word, git=True), word
    assert resolved(world, "main", "^side", git=False) == resolved(world, "main", "^side", git=True)


@pytest.mark.parametrize(
    "word",
    [
        "main@{1}",
        "@{u}",
        ":/change",
        "main^{/x}",
        "main...side",
        "main^@",
        "main^!",
        "main^-",
        "main^{tree}",
        "main:a",
        "v1-1-gabcdef0",
        "ORIG_HEAD",
        "--all",
        "-x",
        "",
        "main ",
        "m*n",
        "main^{commit",
        "main~99999999",
    ],
)
def test_what_git_alone_reads_is_refused_by_name(world: World, word: str) -> None:
    (world.repo.path / ".git" / "ORIG_HEAD").write_text(f"{world.first}\n")
    assert resolved(world, word, git=False) == "git-needed"


def test_a_refusal_says_what_and_why(world: World) -> None:
    for options in (("main@{1}",), ("--since", "yesterday")):
        status, out, err = world.run("audit", "--offline", "--no-policy", *options)
        assert (status, out) == (2, "")
        assert options[-1] in err
        assert "there is no git program on PATH" in err
        assert "[git-needed]" in err
        assert "install git" in err


def test_a_name_of_several_refs_is_no_guess(world: World) -> None:
    world.repo.git("update-ref", "refs/tags/side", world.first)
    try:
        assert resolved(world, "side", git=False) == "revision-ambiguous"
        assert resolved(world, "heads/side", git=False) == resolved(world, "heads/side", git=True)
    finally:
        world.repo.git("update-ref", "-d", "refs/tags/side")


def test_config_reads_the_plain_files(world: World) -> None:
    world.repo.git("config", "gitsign.rekorMode", "online")
    try:
        lines = [
            next(line.partition("  (git config")[0] for line in out.splitlines() if "rekorMode" in line)
            for status, out, _ in (world.run("config", git=git) for git in (True, False))
            if status == 0
        ]
    finally:
        world.repo.git("config", "--unset", "gitsign.rekorMode")
    assert lines == [lines[0]] * 2
    assert lines[0].split() == ["gitsign.rekorMode", "online"]
