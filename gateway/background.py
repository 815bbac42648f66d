"""An event loop in a thread of its own, for servers that the rest of the program talks to over sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")
_PATIENCE = 10.0  # seconds for anything asked of the loop


class Background:
    """Runs coroutines and servers while the `with` block lasts."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # What runs in the loop, such as a mail being written down, ends first, however long that takes.
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, run in the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)

    def serve(self, listening: Coroutine[Any, Any, asyncio.Server]) -> int:
        """Start a server; the port it listens on, 0 for one at a Unix socket."""
        server = self.wait_for(listening)
        self._servers.append(server)
        ear = server.sockets[0]
        return 0 if ear.family == socket.AF_UNIX else int(ear.getsockname()[1])

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
