"""Opens a URL in the person's browser, without a shell and without lending it our standard streams.

git reads the program's stdout until everybody has closed it: a browser that inherited it would make ``git commit`` hang
for as long as the browser runs.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping

from gitsign_py.errors import ConfigError
from gitsign_py.host.background import let_go, start_in_background

_PLACEHOLDER = re.compile(r"\{\{\s*\.URL\s*\}\}")  # the Go client's template, with Go's optional spaces
_MARK = "\x00URL\x00"
_FAILS_WITHIN_SECONDS = 1.0


def opener_command(template: str, url: str) -> list[str]:
    """Turn gitsign.urlOpener into an argument list: words as a shell splits them, but no shell runs.

    ``{{.URL}}`` inside a word becomes the URL, whatever characters it has; without a placeholder the URL is the last
    argument. Raises ConfigError ``url-opener-invalid`` for unbalanced quotes or an empty command.
    """
    try:
        words = _words(_PLACEHOLDER.sub(_MARK, template))
    except ValueError as error:
        raise _invalid(f"cannot be split into words ({str(error).lower()})", template) from error
    if not words:
        raise _invalid("holds no command", template)
    if not any(_MARK in word for word in words):
        words.append(_MARK)
    return [word.replace(_MARK, url) for word in words]


def _invalid(why: str, template: str) -> ConfigError:
    return ConfigError(
        "url-opener-invalid",
        f"gitsign.urlOpener {why}: {template}",
        hint="correct it; git config --show-origin --get-all gitsign.urlOpener shows where it stands",
        facts={"value": template},
    )


def _words(text: str) -> list[str]:
    """Split as a shell does, but for backslashes on Windows, which are part of paths there. Raises ValueError."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    if sys.platform == "win32":
        lexer.escape = ""
    return list(lexer)


def default_command(url: str, environment: Mapping[str, str]) -> list[str] | None:
    """Return the command of this system's default browser, None where there is none (ssh, a container, a console)."""
    if chosen := environment.get("BROWSER"):
        return opener_command(chosen.split(os.pathsep)[0].replace("%s", "{{.URL}}"), url)
    if sys.platform == "darwin":
        return ["open", url]
    if sys.platform == "win32":
        return ["rundll32", "url.dll,FileProtocolHandler", url]
    candidates = ["wslview"] if environment.get("WSL_DISTRO_NAME") else []
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        candidates.append("xdg-open")
    found = next((name for name in candidates if shutil.which(name, path=environment.get("PATH"))), None)
    return [found, url] if found else None


def can_open(opener: str, environment: Mapping[str, str]) -> bool:
    """Say whether a browser could be opened here; someone in an ssh session looks at another machine's screen."""
    if opener or environment.get("BROWSER"):  # an editor over ssh sets it, and opens the page where the person sits
        return True
    remote = environment.get("SSH_CONNECTION") and not environment.get("DISPLAY")
    return not remote and default_command("http://127.0.0.1/", environment) is not None


def open_url(url: str, *, opener: str, environment: Mapping[str, str]) -> bool:
    """Open ``url`` by gitsign.urlOpener (may be empty) or by the system's own way; False when that did not work.

    A command that still runs after a second, or ended with status 0, has worked. Raises ConfigError as
    :func:`opener_command` does.
    """
    command = opener_command(opener, url) if opener else default_command(url, environment)
    if command is None:
        return False
    try:
        # In the background Ctrl-C in the terminal ends our waiting, not the browser.
        process = start_in_background(command, environment=environment)
    except OSError:
        return False
    try:
        return process.wait(timeout=_FAILS_WITHIN_SECONDS) == 0
    except subprocess.TimeoutExpired:
        let_go(process)  # it is the person's browser now
        return True
