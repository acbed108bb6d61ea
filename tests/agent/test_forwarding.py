"""The agent forwarded over ssh, by a real sshd on loopback: the far side signs, and gets nothing else."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitsign_py.agent import client
from tests.support.home import Home
from tests.support.ports import free_ports
from tests.support.processes import ending
from tests.support.waiting import wait_until

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
pytestmark = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh") is None or os.getuid() != 0, reason="sshd, ssh and root are needed"
)


@contextmanager
def server(directory: Path) -> Iterator[list[str]]:
    """An sshd on a free port of loopback; gives the ssh command that logs in there."""
    assert SSHD is not None
    directory.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    (port,) = free_ports(1)
    config = directory / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {directory / 'host'}\nAuthorizedKeysFile {directory / 'user.pub'}\n"
        "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nStreamLocalBindUnlink yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own place for privilege separation
    with ending(subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, text=True)) as daemon:
        try:
            assert daemon.stderr is not None
            assert any("Server listening" in line for line in iter(daemon.stderr.readline, ""))
            options = (
                "StrictHostKeyChecking=no",
                f"UserKnownHostsFile={directory / 'known'}",
                "LogLevel=ERROR",
                "BatchMode=yes",
            )
            flags = [word for option in options for word in ("-o", option)]
            yield ["ssh", "-F", "none", "-p", str(port), "-i", str(directory / "user"), *flags]
        finally:
            daemon.terminate()


def far_commit(
    ssh: list[str], home: Home, far: Path, *, socket_name: str = "forward.sock"
) -> "subprocess.CompletedProcess[str]":
    """Commit on the far side, which knows neither our settings nor our Sigstore."""
    script = (
        f"cd {far} && export HOME={far} GITSIGN_CREDENTIAL_CACHE={far}/agent.sock GIT_CONFIG_NOSYSTEM=1 "
        "SIGSTORE_FULCIO_URL=http://127.0.0.1:1 SIGSTORE_OIDC_ISSUER=http://127.0.0.1:1 && "
        f"git -c gpg.format=x509 -c gpg.x509.program={home.program} -c user.name=Alice -c user.email=alice@example.com "
        "commit -q --allow-empty -S -m far"
    )
    forwarding = f"{far}/agent.sock:{home.socket.with_name(socket_name)}"
    return subprocess.run(
        [*ssh, "-R", forwarding, "root@127.0.0.1", script],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def far(tmp_path: Path) -> Path:
    directory = tmp_path / "far"
    directory.mkdir(mode=0o700)
    subprocess.run(["git", "init", "-q", str(directory)], check=True)
    return directory


def test_a_commit_on_the_far_side_is_signed_by_the_agent_here(home: Home, far: Path, tmp_path: Path) -> None:
    home.gitsign("agent", "start")
    with server(tmp_path / "ssh") as ssh:
        done = far_commit(ssh, home, far)
    assert done.returncode == 0, done.stderr
    home.git("fetch", "-q", str(far), "HEAD")
    verify = ("--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", home.stack.url)
    home.gitsign("verify", *verify, "FETCH_HEAD")
    assert "from a forwarded request" in home.gitsign("agent", "log")


def test_the_far_side_can_do_nothing_but_sign(home: Home, tmp_path: Path) -> None:
    home.gitsign("agent", "start")
    remote = tmp_path / "agent.sock"
    with server(tmp_path / "ssh") as ssh:
        tunnel = [*ssh, "-N", "-R", f"{remote}:{home.socket.with_name('forward.sock')}", "root@127.0.0.1"]
        with ending(subprocess.Popen(tunnel, stdin=subprocess.DEVNULL)) as process:
            wait_until(lambda: client.ask(str(remote), "ping"))
            for request in ("status", "log", "lock", "stop", "verify", "warm", "key"):
                reply = client.ask(str(remote), request, payload=b"x", signature=b"x")
                assert reply is not None
                assert reply["reason"] == b"agent-request-unknown"
            process.terminate()


def test_nobody_signs_in_through_a_forwarded_socket(home: Home, far: Path, tmp_path: Path) -> None:
    """A far machine cannot open a browser here, nor choose as whom this agent signs."""
    home.person_signs_in()
    settings = Path(home.variables["HOME"]) / ".gitconfig"
    for key in ("gitsign.tokenProvider", "gitsign.urlOpener"):
        home.git("config", "--file", str(settings), key, home.git("config", key))
    variables = {name: value for name, value in home.variables.items() if name != "GIT_CONFIG_GLOBAL"}
    home.variables = variables
    home.gitsign("agent", "start")
    with server(tmp_path / "ssh") as ssh:
        done = far_commit(ssh, home, far)
        assert done.returncode != 0
        assert home.sign_ins == []
        assert "forwarded agent is not signed in" in done.stderr
        home.gitsign("login")
        done = far_commit(ssh, home, far)
        assert done.returncode == 0, done.stderr
    assert len(home.sign_ins) == 1
