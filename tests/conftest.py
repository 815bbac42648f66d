from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Certificate, Dovecot, Login, SmtpServer, running


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """One Dovecot for all tests; each takes a mailbox of its own."""
    with running(Dovecot(tmp_path_factory.mktemp("dovecot"))) as server:
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
