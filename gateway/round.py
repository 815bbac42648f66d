"""One round of an owner's work: take in, judge, file, send, report; then listen again.

Every step begins from what the journal says, so a round may end anywhere and the next one goes on from there.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Container, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway import bounces, commands, conversation
from gateway.alarm import Alarm
from gateway.blindness import Sense, lose, regain
from gateway.config import Config
from gateway.digest import Contents, Week
from gateway.errors import DnsAway, MailboxFailed, SendFailed, SendUncertain, Unreadable
from gateway.events import OWNER, LogEvent
from gateway.filing import ANSWERED, Filing
from gateway.imap import Selected, Session
from gateway.journal import Journal
from gateway.mail import found_by, parse
from gateway.model import Place, State
from gateway.moves import Moves
from gateway.networks import criteria
from gateway.orders import Orders
from gateway.pipeline import (
    PAUSED,
    Owner,
    Post,
    bound_by,
    deliver,
    judge_again,
    portions,
    postponed,
    process,
    retry_after,
    take_in,
    take_in_all,
)
from gateway.records import Records
from gateway.review import contents_of, rhythm_of, written
from gateway.steps import Steps
from gateway.upkeep import Upkeep

log = logging.getLogger(__name__)

JUDGED_UNDER = "judged-under"
LARGEST_MAIL = 1024 * 1024  # bytes; of a bigger one the header alone is looked at, and it is never answered
_LATEST_SUMMARY = timedelta(days=35)  # the summary of a week longer ago comes no more by itself
_SOON = timedelta(minutes=1)
_WORTH_A_NOTE = timedelta(hours=1)
_ALWAYS = datetime.min.replace(tzinfo=UTC)
_CLOCKS_DIFFER = timedelta(hours=1)  # who changes a case may do so on another host
_IDLE = timedelta(minutes=9)  # well below the 29 minutes after which servers may hang up (RFC 2177)


@dataclass(slots=True)
class Patience:
    """How long a mail server is left in peace that refused: five minutes, doubled up to four hours."""

    _refusals: int = 0
    until: datetime | None = None

    def refused(self, now: datetime) -> None:
        """Begin to wait, longer each time."""
        self.until = now + retry_after(self._refusals)
        self._refusals += 1

    def taken(self) -> None:
        """Wait no longer."""
        self._refusals, self.until = 0, None

    def lasts(self, now: datetime) -> bool:
        """Whether it is too early to ask again."""
        return self.until is not None and now < self.until


@dataclass(frozen=True, slots=True)
class Folders:
    """What tells that somebody put a mail into a folder: UIDVALIDITY and UIDNEXT of ours, and the inbox, selected."""

    others: dict[str, tuple[int, int]]
    inbox: Selected


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
    bell: Callable[[], int]  # changes when somebody else may have written to the journal
    steps: Steps
    session: Session | None = field(default=None)
    _idling: bool = False
    _furnished: bool = False  # the connection: our folders are there
    _listened: bool = False  # somebody did, or began to
    _sound: bool = False  # the last round ended as it should
    _called: bool = False
    _heard: int = -1  # the bell, before the journal was last read
    _mark: tuple[int, str] = (0, "")  # of a journal in a database, before it was last read
    _due: datetime = _ALWAYS  # when there is something to do by the clock
    _look_at: datetime = _ALWAYS  # when to look whether the server forgot to say something
    _seen: Folders | None = None  # as they were left
    _unseen_since: datetime | None = None  # when the mailbox failed first
    _unseen_noted: bool = True  # in the journal; at first nobody knows
    _filed: datetime | None = None  # when mails were filed last
    _began: datetime = _ALWAYS  # when the owner was looked after first
    _summed_up: set[str] = field(default_factory=set)  # weeks that are known to have had their summary
    trouble: str = ""  # why nothing can be sent, as far as it was tried
    _login: Patience = field(default_factory=Patience)  # with a mail server that takes nothing from us at all
    _summary: Patience = field(default_factory=Patience)  # with one that does not take the summary

    @property
    def name(self) -> str:
        return self.config.owner

    def run(self) -> float:
        """Do all that is to do; the seconds until the next round at the latest."""
        with self._connection_given_up():
            return self._run()

    def turn(self) -> float:
        """The same where something happened since the last round; else only listen on.

        What wakes a round is mostly a server that says it is still there, or one that was away: with a thousand owners
        that must cost next to nothing.
        """
        with self._connection_given_up():
            if self._hurries:
                return self._listen_first()
            wait = self._listened_on()
            return self._run() if wait is None else wait

    @contextmanager
    def _connection_given_up(self) -> Iterator[None]:
        """Hang up when the mailbox failed, and hold no journal open between rounds."""
        OWNER.set(self.name)  # of the worker, until its next round
        try:
            yield
        except MailboxFailed as exc:
            self.close()
            self._unseen(exc)
            raise
        finally:
            self.journal.rest()

    def _run(self) -> float:
        self._called, self._heard = False, self.bell()
        # Whatever fails from here on, the next round does all of it: the server will not tell of its news again.
        sound, self._sound = self._sound, False
        if self.config.journal.url:
            self._mark = self.journal.mark(PAUSED)
        if not sound:
            self._start()
        self.upkeep.daily()
        self._report()
        self._alarm()
        wait = self._without_mailbox() if self.config.imap is None else self._with_mailbox(self._connected())
        self._sound = True
        return wait

    def _with_mailbox(self, session: Session) -> float:
        """Take in what came, do what is to do, and listen."""
        fresh = self.records.refresh(session)
        self._take_in(session)
        judged = self._judge()
        # Nothing is filed or sent before it is known what the owner moved, and what they said by mail.
        others = self.moves.follow(session)
        if self._orders.obey(session):
            self._heed()
        self._judge_again(judged, fresh=fresh)
        goes_out = self._send(session)  # what waits for nothing is not kept waiting by a folder
        self._file(session)
        looked = self.clock()
        self.filing.release(session)
        if goes_out:
            self._send(session)
        self.filing.copy(session)
        if not self._login.lasts(self.clock()):
            self._orders.confirm()
        return self._listen(session, looked, others)

    @property
    def ended_well(self) -> bool:
        """Whether the last round did, and nothing was found wrong with the journal."""
        return self._sound

    @property
    def due(self) -> bool:
        """Whether there is something to do by the clock, or for somebody who wrote to the journal."""
        return self._called or self.clock() >= self._due or self.bell() != self._heard

    def call(self) -> None:
        """Have all looked at in the next round, whatever woke it; from any thread."""
        self._called = True

    def hang_up(self) -> None:
        """End the connection of a round that hangs, from another thread."""
        if session := self.session:
            session.hang_up()

    def inherit(self, other: Round) -> None:
        """Go on with the connection of the round that this one replaces, if it is to the same account."""
        if self.config.imap != other.config.imap:
            other.close()
        self.session, self._idling = other.session, other._idling
        if self.session:
            self.session.step = self.steps.take

    def _without_mailbox(self) -> float:
        """Judge and send what was handed over; there is nowhere to file it, or to look for the owner's own mail."""
        fresh = self.records.refresh(None)
        judged = self._judge()
        if self._orders.obey(None):
            self._heed()
        self._judge_again(judged, fresh=fresh)
        looked = self.clock()
        self.filing.release(None)
        self._send(None)
        if not self._login.lasts(self.clock()):
            self._orders.confirm()
        self._look_at = self.clock() + _IDLE
        self._due = self._next_due(looked)
        return self._seconds()

    def hand_over(self, raw: bytes) -> None:
        """Take in a mail that the owner's mail server brings, from any thread; JournalFailed when it is not on disk.

        What the mailbox would not have been searched for is nobody's business here, and not kept.
        """
        if self._is_wanted(raw):
            take_in(raw, None, self.journal, self.clock())

    def socket(self) -> socket.socket | None:
        """What becomes readable when the server has something to say; None when it cannot."""
        return self.session.socket() if self.session and self._idling else None

    def close(self) -> None:
        """Hang up; the next round connects anew."""
        if self.session:
            self.session.close()
        self.session, self._idling = None, False

    def _start(self) -> None:
        """Put right what a round left half done, if the program or the journal failed under it."""
        self._began = self.journal.begin(self.clock())
        for entry in self.journal.recover(self.clock()):
            told = LogEvent.INTERRUPTED.of(entry=entry.key[:8], case=entry.case)
            log.warning("%s was %s when it was interrupted", entry.key[:8], entry.state, extra=told)
        self.journal.policies.keep(self.owner.policy_fingerprint, self.owner.policy.text, self.clock())

    def _connected(self) -> Session:
        if self.session and self._idling:
            self._idling = False
            self.session.idle_done()
        if self.session is None:
            self.session = self.connect()
            self.session.step = self.steps.take
            self._furnished = False
        if not self._furnished:
            self.filing.make_folders(self.session)
            self._seen_again()
            self._furnished = True
        return self.session

    @property
    def _hurries(self) -> bool:
        """Whether the owner may just have been taken over with a thousand others, to whom nobody listens yet."""
        return bool(self.config.journal.url and self.config.imap) and not (self._listened or self.session)

    def _listen_first(self) -> float:
        """Hear what comes in from now on, before all the rest of a first round; that is due at once."""
        self._listened = True
        self.session = self.connect()
        self.session.step = self.steps.take
        self.session.select(self._inbox)
        self._idling = self.session.idle_start()
        return 0.0

    # Taking in

    def _take_in(self, session: Session) -> None:
        """Store every new mail of a network, in answer to us, or with a command; nothing else is fetched."""
        folder = self._inbox
        selected = session.look_again(folder)
        uidvalidity, last = self.journal.cursor(folder)
        if uidvalidity != selected.uidvalidity:
            # The server renumbered the folder. What was taken in before is known by its content (RFC 4549).
            last = 0
        if selected.uidnext - 1 == last:
            return  # nothing came since; a server that does not tell its next UID says 0
        found = session.look(
            tuple(self._wanted()), since_uid=last + 1, senders=self.config.me.addresses, of_senders=commands.SEARCH
        )
        with closing(session.fetch_together(found, largest=LARGEST_MAIL)) as batches:
            for batch in batches:
                self.steps.take()
                mails = ((mail.raw, Place(folder, selected.uidvalidity, mail.uid)) for mail in batch)
                # Nothing of it need be on disk before it is judged: it lies in the mailbox, where nobody touches it.
                with self.journal.together(lasting=False) as one:
                    take_in_all(mails, one, self.clock())
                    last, uidvalidity = max([last, *(mail.uid for mail in batch)]), selected.uidvalidity
                    one.advance(folder, uidvalidity, last)
                batch.clear()  # or it would be held beside the next one
        highest = max([last, *found, selected.uidnext - 1])
        if (uidvalidity, last) != (selected.uidvalidity, highest):
            self.journal.advance(folder, selected.uidvalidity, highest)

    def _wanted(self) -> Iterator[tuple[str, ...]]:
        """What the inbox is asked for; the answers to us come last, since they are looked up."""
        yield from criteria()
        yield from bounces.SEARCH
        yield from conversation.search(self.journal, self.clock())

    def _is_wanted(self, raw: bytes) -> bool:
        try:
            mail = parse(raw)
        except Unreadable:
            return True  # it is set aside for the owner to see
        if any(found_by(mail, criterion) for criterion in self._wanted()):
            return True
        from_owner = any(box.address.lower() in self.owner.policy.addresses for box in mail.from_)
        return from_owner and any(found_by(mail, criterion) for criterion in commands.SEARCH)

    @property
    def _inbox(self) -> str:
        return self.config.folders.inbox

    def _judge(self) -> frozenset[int]:
        """Judge what came in; the ids of the entries."""
        self._heed()
        judged: set[int] = set()
        for new in self.journal.new():
            for batch in portions(new):
                self.steps.take()
                process(batch, self.owner, self.journal, self.clock())
                judged.update(entry.id for entry in batch)
        return frozenset(judged)

    def _judge_again(self, judged: Container[int], *, fresh: bool) -> None:
        """Judge what still waits for the owner once more, where policy or records are others than then.

        What was judged in this round already knows the records, and needs it only for another policy.
        """
        under = self.owner.policy_fingerprint
        if not fresh and self.journal.fact(JUDGED_UNDER) == under:
            return
        for entry in self.journal.open_to_change(under, but=judged):
            self.steps.take()
            try:
                judge_again(entry, self.owner, self.journal, self.clock())
            except DnsAway as exc:
                postponed(entry, exc)
        self.journal.set_fact(JUDGED_UNDER, under)

    def _heed(self) -> None:
        """Let what the owner said of persons and companies count from now on."""
        standing = self.journal.standing.all()
        if standing != self.owner.policy.standing:
            self.owner = bound_by(self.owner, standing)
            self.moves = replace(self.moves, owner=self.owner)
            self.journal.policies.keep(self.owner.policy_fingerprint, self.owner.policy.text, self.clock())

    @property
    def _orders(self) -> Orders:
        return Orders(self.config, self.owner, self.journal, self._post, self.clock)

    def _file(self, session: Session) -> None:
        """File what came in, and move on what changed since the last time; at first nobody knows since when."""
        now = self.clock()
        since = min(self._filed, now) - _CLOCKS_DIFFER if self._filed else _ALWAYS
        self.filing.file(session, since)
        self._filed = now

    # Sending

    def _send(self, session: Session | None) -> bool:
        """Send what is due; False when the server lets nothing through, and is not to be asked again in this round."""
        now = self.clock()
        if self.config.delivery.mode != "send" or self._login.lasts(now):
            return False
        for entry in self.journal.due(now):
            if self.journal.fact(PAUSED):
                return False
            if session and self.filing.went_out(session, entry):
                self.journal.settle(entry, State.CLOSED, now, why=ANSWERED, only_from=(State.DUE,))
                told = LogEvent.DELIVERY.of(entry=entry.key[:8], case=entry.case)
                log.warning("%s not sent: %s", entry.key[:8], ANSWERED, extra=told)
            elif deliver(entry, self.owner, self.journal, self._post, self.clock) is State.DUE:
                return False
        return True

    def _post(self, message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str:
        """The way to the mail server; who tries a wrong password again and again is locked out."""
        try:
            said = self.post(message, recipient=recipient, before_dot=before_dot)
        except SendFailed as exc:
            if exc.setup:
                self._login.refused(self.clock())
                self.trouble = str(exc)
            raise
        self._login.taken()
        self.trouble = ""
        return said

    # Reporting

    def _report(self) -> None:
        """Send the summaries of weeks that are over and have none yet, oldest first."""
        now = self.clock()
        if self.config.smtp is None or self._login.lasts(now) or self._summary.lasts(now):
            return
        for week in rhythm_of(self.config).over_since(max(self._began, now - _LATEST_SUMMARY), now):
            if week.name in self._summed_up:
                continue
            if not self.journal.weeks.claim(week.name, now):
                self._summed_up.add(week.name)
                continue
            contents = contents_of(self.config, self.journal, self.owner, week, now)
            if contents.empty and self.config.digest.empty == "skip":
                self.journal.weeks.settle(week.name, State.CLOSED, "nothing happened")
            elif not self._post_digest(week, contents, now):
                return  # the mail server takes nothing now

    def _post_digest(self, week: Week, contents: Contents, now: datetime) -> bool:
        """Send a summary; False when it surely did not go out and its week is free again."""
        to, message = written(self.config, contents, week, self.owner, name=week.name, now=now)
        try:
            self._post(message, recipient=to, before_dot=lambda: self.journal.weeks.settle(week.name, State.DOT))
        except SendFailed as exc:
            self.journal.weeks.give_back(week.name)
            self._summary.refused(now)
            told = LogEvent.SUMMARY.of(week=week.name)
            log.warning("%s summary of %s not sent yet: %s", self.name, week.name, exc, extra=told)
            return False
        except SendUncertain as exc:
            self.journal.weeks.settle(week.name, State.UNCERTAIN, str(exc))
            log.warning("%s summary of %s: %s", self.name, week.name, exc, extra=LogEvent.SUMMARY.of(week=week.name))
        else:
            self.journal.weeks.settle(week.name, State.SENT)
            self._summary.taken()
            log.info("%s summary of %s sent", self.name, week.name, extra=LogEvent.SUMMARY.of(week=week.name))
        return True

    # Being blind

    def _alarm(self) -> None:
        """Tell the owner of a blindness that has lasted for a day."""
        if not self._login.lasts(self.clock()):
            Alarm(self.config, self.owner, self.journal, self.clock).raise_if_blind(self._post)

    def _unseen(self, exc: MailboxFailed) -> None:
        """Remember since when the mailbox cannot be looked at; what is over within the hour is not worth a note."""
        now = self.clock()
        self._unseen_since = self._unseen_since or now
        if now - self._unseen_since >= _WORTH_A_NOTE:
            lose(self.journal, Sense.MAILBOX, str(exc), self._unseen_since)
            self._unseen_noted = True

    def _seen_again(self) -> None:
        if self._unseen_noted:
            regain(self.journal, Sense.MAILBOX)
        self._unseen_since, self._unseen_noted = None, False

    # Listening

    def _listen(self, session: Session, looked: datetime, others: dict[str, tuple[int, int]]) -> float:
        """Go idle in the inbox where the server can; the seconds until the next round at the latest.

        `looked` is when it was last looked what is due, `others` what was found of our folders in this round.
        """
        self._due = _ALWAYS
        cursors = self.journal.cursors()
        read = {folder: cursors.get(folder, (0, 0)) for folder in (*others, self._inbox)}
        self._seen = Folders(_as_left(others, read), session.look_again(self._inbox))
        if self._seen.inbox.uidnext - 1 > read[self._inbox][1]:
            return 0.0  # something came in since it was searched
        if self._idle(session):
            return 0.0  # it was said before we listened, and the socket will not tell again
        undecided = any(read[folder][1] < uidnext - 1 for folder, (_, uidnext) in self._seen.others.items())
        self._due = self._next_due(looked, undecided=undecided)
        return self._seconds()

    def _folders(self, session: Session) -> Folders:
        ours = self.filing.folders.values() if self.filing.touches else ()
        return Folders(session.statuses(ours), session.select(self._inbox))

    def _idle(self, session: Session) -> bool:
        """Listen in the selected folder; whether the server has told of a mail already."""
        self._idling = session.idle_start()
        self._look_at = self.clock() + min(self.config.imap.poll if self.config.imap else _IDLE, _IDLE)
        return self._idling and session.idle_check()

    def _next_due(self, looked: datetime, *, undecided: bool = False) -> datetime:
        """When there is something to do by the clock, should nothing happen.

        `undecided`: there are mails in our folders past which nobody has looked yet.
        """
        now = self.clock()
        moments = [self.records.due, rhythm_of(self.config).running(now).end]
        moments += [
            patience.until for patience in (self._login, self._summary) if patience.until and patience.lasts(now)
        ]
        again, wake = self.journal.outlook(looked)
        # A name server, the mail server or a mail program may see to these soon; in its own time, the owner to those.
        if again:
            moments.append(now + _SOON)
        if undecided:
            moments.append(self._look_at)
        if wake:
            moments.append(max(wake, now + timedelta(seconds=1)))
        return min(moments)

    def _seconds(self) -> float:
        left = min(self._due, self._look_at) - self.clock()
        return min(max(left, timedelta(0)), _IDLE).total_seconds()

    def _listened_on(self) -> float | None:
        """The seconds to listen on when nothing happened since the last round; None when there is something to do."""
        if not self._sound or self.due or self.config.imap is None:
            return None
        if self.session and self._idling:
            if self.session.idle_check():
                return None
            if self.clock() < self._look_at:
                return self._seconds()
        if self._written_elsewhere:
            return None
        session = self._connected()
        if self._folders(session) != self._seen or self._idle(session):
            return None
        return self._seconds()

    @property
    def _written_elsewhere(self) -> bool:
        """Whether somebody else may have written to the journal, who cannot ring the bell of this host."""
        # What the last round wrote looks the same: it costs one round more.
        return bool(self.config.journal.url) and self.journal.mark(PAUSED) != self._mark


def _as_left(found: dict[str, tuple[int, int]], read: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Our folders as they must be by now if nobody else put anything there: with what we did since they were looked at.

    Where the server did not tell under which numbers we put mails there, the next look finds them.
    """
    left = {}
    for folder, (uidvalidity, uidnext) in found.items():
        known, last = read[folder]
        left[folder] = uidvalidity, max(uidnext, last + 1) if uidvalidity == known else uidnext
    return left
