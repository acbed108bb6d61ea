"""``gitsign-py config`` as a person and as a program call it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.host.settings import SETTINGS
from tests.support.gitrepo import ScratchRepo, environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repo(tmp_path: Path) -> ScratchRepo:
    return ScratchRepo.init(tmp_path)


def call(repo: ScratchRepo, *arguments: str, **env: str) -> tuple[int, str, str]:
    return call_to(subprocess.PIPE, repo, *arguments, **env)


def call_to(stdout: int, repo: ScratchRepo, *arguments: str, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "gitsign_py", "config", *arguments],
        cwd=repo.path,
        env=environment(PYTHONPATH=str(ROOT), **env),
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    return done.returncode, (done.stdout or b"").decode(), done.stderr.decode()


def as_json(repo: ScratchRepo, **env: str) -> dict[str, Any]:
    status, out, errors = call(repo, "--json", **env)
    assert (status, errors) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_every_setting_is_shown_with_its_source(repo: ScratchRepo) -> None:
    repo.git("config", "gitsign.rekorMode", "online")
    status, out, errors = call(repo, GITSIGN_TIMEOUT="3", SIGSTORE_ID_TOKEN="tops.ecr.et")
    assert (status, errors) == (0, "")
    written = out.splitlines()
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in written[:-4]}
    assert written[-4:] == [
        "signs with fulcio: https://fulcio.sigstore.dev  (default)",
        "signs with issuer: https://oauth2.sigstore.dev/auth  (default)",
        "signs with rekor: https://rekor.sigstore.dev  (default)",
        "signs with timestamps: -  (none)",
    ]
    assert set(lines) == {setting.name for setting in SETTINGS}
    assert lines["gitsign.rekorMode"] == "online  (git config, local, file:.git/config)"
    assert lines["gitsign.timeout"] == "3  (environment variable GITSIGN_TIMEOUT)"
    assert lines["gitsign.fulcio"] == "https://fulcio.sigstore.dev  (default)"
    assert lines["gitsign.logPath"] == "-  (default)"
    assert lines["SIGSTORE_ID_TOKEN"].startswith("(set, not shown)")
    assert "tops" not in out


def test_programs_get_json(repo: ScratchRepo) -> None:
    repo.git("config", "--add", "gitsign.allowedSigner", "a@x i")
    found = as_json(repo, SIGSTORE_ID_TOKEN="tops.ecr.et", TUF_ROOT="/tuf")
    values = {one["name"]: one for one in found["settings"]}
    assert len(values) == len(SETTINGS)
    assert values["gitsign.allowedSigner"] == {
        "name": "gitsign.allowedSigner",
        "key": "gitsign.allowedSigner",
        "variables": [],
        "about": values["gitsign.allowedSigner"]["about"],
        "value": ["a@x i"],
        "default": False,
        "source": {"kind": "git", "name": "gitsign.allowedSigner", "place": "local, file:.git/config"},
        "error": None,
    }
    assert (values["SIGSTORE_ID_TOKEN"]["value"], values["SIGSTORE_ID_TOKEN"]["key"]) == ("(set, not shown)", None)
    assert (values["TUF_ROOT"]["value"], values["gitsign.timeout"]["value"]) == ("/tuf", 10.0)
    assert (values["gitsign.autoclose"]["value"], values["gitsign.logPath"]["value"]) == (True, None)
    assert values["gitsign.timeout"]["default"] is True
    assert found["unknown"] == []
    assert {one["name"]: one["value"] for one in as_json(repo)["settings"]}["SIGSTORE_ID_TOKEN"] is None


def test_a_bad_value_and_a_mistyped_name_are_pointed_at(repo: ScratchRepo) -> None:
    repo.git("config", "gitsign.recorMode", "online")
    status, out, errors = call(repo, GITSIGN_TIMEOUT="soon\x1b", GITSIGN_TIMEOUTS="1")
    assert (status, errors) == (2, "")
    assert (
        "error: gitsign.timeout is 'soon\\x1b' (environment variable GITSIGN_TIMEOUT), expected a number of seconds"
        in out
    )
    assert "warning: gitsign.recormode is not a setting (git config, local, file:.git/config)" in out
    assert "warning: GITSIGN_TIMEOUTS is not a setting (environment variable GITSIGN_TIMEOUTS)" in out
    assert "\x1b" not in out
    status, out, _ = call(repo, "--json", GITSIGN_TIMEOUT="soon")
    errors_by_name = {one["name"]: one["error"] for one in json.loads(out)["settings"] if one["error"]}
    assert (status, list(errors_by_name)) == (2, ["gitsign.timeout"])


def test_defaults_are_dim_on_a_terminal_alone(repo: ScratchRepo) -> None:
    for no_colour, dim in (("", True), ("1", False)):
        master, slave = pty.openpty()
        status, _, errors = call_to(slave, repo, TERM="xterm", NO_COLOR=no_colour)
        os.close(slave)
        assert (status, errors) == (0, "")
        assert (b"\x1b[2mgitsign.fulcio" in os.read(master, 200)) is dim
        os.close(master)


def test_the_help_has_examples(repo: ScratchRepo) -> None:
    status, out, _ = call(repo, "--help")
    assert status == 0
    assert "examples:" in out
    status, _, errors = call(repo, "--nope")
    assert status == 2
    assert "unrecognized arguments" in errors
