"""Metrics, health and heartbeat of a running service, asked for as Prometheus and an operator do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from gateway import service
from gateway.cli import main
from gateway.errors import ListenFailed
from gateway.events import LogEvent
from gateway.heartbeat import Heartbeat
from gateway.logbook import Tally
from gateway.metrics import Endpoint, address_of
from gateway.service import Service
from gateway.watches import watch
from tests.notifications import linkedin
from tests.test_story import Owner, owner, serving, settled, wait_for

__all__ = ["owner"]  # the fixture


@contextmanager
def asked(of: Service) -> Iterator[Endpoint]:
    tally = Tally()
    gateway = logging.getLogger("gateway")
    level = gateway.level
    gateway.setLevel(logging.INFO)
    gateway.addHandler(tally)
    endpoint = Endpoint(("127.0.0.1", 0), of, tally)
    try:
        yield endpoint
    finally:
        endpoint.close()
        gateway.removeHandler(tally)
        gateway.setLevel(level)


def get(endpoint: Endpoint, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def numbers(endpoint: Endpoint) -> dict[tuple[str, str], float]:
    """Each sample by its name and its one label."""
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(get(endpoint, "/metrics")[1])
        for sample in family.samples
    }


def test_prometheus_hears_of_owners_rounds_and_events(owner: Owner) -> None:
    config = owner.config()
    with serving(config) as running, asked(running) as endpoint:
        owner.deliver(linkedin("Nina Novak"))
        wait_for(settled(config, 1), "the decision")
        wait_for(lambda: numbers(endpoint)["rsvpd_owner_connected", config.owner] == 1, "the connection")
        found = numbers(endpoint)

    assert found["rsvpd_owners_not_served", ""] == 0
    assert found["rsvpd_log_events_total", "judged"] >= 1
    assert found["rsvpd_log_events_total", "bounced"] == 0
    assert {label for name, label in found if name == "rsvpd_log_events_total"} == set(LogEvent)
    assert found["process_resident_memory_bytes", ""] > 0


def test_health_is_good_until_a_round_hangs(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(owner.config()) as running, asked(running) as endpoint:
        wait_for(lambda: get(endpoint, "/health") == (200, "1 owner served\n"), "good health")
        monkeypatch.setattr(service, "BEAT", 0.0)  # as if the last sign of life were long ago

        assert get(endpoint, "/health")[0] == 503


def test_there_is_nothing_else_to_ask_for(owner: Owner) -> None:
    idle = Service([])
    with asked(idle) as endpoint:
        assert get(endpoint, "/") == (404, "/metrics or /health\n")


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("0.0.0.0:9464", "other machines"),
        ("9464", "no IP address"),
        ("localhost:9464", "no IP address"),
        ("127.0.0.1", "say where"),
        ("127.0.0.1:99999", "say where"),
    ],
)
def test_no_other_machine_can_ask(address: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        address_of(address)


def test_an_address_that_is_taken_is_named() -> None:
    with asked(Service([])) as endpoint, pytest.raises(ListenFailed, match=rf"127\.0\.0\.1:{endpoint.port}"):
        Endpoint(("127.0.0.1", endpoint.port), Service([]), Tally())


@contextmanager
def listening(*, answer: int = 200, location: str = "") -> Iterator[tuple[str, list[str]]]:
    """Somebody who waits for signs of life: the address, and what was asked for."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(answer)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        server.server_close()


def test_a_service_that_goes_on_sends_signs_of_life(owner: Owner) -> None:
    with listening() as (url, heard):
        running = Service([watch(owner.config())], heartbeat=Heartbeat(f"{url}/ping/secret?from=ada"))
        thread = threading.Thread(target=running.run)
        thread.start()
        wait_for(lambda: bool(heard), "a sign of life")
        running.stop()
        thread.join(30)

    assert heard == ["/ping/secret?from=ada"]


def test_a_service_that_hangs_sends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BEAT", 0.0)
    with listening() as (url, heard):
        Service([], heartbeat=Heartbeat(url))._send_heartbeat()

    assert heard == []


@pytest.mark.parametrize(("answer", "why"), [(500, "answered 500"), (302, "answered 302")])
def test_a_sign_of_life_that_fails_is_logged_without_its_secret(
    answer: int, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with listening() as (elsewhere, followed), listening(answer=answer, location=elsewhere) as (url, heard):
        Heartbeat(f"{url}/ping/secret").beat()

    assert (len(heard), followed) == (1, [])
    assert why in caplog.text
    assert "secret" not in caplog.text


def test_nobody_there_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    with listening() as (url, _):
        pass
    Heartbeat(url).beat()

    assert "refused" in caplog.text


@pytest.mark.parametrize("url", ["ftp://example.org/", "http://example.org/", "example.org", "https://"])
def test_a_sign_of_life_goes_out_in_the_clear_to_nobody_else(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Heartbeat(url)


@pytest.mark.parametrize("option", ["--metrics=0.0.0.0:1", "--heartbeat=http://example.org/"])
def test_a_wrong_option_is_wrong_usage(option: str, owner: Owner) -> None:
    done = CliRunner().invoke(main, ["run", option, str(owner.config().path)])

    assert done.exit_code == 2
    assert "use " in done.output
