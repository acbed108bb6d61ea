"""Histories as they are found: odd trees, names, messages and headers, through the command line, in every format."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import pytest
import xmlschema

from gitsign_py.audit.reports.formats import FORMATS
from gitsign_py.policy.model import POLICY_PATH
from tests.support.audited import POLICY, ROOT_OF_TESTS
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History
from tests.support.processes import ending
from tests.support.schemas import PUBLISHED, SCHEMAS

RULES = POLICY.replace("EXEMPT", "0" * 40)
EVIL = b"\xff\xfe \x1b[31mred\x1b]8;;http://x\x07 </script><script>alert(1)</script> ]]> \xe2\x80\xae | `x` @all\n"
ALICE = b"Alice <alice@example.com> 1704067200 +0000"


@dataclass
class Odd:
    """Commits on an introduction; ``named`` are ids with the verdicts of a fixed policy and of that in the history."""

    folder: Path
    repo: ScratchRepo
    history: History
    introduction: str
    named: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def add(self, name: str, oid: str, fixed: str, in_history: str = "") -> str:
        self.named[name] = oid, fixed, in_history or fixed
        return oid

    def tree(self, *entries: tuple[bytes, bytes, str]) -> str:
        return self.history.add(
            "tree", b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        )

    def blob(self, text: bytes) -> str:
        return self.history.add("blob", text)

    def commit(self, tree: str, *parents: str, author: bytes = ALICE, committer: bytes = ALICE, **more: bytes) -> str:
        """A commit, byte by byte, signed by Alice."""
        lines = [
            b"tree " + tree.encode(),
            *(b"parent " + parent.encode() for parent in parents or (self.introduction,)),
        ]
        lines += [b"author " + author, b"committer " + committer, *filter(None, [more.get("extra", b"")])]
        payload = b"\n".join(lines) + b"\n\n" + more.get("message", b"change\n")
        oid = self.history.add("commit", self.history._sign(payload, "alice", self.history.clock))
        self.history.order.append(oid)
        return oid

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
        done = subprocess.run(
            [sys.executable, "-m", "gitsign_py", *arguments],
            cwd=self.repo.path,
            env=environment(
                HOME=str(self.folder),
                XDG_CACHE_HOME=str(self.folder / "cache"),
                GITSIGN_TRUSTED_ROOT=str(self.folder / "root.json"),
                PYTHONPATH=str(ROOT_OF_TESTS),
                LC_ALL="C.UTF-8",
                **more,
            ),
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        assert b"internal error" not in done.stderr, done.stderr
        assert done.returncode in (0, 1, 2, 3)
        return done

    @property
    def modes(self) -> tuple[tuple[str, ...], ...]:
        return ("--policy", str(self.folder / "p.toml")), ("--in-history", "--introduction", self.introduction)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Odd:
    folder = tmp_path_factory.mktemp("odd")
    signer = BulkSigner(folder / "authority")
    (folder / "root.json").write_bytes(signer.trusted_root_json)
    (folder / "p.toml").write_text(RULES)
    history = History(signer=signer.sign)
    repo = ScratchRepo.init(folder / "repo")
    intro = history.commit(signed="alice", files={POLICY_PATH: RULES, "a": "1"}, message="start")
    made = Odd(folder, repo, history, intro)
    _trees(made)
    _words(made)
    _signatures(made)
    _merges(made)
    refs = {f"refs/heads/{number}": oid for number, (oid, *_) in enumerate(made.named.values())}
    history.write(repo.path / ".git", {"refs/heads/main": intro, "refs/heads/--all": intro, **refs})
    return made


def _trees(odd: Odd) -> None:
    policy = odd.tree((b"100644", b"policy.toml", odd.blob(RULES.encode())))
    kept = (b"40000", b".gitsign", policy)
    odd.add("empty tree", odd.commit(odd.tree()), "verified", "unauthorised")
    odd.add("submodule", odd.commit(odd.tree(kept, (b"160000", b"sub", "1" * 40))), "verified")
    odd.add("symlink", odd.commit(odd.tree(kept, (b"120000", b"ln", odd.blob(b"/etc/passwd")))), "verified")
    odd.add("path", odd.commit(odd.tree(kept, (b"100644", b"\xff\n", odd.blob(b"x")))), "verified")
    odd.add("missing tree", odd.commit("2" * 40), "verified", "unchecked")
    odd.add("tree is a blob", odd.commit(odd.blob(b"x")), "verified", "malformed")


def _words(odd: Odd) -> None:
    tree = _tree_of(odd, odd.introduction)
    odd.add("author", odd.commit(tree, author=b"\xe4\xff <alice@example.com> 1704067200 +0000"), "verified")
    odd.add("message", odd.commit(tree, message=EVIL), "verified")
    odd.add("no message", odd.commit(tree, message=b""), "verified")
    odd.add("encoding", odd.commit(tree, extra=b"encoding ISO-8859-1", message=b"\xe4\n"), "verified")
    odd.add("long line", odd.commit(tree, message=b"x" * 2_000_000), "verified")
    odd.add("far future", odd.commit(tree, committer=b"A <alice@example.com> 9223372036854775808 +0000"), "verified")
    odd.add("no address", odd.commit(tree, committer=b"Alice 1704067200 +0000"), "identity-mismatch")
    tag = b"mergetag object " + odd.introduction.encode() + b"\n type commit\n tag v1\n tagger A <a@x> 1 +0000\n \n hi"
    odd.add("mergetag", odd.commit(tree, extra=tag), "verified")


def _signatures(odd: Odd) -> None:
    good = odd.history.objects[odd.named["submodule"][0]].data
    start = good.index(b"gpgsig ")
    header = good[start : good.index(b"\n\n", start) + 1]
    other = header.replace(b"gpgsig ", b"gpgsig-sha256 ", 1)
    add = odd.history.add
    odd.add("signed twice", add("commit", good.replace(header, header + header, 1)), "malformed")
    odd.add("for the other hash", add("commit", good.replace(header, other, 1)), "unchecked")
    odd.add("for both", add("commit", good.replace(header, header + other, 1)), "malformed")
    odd.add("cut off", add("commit", good.replace(header, header[: len(header) // 2] + b"\n", 1)), "bad")
    plain = odd.history.objects[odd.history.commit(odd.introduction, files={"a": "9"})].data
    odd.add("copied", add("commit", plain.replace(b"\n\n", b"\n" + header + b"\n", 1)), "bad")


def _merges(odd: Odd) -> None:
    """A revert, a rename, a criss-cross of merges and an octopus, with a file that both sides changed."""
    history = odd.history
    one = odd.add("change", history.commit(odd.introduction, signed="alice", files={"a": "2"}), "verified")
    odd.add("revert", history.commit(one, signed="alice", files={"a": "1"}), "verified")
    odd.add("rename", history.commit(one, signed="alice", files={"a": None, "b/c": "2"}), "verified")
    two = history.commit(odd.introduction, by="bob", signed="bob", files={"x": "2"})
    left = history.merge(one, two, signed="alice")
    right = history.merge(two, one, by="bob", signed="bob")
    odd.add("criss-cross", history.commit(left, right, signed="alice", files={"x": "3"}), "verified")
    odd.add("octopus", history.commit(one, two, odd.named["symlink"][0], signed="alice", files={"a": "2"}), "verified")
    odd.add("same parent twice", history.commit(one, one, signed="alice"), "verified")


def _tree_of(odd: Odd, commit: str) -> str:
    return odd.history.objects[commit].data[5:45].decode()


def test_verdicts(odd: Odd) -> None:
    for number, mode in enumerate(odd.modes, 1):
        done = odd.run("audit", "--offline", "--all", "--format", "ndjson", *mode)
        assert done.returncode == 1, done.stderr
        *records, summary = map(json.loads, done.stdout.splitlines())
        found = {record["oid"]: record["verdict"] for record in records}
        assert {name: found[one[0]] for name, one in odd.named.items()} == {
            name: one[number] for name, one in odd.named.items()
        }
        for record in records:
            jsonschema.validate(record, json.loads((SCHEMAS / "audit-record.json").read_text()))
        jsonschema.validate(summary, json.loads((SCHEMAS / "audit-summary.json").read_text()))
        assert sum(branch["commits"] for branch in summary["branches"].values()) == summary["total"]


def test_the_same_records_where_there_is_no_git(odd: Odd) -> None:
    for mode in odd.modes:
        options = ("audit", "--offline", "--no-cache", "--all", "--tags", "--format", "ndjson", *mode)
        by_git, by_dulwich = odd.run(*options), odd.run(*options, PATH="/nonexistent")
        found, expected = ([json.loads(line) for line in done.stdout.splitlines()] for done in (by_dulwich, by_git))
        assert found[:-1] == expected[:-1], by_dulwich.stderr
        assert {**found[-1], "time": ""} == {**expected[-1], "time": ""}
        assert by_dulwich.returncode == by_git.returncode


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_everything(odd: Odd, name: str) -> None:
    """All of it UTF-8, valid by its owner's schema, and without what a terminal or a browser would act upon."""
    done = odd.run("audit", "--offline", "--all", "--format", name, "--policy", str(odd.folder / "p.toml"), "--verbose")
    assert done.returncode == 1, done.stderr
    text = done.stdout.decode("utf-8")
    assert "\x1b[31m" not in text
    assert "\x1b]8" not in text
    assert "\u202e" not in text
    if name == "json":
        json.loads(text)
    elif name == "sarif":
        schema = json.loads((PUBLISHED / "sarif-2.1.0-rtm.5.json").read_text())
        jsonschema.Draft4Validator(schema).validate(json.loads(text))
    elif name == "junit":
        xmlschema.XMLSchema(str(PUBLISHED / "junit-10.xsd")).validate(text)
    elif name in ("html", "markdown"):
        assert "<script>alert" not in text


@pytest.mark.unmeasured
def test_explain_says_the_same(odd: Odd) -> None:
    for number, mode in enumerate(odd.modes, 1):
        for name, one in odd.named.items():
            done = odd.run("policy", "explain", "--offline", "--json", *mode, one[0])
            assert json.loads(done.stdout)["verdict"] == one[number], (name, mode, done.stderr)
            accepted = one[number] == "verified"
            assert done.returncode == (0 if accepted else 3 if one[number] == "unchecked" else 1), name
    for name in ("message", "copied", "no address"):
        told = odd.run("policy", "explain", "--offline", *odd.modes[0], odd.named[name][0]).stdout.decode("utf-8")
        assert odd.named[name][1] in told.splitlines()[0]


def test_a_ref_that_is_named_like_an_option(odd: Odd) -> None:
    done = odd.run("audit", "--offline", "--format", "ndjson", "--", "refs/heads/--all")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["total"] == 1
    assert odd.run("audit", "--offline", "--", "--all").returncode == 2


def test_init_proposes_what_is_valid(odd: Odd) -> None:
    """From a history with all of that in it comes a policy that ``check`` takes, and that an audit follows."""
    tips = [one[0] for name, one in odd.named.items() if name not in ("missing tree", "tree is a blob")]
    proposed = odd.run("policy", "init", "--offline", *tips)
    assert proposed.returncode == 0, proposed.stderr
    (odd.folder / "first.toml").write_bytes(proposed.stdout)
    checked = odd.run("policy", "check", str(odd.folder / "first.toml"))
    assert checked.returncode == 0, checked.stdout
    again = odd.run("audit", "--offline", "--policy", str(odd.folder / "first.toml"), odd.named["criss-cross"][0])
    assert again.returncode in (0, 1)


def test_tags_of_tags_and_of_trees(odd: Odd) -> None:
    """Behind a tag of a tag lies a commit like any other; a tag of a tree has none, and is judged for itself."""
    hidden = odd.history.commit(odd.introduction, by="bob", files={"h": "1"}, message="hidden")
    odd.history.write(odd.repo.path / ".git", {"refs/tags/inner": hidden})
    for name, target in (("first", "inner"), ("second", "first"), ("third", "second"), ("tree", "main^{tree}")):
        odd.repo.git("tag", "-a", "-m", name, name, target)
    odd.repo.git("tag", "blob", "main:a")
    odd.repo.git("tag", "-d", "inner", "first", "second")
    try:
        for mode in odd.modes:
            for arguments in (("--all",), ("third",)):
                done = odd.run("audit", "--offline", "--tags", "--format", "ndjson", *mode, *arguments)
                *records, summary = map(json.loads, done.stdout.splitlines())
                found = {one["oid"]: (one["verdict"], one["message"]) for one in records}
                assert found[hidden] == ("unsigned", "commit has no signature"), (mode, arguments)
                for name in ("third", "tree") if "--all" in arguments else ("third",):
                    tag = odd.repo.git("rev-parse", f"refs/tags/{name}")
                    assert found[tag] == ("unsigned", "tag has no signature"), (mode, name)
                assert summary["longest_unsigned_run"]["length"] == 1, "tags are no run of commits"
            for name in ("third", "tree"):
                done = odd.run("policy", "explain", "--offline", *mode, name)
                assert f"on refs/tags/{name}: unsigned" in done.stdout.decode()
        assert b"[revision-kind]" in odd.run("policy", "explain", "--offline", *odd.modes[0], "blob").stderr
    finally:
        odd.repo.git("tag", "-d", "third", "tree", "blob")


@pytest.mark.parametrize(("text", "status"), [("2020-01-01", 0), ("50 years ago", 0), ("garbage", 2), ("now", 2)])
def test_a_date_that_git_does_not_read_is_no_date(odd: Odd, text: str, status: int) -> None:
    """Git would take it for now, and an audit of nothing looks like a success."""
    done = odd.run("audit", "--offline", f"--since={text}", "main")
    assert done.returncode == status
    assert (b"1 judged" in done.stdout) == (status == 0)


def test_reports_go_through_links_and_into_pipes(odd: Odd, tmp_path: Path) -> None:
    """A report replaces a file as a whole; what is no file is written to, and never replaced."""
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    assert odd.run("audit", "--offline", "--output", str(tmp_path / "link.txt"), "main").returncode == 0
    assert (tmp_path / "link.txt").is_symlink()
    assert "1 judged" in (tmp_path / "real.txt").read_text()
    os.mkfifo(tmp_path / "pipe")
    with ending(subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE)) as reader:
        assert odd.run("audit", "--offline", "--output", str(tmp_path / "pipe"), "main").returncode == 0
        out, _ = reader.communicate(timeout=30)
    assert b"1 judged" in out
    assert (tmp_path / "pipe").is_fifo()
