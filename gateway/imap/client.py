"""imapclient with its flaws in IDLE mended, a connection that is logged in, and what may be said on it."""

from __future__ import annotations

import re
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from imaplib import _Authenticator
from itertools import pairwise
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import (
    CapabilityError,
    IMAPClientAbortError,
    IMAPClientError,
    LoginError,
    ProtocolError,
)
from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.imapclient import _parse_untagged_response, as_pairs, join_message_ids, seq_to_parenstr_upper
from imapclient.response_parser import parse_fetch_response, parse_response
from imapclient.tls import IMAP4_TLS
from imapclient.util import to_unicode
from pydantic import SecretStr

from gateway import tls
from gateway.config import Imap
from gateway.errors import MailboxFailed
from gateway.secrecy import without

_TIMEOUT = SocketTimeout(connect=15, read=60)  # seconds
_BUFFER = 1024  # bytes of what a connection reads ahead
_SAID_AT_ONCE = 16 * 1024  # bytes; TLS makes no larger records
_PROMPT_CONNECT, _LOOK = 6, 3  # seconds
# Where another host can go on instead: seconds until the system asks a silent server, between its questions, how often
# it asks, and milliseconds in which what was sent must have arrived.
_PROMPT = (
    (socket.TCP_KEEPIDLE, 3),
    (socket.TCP_KEEPINTVL, 1),
    (socket.TCP_KEEPCNT, 3),
    (socket.TCP_USER_TIMEOUT, 6000),
)
_UNFIT = re.compile(r"[^ -~]")
_GIVEN = re.compile(
    rb"(?P<uidvalidity>\d{1,10}) (?:[\d:,]+ )?(?P<uids>\d{1,10}(?::\d{1,10})?(?:,\d{1,10}(?::\d{1,10})?)*)"
)
_TEMPORARY = re.compile(
    r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]|temporar|try again|too many|rate limit", re.IGNORECASE
)


@lru_cache(maxsize=100)
def _once(capabilities: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The same capabilities for all connections to servers that have them: 2 kB less for each who waits."""
    return capabilities


def _keep_nothing(_line: str) -> None:
    pass


class _Wire(IMAP4_TLS):  # type: ignore[misc]
    """imaplib's connection, with a buffer that is small enough to be kept by a thousand who only wait.

    What is said before an answer is waited for goes out together: of a hundred small pieces each would be a packet.
    """

    _unsaid = b""

    def send(self, data: bytes) -> None:
        self._unsaid += data
        if len(self._unsaid) >= _SAID_AT_ONCE:
            self.say()

    def readline(self) -> bytes:
        self.say()
        return super().readline()  # type: ignore[no-any-return]

    def say(self) -> None:
        """Send what is not sent yet."""
        if self._unsaid:
            saying, self._unsaid = self._unsaid, b""
            super().send(saying)

    def open(self, host: str = "", port: int = 993, timeout: float | None = None) -> None:
        super().open(host, port, timeout)
        # Nothing has been read yet. What is long is read past the buffer, and TLS has one of its own while it is.
        if sys.version_info < (3, 14):  # where imaplib's file is no longer for others to set
            self.file = self.sock.makefile("rb", _BUFFER)

    def _get_capabilities(self) -> None:
        """Ask only a server that has not told them with its greeting (RFC 3501 section 7.1)."""
        told = self.untagged_responses.pop("CAPABILITY", None)
        if told:
            self.capabilities = tuple(told[-1].decode("ascii", "replace").upper().split())
        else:
            super()._get_capabilities()

    def authenticate(self, mechanism: str, say: Callable[[bytes], str]) -> tuple[str, list[bytes]]:
        """Log in, in one step where the server takes what is to be said with the command (RFC 4959)."""
        if "SASL-IR" not in self.capabilities:
            return super().authenticate(mechanism, say)  # type: ignore[no-any-return]
        saying = _Authenticator(say).process
        self.literal = saying  # for a server that says why it refuses a token, and waits for a word on that
        typ, dat = self._simple_command("AUTHENTICATE", mechanism, saying(""))
        if typ != "OK":
            raise self.error(dat[-1].decode("utf-8", "replace"))
        self.state = "AUTH"
        return typ, dat


class Client(IMAPClient):  # type: ignore[misc]
    """One connection.

    Upstream loses a wake-up that arrives together with "+ idling" (it polls the socket, not the buffer), spins on
    a dead connection (mjs/imapclient#565), breaks a response that comes in two pieces, and gives up IDLE when the
    server says something before "+ idling".
    """

    def __init__(self, host: str, port: int, *, implicit: bool, context: ssl.SSLContext, prompt: bool = False) -> None:
        patience = SocketTimeout(connect=_PROMPT_CONNECT, read=_TIMEOUT.read) if prompt else _TIMEOUT
        super().__init__(host, port, ssl=implicit, ssl_context=context, timeout=patience)
        self.normalise_times = False
        self._early: list[bytes] = []
        self._imap.debug = 0  # imapclient sets 5, which formats every mail twice and logs whole bodies
        # Of the last ten lines imaplib keeps a log to show at its level 1: after a plain LOGIN the password is in it.
        self._imap._log, self._imap._cmd_log = _keep_nothing, {}
        # SEARCH and APPEND are sent in two writes, and a server may wait 40 ms before it acknowledges the first.
        self.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if prompt:
            self._notice_silence()
        if not implicit:
            self.starttls(context)

    def _create_IMAP4(self) -> Any:  # noqa: N802 imapclient's
        if self.ssl:
            return _Wire(self.host, self.port, self.ssl_context, self._timeout.connect)
        return super()._create_IMAP4()

    def _normalise_capabilites(self, raw_response: bytes | str) -> tuple[bytes, ...]:  # imapclient's spelling
        return _once(super()._normalise_capabilites(raw_response))

    def _notice_silence(self) -> None:
        """Have the system end the connection soon when the server's host is not there any more."""
        self.socket().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _PROMPT:
            self.socket().setsockopt(socket.IPPROTO_TCP, option, value)

    def hang_up(self) -> None:
        """End the connection without waiting for an answer."""
        with suppress(IMAPClientError, OSError):
            self.shutdown()

    def hang_up_from_outside(self) -> None:
        """End the connection while another thread waits on it, which then fails."""
        with suppress(OSError):
            # Not the shutdown() of a TLS socket, which takes its state away under the thread that reads.
            socket.socket.shutdown(self.socket(), socket.SHUT_RDWR)

    def only_gone(self) -> int | None:
        """How many mails left the folder since this was asked, or it was selected; None where one may have come."""
        self.noop()
        said = self._imap.untagged_responses  # since SELECT, which tells how many mails there are itself
        if len(said.get("EXISTS", ())) > 1 or "VANISHED" in said:
            return None
        return len(said.pop("EXPUNGE", ()))

    def multiappend(self, folder: str, msgs: Sequence[dict[str, Any]]) -> None:
        """Add mails to a folder; upstream's takes a server's no for a yes."""
        typ, words = super().multiappend(folder, msgs)
        self._checkok("APPEND", typ, words)

    def at_once(self, commands: Sequence[tuple[str, ...]]) -> list[tuple[str, list[bytes]]]:
        """The answers to commands that do not depend on one another, sent in one go (RFC 3501 section 5.5)."""
        tags = [self._imap._command(*command) for command in commands]
        return [self._imap._get_tagged_response(tag) for tag in tags]

    def ask(self, uids: Sequence[int], items: Sequence[str]) -> Callable[[], dict[int, Any]]:
        """Ask for mails as fetch() does; what it gives waits for the answer, before which nothing else may be asked."""
        tag = self._imap._command("UID", "FETCH", join_message_ids(uids), seq_to_parenstr_upper(items))
        if isinstance(self._imap, _Wire):
            self._imap.say()

        def answer() -> dict[int, Any]:
            typ, words = self._imap._command_complete("FETCH", tag)
            self._checkok("fetch", typ, words)
            _, found = self._imap._untagged_response(typ, words, "FETCH")
            wanted = frozenset(uids)  # the server may speak of others, too
            told = parse_fetch_response(found, self.normalise_times)
            return {uid: values for uid, values in told.items() if uid in wanted}

        return answer

    def folders(self) -> tuple[tuple[str, str] | None, list[Any]]:
        """The prefix of the owner's folders and what parts their names, where the server tells, and list_folders()."""
        if not self.has_capability("NAMESPACE"):
            return None, self.list_folders()
        for answer in self.at_once([("NAMESPACE",), ("LIST", '""', '"*"')]):
            self._checkok("LIST", *answer)
        personal, *_ = parse_response(self._told("NAMESPACE")) or (None,)
        listed = self._proc_folder_list(self._told("LIST"))
        return (decode_utf7(personal[0][0]), to_unicode(personal[0][1] or b"/")) if personal else None, listed

    def make_folders(self, names: Sequence[str]) -> None:
        """Make folders, if they are not there, and have mail programs show them."""
        for command in ("CREATE", "SUBSCRIBE"):
            for typ, words in self.at_once([(command, self._normalise_folder(name)) for name in names]):
                if b"ALREADYEXISTS" not in words[-1]:
                    self._checkok(command, typ, words)

    def statuses(self, names: Sequence[str], items: Sequence[str]) -> dict[str, dict[bytes, int]]:
        """What folder_status() says of each of some folders that are there, by the server's spelling of their names."""
        self.at_once([("STATUS", self._normalise_folder(name), f"({' '.join(items)})") for name in names])
        told = as_pairs(parse_response(self._told("STATUS")))
        return {decode_utf7(name): dict(as_pairs(values)) for name, values in told if isinstance(name, bytes)}

    def _told(self, kind: str) -> list[Any]:
        """What the server said of a kind, once."""
        said: list[Any] = self._imap.untagged_responses.pop(kind, [None])
        return said

    def numbers_given(self, code: str) -> tuple[int, range] | None:
        """UIDVALIDITY and UIDs that the last command gave to mails, by its COPYUID or APPENDUID (RFC 4315).

        None where the server does not tell, or they do not follow one another.
        """
        _, told = self._imap.response(code)
        match = _GIVEN.fullmatch(told[-1] or b"") if told else None
        if match is None:
            return None
        ends = [tuple(map(int, part.split(b":"))) for part in match["uids"].split(b",")]
        runs = sorted((min(part), max(part)) for part in ends)
        if any(later[0] != earlier[1] + 1 for earlier, later in pairwise(runs)):
            return None
        return int(match["uidvalidity"]), range(runs[0][0], runs[-1][1] + 1)

    def idle(self) -> None:
        self._imap.untagged_responses.clear()  # to what was asked before, and is known by now
        self._idle_tag = self._imap._command("IDLE")
        while (line := self._imap._get_response()) is not None:
            if self._imap.tagged_commands[self._idle_tag]:
                raise IMAPClientError(f"IDLE refused: {line!r}")
            self._early.append(line)

    def idle_done(self) -> None:
        # Nobody has to look for anything to answer this: a server that is frozen is not worth a longer wait.
        self.socket().settimeout(_TIMEOUT.connect)
        super().idle_done()
        self.socket().settimeout(_TIMEOUT.read)

    def idle_check(self, timeout: float | None = None) -> list[Any]:
        lines, self._early = self._early, []
        if not lines and not self.pending():
            self._poll_socket(self.socket(), timeout)
        while self.pending():
            lines.append(self._imap._get_line())
        return [_parse_untagged_response(line) for line in lines]

    def pending(self) -> bool:
        """Whether data, or the end of the connection, can be read without waiting."""
        ear = self.socket()
        if sys.version_info >= (3, 14):  # imaplib has a buffer of its own, and the file must be left alone
            decrypted = isinstance(ear, ssl.SSLSocket) and ear.pending()
            return bool(self._imap._readbuf or decrypted or self._poll_socket(ear, 0))
        before = ear.gettimeout()
        ear.setblocking(False)
        try:
            if self._imap.file.peek(1):
                return True
        except ssl.SSLWantReadError:
            return False
        finally:
            ear.settimeout(before)
        return bool(self._poll_socket(ear, 0))  # readable with nothing to read is the end


@contextmanager
def told(doing: str) -> Iterator[None]:
    """What the server or the network did, as the error our callers know."""
    try:
        yield
    except (IMAPClientAbortError, ProtocolError, OSError) as exc:
        raise MailboxFailed(f"{doing}: connection lost ({words(exc)})") from None
    except IMAPClientError as exc:
        raise MailboxFailed(f"{doing}: {words(exc)}") from None


def words(exc: Exception) -> str:
    """What an exception says, fit for a line of text."""
    return _UNFIT.sub(" ", str(exc) or type(exc).__name__)[:300]


def quoted(value: str) -> str:
    """A value as a quoted string; ValueError for one that could end the command and begin another."""
    if _UNFIT.search(value):
        raise ValueError(f"{value!r} does not go into an IMAP command")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def reaches(place: str) -> bool:
    """Whether somebody listens at "host:port"; nothing is said to them."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _LOOK).close()
    except OSError:
        return False
    return True


def connected(account: Imap, secret: Callable[[], SecretStr], *, prompt: bool = False) -> Client:
    """A connection that is logged in; MailboxFailed says what did not work, permanent when only the owner can help.

    A `prompt` one notices within ten seconds when the server is not there any more.
    """
    place = f"{account.host}:{account.port}"
    client = _reached(account, place, prompt=prompt)
    try:
        _log_in(client, account, secret, place)
    except MailboxFailed:
        client.hang_up()
        raise
    return client


def _reached(account: Imap, place: str, *, prompt: bool) -> Client:
    try:
        context = tls.context(account.ca_file)
        implicit = account.tls == "implicit"
        return Client(account.host, account.port, implicit=implicit, context=context, prompt=prompt)
    except CapabilityError:
        why = f"{place} does not offer STARTTLS, and no password is sent in the clear"
        raise MailboxFailed(why, permanent=True) from None
    except IMAPClientError as exc:
        raise MailboxFailed(f"{place} cannot be used: {words(exc)}", unreached=True) from None
    except (OSError, UnicodeError) as exc:
        unproved = isinstance(exc, ssl.SSLCertVerificationError)
        raise MailboxFailed(f"{place}: {tls.trouble(exc)}", permanent=unproved, unreached=not unproved) from None


def _log_in(client: Client, account: Imap, secret: Callable[[], SecretStr], place: str) -> None:
    password = ""
    try:
        password = secret().get_secret_value()
        if account.oauth:
            _show_token(client, account.user, password, place)
        elif client.has_capability("AUTH=PLAIN"):
            client.plain_login(account.user, password)
        else:
            client.login(quoted(account.user), password)
    except LoginError as exc:
        raise _login_refused(exc, without(password, words(exc)), account, place) from None
    except LookupError as exc:
        lacking = "access token" if account.oauth else "password"
        raise MailboxFailed(f"{place}: no {lacking}: {exc}", permanent=True) from None
    except ValueError:  # the text of a UnicodeError would quote the password
        why = f"{place}: user or password has characters that the login of this server cannot take"
        raise MailboxFailed(why, permanent=True) from None
    except (IMAPClientError, OSError) as exc:
        raise MailboxFailed(f"{place}: logging in as {account.user} failed ({without(password, words(exc))})") from None


def _show_token(client: Client, user: str, token: str, place: str) -> None:
    if client.has_capability("AUTH=XOAUTH2"):
        client.oauth2_login(user, token)
    elif client.has_capability("AUTH=OAUTHBEARER"):
        client.oauthbearer_login(user, token)
    else:
        raise MailboxFailed(f"{place} offers no login by oauth (XOAUTH2, OAUTHBEARER)", permanent=True)


def _login_refused(exc: LoginError, said: str, account: Imap, place: str) -> MailboxFailed:
    # imapclient says LoginError for a lost connection, too; what it was stands behind it.
    if isinstance(exc.__context__, IMAPClientAbortError):
        return MailboxFailed(f"{place} was lost while logging in as {account.user} ({said})")
    temporary = bool(_TEMPORARY.search(str(exc)))
    hint = "" if temporary else f"; check user and {'oauth_client' if account.oauth else 'password'}"
    return MailboxFailed(f"{place} refused the login of {account.user} ({said}){hint}", permanent=not temporary)
