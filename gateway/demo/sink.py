"""An SMTP server in this process that takes every mail and lets none out: STARTTLS and a login are demanded."""

from __future__ import annotations

import asyncio
import hmac
import ssl
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from gateway.background import Background


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes


class Sink:
    """The server of one account; `letters` holds what was handed to it, in order."""

    def __init__(self, background: Background, tls: ssl.SSLContext, *, user: str, password: str) -> None:
        self._tls, self._user, self._password = tls, user, password
        self.letters: list[Letter] = []
        self.port = background.serve(self._listen())

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        content = envelope.original_content
        assert isinstance(content, bytes)
        self.letters.append(Letter(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        return f"250 2.0.0 taken as number {len(self.letters)}"

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(self._session, "127.0.0.1", 0)

    def _session(self) -> SMTP:
        return SMTP(
            self,
            loop=asyncio.get_running_loop(),
            hostname="sink.example",  # the default asks a name server for the name of this host
            tls_context=self._tls,
            require_starttls=True,
            auth_required=True,
            authenticator=self._authenticate,
        )

    def _authenticate(self, *asked: object) -> AuthResult:
        given = asked[-1]  # after server, session, envelope and mechanism
        assert isinstance(given, LoginPassword)
        fits = given.login == self._user.encode() and hmac.compare_digest(given.password, self._password.encode())
        return AuthResult(success=fits, handled=False)
