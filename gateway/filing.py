"""Where mails, drafts and notes lie in the owner's mailbox; it follows what the journal says.

Everything here may be done twice without harm: moving what is gone is no error, and a mail of ours is looked for
by its Message-ID before it is added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.config import Config
from gateway.errors import MailboxFailed
from gateway.imap import Session
from gateway.journal import Journal
from gateway.letter import LOOP, letter_id, paste_note
from gateway.model import Channel, Entry, Reply, State, Verdict
from gateway.pipeline import Owner, letter

KEYWORD = "$RsvpdSeen"
ANSWERED = "your Sent folder holds an answer to this address already"
_SEEN, _DRAFT = ("\\Seen",), ("\\Draft",)
_MOVED_AWAY = "you moved the mail away before the hold ended: nothing is sent"


@dataclass(frozen=True, slots=True)
class Paper:
    """What the owner is to send or paste, to lie beside a mail."""

    beside: int  # the id of the mail's entry
    folder: str
    flags: tuple[str, ...]
    message_id: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Filing:
    """An owner's mailbox as the place of finished work."""

    config: Config
    owner: Owner
    journal: Journal
    clock: Callable[[], datetime]

    def make_folders(self, session: Session) -> None:
        """The folders that mails are filed into, unless nothing may be touched."""
        if self.touches:
            session.ensure(*self.folders.values())

    @property
    def touches(self) -> bool:
        """Whether anything in the mailbox may be."""
        return self.config.delivery.mode != "observe"

    @property
    def folders(self) -> dict[Verdict, str]:
        """The folder of each verdict."""
        folders = self.config.folders
        return {
            Verdict.DECLINE: folders.declined,
            Verdict.ACCEPT: folders.accept,
            Verdict.HUMAN: folders.review,
        }

    def file(self, session: Session, changed_since: datetime) -> None:
        """Put judged mails where they belong, and what the owner is to send or paste beside them.

        Mails that were filed before are moved on if their cases changed since a moment.
        """
        if not self.touches:
            return
        # A mail that came in by another folder lies where the owner wants it.
        for mails in self.journal.unfiled(self.config.folders.inbox):
            self._file_from_inbox(session, mails)
        folders = self.folders
        for entry in self.journal.misfiled(folders, changed_since):
            if entry.verdict:
                self._lay_out(session, self._papers(session, [entry]))
                self._move_on(session, entry, folders[entry.verdict])

    def _file_from_inbox(self, session: Session, mails: Collection[Entry]) -> None:
        for folder, entries in self._by_folder(mails).items():
            self._move_from_inbox(session, entries, folder)

    def left_in(self, session: Session, entry: Entry, folder: str) -> None:
        """Leave a mail in the folder where the owner put it, and put what is to be sent or pasted beside it."""
        self._lay_out(session, self._papers(session, [entry]))
        self.journal.filed([entry], folder, self.clock())

    def _by_folder(self, entries: Collection[Entry]) -> dict[str, list[Entry]]:
        verdicts = self.journal.verdicts(entries)
        found: dict[str, list[Entry]] = {}
        for entry in entries:
            verdict = verdicts.get(entry.id)
            folder = self.folders.get(verdict) if verdict else None
            found.setdefault(folder or self.config.folders.inbox, []).append(entry)
        return found

    def _move_from_inbox(self, session: Session, entries: list[Entry], folder: str) -> None:
        inbox = self.config.folders.inbox
        selected = session.stay_in(inbox)
        # A place of another UIDVALIDITY means nothing any more; the mail will be met again under its new number.
        here = [e for e in entries if e.place and e.place.uidvalidity == selected.uidvalidity]
        landed = None
        if folder != inbox:
            # What is no invitation is left as it was, without even a keyword of ours.
            begun = self.journal.whereabouts.begun(here)
            papers = list(self._papers(session, here))
            self.journal.whereabouts.filing(here, folder, self.clock(), lasting=bool(papers))
            self._lay_out(session, papers, fresh=frozenset(entry.id for entry in here) - begun)
            uids = [entry.place.uid for entry in here if entry.place]
            session.stay_in(inbox)
            session.add_keyword(uids, KEYWORD)
            # A mail that came by LMTP may have been answered before it was found in the mailbox.
            session.mark_answered([entry.place.uid for entry in here if entry.place and entry.state is State.SENT])
            landed = session.file(uids, folder)
        self.journal.filed(here, folder, self.clock(), landed)

    def _move_on(self, session: Session, entry: Entry, folder: str) -> None:
        """To another folder, because the verdict is another now; a mail the owner moved stays where it is."""
        landed = None
        if entry.filed and entry.message_id and entry.filed != self.config.folders.inbox:
            uids = session.find_message_id(entry.filed, entry.message_id, undeleted=True)
            self.journal.whereabouts.filing([entry], folder, self.clock())
            landed = session.file(uids, folder)
        self.journal.filed([entry], folder, self.clock(), landed)

    def _lay_out(self, session: Session, papers: Iterable[Paper], *, fresh: Container[int] = frozenset()) -> None:
        """Put what the owner is to send or paste beside mails, once.

        Nothing of the `fresh` mails, by their entries' ids, can be there from a round that ended right after doing so.
        """
        together: defaultdict[tuple[str, tuple[str, ...]], list[bytes]] = defaultdict(list)
        for paper in papers:
            if paper.beside in fresh or not session.find_message_id(paper.folder, paper.message_id):
                together[paper.folder, paper.flags].append(paper.message)
        for (folder, flags), messages in together.items():
            landed = session.append(folder, messages, flags)
            if landed and folder in self.folders.values():
                self.journal.whereabouts.passed(folder, landed)

    def _papers(self, session: Session, entries: Iterable[Entry]) -> Iterator[Paper]:
        """What goes with mails."""
        for entry in entries:
            reply = entry.reply
            if reply is None or entry.state is not State.CLOSED or entry.continues:
                continue
            if entry.verdict is not Verdict.DECLINE or entry.dealt_with:
                continue  # the owner decided otherwise since
            if reply.channel is Channel.PASTE:
                message_id = letter_id(self.owner.secret, f"paste {entry.key}", self.owner.sender.domain)
                note = paste_note(entry, owner=self.owner.sender, message_id=message_id, now=self.clock())
                yield Paper(entry.id, self.config.folders.review, _SEEN, message_id, note)
            elif reply.to and self.config.delivery.mode == "draft":
                drafts = session.special("\\Drafts", self.config.folders.drafts)
                yield Paper(entry.id, drafts, _DRAFT, *self._letter(entry, reply, self.clock(), automatic=False))

    def _letter(self, entry: Entry, reply: Reply, now: datetime, *, automatic: bool = True) -> tuple[str, bytes]:
        message_id = entry.letter_id or letter_id(self.owner.secret, entry.key, self.owner.sender.domain)
        return message_id, letter(entry, reply, self.owner, now, automatic=automatic)

    def release(self, session: Session | None) -> None:
        """Make answers due whose hold has ended, if the owner left the mail where it was filed.

        Without a mailbox there is nothing the owner could have moved.
        """
        now = self.clock()
        over = self.journal.hold_over(now)
        where = self.places(session, [entry for entry in over if self._lies_in_a_folder(entry)]) if session else {}
        for entry in over:
            places = where.get(entry.message_id)
            if session is None or not self._lies_in_a_folder(entry) or places == {entry.filed}:
                self.journal.settle(entry, State.DUE, now, only_from=(State.HELD,))
            elif not places:
                self.journal.settle(entry, State.CLOSED, now, why=_MOVED_AWAY, only_from=(State.HELD,))
            # Else it lies where the owner put it since the last look, or in two folders: the next look decides.

    def _lies_in_a_folder(self, entry: Entry) -> bool:
        return entry.place is not None and self.touches

    def places(self, session: Session, mails: Sequence[Entry]) -> dict[str | None, set[str]]:
        """In which of our folders, or of those they were filed into, some mails lie now, by Message-ID."""
        ids = {entry.message_id for entry in mails if entry.message_id}
        if not ids:
            return {}
        found: dict[str | None, set[str]] = {message_id: set() for message_id in ids}
        filed = (entry.filed for entry in mails if entry.filed and entry.filed != self.config.folders.inbox)
        for folder in dict.fromkeys((*self.folders.values(), *filed)):
            for message_id in session.which_lie_in(folder, ids):
                found[message_id].add(folder)
        return found

    def went_out(self, session: Session, entry: Entry) -> bool:
        """Whether Sent holds an answer of ours to the same address that the journal knows nothing of.

        It knows nothing when it was restored from a backup, or when a second service looks after this mailbox.
        """
        if entry.reply is None or entry.reply.to is None:
            return False
        try:
            sent = session.special("\\Sent", self.config.folders.sent)
        except MailboxFailed as exc:
            if exc.permanent:
                return False  # no folder, no witness
            raise
        marks = [(LOOP, ""), *([("Message-ID", entry.letter_id)] if entry.letter_id else [])]
        since = (self.clock() - self.config.delivery.window).date()
        return session.holds(sent, to=entry.reply.to, since=since, marks=marks)

    def copy(self, session: Session) -> None:
        """Put what was sent into Sent, unless the provider does so itself, and mark the mail as answered."""
        keeps_copy = self.config.smtp is None or self.config.smtp.keeps_copy
        for entry in self.journal.uncopied():
            if entry.reply and entry.claimed and not keeps_copy:
                sent = session.special("\\Sent", self.config.folders.sent)
                message_id, message = self._letter(entry, entry.reply, entry.claimed)
                if not session.find_message_id(sent, message_id):
                    session.append(sent, [message], _SEEN)
            if entry.filed and entry.message_id and self.touches:
                session.mark_answered(session.find_message_id(entry.filed, entry.message_id))
            self.journal.copied(entry, self.clock())
