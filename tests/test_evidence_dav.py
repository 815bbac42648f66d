import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gateway.config import Dav, EvidenceFiles, Me, Secret
from gateway.evidence import Gathered, gather
from tests.certificates import Certificate

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada Weaver\nEMAIL:ada@weaver.example\nEND:VCARD\n"
EVENT = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20240314\nSUMMARY:Call Bo Stone\nEND:VEVENT\nEND:VCALENDAR\n"


def multistatus(space: str, element: str, *documents: str) -> str:
    parts = (f"<d:response><d:href>/x</d:href><c:{element}>{text}</c:{element}></d:response>" for text in documents)
    return f'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:c="{space}">{"".join(parts)}</d:multistatus>'


@dataclass
class Server:
    """A server that gives one answer and remembers what it was asked."""

    url: str = ""
    status: int = 207
    answer: str = ""
    location: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_REPORT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            state.asked.append((self.path, self.headers["Authorization"], body))
            self.send_response(state.status)
            if state.location:
                self.send_header("Location", state.location)
            self.end_headers()
            self.wfile.write(state.answer.encode())

        def log_message(self, *args: object) -> None:
            pass

    certificate = Certificate.make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.chain))
    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    httpd.socket = certificate.context().wrap_socket(httpd.socket, server_side=True)
    state.url = f"https://127.0.0.1:{httpd.server_port}/mira/people/"
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def password(tmp_path: Path) -> Secret:
    file = tmp_path / "password"
    file.write_text("pass word\n")
    return Secret(file=file)


def ask(url: str, tmp_path: Path, *, calendar: bool = False) -> Gathered:
    dav = Dav(url=url, user="mira", password=password(tmp_path))
    files = EvidenceFiles(calendars=(dav,)) if calendar else EvidenceFiles(contacts=(dav,))
    (found,) = gather(files, Me(name="Mira Castellan"), NOW)
    return found


def test_an_address_book_on_a_server_is_read(server: Server, tmp_path: Path) -> None:
    server.answer = multistatus("urn:ietf:params:xml:ns:carddav", "address-data", CARD, CARD.replace("Ada", "Eda"))

    found = ask(server.url, tmp_path)

    assert [person.name for person in found.acquaintances] == ["Ada Weaver", "Eda Weaver"]
    ((path, login, query),) = server.asked
    assert (path, login) == ("/mira/people/", "Basic bWlyYTpwYXNzIHdvcmQ=")
    assert "addressbook-query" in query


def test_a_calendar_on_a_server_is_read(server: Server, tmp_path: Path) -> None:
    server.answer = multistatus("urn:ietf:params:xml:ns:caldav", "calendar-data", EVENT)

    found = ask(server.url, tmp_path, calendar=True)

    assert [person.name for person in found.acquaintances] == ["Bo Stone"]
    assert "calendar-query" in server.asked[0][2]


@pytest.mark.parametrize(
    ("status", "answer", "advice"),
    [
        (401, "", "check user and password"),
        (404, "", "give the URL of the address book"),
        (207, "<html>hello", "give the URL of the collection"),
        (207, "", "give the URL of the collection"),
    ],
)
def test_a_server_that_does_not_answer_as_it_should(
    server: Server, tmp_path: Path, status: int, answer: str, advice: str
) -> None:
    server.status, server.answer = status, answer

    fault = ask(server.url, tmp_path).fault

    assert fault is not None
    assert advice in str(fault)
    assert "pass word" not in str(fault)


def test_the_password_follows_no_redirection(server: Server, tmp_path: Path) -> None:
    server.status, server.location = 302, f"{server.url}elsewhere/"

    fault = ask(server.url, tmp_path).fault

    assert "give the URL it redirects to" in str(fault)
    assert len(server.asked) == 1


def test_an_answer_cannot_read_files_of_ours(server: Server, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("BEGIN:VCARD\nVERSION:3.0\nFN:Private Matter\nEND:VCARD\n")
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/private">]>'
    answer = multistatus("urn:ietf:params:xml:ns:carddav", "address-data", "&e;")
    server.answer = answer.replace("?>", f"?>{entity}", 1)

    found = ask(server.url, tmp_path)

    assert found.acquaintances == ()


def test_a_password_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    fault = ask("http://localhost:1/people/", tmp_path).fault

    assert str(fault) == "http://localhost:1/people/: is not https: a password is not sent in the clear"


def test_a_server_that_is_away_is_tried_again(tmp_path: Path) -> None:
    fault = ask("https://localhost:1/people/", tmp_path).fault

    assert "tried again at the next refresh" in str(fault)
