import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.journal.store import Store, open_file, open_url
from tests import postgres
from tests.certificates import Certificate
from tests.servers import Dovecot, running
from tests.submission import Login, SmtpServer


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """The command line keeps its files to itself; servers of the tests run as other users."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """One Dovecot for all tests; each takes a mailbox of its own."""
    # Not below pytest's folder, which only the user of the tests may enter: mail is kept by another.
    with TemporaryDirectory(prefix="rsvpd-dovecot-") as folder, running(Dovecot(Path(folder))) as server:
        yield server


@pytest.fixture
def smtp_server(tmp_path: Path) -> Iterator[SmtpServer]:
    """An SMTP server that speaks STARTTLS and demands a login."""
    folder = tmp_path / "smtp"
    folder.mkdir()
    server = SmtpServer(Login("ada@example.org", "pass word"), Certificate.make(folder))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is said over TLS, in the pieces in which it goes out."""
    said: list[bytes] = []
    usual = ssl.SSLSocket.sendall

    def sendall(self: ssl.SSLSocket, data: bytes) -> None:
        said.append(data)
        usual(self, data)

    monkeypatch.setattr(ssl.SSLSocket, "sendall", sendall)
    return said


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Postgres]:
    """One PostgreSQL for all tests; each takes a database of its own."""
    with TemporaryDirectory(prefix="rsvpd-postgresql-") as folder, postgres.running(Path(folder)) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The database under a journal, of each kind there is."""
    if request.param == "sqlite":
        opened = open_file(tmp_path / "journal.sqlite")
    else:
        opened = open_url(request.getfixturevalue("cluster").database())
    yield opened
    opened.engine.dispose()
