"""git for Windows signs and checks through gitsign-py.exe; what is signed on one system is good on the other."""

import shutil

import pytest

from tests.support.gitrepo import ScratchRepo
from tests.support.windowskit import EMAIL, WindowsUser, windows
from tests.support.workbench import Workbench


@pytest.fixture
def alone(user: WindowsUser) -> WindowsUser:
    user.git("config", "gitsign.agent", "off")
    user.git("config", "gitsign.allowedSigner", f"{EMAIL} {user.stack.url}")
    return user


def test_these_are_the_programs_for_windows(user: WindowsUser) -> None:
    code = "import sys, os; print(sys.platform, os.sep, hasattr(os, 'fork'), sys.getwindowsversion().major)"
    assert user.run("python.exe", "-c", code).stdout.split() == ["win32", "\\", "False", "10"]
    assert user.git("config", "core.ignoreCase") == "true"  # which git init finds out


def test_git_signs_and_everybody_checks(alone: WindowsUser) -> None:
    commit = alone.commit("Zoë 😀")
    alone.git("tag", "-s", "-m", "tag", "v1")
    done = alone.run("git.exe", "verify-commit", "--raw", commit)
    assert "GOODSIG" in done.stderr, done.stderr
    alone.git("verify-tag", "v1")
    assert EMAIL in alone.git("log", "--show-signature", "-1")
    assert alone.git("log", "-1", "--format=%G? %GS") == f"G {EMAIL}"
    assert "verified" in alone.gitsign("verify", *alone.who, "HEAD", "v1")
    assert EMAIL in alone.gitsign("show")
    assert alone.tool("verify", "--certificate-identity", "mallory@example.com", *alone.who[2:], "HEAD").returncode == 1


def test_no_carriage_return_gets_into_a_signature_whatever_git_does_to_line_ends(alone: WindowsUser) -> None:
    alone.git("config", "core.autocrlf", "true")
    (alone.repository / "file.txt").write_bytes(b"one\r\ntwo\r\n")
    alone.git("add", "file.txt")
    alone.commit("with a file")
    alone.git("tag", "-s", "-m", "tag", "v1")
    for name in (("commit", "HEAD"), ("tag", "v1")):
        raw = alone.run("git.exe", "cat-file", *name).stdout
        assert "-----BEGIN SIGNED MESSAGE-----\n" in raw
        assert "\r" not in raw
    alone.git("verify-tag", "v1")
    assert "verified" in alone.gitsign("verify", *alone.who, "HEAD", "v1")


def test_a_forgery_is_refused(alone: WindowsUser) -> None:
    alone.commit("one")
    raw = alone.run("git.exe", "cat-file", "commit", "HEAD").stdout
    forged = alone.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.replace("\n\none", "\n\ntwo"))
    assert alone.run("git.exe", "verify-commit", forged).returncode == 1
    done = alone.tool("verify", *alone.who, forged)
    assert done.returncode == 1
    assert "content-digest-mismatch" in done.stdout


def test_what_was_signed_on_windows_is_good_on_linux_and_the_other_way_round(
    alone: WindowsUser, bench: Workbench
) -> None:
    """One repository that git of both systems works in, in turn."""
    here, there = alone.commit("on Windows"), ScratchRepo(alone.repository)
    bench.configure(f"gitsign.allowedSigner={EMAIL} {alone.stack.url}")
    assert bench.verify(here, cwd=alone.repository).returncode == 0
    bench.git("fetch", "-q", str(alone.repository), "main")
    bench.git("reset", "-q", "--hard", "FETCH_HEAD")
    assert bench.git("log", "-1", "--format=%G?") == "G"
    other = bench.commit("on Linux")
    there.git("fetch", "-q", str(bench.repo), "main")
    assert alone.git("log", "-2", "--format=%G?", "FETCH_HEAD").split() == ["G", "G"]
    assert "verified" in alone.gitsign("verify", *alone.who, other)


def test_the_program_may_lie_in_a_folder_with_spaces(alone: WindowsUser) -> None:
    """A launcher finds its Python by the whole path in it, wherever it lies itself."""
    folder = alone.directory / "Program Files"
    folder.mkdir()
    shutil.copy(alone.kit.program, folder / "gitsign-py.exe")
    for spelling in (windows(folder / "gitsign-py.exe"), windows(folder / "gitsign-py.exe").replace("\\", "/")):
        alone.git("config", "gpg.x509.program", spelling)
        alone.commit("one")
        assert alone.git("log", "-1", "--format=%G?") == "G"


def test_a_linked_worktree_and_a_rebase_sign_too(alone: WindowsUser) -> None:
    alone.commit("one")
    alone.git("worktree", "add", "-q", "-b", "other", windows(alone.directory / "öther"))
    for number in range(2):
        alone.git("-C", windows(alone.directory / "öther"), "commit", "-q", "--allow-empty", "-S", "-m", str(number))
    alone.commit("two")
    alone.git("-C", windows(alone.directory / "öther"), "rebase", "-q", "-S", "main")
    assert alone.git("log", "--format=%G?", "other").split() == ["G"] * 4


def test_names_that_the_code_page_lacks(alone: WindowsUser) -> None:
    """The code page is 1252; subjects, identities and paths are not."""
    (alone.repository / "日本.txt").write_text("x")
    alone.git("add", "日本.txt")
    alone.commit("日本語 ☃", GIT_AUTHOR_NAME="Żółć Ω", GIT_COMMITTER_NAME="Żółć Ω")
    assert "日本語 ☃" in alone.gitsign("audit", "--format", "text", "--verbose")
    out = alone.directory / "日本"
    out.mkdir()
    alone.gitsign("bundle", "export", "--output", out / "Ω.json", "HEAD")
    assert (out / "Ω.json").read_bytes().endswith(b"\n")
