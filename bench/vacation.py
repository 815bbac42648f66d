"""Pigeonhole's vacation: what a mail server can answer by itself, to anybody and always the same."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.certificates import HOST
from tests.servers import Dovecot, free_port, running
from tests.submission import Login

_CONFIG = """\
submission_host = {host}:{port}
protocol lmtp {{
  mail_plugins = sieve
}}
plugin {{
  sieve = file:{script}
}}
"""
_SCRIPT = """\
require ["vacation"];
vacation :days 1 :addresses ["ada@example.org"] :subject "Your invitation"
"Thank you. I only connect with people I have interacted with; write to me at ada@example.org.";
"""
_PATIENCE = 60.0  # seconds


class _Sink:
    """Takes every answer, and knows whom it was for."""

    def __init__(self) -> None:
        self.heard = threading.Condition()
        self.recipients: set[str] = set()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 aiosmtpd's
        with self.heard:
            self.recipients.update(envelope.rcpt_tos)
            self.heard.notify_all()
        return "250 2.0.0 taken"


@dataclass(frozen=True, slots=True)
class Vacation:
    """A mailbox whose server answers."""

    dovecot: Dovecot
    login: Login
    sink: _Sink

    @classmethod
    @contextmanager
    def set(cls) -> Iterator[Vacation]:
        """All of it, for as long as the block lasts."""
        sink, port = _Sink(), free_port()
        controller = Controller(sink, hostname=HOST, port=port)
        with TemporaryDirectory(prefix="rsvpd-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            # The server compiles the script beside it as the user whose mail it is.
            script = folder / "sieve" / "vacation.sieve"
            script.parent.mkdir()
            script.parent.chmod(0o777)
            script.write_text(_SCRIPT)
            (folder / "dovecot").mkdir()
            extra = _CONFIG.format(host=HOST, port=port, script=script)
            controller.start()
            try:
                with running(Dovecot(folder / "dovecot", extra=extra)) as dovecot:
                    yield cls(dovecot, dovecot.user("ada@example.org"), sink)
            finally:
                controller.stop()

    def hand_over(self, sender: str, raw: bytes) -> None:
        """A mail by LMTP; it is answered to its envelope's sender."""
        with smtplib.LMTP(HOST, self.dovecot.lmtp_port) as client:
            client.sendmail(sender, [self.login.user], raw)

    def wait_for(self, recipient: str) -> None:
        with self.sink.heard:
            answered = self.sink.heard.wait_for(lambda: recipient in self.sink.recipients, _PATIENCE)
        assert answered, f"no answer to {recipient}; the server says: {self.dovecot.log[-1000:]}"
