"""The units that ``agent units`` prints, read by those whose kind they are of."""

import os
import plistlib
import re
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.home import Home

ODD = "100% of <A & B>"


@pytest.fixture
def program(home: Home, tmp_path: Path) -> Path:
    """The program in a folder whose name means something to every kind of unit."""
    folder = tmp_path / ODD
    folder.mkdir()
    shutil.copy(home.program, folder / "gitsign-py")
    return folder / "gitsign-py"


def printed(home: Home, program: Path, kind: str) -> str:
    done = home.run(program, "agent", "units", kind)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_launchd_reads_its_property_list(home: Home, program: Path) -> None:
    text = printed(home, program, "launchd")
    found = plistlib.loads(text.encode())
    assert found["ProgramArguments"] == [str(program), "agent", "run"]
    directory = Path(home.variables["HOME"]) / ".cache" / "gitsign-py"
    places = {name: one["SockPathName"] for name, one in found["Sockets"].items()}
    assert places == {"Agent": str(directory / "agent.sock"), "Forward": str(directory / "forward.sock")}
    assert {one["SockPathMode"] for one in found["Sockets"].values()} == {0o600}
    assert "@" not in text


def test_systemd_units_name_both_sockets(home: Home, program: Path) -> None:
    text = printed(home, program, "systemd")
    assert re.findall(r"ListenStream=(.*)", text) == ["%t/gitsign-py/agent.sock", "%t/gitsign-py/forward.sock"]
    assert "@" not in text


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed (apt: systemd)")
def test_systemd_finds_nothing_wrong_with_them(home: Home, program: Path, tmp_path: Path) -> None:
    """Each begins with a line that says where it goes."""
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in re.split(r"^(?=# ~)", printed(home, program, "systemd"), flags=re.MULTILINE)[1:]:
        name = unit.splitlines()[0].rpartition("/")[2]
        (folder / name).write_text(unit)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["gitsign-py-agent.service", "gitsign-py-agent.socket"]
    env = {**home.variables, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    for name in names:
        command = ["systemd-analyze", "--user", "verify", str(folder / name)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert "gitsign-py" not in done.stderr, done.stderr


LAUNCHD = """
#include <stdlib.h>
int launch_activate_socket(const char *name, int **descriptors, size_t *count) {
  const char *given = getenv(name);
  if (!given) return 2; /* ENOENT: no such socket in the property list */
  *descriptors = malloc(sizeof(int));
  **descriptors = atoi(given);
  *count = 1;
  return 0;
}
"""
AGENT = """
import sys
sys.platform = "darwin"
from gitsign_py.agent.endpoint import activated_endpoint
opened = activated_endpoint()
print(*([one.restricted for one in opened.listeners], opened.path) if opened else ["nothing"])
"""


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler (apt: gcc)")
@pytest.mark.parametrize("names", [("Agent", "Forward"), ("Agent",), ()])
def test_sockets_that_launchd_opened_are_taken(tmp_path: Path, names: tuple[str, ...]) -> None:
    """launch_activate_socket(3), as a C library beside Python: launchd itself is macOS'."""
    (tmp_path / "launchd.c").write_text(LAUNCHD)
    library = tmp_path / "launchd.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "launchd.c"], check=True)
    with ExitStack() as stack:
        opened = {name: stack.enter_context(socket.socket(socket.AF_UNIX)) for name in names}
        for name, one in opened.items():
            one.bind(str(tmp_path / ("forward.sock" if name == "Forward" else "agent.sock")))
        done = subprocess.run(
            [sys.executable, "-c", AGENT],
            env={**os.environ, "LD_PRELOAD": str(library), **{name: str(one.fileno()) for name, one in opened.items()}},
            pass_fds=[one.fileno() for one in opened.values()],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    restricted = [name == "Forward" for name in names]
    assert done.stdout.strip() == (f"{restricted} {tmp_path / 'agent.sock'}" if names else "nothing"), done.stderr
