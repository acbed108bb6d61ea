"""Files by which a stack becomes a service: the systemd unit, the Containerfile and the compose file."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

from gitsign_py.cli.commands import stack as command
from gitsign_py.cli.commands.stackplace import DEFAULT_PORT, add_place, place_of
from tests.support.schemas import PUBLISHED
from tests.support.stack import ROOT

URL = "https://sigstore.example.com"


def unit(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert command.run(["unit", *arguments]) == 0
    return capsys.readouterr().out


def test_the_unit_has_the_options_and_few_rights(capsys: pytest.CaptureFixture[str]) -> None:
    text = unit(capsys, "--url", URL, "--only", "rekor,tsa", "--port", "8080")
    [start] = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    assert start.endswith(f'"--log-format=json" "--url={URL}" "--only=rekor,tsa" "--port=8080"')
    rights = {"DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="}
    assert rights <= set(text.splitlines())
    assert "@PROGRAM@" not in text


def test_options_that_no_service_could_start_with_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="clients must know its URL"):
        command.run(["unit", "--host", "0.0.0.0", "--without", "idp,fulcio"])
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_takes_the_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = unit(capsys, "--url", URL, "--only", "tsa")
    program = text.split("ExecStart=")[1].split('"')[1]
    (tmp_path / "gitsign-py-stack.service").write_text(text.replace(program, "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "gitsign-py-stack.service")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "gitsign-py-stack.service" not in done.stderr, done.stderr


def started_with(words: list[str]) -> None:
    """The options are those of ``stack up``, and fit together."""
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    add_place(parser)
    parser.add_argument("--dir")
    parser.add_argument("--log-format")
    options = parser.parse_args(words)
    options.seed, options.fault_control = "", False
    assert place_of(options).placement.exposed


def _containerfile() -> list[str]:
    return (ROOT / "ci" / "container" / "Containerfile").read_text().splitlines()


def test_the_container_and_compose_files_start_a_stack_that_starts() -> None:
    lines = _containerfile()
    entry, default = (
        json.loads(next(one for one in lines if one.startswith(name)).partition(" ")[2])
        for name in ("ENTRYPOINT", "CMD")
    )
    assert entry[1:3] == ["stack", "up"]
    started_with([*entry[3:], *default])
    compose = yaml.safe_load((ROOT / "ci" / "container" / "compose.yaml").read_text())
    host = "${SIGSTORE_HOST:?the name that clients use}"
    words = [word.replace(host, "sigstore.example.com") for word in compose["services"]["sigstore"]["command"]]
    started_with([*entry[3:], *words])


def test_the_compose_file_is_one_and_its_proxy_is_believed() -> None:
    """The stack learns from the proxy alone who a client is, and the proxy keeps the metrics to itself."""
    compose = yaml.safe_load((ROOT / "ci" / "container" / "compose.yaml").read_text())
    jsonschema.validate(compose, json.loads((PUBLISHED / "compose-spec.json").read_text()))
    words = compose["services"]["sigstore"]["command"]
    [network] = compose["networks"]["default"]["ipam"]["config"]
    assert words[words.index("--proxy") + 1] == network["subnet"]
    check = compose["services"]["sigstore"]["healthcheck"]
    wanted = next(line for line in _containerfile() if line.startswith("HEALTHCHECK"))
    assert wanted.split(" CMD ")[0] == f"HEALTHCHECK --interval={check['interval']} --timeout={check['timeout']}"
    assert json.loads(wanted.split(" CMD ")[1]) == check["test"][1:]
    assert "ports" not in compose["services"]["sigstore"]
    proxy = (ROOT / "ci" / "container" / "Caddyfile").read_text()
    assert f"reverse_proxy sigstore:{DEFAULT_PORT}" in proxy
    assert "respond /metrics 404" in proxy


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not here")
def test_caddy_takes_its_file() -> None:
    done = subprocess.run(
        ["caddy", "adapt", "--adapter", "caddyfile", "--config", str(ROOT / "ci" / "container" / "Caddyfile")],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SIGSTORE_HOST": "sigstore.example.com"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    [server] = json.loads(done.stdout)["apps"]["http"]["servers"].values()
    assert server["routes"][0]["match"] == [{"host": ["sigstore.example.com"]}]


def test_the_image_is_made_of_what_the_package_needs_alone() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "*" in lines
    assert let_in == {"gitsign_py", "pyproject.toml", project["readme"], *project["license-files"]}
    assert all((ROOT / name).exists() for name in let_in)
