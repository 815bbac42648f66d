"""Mail handed over by the owner's own mail server, over LMTP or SMTP (RFC 2033, RFC 5321). Only this module, and the
demo's sink, import aiosmtpd.

It takes mail for the owner's addresses into the journal and does nothing else: it relays nothing, and says 250 only
when the mail is on disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import AnyStr

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from gateway.background import Background
from gateway.config import Lmtp
from gateway.errors import JournalFailed, ListenFailed
from gateway.events import LogEvent

log = logging.getLogger(__name__)

LARGEST = 1024 * 1024  # bytes; no network's notification comes near
MOST = 20  # connections at once
PATIENCE = 60.0  # seconds for each command, and for a whole mail
_TAKEN, _LATER = "250 2.0.0 taken", "451 4.3.0 cannot be written down now, try again later"

# At INFO it prints every address, at DEBUG every mail.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class Listener:
    """The door for one owner's mail, in a thread of its own; `take_in` writes a mail down or raises JournalFailed."""

    def __init__(self, settings: Lmtp, recipients: frozenset[str], take_in: Callable[[bytes], None]) -> None:
        self._settings, self._recipients, self._take_in = settings, recipients, take_in
        self._background = Background()
        self._open: set[SMTP] = set()

    def open(self) -> None:
        """Begin to listen; ListenFailed says why it cannot be."""
        self._background.__enter__()
        try:
            self._background.serve(self._listen())
        except OSError as exc:
            self._background.__exit__()
            why = exc.strerror or str(exc)
            raise ListenFailed(f"lmtp: cannot listen at {self._settings.listen}: {why}") from None

    def close(self) -> None:
        """Hear no more; a mail that is being written down is answered first, what is cut off is sent again."""
        self._background.__exit__()
        if path := self._settings.socket:
            path.unlink(missing_ok=True)

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if path := self._settings.socket:
            server = await loop.create_unix_server(self._answer, path)
            os.chmod(path, 0o660)
            return server
        return await loop.create_server(self._answer, *self._settings.address)

    def _answer(self) -> asyncio.Protocol:
        if len(self._open) >= MOST:
            return _Refusal()
        protocol = _Lmtp if self._settings.protocol == "lmtp" else _Smtp
        answering = protocol(
            _Mail(self._recipients, self._take_in),
            data_size_limit=LARGEST,
            enable_SMTPUTF8=True,
            hostname="localhost",  # the default asks a name server for the name of this host
            ident="rsvpd",
            timeout=PATIENCE,
            loop=asyncio.get_running_loop(),
        )
        answering.among(self._open)
        return answering


class _Mail:
    """What is said to one connection's commands; the names are aiosmtpd's."""

    def __init__(self, recipients: frozenset[str], take_in: Callable[[bytes], None]) -> None:
        self._recipients, self._take_in = recipients, take_in

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address.lower() not in self._recipients:
            return "550 5.1.1 nobody here by that address"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 ok"

    # Without a pause in which a client that hangs up could cancel it half done.
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        assert isinstance(envelope.original_content, bytes)
        sender = (envelope.mail_from or "").strip("<>")
        # The last server on a mail's way adds it (RFC 5321 section 4.4).
        first = f"Return-Path: <{sender}>\r\n".encode("utf-8", "surrogateescape")
        try:
            self._take_in(first + envelope.original_content)
        except JournalFailed as exc:
            log.error("a mail was not taken: %s", exc, extra=LogEvent.POSTPONED.of())
            return _LATER
        return _TAKEN

    async def handle_exception(self, error: Exception) -> str:
        # aiosmtpd's own answer is a lasting 500, on which the mail would go back to its sender.
        log.exception("a mail was not taken: a fault of rsvpd's own", exc_info=error, extra=LogEvent.FAULT.of())
        return _LATER


class _Smtp(SMTP):
    """A connection, counted as long as it lasts."""

    line_length_limit = LARGEST  # a longer line than RFC 5321 asks for is no reason to lose a mail

    def among(self, connections: set[SMTP]) -> None:
        self._connections = connections
        connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        super().connection_lost(error)


class _Lmtp(_Smtp, LMTP):
    """LMTP, which answers the content once for each recipient; aiosmtpd answers once in all (aio-libs/aiosmtpd#517)."""

    _answers = 1

    async def push(self, status: AnyStr) -> None:
        times, self._answers = self._answers, 1
        if status[:3] in ("354", b"354"):
            assert self.envelope is not None  # aiosmtpd has checked the recipients in it
            self._answers = len(self.envelope.rcpt_tos)
        for _ in range(times):
            await super().push(status)


class _Refusal(asyncio.Protocol):
    """For whom no connection is left."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"421 4.3.2 too many connections, try again later\r\n")
        transport.close()
