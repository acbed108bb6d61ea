"""What a proxy of the tests does once both ends are connected."""

import socket
from contextlib import suppress


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes until it ends, then end both."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
