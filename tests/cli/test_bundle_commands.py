"""verify-bundle, bundle export and import, and initialize as a person calls them; the sigstore package is the judge."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gitsign_py.core.git.gitobject import join_commit
from gitsign_py.core.trust.root import format_trusted_root
from tests.support.bulksigner import BulkSigner
from tests.support.bundles import ARTIFACT, ISSUER, PERSON, BundleMaker, b64
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER as BULK_ISSUER
from tests.support.tufrepo import TufRepository, serve

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/schemas/verify-bundle.json").read_text())


def run(*arguments: str | Path, cwd: Path, **env: str) -> "subprocess.CompletedProcess[bytes]":
    variables = environment(HOME=str(cwd), TUF_ROOT=str(cwd / "tuf"), PYTHONPATH=str(ROOT), **env)
    command = [sys.executable, "-m", "gitsign_py", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    return done


# --- verify-bundle ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> BundleMaker:
    return BundleMaker(tmp_path_factory.mktemp("sigstore"))


@pytest.fixture
def place(tmp_path: Path, maker: BundleMaker) -> Path:
    (tmp_path / "root.json").write_bytes(format_trusted_root(maker.trusted_root))
    (tmp_path / "artifact").write_bytes(ARTIFACT)
    return tmp_path


WHO = ("--certificate-identity", PERSON, "--certificate-oidc-issuer", ISSUER)


def verify(place: Path, bundle: object, *options: str, artifact: str = "artifact") -> tuple[int, str, str]:
    (place / "bundle.json").write_text(json.dumps(bundle))
    done = run("verify-bundle", "--bundle", "bundle.json", "--trusted-root", "root.json", *options, artifact, cwd=place)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_bundle_over_a_file_and_over_a_digest(place: Path, maker: BundleMaker) -> None:
    bundle = maker.message()
    status, out, err = verify(place, bundle, *WHO)
    assert (status, err) == (0, "")
    assert out.startswith(f"verified: signed by {PERSON}, vouched for by {ISSUER}, at 2026-01-01T12:00:05Z\n")
    assert "  4.3  ok" in out
    digest = f"sha256:{hashlib.sha256(ARTIFACT).hexdigest()}"
    assert verify(place, bundle, *WHO, "-q", artifact=digest)[:2] == (0, out.splitlines()[0] + "\n")


def test_a_file_named_like_a_digest_is_the_file(place: Path, maker: BundleMaker) -> None:
    name = f"sha256:{hashlib.sha256(ARTIFACT).hexdigest()}"
    (place / name).write_bytes(b"something else")
    assert verify(place, maker.message(), *WHO, artifact=name)[0] == 1


@pytest.mark.parametrize(
    "name", ["sha256:00", "sha256:" + "G" * 64, "sha1:" + "0" * 40, "nowhere", "SHA256:" + "A" * 64]
)
def test_what_is_neither_file_nor_digest(place: Path, maker: BundleMaker, name: str) -> None:
    status, _, err = verify(place, maker.message(), *WHO, artifact=name)
    assert status == 2
    assert "file-unreadable" in err


def test_a_refusal_is_status_1_with_step_and_reason(place: Path, maker: BundleMaker) -> None:
    other = ("--certificate-identity", "bob@example.com", "--certificate-oidc-issuer", ISSUER)
    status, out, _ = verify(place, maker.message(), *other)
    assert status == 1
    assert out.startswith("not verified: signed by alice@example.com, expected bob@example.com")
    assert "[6.1 identity-mismatch]" in out
    assert "  6.1  FAILED" in out


@pytest.mark.parametrize("bundle", [{}, [], {"mediaType": "x"}, None])
def test_what_is_no_bundle_is_status_1(place: Path, bundle: object) -> None:
    assert verify(place, bundle, *WHO)[0] == 1


def test_a_malformed_trust_root_is_status_3(place: Path, maker: BundleMaker) -> None:
    (place / "root.json").write_text("{}")
    assert verify(place, maker.message(), *WHO)[0] == 3


def read_json(place: Path, bundle: object, *options: str, status: int) -> dict[str, Any]:
    """The object that --json prints, which docs/schemas/verify-bundle.json describes."""
    done = verify(place, bundle, *options, "--json")
    assert (done[0], done[2]) == (status, "")
    found: dict[str, Any] = json.loads(done[1])
    jsonschema.validate(found, SCHEMA, format_checker=jsonschema.FormatChecker())
    return found


def test_json_tells_everything(place: Path, maker: BundleMaker) -> None:
    found = read_json(place, maker.attestation(), *WHO, status=0)
    assert (found["verdict"], found["identity"], found["issuer"]) == ("verified", PERSON, ISSUER)
    assert (found["bundle"], found["artifact"]) == ("bundle.json", "artifact")
    assert found["predicate_type"] == "https://example.com/predicate"
    assert [step["number"] for step in found["steps"]][:2] == ["1.1", "1.2"]
    assert found["steps"][0]["title"] == "bundle is well-formed, of a known version"
    assert (found["time"], [each["kind"] for each in found["logs"]]) == ("2026-01-01T12:00:05Z", ["dsse"])
    assert found["times"] == [{"time": found["time"], "source": "log", "authority": found["logs"][0]["url"]}]


def test_json_of_a_managed_key(place: Path, maker: BundleMaker) -> None:
    who = maker.managed()
    (place / "key.pub").write_bytes(who.pem)
    bundle = maker.message(who, tiled=True)
    del bundle["verificationMaterial"]["timestampVerificationData"]
    found = read_json(place, bundle, "--key", "key.pub", status=0)
    assert (found["key"], found["time"], found["times"]) == (who.public.key_id.hex(), None, [])
    assert {found[name] for name in ("identity", "san_type", "issuer", "certificate")} == {None}


def test_json_of_refusals(place: Path, maker: BundleMaker) -> None:
    found = read_json(place, maker.attestation(payload=b"{}"), *WHO, status=1)
    assert (found["verdict"], found["step"], found["steps"][-1]["outcome"]) == ("not-verified", "3.3", "failed")
    found = read_json(place, {}, *WHO, status=1)
    assert (found["verdict"], found["step"], found["reason"]) == ("not-verified", "1.1", "bundle-version")
    (place / "root.json").write_text("{}")
    found = read_json(place, maker.message(), *WHO, status=3)
    assert (found["verdict"], found["step"], found["steps"]) == ("unchecked", "", [])


def test_json_names_what_is_the_same_as_for_commits() -> None:
    commits = json.loads((ROOT / "docs/schemas/verify.json").read_text())["$defs"]["judgement"]
    assert set(commits["properties"]) - set(SCHEMA["properties"]) == {"revision", "oid", "kind", "log", "smime"}
    assert set(commits["properties"]["log"]["properties"]) < set(SCHEMA["properties"]["logs"]["items"]["properties"])
    assert SCHEMA["properties"]["steps"] == commits["properties"]["steps"]


@pytest.mark.parametrize("who", [WHO, ("--certificate-identity", "bob@example.com", *WHO[2:])])
def test_json_names_a_root_that_the_repository_says(place: Path, maker: BundleMaker, who: tuple[str, ...]) -> None:
    """As verify --json does: whoever made the repository chose what the verdict rests on."""
    ScratchRepo.init(place).git("config", "gitsign.trustedRoot", str(place / "root.json"))
    (place / "bundle.json").write_text(json.dumps(maker.message()))
    asked = ("verify-bundle", "--json", "--bundle", "bundle.json", *who)
    found = json.loads(run(*asked, "artifact", cwd=place).stdout)
    jsonschema.validate(found, SCHEMA)
    digest = hashlib.sha256((place / "root.json").read_bytes()).hexdigest()
    (said,) = found["sources"]
    assert said.startswith(f"gitsign.trustedRoot = {place / 'root.json'} (sha256 {digest}) is said by this repository")
    own = json.loads(run(*asked, "--trusted-root", "root.json", "artifact", cwd=place).stdout)
    assert "sources" not in own


def test_options_stand_in_any_order_and_hex_in_any_case(place: Path, maker: BundleMaker) -> None:
    (place / "bundle.json").write_text(json.dumps(maker.message()))
    digest = f"sha256:{hashlib.sha256(ARTIFACT).hexdigest().upper()}"
    root = ("--trusted-root", "root.json")
    regexps = (f"--certificate-identity-regexp={PERSON}", f"--certificate-oidc-issuer-regexp={ISSUER}")
    for arguments in (
        ("--staging", "--bundle", "bundle.json", *WHO, *root, "artifact"),
        ("artifact", *reversed(regexps), *root, "--bundle=bundle.json"),
        (*WHO[2:], digest, *root, *WHO[:2], "--bundle", "bundle.json"),
    ):
        assert run("verify-bundle", *arguments, cwd=place).returncode == 0


def test_managed_keys(place: Path, maker: BundleMaker) -> None:
    """sigstore-conformance's managed-key-and-client-identity among others"""
    who = maker.managed()
    (place / "key.pub").write_bytes(who.pem)
    (place / "bad.pub").write_bytes(b"no key")
    bundle = maker.message(who)
    assert verify(place, bundle, "--key", "key.pub")[0] == 0
    assert verify(place, bundle, *WHO)[0] == 3
    assert verify(place, bundle, "--key", "key.pub", *WHO)[0] == 2
    assert verify(place, bundle, "--key", "bad.pub")[0] == 2
    assert verify(place, bundle, "--key", "nowhere")[0] == 2


def test_somebody_must_be_named(place: Path, maker: BundleMaker) -> None:
    bundle = maker.message()
    assert verify(place, bundle)[0] == 2
    assert verify(place, bundle, *WHO[:2])[0] == 2
    assert verify(place, bundle, *WHO, "--any-identity")[0] == 2
    status, out, _ = verify(place, bundle, "--any-identity")
    assert status == 0
    assert "identity accepted as it is" in out


def test_patterns_match_the_whole_value(place: Path, maker: BundleMaker) -> None:
    bundle = maker.message()
    for pattern, status in ((".*@example[.]com", 0), ("alice", 1), ("lice@example.com", 1)):
        found = verify(
            place, bundle, "--certificate-identity-regexp", pattern, "--certificate-oidc-issuer-regexp", "http://.*"
        )
        assert found[0] == status
        part = "which matches only a part of it: patterns match the whole value" in found[1]
        assert part == bool(status), found
    nowhere = ("--certificate-identity-regexp", "bob", "--certificate-oidc-issuer-regexp", "http")
    assert "only a part" not in verify(place, bundle, *nowhere)[1]


def test_another_instance_is_refused(place: Path, maker: BundleMaker) -> None:
    (place / "bundle.json").write_text(json.dumps(maker.message()))
    for options in ((), ("--staging",)):
        assert run("verify-bundle", "--bundle", "bundle.json", *options, *WHO, "artifact", cwd=place).returncode == 3


def test_a_hundred_megabytes_are_refused_at_once(place: Path) -> None:
    (place / "bundle.json").write_bytes(b" " * (100 << 20))
    done = run("verify-bundle", "--bundle", "bundle.json", "--trusted-root", "root.json", *WHO, "artifact", cwd=place)
    assert done.returncode == 1
    assert b"file-too-large" in done.stderr


# --- bundle export, bundle import ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> BulkSigner:
    return BulkSigner(tmp_path_factory.mktemp("bulk"))


@pytest.fixture
def repo(tmp_path: Path, signer: BulkSigner) -> ScratchRepo:
    """A repository with an unsigned commit on main, and the same commit signed on the branch signed."""
    repo = ScratchRepo.init(tmp_path / "repo")
    oid = repo.commit()
    payload = repo.raw("commit", oid)
    repo.git("branch", "signed", repo.store("commit", join_commit(payload, signer.sign(PERSON, payload, AT))))
    (repo.path / "root.json").write_bytes(signer.trusted_root_json)
    return repo


BULK_WHO = ("--certificate-identity", PERSON, "--certificate-oidc-issuer", BULK_ISSUER)


def export(repo: ScratchRepo, *options: str) -> "subprocess.CompletedProcess[bytes]":
    return run("bundle", "export", "signed", "--trusted-root", "root.json", *options, cwd=repo.path)


def test_what_is_exported_the_sigstore_program_believes(repo: ScratchRepo) -> None:
    done = export(repo, "--output", "c.sigstore.json", "--artifact", "c.der")
    assert done.returncode == 0, done.stderr
    assert PERSON in done.stdout.decode()
    ours = ("verify-bundle", "--bundle", "c.sigstore.json", "--trusted-root", "root.json", *BULK_WHO, "c.der")
    assert run(*ours, cwd=repo.path).returncode == 0
    config = {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": json.loads((repo.path / "root.json").read_bytes()),
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        },
    }
    (repo.path / "config.json").write_text(json.dumps(config))
    theirs = [sys.executable, "-m", "sigstore", "--trust-config", "config.json", "verify", "identity"]
    theirs += ["--bundle", "c.sigstore.json", "--cert-identity", PERSON, "--cert-oidc-issuer", BULK_ISSUER, "c.der"]
    variables = {**os.environ, "HOME": str(repo.path)}
    done = subprocess.run(theirs, cwd=repo.path, env=variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (repo.path / "c.der").write_bytes(b"another")
    done = subprocess.run(theirs, cwd=repo.path, env=variables, capture_output=True, check=False)
    assert done.returncode != 0
    assert run(*ours, cwd=repo.path).returncode == 1


def test_files_are_named_for_the_object_unless_told_otherwise(repo: ScratchRepo) -> None:
    oid = repo.git("rev-parse", "signed")
    assert export(repo).returncode == 0
    assert (repo.path / f"{oid}.sigstore.json").is_file()
    written = (repo.path / f"{oid}.signed-attributes.der").read_bytes()
    done = export(repo, "--output", "-", "--artifact", "again.der")
    assert json.loads(done.stdout)["messageSignature"]["messageDigest"]["digest"] == b64(
        hashlib.sha256(written).digest()
    )


def test_head_is_exported_where_it_is_told(repo: ScratchRepo) -> None:
    """Standard output is the bundle and nothing else, and nothing lies in the working tree that nobody asked for."""
    repo.git("checkout", "-q", "signed")
    (repo.path / "out").mkdir()
    before = set(repo.path.iterdir())
    head = ("bundle", "export", "--trusted-root", "root.json")
    done = run(*head, "--output", "-", cwd=repo.path)
    assert json.loads(done.stdout)["messageSignature"]
    assert PERSON in done.stderr.decode()
    assert set(repo.path.iterdir()) == before
    assert run(*head, "-o", "out", cwd=repo.path).returncode == 0
    oid = repo.git("rev-parse", "HEAD")
    names = [f"{oid}.signed-attributes.der", f"{oid}.sigstore.json"]
    assert sorted(path.name for path in (repo.path / "out").iterdir()) == sorted(names)
    assert set(repo.path.iterdir()) == before
    artifact = run(*head, "--output", "out/b.json", "--artifact", "-", cwd=repo.path)
    assert artifact.stdout == (repo.path / "out" / names[0]).read_bytes()
    assert run(*head, "--output", "-", "--artifact", "-", cwd=repo.path).returncode == 2
    done = run(*head, "-o", "nowhere/", cwd=repo.path)
    assert (done.returncode, b"file-unwritable" in done.stderr) == (2, True)
    assert set(repo.path.iterdir()) == before, "no file of that name is written in the place of a folder"


def test_export_refuses_what_does_not_verify(repo: ScratchRepo, maker: BundleMaker) -> None:
    assert run("bundle", "export", "main", "--trusted-root", "root.json", cwd=repo.path).returncode == 1
    (repo.path / "root.json").write_bytes(format_trusted_root(maker.trusted_root))
    assert export(repo).returncode == 3
    assert not list(repo.path.glob("*.sigstore.json"))
    assert run("bundle", "export", "nowhere", cwd=repo.path).returncode == 2
    assert run("bundle", "export", "main..signed", "--trusted-root", "root.json", cwd=repo.path).returncode == 3
    assert run("bundle", cwd=repo.path).returncode == 2


def test_import_makes_the_signature_and_the_commit_again(repo: ScratchRepo) -> None:
    export(repo, "--output", "c.json", "--artifact", "c.der")
    files = ("--bundle", "c.json", "--artifact", "c.der", "--trusted-root", "root.json")
    done = run("bundle", "import", "main", *files, *BULK_WHO, cwd=repo.path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"-----BEGIN SIGNED MESSAGE-----\n")
    done = run("bundle", "import", "main", *files, "--any-identity", "--write", cwd=repo.path)
    assert done.stdout.decode().strip() == repo.git("rev-parse", "signed")
    assert repo.git("rev-parse", "main") != repo.git("rev-parse", "signed")


def test_import_refuses_another_commit_and_another_person(repo: ScratchRepo) -> None:
    export(repo, "--output", "c.json", "--artifact", "c.der")
    files = ("--bundle", "c.json", "--artifact", "c.der", "--trusted-root", "root.json")
    repo.commit("another")
    done = run("bundle", "import", "main", *files, *BULK_WHO, cwd=repo.path)
    assert done.returncode == 1
    assert b"content-digest-mismatch" in done.stderr
    assert done.stdout == b""
    other = ("--certificate-identity", "bob@example.com", "--certificate-oidc-issuer", BULK_ISSUER)
    assert run("bundle", "import", "signed", *files, *other, cwd=repo.path).returncode == 1
    assert run("bundle", "import", "signed", *files, cwd=repo.path).returncode == 2
    (repo.path / "c.der").write_bytes(b"no DER")
    assert run("bundle", "import", "signed", *files, *BULK_WHO, cwd=repo.path).returncode == 1


# --- initialize ------------------------------------------------------------------------------------------------------


def test_initialize_keeps_a_trust_root_that_verifying_then_uses(place: Path, maker: BundleMaker) -> None:
    repository = TufRepository(place / "tuf-repository")
    repository.publish({"trusted_root.json": (place / "root.json").read_bytes()})
    (place / "first.json").write_bytes(repository.root)
    (place / "bundle.json").write_text(json.dumps(maker.message()))
    check = ("verify-bundle", "--bundle", "bundle.json", *WHO, "artifact")
    assert run(*check, cwd=place).returncode == 3
    with serve(repository.directory) as url:
        done = run("initialize", "--mirror", url, "--root", "first.json", cwd=place)
        assert done.returncode == 0, done.stderr
        assert "1 certificate authorities, 2 transparency logs" in done.stdout.decode()
        done = run("initialize", "--root", "first.json", "--json", cwd=place, TUF_MIRROR=url)
        assert json.loads(done.stdout)["mirror"] == url
    assert run(*check, "--offline", cwd=place).returncode == 0


def test_initialize_takes_mirror_and_root_from_the_environment_together(place: Path) -> None:
    repository = TufRepository(place / "tuf-repository")
    repository.publish({"trusted_root.json": (place / "root.json").read_bytes()})
    (place / "first.json").write_bytes(repository.root)
    with serve(repository.directory) as url:
        named = {"TUF_MIRROR": url, "TUF_ROOT_JSON": str(place / "first.json")}
        done = run("initialize", "--mirror", url, cwd=place, **named | {"TUF_MIRROR": "http://127.0.0.1:9"})
        assert done.returncode == 3, "a root.json that belongs to another mirror was taken"
        assert json.loads(run("initialize", "--json", cwd=place, **named).stdout)["mirror"] == url


def test_initialize_says_what_is_wrong(place: Path) -> None:
    repository = TufRepository(place / "tuf-repository")
    repository.publish({"trusted_root.json": b"{}"}, days=-1)
    (place / "first.json").write_bytes(repository.root)
    with serve(repository.directory) as url:
        done = run("initialize", "--mirror", url, "--root", "first.json", cwd=place)
        assert (done.returncode, b"trust-root-expired" in done.stderr) == (3, True)
        (place / "first.json").write_bytes(TufRepository(place / "another").root)
        done = run("initialize", "--mirror", url, "--root", "first.json", cwd=place)
        assert (done.returncode, b"trust-root-tampered" in done.stderr) == (3, True)
    assert run("initialize", "--mirror", "ftp://x", cwd=place).returncode == 2
    assert run("initialize", "--root", "nowhere", cwd=place).returncode == 2
    assert run("initialize", "--staging", "--mirror", "http://x", cwd=place).returncode == 2
