"""Every setting of the Go client, in each of its spellings, shown by what it does to a signature.

A setting that names a place is set to one that is not there, and has to be named in the failure: so it was used.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.host.settings import SETTINGS
from tests.support.home import Home, living
from tests.support.stack import ROOT, RunningStack
from tests.support.waiting import wait_until

BY_FIELD = {setting.field: setting for setting in SETTINGS}
NOWHERE = "http://127.0.0.1:1"
_BROWSER = f"""import os, sys
if os.fork() == 0:
    sys.path.insert(0, {str(ROOT)!r})
    from tests.support.webform import fetch
    text = fetch(sys.argv[2]).press("allow", email="alice@example.com").text
    with open(sys.argv[1] + ".new", "w") as seen:
        seen.write(sys.argv[2] + "\\n" + text)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
"""


@pytest.fixture
def home(tmp_path: Path, stack: RunningStack) -> Iterator[Home]:
    """What the stack exports stands in the person's own settings here, so that variables can win over it."""
    (tmp_path / "u").mkdir(mode=0o700)
    with living(tmp_path / "u", stack) as home:
        given = {name: home.variables.pop(name) for name in stack.environment()}
        home.git("config", "gitsign.agent", "off")
        for setting in SETTINGS:
            for variable in setting.variables:
                if setting.key and variable in given:
                    home.git("config", "--global", setting.key, given[variable])
        for name in ("SIGSTORE_REKOR_PUBLIC_KEY", "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE"):
            home.variables[name] = given[name]
        yield home


def spellings(*fields: str) -> list[tuple[str, str]]:
    """Each field with each of its names: ``gitsign.KEY`` and the variables."""
    return [
        (field, name)
        for field in fields
        for name in (BY_FIELD[field].key, *BY_FIELD[field].variables)
        if name
    ]  # fmt: skip


def sign(home: Home, name: str, value: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Sign with one more setting, in git's settings or in the environment."""
    options = ["-c", f"{name}={value}"] if name.startswith("gitsign.") else []
    variables = {} if options else {name: value}
    return home.run("git", *options, "commit", "-q", "--allow-empty", "-S", "-m", "one", **variables, **more)


PLACES = {
    "fulcio_url": f"{NOWHERE}/ca",
    "rekor_url": f"{NOWHERE}/log",
    "issuer": f"{NOWHERE}/issuer",
    "timestamp_server_url": f"{NOWHERE}/tsa",
    "fulcio_root": "/proc/none/ca.pem",
    "timestamp_cert_chain": "/proc/none/tsa.pem",
    "rekor_public_key": "/proc/none/log.pem",
    "ctlog_public_key": "/proc/none/ct.pem",
    "trusted_root": "/proc/none/root.json",
    "signing_config": "/proc/none/signing_config.json",
    "token_file": "/proc/none/token",
}


@pytest.mark.parametrize(("field", "name"), spellings(*PLACES))
def test_a_place_is_the_one_that_is_named(home: Home, field: str, name: str) -> None:
    done = sign(home, name, PLACES[field])
    assert done.returncode != 0
    assert PLACES[field] in done.stderr
    assert sign(home, "gitsign.enableSigstoreGo", "true").returncode == 0, "and without it all is well"


@pytest.mark.parametrize(("field", "name"), spellings("rekor_mode"))
def test_online_mode_leaves_the_proof_to_the_log(home: Home, field: str, name: str) -> None:
    assert sign(home, name, "online").returncode == 0
    done = home.run(home.program, "verify", "--offline", "--any-identity", "HEAD")
    assert done.returncode != 0
    assert home.run(home.program, "verify", "--any-identity", "HEAD").returncode == 0


@pytest.mark.parametrize(("field", "name"), spellings("rekor_version"))
def test_version_2_of_the_log_needs_a_timestamp(home: Home, field: str, name: str) -> None:
    said = sign(home, name, "2").stderr
    assert "set gitsign.timestampServerURL, or a gitsign.witnessPolicy with a quorum [timestamp-server-missing]" in said


@pytest.mark.parametrize(("field", "name"), spellings("client_id"))
def test_the_client_id_is_the_tokens_audience(home: Home, field: str, name: str) -> None:
    token = home.stack.token()  # for sigstore
    done = sign(home, name, "another-client", SIGSTORE_ID_TOKEN=token)
    assert done.returncode != 0
    assert "token-wrong-audience" in done.stderr
    assert "another-client" in done.stderr


@pytest.mark.parametrize(("field", "name"), spellings("client_secret_file"))
def test_the_clients_secret_comes_from_its_file(home: Home, field: str, name: str) -> None:
    home.person_signs_in()
    assert "client-secret-unreadable" in sign(home, name, "/proc/none/secret").stderr


@pytest.mark.parametrize(("field", "name"), spellings("token_provider"))
def test_the_token_provider_is_the_only_one_that_is_asked(home: Home, field: str, name: str) -> None:
    assert "gitsign.tokenProvider is buildkite-agent" in sign(home, name, "buildkite-agent").stderr


@pytest.mark.parametrize(("field", "name"), spellings("log_path"))
def test_messages_go_to_the_log_file(home: Home, field: str, name: str) -> None:
    assert sign(home, name, str(home.directory / "log")).returncode == 0
    assert "signed by alice@example.com" in (home.directory / "log").read_text()


def test_relative_files_start_at_the_top_wherever_we_are(home: Home) -> None:
    """git runs us at the top of the worktree; our own commands may be called in any folder of it."""
    root = home.git("config", "gitsign.trustedRoot").strip()
    shutil.copy(root, home.repository / "root.json")
    home.git("config", "gitsign.trustedRoot", "root.json")
    home.git("config", "--global", "gitsign.logPath", "messages.log")
    folder = home.repository / "a" / "b"
    folder.mkdir(parents=True)
    within = ("env", "-C", str(folder))
    done = home.run(*within, "git", "commit", "-q", "--allow-empty", "-S", "-m", "one")
    assert done.returncode == 0, done.stderr
    for command in (["git", "verify-commit"], [home.program, "verify", "--any-identity"], [home.program, "show"]):
        done = home.run(*within, *command, "HEAD")
        assert done.returncode == 0, done.stderr
    assert json.loads(home.run(*within, home.program, "doctor", "--json").stdout)
    assert "signed by alice@example.com" in (home.repository / "messages.log").read_text()
    assert not list(folder.iterdir())


def browser(home: Home) -> str:
    """The command of a browser that keeps what it saw."""
    home.git("config", "gitsign.tokenProvider", "interactive")
    (home.directory / "browser.py").write_text(_BROWSER)
    (home.directory / "seen").unlink(missing_ok=True)
    return f"{sys.executable} -S '{home.directory}/browser.py' {home.directory}/seen"


def seen(home: Home) -> tuple[str, str]:
    """What that browser saw: the address that it was opened at, and the last page."""
    wait_until((home.directory / "seen").exists)
    address, _, page = (home.directory / "seen").read_text().partition("\n")
    return address, page


def signed_in(home: Home, name: str, value: str) -> tuple[str, str]:
    home.git("config", "--global", "gitsign.urlOpener", browser(home))
    done = sign(home, name, value)
    assert done.returncode == 0, done.stderr
    return seen(home)


@pytest.mark.parametrize(("field", "name"), spellings("redirect_url"))
def test_the_issuer_sends_the_browser_back_to_the_redirect_url(home: Home, field: str, name: str) -> None:
    address, _ = signed_in(home, name, "http://localhost:0/my/callback")
    assert "%2Fmy%2Fcallback" in address


@pytest.mark.parametrize(("field", "name"), spellings("connector_id"))
def test_the_connector_is_asked_for(home: Home, field: str, name: str) -> None:
    assert "connector_id=my-connector" in signed_in(home, name, "my-connector")[0]


@pytest.mark.parametrize(("field", "name"), spellings("autoclose"))
def test_the_last_page_closes_itself_or_stays(home: Home, field: str, name: str) -> None:
    assert "window.close" not in signed_in(home, name, "false")[1]
    assert "window.close" in signed_in(home, name, "true")[1]


@pytest.mark.parametrize(("field", "name"), spellings("autoclose_timeout"))
def test_the_last_page_closes_after_that_time(home: Home, field: str, name: str) -> None:
    assert "in 17 seconds" in signed_in(home, name, "17")[1]


@pytest.mark.parametrize(("field", "name"), spellings("url_opener"))
def test_the_opener_gets_the_address_where_it_says(home: Home, field: str, name: str) -> None:
    assert sign(home, name, f"{browser(home)} {{{{.URL}}}}").returncode == 0
    assert "response_type=code" in seen(home)[0]


@pytest.mark.parametrize(
    ("value", "reason"), [("ask", "consent-needed"), ("true", "committer-mismatch"), ("false", "")]
)
def test_who_may_sign_for_whom(home: Home, value: str, reason: str) -> None:
    done = sign(home, "gitsign.matchCommitter", value, SIGSTORE_ID_TOKEN=home.stack.token("bob@example.com"))
    assert (done.returncode == 0) == (not reason)
    assert reason in done.stderr


def test_a_token_in_the_environment_is_who_signs(home: Home) -> None:
    token = home.stack.token("bob@example.com")
    assert sign(home, "SIGSTORE_ID_TOKEN", token, GIT_COMMITTER_EMAIL="bob@example.com").returncode == 0
    assert "bob@example.com" in home.git("log", "-1", "--format=%GS")


def test_the_credential_cache_is_the_agents_socket(home: Home) -> None:
    path = str(home.directory / "cache.sock")
    home.git("config", "gitsign.agent", "on")
    assert sign(home, "GITSIGN_CREDENTIAL_CACHE", path).returncode == 0
    status = json.loads(home.gitsign("agent", "status", "--json", GITSIGN_CREDENTIAL_CACHE=path))
    assert status["held"][0]["signatures"] == 1
    home.gitsign("agent", "stop", GITSIGN_CREDENTIAL_CACHE=path)


def test_the_tuf_mirror_is_asked_and_its_root_kept(home: Home) -> None:
    done = home.run(home.program, "initialize", TUF_MIRROR=f"{NOWHERE}/tuf", TUF_ROOT=str(home.directory / "tuf"))
    assert done.returncode == 3
    assert f"{NOWHERE}/tuf" in done.stderr
    done = home.run(home.program, "initialize", TUF_ROOT="/proc/none/tuf")
    assert "/proc/none/tuf" in done.stderr
