"""A session with the owner's IMAP server: look, fetch, file, append, listen. Only this module imports imapclient.

Nothing that came out of a mail reaches a command unless quoted() let it through, and the server's flags stay as
they are but for our own keyword and \\Answered.
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError, ProtocolError
from imapclient.imapclient import DRAFTS, SENT, _parse_untagged_response
from pydantic import SecretStr

from gateway.config import Imap
from gateway.errors import MailboxFailed

_TIMEOUT = SocketTimeout(connect=15, read=60)  # seconds
_BATCH = 50  # mails a FETCH; below _BATCH_BYTES in all
_BATCH_BYTES = 4 * 1024 * 1024
_UIDS = 500  # UIDs a command; servers limit the length of a line
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MESSAGE_ID = re.compile(r"<[!-~]{1,250}>")
_KEYWORD = re.compile(r"\$?[A-Za-z0-9_.-]+")
_GONE = re.compile(r"EXPUNGEISSUED|NONEXISTENT|no such message", re.IGNORECASE)
_WELL_KNOWN = {
    SENT: ("Sent", "Sent Items", "Sent Messages", "Sent Mail", "Gesendet", "Gesendete Elemente"),
    DRAFTS: ("Drafts", "Draft", "Entwürfe"),
}


class _Client(IMAPClient):  # type: ignore[misc]
    """imapclient with its flaws in IDLE mended.

    Upstream loses a wake-up that arrives together with "+ idling" (it polls the socket, not the buffer), spins on
    a dead connection (mjs/imapclient#565), and breaks a response that comes in two pieces.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.normalise_times = False
        self._imap.debug = 0  # imapclient sets 5, which formats every mail twice and logs whole bodies
        self.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pending(self) -> bool:
        """Whether data, or the end of the connection, can be read without waiting."""
        ear = self.socket()
        before = ear.gettimeout()
        ear.setblocking(False)
        try:
            if self._imap.file.peek(1):
                return True
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        finally:
            ear.settimeout(before)
        return bool(self._poll_socket(ear, 0))  # readable with nothing to read is the end

    def idle_check(self, timeout: float | None = None) -> list[Any]:
        if not self.pending() and (not self._poll_socket(self.socket(), timeout) or not self.pending()):
            return []
        responses = []
        while True:
            responses.append(_parse_untagged_response(self._imap._get_line()))
            if not self.pending():
                return responses


@dataclass(frozen=True, slots=True)
class Selected:
    """A folder as SELECT describes it."""

    uidvalidity: int
    uidnext: int
    exists: int
    takes_keywords: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """A mail as the server hands it out; `whole` is False where only the header was fetched for its size."""

    uid: int
    raw: bytes
    whole: bool = True


@functools.cache
def _context(ca_file: str | None) -> ssl.SSLContext:
    # Shared: a context of one's own costs every connection 26 ms and 0.8 MB.
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """What the server or the network did, as the error our callers know."""
    try:
        yield
    except (IMAPClientAbortError, ProtocolError, OSError) as exc:
        raise MailboxFailed(f"{doing}: connection lost ({_text(exc)})") from None
    except (IMAPClientError, ValueError) as exc:
        raise MailboxFailed(f"{doing}: {_text(exc)}") from None


def _text(exc: Exception) -> str:
    return _CONTROL.sub(" ", str(exc) or type(exc).__name__)[:300]


def quoted(value: str) -> str:
    """A value fit for a command; ValueError when it could end the command and begin another."""
    if _CONTROL.search(value):
        raise ValueError("control characters do not go into an IMAP command")
    return value


def connect(account: Imap, secret: Callable[[], SecretStr]) -> Session:
    """A session that is logged in; MailboxFailed says what did not work, permanent when only the owner can help."""
    place = f"{account.host}:{account.port}"
    client = _connected(account, place)
    try:
        password = secret().get_secret_value()
        if account.oauth:
            client.oauth2_login(account.user, password)
        elif password.isascii():
            client.login(account.user, password)
        else:
            client.plain_login(account.user, password)
    except (LookupError, UnicodeError) as exc:
        raise MailboxFailed(f"{place}: no password: {exc}", permanent=True) from None
    except LoginError as exc:
        # imapclient says LoginError for a lost connection and a busy server, too.
        wrong = "AUTHENTICATIONFAILED" in str(exc).upper() or "authentication failed" in str(exc).lower()
        hint = "; check user and password" if wrong else ""
        why = f"{place} refused the login of {account.user} ({_text(exc)}){hint}"
        raise MailboxFailed(why, permanent=wrong) from None
    except (IMAPClientError, OSError) as exc:
        raise MailboxFailed(f"{place}: logging in as {account.user} failed ({_text(exc)})") from None
    return Session(client, place)


def _connected(account: Imap, place: str) -> _Client:
    context = _context(str(account.ca_file) if account.ca_file else None)
    implicit = account.tls == "implicit"
    try:
        client = _Client(account.host, account.port, ssl=implicit, ssl_context=context, timeout=_TIMEOUT)
        if not implicit:
            client.starttls(context)
    except ssl.SSLCertVerificationError as exc:
        raise MailboxFailed(f"{place}: its certificate is not valid ({exc.verify_message})", permanent=True) from None
    except (IMAPClientError, OSError) as exc:
        raise MailboxFailed(f"{place} cannot be reached: {_text(exc)}") from None
    return client


@dataclass(slots=True)
class Session:
    """One connection, used by one thread at a time."""

    _client: _Client
    place: str
    _folder: str | None = None
    _selected: Selected | None = None

    def close(self) -> None:
        """Hang up; an answer is not waited for."""
        with suppress(IMAPClientError, OSError):
            self._client.shutdown()

    def socket(self) -> socket.socket:
        """What becomes readable when the server says something."""
        found: socket.socket = self._client.socket()
        return found

    # Folders

    def select(self, folder: str) -> Selected:
        """Go to a folder and learn its state."""
        with _told(f"folder {folder!r} on {self.place}"):
            found = self._client.select_folder(self._path(folder))
        flags = found.get(b"PERMANENTFLAGS", ())
        self._folder = folder
        self._selected = Selected(
            uidvalidity=int(found[b"UIDVALIDITY"]),
            uidnext=int(found[b"UIDNEXT"]),
            exists=int(found[b"EXISTS"]),
            takes_keywords=b"\\*" in flags,
        )
        return self._selected

    def ensure(self, folder: str) -> None:
        """Make a folder if it is not there."""
        path = self._path(folder)
        with _told(f"making folder {folder!r} on {self.place}"):
            if self._client.folder_exists(path):
                return
            self._client.create_folder(path)
            self._client.subscribe_folder(path)

    def special(self, use: str, named: str | None = None) -> str:
        """The folder for "\\Sent" or "\\Drafts": the owner's, else the server's; MailboxFailed when there is none."""
        if named:
            return named
        flag = use.encode()
        with _told(f"looking for the {use} folder on {self.place}"):
            listed = self._client.list_folders()
        for flags, _, name in listed:
            if flag.lower() in (found.lower() for found in flags):
                return str(name)
        names = {
            str(name).rpartition(delimiter.decode() if delimiter else "/")[2]: name for _, delimiter, name in listed
        }
        for known in _WELL_KNOWN.get(flag, ()):
            if known in names:
                return str(names[known])
        key = use.lstrip("\\").lower()
        raise MailboxFailed(
            f"{self.place} marks no folder as {use}; name yours as {key} in [imap.folders]", permanent=True
        )

    def _path(self, folder: str) -> str:
        """A folder as the configuration writes it ("Invitations/Accept") in the server's spelling."""
        prefix, delimiter = self._namespace
        if folder.upper() == "INBOX" or "/" not in folder or folder.startswith(prefix or "\0"):
            return quoted(folder)
        return quoted(prefix + delimiter.join(folder.split("/")))

    @property
    def _namespace(self) -> tuple[str, str]:
        with suppress(IMAPClientError):
            personal = self._client.namespace().personal
            if personal:
                prefix, delimiter = personal[0]
                return str(prefix), str(delimiter or "/")
        listed = self._client.list_folders("", "")
        return "", str((listed[0][1] or b"/").decode()) if listed else "/"

    # Looking and fetching

    def look(self, criteria: Sequence[tuple[str, str]], *, since_uid: int) -> list[int]:
        """UIDs from since_uid on of mails for which at least one criterion holds, in one search."""
        if not criteria:
            return []
        search: list[Any] = ["UID", f"{since_uid}:*", *_any_of(criteria)]
        with _told(f"searching {self._folder!r} on {self.place}"):
            found = self._client.search(search)
        # "n:*" always holds the highest UID, even below n (RFC 3501).
        return sorted(uid for uid in found if uid >= since_uid)

    def uids(self, *, since: int) -> list[int]:
        """All UIDs of the selected folder from `since` on."""
        with _told(f"searching {self._folder!r} on {self.place}"):
            found = self._client.search(["UID", f"{since}:*"])
        return sorted(uid for uid in found if uid >= since)

    def fetch(self, uids: Sequence[int], *, largest: int) -> Iterator[Fetched]:
        """The mails that are still there, flags untouched; of those over `largest` bytes the header alone."""
        for batch in self._batches(uids):
            small = [uid for uid, size in batch if size <= largest]
            big = [uid for uid, size in batch if size > largest]
            yield from self._bodies(small, "BODY.PEEK[]", b"BODY[]", whole=True)
            yield from self._bodies(big, "BODY.PEEK[HEADER]", b"BODY[HEADER]", whole=False)

    def _bodies(self, uids: list[int], item: str, key: bytes, *, whole: bool) -> Iterator[Fetched]:
        if not uids:
            return
        with _told(f"fetching from {self._folder!r} on {self.place}"):
            found = self._client.fetch(uids, [item])
        for uid in uids:
            raw = found.get(uid, {}).get(key)
            if raw:
                yield Fetched(uid, raw, whole)

    def _batches(self, uids: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
        for start in range(0, len(uids), _UIDS):
            part = list(uids[start : start + _UIDS])
            with _told(f"asking for sizes in {self._folder!r} on {self.place}"):
                sizes = self._client.fetch(part, ["RFC822.SIZE"])
            batch: list[tuple[int, int]] = []
            for uid in part:
                if uid not in sizes:
                    continue
                size = int(sizes[uid][b"RFC822.SIZE"])
                if batch and (len(batch) >= _BATCH or sum(s for _, s in batch) + size > _BATCH_BYTES):
                    yield batch
                    batch = []
                batch.append((uid, size))
            if batch:
                yield batch

    def headers(self, uids: Sequence[int], fields: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """The named header fields of mails, as they stand there."""
        item = f"BODY.PEEK[HEADER.FIELDS ({' '.join(fields)})]"
        for start in range(0, len(uids), _UIDS):
            part = list(uids[start : start + _UIDS])
            with _told(f"reading headers in {self._folder!r} on {self.place}"):
                found = self._client.fetch(part, [item])
            for uid, values in found.items():
                for key, value in values.items():
                    if key.startswith(b"BODY[HEADER.FIELDS") and value is not None:
                        yield uid, value

    def find_message_id(self, folder: str, message_id: str) -> list[int]:
        """UIDs of the mails in a folder that carry a Message-ID; none for one that is not well formed."""
        if not _MESSAGE_ID.fullmatch(message_id):
            return []
        self.select(folder)
        with _told(f"searching {folder!r} on {self.place}"):
            return list(self._client.search(["HEADER", "Message-ID", quoted(message_id)]))

    # Filing

    def file(self, uids: Sequence[int], folder: str) -> None:
        """Put mails into a folder; those that are gone already are no error."""
        path = self._path(folder)
        for part in _parts(uids):
            with _told(f"filing into {folder!r} on {self.place}"):
                try:
                    self._move(part, path)
                except IMAPClientError as exc:
                    if isinstance(exc, IMAPClientAbortError) or not _GONE.search(str(exc)):
                        raise

    def _move(self, uids: list[int], path: str) -> None:
        if self._client.has_capability("MOVE"):
            self._client.move(uids, path)
            return
        self._client.copy(uids, path)
        if self._client.has_capability("UIDPLUS"):
            self._client.add_flags(uids, [b"\\Deleted"], silent=True)
            self._client.uid_expunge(uids)
        # Without UIDPLUS only a bare EXPUNGE could remove them, and with them whatever else is marked \\Deleted.

    def add_keyword(self, uids: Sequence[int], keyword: str) -> None:
        """Mark mails with a keyword of ours, where the folder keeps keywords."""
        if not _KEYWORD.fullmatch(keyword):
            raise ValueError(f"{keyword!r} is no IMAP keyword")
        if self._selected is None or not self._selected.takes_keywords:
            return
        for part in _parts(uids):
            with _told(f"marking in {self._folder!r} on {self.place}"):
                self._client.add_flags(part, [keyword.encode()], silent=True)

    def append(self, folder: str, message: bytes, flags: Iterable[str] = ()) -> None:
        """Add a mail of ours to a folder."""
        with _told(f"adding to {folder!r} on {self.place}"):
            self._client.append(self._path(folder), message, tuple(flag.encode() for flag in flags))

    # Listening

    def idle_start(self) -> bool:
        """Begin to listen in the selected folder; False when the server has no IDLE."""
        if not self._client.has_capability("IDLE"):
            return False
        with _told(f"listening in {self._folder!r} on {self.place}"):
            self._client.idle()
        return True

    def idle_check(self, timeout: float = 0) -> bool:
        """Whether the server said anything; MailboxFailed when it is gone."""
        with _told(f"listening in {self._folder!r} on {self.place}"):
            return bool(self._client.idle_check(timeout))

    def idle_done(self) -> None:
        """Stop listening."""
        with _told(f"listening in {self._folder!r} on {self.place}"):
            self._client.idle_done()


def _parts(uids: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(uids), _UIDS):
        yield list(uids[start : start + _UIDS])


def _any_of(criteria: Sequence[tuple[str, str]]) -> list[str]:
    """The criteria as a tree of OR, which in IMAP joins two."""
    (key, value), *rest = criteria
    term = [key, quoted(value)]
    return ["OR", *term, *_any_of(rest)] if rest else term
