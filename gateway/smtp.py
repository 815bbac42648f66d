"""Submission: one mail to one recipient, over TLS, with a mark right before the final dot.

Only this module imports smtplib. The calls are the low ones, because sendmail() hides on which side of the dot
a connection was lost, and that decides whether a mail may be sent again.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pydantic import SecretStr

from gateway import tls
from gateway.config import Smtp
from gateway.errors import SendFailed, SendUncertain
from gateway.secrecy import without

# Seconds; RFC 5321 section 4.5.3.2 asks for no less, but for the connection itself.
_CONNECT = 30.0
_COMMAND = 300.0
_DATA = 120.0
_CONTENT = 180.0
_DOT = LONGEST_WAIT = 600.0  # a shorter wait would invent uncertain outcomes
_OURSELVES = "[127.0.0.1]"  # what we say EHLO with: neither host nor network of the owner is anybody's business
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+", re.ASCII)
_FORBIDDEN = re.compile(rb"[\0\x80-\xff]|(?<!\r)\n|\r(?!\n)|[^\r\n]{999}")
_DOT_AT_START = re.compile(rb"^\.", re.MULTILINE)


class _Server(smtplib.SMTP):
    """A server whose every answer is a step."""

    def __init__(self, step: Callable[[], None]) -> None:
        super().__init__(local_hostname=_OURSELVES)
        self._step = step

    def getreply(self) -> tuple[int, bytes]:
        self._step()
        return super().getreply()


def _no_step() -> None:
    pass


def send(
    account: Smtp,
    message: bytes,
    *,
    sender: str,
    recipient: str,
    secret: Callable[[], SecretStr],
    before_dot: Callable[[], None],
    step: Callable[[], None] = _no_step,
) -> str:
    """The server's final word on a mail it took.

    SendFailed when it surely did not take it, SendUncertain when nobody can tell. `before_dot` is called when
    all but the final dot is on the wire; if it raises, the dot is not sent and the exception goes on. `step` is
    called before each wait, which is LONGEST_WAIT at most.
    """
    _check(message, sender, recipient)
    place = f"{account.host}:{account.port}"
    with _session(account, secret, place, step) as server:
        with _before_the_dot(place):
            _envelope(server, sender, recipient, place)
            _content(server, message, place)
        before_dot()
        return _dot(server, place)


def probe(account: Smtp, secret: Callable[[], SecretStr], *, sender: str) -> None:
    """Connect, check the certificate, log in and offer the sender; SendFailed says what does not work."""
    place = f"{account.host}:{account.port}"
    with _session(account, secret, place) as server, _before_the_dot(place):
        _expect(server.docmd("MAIL", f"FROM:<{sender}>"), 2, f"{place} answered MAIL")


def _check(message: bytes, sender: str, recipient: str) -> None:
    for address in (sender, recipient):
        if not _ADDRESS.fullmatch(address):
            raise SendFailed(f"{address!r} is no address that SMTP can carry", permanent=True)
    if not message.endswith(b"\r\n") or _FORBIDDEN.search(message):
        raise SendFailed("the mail has a line that SMTP does not allow", permanent=True)


@contextmanager
def _session(
    account: Smtp, secret: Callable[[], SecretStr], place: str, step: Callable[[], None] = _no_step
) -> Iterator[smtplib.SMTP]:
    server = _Server(step)
    try:
        with _setting_up(place):
            _connect(server, account, place)
            _log_in(server, account, secret, place)
        yield server
    finally:
        with suppress(OSError):
            server.close()


@contextmanager
def _setting_up(place: str) -> Iterator[None]:
    """What fails here is no fault of the mail's."""
    try:
        yield
    except smtplib.SMTPException as exc:
        raise SendFailed(f"{place} was lost before the login ({_plain(str(exc))})", setup=True) from None
    except (OSError, UnicodeError) as exc:
        raise SendFailed(f"{place}: {tls.trouble(exc)}", setup=True) from None


def _connect(server: smtplib.SMTP, account: Smtp, place: str) -> None:
    """A connection with TLS, one way or the other; nothing else than EHLO is said before."""
    context = tls.context(account.ca_file)
    implicit = account.tls == "implicit" if account.tls else account.port == 465
    ear = socket.create_connection((account.host, account.port), _CONNECT)
    # smtplib would give the first connection and the first answer the same time.
    ear.settimeout(_COMMAND)
    # Mail and final dot are two writes, and a server may wait 40 ms before it acknowledges the first.
    ear.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.sock = ear
    if implicit:
        _wrap(server, account, context)
    _expect(server.getreply(), 2, f"{place} greeted", setup=True)
    _expect(server.ehlo(), 2, f"{place} answered EHLO", setup=True)
    if implicit:
        return
    if not server.has_extn("starttls"):
        raise SendFailed(f"{place} does not offer STARTTLS, and no password is sent in the clear", setup=True)
    _expect(server.docmd("STARTTLS"), 2, f"{place} answered STARTTLS", setup=True)
    _wrap(server, account, context)
    _expect(server.ehlo(), 2, f"{place} answered EHLO", setup=True)


def _wrap(server: smtplib.SMTP, account: Smtp, context: ssl.SSLContext) -> None:
    assert server.sock is not None  # _connect() set it
    server.sock = context.wrap_socket(server.sock, server_hostname=account.host)
    server.file = None  # with all that came in the clear after the server's consent (CVE-2011-0411)


def _log_in(server: smtplib.SMTP, account: Smtp, secret: Callable[[], SecretStr], place: str) -> None:
    try:
        password = secret().get_secret_value()
    except UnicodeError:
        raise SendFailed(f"{place}: the password is not UTF-8", setup=True) from None
    except (OSError, LookupError) as exc:
        lacking = "access token" if account.oauth else "password"
        raise SendFailed(f"{place}: no {lacking}: {exc}", setup=True) from None
    lines = _login(account, server.esmtp_features.get("auth", "").upper().split(), password)
    if not lines:
        known = "XOAUTH2, OAUTHBEARER" if account.oauth else "PLAIN, LOGIN"
        raise SendFailed(f"{place} offers no login that rsvpd knows ({known})", setup=True)
    for line in lines:
        code, answer = server.docmd(line)
        if code != 334:
            break
    if code // 100 == 2:
        return
    said = without(password, _plain(answer))
    hint = f"; check user and {'oauth_client' if account.oauth else 'password'}" if code // 100 == 5 else ""
    why = f"{place} refused the login of {account.user} ({code} {said}){hint}"
    raise SendFailed(why, permanent=code // 100 == 5, setup=True)


def _login(account: Smtp, offered: list[str], password: str) -> tuple[str, ...]:
    """What to say, line by line; one try only, since servers lock out those who try more."""
    if account.oauth:
        return _by_token(account.user, offered, password)
    if "PLAIN" in offered:
        # smtplib's own refuses passwords that are not ASCII.
        return ("AUTH PLAIN " + _base64(f"\0{account.user}\0{password}"),)
    if "LOGIN" in offered:
        return "AUTH LOGIN", _base64(account.user), _base64(password)
    return ()


def _by_token(user: str, offered: list[str], token: str) -> tuple[str, ...]:
    # A server that says no gives the reason first, and wants to hear something before it says 535.
    if "XOAUTH2" in offered:
        return "AUTH XOAUTH2 " + _base64(f"user={user}\1auth=Bearer {token}\1\1"), ""
    if "OAUTHBEARER" in offered:  # RFC 7628
        identity = user.replace("=", "=3D").replace(",", "=2C")
        return "AUTH OAUTHBEARER " + _base64(f"n,a={identity},\1auth=Bearer {token}\1\1"), _base64("\1")
    return ()


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


@contextmanager
def _before_the_dot(place: str) -> Iterator[None]:
    """What fails here, fails for sure: the server has no mail of ours."""
    try:
        yield
    except OSError as exc:  # smtplib's exceptions are OSErrors
        raise SendFailed(f"{place} was lost before the mail had gone out ({_plain(str(exc))})") from None


def _envelope(server: smtplib.SMTP, sender: str, recipient: str, place: str) -> None:
    notify = " NOTIFY=NEVER" if server.has_extn("dsn") else ""
    lines = f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>{notify}"
    at_once = server.has_extn("pipelining")  # RFC 2920
    if at_once:
        server.send("".join(f"{line}\r\n" for line in lines))
    for line in lines:
        reply = server.getreply() if at_once else server.docmd(line)
        _expect(reply, 2, f"{place} answered {line[:4]}")


def _content(server: smtplib.SMTP, message: bytes, place: str) -> None:
    _wait_at_most(server, _DATA)
    _expect(server.docmd("DATA"), 3, f"{place} answered DATA")
    _wait_at_most(server, _CONTENT)
    server.send(_DOT_AT_START.sub(b"..", message))
    if _spoke_out_of_turn(server):
        raise _refused(server.getreply(), f"{place} interrupted the mail")


def _spoke_out_of_turn(server: smtplib.SMTP) -> bool:
    """Whether the server said something, or hung up, before the dot; then the outcome is still certain."""
    assert server.sock is not None  # send() has just used them
    assert server.file is not None
    server.sock.setblocking(False)
    try:
        server.file.peek(1)
    except ssl.SSLWantReadError:
        return False
    finally:
        server.sock.settimeout(_CONTENT)
    return True


def _dot(server: smtplib.SMTP, place: str) -> str:
    try:
        _wait_at_most(server, _DOT)
        server.send(b".\r\n")
        reply = server.getreply()
    except OSError as exc:
        why = f"{place} was lost when the whole mail had gone out ({_plain(str(exc))}); it may have been taken"
        raise SendUncertain(why) from None
    code, answer = reply
    if code // 100 in (4, 5):
        raise _refused(reply, f"{place} answered the mail")
    if code // 100 != 2:
        raise SendUncertain(f"{place} answered the mail with {code} {_plain(answer)}, which is neither yes nor no")
    with suppress(OSError):
        server.putcmd("QUIT")  # its answer would tell nothing new
    return f"{code} {_plain(answer)}"


def _wait_at_most(server: smtplib.SMTP, seconds: float) -> None:
    if server.sock:
        server.sock.settimeout(seconds)


def _expect(reply: tuple[int, bytes], first_digit: int, saying: str, *, setup: bool = False) -> None:
    if reply[0] // 100 != first_digit:
        raise _refused(reply, saying, setup=setup)


def _refused(reply: tuple[int, bytes], saying: str, *, setup: bool = False) -> SendFailed:
    code, answer = reply
    return SendFailed(f"{saying} with {code} {_plain(answer)}", permanent=code // 100 == 5, setup=setup)


def _plain(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
