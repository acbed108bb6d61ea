"""The front as git calls it: streams, handing over to gpg, tokens, and what is refused."""

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.git.armor import dearmor
from gitsign_py.core.pki.cms import parse_signed_data
from tests.support.workbench import EMAIL, Workbench

PAYLOAD = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author A <alice@example.com> 1 +0000\ncommitter A <alice@example.com> 1 +0000\n\nhi\n"
)


def path_without_gpg(folder: Path) -> str:
    """A PATH with git and the shell, and no GnuPG."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("git", "sh", "env", "python3", "cat"):
        found = shutil.which(name)
        if found and not (tools / name).exists():
            (tools / name).symlink_to(found)
    return str(tools)


def fake_gpg(folder: Path) -> str:
    """A PATH whose gpg tells its arguments and reads its stdin."""
    tools = Path(path_without_gpg(folder))
    script = tools / "gpg"
    script.write_text('#!/bin/sh\necho "gpg was called: $*" >&2\ncat >&2\necho "[GNUPG:] GOODSIG 1234 bob" \nexit 7\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(tools)


def test_stdout_holds_the_signature_and_nothing_else(bench: Workbench) -> None:
    done = bench.tool("--status-fd=2", "-bsau", EMAIL, stdin=PAYLOAD)
    assert done.returncode == 0
    assert done.stdout.startswith(b"-----BEGIN SIGNED MESSAGE-----\n")
    assert done.stdout.endswith(b"-----END SIGNED MESSAGE-----\n")
    assert b"\n[GNUPG:] SIG_CREATED D " in done.stderr
    assert f"signed by {EMAIL}".encode() in done.stderr


def test_verifying_a_file_and_stdin(bench: Workbench) -> None:
    (bench.folder / "sig").write_bytes(bench.tool("--status-fd=2", "-bsau", EMAIL, stdin=PAYLOAD).stdout)
    (bench.folder / "data").write_bytes(PAYLOAD)
    by_stdin = bench.tool(
        "--keyid-format=long", "--status-fd=1", "--verify", str(bench.folder / "sig"), "-", stdin=PAYLOAD
    )
    by_file = bench.tool("--status-fd", "1", "--verify", str(bench.folder / "sig"), str(bench.folder / "data"))
    for done in (by_stdin, by_file):
        assert done.returncode == 0
        assert b"[GNUPG:] GOODSIG " in done.stdout
        assert b"Good signature by alice@example.com" in done.stderr
    bad = bench.tool("--status-fd=1", "--verify", str(bench.folder / "sig"), "-", stdin=PAYLOAD + b"x")
    assert (bad.returncode, b"[GNUPG:] BADSIG " in bad.stdout) == (1, True)


def test_without_armor_der_comes_out(bench: Workbench) -> None:
    done = bench.tool("--detach-sign", "--sign", "--local-user", EMAIL, stdin=PAYLOAD)
    assert len(parse_signed_data(done.stdout).signers) == 1
    armored = bench.tool("-bsa", "-o", str(bench.folder / "out"), "-u", EMAIL, stdin=PAYLOAD)
    assert armored.stdout == b""
    assert dearmor((bench.folder / "out").read_bytes())


@pytest.mark.parametrize(
    "garbage",
    [b"", b"garbage", b"-----BEGIN SIGNED MESSAGE-----\nMIA=\n-----END SIGNED MESSAGE-----\n", b"\xff" * 5000],
)
def test_a_signature_that_is_none_is_badsig(bench: Workbench, garbage: bytes) -> None:
    (bench.folder / "sig").write_bytes(garbage)
    done = bench.tool("--status-fd=1", "--verify", str(bench.folder / "sig"), "-", stdin=PAYLOAD)
    assert done.returncode == 1
    assert b"[GNUPG:] BADSIG " in done.stdout
    assert b"TRUST_NEVER" in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_signature_of_a_hundred_megabytes_is_badsig_at_once(bench: Workbench) -> None:
    with (bench.folder / "sig").open("wb") as file:
        file.truncate(100 << 20)
    done = bench.tool("--status-fd=1", "--verify", str(bench.folder / "sig"), "-", stdin=PAYLOAD)
    assert (done.returncode, b"[GNUPG:] BADSIG " in done.stdout, b"input-too-large" in done.stderr) == (1, True, True)


def test_the_peers_malformed_cms_is_refused(bench: Workbench) -> None:
    """The Go peer panics on 30 80 00."""
    (bench.folder / "sig").write_bytes(pem_encode(b"\x30\x80\x00", "SIGNED MESSAGE"))
    done = bench.tool("--status-fd=1", "--verify", str(bench.folder / "sig"), "-", stdin=PAYLOAD)
    assert (done.returncode, b"der-length" in done.stderr) == (1, True)


def test_pgp_signatures_and_key_commands_go_to_the_real_gpg(bench: Workbench) -> None:
    path = fake_gpg(bench.folder)
    (bench.folder / "sig").write_bytes(b"-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n")
    arguments = ["--keyid-format=long", "--status-fd=1", "--verify", str(bench.folder / "sig"), "-"]
    done = bench.tool(*arguments, stdin=b"the payload", PATH=path)
    assert done.returncode == 7
    assert f"gpg was called: {' '.join(arguments)}".encode() in done.stderr
    assert b"the payload" in done.stderr
    assert b"GOODSIG 1234 bob" in done.stdout
    assert bench.tool("--list-secret-keys", PATH=path).returncode == 7


def test_who_asks_for_a_signature_with_an_option_of_gpg_reads_which_it_was(bench: Workbench) -> None:
    arguments = ["-bsau", EMAIL, "--command-fd=0"]
    done = bench.tool(*arguments, stdin=PAYLOAD, PATH=fake_gpg(bench.folder))
    assert done.returncode == 7
    first, second, *_ = done.stderr.decode().splitlines()
    assert first.startswith("gitsign-py: --command-fd is an option of GnuPG alone, so ")
    assert second == f"gpg was called: {' '.join(arguments)}"
    (bench.folder / "tools" / "gpg").unlink()
    done = bench.tool(*arguments, stdin=PAYLOAD, PATH=path_without_gpg(bench.folder))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--command-fd is an option of GnuPG alone, and there is no gpg on PATH" in done.stderr


def test_without_gpg_a_pgp_signature_is_errsig(bench: Workbench) -> None:
    (bench.folder / "sig").write_bytes(b"-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n")
    path = path_without_gpg(bench.folder)
    done = bench.tool("--status-fd=1", "--verify", str(bench.folder / "sig"), "-", stdin=b"x", PATH=path)
    assert done.returncode == 2
    assert b"[GNUPG:] ERRSIG " in done.stdout
    assert b"no gpg on PATH" in done.stderr


def test_it_never_hands_over_to_itself(bench: Workbench) -> None:
    tools = Path(path_without_gpg(bench.folder))
    (tools / "gpg").symlink_to(bench.run(["git", "config", "gpg.x509.program"]).stdout.decode().strip())
    done = bench.tool("--list-keys", PATH=str(tools))
    assert done.returncode == 2
    assert b"no gpg on PATH" in done.stderr


@pytest.mark.skipif(not shutil.which("gpg"), reason="gpg is not installed")
def test_a_mixed_history_keeps_working(bench: Workbench) -> None:
    home = bench.folder / "gnupg"
    home.mkdir(mode=0o700)
    env: dict[str, Any] = {"GNUPGHOME": str(home)}
    made = bench.run(
        ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "",
         "--quick-gen-key", "Bob <bob@example.com>", "ed25519"],
        cwd=bench.folder, **env,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    try:
        bench.git(
            "-c", "gpg.format=openpgp", "commit", "-q", "--allow-empty", "-Sbob@example.com", "-m", "by gpg", **env
        )
        name = bench.git("config", "gpg.x509.program")
        bench.git("-c", f"gpg.program={name}", "verify-commit", "HEAD", **env)
        bench.commit("by us")
        bench.git("-c", f"gpg.program={name}", "verify-commit", "HEAD", "HEAD~1", **env)
    finally:
        bench.run(["gpgconf", "--kill", "all"], cwd=bench.folder, **env)


def test_tokens_come_from_flag_variable_and_file(bench: Workbench) -> None:
    token = bench.stack.token("carol@example.com")
    (bench.folder / "token").write_text(token + "\n")
    allowed: dict[str, Any] = {"GIT_COMMITTER_EMAIL": "carol@example.com"}
    bench.commit(SIGSTORE_ID_TOKEN=token, **allowed)
    bench.commit(GITSIGN_TOKEN_FILE=str(bench.folder / "token"), **allowed)
    payload = PAYLOAD.replace(b"alice", b"carol")
    done = bench.tool(
        "--status-fd=2", "-bsa", f"--token={token}", "-u", "x", stdin=payload, SIGSTORE_ID_TOKEN="not this"
    )
    assert done.returncode == 0
    assert b"signed by carol@example.com" in done.stderr
    flags = ["--certificate-identity", "carol@example.com", "--certificate-oidc-issuer", bench.stack.url]
    assert bench.tool("verify", *flags, "HEAD", "HEAD~1").returncode == 0


@pytest.mark.parametrize(
    ("token", "words"),
    [("expired", "expired"), ("audience", "audience"), ("garbage", "token"), ("signature", "token")],
)
def test_each_token_error_has_its_own_words(bench: Workbench, token: str, words: str) -> None:
    """To the peer expired, wrong audience and bad signature all read the same."""
    tokens = {
        "expired": bench.stack.token(ttl=-100),
        "audience": bench.stack.token(audience="somebody-else"),
        "garbage": "no.token.atall",
        "signature": bench.stack.token()[:-8] + "AAAAAAAA",
    }
    done = bench.try_git("commit", "--allow-empty", "-S", "-m", "x", SIGSTORE_ID_TOKEN=tokens[token])
    assert done.returncode != 0
    assert words in done.stderr.decode()
    assert tokens[token] not in done.stderr.decode()
    assert bench.try_git("rev-parse", "HEAD").returncode != 0


def test_another_persons_token_is_not_used_without_consent(bench: Workbench) -> None:
    done = bench.try_git(
        "commit", "--allow-empty", "-S", "-m", "x", SIGSTORE_ID_TOKEN=bench.stack.token("bob@example.com")
    )
    assert done.returncode != 0
    assert b"gitsign.matchCommitter" in done.stderr
    bench.configure("gitsign.matchCommitter=false")
    bench.commit(SIGSTORE_ID_TOKEN=bench.stack.token("bob@example.com"))


def test_attached_signatures_are_not_made(bench: Workbench) -> None:
    done = bench.tool("--status-fd=2", "--sign", "-a", stdin=PAYLOAD)
    assert (done.returncode, b"--detach-sign" in done.stderr) == (2, True)


def test_version_lists_the_configuration(bench: Workbench) -> None:
    done = bench.tool("--version")
    assert done.stdout.startswith(b"gitsign-py ")
    assert b"gitsign.rekorMode: offline" in done.stdout
    assert bench.tool("version", "--json").returncode == 0


@pytest.mark.parametrize(
    "pair", ["gitsign.rekorMode=sideways", "gitsign.rekorVersion=3", "gitsign.timeout=soon", "gitsign.fulcio=ftp://x"]
)
def test_a_bad_setting_names_key_value_and_source(bench: Workbench, pair: str) -> None:
    key, _, value = pair.partition("=")
    bench.configure(pair)
    if "fulcio" in key:  # the variable wins over git's settings, and must be absent for the bad value to count
        bench.env = {name: value for name, value in bench.env.items() if not name.endswith("FULCIO_URL")}
    done = bench.try_git("commit", "--allow-empty", "-S", "-m", "x")
    text = done.stderr.decode()
    assert done.returncode != 0
    assert key in text
    assert value in text
    assert ".gitconfig" in text


def test_closed_streams_and_missing_files_are_no_tracebacks(bench: Workbench) -> None:
    done = bench.tool("--status-fd=1", "--verify", str(bench.folder / "missing"), "-", stdin=b"x")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"internal error" not in done.stderr
    assert os.strerror(2).encode() in done.stderr
