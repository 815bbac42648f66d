"""A wire between two sockets: frozen (SIGSTOP), it is a network that swallows everything.

python -m tests.relay LISTEN TARGET      each a Unix socket's path, or a port of 127.0.0.1
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await source.read(65536):
            sink.write(some)
            await sink.drain()
    with suppress(OSError):
        sink.close()


async def _opened(target: str) -> Ends:
    if target.isdecimal():
        return await asyncio.open_connection("127.0.0.1", int(target))
    return await asyncio.open_unix_connection(target)


async def relay(listen: str, target: str) -> None:
    """Serve until the process ends."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await _opened(target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pour(reader, there[1]), _pour(there[0], writer))

    if listen.isdecimal():
        server = await asyncio.start_server(connect, "127.0.0.1", int(listen), backlog=1000)
    else:
        server = await asyncio.start_unix_server(connect, listen, backlog=1000)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(*sys.argv[1:]))
