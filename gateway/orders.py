"""Commands that came by mail: proved to be the owner's, carried out once, and confirmed in one short mail.

Two things are asked of each. That it is from the owner: their own mail server says so, or a copy of it lies in their
Sent folder, where nobody else can put one. And that it has leave: the token of a link, or the Message-ID of a summary.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.commands import LASTS, NOT_OBEYED, Leave, Order, leave_by_summary, leave_by_token, read
from gateway.commands.verbs import Command
from gateway.config import Config
from gateway.deeds import Deed, deed
from gateway.errors import Ambiguous, BadTemplate, DnsAway, MailboxFailed, SendFailed, SendUncertain, Unreadable
from gateway.events import LogEvent
from gateway.filing import KEYWORD
from gateway.imap import Session
from gateway.journal import Journal
from gateway.letter import confirmation, letter_id, summary_id
from gateway.mail import LARGEST, parse
from gateway.model import Authentic, Entry, Mail, State
from gateway.pipeline import GIVE_UP, Owner, Post

log = logging.getLogger(__name__)

SENT_BY_HAND = "summary-by-hand"  # the journal's fact when the owner last had a summary sent
PATIENCE = timedelta(minutes=15)  # for a mail program that puts its copy into Sent after it has sent
MOST_WRONG = 5  # tokens within an hour, after which no command by mail is obeyed
_HOUR = timedelta(hours=1)
_UNPROVED = f"{NOT_OBEYED}nothing proves that it is from you"
_WRONG = f"{NOT_OBEYED}it has no token of mine for that"
_LOCKED = f"{NOT_OBEYED}too many wrong tokens came within an hour"
_SPENT = f"{NOT_OBEYED}what it asks was asked before"
_NOTHING = "no line in it was a command"
_AGAIN = "was asked before in answer to this summary, and is not done again."
_LATE = f"came too late: links and summaries take commands for {LASTS.days} days"


@dataclass(frozen=True, slots=True)
class Orders:
    """An owner's commands by mail, from the mailbox to the confirmation."""

    config: Config
    owner: Owner
    journal: Journal
    post: Post
    clock: Callable[[], datetime]

    def obey(self, session: Session | None) -> bool:
        """Carry out what was asked by mail, and tell whether anything was.

        A mail of which it cannot be told yet whose it is waits.
        """
        asked = self.journal.entries(State.ASKED)
        for entry in asked:
            try:
                self._obey(session, entry)
            except DnsAway as exc:
                log.warning(
                    "%s not obeyed yet: %s", entry.key[:8], exc, extra=LogEvent.POSTPONED.of(entry=entry.key[:8])
                )
        return bool(asked)

    def _obey(self, session: Session | None, entry: Entry) -> None:
        now, mail = self.clock(), parse(self.journal.raw(entry) or b"")
        order = read(mail, self.owner.policy.addresses)
        if order is None:
            self._put_aside(entry, f"{NOT_OBEYED}it is no command", now)
            return
        leave = self._leave(order)
        # Without leave nothing is looked for: strangers' mails would have Sent searched by the hundred.
        witness = session if leave else None
        proved = _vouched_for(entry) or (witness is not None and self._lies_in_sent(witness, mail, order))
        if leave and not proved and now - entry.taken_in < PATIENCE:
            return
        if mail.defects:
            self._put_aside(entry, f"{NOT_OBEYED}it is malformed: {', '.join(mail.defects)}", now)
        elif not proved:
            self._put_aside(entry, _UNPROVED, now)
        elif self.journal.orders.refused(_WRONG, now - _HOUR) >= MOST_WRONG:
            self._put_aside(entry, _LOCKED, now)
        elif leave is None:
            self._put_aside(entry, _WRONG, now)
        elif leave.expires < now:
            said = f"Not done: {_what(order.commands)}\n\nYour mail {_LATE}."
            self._put_aside(entry, _LATE, now, said=said)
        else:
            self._carry_out(entry, order, leave, now)
            if session:
                self._mark(session, entry)

    def _lies_in_sent(self, session: Session, mail: Mail, order: Order) -> bool:
        """Whether the owner's Sent folder has a mail of this Message-ID that asks for the same."""
        try:
            folder = session.special("\\Sent", self.config.folders.sent)
            if mail.message_id is None or folder == self.config.folders.inbox:
                return False
            copies = session.fetch(session.find_message_id(folder, mail.message_id), largest=LARGEST)
            return any(self._order_in(copy.raw) == order for copy in copies)
        except MailboxFailed as exc:
            if exc.permanent:
                return False  # there is no such folder
            raise

    def _order_in(self, raw: bytes) -> Order | None:
        try:
            return read(parse(raw), self.owner.policy.addresses)
        except Unreadable:
            return None

    # Leave

    def _leave(self, order: Order) -> Leave | None:
        """What the token of a link, or the summary that is answered, gives leave to; None without either."""
        if order.token:
            return leave_by_token(order.commands[0], order.token, self.owner.secret, self.owner.sender.address)
        for name, sent in self._summaries():
            summary = summary_id(self.owner.secret, name, self.owner.sender.domain)
            if any(hmac.compare_digest(summary, answered) for answered in order.answers):
                return leave_by_summary(order.commands, name, sent)
        return None

    def _summaries(self) -> Iterator[tuple[str, datetime]]:
        """What the summaries' Message-IDs are made of, and since when they may be with the owner."""
        yield from self.journal.weeks.sent()
        if by_hand := self.journal.fact(SENT_BY_HAND):
            yield by_hand, datetime.fromisoformat(by_hand)

    # Deeds

    def _carry_out(self, entry: Entry, order: Order, leave: Leave, now: datetime) -> None:
        """Spend the leave, do what was asked, close the mail and note what to say: all of it, or nothing."""
        ready = [(command, nonce, self._ready(command, now)) for command, nonce in leave.nonces]
        with self.journal.together() as one:
            said = {command: do(one) for command, nonce, do in ready if one.orders.spend(nonce, now)}
            why = f"obeyed: {', '.join(map(str, said))}" if said else _SPENT if order.commands else _NOTHING
            took = one.settle(entry, State.CLOSED, now, why=why, only_from=(State.ASKED,))
            if took and (said or order.odd):
                one.orders.confirm(entry, _told(order, said, now), now)
        log.info("%s command %s", entry.key[:8], why, extra=LogEvent.COMMAND.of(entry=entry.key[:8]))

    def _ready(self, command: Command, now: datetime) -> Deed:
        case = self.journal.case(command.case)
        if case is None:
            return lambda _: f"there is no case {command.case}."
        try:
            return deed(command.verb, lambda: self.owner, self.journal, case, now)
        except (BadTemplate, Unreadable, Ambiguous) as exc:
            why = f"not done: {exc}"
            return lambda _: why

    def _put_aside(self, entry: Entry, why: str, now: datetime, *, said: str | None = None) -> None:
        """Close a mail that is not obeyed; only who is proved to be the owner is told by mail."""
        with self.journal.together() as one:
            if one.settle(entry, State.CLOSED, now, why=why, only_from=(State.ASKED,)) and said:
                one.orders.confirm(entry, said, now)
        log.warning("%s command %s", entry.key[:8], why, extra=LogEvent.COMMAND.of(entry=entry.key[:8]))

    def _mark(self, session: Session, entry: Entry) -> None:
        """Mark the mail, which stays where it is."""
        selected = session.stay_in(self.config.folders.inbox)
        if entry.place and entry.place.uidvalidity == selected.uidvalidity and self.config.delivery.mode != "observe":
            session.add_keyword([entry.place.uid], KEYWORD)

    # Confirming

    def confirm(self) -> None:
        """Tell the owner, and nobody else, what became of their commands; each mail of it goes out at most once."""
        if self.config.smtp is None:
            return
        for entry_id, text, since in self.journal.orders.unconfirmed():
            if self.journal.orders.claim(entry_id):
                self._confirm(self.journal.entry(entry_id), text, since)

    def _confirm(self, entry: Entry, text: str, since: datetime) -> None:
        orders, owner = self.journal.orders, self.owner.sender
        to = self.config.digest.to or owner.address
        message = confirmation(
            text,
            owner=owner,
            to=to,
            message_id=letter_id(self.owner.secret, f"confirmation {entry.key}", owner.domain),
            answers=entry.message_id,
            now=self.clock(),
        )
        try:
            self.post(message, recipient=to, before_dot=lambda: orders.settle(entry.id, State.DOT))
        except SendFailed as exc:
            lost = exc.of_this_mail or self.clock() - since > GIVE_UP
            orders.settle(entry.id, State.REFUSED if lost else State.DUE)
            log.warning("%s confirmation not sent: %s", entry.key[:8], exc, extra=LogEvent.SUMMARY.of())
        except SendUncertain as exc:
            orders.settle(entry.id, State.UNCERTAIN)
            log.warning("%s confirmation: %s", entry.key[:8], exc, extra=LogEvent.SUMMARY.of())
        else:
            orders.settle(entry.id, State.SENT)


def _vouched_for(entry: Entry) -> bool:
    """Whether the mail was found to be genuine when it was judged."""
    return (entry.judgement or {}).get("authentic") == Authentic.PASS


def _what(commands: tuple[Command, ...]) -> str:
    """Commands in a few words."""
    return str(commands[0]) if len(commands) == 1 else f"{len(commands)} commands"


def _told(order: Order, said: dict[Command, str], now: datetime) -> str:
    """What to say to the owner; its first line is the subject."""
    lines = [f"{command}: {said.get(command, _AGAIN)}" for command in order.commands]
    if order.odd:
        lines.append(f"Not understood, and nothing below it was read: {order.odd}")
    done = f"Done: {_what(tuple(said))}" if said else "Not done: nothing in your mail was a new command"
    asked = (
        f"You asked for this by mail ({now:%Y-%m-%d %H:%M} UTC). If it was not you, `rsvpd pause` stops all sending."
    )
    return "\n\n".join((done, *lines, asked))
