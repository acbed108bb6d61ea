"""The things that can be wrong on this machine: git, its settings, the program it runs, terminal, browser, keyring,
directories.

Every check gives one finding and never raises; nothing is changed and nothing is sent.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from gitsign_py.core.frozen import field, frozen
from gitsign_py.errors import Fact, GitsignError, ServiceError, UncheckedError
from gitsign_py.host.browser import can_open
from gitsign_py.host.config import Config, SignIn, resolve_settings, unknown_names
from gitsign_py.host.git.config import GitConfig
from gitsign_py.host.git.program import git_version, run_git
from gitsign_py.host.keystore import KeyringStore
from gitsign_py.host.logins import FILE_NAME as LOGINS
from gitsign_py.host.logins import LoginBook
from gitsign_py.host.ownprogram import own_program
from gitsign_py.host.paths import out_of_reach, private_directory, user_place
from gitsign_py.host.programs import find_program

Outcome = Literal["ok", "warn", "fail", "skip"]
OLDEST_GIT = (2, 19)  # the first with gpg.format x509 (git's RelNotes/2.19.0)
SETUP = "run gitsign-py setup"
_RUN_SECONDS = 15.0
_SHORT_PATH = os.pathsep.join(("/usr/local/bin", "/usr/bin", "/bin"))
"""The PATH that a desktop, a panel or cron gives git at least; Windows has no such rule, and is not warned about."""


@frozen
class Finding:
    """One line of a check-up: what was looked at, how it is, and what to do (``advice``, empty when all is well)."""

    name: str
    outcome: Outcome
    message: str
    advice: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


def found(name: str, check: Callable[[], Finding]) -> Finding:
    """Run a check; what it raises is its finding."""
    try:
        return check()
    except GitsignError as error:
        return failure(name, error)
    except OSError as error:  # another's home, or one that is read-only
        return failure(name, out_of_reach(error))


def failure(name: str, error: GitsignError) -> Finding:
    """The finding that an error is."""
    advice = error.hint or "gitsign-py config shows the settings that count here"
    return Finding(name, "fail", error.message, advice, {"reason": error.reason, **error.facts})


def check_git(environment: Mapping[str, str]) -> Finding:
    """Is git there, and new enough?"""
    text, version = git_version(environment)
    if version is None:
        return Finding("git", "warn", f"git says {text[:80]!r}, which names no version", "install git itself")
    if version < OLDEST_GIT:
        return Finding("git", "fail", f"{text} knows no gpg.format x509", "install git 2.19 or newer")
    return Finding("git", "ok", text, facts={"path": find_program("git", path=environment.get("PATH")) or ""})


def check_settings(environment: Mapping[str, str], gitconfig: GitConfig) -> Finding:
    """Can every setting be used, and is every name one?"""
    for one in resolve_settings(environment, gitconfig):
        if one.error is not None:
            return Finding("settings", "fail", one.error.message, one.error.hint)
    unknown = unknown_names(environment, gitconfig)
    if unknown:
        names = ", ".join(source.name for source in unknown)
        return Finding("settings", "warn", f"not known, so without effect: {names}", "see gitsign-py config")
    return Finding("settings", "ok", "every setting can be used (gitsign-py config shows them)")


def check_signing(gitconfig: GitConfig, *, bare: bool) -> Finding:
    """Does git ask a program of the x509 kind for signatures? In a ``bare`` repository nobody commits."""
    form = gitconfig.get("gpg.format", "openpgp").lower()
    command = git_command(gitconfig)
    if form == "ssh" or not command:
        if bare:
            return Finding("signing", "skip", "nobody commits in a bare repository, so git needs no program to sign")
        return Finding("signing", "fail", f"git signs by {form} (gpg.format), not by this program", SETUP)
    signs = [key for key in ("commit.gpgSign", "tag.gpgSign") if gitconfig.get(key).lower() in ("true", "1", "yes")]
    when = f"always ({', '.join(signs)})" if signs else "when asked (git commit -S, git tag -s)"
    return Finding("signing", "ok", f"git signs {when}, format {form}", facts={"format": form, "program": command})


def git_command(gitconfig: GitConfig) -> str:
    """The program that git runs to sign (gpg-interface.c): by gpg.format, its own setting or the general one."""
    form = gitconfig.get("gpg.format", "openpgp").lower()
    if form == "x509":
        return gitconfig.get("gpg.x509.program") or "gpgsm"
    return _openpgp_command(gitconfig) if form == "openpgp" else ""


def _openpgp_command(gitconfig: GitConfig) -> str:
    return gitconfig.get("gpg.openpgp.program") or gitconfig.get("gpg.program")


def _foreign_place(command: str, path: str, gitconfig: GitConfig) -> str:
    """Where the repository's own configuration names the program, unless it is this very one; else empty.

    Such a program is not run to look at it: whoever made the repository chose it.
    """
    own = own_program()
    if own is not None and Path(path).resolve() == own.resolve():
        return ""
    keys = ("gpg.x509.program", "gpg.openpgp.program", "gpg.program")
    named = [value for key in keys for value in gitconfig.all(key) if value.text == command]
    theirs = [value.origin for value in named if value.of_repository]
    return theirs[0] if len(theirs) == len(named) and theirs else ""


def check_program(gitconfig: GitConfig, environment: Mapping[str, str], version: str) -> Finding:
    """Is what git would run this very program, and does it answer?"""
    command = git_command(gitconfig)
    if not command:
        return Finding("program", "skip", "git runs no program to sign with x509")
    path = _which(command, environment)
    if path is None:
        return Finding("program", "fail", f"git would run {command}, which is not there or cannot be run", SETUP)
    if place := _foreign_place(command, path, gitconfig):
        text = f"git would run {path}, which this repository's own configuration names ({place}); it was not run"
        return Finding("program", "warn", text, "look at it; if it is yours, name it with git config --global")
    said = _version_of(path, environment)
    facts: dict[str, Fact] = {"path": path, "version": said}
    if not said.startswith("gitsign-py "):
        return Finding("program", "fail", f"git would run {path}, which is another program: {said!r}", SETUP, facts)
    if said != f"gitsign-py {version}":
        advice = "remove one of the two installations, or run gitsign-py setup"
        return Finding("program", "warn", f"git would run {path}, which is {said}; this is {version}", advice, facts)
    return _by_name_alone(command, path, facts) or Finding(
        "program", "ok", f"git runs {path}, this version", facts=facts
    )


def _by_name_alone(command: str, path: str, facts: Mapping[str, Fact]) -> Finding | None:
    """The trouble with a name that only the PATH of this shell leads to."""
    if sys.platform != "win32" and Path(command).name == command and find_program(command, path=_SHORT_PATH) is None:
        text = f"git runs {path} by its name alone; panels, cron and other callers with a short PATH do not find it"
        return Finding("program", "warn", text, "run gitsign-py setup, which writes the whole path", facts)
    return None


def check_gnupg(gitconfig: GitConfig, environment: Mapping[str, str]) -> Finding:
    """Do OpenPGP signatures end at GnuPG, and not in a circle?"""
    command = _openpgp_command(gitconfig) or "gpg"
    path = _which(command, environment)
    if path is not None and (place := _foreign_place(command, path, gitconfig)):
        text = f"OpenPGP signatures are checked by {path}, which this repository's own configuration names ({place})"
        return Finding("gnupg", "warn", f"{text}; it was not run", "look at it; git config --unset takes it away")
    if path is not None and _version_of(path, environment).startswith("gitsign-py "):
        path = _which("gpg", environment)  # this program hands OpenPGP over to the gpg on PATH
        if path is not None and _version_of(path, environment).startswith("gitsign-py "):
            return Finding(
                "gnupg",
                "warn",
                f"gpg on PATH ({path}) is this program, so OpenPGP signatures lead in a circle",
                "rename it, and set gpg.program",
            )
    if path is None:
        return Finding("gnupg", "ok", "GnuPG is not installed: OpenPGP signatures of others cannot be checked")
    return Finding("gnupg", "ok", f"OpenPGP signatures are checked by {path}")


def _which(command: str, environment: Mapping[str, str]) -> str | None:
    return find_program(os.path.expanduser(command), path=environment.get("PATH"))  # noqa: PTH111 - a name may have no path


def _version_of(path: str, environment: Mapping[str, str]) -> str:
    """The first line of ``--version``, or why there is none."""
    try:
        done = subprocess.run(
            [path, "--version"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_RUN_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be run ({type(error).__name__})"
    lines = (done.stdout or done.stderr).decode("utf-8", "replace").splitlines()
    return lines[0][:120] if lines else f"exit status {done.returncode}, no word"


def check_committer(environment: Mapping[str, str], *, bare: bool) -> Finding:
    """Does git know who commits? In a ``bare`` repository nobody does."""
    try:
        person = run_git(["var", "GIT_COMMITTER_IDENT"], environment=environment).decode("utf-8", "replace")
    except UncheckedError as error:
        if bare:
            return Finding("committer", "skip", "nobody commits in a bare repository, so git needs no address")
        return Finding("committer", "fail", error.message, "git config --global user.email YOU@EXAMPLE.COM")
    return Finding("committer", "ok", person.rpartition(">")[0] + ">")


def check_terminal(*, attached: bool) -> Finding:
    """Can a person be told and asked?"""
    if attached:
        return Finding("terminal", "ok", "there is a terminal to ask and tell you things")
    return Finding(
        "terminal",
        "warn",
        "there is no terminal (or GIT_TERMINAL_PROMPT forbids it): nobody can be asked",
        "for messages set GITSIGN_LOG; for tokens set SIGSTORE_ID_TOKEN or gitsign.tokenProvider",
    )


def check_browser(sign_in: SignIn, environment: Mapping[str, str]) -> Finding:
    """Can a sign-in page be opened here?"""
    if sign_in.token_provider not in ("", "interactive"):
        return Finding("browser", "skip", f"not needed: gitsign.tokenProvider is {sign_in.token_provider}")
    if can_open(sign_in.url_opener, environment):
        return Finding("browser", "ok", "a browser can be opened for the sign-in")
    return Finding(
        "browser",
        "warn",
        "no browser can be opened here; signing in shows a link and a code instead",
        "to choose another way set gitsign.tokenProvider or gitsign.urlOpener",
    )


def check_keyring() -> Finding:
    """Does the system's keyring answer within three seconds, and give back what it was given to remember?"""
    store = KeyringStore()
    kept = [one for one in LoginBook(user_place("state") / LOGINS).all() if one.remembered]
    try:
        lost = [one for one in kept if store.get(one.secret_name) is None]
        name = store.describe()
    except ServiceError as error:
        advice = "nothing, unless you want gitsign-py login --remember"
        if kept:
            advice = f"unlock it (the sign-in of {kept[0].identity} is there), or gitsign-py login each time"
        return Finding("keyring", "warn", error.message, advice, {"reason": error.reason})
    if lost:
        text = f"{name} has lost the sign-in of {lost[0].identity} at {lost[0].issuer}"
        return Finding("keyring", "warn", text, "gitsign-py login --remember")
    return Finding("keyring", "ok", f"the system's keyring answers: {name}")


def check_directories() -> Finding:
    """Are this user's directories nobody else's to write? One that is not there is made when it is needed."""
    places = [user_place("data"), user_place("cache"), user_place("state")]
    there = [str(private_directory(place)) for place in places if _is_there(place)]
    return Finding("directories", "ok", f"only you can write to {', '.join(there)}" if there else "none yet")


def _is_there(place: Path) -> bool:
    """Path.exists raises for what is out of reach until Python 3.13, and from 3.14 on says that it is not there."""
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def check_log(path: Path | None) -> Finding:
    """Can the log file be written?"""
    if path is None:
        return Finding("log", "ok", "no log file is written (gitsign.logPath)")
    target = path if path.exists() else path.parent
    if target.is_dir() == path.exists() or not os.access(target, os.W_OK):
        return Finding("log", "warn", f"the log file {path} cannot be written", "correct gitsign.logPath")
    return Finding("log", "ok", f"messages go to {path} too")


def machine_findings(
    gitconfig: GitConfig,
    config: Config | None,
    environment: Mapping[str, str],
    *,
    version: str,
    attached: bool,
    bare: bool = False,
) -> Iterator[Finding]:
    """Make all checks of this module but ``check_git``; ``config`` is None when a setting cannot be used.

    ``bare`` says that this is a bare repository, as servers have them.
    """
    yield found("settings", lambda: check_settings(environment, gitconfig))
    yield found("signing", lambda: check_signing(gitconfig, bare=bare))
    yield found("program", lambda: check_program(gitconfig, environment, version))
    yield found("gnupg", lambda: check_gnupg(gitconfig, environment))
    yield found("committer", lambda: check_committer(environment, bare=bare))
    yield check_terminal(attached=attached)
    if config is not None:
        yield found("browser", lambda: check_browser(config.sign_in, environment))
        yield found("log", lambda: check_log(config.program.log_path))
    yield found("keyring", check_keyring)
    yield found("directories", check_directories)
