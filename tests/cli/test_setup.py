"""``gitsign-py setup`` on real settings of a real git: turned on, shown, put back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitsign_py.host.git.setup import NOTE
from tests.support.processes import ending
from tests.support.workbench import Workbench, program


@pytest.fixture
def fresh(bench: Workbench) -> Workbench:
    """A repository and a person without a single setting of ours."""
    bench.git("config", "--unset", "gpg.format")
    bench.git("config", "--unset", "gpg.x509.program")
    return bench


def setup(bench: Workbench, *arguments: str, cwd: Path | None = None) -> str:
    own = [] if "--undo" in arguments else ["--program", str(program(bench.folder))]
    done = bench.tool("setup", *own, *arguments, cwd=cwd)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.decode()


def settings(bench: Workbench, scope: str = "--local") -> str:
    return bench.try_git("config", scope, "--list").stdout.decode()


def test_it_turns_signing_on_and_says_what_it_changed(fresh: Workbench) -> None:
    said = setup(fresh)
    assert "gpg.format        (not set)  ->  x509" in said
    assert f"gpg.x509.program  (not set)  ->  {program(fresh.folder)}" in said
    oid = fresh.commit()
    assert fresh.verify(oid).returncode == 0
    assert "Nothing to change" in setup(fresh)


def test_sign_all_signs_every_commit_and_tag(fresh: Workbench) -> None:
    setup(fresh, "--sign-all")
    fresh.git("commit", "-q", "--allow-empty", "-m", "without -S")
    fresh.git("tag", "-m", "without -s", "v1")
    assert fresh.verify("HEAD", "v1").returncode == 0


def test_undo_puts_the_file_back_byte_by_byte(fresh: Workbench) -> None:
    file = fresh.repo / ".git" / "config"
    fresh.configure("gpg.format=openpgp", "gpg.format=ssh", "gpg.x509.program=/usr/bin/smimesign")
    before, listed = file.read_bytes(), settings(fresh)
    setup(fresh, "--sign-all")
    setup(fresh, "--instance", str(fresh.stack.directory))
    assert "x509" in settings(fresh)
    said = setup(fresh, "--undo")
    assert "x509  ->  openpgp, ssh" in said
    assert settings(fresh) == listed
    assert sorted(file.read_bytes().split()) == sorted(before.split())
    assert "nothing to undo" in setup(fresh, "--undo")


@pytest.mark.parametrize("scope", ["--local", "--global"])
@pytest.mark.parametrize("where", [".", "below"])
def test_undo_spells_names_as_they_were(fresh: Workbench, scope: str, where: str) -> None:
    """git itself writes a name as it is given it, and lists every name in lower case."""
    file = fresh.repo / ".git" / "config" if scope == "--local" else fresh.folder / "home" / ".gitconfig"
    (fresh.repo / "below").mkdir()
    names = "[Commit]\n\tGpgsign = false\n[GPG]\n\tFORMAT = openpgp\n"
    same = '[gpg "x509"]\n\tPROGRAM = a\n[gpg "X509"]\n\tProgram = b\n'
    with file.open("a") as config:
        config.write(names + same)
    before = file.read_text()
    for options in (["--sign-all"], []):
        setup(fresh, scope, *options, cwd=fresh.repo / where)
    assert "Gpgsign = true" in file.read_text()
    setup(fresh, scope, "--undo", cwd=fresh.repo / where)
    assert file.read_text() == before


def test_undo_leaves_alone_what_was_changed_since(fresh: Workbench) -> None:
    setup(fresh, "--sign-all")
    fresh.git("config", "commit.gpgSign", "false")
    assert "Left alone, since it was changed after the set-up: commit.gpgSign" in setup(fresh, "--undo")
    assert fresh.git("config", "commit.gpgSign") == "false"
    assert fresh.try_git("config", "tag.gpgSign").returncode == 1
    assert NOTE not in settings(fresh).lower()


def test_an_interrupted_setup_can_be_undone(fresh: Workbench) -> None:
    """The note is written before the change: here the change never came."""
    fresh.git("config", "gpg.format", "ssh")
    fresh.git("config", NOTE, json.dumps({"key": "gpg.format", "old": ["ssh"], "new": "x509"}))
    assert "nothing left" in setup(fresh, "--undo")
    assert fresh.git("config", "gpg.format") == "ssh"


@pytest.mark.parametrize("note", ["", "x", "[]", '{"key": 1}', '{"key": "a.b", "old": [1], "new": null}'])
def test_damaged_notes_are_named(fresh: Workbench, note: str) -> None:
    fresh.git("config", NOTE, note)
    done = fresh.tool("setup", "--undo")
    assert done.returncode == 2
    assert b"[setup-notes-damaged]" in done.stderr


def test_dry_run_changes_nothing(fresh: Workbench) -> None:
    before = (fresh.repo / ".git" / "config").read_bytes()
    assert "-> x509" in setup(fresh, "--dry-run", "--sign-all", "--instance", "staging").replace("  ", " ")
    assert (fresh.repo / ".git" / "config").read_bytes() == before
    assert not (Path(fresh.env["HOME"]) / ".local" / "share" / "gitsign-py" / "instances").exists()
    setup(fresh)
    between = (fresh.repo / ".git" / "config").read_bytes()
    setup(fresh, "--undo", "--dry-run")
    assert (fresh.repo / ".git" / "config").read_bytes() == between


def test_global_is_for_every_repository(fresh: Workbench) -> None:
    setup(fresh, "--global", "--sign-all", cwd=fresh.folder)
    other = fresh.folder / "other"
    fresh.git("init", "-q", str(other))
    fresh.git("commit", "-q", "--allow-empty", "-m", "x", cwd=other)
    assert fresh.verify("HEAD", cwd=other).returncode == 0
    setup(fresh, "--undo", "--global", cwd=fresh.folder)
    assert "gpg" not in settings(fresh, "--global")


def test_a_directory_names_the_instance(fresh: Workbench) -> None:
    """With its settings in git's file, signing needs nothing of the environment."""
    setup(fresh, "--instance", str(fresh.stack.directory))
    for name in fresh.stack.environment():
        fresh.env.pop(name)
    assert fresh.git("config", "gitsign.fulcio") == fresh.stack.url
    assert fresh.verify(fresh.commit()).returncode == 0
    setup(fresh, "--instance", "public-good")
    assert "gitsign.fulcio" not in settings(fresh)
    assert "gitsign.trustedroot" not in settings(fresh)


def test_an_instance_wins_over_what_is_inherited(fresh: Workbench) -> None:
    setup(fresh, "--global", "--instance", str(fresh.stack.directory))
    setup(fresh, "--instance", "public-good")
    assert fresh.git("config", "gitsign.fulcio") == "https://fulcio.sigstore.dev"
    assert fresh.git("config", "--local", "gitsign.trustedRoot") == ""


def test_staging_is_complete(fresh: Workbench) -> None:
    """Nothing of it is pinned: its keys and services are those that its TUF repository gives out at the time."""
    setup(fresh, "--instance", "staging")
    assert "gitsign.instance=staging" in settings(fresh)
    assert "gitsign.rekor=" not in settings(fresh)
    assert "gitsign.trustedroot" not in settings(fresh)
    for name in fresh.stack.environment():
        fresh.env.pop(name)
    found = json.loads(fresh.tool("config", "--json").stdout)["endpoints"]
    assert found["rekor"] == {
        "url": "https://rekor.sigstage.dev",
        "source": "signing configuration of embedded staging",
    }
    assert found["issuer"]["url"] == "https://oauth2.sigstage.dev/auth"
    assert "Nothing to change" in setup(fresh, "--instance", "staging")


def test_an_initialized_mirror_names_its_instance(fresh: Workbench) -> None:
    for name in fresh.stack.environment():
        fresh.env.pop(name)
    mirror = f"{fresh.stack.url}/tuf"
    (fresh.folder / "root.json").write_bytes(fresh.stack.get("/tuf/1.root.json").body)
    done = fresh.tool("initialize", "--mirror", mirror, "--root", str(fresh.folder / "root.json"))
    assert done.returncode == 0, done.stderr
    setup(fresh, "--instance", mirror)
    written = fresh.git("config", "--local", "--get-regexp", "^gitsign[.]").splitlines()
    assert written == ["gitsign.rekorversion 1"], "where to sign follows the trust root, and its shards"
    assert endpoints(fresh)["rekor"] == {"url": fresh.stack.url, "source": f"signing configuration of TUF {mirror}"}
    assert fresh.verify(fresh.commit()).returncode == 0
    setup(fresh, "--instance", "public-good")
    assert endpoints(fresh)["fulcio"]["url"] == "https://fulcio.sigstore.dev", "whatever copy is kept"
    setup(fresh, "--undo")
    fresh.git("config", "--global", "gitsign.fulcio", "https://fulcio.example.com")
    setup(fresh, "--instance", mirror)
    assert fresh.git("config", "--local", "gitsign.fulcio") == fresh.stack.url, "in the place of what would count"


def endpoints(bench: Workbench) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(bench.tool("config", "--json").stdout)["endpoints"]
    return found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing-like-it", b"instance-unknown"),
        ("https://tuf.example.com", b"instance-not-initialized"),
        (".", b"instance-incomplete"),
    ],
)
def test_an_instance_that_is_none_is_refused(fresh: Workbench, name: str, reason: bytes) -> None:
    before = settings(fresh)
    done = fresh.tool("setup", "--instance", name)
    assert done.returncode == 2
    assert reason in done.stderr
    assert settings(fresh) == before


def test_worktrees_and_bare_repositories(fresh: Workbench) -> None:
    fresh.commit("x", "--no-gpg-sign")
    linked, bare = fresh.folder / "linked", fresh.folder / "bare.git"
    fresh.git("worktree", "add", "-q", "-b", "side", str(linked))
    setup(fresh, "--sign-all", cwd=linked)
    fresh.git("commit", "-q", "--allow-empty", "-m", "x", cwd=linked)
    assert fresh.verify("HEAD", cwd=linked).returncode == 0
    fresh.git("init", "-q", "--bare", str(bare))
    setup(fresh, cwd=bare)
    assert fresh.git("config", "gpg.format", cwd=bare) == "x509"
    setup(fresh, "--undo", cwd=bare)
    assert fresh.try_git("config", "gpg.format", cwd=bare).returncode == 1


def test_what_wins_over_the_new_settings_is_named(fresh: Workbench) -> None:
    fresh.git("config", "gpg.format", "ssh")
    done = fresh.tool("setup", "--global", "--program", str(program(fresh.folder)))
    assert b"gpg.format is 'ssh' in the local settings, which win here" in done.stderr


def test_an_included_file_that_wins_is_named(fresh: Workbench) -> None:
    """git writes into the section that is there already, above the include."""
    included = fresh.folder / "included"
    included.write_text("[gpg]\n\tformat = openpgp\n[gitsign]\n\tfulcio = https://ca.example\n")
    fresh.git("config", "gpg.minTrustLevel", "undefined")
    fresh.git("config", "include.path", str(included))
    done = fresh.tool("setup", "--instance", "public-good", "--program", str(program(fresh.folder)))
    assert done.returncode == 0
    assert f"gpg.format is 'openpgp' in an included file, which wins here (file:{included})".encode() in done.stderr
    assert b"gitsign.fulcio is 'https://ca.example' in an included file" in done.stderr
    assert b"gpg.x509.program" not in done.stderr


def test_a_variable_that_wins_over_the_instance_is_named(fresh: Workbench) -> None:
    own = ["--program", str(program(fresh.folder))]
    done = fresh.tool("setup", *own, "--instance", "staging", "--dry-run")
    assert b"the environment variable GITSIGN_FULCIO_URL is set, and wins over gitsign.fulcio" in done.stderr
    assert fresh.tool("setup", *own, "--dry-run").stderr == b""


_IN_A_TERMINAL = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"


@pytest.mark.parametrize(("answer", "changed"), [(b"y\n", True), (b"n\n", False), (b"\n", False)])
def test_a_person_is_asked(fresh: Workbench, answer: bytes, changed: bool) -> None:
    command = [str(program(fresh.folder)), "setup", "--program", str(program(fresh.folder))]
    env = {name: value for name, value in fresh.env.items() if name != "GIT_TERMINAL_PROMPT"}
    with ending(
        subprocess.Popen(
            [sys.executable, "-c", _IN_A_TERMINAL, *command],
            cwd=fresh.repo,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    ) as person:
        assert person.stdin is not None
        assert person.stdout is not None
        seen = b""
        while b"Make these changes? [y/N] " not in seen:
            piece = person.stdout.read(1)
            assert piece, seen
            seen += piece
        assert b"gpg.format" in seen  # what is asked about stands above the question
        person.stdin.write(answer)
        person.stdin.flush()
        rest = person.stdout.read()
        assert person.wait(30) == 0, rest
    assert (b"Nothing was changed." in rest) is not changed
    assert ("gpg.format=x509" in settings(fresh)) is changed


def test_outside_of_a_repository_it_asks_for_global(fresh: Workbench) -> None:
    done = fresh.tool("setup", cwd=fresh.folder)
    assert done.returncode == 2
    assert b"--global" in done.stderr


def test_options_that_do_not_fit_are_refused(fresh: Workbench) -> None:
    assert fresh.tool("setup", "--undo", "--sign-all").returncode == 2
    assert fresh.tool("setup", "--program", "/nowhere/at/all").returncode == 2


def test_settings_that_cannot_be_written_are_an_error(fresh: Workbench) -> None:
    (fresh.repo / ".git" / "config.lock").touch()
    done = fresh.tool("setup", "--program", str(program(fresh.folder)))
    assert done.returncode == 2
    assert b"[config-not-written]" in done.stderr


def test_the_whole_path_is_written_and_a_bare_name_is_warned_about(fresh: Workbench) -> None:
    """A panel starts git with /usr/bin alone, and a virtual environment is not on that."""
    found = program(fresh.folder)
    done = fresh.run([str(found), "setup"], PATH=f"{found.parent}:{fresh.env['PATH']}")
    assert done.returncode == 0, done.stderr
    assert fresh.git("config", "gpg.x509.program") == str(found)
    fresh.git("config", "gpg.x509.program", found.name)
    said = fresh.tool("doctor", "--offline", PATH=f"{found.parent}:{fresh.env['PATH']}").stdout.decode()
    assert "by its name alone; panels, cron and other callers with a short PATH do not find it" in said
