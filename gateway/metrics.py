"""Numbers for Prometheus and a health check, over HTTP on this machine; off unless `rsvpd run --metrics` asks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from gateway.errors import ListenFailed
from gateway.events import LogEvent
from gateway.logbook import Tally

_PATIENCE = 10.0  # seconds for a request to arrive


class Watched(Protocol):
    """What is told of."""

    @property
    def healthy(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def reached(self) -> dict[str, bool]:
        """Whether the mailbox is reached, by owner."""

    @property
    def not_served(self) -> int: ...
    @property
    def rounds(self) -> int:
        """How many are under way."""


def address_of(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:9464"; ValueError when it is none, or other machines could ask there."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or not 0 <= int(port) < 65536:
        raise ValueError('say where like "127.0.0.1:9464"')
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        raise ValueError(f"{host!r} is no IP address; use 127.0.0.1 or [::1]") from None
    if not loopback:
        raise ValueError(f"{host} can be asked by other machines; use 127.0.0.1 or [::1]")
    return host, int(port)


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers(Collector):
    watched: Watched
    tally: Tally

    def collect(self) -> Iterator[Metric]:
        connected = GaugeMetricFamily(
            "rsvpd_owner_connected", "Whether the owner's mailbox is reached.", labels=("owner",)
        )
        for owner, reached in self.watched.reached.items():
            connected.add_metric((owner,), reached)
        yield connected
        yield GaugeMetricFamily(
            "rsvpd_owners_not_served", "Owners whose file or journal cannot be used.", self.watched.not_served
        )
        yield GaugeMetricFamily("rsvpd_rounds_under_way", "Rounds that go on now.", self.watched.rounds)
        told = CounterMetricFamily("rsvpd_log_events", "Lines of the log since the start, by event.", labels=("event",))
        for event in LogEvent:  # also what did not happen yet: a rate needs a zero to begin with
            told.add_metric((event,), self.tally.counts[event])
        yield told


class Endpoint:
    """Answers GET /metrics, and GET /health with 200, or 503 when rsvpd does not go on."""

    def __init__(self, address: tuple[str, int], watched: Watched, tally: Tally) -> None:
        """Listen at an address; ListenFailed says why it cannot be."""
        registry = CollectorRegistry()
        registry.register(_Numbers(watched, tally))
        ProcessCollector(registry=registry)

        class Handler(BaseHTTPRequestHandler):
            timeout = _PATIENCE
            server_version, sys_version = "rsvpd", ""

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._say(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/health":
                    text = f"{watched.status}\n".encode()
                    self._say(200 if watched.healthy else 503, "text/plain; charset=utf-8", text)
                else:
                    self._say(404, "text/plain; charset=utf-8", b"/metrics or /health\n")

            def _say(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: who asks every few seconds is no news."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET

        try:
            self._server = Server(address, Handler)
        except OSError as exc:
            raise ListenFailed(f"metrics: cannot listen at {address[0]}:{address[1]}: {exc.strerror or exc}") from None
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
