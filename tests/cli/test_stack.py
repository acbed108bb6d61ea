"""``gitsign-py stack``: up, down, status, env, token, as a person runs them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from gitsign_py.localstack import process
from tests.support.processes import ending
from tests.support.stack import ROOT, RunningStack, command

Result = subprocess.CompletedProcess[str]


def stack_command(directory: Path, name: str, *arguments: str) -> Result:
    line = [sys.executable, "-m", "gitsign_py", "stack", name, "--dir", str(directory), *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def claims(result: Result) -> dict[str, object]:
    assert result.returncode == 0, result.stderr
    return dict(jwt.decode(result.stdout.strip(), options={"verify_signature": False}))


@pytest.fixture
def detached(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "stack"
    result = stack_command(directory, "up", "--detach", "--port", "0")
    assert result.returncode == 0, result.stderr
    yield directory
    process.stop(directory)


def test_detached_stack_lives_answers_and_ends(detached: Path) -> None:
    info = process.running(detached)
    assert info is not None
    assert process.answers(info)
    status = stack_command(detached, "status")
    assert (status.returncode, info.url in status.stdout, str(info.pid) in status.stdout) == (0, True, True)
    machine = json.loads(stack_command(detached, "status", "--json").stdout)
    assert (machine["running"], machine["url"]) == (True, info.url)
    again = stack_command(detached, "up", "--detach")
    assert (again.returncode, again.stdout.startswith(f"already running: local Sigstore at {info.url}")) == (0, True)
    foreground = stack_command(detached, "up", "--port", "0")
    assert foreground.returncode == 2
    assert f"is running already at {info.url} (pid {info.pid})" in foreground.stderr
    down = stack_command(detached, "down")
    assert (down.returncode, "has ended" in down.stdout) == (0, True)
    assert process.running(detached) is None
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", info.port)) != 0


def test_stopped_stack_says_so(tmp_path: Path) -> None:
    status = stack_command(tmp_path, "status")
    assert (status.returncode, status.stdout) == (3, f"no local Sigstore runs in {tmp_path}\n")
    machine = stack_command(tmp_path, "status", "--json")
    assert (machine.returncode, json.loads(machine.stdout)) == (3, {"running": False, "directory": str(tmp_path)})
    assert stack_command(tmp_path, "down").returncode == 0
    for name in (["env"], ["token", "--email", "a@b.c"]):
        result = stack_command(tmp_path, *name)
        assert result.returncode == 3
        assert "stack up" in result.stderr
        assert result.stdout == ""


def test_environment_survives_a_shell(stack: RunningStack) -> None:
    result = stack_command(stack.directory, "env")
    assert result.returncode == 0
    script = f'{result.stdout}\nprintf "%s\\n" "$GITSIGN_OIDC_ISSUER" "$GITSIGN_TRUSTED_ROOT"'
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout.splitlines() == [stack.url, str(stack.trusted_root)]
    exported = dict(line.removeprefix("export ").split("=", 1) for line in result.stdout.splitlines())
    assert {name: value.strip("'") for name, value in exported.items()} == stack.environment()


def test_directory_with_a_quote_survives_a_shell(tmp_path: Path) -> None:
    directory = tmp_path / "it's $HOME"
    directory.mkdir()
    files = {"trusted_root.json": str(directory / "trusted_root.json")}
    info = process.StackInfo("http://127.0.0.1:1", 1, 1, directory, "", files)
    (directory / "stack.json").write_text(json.dumps(info.to_json()))
    script = stack_command(directory, "env").stdout + '\nprintf %s "$GITSIGN_TRUSTED_ROOT"'
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout == files["trusted_root.json"]


def test_token_says_what_was_asked(stack: RunningStack) -> None:
    found = claims(stack_command(stack.directory, "token", "--email", "alice@example.com"))
    assert (found["email"], found["aud"], found["iss"]) == ("alice@example.com", "sigstore", stack.url)
    options = ["--subject", "me", "--audience", "x", "--ttl", "-60", "--claim", "a=1", "--claim", "b:=true"]
    found = claims(stack_command(stack.directory, "token", *options))
    assert (found["sub"], found["aud"], found["a"], found["b"]) == ("me", "x", "1", True)
    assert int(str(found["exp"])) < time.time()


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 2, "whom the token names"),
        (["--email", "nobody"], 3, "not an e-mail address"),
        (["--email", "a@b.c", "--claim", "novalue"], 2, "K=V"),
        (["--email", "a@b.c", "--claim", ":=1"], 2, "K=V"),
        (["--email", "a@b.c", "--claim", "k:=nojson"], 2, "JSON"),
        (["--email", "a@b.c", "--ttl", "99999999999"], 3, "ttl"),
    ],
)
def test_bad_token_options_are_one_line(stack: RunningStack, arguments: list[str], status: int, text: str) -> None:
    result = stack_command(stack.directory, "token", *arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert text in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_foreground_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    line = command(tmp_path / "s", "--verbose")
    with ending(subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("local Sigstore at http://127.0.0.1:")
        info = process.running(tmp_path / "s")
        assert info is not None
        assert process.answers(info)
        idle = socket.create_connection(("127.0.0.1", info.port))  # a client that says nothing must not hold it up
        child.send_signal(number)
        _, stderr = child.communicate(timeout=60)
        idle.close()
    assert child.returncode == 0
    assert "GET /healthz 200" in stderr
    assert "Traceback" not in stderr
    assert process.running(tmp_path / "s") is None


def test_killed_stack_is_not_believed_and_starts_again(tmp_path: Path) -> None:
    directory = tmp_path / "s"
    with ending(subprocess.Popen(command(directory), cwd=ROOT, stdout=subprocess.PIPE)) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
    stale = process.read_info(directory)
    assert stale is not None
    assert stale.pid == child.pid
    assert stack_command(directory, "status").returncode == 3
    assert stack_command(directory, "up", "--detach", "--port", "0").returncode == 0
    assert process.stop(directory)


def test_busy_port_is_named(stack: RunningStack, tmp_path: Path) -> None:
    result = stack_command(tmp_path / "s", "up", "--port", str(stack.info.port))
    assert result.returncode == 2
    assert f"port {stack.info.port} of 127.0.0.1 is in use" in result.stderr
    background = stack_command(tmp_path / "s", "up", "--detach", "--port", str(stack.info.port))
    assert background.returncode == 3
    assert f"port {stack.info.port} of 127.0.0.1 is in use" in background.stderr


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1_0"])
def test_bad_port_is_a_usage_error(tmp_path: Path, port: str) -> None:
    result = stack_command(tmp_path / "s", "up", f"--port={port}")
    assert result.returncode == 2
    assert not (tmp_path / "s").exists()


def test_foreign_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("mine")
    result = stack_command(tmp_path, "up", "--port", "0")
    assert (result.returncode, "is not empty" in result.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["README"]


def test_missing_server_packages_are_named(tmp_path: Path) -> None:
    """Without the extra [local] the command says what to install."""
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError('no', name='uvicorn')")
    line = [sys.executable, "-m", "gitsign_py", "stack", "up", "--dir", str(tmp_path / "s")]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    result = subprocess.run(
        line, env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "pip install 'WHEEL[local]'" in result.stderr


def test_run_gives_a_command_its_stack_its_status_and_its_signals(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "gitsign_py", "stack", "run", "--actions", "acme/app", "--"]
    script = 'trap "echo told; exit 7" TERM; echo "$GITSIGN_FULCIO_URL $GITHUB_ACTIONS"; while :; do sleep 0.1; done'
    with ending(subprocess.Popen([*run, "sh", "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)) as child:
        assert child.stdout is not None
        url, actions = child.stdout.readline().split()
        child.send_signal(signal.SIGTERM)
        rest = child.stdout.read()
    assert (url.startswith("http://127.0.0.1:"), actions, rest, child.returncode) == (True, "true", "told\n", 7)
    killed = subprocess.run([*run, "sh", "-c", "kill -KILL $$"], cwd=ROOT, capture_output=True, check=False)
    missing = subprocess.run([*run, "no-such-program"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (killed.returncode, missing.returncode) == (128 + signal.SIGKILL, 2)
    assert "command-not-found" in missing.stderr


def test_env_for_files_and_for_jobs(detached: Path) -> None:
    lines = stack_command(detached, "env", "--format", "dotenv", "--actions", "acme/app").stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert found["ACTIONS_ID_TOKEN_REQUEST_URL"].startswith(found["GITSIGN_OIDC_ISSUER"])
    asking = jwt.decode(found["ACTIONS_ID_TOKEN_REQUEST_TOKEN"], options={"verify_signature": False})
    assert asking["repository"] == "acme/app"
