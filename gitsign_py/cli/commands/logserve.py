"""``gitsign-py log serve``: pages about logs for a browser on this machine."""

import argparse
from functools import partial

from gitsign_py.cli import logpages, wiring
from gitsign_py.cli.commands.stackcommand import installed
from gitsign_py.cli.logs import places
from gitsign_py.errors import UsageError
from gitsign_py.localstack.placement import LOOPBACK, Limits, Placement, placement
from gitsign_py.monitor.pages.desk import Desk

DEFAULT_PORT = 18410


def run_serve(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    with installed("log serve"):
        from gitsign_py.localstack import http, server  # noqa: PLC0415 - uvicorn, an extra of the package
        from gitsign_py.localstack.context import Hook  # noqa: PLC0415
    settings = wiring.load_settings()
    root = wiring.trusted_root(settings, file=options.trusted_root)
    if options.replica is not None:
        shelf = partial(logpages.of_replicas, options.replica, root)
        with shelf():
            pass  # a folder without a replica is refused before anybody opens a page
    else:
        shelf = partial(logpages.of_logs, places(options.logs, settings, root), partial(wiring.session, settings), root)
    place = _place(options)
    desk = Desk(shelf, wiring.now, replay=logpages.replay(settings))
    app = http.application((logpages.service(desk),), Hook(), place)
    with server.bind(place.host, options.port) as sock:
        running = server.make(app, Limits(connections=64))
        print(f"logs at {place.url_at(sock.getsockname()[1])}/ (Ctrl-C ends it)", flush=True)
        server.run(running, sock)
    return 0


def _place(options: argparse.Namespace) -> Placement:
    """Where to listen. Raises UsageError ``log-serve-exposed``, ``stack-url-invalid``."""
    if Placement(options.host or LOOPBACK).exposed and not options.url:
        raise UsageError(
            "log-serve-exposed",
            f"pages at {options.host} are for others, and only requests for a known host name are answered",
            hint="give the URL that they use with --url, such as https://logs.example.com",
        )
    return placement(options.host, options.url, ("tuf",), ())
