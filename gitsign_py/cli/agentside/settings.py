"""The settings that count for a request to the agent: the client's, read as the client would read them, or not at all.

The agent runs in another directory, with the environment that it was started with. Where that would lead to another
configuration, trust root, consent or network than the client has, the client has to do the work itself.
"""

import os
from pathlib import Path

from gitsign_py.agent.client import NETWORK, PLACES
from gitsign_py.agent.clientcontext import ClientContext
from gitsign_py.agent.conversation import DeclinedError
from gitsign_py.cli import wiring
from gitsign_py.core.frozen import replace
from gitsign_py.host.config import Config

_PATH_VARIABLES = ("GITSIGN_TOKEN_FILE", "SIGSTORE_ID_TOKEN_FILE", "GITSIGN_TRUST_BUNDLE", "TUF_ROOT")


def settings_for(context: ClientContext) -> wiring.Settings:
    """Read them. Raises DeclinedError where the agent is not to do this client's work; GitsignError."""
    directory = Path(context.directory)
    if context.forwarded:
        return wiring.load_settings(context.environment, directory)
    if names := differences(context):
        raise DeclinedError(f"another {', '.join(names)}")
    if not _same_place(context):
        raise DeclinedError("another directory at this path")
    settings = wiring.load_settings(_absolute_variables(context, directory), directory)
    if settings.config.program.agent == "off":
        raise DeclinedError
    return replace(settings, config=_absolute_paths(settings.config, directory))


def differences(context: ClientContext) -> tuple[str, ...]:
    """Name the variables by which the client finds other files or other servers than the agent."""
    theirs, ours = context.environment, os.environ
    return tuple(name for name in (*PLACES, *NETWORK) if (theirs.get(name) or "") != (ours.get(name) or ""))


def _same_place(context: ClientContext) -> bool:
    try:
        facts = Path(context.directory).stat()
    except OSError:
        return False
    return context.place in (b"", b"%d %d" % (facts.st_dev, facts.st_ino))


def _absolute_variables(context: ClientContext, directory: Path) -> dict[str, str]:
    """A trust bundle may be the bundle itself; then there is no such file."""
    found = dict(context.environment)
    for name in _PATH_VARIABLES:
        value = found.get(name, "")
        if value and not value.startswith(("~", "{")):
            found[name] = str(directory / value)
    return found


def _absolute_paths(config: Config, directory: Path) -> Config:
    paths = {name: config.value(name) for name in config.sources}
    return config.with_values({name: directory / path for name, path in paths.items() if isinstance(path, Path)})
