"""``gitsign-py show``: everything a signature says, and never more than that."""

import json
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.encoding import b64_decode, pem_decode
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.inprocess import run_here
from tests.support.workbench import EMAIL, Workbench


def show(bench: Workbench, *arguments: str, status: int = 0) -> dict[str, Any]:
    done = bench.tool("show", *arguments)
    assert done.returncode == status, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_a_commit_as_the_go_client_shows_it(bench: Workbench) -> None:
    bench.git("remote", "add", "origin", "https://user:secret@example.com/repo.git")
    parent = bench.commit("parent")
    oid = bench.commit("Grüße\n\nzweite Zeile")
    value = show(bench)
    assert value["_type"] == "https://in-toto.io/Statement/v0.1"
    assert value["predicateType"] == "https://gitsign.sigstore.dev/predicate/git/v0.1"
    assert value["subject"] == [{"name": "https://example.com/repo.git", "digest": {"sha1": oid}}]
    content = value["predicate"]
    assert content["source"]["parents"] == [parent]
    assert content["source"]["tree"] == bench.git("rev-parse", "HEAD^{tree}")
    assert content["source"]["message"] == "Grüße\n\nzweite Zeile\n"
    assert content["source"]["author"]["date"] == bench.git("log", "-1", "--format=%aI").replace("+00:00", "Z")
    assert content["source"]["committer"]["email"] == bench.git("log", "-1", "--format=%ce")
    [signer] = content["signer_info"]
    assert len(pem_decode(signer["certificate"].encode(), "CERTIFICATE")) == 1
    assert b64_decode(signer["attributes"])[0] == 0x31
    assert content["signature"].startswith("-----BEGIN SIGNED MESSAGE-----\n")


def test_what_is_in_the_signature_is_shown_and_marked_as_unverified(bench: Workbench) -> None:
    bench.commit()
    content = show(bench, "HEAD")["predicate"]
    assert content["verification"]["verdict"] == "not-asked"
    assert content["certificate"]["identity"] == EMAIL
    assert content["certificate"]["issuer"] == bench.stack.url
    assert content["log_entry"]["inclusionProof"]["checkpoint"]["envelope"]
    assert content["timestamp"] is None
    assert content["signing_time"].endswith("Z")


def test_a_timestamp_is_shown(bench: Workbench) -> None:
    bench.configure(f"gitsign.timestampServerURL={bench.stack.url}/api/v1/timestamp")
    bench.commit()
    stamp = show(bench)["predicate"]["timestamp"]
    assert stamp["time"].startswith("20")
    assert b64_decode(stamp["token"])[0] == 0x30


def test_verify_says_what_verify_says(bench: Workbench) -> None:
    bench.commit("good message")
    assert show(bench, "--verify")["predicate"]["verification"]["verdict"] == "verified"
    assert show(bench, *bench.who)["predicate"]["verification"]["identity_checked"] is True
    other = ["--certificate-identity", "bob@example.com", "--certificate-oidc-issuer", bench.stack.url]
    assert show(bench, *other, status=1)["predicate"]["verification"]["reason"] == "identity-mismatch"
    forged = bench.store("commit", bench.raw("commit", "HEAD").replace(b"good message", b"evil message"))
    assert show(bench, forged)["predicate"]["source"]["message"] == "evil message\n"
    value = show(bench, "--verify", forged, status=1)["predicate"]["verification"]
    assert (value["verdict"], value["step"]) == ("not-verified", "3.3")


def test_online_signatures_hold_no_log_entry(bench: Workbench) -> None:
    bench.configure("gitsign.rekorMode=online")
    bench.commit()
    assert show(bench)["predicate"]["log_entry"] is None
    assert show(bench, "--verify")["predicate"]["verification"]["verdict"] == "verified"
    assert show(bench, "--verify", "--offline", status=3)["predicate"]["verification"]["verdict"] == "unchecked"


def test_tags_and_sha256_repositories(bench: Workbench) -> None:
    oid = bench.commit()
    bench.git("tag", "-s", "-m", "first", "v1")
    value = show(bench, "v1")
    assert value["subject"][0]["digest"] == {"gitTag": bench.git("rev-parse", "v1")}
    assert value["predicate"]["source"]["object"] == oid
    assert value["predicate"]["source"]["tag"] == "v1"
    repo = bench.init("--object-format=sha256", path=bench.folder / "sha256")
    oid = bench.commit(cwd=repo)
    shown = json.loads(bench.tool("show", cwd=repo).stdout)
    assert shown["subject"] == [{"name": "", "digest": {"gitCommit": oid}}]


def test_unsigned_foreign_and_broken_signatures_do_not_stop_it(bench: Workbench) -> None:
    bench.git("commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "unsigned")
    assert "signer_info" not in show(bench)["predicate"]
    assert show(bench)["predicate"]["signature"] == ""
    assert show(bench, "--verify", status=1)["predicate"]["verification"]["reason"] == "unsigned"
    raw = bench.raw("commit", "HEAD")
    for body, words in (
        (b"-----BEGIN PGP SIGNATURE-----\n \n MIAA\n -----END PGP SIGNATURE-----", "another format (openpgp)"),
        (b"-----BEGIN SIGNED MESSAGE-----\n MIAA\n -----END SIGNED MESSAGE-----", "der-"),
    ):
        head, _, message = raw.partition(b"\n\n")
        oid = bench.store("commit", head + b"\ngpgsig " + body + b"\n\n" + message)
        assert words in show(bench, oid)["predicate"]["problem"]


def test_people_can_read_it(bench: Workbench) -> None:
    bench.commit()
    lines = bench.tool("show", "--text").stdout.decode().splitlines()
    assert lines[0] == "commit " + bench.git("rev-parse", "HEAD")
    assert f"  identity     {EMAIL}" in lines
    assert lines[-1] == "  verification not-asked: nothing of this was verified; see gitsign-py verify"
    assert bench.tool("show", "--text", "--verify").stdout.decode().splitlines()[-1] == "  verification verified"


def test_a_terminal_gets_the_view_for_people_and_the_encoding_header_counts(tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path / "repo")
    tree = repo.git("hash-object", "-t", "tree", "-w", "/dev/null").encode()
    person = "Jürgen Größe <j@example.com> 1700000000 +0100".encode("latin-1")
    body = b"tree %b\nauthor %b\ncommitter %b\nencoding ISO-8859-1\n\n%b\n" % (
        tree, person, person, "Grüße\n\nund mehr".encode("latin-1"),
    )  # fmt: skip
    oid = repo.store("commit", body)
    source = json.loads(run_here(repo.path, environment(), "show", oid).out)["predicate"]["source"]
    assert source["message"] == "Grüße\n\nund mehr\n"
    assert source["author"]["name"] == "Jürgen Größe"
    lines = run_here(repo.path, environment(), "show", oid, terminal=True).lines
    assert lines == [
        f"commit {oid}",
        "  by           Jürgen Größe <j@example.com> 2023-11-14T23:13:20+01:00",
        "  message      Grüße",
        "  signature    none",
        "  verification not-asked: nothing of this was verified; see gitsign-py verify",
    ]
    assert run_here(repo.path, environment(), "show", "--json", oid, terminal=True).out.startswith("{")
    unknown = repo.store("commit", body.replace(b"ISO-8859-1", b"no-such-code"))
    assert (
        "Gr\ufffd"
        in json.loads(run_here(repo.path, environment(), "show", unknown).out)["predicate"]["source"]["message"]
    )


def test_a_terminal_is_never_sent_what_a_commit_holds(bench: Workbench) -> None:
    bench.commit("\x1b[31mred \u202egnipeels \x9b2J")
    for form in ("--json", "--text"):
        out = bench.tool("show", form).stdout
        assert all(byte in b"\n" or 0x20 <= byte < 0x7F for byte in out), out


@pytest.mark.parametrize(
    "person", [b"A <a@b> 99999999999999 +0000", b"A <a@b> 1 +9999", b"A <a@b> 1 -0230", b"A", b"<>"]
)
def test_odd_people_and_times(bench: Workbench, person: bytes) -> None:
    tree = bench.git("hash-object", "-t", "tree", "-w", "/dev/null").encode()
    oid = bench.store("commit", b"tree %b\nauthor %b\ncommitter %b\n\nx" % (tree, person, person))
    author = show(bench, oid)["predicate"]["source"]["author"]
    assert author["date"] in ("", "1970-01-01T00:00:01Z", "1969-12-31T21:30:01-02:30")


def test_one_revision_at_a_time(bench: Workbench) -> None:
    first = bench.commit()
    bench.commit()
    bench.commit()
    assert bench.tool("show", f"{first}..HEAD").returncode == 2
    assert bench.tool("show", "HEAD^{tree}").returncode == 2
