"""One round of an owner's work: take in, judge, file, send, report; then listen again.

Every step begins from what the journal says, so a round may end anywhere and the next one goes on from there.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway import bounces
from gateway.config import Config
from gateway.digest import Rhythm, Week, as_mail, compose
from gateway.errors import DnsAway, MailboxFailed, SendFailed, SendUncertain
from gateway.filing import ANSWERED, Filing
from gateway.imap import Session
from gateway.journal import Journal
from gateway.letter import letter_id
from gateway.model import Entry, Place, State
from gateway.networks import networks
from gateway.pipeline import PAUSED, Owner, Post, deliver, judge_again, process, retry_after, take_in
from gateway.records import Records
from gateway.upkeep import Upkeep

log = logging.getLogger(__name__)

JUDGED_UNDER = "judged-under"
LARGEST_MAIL = 1024 * 1024  # bytes; of a bigger one the header alone is looked at, and it is never answered
_IDLE = timedelta(minutes=9)  # well below the 29 minutes after which servers may hang up (RFC 2177)


@dataclass(slots=True)
class Patience:
    """How long a mail server is left in peace that refused: five minutes, doubled up to four hours."""

    _refusals: int = 0
    _until: datetime | None = None

    def refused(self, now: datetime) -> None:
        """Begin to wait, longer each time."""
        self._until = now + retry_after(self._refusals)
        self._refusals += 1

    def taken(self) -> None:
        """Wait no longer."""
        self._refusals, self._until = 0, None

    def lasts(self, now: datetime) -> bool:
        """Whether it is too early to ask again."""
        return self._until is not None and now < self._until


@dataclass(slots=True)
class Round:
    """An owner's parts, and the connection that lasts from round to round."""

    config: Config
    owner: Owner
    journal: Journal
    connect: Callable[[], Session]
    post: Post
    records: Records
    filing: Filing
    upkeep: Upkeep
    clock: Callable[[], datetime]
    session: Session | None = field(default=None)
    _idling: bool = False
    _sound: bool = False  # the last round ended as it should
    _login: Patience = field(default_factory=Patience)  # with a mail server that takes nothing from us at all
    _summary: Patience = field(default_factory=Patience)  # with one that does not take the summary

    @property
    def name(self) -> str:
        return self.config.owner

    def run(self) -> float:
        """Do all that is to do; the seconds until the next round at the latest."""
        try:
            wait = self._run()
        except MailboxFailed:
            self.close()
            raise
        self._sound = True
        return wait

    def _run(self) -> float:
        self._start()
        self.upkeep.daily()
        self._report()
        session = self._connected()
        fresh = self.records.refresh(session)
        self._take_in(session)
        self._judge(again=fresh)
        self.filing.file(session)
        self.filing.release(session)
        self._send(session)
        self.filing.copy(session)
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
        """Put right what the last round left half done, if the program or the journal failed under it."""
        if self._sound:
            self._sound = False
            return
        self.journal.begin(self.clock())
        for entry in self.journal.recover(self.clock()):
            log.warning("%s was %s when it was interrupted", entry.key[:8], entry.state)
        self.journal.policies.keep(self.owner.policy_fingerprint, self.owner.policy_text, self.clock())

    def _connected(self) -> Session:
        if self.session and self._idling:
            self._idling = False
            self.session.idle_done()
        if self.session is None:
            self.session = self.connect()
            self.filing.make_folders(self.session)
        return self.session

    # Taking in

    def _take_in(self, session: Session) -> None:
        """Store every new mail that a network may have sent; what nobody asked about is not even fetched."""
        folder = self._inbox
        selected = session.select(folder)
        uidvalidity, last = self.journal.cursor(folder)
        if uidvalidity != selected.uidvalidity:
            # The server renumbered the folder. What was taken in before is known by its content (RFC 4549).
            last = 0
        criteria = (*(criterion for network in networks() for criterion in network.SEARCH), *bounces.SEARCH)
        found = session.look(criteria, since_uid=last + 1)
        for mail in session.fetch(found, largest=LARGEST_MAIL):
            place = Place(folder, selected.uidvalidity, mail.uid)
            take_in(mail.raw, place, self.journal, self.clock())
        highest = max([last, *found, selected.uidnext - 1])
        if (uidvalidity, last) != (selected.uidvalidity, highest):
            self.journal.advance(folder, selected.uidvalidity, highest)

    @property
    def _inbox(self) -> str:
        return self.config.folders.inbox

    def _judge(self, *, again: bool) -> None:
        """Judge what came in; and what still waits for the owner, where policy or records are others than then."""
        for entry in self.journal.entries(State.NEW):
            self._with_names(process, entry)
        under = self.owner.policy_fingerprint
        if not again and self.journal.fact(JUDGED_UNDER) == under:
            return
        for entry in self.journal.open_to_change():
            self._with_names(judge_again, entry)
        self.journal.set_fact(JUDGED_UNDER, under)

    def _with_names(self, judging: Callable[[Entry, Owner, Journal, datetime], None], entry: Entry) -> None:
        try:
            judging(entry, self.owner, self.journal, self.clock())
        except DnsAway as exc:
            log.warning("%s not judged yet: %s", entry.key[:8], exc)

    # Sending

    def _send(self, session: Session) -> None:
        """Send what is due; a server that lets nothing through is not asked again in this round."""
        now = self.clock()
        if self.config.delivery.mode != "send" or self.journal.fact(PAUSED) or self._login.lasts(now):
            return
        for entry in self.journal.due(now):
            if self.journal.fact(PAUSED):
                return
            if self.filing.went_out(session, entry):
                self.journal.settle(entry, State.CLOSED, now, why=ANSWERED, only_from=(State.DUE,))
                log.warning("%s not sent: %s", entry.key[:8], ANSWERED)
            elif deliver(entry, self.owner, self.journal, self._post, self.clock) is State.DUE:
                return

    def _post(self, message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        """The way to the mail server; who tries a wrong password again and again is locked out."""
        try:
            said = self.post(message, recipient=recipient, before_dot=before_dot)
        except SendFailed as exc:
            if exc.setup:
                self._login.refused(self.clock())
            raise
        self._login.taken()
        return said

    # Reporting

    def _report(self) -> None:
        """Send the summary of the week that is over, if it was not sent yet."""
        now, settings = self.clock(), self.config.digest
        week = self._rhythm.last_over(now)
        began = self.journal.began()
        if self.config.smtp is None or began is None or began >= week.end:
            return
        if self._login.lasts(now) or self._summary.lasts(now):
            return
        if not self.journal.weeks.claim(week.name, now):
            return
        entries = self.journal.between(week.start, week.end)
        if not entries and settings.empty == "skip":
            self.journal.weeks.settle(week.name, State.CLOSED, "nothing happened")
            return
        self._post_digest(week, entries, now)

    def _post_digest(self, week: Week, entries: list[Entry], now: datetime) -> None:
        owner = self.owner.sender
        to = self.config.digest.to or owner.address
        message = as_mail(
            compose(
                entries,
                week,
                self.config.me.zone,
                moved=self.journal.moved(week.start, week.end),
                paused=self.journal.fact(PAUSED) is not None,
            ),
            owner=owner,
            to=to,
            week=week,
            message_id=letter_id(self.owner.secret, f"digest {week.name}", owner.domain),
            now=now,
        )
        try:
            self._post(message, recipient=to, before_dot=lambda: self.journal.weeks.settle(week.name, State.DOT))
        except SendFailed as exc:
            self.journal.weeks.give_back(week.name)
            self._summary.refused(now)
            log.warning("%s summary of %s not sent yet: %s", self.name, week.name, exc)
        except SendUncertain as exc:
            self.journal.weeks.settle(week.name, State.UNCERTAIN, str(exc))
            log.warning("%s summary of %s: %s", self.name, week.name, exc)
        else:
            self.journal.weeks.settle(week.name, State.SENT)
            self._summary.taken()
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
