"""The units that ``agent units`` prints, read by those whose kind they are of."""

import plistlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home, living
from tests.support.stack import RunningStack

ODD = "100% of <A & B>"


@pytest.fixture
def home(tmp_path: Path, stack: RunningStack) -> Iterator[Home]:
    (tmp_path / "u").mkdir(mode=0o700)
    with living(tmp_path / "u", stack) as home:
        yield home


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
