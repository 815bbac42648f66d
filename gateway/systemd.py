"""What systemd is told of the service (sd_notify(3)); nothing where it was not started by systemd."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(*lines: str) -> None:
    """Send state to systemd: "READY=1", "STATUS=...", "WATCHDOG=1"."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A word that does not get through must not end the service; systemd does so if it hears none at all.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        out.sendall("\n".join(lines).encode())


def watchdog() -> float | None:
    """Seconds within which systemd wants to hear that the service goes on; None when it does not ask."""
    asked, whom = os.environ.get("WATCHDOG_USEC"), os.environ.get("WATCHDOG_PID")
    if not asked or (whom and whom != str(os.getpid())):
        return None
    return int(asked) / 1_000_000
