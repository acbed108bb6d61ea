"""``gitsign-py agent``: start, stop and look at the signing agent; ``agent run`` is the agent itself."""

import argparse
import contextlib
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsign_py.agent.background import installed
from gitsign_py.agent.client import ask, distrusted, socket_path
from gitsign_py.agent.lifecycle import ensure_running
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, GitsignError, ServiceError, UsageError
from gitsign_py.host.endings import ended_by

if TYPE_CHECKING:
    from gitsign_py.agent.endpoint import Endpoint

_IDLE_SECONDS = 30 * 60
_EPILOG = """\
examples:
  gitsign-py agent start             start it now (the first signature does so by itself: gitsign.agent = auto)
  gitsign-py agent status            the keys that it holds, and for how long
  gitsign-py agent log               the signatures that it made since its start
  gitsign-py agent lock              drop every key now
  gitsign-py agent units systemd     print the units for socket activation

The agent listens where GITSIGN_CREDENTIAL_CACHE says, else in XDG_RUNTIME_DIR/gitsign-py/agent.sock.
docs/agent.md describes its work, its limits, and how to forward it over ssh.
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py agent``."""
    options = _parser().parse_args(arguments)
    path = os.path.abspath(options.socket) if options.socket else socket_path(os.environ)  # noqa: PTH100
    if options.action == "run":
        return _run_agent(Path(path), options)
    if options.action == "units":
        from gitsign_py.cli.agentside.units import units  # noqa: PLC0415  for this command alone

        print(units(options.kind), end="")
        return 0
    commands: dict[str, Callable[[str, bool], int]] = {
        "start": _start,
        "stop": _stop,
        "status": _status,
        "log": _log,
        "lock": _lock,
    }
    return commands[options.action](path, options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py agent",
        description="Start, stop and look at the signing agent, which holds the short-lived key and signs with it.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, about in (
        ("start", "start the agent unless it runs"),
        ("stop", "drop every key and end it"),
        ("status", "show the keys that it holds"),
        ("log", "show the signatures that it made"),
        ("lock", "drop every key; the next signature asks for a sign-in again"),
    ):
        _add(actions, name, about).add_argument("--json", action="store_true", help="print JSON")
    running = _add(actions, "run", "be the agent, in the foreground (what start, systemd and launchd run)")
    running.add_argument("--ready-fd", type=int, metavar="N", help="say ready on this descriptor")
    running.add_argument("--idle", type=int, default=_IDLE_SECONDS, metavar="S", help="end after S idle seconds (1800)")
    running.add_argument(
        "--loopback", action="store_true", help="listen on 127.0.0.1 with a secret in the socket's file"
    )
    units = _add(actions, "units", "print units for socket activation")
    units.add_argument("kind", choices=("systemd", "launchd"))
    return parser


def _add(actions: Any, name: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=about, description=about)
    parser.add_argument("--socket", metavar="PATH", help="the agent's socket")
    return parser


def _trusted(path: str) -> str:
    """Raise ConfigError ``agent-endpoint-unsafe`` where others could have put what is at the path."""
    if why := distrusted(path):
        raise ConfigError(
            "agent-endpoint-unsafe",
            f"the agent's endpoint {path} is not trusted: {why}",
            hint="remove it, and let GITSIGN_CREDENTIAL_CACHE name a socket in a directory of your own (mode 0700)",
            facts={"path": path},
        )
    return path


def _start(path: str, as_json: bool) -> int:
    if not ensure_running(path, os.environ):
        raise ServiceError("agent-start-failed", f"the signing agent does not answer at {path}")
    _say({"socket": path}, as_json, f"The signing agent listens at {path}.")
    return 0


def _stop(path: str, as_json: bool) -> int:
    reply = ask(_trusted(path), "stop")
    text = "There is no agent." if reply is None else "The signing agent has ended; every key is gone."
    _say({"stopped": reply is not None}, as_json, text)
    return 0


def _lock(path: str, as_json: bool) -> int:
    reply = ask(_trusted(path), "lock")
    dropped = 0 if reply is None else int(reply["dropped"])
    text = "There is no agent." if reply is None else f"{dropped} key{'' if dropped == 1 else 's'} dropped."
    _say({"dropped": dropped}, as_json, text)
    return 0


def _asked(path: str, request: str) -> Any:
    reply = ask(_trusted(path), request)
    if reply is None:
        raise ServiceError(
            "agent-absent", f"there is no signing agent at {path}", hint="start it with gitsign-py agent start"
        )
    if reply.get("status") != b"ok":
        words = reply.get("message", b"").decode("utf-8", "replace")
        raise ServiceError("agent-refused", f"the agent at {path} refused: {words}")
    return json.loads(reply["json"])


def _status(path: str, as_json: bool) -> int:
    status = _asked(path, "status")
    lines = [f"The signing agent (pid {status['pid']}, version {status['version']}) runs since {status['started']}."]
    names = {
        "no_core_dump": "core dumps off",
        "not_dumpable": "memory closed to others",
        "memory_locked": "not swapped",
    }
    has = [text for name, text in names.items() if status["hardening"][name]]
    lines.append("Its memory: " + (", ".join(has) or "as any process's") + ".")
    for one in status["held"]:
        count = f"{one['signatures']} signature{'' if one['signatures'] == 1 else 's'}"
        lines.append(f"  {one['identity']} until {one['not_after']}, {count}, {one['label']}")
    if not status["held"]:
        lines.append("It holds no key.")
    _say({"socket": path, **status}, as_json, "\n".join(lines))
    return 0


def _log(path: str, as_json: bool) -> int:
    from gitsign_py.verification.result import logged_at  # noqa: PLC0415 - cryptography, for who asks for this

    signed = _asked(path, "log")
    lines = []
    for one in signed:
        where = "a forwarded request" if one["forwarded"] else one["directory"]
        when = one["when"].partition(".")[0].rstrip("Z") + "Z"  # nobody asks for microseconds
        line = f"{when} {one['kind']} as {one['identity']}, {logged_at(one['log_index'])}, from {where}"
        subject = one.get("subject", "")  # an agent that began before an update tells none
        lines.append(f"{line}: {printable(subject)}" if subject else line)
    _say(signed, as_json, "\n".join(lines) or "Nothing was signed yet.")
    return 0


def _say(value: Any, as_json: bool, text: str) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False) if as_json else text)


def _run_agent(path: Path, options: argparse.Namespace) -> int:
    from gitsign_py.agent.endpoint import activated_endpoint, open_endpoint  # noqa: PLC0415  the other commands are light

    try:
        endpoint = activated_endpoint() or open_endpoint(path, loopback=options.loopback)
    except GitsignError as error:
        _ready(options.ready_fd, error.message)
        raise
    if endpoint is None:  # another one was faster
        if options.ready_fd is None:
            raise UsageError("agent-running", f"an agent listens at {path} already")
        _ready(options.ready_fd, "ready")
        return 0
    try:
        _serve(endpoint, options)
    finally:
        endpoint.remove()
    return 0


def _serve(endpoint: "Endpoint", options: argparse.Namespace) -> None:
    from gitsign_py.agent.handlers import handlers  # noqa: PLC0415  300 ms, and only the agent itself needs it
    from gitsign_py.agent.hardening import SuspendWatch, harden  # noqa: PLC0415
    from gitsign_py.agent.server import AgentServer  # noqa: PLC0415
    from gitsign_py.audit.codedigest import code_digest  # noqa: PLC0415
    from gitsign_py.cli import wiring  # noqa: PLC0415
    from gitsign_py.cli.agentside.agentservices import agent_services  # noqa: PLC0415

    with contextlib.suppress(OSError):
        code_digest()  # of what runs here, before something newer lies on the disk

    watch, program = SuspendWatch(), installed()
    started: datetime = wiring.now().replace(microsecond=0)
    work = agent_services(harden(), stop=lambda: server.stop(), started=started)  # noqa: PLW0108  made below

    def drop() -> None:
        if watch.slept():
            work.holder.lock()
        work.holder.expire()

    def still_wanted(idle: float) -> bool:
        drop()
        return idle < options.idle and endpoint.still_ours() and installed() == program

    server = AgentServer(endpoint.listeners, handlers(work), still_wanted=still_wanted, before_each=drop)
    with ended_by(("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"), server.stop):
        _ready(options.ready_fd, "ready")
        try:
            server.serve()
        finally:
            work.holder.lock()


def _ready(descriptor: int | None, words: str) -> None:
    """Say it and let go of the descriptor; a standard stream leads nowhere then, and no other file gets its number."""
    if descriptor is None:
        return
    with contextlib.suppress(OSError):
        os.write(descriptor, words.replace("\n", " ").encode()[:2000] + b"\n")
        if descriptor > 2:
            os.close(descriptor)
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
