"""One round of an owner's work: take in, judge, file, send, report; then listen again.

Every step begins from what the journal says, so a round may end anywhere and the next one goes on from there.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.config import Config, Folders
from gateway.digest import Rhythm, Week, as_mail, compose
from gateway.errors import DnsAway, MailboxFailed, SendFailed, SendUncertain
from gateway.imap import Session
from gateway.journal import Journal
from gateway.letter import letter_id, paste_note
from gateway.mail import parse
from gateway.model import Channel, Entry, Place, State, Verdict
from gateway.networks import networks
from gateway.pipeline import PAUSED, Owner, Post, deliver, letter, process, take_in
from gateway.records import Records

log = logging.getLogger(__name__)

KEYWORD = "$RsvpdSeen"
LARGEST_MAIL = 1024 * 1024  # bytes; a bigger one is no notification, and is set aside by its header alone
_IDLE = timedelta(minutes=9)  # well below the 29 minutes after which servers may hang up (RFC 2177)
_FOLDER_OF = {Verdict.ACCEPT: "accept", Verdict.HUMAN: "review", Verdict.DECLINE: "declined"}


@dataclass(slots=True)
class Round:
    """An owner's parts, and the connection that lasts from round to round."""

    config: Config
    owner: Owner
    journal: Journal
    connect: Callable[[], Session]
    post: Post
    records: Records
    clock: Callable[[], datetime]
    session: Session | None = field(default=None)
    _idling: bool = False
    _started: bool = False

    @property
    def name(self) -> str:
        return self.config.owner

    def run(self) -> float:
        """Do all that is to do; the seconds until the next round at the latest."""
        try:
            return self._run()
        except MailboxFailed:
            self.close()
            raise

    def _run(self) -> float:
        self._start()
        self._send()
        self._report()
        session = self._connected()
        self.records.refresh(session)
        self._take_in(session)
        self._judge()
        self._file(session)
        self._send()
        self._copy(session)
        return self._listen(session)

    def socket(self) -> socket.socket | None:
        """What becomes readable when the server has something to say; None when it cannot."""
        return self.session.socket() if self.session and self._idling else None

    def close(self) -> None:
        """Hang up; the next round connects anew."""
        if self.session:
            self.session.close()
        self.session, self._idling = None, False

    def _start(self) -> None:
        if self._started:
            return
        for entry in self.journal.recover(self.clock()):
            log.warning("%s was %s when the program stopped", entry.key[:8], entry.state)
        self.journal.keep_policy(self.owner.policy_fingerprint, self.owner.policy_text, self.clock())
        self._started = True

    def _connected(self) -> Session:
        if self.session and self._idling:
            self._idling = False
            self.session.idle_done()
        if self.session is None:
            self.session = self.connect()
            if self.config.delivery.mode != "observe":
                self._make_folders(self.session)
        return self.session

    def _make_folders(self, session: Session) -> None:
        for folder in (self._folders.accept, self._folders.review, self._folders.declined):
            session.ensure(folder)

    @property
    def _folders(self) -> Folders:
        return self.config.imap.folders if self.config.imap else Folders()

    # Taking in

    def _take_in(self, session: Session) -> None:
        """Store every new mail that a network may have sent; what nobody asked about is not even fetched."""
        folder = self._inbox
        selected = session.select(folder)
        uidvalidity, last = self.journal.cursor(folder)
        if uidvalidity != selected.uidvalidity:
            # The server renumbered the folder. What was taken in before is known by its content (RFC 4549).
            last = 0
        criteria = tuple(criterion for network in networks() for criterion in network.SEARCH)
        found = session.look(criteria, since_uid=last + 1)
        for mail in session.fetch(found, largest=LARGEST_MAIL):
            place = Place(folder, selected.uidvalidity, mail.uid)
            take_in(mail.raw, place, self.journal, self.clock())
        highest = max([last, *found, selected.uidnext - 1])
        if (uidvalidity, last) != (selected.uidvalidity, highest):
            self.journal.advance(folder, selected.uidvalidity, highest)

    @property
    def _inbox(self) -> str:
        return self._folders.inbox

    def _judge(self) -> None:
        for entry in self.journal.entries(State.NEW):
            try:
                process(entry, self.owner, self.journal, self.clock())
            except DnsAway as exc:
                log.warning("%s not judged yet: %s", entry.key[:8], exc)

    # Filing

    def _file(self, session: Session) -> None:
        """Put judged mails where they belong, and what the owner is to send or paste beside them."""
        if self.config.delivery.mode == "observe":
            return
        unfiled = self.journal.unfiled()
        for entry in unfiled:
            self._lay_out(session, entry)
        by_folder: dict[str, list[Entry]] = {}
        for entry in unfiled:
            by_folder.setdefault(self._folder_of(entry), []).append(entry)
        for folder, entries in by_folder.items():
            self._move(session, entries, folder)

    def _move(self, session: Session, entries: list[Entry], folder: str) -> None:
        selected = session.select(self._inbox)
        # A place of another UIDVALIDITY means nothing any more; the mail will be met again under its new number.
        here = [e for e in entries if e.place and e.place.uidvalidity == selected.uidvalidity]
        if folder != self._inbox:
            # What is no invitation is left as it was, without even a keyword of ours.
            uids = [entry.place.uid for entry in here if entry.place]
            session.add_keyword(uids, KEYWORD)
            session.file(uids, folder)
        for entry in here:
            self.journal.filed(entry, folder, self.clock())

    def _folder_of(self, entry: Entry) -> str:
        case = self.journal.case(entry.case) if entry.case else None
        name = _FOLDER_OF.get(case.verdict) if case else None
        folder: str = getattr(self._folders, name) if name else self._inbox
        return folder

    def _lay_out(self, session: Session, entry: Entry) -> None:
        reply = entry.reply
        if reply is None or entry.state is not State.CLOSED or entry.why.startswith("continues "):
            return
        if reply.channel is Channel.PASTE:
            self._put(session, self._folders.review, self._paste_note(entry), seen=True)
        elif reply.to and self.config.delivery.mode == "draft":
            drafts = session.special("\\Drafts", self._folders.drafts)
            self._put(session, drafts, letter(entry, reply, self.owner, self.clock(), automatic=False), draft=True)

    def _paste_note(self, entry: Entry) -> bytes:
        return paste_note(
            entry,
            owner=self.owner.sender,
            message_id=letter_id(self.owner.secret, f"paste {entry.key}", self.owner.sender.domain),
            now=self.clock(),
        )

    def _put(self, session: Session, folder: str, message: bytes, *, draft: bool = False, seen: bool = False) -> None:
        """Append a mail of ours unless it is there already: a round may have ended right after doing so."""
        message_id = parse(message).message_id
        if message_id and session.find_message_id(folder, message_id):
            return
        flags = (*(("\\Draft",) if draft else ()), *(("\\Seen",) if seen else ()))
        session.append(folder, message, flags)

    # Sending

    def _send(self) -> None:
        """Send what is due; a server that lets nothing through is not asked again in this round."""
        now = self.clock()
        self.journal.release(now)
        if self.config.delivery.mode != "send" or self.journal.fact(PAUSED):
            return
        for entry in self.journal.due(now):
            if (
                self.journal.fact(PAUSED)
                or deliver(entry, self.owner, self.journal, self.post, self.clock) is State.DUE
            ):
                return

    def _copy(self, session: Session) -> None:
        """Put what was sent into Sent, unless the provider does so itself."""
        if self.config.smtp is None or self.config.smtp.keeps_copy:
            return
        for entry in self.journal.uncopied():
            if entry.reply and entry.claimed:
                message = letter(entry, entry.reply, self.owner, entry.claimed)
                self._put(session, session.special("\\Sent", self._folders.sent), message, seen=True)
            self.journal.copied(entry, self.clock())

    # Reporting

    def _report(self) -> None:
        """Send the summary of the week that is over, if it was not sent yet."""
        now, settings = self.clock(), self.config.digest
        week = self._rhythm.last_over(now)
        began = self.journal.began()
        if self.config.smtp is None or began is None or began >= week.end:
            return
        if not self.journal.claim_digest(week.name, now):
            return
        entries = self.journal.between(week.start, week.end)
        if not entries and settings.empty == "skip":
            self.journal.settle_digest(week.name, State.CLOSED, "nothing happened")
            return
        self._post_digest(week, entries, now)

    def _post_digest(self, week: Week, entries: list[Entry], now: datetime) -> None:
        owner = self.owner.sender
        to = self.config.digest.to or owner.address
        message = as_mail(
            compose(entries, week, self.config.me.zone, paused=self.journal.fact(PAUSED) is not None),
            owner=owner,
            to=to,
            week=week,
            message_id=letter_id(self.owner.secret, f"digest {week.name}", owner.domain),
            now=now,
        )
        try:
            self.post(message, recipient=to, before_dot=lambda: self.journal.settle_digest(week.name, State.DOT))
        except SendFailed as exc:
            self.journal.release_digest(week.name)
            log.warning("%s summary of %s not sent yet: %s", self.name, week.name, exc)
        except SendUncertain as exc:
            self.journal.settle_digest(week.name, State.UNCERTAIN, str(exc))
            log.warning("%s summary of %s: %s", self.name, week.name, exc)
        else:
            self.journal.settle_digest(week.name, State.SENT)
            log.info("%s summary of %s sent", self.name, week.name)

    @property
    def _rhythm(self) -> Rhythm:
        settings = self.config.digest
        return Rhythm.of(settings.day, settings.time, self.config.me.zone)

    # Listening

    def _listen(self, session: Session) -> float:
        """Go idle in the inbox where the server can; the seconds until the next round at the latest."""
        until = self.config.imap.poll if self.config.imap else _IDLE
        if session.select(self._inbox).uidnext - 1 > self.journal.cursor(self._inbox)[1]:
            return 0.0  # something came in since it was searched
        self._idling = session.idle_start()
        if self._idling and session.idle_check():
            return 0.0  # it was said before we listened, and the socket will not tell again
        until = min(until, _IDLE)
        wake = self.journal.next_wake()
        if wake is not None:
            until = min(until, max(wake - self.clock(), timedelta(seconds=1)))
        return until.total_seconds()
