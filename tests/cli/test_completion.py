"""The completion scripts in real shells: what a person gets who presses the tab key."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from gitsign_py.cli.commands import COMMANDS
from gitsign_py.cli.commands.completion import bash, fish, zsh
from gitsign_py.cli.grammar import nodes, parser_of
from tests.support.gitrepo import ScratchRepo

# What is typed (the last word is being completed), and some of what must, and must not, be offered.
CASES = [
    (["ver"], {"verify", "verify-tag", "verify-bundle", "version"}, {"audit"}),
    (["verify", "--cert"], {"--certificate-identity", "--certificate-oidc-issuer"}, {"--json"}),
    (["verify", "--json", "ma"], {"main"}, {"verify"}),
    (["audit", "--format", "sar"], {"sarif"}, {"json"}),
    (["stack", ""], {"up", "down", "token"}, {"verify"}),
    (["stack", "up", "--de"], {"--detach"}, {"--email"}),
    (["completion", ""], {"bash", "zsh", "fish"}, {"main"}),
    (["show", "v1"], {"v1.0"}, {"main"}),
    (["verify", "--trusted-root", "ro"], {"root.json"}, {"main"}),
    (["attest", "-f", "ro"], {"root.json"}, {"main"}),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    repo = ScratchRepo.init(tmp_path)
    repo.git("commit", "-q", "--allow-empty", "-m", "x")
    repo.git("branch", "-M", "main")
    repo.git("tag", "v1.0")
    (repo.path / "root.json").touch()
    return repo.path


def offered_by_bash(script: Path, place: Path, words: list[str]) -> set[str]:
    typed = ["gitsign-py", *words]
    code = (
        f"source {script}; COMP_WORDS=({shlex.join(typed)}); COMP_CWORD={len(typed) - 1}; _gitsign_py; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return _run(["bash", "--norc", "-c", code], place)


def offered_by_fish(script: Path, place: Path, words: list[str]) -> set[str]:
    code = f"source {script}; complete -C {shlex.quote(shlex.join(['gitsign-py', *words[:-1]]) + ' ' + words[-1])}"
    return {line.partition("\t")[0] for line in _run(["fish", "--no-config", "-c", code], place)}


def offered_by_zsh(script: Path, place: Path, words: list[str]) -> set[str]:
    """The function in a real zsh; compadd and its wrappers, which need the line editor, print what they are given."""
    typed = ["gitsign-py", *words]
    code = f"""
offer() {{ local each; for each in "$@"; do [[ $each == "$PREFIX"* ]] && print -r -- $each; done; true }}
compadd() {{ shift; offer "$@" }}
_describe() {{ offer ${{${{(P)2}}%%:*}} }}
_files() {{ offer *(N) }}
_message() {{ true }}
compdef() {{ true }}
source {script}
words=({shlex.join(typed)}); CURRENT={len(typed)}; PREFIX={shlex.quote(typed[-1])}
_gitsign_py
"""
    return _run(["zsh", "-f", "-c", code], place)


def _run(command: list[str], place: Path) -> set[str]:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr, done.stderr
    return set(done.stdout.split("\n"))


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("completion")
    written = {}
    for name, write in (("bash", bash), ("zsh", zsh), ("fish", fish)):
        written[name] = directory / name
        written[name].write_text(write(tuple(nodes())))
    return written


SHELLS = {"bash": offered_by_bash, "zsh": offered_by_zsh, "fish": offered_by_fish}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_tab_key(shell: str, scripts: dict[str, Path], place: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    for words, wanted, unwanted in CASES:
        offered = SHELLS[shell](scripts[shell], place, words)
        assert wanted <= offered, (shell, words, offered)
        assert not unwanted & offered, (shell, words, offered)


def test_bash_completes_after_an_equals_sign(scripts: dict[str, Path], place: Path) -> None:
    """The line editor splits --format=js at the sign."""
    assert "json" in offered_by_bash(scripts["bash"], place, ["audit", "--format", "=", "js"])
    assert "json" in offered_by_bash(scripts["bash"], place, ["audit", "--format", "="])


def test_every_command_and_every_option_in_its_usage_is_known() -> None:
    known = {node.path: {name for option in node.options for name in option.names} for node in nodes()}
    for command in COMMANDS:
        usage = parser_of(command).format_usage().replace("[", " ").replace("]", " ").split()
        assert {word for word in usage if word.startswith("--")} <= known[(command,)]


def test_the_scripts_are_valid_and_static(scripts: dict[str, Path]) -> None:
    for shell, path in scripts.items():
        assert "gitsign-py completion" in path.read_text()
        if shutil.which(shell):
            done = subprocess.run([shell, "-n", str(path)], capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, b"")
