"""A connection as long as one across the country: everything arrives late, by the same time either way."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.certificates import HOST

_END = b""


@contextmanager
def delayed(port: int, round_trip: float) -> Iterator[int]:
    """A port that leads to another; `round_trip` in seconds."""
    listener = socket.create_server((HOST, 0))
    threading.Thread(target=_accept, args=(listener, port, round_trip / 2), daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, port: int, late: float) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        server = socket.create_connection((HOST, port))
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((client, server), (server, client)):
            _carry(source, sink, late)


def _carry(source: socket.socket, sink: socket.socket, late: float) -> None:
    """Two threads a direction: one that hears, one that hands on when the time has come; so nothing is held back
    for want of an acknowledgement."""
    under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def hear() -> None:
        with suppress(OSError):
            while heard := source.recv(65536):
                under_way.put((time.monotonic() + late, heard))
        under_way.put((time.monotonic() + late, _END))

    def hand_on() -> None:
        with suppress(OSError):
            while True:
                due, heard = under_way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if heard == _END:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(heard)

    for work in (hear, hand_on):
        threading.Thread(target=work, daemon=True).start()
