"""git for Windows signs and checks through gitsign-py.exe; what was signed here is good on the other system too."""

import subprocess

import pytest

from tests.support.gitrepo import ScratchRepo
from tests.support.windowskit import EMAIL, WindowsUser, windows


def test_git_signs_and_everybody_checks(user: WindowsUser) -> None:
    user.git("config", "gitsign.agent", "off")
    user.git("config", "gitsign.allowedSigner", f"{EMAIL} {user.stack.url}")
    commit = user.commit("Zoë 😀")
    user.git("tag", "-s", "-m", "tag", "v1")
    done = user.run("git.exe", "verify-commit", "--raw", commit)
    assert "GOODSIG" in done.stderr, done.stderr
    user.git("verify-tag", "v1")
    assert EMAIL in user.git("log", "--show-signature", "-1")
    assert "verified" in user.gitsign("verify", *user.who, "HEAD", "v1")
    assert EMAIL in user.gitsign("show")
