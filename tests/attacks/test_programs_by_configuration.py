"""A repository whose configuration, attributes and hooks name programs: none of them runs, and no verdict changes.

The attacker makes a repository and has it judged. Where git computes (a merge to compare with, a verdict of gpg) it
would run a merge driver of that repository's, which also makes the merge come out as the attacker wants: an unsigned
merge with content of its own then counts as the forge's. The doctor asked the program that the repository names for
its version.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.errors import ConfigError
from gitsign_py.host.git import attestationrefs
from gitsign_py.host.git.notes import EntryNotes
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.program import with_settings
from tests.support.bulksigner import BulkSigner
from tests.support.foreignkeys import SshKey
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, History
from tests.support.hostile import plant
from tests.support.stack import ROOT

FORGE = "noreply@forge.example"
POLICY = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[forges.forge]
committer = "{FORGE}"
reproducible = true
[[rules]]
name = "everyone"
allow = ["alice"]
"""
WHO = ("--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", ISSUER)
COMMANDS = [
    ("audit", "--offline", "--no-cache", "--format", "ndjson", "--policy", "POLICY", "--all", "--tags"),
    ("audit", "--offline", "--no-cache", "--format", "ndjson", "--in-history", "--introduction", "FIRST", "main"),
    ("audit", "--offline", "--format", "ndjson", "--no-policy", "--write-notes", "FIRST"),
    ("verify", *WHO, "--offline", "--trusted-root", "ROOT", "--json", "FIRST..main"),
    ("verify-tag", *WHO, "--offline", "--trusted-root", "ROOT", "--json", "v1"),
    ("show", "--text", "--verify", "--offline", "--trusted-root", "ROOT", "OURS"),
    ("policy", "explain", "--offline", "--policy", "POLICY", "--json", "main"),
    ("policy", "init", "--offline", "OURS"),
    ("policy", "check", "POLICY"),
    ("attest", "--verify", "--any-identity", "OURS"),
    ("config", "--json"),
    ("whoami",),
    ("hooks", "status"),
]


@dataclass
class Place:
    """A repository with a merge of two sides in conflict, made to look like the forge's; ``words`` by name."""

    folder: Path
    repo: ScratchRepo
    words: dict[str, str]

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        env = environment(
            HOME=str(self.folder),
            XDG_CACHE_HOME=str(self.folder / "cache"),
            XDG_DATA_HOME=str(self.folder / "data"),
            XDG_STATE_HOME=str(self.folder / "state"),
            XDG_RUNTIME_DIR=str(self.folder),
            GITSIGN_TRUSTED_ROOT=self.words["ROOT"],
            PYTHONPATH=str(ROOT),
        )
        command = [sys.executable, "-m", "gitsign_py", *(self.words.get(word, word) for word in arguments)]
        command = [word.replace("FIRST", self.words["FIRST"]) for word in command]
        return subprocess.run(
            command, cwd=self.repo.path, env=env, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(params=["sha1", "sha256"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    signer = BulkSigner(tmp_path / "authority")
    (tmp_path / "root.json").write_bytes(signer.trusted_root_json)
    (tmp_path / "policy.toml").write_text(POLICY)
    repo = ScratchRepo.init(tmp_path / "repo", f"--object-format={request.param}")
    history = History(algorithm=request.param, signer=signer.sign)
    files = {".gitsign/policy.toml": POLICY, ".gitattributes": "* merge=planted filter=planted\n", "f": "base\n"}
    first = history.commit(signed="alice", files=files)
    ours = history.commit(first, signed="alice", files={"f": "ours\n"})
    theirs = history.commit(first, signed="alice", files={"f": "theirs\n"})
    merge = history.commit(ours, theirs, by=FORGE, author="alice", files={"f": "theirs\n"})
    tag = history.tag("v1", ours, signed="alice")
    history.write(repo.path / ".git", {"refs/heads/main": merge, "refs/tags/v1": tag})
    paths = {"ROOT": str(tmp_path / "root.json"), "POLICY": str(tmp_path / "policy.toml")}
    return Place(tmp_path, repo, {**paths, "FIRST": first, "OURS": ours, "MERGE": merge})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def verdicts(done: "subprocess.CompletedProcess[str]") -> dict[str, tuple[str, str]]:
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["oid"]: (one["verdict"], one["reason"]) for one in records if one.get("type") != "summary"}


def test_a_merge_driver_does_not_forge_the_forge(place: Place) -> None:
    ran = plant(place.repo, place.folder)
    found = verdicts(place.run(*COMMANDS[0]))
    assert found[place.words["MERGE"]] == ("unauthorised", "merge-not-reproducible")
    assert names(ran) == []


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(words[:2]) for words in COMMANDS])
def test_no_planted_program_runs(place: Place, command: tuple[str, ...]) -> None:
    before = place.run(*command)
    ran = plant(place.repo, place.folder)
    done = place.run(*command)
    assert names(ran) == []
    assert done.returncode == before.returncode, done.stderr
    if command[0] == "audit":
        assert verdicts(done) == verdicts(before)
    elif command[0] not in ("config", "hooks"):  # those show the configuration
        assert done.stdout == before.stdout


def test_the_doctor_runs_none(place: Place) -> None:
    place.repo.git("config", "gpg.format", "x509")
    ran = plant(place.repo, place.folder)
    done = place.run("doctor", "--offline", "--json")
    assert names(ran) == []
    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    for name in ("program", "gnupg"):
        assert found[name]["outcome"] == "warn"
        assert "this repository's own configuration" in found[name]["message"]
        assert "was not run" in found[name]["message"]


def test_hooks_run_none(place: Place) -> None:
    merge, ours = place.words["MERGE"], place.words["OURS"]
    place.repo.git("config", "gitsign.policy", place.words["POLICY"])
    place.repo.git("update-ref", "refs/heads/main", ours)
    ran = plant(place.repo, place.folder)
    done = place.run("hook", "pre-receive", stdin=f"{ours} {merge} refs/heads/main\n")
    assert done.returncode == 1, done.stderr
    assert "[merge-not-reproducible]" in done.stderr
    assert names(ran) == []


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_programs_of_other_formats(place: Place) -> None:
    """A commit by an SSH key: the repository names another ssh-keygen, which says yes to everything."""
    key = SshKey.make(place.folder / "key")
    place.repo.git("update-ref", "refs/heads/main", place.words["OURS"])
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key.path}")
    place.repo.git(*signing, "commit", "-q", "--allow-empty", "-S", "-m", "x")
    spoiled = place.repo.raw("commit", "HEAD").replace(b"\n\nx\n", b"\n\ny\n")
    oid = place.repo.store("commit", spoiled)
    ran = plant(place.repo, place.folder)
    yes = place.folder / "planted-gpg.ssh.program"
    fingerprint = 'echo "Good \\"git\\" signature for listed with ED25519 key SHA256:' + "A" * 43 + '"\n'
    yes.write_text(yes.read_text().replace("exit 0", fingerprint))
    found = verdicts(place.run("audit", "--offline", "--no-cache", "--no-policy", "--format", "ndjson", oid))
    assert found[oid] == ("bad", "signature-invalid")
    assert names(ran) == []


def test_quarantined_objects_are_merged_too(place: Place) -> None:
    """In a hook what is pushed lies in a quarantine beside the repository's objects (git-receive-pack(1))."""
    bare = ScratchRepo.init(place.folder / "server.git", "--bare", f"--object-format={_format(place)}")
    place.repo.git("push", "-q", str(bare.path), f"{place.words['OURS']}:refs/heads/main")
    bare.git("config", "gitsign.policy", place.words["POLICY"])
    hook = bare.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nexec {sys.executable} -m gitsign_py hook pre-receive "$@"\n')
    hook.chmod(0o755)
    ran = plant(bare, place.folder)
    bare.git("config", "core.hooksPath", str(hook.parent))
    variables = {"GITSIGN_TRUSTED_ROOT": place.words["ROOT"], "PYTHONPATH": str(ROOT), "HOME": str(place.folder)}
    push = ("push", str(bare.path), f"{place.words['MERGE']}:refs/heads/main")
    done = place.repo.run(*push, stdin=b"", **variables)
    assert b"[merge-not-reproducible]" in done.stderr, done.stderr
    assert not [name for name in names(ran) if "merge" in name or "gpg" in name or "filter" in name]


def test_what_we_write_runs_no_hook(place: Place) -> None:
    """Log entries in notes, and attestations: moving a ref would run reference-transaction."""
    ran = plant(place.repo, place.folder)
    oid = place.words["OURS"]
    with GitRepository(place.repo.path, environment=environment()) as repository:
        assert EntryNotes(repository).add({oid: [b"entry"]}) == 1
        attestationrefs.store(repository, "refs/attestations/commits", oid, {"a": b"1"}, message="x")
    assert names(ran) == []


@pytest.mark.parametrize("name", ["planted", "a=b", "a.b", "a b", "A", 'q"\\', "-c", "enabled", "ü", ""])
def test_hooks_by_configuration_are_off_whatever_they_are_called(place: Place, name: str) -> None:
    """Newer gits run them (git-config(1), hook.NAME.command); ``git -c`` would end the key at the first ``=``."""
    place.repo.git("config", f"hook.{name}.command", "/bin/false")
    place.repo.git("config", f"hook.{name}.event", "reference-transaction")
    with GitRepository(place.repo.path, environment=environment()) as repository:
        asked = repository.write(["config", "--bool", "--get", f"hook.{name}.enabled"])
    assert asked == b"false\n"


@pytest.mark.parametrize("count", ["x", "-1", "1_0", "9" * 5000])
def test_a_count_of_settings_that_is_none(count: str) -> None:
    with pytest.raises(ConfigError, match="GIT_CONFIG_COUNT"):
        with_settings({"GIT_CONFIG_COUNT": count}, [("a.b", "c")])


def test_settings_are_added_to_those_that_are_there() -> None:
    there = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_VALUE_0": "c"}
    made = with_settings(there, [("d.e=f.g", "h")])
    assert made == {**there, "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_1": "d.e=f.g", "GIT_CONFIG_VALUE_1": "h"}


def _format(place: Place) -> str:
    return place.repo.git("rev-parse", "--show-object-format")
