"""Submission: one mail to one recipient, over TLS, with a mark right before the final dot.

Only this module imports smtplib. The calls are the low ones, because sendmail() hides on which side of the dot
a connection was lost, and that decides whether a mail may be sent again.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from gateway.config import Smtp
from gateway.errors import SendFailed, SendUncertain

_COMMAND_TIMEOUT = 300.0  # seconds; RFC 5321 section 4.5.3.2: greeting, MAIL, RCPT
_CONNECT_TIMEOUT = 30.0
_DOT_TIMEOUT = 600.0  # a shorter wait would invent uncertain outcomes
_FORBIDDEN = re.compile(rb"\0|[^\r]\n|\r[^\n]|\r\Z|\A\n")
_LONGEST_LINE = 998


def send(
    account: Smtp,
    message: bytes,
    *,
    sender: str,
    recipient: str,
    secret: Callable[[], SecretStr],
    before_dot: Callable[[], None],
) -> str:
    """The server's final word on a mail it took.

    SendFailed when it surely did not take it, SendUncertain when nobody can tell. `before_dot` is called when
    all but the final dot is on the wire; if it raises, the dot is not sent and the exception goes on.
    """
    _check(message)
    with _session(account, secret) as server:
        _envelope(server, sender, recipient)
        _content(server, message)
        before_dot()
        return _dot(server)


def probe(account: Smtp, secret: Callable[[], SecretStr]) -> None:
    """Connect, check the certificate and log in; SendFailed says what does not work."""
    with _session(account, secret):
        return


def _check(message: bytes) -> None:
    body = message if message.endswith(b"\r\n") else message + b"\r\n"
    if _FORBIDDEN.search(body) or any(len(line) > _LONGEST_LINE for line in body.split(b"\r\n")):
        raise SendFailed("the mail has a line that SMTP does not allow", permanent=True)


@contextmanager
def _session(account: Smtp, secret: Callable[[], SecretStr]) -> Iterator[smtplib.SMTP]:
    place = f"{account.host}:{account.port}"
    server = _connected(account, place)
    try:
        _log_in(server, account, secret, place)
        yield server
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.close()


def _connected(account: Smtp, place: str) -> smtplib.SMTP:
    implicit = account.tls == "implicit" if account.tls else account.port == 465
    try:
        context = ssl.create_default_context(cafile=str(account.ca_file) if account.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if implicit:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                account.host, account.port, timeout=_CONNECT_TIMEOUT, context=context
            )
        else:
            server = smtplib.SMTP(account.host, account.port, timeout=_CONNECT_TIMEOUT)
        server.ehlo()
        if not implicit:
            _start_tls(server, context, place)
    except ssl.SSLCertVerificationError as exc:
        raise SendFailed(f"{place}: its certificate is not valid ({exc.verify_message})", setup=True) from None
    except smtplib.SMTPResponseException as exc:
        raise _refused(exc.smtp_code, exc.smtp_error, place, setup=True) from None
    except (OSError, smtplib.SMTPException) as exc:
        raise SendFailed(f"{place} cannot be reached: {exc}", setup=True) from None
    if server.sock:
        server.sock.settimeout(_COMMAND_TIMEOUT)
    return server


def _start_tls(server: smtplib.SMTP, context: ssl.SSLContext, place: str) -> None:
    if not server.has_extn("starttls"):
        server.close()
        raise SendFailed(f"{place} does not offer STARTTLS; no password is sent in the clear", setup=True)
    code, answer = server.starttls(context=context)
    if code != 220:
        raise _refused(code, answer, place, setup=True)
    server.ehlo()


def _log_in(server: smtplib.SMTP, account: Smtp, secret: Callable[[], SecretStr], place: str) -> None:
    try:
        password = secret()
    except (OSError, LookupError) as exc:
        raise SendFailed(f"{place}: no password: {exc}", setup=True) from None
    try:
        if account.oauth:
            text = f"user={account.user}\x01auth=Bearer {password.get_secret_value()}\x01\x01"
            server.auth("XOAUTH2", lambda challenge=None: text if challenge is None else "")
        else:
            server.login(account.user, password.get_secret_value())
    except smtplib.SMTPAuthenticationError as exc:
        why = _plain(exc.smtp_error)
        raise SendFailed(
            f"{place} refused the login of {account.user} ({exc.smtp_code} {why}); check user and password", setup=True
        ) from None
    except (smtplib.SMTPException, OSError, UnicodeError) as exc:
        # The exception's own text may quote what was sent.
        raise SendFailed(f"{place}: logging in as {account.user} failed ({type(exc).__name__})", setup=True) from None


def _envelope(server: smtplib.SMTP, sender: str, recipient: str) -> None:
    notify = ["NOTIFY=NEVER"] if server.has_extn("dsn") else []
    with _before_the_dot():
        _expect(server.mail(sender), 250)
        code, answer = server.rcpt(recipient, notify)
        if code not in (250, 251):
            raise _refused(code, answer, f"recipient {recipient}")


def _content(server: smtplib.SMTP, message: bytes) -> None:
    with _before_the_dot():
        _expect(server.docmd("DATA"), 354)
        body = message if message.endswith(b"\r\n") else message + b"\r\n"
        server.send(re.sub(rb"(?m)^\.", b"..", body))


def _dot(server: smtplib.SMTP) -> str:
    try:
        if server.sock:
            server.sock.settimeout(_DOT_TIMEOUT)
        server.send(b".\r\n")
        code, answer = server.getreply()
    except (OSError, smtplib.SMTPException) as exc:
        raise SendUncertain(f"the connection was lost after the whole mail had gone out ({_name(exc)})") from None
    if code != 250:
        raise _refused(code, answer, "after the mail")
    with contextlib.suppress(OSError, smtplib.SMTPException):
        server.quit()
    return f"{code} {_plain(answer)}"


@contextmanager
def _before_the_dot() -> Iterator[None]:
    """Whatever happens here, the server has no mail of ours."""
    try:
        yield
    except (OSError, smtplib.SMTPServerDisconnected) as exc:
        raise SendFailed(f"the connection was lost before the mail had gone out ({_name(exc)})") from None
    except smtplib.SMTPResponseException as exc:
        raise _refused(exc.smtp_code, exc.smtp_error, "mail server") from None


def _expect(reply: tuple[int, bytes], wanted: int) -> None:
    code, answer = reply
    if code != wanted:
        raise _refused(code, answer, "mail server")


def _refused(code: int, answer: bytes | str, where: str, *, setup: bool = False) -> SendFailed:
    return SendFailed(f"{where}: {code} {_plain(answer)}", permanent=500 <= code < 600, setup=setup)


def _plain(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _name(exc: Exception) -> str:
    return "timed out" if isinstance(exc, socket.timeout) else type(exc).__name__
