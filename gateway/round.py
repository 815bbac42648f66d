"""One round of an owner's work: take in, judge, file, send, report; then listen again.

Every step begins from what the journal says, so a round may end anywhere and the next one goes on from there.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway import bounces, commands, conversation, logins
from gateway.config import Config
from gateway.digest import Contents, Rhythm, Summary, Week, as_mail, compose, gather, summarise, texts_to_decline
from gateway.digest.words import words
from gateway.errors import DnsAway, MailboxFailed, SendFailed, SendUncertain
from gateway.filing import ANSWERED, Filing
from gateway.imap import Session
from gateway.journal import Journal
from gateway.letter import summary_id
from gateway.model import Entry, Place, State
from gateway.moves import Moves
from gateway.networks import criteria
from gateway.orders import Orders
from gateway.pipeline import (
    BLIND,
    PAUSED,
    Owner,
    Post,
    bound_by,
    deliver,
    judge_again,
    process,
    retry_after,
    take_in,
)
from gateway.records import Records
from gateway.review import decided
from gateway.suggest import suggest
from gateway.upkeep import Upkeep

log = logging.getLogger(__name__)

JUDGED_UNDER = "judged-under"
LARGEST_MAIL = 1024 * 1024  # bytes; of a bigger one the header alone is looked at, and it is never answered
_LATEST_SUMMARY = timedelta(days=35)  # the summary of a week longer ago comes no more by itself
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
    moves: Moves
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
        except MailboxFailed as exc:
            self.close()
            if self.journal.fact(BLIND) is None:
                self.journal.set_fact(BLIND, f"{self.clock().isoformat()} {exc}")
            raise
        if self.journal.fact(BLIND) is not None:
            self.journal.set_fact(BLIND, None)
        self._sound = True
        return wait

    def _run(self) -> float:
        self._start()
        self.upkeep.daily()
        self._report()
        session = self._connected()
        fresh = self.records.refresh(session)
        self._take_in(session)
        self._judge()
        # Nothing is filed or sent before it is known what the owner moved, and what they said by mail.
        self.moves.follow(session)
        self._orders.obey(session)
        self._judge_again(fresh=fresh)
        self.filing.file(session)
        looked = self.clock()
        self.filing.release(session)
        self._send(session)
        self.filing.copy(session)
        self._orders.confirm()
        return self._listen(session, looked)

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
        """Store every new mail of a network, in answer to us, or with a command; nothing else is fetched."""
        folder = self._inbox
        selected = session.select(folder)
        uidvalidity, last = self.journal.cursor(folder)
        if uidvalidity != selected.uidvalidity:
            # The server renumbered the folder. What was taken in before is known by its content (RFC 4549).
            last = 0
        found = sorted(
            {
                *session.look(self._wanted(), since_uid=last + 1),
                *session.look(commands.SEARCH, since_uid=last + 1, senders=self.config.me.addresses),
            }
        )
        for mail in session.fetch(found, largest=LARGEST_MAIL):
            place = Place(folder, selected.uidvalidity, mail.uid)
            take_in(mail.raw, place, self.journal, self.clock())
        highest = max([last, *found, selected.uidnext - 1])
        if (uidvalidity, last) != (selected.uidvalidity, highest):
            self.journal.advance(folder, selected.uidvalidity, highest)

    def _wanted(self) -> tuple[tuple[str, ...], ...]:
        """What the inbox is asked for."""
        return (*criteria(), *bounces.SEARCH, *conversation.search(self.journal, self.clock()))

    @property
    def _inbox(self) -> str:
        return self.config.folders.inbox

    def _judge(self) -> None:
        """Judge what came in."""
        self._heed()
        for entry in self.journal.entries(State.NEW):
            self._with_names(process, entry)

    def _judge_again(self, *, fresh: bool) -> None:
        """Judge what still waits for the owner once more, where policy or records are others than then."""
        self._heed()
        under = self.owner.policy_fingerprint
        if not fresh and self.journal.fact(JUDGED_UNDER) == under:
            return
        for entry in self.journal.open_to_change():
            self._with_names(judge_again, entry)
        self.journal.set_fact(JUDGED_UNDER, under)

    def _heed(self) -> None:
        """Let what the owner said of persons and companies count from now on."""
        standing = self.journal.standing.all()
        if standing != self.owner.policy.standing:
            self.owner = bound_by(self.owner, standing)
            self.moves = replace(self.moves, owner=self.owner)
            self.journal.policies.keep(self.owner.policy_fingerprint, self.owner.policy_text, self.clock())

    @property
    def _orders(self) -> Orders:
        return Orders(self.config, self.owner, self.journal, self.post, self.clock)

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
        """Send the summaries of weeks that are over and have none yet, oldest first."""
        now, began = self.clock(), self.journal.began()
        if self.config.smtp is None or began is None:
            return
        if self._login.lasts(now) or self._summary.lasts(now):
            return
        for week in self._rhythm.over_since(max(began, now - _LATEST_SUMMARY), now):
            if not self.journal.weeks.claim(week.name, now):
                continue
            contents = self._contents(week, now)
            if contents.empty and self.config.digest.empty == "skip":
                self.journal.weeks.settle(week.name, State.CLOSED, "nothing happened")
            elif not self._post_digest(week, summarise(contents), now):
                return  # the mail server takes nothing now

    def _contents(self, week: Week, now: datetime) -> Contents:
        facts = gather(self.journal, self.records.index, week, self._rhythm, now)
        facts = replace(facts, logins=logins.troubles(self.config, now))
        links = commands.links_of(facts.people, self.owner.secret, self.owner.sender.address, now)
        suggested = len(suggest(decided(self.journal), self.owner.policy))
        texts = texts_to_decline(facts.entries, self.owner)
        return compose(facts, words(self.config.me.language), links, texts=texts, suggested=suggested)

    def _post_digest(self, week: Week, summary: Summary, now: datetime) -> bool:
        """Send a summary; False when it surely did not go out and its week is free again."""
        owner = self.owner.sender
        to = self.config.digest.to or owner.address
        message_id = summary_id(self.owner.secret, week.name, owner.domain)
        message = as_mail(summary, owner=owner, to=to, week=week, message_id=message_id, now=now)
        try:
            self._post(message, recipient=to, before_dot=lambda: self.journal.weeks.settle(week.name, State.DOT))
        except SendFailed as exc:
            self.journal.weeks.give_back(week.name)
            self._summary.refused(now)
            log.warning("%s summary of %s not sent yet: %s", self.name, week.name, exc)
            return False
        except SendUncertain as exc:
            self.journal.weeks.settle(week.name, State.UNCERTAIN, str(exc))
            log.warning("%s summary of %s: %s", self.name, week.name, exc)
        else:
            self.journal.weeks.settle(week.name, State.SENT)
            self._summary.taken()
            log.info("%s summary of %s sent", self.name, week.name)
        return True

    @property
    def _rhythm(self) -> Rhythm:
        settings = self.config.digest
        return Rhythm.of(settings.day, settings.time, self.config.me.zone)

    # Listening

    def _listen(self, session: Session, looked: datetime) -> float:
        """Go idle in the inbox where the server can; the seconds until the next round at the latest.

        `looked` is when it was last looked what is due.
        """
        until = self.config.imap.poll if self.config.imap else _IDLE
        if session.select(self._inbox).uidnext - 1 > self.journal.cursor(self._inbox)[1]:
            return 0.0  # something came in since it was searched
        self._idling = session.idle_start()
        if self._idling and session.idle_check():
            return 0.0  # it was said before we listened, and the socket will not tell again
        until = min(until, _IDLE)
        wake = self.journal.next_wake(looked)
        if wake is not None:
            until = min(until, max(wake - self.clock(), timedelta(seconds=1)))
        return until.total_seconds()
