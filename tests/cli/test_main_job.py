"""The main job through real git: sign, show, verify, in every kind of repository."""

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gitsign_py.core.git.armor import dearmor
from gitsign_py.core.git.gitobject import split_commit
from tests.support.workbench import EMAIL, Workbench, no_agent, program

FORMAT = "%G?|%GS|%GK|%GF|%GT"


def shown(bench: Workbench, name: str = "HEAD", cwd: Path | None = None) -> list[str]:
    return bench.git("log", "-1", f"--format={FORMAT}", name, cwd=cwd).split("|")


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_commit_and_a_tag_are_signed_and_verified_by_git_and_by_us(bench: Workbench, object_format: str) -> None:
    repo = bench.init(f"--object-format={object_format}", path=bench.folder / object_format)
    oid = bench.commit(cwd=repo)
    bench.git("tag", "-s", "-m", "first", "v1", cwd=repo)
    bench.git("verify-commit", "HEAD", cwd=repo)
    bench.git("verify-tag", "v1", cwd=repo)
    header = b"gpgsig-sha256 " if object_format == "sha256" else b"gpgsig "
    assert b"\n" + header in bench.raw("commit", oid, cwd=repo)
    done = bench.verify("HEAD", "v1", "--offline", cwd=repo)
    assert (done.returncode, done.stdout.count(b" ok       alice@example.com ")) == (0, 2)
    assert b"Good signature by alice@example.com" in bench.try_git("log", "--show-signature", "-1", cwd=repo).stdout


def test_trust_is_undefined_when_nobody_said_who_may_sign(bench: Workbench) -> None:
    bench.commit()
    verdict, signer, key, fingerprint, trust = shown(bench)
    assert (verdict, signer, trust) == ("U", EMAIL, "undefined")
    assert key == fingerprint
    assert len(fingerprint) == 64
    assert bench.try_git("verify-commit", "HEAD").returncode == 0


@pytest.mark.parametrize(
    "line", ["alice@example.com {url}", "*@example.com {url}", "alice@example.com http://*", "* *"]
)
def test_an_allowed_signer_is_fully_trusted(bench: Workbench, line: str) -> None:
    bench.configure(
        "gitsign.allowedSigner=bob@example.com https://x", f"gitsign.allowedSigner={line.format(url=bench.stack.url)}"
    )
    bench.commit()
    assert shown(bench)[0::4] == ["G", "fully"]
    bench.git("checkout", "-q", "--orphan", "other")
    bench.commit("base")
    bench.git("checkout", "-q", "main")
    bench.git("merge", "-q", "--allow-unrelated-histories", "--verify-signatures", "-m", "merged", "other")


@pytest.mark.parametrize(
    "line", ["bob@example.com {url}", "alice@example.com https://x", "lice@example.com {url}", "alice@example.co {url}"]
)
def test_somebody_else_is_never_trusted_and_fails(bench: Workbench, line: str) -> None:
    bench.configure(f"gitsign.allowedSigner={line.format(url=bench.stack.url)}")
    bench.commit()
    assert shown(bench)[1::3] == [EMAIL, "never"]
    done = bench.try_git("verify-commit", "--raw", "HEAD")
    assert done.returncode != 0
    assert b"[GNUPG:] TRUST_NEVER" in done.stderr
    bench.git("checkout", "-q", "--orphan", "other")
    bench.commit("base")
    bench.git("checkout", "-q", "main")
    merged = bench.try_git("merge", "--allow-unrelated-histories", "--verify-signatures", "-m", "merged", "other")
    assert merged.returncode != 0


def test_status_lines_of_a_good_signature(bench: Workbench) -> None:
    bench.commit()
    lines = bench.try_git("verify-commit", "--raw", "HEAD").stderr.decode().splitlines()
    words = [line.split()[1] for line in lines if line.startswith("[GNUPG:]")]
    assert words == ["NEWSIG", "GOODSIG", "VALIDSIG", "TRUST_UNDEFINED"]


def test_a_changed_commit_is_badsig(bench: Workbench) -> None:
    bench.commit("good message")
    forged = bench.store("commit", bench.raw("commit", "HEAD").replace(b"good message", b"evil message"))
    assert shown(bench, forged)[0::4] == ["B", "never"]
    done = bench.try_git("verify-commit", "--raw", forged)
    assert done.returncode == 1
    assert b"[GNUPG:] BADSIG " in done.stderr
    assert b"GOODSIG" not in done.stderr
    refused = bench.verify(forged)
    assert refused.returncode == 1
    assert b"[3.3 content-digest-mismatch]" in refused.stdout


def test_what_cannot_be_checked_is_errsig(bench: Workbench) -> None:
    bench.configure("gitsign.rekorMode=online")
    bench.commit()
    env: dict[str, Any] = {"GITSIGN_REKOR_URL": "http://127.0.0.1:9"}
    done = bench.try_git("verify-commit", "--raw", "HEAD", **env)
    assert done.returncode == 1
    assert b"[GNUPG:] ERRSIG " in done.stderr
    assert bench.git("log", "-1", "--format=%G?|%GT", **env) == "E|undefined"
    refused = bench.verify("HEAD", **env)
    assert refused.returncode == 3
    assert b"log entry not embedded, log unreachable" in refused.stdout
    assert bench.verify("HEAD", "--offline").returncode == 3


def test_online_mode_verifies_commits_and_tags_by_asking_the_log(bench: Workbench) -> None:
    bench.configure("gitsign.rekorMode=online")
    bench.commit()
    bench.git("tag", "-s", "-m", "first", "v1")
    bench.git("verify-commit", "HEAD")
    bench.git("verify-tag", "v1")
    done = bench.verify("HEAD", "v1")
    assert done.returncode == 0, done.stdout


def test_it_works_as_plain_gpg_program(bench: Workbench) -> None:
    repo = bench.folder / "plain"
    bench.git("init", "-q", str(repo), cwd=bench.folder)
    name = program(bench.folder)
    bench.configure(f"gpg.program={name}", f"gpg.x509.program={name}", cwd=repo)
    bench.commit(cwd=repo)
    bench.git("tag", "-s", "-m", "x", "v1", cwd=repo)
    assert b"SIGNED MESSAGE" in bench.raw("commit", "HEAD", cwd=repo)
    bench.git("verify-commit", "HEAD", cwd=repo)
    bench.git("verify-tag", "v1", cwd=repo)


def test_linked_worktree_bare_repository_and_alternates(bench: Workbench) -> None:
    oid = bench.commit()
    linked, bare, shared = (bench.folder / name for name in ("linked", "bare.git", "shared"))
    bench.git("worktree", "add", "-q", "-b", "side", str(linked))
    second = bench.commit("in the worktree", cwd=linked)
    bench.git("clone", "-q", "--bare", str(bench.repo), str(bare))
    bench.git("clone", "-q", "-s", str(bench.repo), str(shared))
    for place in (linked, bare, shared):
        bench.git("-c", f"gpg.x509.program={program(bench.folder)}", "verify-commit", oid, cwd=place)
        assert bench.verify(oid, second, cwd=place).returncode == 0
    assert bench.verify("HEAD", cwd=bench.folder, GIT_DIR=str(bare)).returncode == 0


def test_ranges_and_several_revisions(bench: Workbench) -> None:
    oids = [bench.commit(f"number {n}") for n in range(3)]
    done = bench.verify(f"{oids[0]}..HEAD", "-q")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.decode().splitlines()] == [oids[2][:7], oids[1][:7]]
    assert bench.verify("HEAD..HEAD").returncode == 2


@pytest.mark.parametrize("name", ["HEAD^{tree}", "HEAD:file", "nothing-here", "--all", "HEAD@{7}", ""])
def test_what_is_no_commit_or_tag_is_a_usage_error(bench: Workbench, name: str) -> None:
    (bench.repo / "file").write_text("x")
    bench.git("add", "file")
    bench.commit()
    assert bench.verify("--", name).returncode == 2


def test_reflog_selectors_name_what_git_says(bench: Workbench) -> None:
    """The peer verifies the tip for HEAD@{1} and says good."""
    bench.commit("signed")
    bench.git("commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "unsigned")
    bench.commit("signed again")
    done = bench.verify("HEAD@{1}")
    assert done.returncode == 1
    assert b"REFUSED  no signature" in done.stdout
    assert bench.verify("main@{0}").returncode == 0


def test_a_branch_named_like_a_short_id_is_what_git_says(bench: Workbench) -> None:
    first = bench.commit("signed")
    bench.git("commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "unsigned")
    bench.git("branch", first[:7])
    resolved = bench.git("rev-parse", first[:7])
    done = bench.verify("-q", first[:7])
    assert done.stdout.decode().startswith(resolved[:7])


def test_an_identity_has_to_be_named(bench: Workbench) -> None:
    bench.commit()
    done = bench.tool("verify", "HEAD")
    assert done.returncode == 2
    assert b"--any-identity" in done.stderr
    assert bench.tool("verify", "--any-identity", "HEAD").returncode == 0
    assert bench.tool("verify", "--certificate-identity", EMAIL, "HEAD").returncode == 2
    both = ["--certificate-identity", EMAIL, "--certificate-identity-regexp", "x", "--certificate-oidc-issuer", "y"]
    assert bench.tool("verify", *both, "HEAD").returncode == 2
    assert bench.tool("verify", "--any-identity", *bench.who, "HEAD").returncode == 2
    assert bench.tool("verify", "--certificate-identity-regexp", "(", "--certificate-oidc-issuer", "y").returncode == 2


@pytest.mark.parametrize(
    ("pattern", "status"),
    [
        ("alice@example[.]com", 0),
        (".*@example[.]com", 0),
        ("alice", 1),
        ("example", 1),
        ("lice@example[.]com", 1),
        ("alice@example[.]co", 1),
    ],
)
def test_patterns_match_the_whole_identity(bench: Workbench, pattern: str, status: int) -> None:
    bench.commit()
    flags = [
        "--certificate-identity-regexp",
        pattern,
        "--certificate-oidc-issuer-regexp",
        "http://127[.]0[.]0[.]1:[0-9]+",
    ]
    assert bench.tool("verify", *flags, "HEAD").returncode == status


def test_without_a_trust_root_it_could_not_be_checked(bench: Workbench) -> None:
    bench.commit()
    done = bench.verify("--trusted-root", "/nowhere/trusted_root.json", "HEAD")
    assert (done.returncode, b"trust-root-missing" in done.stderr) == (3, True)
    raw = bench.try_git("verify-commit", "--raw", "HEAD", GITSIGN_TRUSTED_ROOT="/nowhere/trusted_root.json")
    assert (raw.returncode, b"[GNUPG:] ERRSIG " in raw.stderr) == (1, True)


def test_several_commits_at_once_in_several_worktrees(bench: Workbench) -> None:
    bench.commit("base")
    places = [bench.folder / f"tree{n}" for n in range(20)]
    for n, place in enumerate(places):
        bench.git("worktree", "add", "-q", "-b", f"b{n}", str(place))
    with ThreadPoolExecutor(20) as pool:
        oids = list(pool.map(lambda place: bench.commit("at once", cwd=place), places))
    assert len(set(oids)) >= 1
    done = bench.verify("-q", *(f"b{n}" for n in range(20)))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(b" ok  ") == 20


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_accepts_what_we_sign(bench: Workbench) -> None:
    bench.commit()
    split = split_commit(bench.raw("commit", "HEAD"))
    assert split.signature is not None
    (bench.folder / "sig.der").write_bytes(dearmor(split.signature))
    (bench.folder / "payload").write_bytes(split.payload)
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "sig.der", "-content", "payload"]
    chain = bench.stack.directory / "fulcio-chain.pem"
    command += ["-CAfile", str(chain), "-purpose", "any", "-out", "out"]
    done = subprocess.run(command, cwd=bench.folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (bench.folder / "out").read_bytes() == split.payload


def test_after_signing_one_line_says_who_signed(bench: Workbench) -> None:
    log = bench.folder / "log"
    bench.commit(GITSIGN_LOG=str(log))
    [line] = [line for line in log.read_text().splitlines() if "signed by" in line]
    assert f"signed by {EMAIL}, vouched for by {bench.stack.url}, log index " in line
    assert no_agent(bench.env)


def test_a_home_that_cannot_be_written_signs_and_verifies(bench: Workbench) -> None:
    nowhere: dict[str, Any] = {"HOME": "/dev/null/nowhere", "XDG_RUNTIME_DIR": "/dev/null/run"}
    bench.configure("gitsign.agent=off")
    oid = bench.commit(**nowhere)
    assert bench.verify(oid, **nowhere).returncode == 0
    bench.git("verify-commit", oid, **nowhere)


def test_verify_json_names_every_step(bench: Workbench) -> None:
    bench.commit()
    schema = json.loads((Path(__file__).parents[2] / "docs/schemas/verify.json").read_text())
    for arguments, status in ((["HEAD"], 0), (["--offline", "HEAD"], 0)):
        done = bench.verify("--json", *arguments)
        assert done.returncode == status
        value = json.loads(done.stdout)
        jsonschema.validate(value, schema)
        assert value[0]["verdict"] == "verified"
        assert [step["number"] for step in value[0]["steps"]][:3] == ["1.1", "1.2", "2.1"]
    forged = bench.store("commit", bench.raw("commit", "HEAD").replace(b"hello", b"HELLO"))
    refused = json.loads(bench.verify("--json", forged).stdout)
    jsonschema.validate(refused, schema)
    assert (refused[0]["verdict"], refused[0]["step"], refused[0]["reason"]) == (
        "not-verified",
        "3.3",
        "content-digest-mismatch",
    )
