"""Ports of loopback for servers that must be told one: two at a time, or the same one twice."""

import random
import socket


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now. The kernel gives none below 32768 to who asks for any, so nobody will before long."""
    found: list[int] = []
    for port in random.sample(range(20_000, 30_000), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            break
    return found
