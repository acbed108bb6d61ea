"""Two machines on one: network namespaces with a cable between them. Needs root and Linux's ``ip netns``."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Machine:
    """A namespace with an address; ``hosts`` is what its programs read as /etc/hosts."""

    name: str
    address: str
    hosts: Path

    def command(self, *command: str) -> list[str]:
        """The command line that runs ``command`` there, in the same process; its mounts are its own (ip-netns(8))."""
        seen = 'mount --bind "$0" /etc/hosts && exec "$@"'
        return ["ip", "netns", "exec", self.name, "sh", "-c", seen, str(self.hosts), *command]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


@contextmanager
def two_machines(folder: Path, server_name: str) -> Iterator[tuple[Machine, Machine]]:
    """A client and a server, which the client knows by its name. Skips the test where they cannot be made."""
    if shutil.which("ip") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces need Linux, root, and ip (Debian: iproute2)")
    mark = uuid.uuid4().hex[:8]
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n10.231.7.2 {server_name}\n")
    client, server = (Machine(f"gs-{mark}-{part}", f"10.231.7.{n}", hosts) for n, part in ((1, "c"), (2, "s")))
    with ExitStack() as undo:
        for machine in (client, server):
            try:
                _ip("netns", "add", machine.name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
            undo.callback(_ip, "netns", "del", machine.name)
        ends = f"gs{mark}c", f"gs{mark}s"
        _ip("link", "add", ends[0], "netns", client.name, "type", "veth", "peer", "name", ends[1], "netns", server.name)
        for machine, end in zip((client, server), ends, strict=True):
            _ip("-n", machine.name, "addr", "add", f"{machine.address}/24", "dev", end)
            for device in (end, "lo"):
                _ip("-n", machine.name, "link", "set", device, "up")
        yield client, server
