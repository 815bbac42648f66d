"""A sign of life to a URL of the operator's: who listens there notices a silence that no log can tell of."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.events import LogEvent

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds for the whole of it


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Asks for a URL, and follows no redirect; ValueError when it is none to send a sign of life to."""

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if not parts.hostname or parts.scheme not in ("https", "http"):
            raise ValueError(f"{self.url!r} is no web address; it begins with https://")
        if parts.scheme == "http" and not _on_this_machine(parts.hostname):
            raise ValueError(f"{self.url!r}: use https://, or an address of this machine")

    def beat(self) -> None:
        """Send one; a failure is logged, and mended by the next."""
        parts = urlsplit(self.url)
        assert parts.hostname  # __post_init__
        there = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = there(parts.hostname, parts.port, timeout=PATIENCE)  # HTTPSConnection verifies whom it talks to
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("GET", target, headers={"User-Agent": "rsvpd"})
            said = connection.getresponse().status
        except (OSError, HTTPException) as exc:
            self._failed(str(exc) or type(exc).__name__)
        else:
            if said >= 300:
                self._failed(f"answered {said}")
        finally:
            connection.close()

    def _failed(self, why: str) -> None:
        # Not the whole URL: its path is often the only secret there is.
        log.warning("heartbeat to %s: %s", urlsplit(self.url).hostname, why, extra=LogEvent.HEARTBEAT.of())


def _on_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
