"""A session with the owner's IMAP server: look, fetch, file, append, listen. Only this package imports imapclient.

Nothing that came out of a mail reaches a command unless quoted() let it through, and the server's flags stay as
they are but for our own keyword and \\Answered.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import zip_longest
from typing import Any, TypeVar

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, IMAPClientReadOnlyError
from pydantic import SecretStr

from gateway.config import Imap
from gateway.errors import MailboxFailed
from gateway.imap.client import Client, connected, quoted, told
from gateway.imap.client import reaches as reaches
from gateway.imap.folders import Folders
from gateway.model import Landed

T = TypeVar("T")

_BATCH = 200  # mails a FETCH; less where they are over _BATCH_BYTES in all
_BATCH_BYTES = 2 * 1024 * 1024
_UIDS = 500  # UIDs a command; servers limit the length of a line
_IDS = 20  # Message-IDs a SEARCH, for the same reason
_ANSWER = 10_000  # UIDs an answer to SEARCH, which takes 2 MB while it is read
_LONGEST_ANSWER = 90_000  # imaplib takes a line of 1,000,000 bytes at most
_TRIES = 5  # of a command for mails that another session keeps removing
_NUMBERS = ("UIDVALIDITY", "UIDNEXT")
_MESSAGE_ID = re.compile(r"<[!-~]{1,250}>")
_KEYWORD = re.compile(r"\$?[A-Za-z0-9_.-]+")
_GONE = re.compile(r"EXPUNGEISSUED|no longer exist|no such message|expunged", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selected:
    """A folder as SELECT describes it."""

    uidvalidity: int
    uidnext: int  # 0 where the server does not tell
    exists: int
    takes_keywords: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """A mail as the server hands it out; `whole` is False where only the header was fetched for its size."""

    uid: int
    flags: frozenset[str]
    raw: bytes
    whole: bool = True


def connect(account: Imap, secret: Callable[[], SecretStr], *, prompt: bool = False) -> Session:
    """A session that is logged in; MailboxFailed says what did not work, permanent when only the owner can help.

    A `prompt` one notices within ten seconds when the server is not there any more.
    """
    client = connected(account, secret, prompt=prompt)
    place = f"{account.host}:{account.port}"
    try:
        return Session(client, place, Folders.of(client, place))
    except MailboxFailed:
        client.hang_up()
        raise


@dataclass(slots=True)
class Session:
    """One connection, used by one thread at a time."""

    _client: Client
    place: str
    _folders: Folders
    _folder: str = "INBOX"
    _selected: Selected = Selected(0, 0, 0, takes_keywords=False)
    _exists: int = 0  # mails in the folder, as far as the server has told
    _fresh: bool = False  # what it told of the folder: nobody listened since
    step: Callable[[], None] = lambda: None  # called with each of the commands that may be many in a row

    def close(self) -> None:
        self._client.hang_up()

    def hang_up(self) -> None:
        """End the connection from any thread; what is under way on it fails."""
        self._client.hang_up_from_outside()

    def socket(self) -> socket.socket:
        """What becomes readable when the server says something."""
        found: socket.socket = self._client.socket()
        return found

    @property
    def capabilities(self) -> frozenset[str]:
        with told(f"asking {self.place} for its capabilities"):
            return frozenset(name.decode() for name in self._client.capabilities())

    def fullness(self) -> tuple[int, int] | None:
        """Bytes used and bytes allowed in the owner's mailbox; None where the server sets or tells no limit."""
        if not self._client.has_capability("QUOTA"):
            return None
        with told(f"asking {self.place} for the quota"):
            _, quotas = self._client.get_quota_root("INBOX")
        storage = (found for found in quotas if found.resource.upper() == "STORAGE")
        return next(((found.usage * 1024, found.limit * 1024) for found in storage), None)

    # Folders

    def select(self, folder: str) -> Selected:
        """Go to a folder and learn its state."""
        self._fresh = False
        with told(f"folder {folder!r} on {self.place}"):
            try:
                found = self._client.select_folder(self._folders.path(folder))
            except IMAPClientReadOnlyError:
                raise MailboxFailed(f"folder {folder!r} on {self.place} may only be read", permanent=True) from None
            except IMAPClientError as exc:
                raise self._folders.missing(folder, exc) or exc from None
        if b"UIDVALIDITY" not in found:
            raise MailboxFailed(f"{self.place} gives the mails in {folder!r} no lasting numbers", permanent=True)
        self._folder = folder
        self._selected = Selected(
            uidvalidity=int(found[b"UIDVALIDITY"]),
            uidnext=int(found.get(b"UIDNEXT", 0)),
            exists=int(found[b"EXISTS"]),
            takes_keywords=b"\\*" in found.get(b"PERMANENTFLAGS", ()),
        )
        self._exists, self._fresh = self._selected.exists, True
        return self._selected

    def look_again(self, folder: str) -> Selected:
        """The same; of the folder where we are, the server is only asked what came or went since.

        To go to a folder of 10,000 mails takes it 20 ms. But it may forget to tell of a mail: who has listened in
        between goes there anew.
        """
        if not (self._fresh and self._folder == folder):
            return self.select(folder)
        with told(f"asking after {folder!r} on {self.place}"):
            gone = self._client.only_gone()
        if gone is None:
            return self.select(folder)
        self._exists -= gone
        self._selected = replace(self._selected, exists=self._exists)
        return self._selected

    def stay_in(self, folder: str) -> Selected:
        """Go to a folder unless that is where we are; what is known of its state is as old as the last look at it."""
        if (self._folder, self._selected.uidvalidity > 0) != (folder, True):
            return self.select(folder)
        return self._selected

    def status(self, folder: str) -> tuple[int, int]:
        """UIDVALIDITY and UIDNEXT of a folder, without going there."""
        with told(f"asking after {folder!r} on {self.place}"):
            try:
                return _numbers(self._client.folder_status(self._folders.path(folder), _NUMBERS))
            except IMAPClientError as exc:
                raise self._folders.missing(folder, exc) or exc from None

    def statuses(self, folders: Iterable[str]) -> dict[str, tuple[int, int]]:
        """The same of several folders, at once."""
        paths = {folder: self._folders.path(folder) for folder in folders}
        with told(f"asking after folders on {self.place}"):
            said = self._client.statuses(list(paths.values()), _NUMBERS)
        # A folder that is missing is asked after by itself, and so is one that the server calls otherwise than we do.
        return {folder: _numbers(said[path]) if path in said else self.status(folder) for folder, path in paths.items()}

    def ensure(self, *folders: str) -> None:
        """Make those folders that are not there."""
        self._folders.ensure(folders)

    def special(self, use: str, named: str | None = None) -> str:
        """The folder for "\\Sent" or "\\Drafts": the owner's, else the server's; MailboxFailed when there is none."""
        return named or self._folders.special(use)

    # Looking and fetching

    def look(
        self,
        criteria: Sequence[tuple[str, ...]],
        *,
        since_uid: int,
        senders: Collection[str] = (),
        of_senders: Sequence[tuple[str, ...]] = (),
    ) -> list[int]:
        """UIDs from since_uid on of mails for which at least one criterion, a search key and its values, holds.

        Of mails from one of the senders, an address each, one `of_senders` is enough as well.
        """
        terms = _terms(criteria)
        if senders and of_senders:
            terms.append(f"({_any_of(_terms([('FROM', sender) for sender in senders]))} {_any_of(_terms(of_senders))})")
        return self._search(_any_of(terms), since_uid) if terms else []

    def uids(self, *, since: int) -> list[int]:
        """All UIDs of the selected folder from `since` on."""
        return self._search("ALL", since)

    def message_ids(self, *, since: int) -> dict[int, str]:
        """The Message-IDs of the selected folder's mails from a UID on; without those marked for deletion."""
        return dict(self._message_ids(self._search("UNDELETED", since)))

    def which_lie_in(self, folder: str, message_ids: Iterable[str]) -> frozenset[str]:
        """Those of some Message-IDs under which a mail lies in a folder that is not marked for deletion."""
        self.select(folder)
        wanted = frozenset(filter(_MESSAGE_ID.fullmatch, message_ids))
        found: set[str] = set()
        for part in _parts(sorted(wanted), _IDS):
            terms = [f"HEADER Message-ID {quoted(message_id)}" for message_id in part]
            found.update(
                message_id for _, message_id in self._message_ids(self._search(f"UNDELETED {_any_of(terms)}", 1))
            )
        return wanted & found

    def _message_ids(self, uids: Sequence[int]) -> Iterator[tuple[int, str]]:
        for uid, block in self.headers(uids, ["Message-ID"]):
            if found := _MESSAGE_ID.search(block.decode("latin-1")):
                yield uid, found[0]

    def find_message_id(self, folder: str, message_id: str, *, undeleted: bool = False) -> list[int]:
        """UIDs of the mails in a folder that carry a Message-ID; none for one that is not well formed.

        `undeleted`: without those marked for deletion.
        """
        if not _MESSAGE_ID.fullmatch(message_id):
            return []
        self.select(folder)
        return self._search(f"{'UNDELETED ' if undeleted else ''}HEADER Message-ID {quoted(message_id)}", 1)

    def holds(self, folder: str, *, to: str, since: date, marks: Sequence[tuple[str, str]]) -> bool:
        """Whether a mail in a folder, to an address and since a day, has one of these header fields."""
        self.select(folder)
        marked = _any_of(_terms([("HEADER", *mark) for mark in marks]))
        return bool(self._search(f"SINCE {since:%d-%b-%Y} TO {quoted(to)} {marked}", 1))

    def _search(self, term: str, since: int) -> list[int]:
        found: list[int] = []
        with told(f"searching {self._folder!r} on {self.place}"):
            for first, uids in self._ranges(since):
                self.step()
                # "n:*" always holds the highest UID, even below n (RFC 3501).
                found += sorted({uid for uid in self._client.search(f"UID {uids} {term}") if uid >= first})
        return found

    def _ranges(self, since: int) -> Iterator[tuple[int, str]]:
        """UID sets, and where each begins, so small that an answer takes neither a longer line nor much memory."""
        exists, uidnext = self._selected.exists, self._selected.uidnext
        if exists > _ANSWER:
            # Of a mailbox that was once much larger, most numbers are nobody's any more.
            step = max(_ANSWER * uidnext // exists, _ANSWER)
            if exists > _LONGEST_ANSWER:
                step = min(step, _LONGEST_ANSWER)
            while uidnext - since > step:
                yield since, f"{since}:{since + step - 1}"
                since += step
        yield since, f"{since}:*"

    def fetch(self, uids: Sequence[int], *, largest: int) -> Iterator[Fetched]:
        """The mails that are still there, flags untouched; of those over `largest` bytes the header alone."""
        if _are_few(uids, largest):
            yield from self._few(uids, largest)
            return
        for batch in self._batches(uids):
            yield from (*self._ask(batch, largest)(), *self._too_big(batch, largest))

    def fetch_together(self, uids: Sequence[int], *, largest: int) -> Generator[list[Fetched], None, None]:
        """The same, as many at once as came in one answer or two.

        The next ones are asked for before these are handed out: until all are, or the iterator is closed, nothing else
        may be done in the session.
        """
        if _are_few(uids, largest):
            yield self._few(uids, largest)
            return
        for part in _parts(uids):
            batches = list(self._batches(part))
            coming = self._ask(batches[0], largest)
            try:
                for batch, after in zip_longest(batches, batches[1:], fillvalue=()):
                    found = [*coming(), *self._too_big(batch, largest)]
                    coming = self._ask(after, largest)
                    yield found
            finally:
                self._hear_out(coming)

    def _hear_out(self, coming: Callable[[], object]) -> None:
        """Read an answer that nobody wants any more, or end a connection on which what comes next cannot be told."""
        try:
            coming()
        except MailboxFailed:
            self.hang_up()

    def _ask(self, batch: Sequence[tuple[int, int]], largest: int) -> Callable[[], list[Fetched]]:
        """Ask for the mails of a batch but for those that are too big; what it gives reads the answer, once."""
        uids, items = [uid for uid, size in batch if size <= largest], ["FLAGS", "BODY.PEEK[]"]
        coming = []
        if uids:
            self.step()
            with told(self._fetching):
                coming.append(self._client.ask(uids, items))

        def answer() -> list[Fetched]:
            if not coming:
                return []
            with told(self._fetching):
                found = self._on_what_is_left(
                    uids, lambda left: coming.pop()() if coming else self._client.fetch(left, items)
                )
            return list(_mails(found or {}, b"BODY[]"))

        return answer

    def _too_big(self, batch: Sequence[tuple[int, int]], largest: int) -> Iterator[Fetched]:
        return self._headers([uid for uid, size in batch if size > largest])

    def _headers(self, uids: list[int]) -> Iterator[Fetched]:
        return _mails(self._fetch(uids, ["FLAGS", "BODY.PEEK[HEADER]"]), b"BODY[HEADER]", whole=False)

    def _few(self, uids: Sequence[int], largest: int) -> list[Fetched]:
        """So few mails that nobody need ask how big they are first: no more is fetched of each than it may have."""
        found = list(_mails(self._fetch(list(uids), ["FLAGS", f"BODY.PEEK[]<0.{largest + 1}>"]), b"BODY[]<0>"))
        big = [mail.uid for mail in found if len(mail.raw) > largest]
        return [*(mail for mail in found if len(mail.raw) <= largest), *self._headers(big)]

    def headers(self, uids: Sequence[int], fields: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """The named header fields of the mails that are still there, as they stand there."""
        item = f"BODY.PEEK[HEADER.FIELDS ({' '.join(fields)})]"
        for part in _parts(uids):
            for uid, values in self._fetch(part, [item]).items():
                block = next((value for key, value in values.items() if key.startswith(b"BODY[HEADER.FIELDS")), None)
                if block is not None:
                    yield uid, block

    def arrived(self, uids: Sequence[int]) -> dict[int, datetime]:
        """When the server took in the mails that are still there, by its own clock."""
        found: dict[int, datetime] = {}
        for part in _parts(uids):
            found.update({uid: item[b"INTERNALDATE"] for uid, item in self._fetch(part, ["INTERNALDATE"]).items()})
        return found

    def _batches(self, uids: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
        """UIDs with their sizes, in their order and as many as should be fetched at once."""
        for part in _parts(uids):
            sizes = {uid: int(item[b"RFC822.SIZE"]) for uid, item in self._fetch(part, ["RFC822.SIZE"]).items()}
            batch: list[tuple[int, int]] = []
            weight = 0
            for uid, size in sorted(sizes.items()):
                if len(batch) == _BATCH or (batch and weight + size > _BATCH_BYTES):
                    yield batch
                    batch, weight = [], 0
                batch.append((uid, size))
                weight += size
            yield batch

    @property
    def _fetching(self) -> str:
        return f"fetching from {self._folder!r} on {self.place}"

    def _fetch(self, uids: list[int], items: list[str]) -> dict[int, Any]:
        self.step()
        with told(self._fetching):
            return self._on_what_is_left(uids, lambda left: self._client.fetch(left, items)) or {}

    def _on_what_is_left(self, uids: list[int], command: Callable[[list[int]], T]) -> T | None:
        """The answer to a command for mails, some of which another session may have removed; None when all are gone."""
        for _ in range(_TRIES):
            if not uids:
                return None
            try:
                return command(uids)
            except IMAPClientError as exc:
                if isinstance(exc, IMAPClientAbortError) or not _GONE.search(str(exc)):
                    raise
            # The server did the command for none of them.
            self._client.noop()
            uids = list(self._client.search(f"UID {','.join(map(str, uids))}"))
        raise MailboxFailed(f"mails in {self._folder!r} on {self.place} vanish faster than they can be handled")

    # Filing

    def file(self, uids: Sequence[int], folder: str) -> Landed | None:
        """Put mails into a folder; those that are gone already are no error. Where they landed, if that is known."""
        path, landed = self._folders.path(folder), []
        for part in _parts(uids):
            with told(f"filing into {folder!r} on {self.place}"):
                try:
                    landed.append(self._on_what_is_left(part, lambda left: self._move(left, path)))
                except IMAPClientError as exc:
                    raise self._folders.missing(folder, exc) or exc from None
        return _in_a_row(landed)

    def _move(self, uids: list[int], path: str) -> Landed | None:
        if self._client.has_capability("MOVE"):
            self._client.move(uids, path)
            return self._landed("COPYUID")
        self._client.copy(uids, path)
        landed = self._landed("COPYUID")
        self._client.add_flags(uids, [b"\\Deleted"], silent=True)
        # Without UIDPLUS only a bare EXPUNGE could remove them, and with them whatever else is marked \Deleted.
        if self._client.has_capability("UIDPLUS"):
            self._client.uid_expunge(uids)
        return landed

    def _landed(self, code: str) -> Landed | None:
        given = self._client.numbers_given(code)
        return Landed(*given) if given else None

    def discard(self, uid: int) -> str:
        """Get rid of a mail of ours in the selected folder, and of no other; what became of it."""
        try:
            trash = self.special("\\Trash")
        except MailboxFailed:
            trash = None
        if trash:
            self.file([uid], trash)
            return f"moved to {trash}"
        if not self._client.has_capability("UIDPLUS"):
            return f"left in {self._folder}"
        self._mark([uid], "\\Deleted")
        with told(f"removing from {self._folder!r} on {self.place}"):
            self._client.uid_expunge([uid])
        return "removed"

    def add_keyword(self, uids: Sequence[int], keyword: str) -> None:
        """Mark mails with a keyword of ours, where the folder keeps keywords."""
        if not _KEYWORD.fullmatch(keyword):
            raise ValueError(f"{keyword!r} is no IMAP keyword")
        if self._selected.takes_keywords:
            self._mark(uids, keyword)

    def mark_answered(self, uids: Sequence[int]) -> None:
        """Tell the owner's mail programs that an answer went out."""
        self._mark(uids, "\\Answered")

    def _mark(self, uids: Sequence[int], flag: str) -> None:
        for part in _parts(uids):
            with told(f"marking in {self._folder!r} on {self.place}"):
                self._on_what_is_left(part, lambda left: self._client.add_flags(left, [flag.encode()], silent=True))

    def append(self, folder: str, messages: Sequence[bytes], flags: Iterable[str] = ()) -> Landed | None:
        """Add mails of ours to a folder, with the same flags; in one command where the server can (RFC 3502).

        Where they landed, if that is known.
        """
        path, marks = self._folders.path(folder), [flag.encode() for flag in flags]
        self.step()
        with told(f"adding to {folder!r} on {self.place}"):
            try:
                if messages and self._client.has_capability("MULTIAPPEND"):
                    self._client.multiappend(path, [{"msg": message, "flags": marks} for message in messages])
                    return self._landed("APPENDUID")
                landed = []
                for message in messages:
                    self._client.append(path, message, marks)
                    landed.append(self._landed("APPENDUID"))
            except IMAPClientError as exc:
                raise self._folders.missing(folder, exc) or exc from None
        return _in_a_row(landed)

    # Listening

    def noop(self) -> None:
        """Ask whether the server is still there."""
        with told(self.place):
            self._client.noop()

    def idle_start(self) -> bool:
        """Begin to listen in the selected folder; False when the server has no IDLE.

        What the server said meanwhile does not make the socket readable again: call idle_check() once.
        """
        if not self._client.has_capability("IDLE"):
            return False
        self._fresh = False
        with told(f"listening in {self._folder!r} on {self.place}"):
            self._client.idle()
        return True

    def idle_check(self, timeout: float = 0) -> bool:
        """Whether the server, heard out as soon as it speaks within so many seconds, tells of new mail."""
        with told(f"listening in {self._folder!r} on {self.place}"):
            said = self._client.idle_check(timeout)
        news = [self._is_news(response) for response in said]
        return any(news)

    def _is_news(self, response: tuple[Any, ...]) -> bool:
        match response:
            case (b"BYE", *_):
                raise MailboxFailed(f"{self.place} said goodbye")
            case (_, b"EXPUNGE"):
                self._exists -= 1
            case (int(exists), b"EXISTS"):
                more = exists > self._exists
                self._exists = exists
                return more
        return False

    def idle_done(self) -> None:
        """Stop listening."""
        with told(f"listening in {self._folder!r} on {self.place}"):
            self._client.idle_done()


def _numbers(status: dict[bytes, int]) -> tuple[int, int]:
    return int(status.get(b"UIDVALIDITY", 0)), int(status.get(b"UIDNEXT", 0))


def _are_few(uids: Sequence[int], largest: int) -> bool:
    return 0 < len(uids) * largest <= _BATCH_BYTES


def _mails(found: dict[int, Any], key: bytes, *, whole: bool = True) -> Iterator[Fetched]:
    """The mails that a FETCH handed out under a key."""
    for uid, values in found.items():
        raw = values.get(key)  # NIL when the mail went away meanwhile
        if raw is not None:
            flags = frozenset(flag.decode("ascii", "replace") for flag in values.get(b"FLAGS", ()))
            yield Fetched(uid, flags, raw, whole)


def _parts(items: Sequence[T], size: int = _UIDS) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _in_a_row(landed: Sequence[Landed | None]) -> Landed | None:
    """Where all of these landed, if that is known of each and there are no others between."""
    whole: Landed | None = None
    for part in landed:
        if part is None or (whole and (part.uidvalidity, part.uids.start) != (whole.uidvalidity, whole.uids.stop)):
            return None
        whole = Landed(part.uidvalidity, range(whole.uids.start, part.uids.stop)) if whole else part
    return whole


def _terms(criteria: Sequence[tuple[str, ...]]) -> list[str]:
    return [" ".join((key, *map(quoted, values))) for key, *values in criteria]


def _any_of(terms: Sequence[str]) -> str:
    """Search terms joined by OR, which in IMAP joins two; as flat as it can be."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return f"OR {_any_of(terms[:middle])} {_any_of(terms[middle:])}"
