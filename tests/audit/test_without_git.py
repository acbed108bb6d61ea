"""The library where there is no git program: what dulwich reads, and what stays unchecked or is refused."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.audit import AuditPlan, Record, Resources, VerifySettings, audit_history, open_repository, read_refs
from gitsign_py.errors import GitsignError
from gitsign_py.host.repository import read_config
from gitsign_py.policy.parse import parse_policy
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import ISSUER, History
from tests.support.nogit import variables

POLICY = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[forges.forge]
committer = "noreply@forge.example"
reproducible = true
[[rules]]
name = "everyone"
allow = ["alice"]
"""
SSH = b"gpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> BulkSigner:
    return BulkSigner(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def scratch(tmp_path: Path) -> ScratchRepo:
    return ScratchRepo.init(tmp_path / "repo")


def judged(path: Path, signer: BulkSigner, *, git: bool, home: Path | None = None) -> Sequence[Record]:
    settings = VerifySettings(signer.trusted_root, datetime(2025, 1, 1, tzinfo=UTC), True, False)
    environment = variables(git=git, HOME=str(home or path))
    with open_repository(path, environment=environment) as repository:
        plan = AuditPlan(read_refs(repository), policy=parse_policy(POLICY.encode(), "p"))
        return list(audit_history(repository, plan, Resources(settings, jobs=1)))


def written(scratch: ScratchRepo, signer: BulkSigner) -> History:
    history = History(signer=signer.sign)
    first = history.commit(signed="alice", files={"a": "1"})
    one = history.commit(first, signed="alice", files={"a": "2"})
    two = history.commit(first, signed="alice", files={"b": "2"})
    merge = history.merge(one, two, by="noreply@forge.example", author="alice")
    ssh = history.objects[history.commit(one, files={"c": "1"})].data.replace(b"\n\n", b"\n" + SSH + b"\n", 1)
    tag = history.tag("v1", two, signed="alice")
    refs = {"refs/heads/main": merge, "refs/heads/ssh": history.add("commit", ssh), "refs/tags/v1": tag}
    history.write(scratch.path / ".git", refs)
    return history


def by_id(records: Sequence[Record]) -> dict[str, tuple[str, str]]:
    return {record.oid: (record.verdict, record.reason) for record in records}


def test_merges_to_make_again_and_foreign_signatures_are_unchecked(scratch: ScratchRepo, signer: BulkSigner) -> None:
    written(scratch, signer)
    found, by_git = (by_id(judged(scratch.path, signer, git=git)) for git in (False, True))
    merge, ssh = scratch.git("rev-parse", "main"), scratch.git("rev-parse", "ssh")
    assert by_git.pop(merge)[0] == "forge-merge"
    assert found.pop(merge) == ("unchecked", "git-needed")
    assert found.pop(ssh) == ("unchecked", "program-missing")
    by_git.pop(ssh)
    assert found == by_git
    assert set(found.values()) == {("verified", "verified")}


@pytest.mark.parametrize("way", ["packed", "packed refs", "alternates", "linked worktree", "bare", "symbolic"])
def test_repositories_of_every_kind_are_read(
    way: str, scratch: ScratchRepo, signer: BulkSigner, tmp_path: Path
) -> None:
    written(scratch, signer)
    path = tmp_path / "other"
    if way == "packed":
        scratch.git("repack", "-adfq", "--depth=50")
        scratch.git("multi-pack-index", "write")
    elif way == "packed refs":
        scratch.git("pack-refs", "--all")
    elif way == "alternates":
        scratch.git("clone", "-q", "--shared", "--bare", str(scratch.path), str(path))
    elif way == "linked worktree":
        scratch.git("worktree", "add", "-q", str(path), "ssh")
    elif way == "bare":
        scratch.git("clone", "-q", "--bare", str(scratch.path), str(path))
    else:
        scratch.git("symbolic-ref", "refs/heads/current", "refs/heads/ssh")
    where = path if path.exists() else scratch.path
    with (
        open_repository(where, environment=variables(git=False)) as plain,
        open_repository(where, environment=variables(git=True)) as real,
    ):
        assert read_refs(plain) == read_refs(real)
        assert plain.common_directory == real.common_directory
        assert plain.git_directory == real.git_directory
        assert plain.is_bare == real.is_bare
        assert plain.top == real.top
    assert by_id(judged(where, signer, git=False)).keys() == by_id(judged(where, signer, git=True)).keys()


def test_nothing_that_shows_other_parents_is_believed(scratch: ScratchRepo, signer: BulkSigner) -> None:
    """A list of shallow commits, grafts, a replace ref and a commit-graph file: the stored parents count."""
    written(scratch, signer)
    whole = {record.oid for record in judged(scratch.path, signer, git=False)}
    tip, first = scratch.git("rev-parse", "main"), scratch.git("rev-list", "--max-parents=0", "main")
    inner = scratch.path / ".git"
    (inner / "shallow").write_text(f"{tip}\n")
    (inner / "info").mkdir(exist_ok=True)
    (inner / "info" / "grafts").write_text(f"{tip}\n")
    (inner / "refs" / "replace").mkdir()
    (inner / "refs" / "replace" / tip).write_text(f"{first}\n")
    assert {record.oid for record in judged(scratch.path, signer, git=False)} == whole


def test_a_parent_that_is_not_here_ends_the_walk_with_an_error(scratch: ScratchRepo, signer: BulkSigner) -> None:
    written(scratch, signer)
    first = scratch.git("rev-list", "--max-parents=0", "main")
    (scratch.path / ".git" / "objects" / first[:2] / first[2:]).unlink()
    with pytest.raises(GitsignError) as caught:
        judged(scratch.path, signer, git=False)
    assert caught.value.reason == "history-incomplete"
    (scratch.path / ".git" / "shallow").write_text("".join(f"{oid}\n" for oid in (scratch.git("rev-parse", "main"),)))
    assert judged(scratch.path, signer, git=False)  # a shallow clone, as git's reader takes it


def reason(path: Path, **more: str) -> str:
    opened = open_repository(path, environment={**variables(git=False), **more})
    with opened as repository, pytest.raises(GitsignError) as caught:
        repository.resolve(["HEAD"])
    assert "\n" not in caught.value.message
    return caught.value.reason


@pytest.mark.parametrize(
    "setting",
    ["objectFormat = sha256", "refStorage = reftable", "compatObjectFormat = sha256", "somethingNew = true"],
)
def test_a_repository_of_another_kind_is_refused(setting: str, scratch: ScratchRepo) -> None:
    scratch.commit()
    with (scratch.path / ".git" / "config").open("a") as file:
        file.write(f"[core]\n\trepositoryformatversion = 1\n[extensions]\n\t{setting}\n")
    assert reason(scratch.path) == "git-needed"


@pytest.mark.parametrize("name", ["GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE", "GIT_NAMESPACE", "GIT_CONFIG_PARAMETERS"])
def test_a_variable_that_moves_parts_is_refused(name: str, scratch: ScratchRepo) -> None:
    scratch.commit()
    assert reason(scratch.path, **{name: "x"}) == "git-needed"


def test_no_repository_is_said_as_with_git(tmp_path: Path) -> None:
    assert reason(tmp_path) == "repository-missing"
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    assert reason(tmp_path) == "repository-missing"


CONFIG = """\
[gitsign]
\tissuer = https://issuer.example  ; a comment
\tallowedSigner = "a b # c"
\tallowedSigner = x\\ty\\
z
[Gitsign "Sub.Name"]
\tKey = 1
[gitsign] rekorMode=online
"""


def test_settings_are_those_that_git_reads(scratch: ScratchRepo) -> None:
    with (scratch.path / ".git" / "config").open("a") as file:
        file.write(CONFIG)
    more = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gitsign.Issuer", "GIT_CONFIG_VALUE_0": "https://b.example"}
    plain, real = (read_config({**variables(git=git), **more}, scratch.path) for git in (False, True))
    ours = ("core.commitgraph", "advice.graftfiledeprecated")  # our own options for git
    assert {key: [(one.text, one.scope) for one in values] for key, values in plain.entries.items()} == {
        key: [(one.text, one.scope) for one in values] for key, values in real.entries.items() if key not in ours
    }


@pytest.mark.parametrize("header", ["[include]", '[includeIf "gitdir:/"]', "[INCLUDE]"])
def test_an_include_is_refused_and_not_left_out_in_silence(header: str, scratch: ScratchRepo) -> None:
    (scratch.path / "more").write_text("[gitsign]\n\tissuer = https://other.example\n")
    with (scratch.path / ".git" / "config").open("a") as file:
        file.write(f"{header}\n\tpath = {scratch.path}/more\n")
    with pytest.raises(GitsignError) as caught:
        read_config(variables(git=False), scratch.path)
    assert caught.value.reason == "git-needed"
    isolated = read_config({**variables(git=False), "GITSIGN_ISOLATED": "true"}, scratch.path)
    assert not isolated.all("gitsign.issuer")


@pytest.mark.parametrize("text", ["[gitsign\n", '[gitsign]\n\tissuer = "x\n', "[gitsign]\n\tiss uer = 1\n"])
def test_settings_that_cannot_be_read_are_one_error(text: str, scratch: ScratchRepo) -> None:
    with (scratch.path / ".git" / "config").open("a") as file:
        file.write(text)
    with pytest.raises(GitsignError) as caught:
        read_config(variables(git=False), scratch.path)
    assert caught.value.reason == "git-config-unreadable"


def test_a_bomb_is_measured_before_it_is_unpacked(scratch: ScratchRepo) -> None:
    (scratch.path / "zeros").write_bytes(bytes(40 << 20))
    oid = scratch.git("hash-object", "-w", "zeros")
    for pack in (False, True):
        if pack:
            scratch.git("update-ref", "refs/odd/blob", oid)
            scratch.git("repack", "-adq")
        opened = open_repository(scratch.path, environment=variables(git=False))
        with opened as repository, pytest.raises(GitsignError) as caught:
            repository.read(oid)
        assert caught.value.reason in ("object-too-large", "object-unreadable")


def test_dulwich_is_loaded_where_git_is_missing_alone(scratch: ScratchRepo) -> None:
    scratch.commit()
    code = (
        "import os, sys\nfrom gitsign_py.audit import open_repository\n"
        "with open_repository() as found: found.resolve(['HEAD'])\n"
        "print('dulwich' in sys.modules)"
    )
    for git in (True, False):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=scratch.path, env=variables(git=git), capture_output=True, check=True
        )
        assert done.stdout.split() == [str(not git).encode()]
