"""``gitsign-py doctor`` finds what is wrong, one fault at a time, and says what to do."""

import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gitsign_py import __version__
from gitsign_py.cli.commands.doctorservices import check_clock
from tests.support.badserver import reply, serving
from tests.support.faultystack import FaultyStack
from tests.support.witnesskit import LOG, A
from tests.support.workbench import EMAIL, Workbench, program

NAMES = ["git", "settings", "signing", "program", "gnupg", "committer", "terminal", "browser", "log", "keyring"]
SERVICES = [
    "directories",
    "agent",
    "trust-root",
    "keys",
    "network",
    "issuer",
    "fulcio",
    "rekor",
    "log-key",
    "clock",
    "signature",
]


def examine(bench: Workbench, *arguments: str, status: int = 0, **env: Any) -> dict[str, dict[str, Any]]:
    done = bench.tool("doctor", "--json", *arguments, **env)
    value = json.loads(done.stdout)
    assert (done.returncode, value["ok"]) == (status, status == 0), value
    assert value["version"] == __version__
    return {finding["name"]: finding for finding in value["findings"]}


def outcome(found: dict[str, dict[str, Any]], name: str) -> str:
    """What is wrong always comes with what to do about it."""
    finding = found[name]
    if finding["outcome"] in ("warn", "fail"):
        assert finding["advice"], finding
    return str(finding["outcome"])


@pytest.mark.cold  # by the installed program's own path
def test_all_is_well_with_a_stack_on_this_machine(bench: Workbench) -> None:
    found = examine(bench)
    assert list(found) == NAMES + SERVICES
    assert [name for name in found if outcome(found, name) not in ("ok", "warn")] == []
    assert f"a test signature verifies: {EMAIL}" in found["signature"]["message"]
    assert found["program"]["message"] == f"git runs {program(bench.folder)}, this version"
    assert bench.try_git("rev-parse", "--verify", "-q", "HEAD").returncode != 0  # nothing came into the repository


def test_people_get_a_line_each_and_what_to_do(bench: Workbench) -> None:
    bench.git("config", "--unset", "gpg.format")
    done = bench.tool("doctor", "--offline")
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("fail  signing"))
    assert lines[at + 1].strip() == "-> run gitsign-py setup"
    assert "\x1b" not in done.stdout.decode()


def test_offline_asks_no_server(bench: Workbench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        env: dict[str, Any] = {"GITSIGN_FULCIO_URL": url, "GITSIGN_REKOR_URL": url, "GITSIGN_OIDC_ISSUER": url}
        found = examine(bench, "--offline", **env)
        assert outcome(found, "services") == "skip"
        with pytest.raises(TimeoutError):
            server.accept()


def test_no_test_signature_without_leave_when_the_log_is_not_ours(bench: Workbench) -> None:
    """A name that resolves nowhere stands for a public log: nothing reaches it either way."""
    found = examine(bench, status=1, GITSIGN_REKOR_URL="http://rekor.invalid", GITSIGN_TIMEOUT="2")
    assert outcome(found, "signature") == "skip"
    assert found["signature"]["advice"] == "gitsign-py doctor --sign"
    found = examine(bench, "--sign", status=1, GITSIGN_REKOR_URL="http://rekor.invalid", GITSIGN_TIMEOUT="2")
    assert outcome(found, "signature") == "fail"


def name_program(bench: Workbench, command: str) -> None:
    """In the person's own settings: one that a repository's name is not run."""
    bench.try_git("config", "--local", "--unset", "gpg.x509.program")
    bench.git("config", "--global", "gpg.x509.program", command)


def test_the_program_that_git_would_run(bench: Workbench) -> None:
    for command, words in (("/nowhere/gitsign-py", "not there"), ("/bin/true", "another program")):
        name_program(bench, command)
        found = examine(bench, "--offline", status=1)
        assert outcome(found, "program") == "fail"
        assert words in found["program"]["message"]


def test_an_older_installation_is_noticed(bench: Workbench) -> None:
    other = bench.folder / "other"
    other.write_text("#!/bin/sh\necho gitsign-py 0.0.1\n")
    other.chmod(0o755)
    name_program(bench, str(other))
    found = examine(bench, "--offline")
    assert outcome(found, "program") == "warn"
    assert "gitsign-py 0.0.1" in found["program"]["message"]


def test_a_gpg_that_leads_back_here_is_a_circle(bench: Workbench) -> None:
    directory = bench.folder / "bin"
    directory.mkdir()
    (directory / "gpg").write_text(f'#!/bin/sh\nexec {program(bench.folder)} "$@"\n')
    (directory / "gpg").chmod(0o755)
    found = examine(bench, "--offline", PATH=f"{directory}:{bench.env['PATH']}")
    assert outcome(found, "gnupg") == "warn"
    assert "circle" in found["gnupg"]["message"]


def test_settings_that_cannot_be_used_or_are_none(bench: Workbench) -> None:
    bench.git("config", "gitsign.rekorMod", "online")
    found = examine(bench, "--offline")
    assert outcome(found, "settings") == "warn"
    assert "gitsign.rekormod" in found["settings"]["message"]
    bench.git("config", "gitsign.rekorMode", "sideways")
    found = examine(bench, "--offline", status=1)
    assert outcome(found, "settings") == "fail"
    assert "sideways" in found["settings"]["message"]
    assert "fulcio" not in found


def test_a_committer_without_an_address(bench: Workbench) -> None:
    env = {name: "" for name in bench.env if name.startswith(("GIT_AUTHOR_", "GIT_COMMITTER_"))}
    variables = {"EMAIL": "", "GIT_CONFIG_COUNT": "1", **_setting("user.useConfigOnly"), **env}
    found = examine(bench, status=1, **variables)
    assert [name for name, one in found.items() if one["outcome"] == "fail"] == ["committer"]
    assert outcome(found, "signature") == "skip", "nothing to sign for"


def _setting(key: str) -> dict[str, str]:
    return {"GIT_CONFIG_KEY_0": key, "GIT_CONFIG_VALUE_0": "true"}


def test_a_log_file_in_no_directory(bench: Workbench) -> None:
    found = examine(bench, "--offline", GITSIGN_LOG=str(bench.folder / "none" / "log"))
    assert outcome(found, "log") == "warn"


def test_a_directory_that_others_write_to(bench: Workbench) -> None:
    place = Path(bench.env["HOME"]) / ".local" / "share" / "gitsign-py"
    place.mkdir(parents=True)
    place.chmod(0o777)
    found = examine(bench, "--offline", status=1)
    assert outcome(found, "directories") == "fail"
    assert str(place) in found["directories"]["message"]


def test_a_dead_socket_of_the_agent(bench: Workbench) -> None:
    path = bench.folder / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    found = examine(bench, "--offline", GITSIGN_CREDENTIAL_CACHE=str(path))
    assert outcome(found, "agent") == "warn"


def test_a_trust_root_that_cannot_be_read(bench: Workbench) -> None:
    found = examine(bench, "--offline", status=1, GITSIGN_TRUSTED_ROOT="/nowhere/trusted_root.json")
    assert outcome(found, "trust-root") == "fail"


def test_a_trust_root_whose_keys_are_over(bench: Workbench) -> None:
    root = json.loads(bench.stack.trusted_root.read_bytes())
    for log in root["tlogs"]:
        log["publicKey"]["validFor"]["end"] = "2026-01-01T00:00:00Z"
        log["publicKey"]["validFor"]["start"] = "2025-01-01T00:00:00Z"
    path = bench.folder / "old.json"
    path.write_text(json.dumps(root))
    unset = {"SIGSTORE_REKOR_PUBLIC_KEY": "", "GITSIGN_FULCIO_ROOT": "", "SIGSTORE_ROOT_FILE": ""}
    found = examine(bench, "--offline", status=1, GITSIGN_TRUSTED_ROOT=str(path), **unset)
    assert outcome(found, "keys") == "fail"
    assert "no transparency log" in found["keys"]["message"]


@pytest.mark.parametrize(
    ("lines", "how", "says"),
    [
        (f"{A.line}\nlog {LOG}\nquorum a\n", "ok", "1 witnesses, the quorum is a"),
        (f"{A.line}\nquorum a\n", "warn", "Rekor v1 passes without cosignatures"),
        ("quorum none\n", "warn", "asks for no witness"),
        ("quorum a\n", "fail", "a is defined on no line before"),
    ],
)
def test_a_policy_of_witnesses_is_looked_at(bench: Workbench, lines: str, how: str, says: str) -> None:
    asked = bench.folder / "witnesses"
    asked.write_text(lines)
    found = examine(bench, "--offline", status=int(how == "fail"), GITSIGN_WITNESS_POLICY=str(asked))
    assert (outcome(found, "witnesses"), says in found["witnesses"]["message"]) == (how, True), found["witnesses"]


def test_a_service_in_trouble_is_named(bench: Workbench, faulty: FaultyStack) -> None:
    bench.env |= faulty.environment()
    faulty.break_it("rekor:5xx")
    found = examine(bench, status=1)
    assert outcome(found, "rekor") == "fail"
    assert "503" in found["rekor"]["message"]
    assert outcome(found, "fulcio") == "ok"
    assert outcome(found, "signature") == "fail"


def test_a_trust_root_of_another_instance_is_noticed(bench: Workbench) -> None:
    unset = ("SIGSTORE_REKOR_PUBLIC_KEY", "GITSIGN_FULCIO_ROOT", "SIGSTORE_ROOT_FILE", "GITSIGN_TRUSTED_ROOT")
    found = examine(bench, status=1, **dict.fromkeys((*unset, "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE"), ""))
    assert "embedded public-good" in found["trust-root"]["message"]
    assert outcome(found, "log-key") == "fail"
    assert outcome(found, "signature") == "fail"


def test_the_second_version_of_the_log(bench: Workbench) -> None:
    url = f"{bench.stack.url}/api/v1/timestamp"
    for name in ("SIGSTORE_REKOR_PUBLIC_KEY", "GITSIGN_FULCIO_ROOT", "SIGSTORE_ROOT_FILE"):
        bench.env.pop(name)
    found = examine(bench, GITSIGN_REKOR_VERSION="2", GITSIGN_TIMESTAMP_SERVER_URL=url)
    assert [outcome(found, name) for name in ("rekor", "log-key", "timestamps", "signature")] == ["ok"] * 4


@pytest.mark.parametrize(("status", "says"), [(501, "ok"), (500, "fail"), (404, "fail")])
def test_a_log_that_publishes_its_tiles_elsewhere(bench: Workbench, status: int, says: str) -> None:
    """rekor-tiles itself answers 501 where its checkpoint would be read. This one cannot take entries either."""
    with serving(reply(status)) as server:
        found = examine(bench, status=1, GITSIGN_REKOR_VERSION="2", GITSIGN_REKOR_URL=server.url)
    assert outcome(found, "rekor") == says


def test_an_unreachable_service_is_named(bench: Workbench) -> None:
    found = examine(bench, status=1, GITSIGN_FULCIO_URL="http://127.0.0.1:9")
    assert outcome(found, "fulcio") == "fail"
    assert outcome(found, "clock") == "ok"


@pytest.mark.parametrize(
    ("seconds", "expected"), [([0], "ok"), ([29, 600], "ok"), ([-45], "warn"), ([3600, 3601], "fail"), ([], "skip")]
)
def test_the_clock_is_compared_with_the_server_nearest_to_it(seconds: list[int], expected: str) -> None:
    assert check_clock([timedelta(seconds=one) for one in seconds]).outcome == expected
