"""set-up, settings, doctor, a local stack, the demo, and what is wrong, with the programs for Windows."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.windowskit import EMAIL, WindowsUser, windows


def settings(user: WindowsUser) -> str:
    return user.git("config", "--local", "--list")


def test_setup_names_this_program_wherever_it_lies_and_is_undone(user: WindowsUser) -> None:
    user.git("config", "--unset", "gpg.x509.program")
    without = settings(user)
    # By its whole path, and not on PATH: as somebody does whose Scripts folder is on nobody's PATH.
    apart = {"WINEPATH": ";".join(windows(user.kit.folder / name) for name in ("python", "git/bin"))}
    done = user.run(user.kit.program, "setup", "--yes", "--sign-all", **apart)
    assert done.returncode == 0, done.stderr
    assert user.git("config", "gpg.x509.program") == windows(user.kit.program)
    user.git("commit", "-q", "--allow-empty", "-m", "signed without being asked")
    assert user.git("log", "-1", "--format=%G?") == "U"  # good, by nobody in particular
    user.gitsign("setup", "--undo", "--yes")
    assert settings(user) == without
    user.gitsign("setup", "--yes")
    assert user.git("config", "gpg.x509.program") == "gitsign-py"  # PATH leads to it


def test_setup_for_all_repositories_with_a_stack_and_its_undoing(user: WindowsUser) -> None:
    file = user.directory / "gitconfig"
    file.write_bytes(b"[user]\r\n\tname = Zo\xc3\xab\r\n")
    before = file.read_bytes()
    user.gitsign("setup", "--global", "--yes", "--instance", user.stack.directory)
    assert user.git("config", "--global", "gitsign.fulcio") == user.stack.url
    assert user.git("config", "--global", "user.name") == "Zoë"
    user.gitsign("setup", "--global", "--undo", "--yes")
    assert user.git("config", "--file", windows(file), "--list").split("\n") == ["user.name=Zoë"]
    assert file.read_bytes().startswith(before)


def test_config_and_doctor(user: WindowsUser) -> None:
    user.git("config", "--global", "gitsign.logPath", windows(user.directory / "lög"))
    told = user.gitsign("config")
    assert windows(user.directory / "lög") in told
    done = user.tool("doctor", "--offline", "--json")
    outcomes = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert outcomes["git"]["outcome"] == "ok"
    assert outcomes["program"]["outcome"] == "ok", outcomes["program"]
    assert outcomes["settings"]["outcome"] == "ok"
    assert "Windows" in outcomes["keyring"]["message"] or "WinVault" in outcomes["keyring"]["message"]
    assert [one for one in outcomes.values() if one["outcome"] == "fail"] == []


def test_a_stack_in_the_background(user: WindowsUser) -> None:
    folder = windows(user.directory / "stäck")
    user.gitsign("stack", "up", "--detach", "--dir", folder, "--port", "0")
    try:
        second = user.tool("stack", "up", "--dir", folder, "--port", "0")
        assert second.returncode == 2
        assert "is running already" in second.stderr
        status = json.loads(user.gitsign("stack", "status", "--json", "--dir", folder))
        assert status["running"]
        exports = user.gitsign("stack", "env", "--dir", folder)
        pairs = dict(line.removeprefix("export ").split("=", 1) for line in exports.splitlines())
        there = {name: value.strip("'") for name, value in pairs.items()}
        user.commit("by a stack of Windows", **there)
        who = ("--certificate-identity", EMAIL, "--certificate-oidc-issuer", status["url"])
        assert "verified" in user.gitsign("verify", *who, "HEAD", **there)
    finally:
        user.gitsign("stack", "down", "--dir", folder)
    assert user.tool("stack", "status", "--dir", folder).returncode == 3


def test_the_demo(user: WindowsUser) -> None:
    scratch = user.kit.profile / "Temp"
    before = set(scratch.iterdir())
    assert "Every step did what it should" in user.gitsign("demo")
    assert set(scratch.iterdir()) == before


_UNREAD = """
import subprocess
process = subprocess.Popen(["gitsign-py.exe", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
process.stdout.close()
print(process.wait(), process.stderr.read())
"""


def test_who_stops_reading_gets_no_complaint(user: WindowsUser) -> None:
    done = user.run("python.exe", "-c", _UNREAD)
    assert done.stdout.split() == ["141", "b''"], done.stdout


_SHARED = """
import sys, time
from pathlib import Path
from gitsign_py.host.privatefile import read_whole, write_whole
path, end, read = Path(sys.argv[1]), time.monotonic() + 3, set()
write_whole(path, b"x" * 5000)
print("there", flush=True)
while time.monotonic() < end:
    write_whole(path, b"x" * 5000) if sys.argv[2] == "write" else read.add(len(read_whole(path)))
print(sorted(read))
"""


def test_a_file_is_replaced_while_others_read_it(user: WindowsUser) -> None:
    with ThreadPoolExecutor(2) as pool:
        words = (user.directory / "state", "write"), (user.directory / "state", "read")
        writer, reader = pool.map(lambda more: user.run("python.exe", "-c", _SHARED, *more), words)
    assert writer.stdout.split() == ["there", "[]"], writer.stderr
    assert reader.stdout.split() == ["there", "[5000]"], reader.stderr
    assert [path.name for path in user.directory.glob("*state*")] == ["state"]


WRONG = [
    (("verify", "nowhere"), 2),
    (("verify", "--certificate-identity", "a", "--certificate-oidc-issuer", "b", "C:\\no\\such"), 2),
    (("show", "HEAD:nothing"), 2),
    (("audit", "--policy", "C:\\no\\such.toml"), 2),
    (("audit", "--format", "nonsense"), 2),
    (("config", "--nonsense"), 2),
    (("nonsense",), 2),
    (("setup", "--program", "C:\\no\\such.exe"), 2),
    (("setup", "--instance", "C:\\no\\folder"), 2),
    (("stack", "env", "--dir", "C:\\no\\stack"), 3),
    (("verify-bundle", "--bundle", "C:\\no", "C:\\no"), 2),
    (("hook", "pre-receive"), 1),
    (("-bsau", ""), 2),
    (("--status-fd=1", "--verify", "C:\\no\\signature", "-"), 2),
    (("--status-fd=77", "-bsau", "Alice <alice@example.com>"), 2),
    (("agent", "status"), 3),
    (("verify", "--certificate-identity", "a", "--certificate-oidc-issuer", "b", "CON"), 2),
]


@pytest.mark.parametrize(("arguments", "status"), WRONG, ids=[" ".join(words)[:50] for words, _ in WRONG])
def test_what_is_wrong_is_one_line(user: WindowsUser, arguments: tuple[str, ...], status: int) -> None:
    done = user.tool(*arguments, stdin="x")
    assert done.returncode == status
    assert done.stderr.count("\n") == 1 or done.stderr.startswith("usage: "), done.stderr


def test_without_git_it_says_so(user: WindowsUser) -> None:
    done = user.run(user.kit.program, "config", WINEPATH=windows(user.kit.folder / "python"))
    assert done.returncode == 2
    assert "the program git cannot be run" in done.stderr
