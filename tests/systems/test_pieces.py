"""Single ways of Windows and macOS that everyday work does not show."""

import ast
import os
import pty
import shutil
import subprocess
import sys
import time

import pytest

from tests.support.home import EMAIL, Home
from tests.support.screen import Screen, screen

__all__ = ["screen"]

windows = pytest.mark.parametrize("system", ["windows"], indirect=True)
macos = pytest.mark.parametrize("system", ["macos"], indirect=True)
_OPENPGP = "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"


@windows
def test_output_is_utf_8_with_plain_line_ends_whatever_the_code_page(home: Home) -> None:
    home.commit("Zoë 😀")
    done = subprocess.run(
        [home.program, "audit", "--format", "text", "--verbose"], cwd=home.repository, env=home.variables, check=False,
        capture_output=True,
    )  # fmt: skip
    assert "Zoë 😀".encode() in done.stdout, done.stderr
    assert b"\r" not in done.stdout + done.stderr


@windows
def test_programs_are_looked_for_on_path_alone(home: Home) -> None:
    """CreateProcess would start a git.exe of the repository otherwise; what is asked of it is in the environment."""
    spy = home.directory / "spy"
    spy.mkdir()
    told = home.directory / "told"
    (spy / "git").write_text(f'#!/bin/sh\nenv >> {told}\nexec {shutil.which("git")} "$@"\n')
    (spy / "git").chmod(0o755)
    home.gitsign("config", PATH=f"{spy}:{home.variables['PATH']}")
    assert "NODEFAULTCURRENTDIRECTORYINEXEPATH=1" in told.read_text()


@windows
def test_doctor_runs_no_program_of_the_repository(home: Home) -> None:
    """Before Python 3.12 shutil.which finds what lies in the working directory first."""
    programs = home.directory / "programs"
    programs.mkdir()
    for folder in (home.repository, programs):
        (folder / "gpg").write_text(f'#!/bin/sh\necho "{folder}" >> {home.directory / "ran"}\necho gpg\n')
        (folder / "gpg").chmod(0o755)
    home.run(home.program, "doctor", "--offline", PATH=f".:{programs}:{home.variables['PATH']}")
    assert (home.directory / "ran").read_text() == f"{programs}\n"


@windows
def test_the_real_gpg_is_waited_for_since_nothing_can_become_it(home: Home) -> None:
    """An exec of Windows ends the caller at once, and git would go on before gpg has said a word."""
    programs = home.directory / "programs"
    programs.mkdir()
    (programs / "gpg.exe").write_text('#!/bin/sh\nsleep 0.2; echo "gpg was asked: $*"; cat; exit 7\n')
    (programs / "gpg.exe").chmod(0o755)
    (home.directory / "signature").write_text(_OPENPGP)
    arguments = ("--status-fd=1", "--verify", str(home.directory / "signature"), "-")
    done = home.run(home.program, *arguments, PATH=f"{programs}:{home.variables['PATH']}")
    assert done.returncode == 7
    assert done.stdout == f"gpg was asked: {' '.join(arguments)}\n"


@windows
def test_a_hook_that_is_kept_is_run_by_the_shell(home: Home) -> None:
    """Windows starts no scripts: the shell that comes with git has to."""
    programs = home.directory / "programs"
    programs.mkdir()
    (programs / "sh").write_text(f'#!/bin/sh\necho by the shell >> {home.directory / "log"}\nexec /bin/sh "$@"\n')
    (programs / "sh").chmod(0o755)
    hooks = home.repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    kept = hooks / "pre-push.before-gitsign"
    kept.write_text(f'#!/bin/sh\necho "kept $*" >> {home.directory / "log"}; exit 1\n')
    kept.chmod(0o755)
    path = f"{programs}:{home.variables['PATH']}"
    done = home.run(home.program, "hook", "pre-push", "there", "url", PATH=path, GITSIGN_HOOK_FOLDER=str(hooks))
    assert done.returncode == 1
    assert (home.directory / "log").read_text() == "by the shell\nkept there url\n"


@windows
def test_hooks_are_written_for_a_shell(home: Home) -> None:
    home.gitsign("hooks", "install", "--local")
    assert b"\r" not in (home.repository / ".git" / "hooks" / "pre-push").read_bytes()


@windows
def test_the_program_is_found_by_the_name_that_its_launcher_leaves(home: Home) -> None:
    """The launcher's script takes .exe off sys.argv[0], and no file has that name."""
    started = home.directory / "tools" / "gitsign-py.exe"
    started.parent.mkdir()
    script = home.program.read_text().replace(
        "if __name__", "sys.argv[0] = sys.argv[0].removesuffix('.exe')\nif __name__"
    )
    started.write_text(script)
    started.chmod(0o755)
    home.run(started, "setup", "--yes")
    assert home.git("config", "gpg.x509.program") == str(started)
    home.run(started, "hooks", "install", "--local")
    assert f"p={started};" in (home.repository / ".git" / "hooks" / "pre-push").read_text()


@windows
def test_the_program_is_found_among_the_scripts_when_they_do_not_lie_beside_python(home: Home) -> None:
    code = (
        "import sys, sysconfig; sys.executable = '/nowhere/python.exe'; sysconfig.get_path = lambda _: sys.argv[1]\n"
        "from gitsign_py.host.ownprogram import installed_program; print(installed_program())"
    )
    scripts = home.directory / "Scripts"
    assert home.run(sys.executable, "-c", code, scripts).stdout == "None\n"
    scripts.mkdir()
    (scripts / "gitsign-py.exe").write_bytes(home.program.read_bytes())
    (scripts / "gitsign-py.exe").chmod(0o755)
    assert home.run(sys.executable, "-c", code, scripts).stdout == f"{scripts / 'gitsign-py.exe'}\n"


@windows
def test_without_git_it_says_so_though_the_system_names_no_file(home: Home) -> None:
    done = home.run(home.program, "hooks", "status", PATH=str(home.directory))
    assert done.returncode == 2
    assert "the program git cannot be run" in done.stderr


@windows
def test_without_a_console_nobody_is_asked_and_no_file_is_made(home: Home) -> None:
    home.person_signs_in()
    home.git("config", "gitsign.tokenProvider", "device")
    home.git("config", "gitsign.signInTimeout", "1")
    done = home.run("git", "commit", "-q", "--allow-empty", "-S", "-m", "one")
    assert done.returncode != 0
    assert home.git("status", "--porcelain") == ""
    assert not list(home.repository.glob("CON*"))


_UNREAD = """
import io, os, sys
from gitsign_py.cli import main
class Pipe(io.RawIOBase):
    def writable(self):
        return True
    def write(self, data):
        raise OSError(22, "Invalid argument")
sys.stdout = io.TextIOWrapper(io.BufferedWriter(Pipe()), encoding="utf-8")
os._exit(main(sys.argv[1:]))
"""


@windows
def test_who_stops_reading_our_output_gets_no_complaint(home: Home) -> None:
    done = home.run(sys.executable, "-c", _UNREAD, "--help")
    assert (done.returncode, done.stderr) == (141, "")
    done = home.run(sys.executable, "-c", _UNREAD.replace("raise OSError(22", "raise OSError(5"), "--help")
    assert "cannot write" in done.stderr


_REFUSED = """
import os, sys, time
from pathlib import Path
from gitsign_py.host.privatefile import read_whole, write_whole
def refusing(action, until):
    def refused(*words):
        if time.monotonic() < until:
            raise PermissionError(13, "Access is denied")
        return action(*words)
    return refused
soon, path = time.monotonic() + 0.1, Path(sys.argv[1])
os.replace, Path.read_bytes = refusing(os.replace, soon), refusing(Path.read_bytes, soon + 0.1)
write_whole(path, b"one")
print(read_whole(path))
os.replace = refusing(os.replace, soon + 60)
try:
    write_whole(path, b"two")
except PermissionError:
    print(sorted(os.listdir(path.parent)), path.read_bytes())
"""


@windows
def test_a_file_that_is_open_elsewhere_is_waited_for(home: Home) -> None:
    """Windows neither replaces it nor opens it in that moment; after two seconds it is an error, and no draft stays."""
    (home.directory / "state").mkdir()
    done = home.run(sys.executable, "-c", _REFUSED, home.directory / "state" / "file")
    assert done.stdout == "b'one'\n['file'] b'one'\n", done.stderr


_CONSOLE = """
import os, sys, types
typed = [True, True]
keyboard = types.SimpleNamespace(kbhit=lambda: bool(typed), getwch=lambda: typed.pop())
sys.modules["msvcrt"] = keyboard
from gitsign_py.host.console import WindowsConsole
from gitsign_py.host.terminal import Terminal
reader, writer = open(sys.argv[1], "rb", buffering=0), open(sys.argv[1], "wb", buffering=0)
with Terminal(WindowsConsole(reader, writer), log_path=None, now=lambda: None) as terminal:
    print(terminal.interactive, terminal.confirm("Really?"), typed, repr(terminal.prompt("Code: ")))
print(reader.closed, writer.closed)
"""


@windows
def test_a_backslash_in_the_browsers_command_belongs_to_its_path(home: Home) -> None:
    code = (
        "from gitsign_py.host.browser import opener_command\n"
        "print(opener_command(r'\"C:\\My Programs\\b.exe\" --new C:\\x {{.URL}}', 'http://u/?a=b#c'))"
    )
    words = ast.literal_eval(home.run(sys.executable, "-c", code).stdout)
    assert words == ["C:\\My Programs\\b.exe", "--new", "C:\\x", "http://u/?a=b#c"]


@windows
def test_what_goes_on_in_the_background_has_no_window_and_no_part_in_our_ctrl_c(home: Home) -> None:
    """Process Creation Flags of CreateProcess: CREATE_NEW_PROCESS_GROUP and CREATE_NO_WINDOW."""
    code = (
        "import subprocess, sys; from gitsign_py.host import background\n"
        "real, seen = subprocess.Popen, []\n"
        "def popen(*words, **options):\n    seen.append(options['creationflags'])\n    return real(*words, **options)\n"
        "subprocess.Popen = popen\n"
        "process = background.start_in_background([sys.executable, '-c', ''])\n"
        "print(hex(seen[0]), process.wait())"
    )
    assert home.run(sys.executable, "-c", code).stdout.split() == ["0x8000200", "0"]


@windows
def test_a_console_is_a_dialogue(home: Home) -> None:
    """A pseudo-terminal in the place of CONIN$ and CONOUT$: the words, the answers, and what was typed too early."""
    master, slave = pty.openpty()
    os.write(master, b"yes\ncode\n")
    done = home.run(sys.executable, "-c", _CONSOLE, os.ttyname(slave))
    assert done.stdout == "True True [] 'code'\nTrue True\n", done.stderr
    shown = os.read(master, 4096)
    assert b"Really? [y/N] " in shown
    assert b"Code: " in shown
    os.close(slave)
    os.close(master)


@windows
def test_a_spiffe_agent_is_out_of_reach_in_one_line(home: Home) -> None:
    done = home.run("git", "-c", "gitsign.tokenProvider=spiffe", "commit", "--allow-empty", "-S", "-m", "one",
                    SPIFFE_ENDPOINT_SOCKET="unix:///tmp/api.sock", GITSIGN_LOG=str(home.directory / "log"))  # fmt: skip
    assert done.returncode != 0
    assert "no Unix sockets" in (home.directory / "log").read_text() + done.stderr


@windows
def test_the_agent_is_where_windows_keeps_such_things(home: Home) -> None:
    code = "import os; from gitsign_py.agent.client import socket_path; print(socket_path(os.environ))"
    del home.variables["XDG_RUNTIME_DIR"]
    place = str(home.directory / "local")
    assert home.run(sys.executable, "-c", code, LOCALAPPDATA=place).stdout.strip() == f"{place}/gitsign-py/agent.sock"
    home.variables["XDG_RUNTIME_DIR"] = str(home.directory / "run")


@windows
def test_an_agent_sees_by_which_profile_its_client_goes(home: Home) -> None:
    """Another profile is another trust root: the client does the work itself."""
    home.gitsign("agent", "start")
    home.commit("one", USERPROFILE=str(home.directory))
    home.commit("two")
    assert home.gitsign("agent", "log").count(EMAIL) == 1


@macos
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_ctrl_c_ends_the_sign_in_and_not_git(home: Home, screen: Screen) -> None:
    """There ps(1) tells that git leads the group (host/foreground.py)."""
    home.git("config", "gitsign.agent", "off")
    home.git("config", "gitsign.tokenProvider", "device")
    home.git("config", "gitsign.signInTimeout", "30")
    screen.type('git commit --allow-empty -S -m signed; echo "status $?"')
    screen.wait("or open")
    time.sleep(0.2)
    screen.interrupt()
    text = screen.wait("status 128")
    assert "interrupted, nothing was signed" in text
    assert "gpg failed to sign the data" in text


def test_it_starts_nothing_of_the_other_system(home: Home, system: str) -> None:
    """Each loads its own way of talking to git, and of locking files."""
    code = (
        "import sys; from gitsign_py.host.git.objects import GitRepository; from pathlib import Path\n"
        "import os; GitRepository(Path('.'), environment=os.environ).resolve(['HEAD'])\n"
        "print(sorted(name for name in sys.modules if name.endswith(('.polled', '.threaded'))))"
    )
    home.commit("one")
    kind = "threaded" if system == "windows" else "polled"
    assert home.run(sys.executable, "-c", code).stdout.strip() == f"['gitsign_py.host.pipes.{kind}']"
