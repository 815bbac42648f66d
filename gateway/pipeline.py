"""READ THIS FIRST: the way of a mail.

judge() is the whole decision and writes nothing; `explain` and `replay` run it too. process() writes the
judgement and what follows from it into the journal, deliver() takes an answer to the wire at most once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from gateway import commands
from gateway.blindness import Sense, lose, regain
from gateway.bounces import bounced_letters
from gateway.cases import INVITES
from gateway.conversation import hear, hear_of_acceptance
from gateway.errors import Ambiguous, BadLetter, DnsAway, JournalFailed, SendFailed, SendUncertain, Unreadable
from gateway.events import LogEvent
from gateway.explain import account
from gateway.letter import compose, letter_id
from gateway.mail import parse
from gateway.model import (
    CONTINUES,
    Authentic,
    Channel,
    Decision,
    Dossier,
    Entry,
    Findings,
    Judgement,
    Kind,
    Known,
    Limits,
    Mail,
    Mailbox,
    Note,
    NoteKind,
    Notification,
    Person,
    Place,
    Provenance,
    Reply,
    Ruling,
    Standing,
    State,
    Verdict,
)
from gateway.networks import recognise, unlike_an_invitation
from gateway.policy import Policy, decide

if TYPE_CHECKING:  # `explain` judges without the weight of a database
    from gateway.journal import Journal
    from gateway.journal.docket import Docket

log = logging.getLogger(__name__)

PAUSED = "paused"  # the journal's fact that stops all sending
FAULTY = "faulty-settings"  # the journal's fact of why changed settings are not in force
BREAKER = 3  # bounces a day after which nothing is sent until the owner says so
_AT_ONCE = 20  # mails judged in one transaction
MOST_TRIES = 2  # readings of a mail that ended the process before it is set aside
FRESH = timedelta(days=7)  # an older invitation is never answered unasked
# Why an answer does not go out by itself; by these words it is known again.
DRAFTED = "draft mode: nothing is sent"
OBSERVED = "observe mode: nothing is sent"
TOO_OLD = f"the invitation is older than {FRESH.days} days: it is answered only if you say so"
GIVE_UP = timedelta(days=4)  # on a mail server that keeps saying "later"
_FIRST_RETRY = timedelta(minutes=5)
_LONGEST_RETRY = timedelta(hours=4)


class Files(Protocol):
    """Where cases are looked up: the journal, or the cases of one reading."""

    def name(self, notification: Notification) -> str: ...
    def earlier(self, notification: Notification) -> int: ...


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner's settings made ready for use; judge() needs the upper half, delivery all of it."""

    policy: Policy
    authenticate: Callable[[Mail], Provenance]
    read: Callable[[Notification], Note]
    look_up: Callable[[Person, Note], Dossier]
    render: Callable[[Decision, Findings], Reply | None]
    check_templates: Callable[[], None]  # BadTemplate when one that the policy uses cannot be rendered
    sender: Mailbox
    mode: str
    hold: timedelta
    limits: Limits
    secret: bytes
    policy_fingerprint: str


def bound_by(owner: Owner, standing: tuple[Standing, ...]) -> Owner:
    """The owner with these standing words in the policy."""
    policy = replace(owner.policy, standing=standing)
    return replace(owner, policy=policy, policy_fingerprint=policy.fingerprint)


def judge(mail: Mail, owner: Owner, files: Files, *, words: str | None = None) -> Judgement:
    """The decision on a mail and all that led to it; Unreadable, Ambiguous or DnsAway when there can be none.

    `words` are what the inviter wrote later, in place of the note.
    """
    found = look_into(mail, owner, words=words)
    return found if isinstance(found, Judgement) else judge_findings(found, owner, files)


def look_into(mail: Mail, owner: Owner, *, words: str | None = None) -> Findings | Judgement:
    """What a mail says, whatever other mails there are; of no notification, the judgement, which is always the same."""
    notification = recognise(mail)
    if notification is None:
        decision = _COMMANDED if commands.read(mail, owner.policy.addresses) else _NO_NOTIFICATION
        return Judgement(case="", decision=decision, provenance=owner.authenticate(mail))
    invites = notification.kind in INVITES
    note = owner.read(notification if words is None else replace(notification, note=words))
    return Findings(
        notification=notification,
        provenance=owner.authenticate(mail),
        note=note if invites else Note(NoteKind.DEFAULT, None, language=note.language),
        dossier=owner.look_up(notification.inviter or Person(), note) if invites else _NOBODY,
        malformed=(*mail.defects, *unlike_an_invitation(mail)),
    )


def judge_findings(findings: Findings, owner: Owner, files: Files) -> Judgement:
    """The decision on what a mail was found to say, by the owner's policy."""
    notification = findings.notification
    invites = notification.kind in INVITES
    findings = replace(findings, earlier=files.earlier(notification) if invites else 0)
    decision = decide(findings, owner.policy)
    return Judgement(
        case=files.name(notification) if invites else "",
        decision=decision,
        findings=findings,
        reply=owner.render(decision, findings),
    )


_NOBODY = Dossier(Known.NO, "not an invitation")
_NO_NOTIFICATION = Decision(Verdict.IGNORE, "not-an-invitation", ("it is not a notification of a network I know",))
_COMMANDED = Decision(Verdict.IGNORE, "command", ("it is a command to rsvpd, obeyed if it is proved to be yours",))


def mail_key(mail: bytes) -> str:
    """What a mail is the same by, whichever server handed it to us: its Message-ID and its body."""
    lines = mail.replace(b"\r", b"")  # ten times as fast as to replace the line ends
    end = lines.find(b"\n\n") if b"\n\n" in lines else len(lines)
    message_ids = [line for line in lines[:end].split(b"\n") if line.lower().startswith(b"message-id:")]
    key = hashlib.sha256(b"\n".join((*message_ids, b"", b"")))
    key.update(memoryview(lines.rstrip())[end + 2 :])  # a mail is large, and each part of it a copy
    return key.hexdigest()


def take_in(raw: bytes, place: Place | None, journal: Journal, now: datetime) -> bool:
    """Store a mail as it came; False when it is here already. After this it cannot be lost."""
    return bool(take_in_all([(raw, place)], journal, now))


def take_in_all(mails: Iterable[tuple[bytes, Place | None]], journal: Journal, now: datetime) -> frozenset[str]:
    """Store mails as they came, all at once; the keys of those that were not here already."""
    return journal.take_in_all({mail_key(raw): (raw, place) for raw, place in mails}, now)


def process(batch: Sequence[Entry], owner: Owner, journal: Journal, now: datetime) -> None:
    """Judge mails that were taken in, and write down what follows for all of them at once.

    What depends on a name server that does not answer is left for later.
    """
    seen = list(_read_all(_begin(batch, journal, now), owner, journal, now))
    with journal.together() as together:
        unjudged = together.unjudged([one.entry for one in seen])
        told = list(_conclude_all([one for one in seen if one.entry.id in unjudged], owner, together, now))
        if any(isinstance(one.found, Findings) and one.found.provenance.authentic is Authentic.PASS for one in seen):
            regain(together, Sense.LAYOUT)
    for line in told:
        log.info("%s %s -> %s", line["entry"], line["network"], line["verdict"], extra=LogEvent.JUDGED.of(**line))


def postponed(entry: Entry, exc: DnsAway) -> None:
    """Tell of a mail that cannot be judged now."""
    log.warning("%s not judged yet: %s", entry.key[:8], exc, extra=LogEvent.POSTPONED.of(entry=entry.key[:8]))


def portions(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Mails to be judged at once: some at a time, and by itself one whose reading ended the program, perhaps."""
    untried = [entry for entry in entries if not entry.tries]
    yield from (untried[start : start + _AT_ONCE] for start in range(0, len(untried), _AT_ONCE))
    yield from ([entry] for entry in entries if entry.tries)


@dataclass(frozen=True, slots=True)
class _Read:
    """A mail that was read, and what it says by itself."""

    entry: Entry
    mail: Mail
    found: Findings | Judgement

    @property
    def invited(self) -> Notification | None:
        """The invitation or reminder, if it is one."""
        notification = self.found.notification if isinstance(self.found, Findings) else None
        return notification if notification and notification.kind in INVITES else None

    @property
    def may_tell_of_others(self) -> bool:
        """Whether it may say what became of another mail or of an answer of ours: it bounced, or somebody answered."""
        return not isinstance(self.found, Findings) or self.found.notification.kind is Kind.ACCEPTED


def _begin(batch: Sequence[Entry], journal: Journal, now: datetime) -> list[Entry]:
    """Count the try on disk before the mails are read; those that may be."""
    journal.begin_reading(batch)
    for entry in batch:
        if entry.tries >= MOST_TRIES:
            journal.set_aside(entry, f"reading it ended the program {MOST_TRIES} times", now)
    return [entry for entry in batch if entry.tries < MOST_TRIES]


def _read_all(batch: Sequence[Entry], owner: Owner, journal: Journal, now: datetime) -> Iterator[_Read]:
    """Those mails that can be read; the others are set aside, or left for later."""
    raws = journal.raws(batch)
    for entry in batch:
        try:
            with _setting_aside(entry, journal, now):
                yield _read(entry, raws.pop(entry.id) or b"", owner, journal, now)
        except DnsAway as exc:
            journal.forgive_reading(entry)
            postponed(entry, exc)


def _read(entry: Entry, raw: bytes, owner: Owner, journal: Journal, now: datetime) -> _Read:
    mail = parse(raw)
    try:
        return _Read(entry, mail, look_into(mail, owner))
    except Unreadable as exc:
        if exc.network:
            _lose_sight(mail, f"{exc.network}: {exc}", owner, journal, now)
        raise


def _conclude_all(seen: Sequence[_Read], owner: Owner, journal: Journal, now: datetime) -> Iterator[dict[str, object]]:
    """Write down what follows from mails that were read; what the log is to tell of each that was not set aside."""
    docket = journal.docket()
    docket.call(one.invited for one in seen if one.invited)
    for one in seen:
        if one.may_tell_of_others:
            docket.write(now)  # what it tells of is looked for in the journal
        try:
            with _setting_aside(one.entry, journal, now):
                yield _conclude(one, owner, journal, docket, now)
        except DnsAway as exc:
            journal.forgive_reading(one.entry)
            postponed(one.entry, exc)
        if one.may_tell_of_others:
            docket.write(now)
    docket.write(now)


def _conclude(read: _Read, owner: Owner, journal: Journal, docket: Docket, now: datetime) -> dict[str, object]:
    entry, mail, found = read.entry, read.mail, read.found
    _hear_of_bounces(mail, journal, now)
    judgement = found if isinstance(found, Judgement) else judge_findings(found, owner, docket)
    heard = _hear(mail, entry, judgement, owner, journal, now)
    continues = docket.continued(judgement.findings.notification) if judgement.case and judgement.findings else None
    ruling = rule_on(judgement, continues, mail.date, owner, now)
    ruling = replace(
        ruling,
        why=heard or ruling.why,
        answers=mail.message_id,
        policy=owner.policy_fingerprint,
        letter_id=letter_id(owner.secret, entry.key, owner.sender.domain),
    )
    case = docket.judged(entry, judgement, account(judgement, None), ruling, now)
    decision, network = judgement.decision, judgement.findings.notification.network if judgement.findings else "-"
    return {
        "entry": entry.key[:8],
        "case": case,
        "network": network,
        "verdict": decision.verdict,
        "rule": decision.rule,
        "state": ruling.state,
    }


@contextmanager
def _setting_aside(entry: Entry, journal: Journal, now: datetime) -> Iterator[None]:
    """Keep a mail for the owner to see that we cannot read or cope with: it must not stop the others."""
    try:
        yield
    except (DnsAway, JournalFailed):
        raise
    except (Unreadable, Ambiguous) as exc:
        log.warning("%s unreadable: %s", entry.key[:8], exc, extra=LogEvent.UNREADABLE.of(entry=entry.key[:8]))
        journal.set_aside(entry, str(exc), now)
    except Exception as exc:
        told = LogEvent.FAULT.of(entry=entry.key[:8])
        log.exception("%s set aside: a fault of rsvpd's own", entry.key[:8], extra=told)
        journal.set_aside(entry, f"a fault of rsvpd's own ({type(exc).__name__}); the log has the details", now)


def _hear_of_bounces(mail: Mail, journal: Journal, now: datetime) -> None:
    """An answer that came back blocks its address; several in a day stop all sending."""
    for message_id in bounced_letters(mail):
        came_back = journal.bounced(message_id, now)
        if came_back is None:
            continue
        told = LogEvent.BOUNCED.of(entry=came_back.key[:8], case=came_back.case)
        log.warning("%s came back", came_back.key[:8], extra=told)
        if journal.bounces_since(now - timedelta(days=1)) >= BREAKER and not journal.fact(PAUSED):
            journal.set_fact(PAUSED, f"{now.isoformat()} {BREAKER} answers came back within a day")
            log.error("sending is paused: %d answers came back within a day", BREAKER, extra=LogEvent.PAUSED.of())


def _hear(mail: Mail, entry: Entry, judgement: Judgement, owner: Owner, journal: Journal, now: datetime) -> str:
    """What a mail tells about letters that went out, written into their cases; in a word what it is."""
    hear_of_acceptance(judgement, entry, journal, now)
    if judgement.findings or bounced_letters(mail):
        return ""

    def again(words: str, letter: Entry) -> Decision | None:
        raw = journal.raw(letter)
        return judge(parse(raw), owner, journal.docket(), words=words).decision if raw is not None else None

    return hear(mail, entry, journal, again, own=owner.policy.addresses, now=now)


def _lose_sight(mail: Mail, why: str, owner: Owner, journal: Journal, now: datetime) -> None:
    """A genuine mail of a network cannot be read: perhaps none can any more. A forged one says nothing."""
    with suppress(DnsAway):
        if owner.authenticate(mail).authentic is Authentic.PASS:
            lose(journal, Sense.LAYOUT, why, now)


def judge_again(entry: Entry, owner: Owner, journal: Journal, now: datetime) -> None:
    """Judge a case that still waits by today's policy and records, and move it where the verdict is another."""
    before = entry.judgement
    mail = parse(journal.raw(entry) or b"")
    judgement = judge(mail, owner, journal.docket())
    told = account(judgement, None)
    if before is None or (before["verdict"], before["reply"]) == (told["verdict"], told["reply"]):
        return
    ruling = replace(rule_on(judgement, None, mail.date, owner, now), policy=owner.policy_fingerprint)
    verdict = judgement.decision.verdict
    why = f"{before['verdict']} -> {verdict} (rule {judgement.decision.rule})"
    if journal.judged_again(entry, verdict, told, ruling, why, now):
        log.info("%s moved: %s", entry.key[:8], why, extra=LogEvent.MOVED.of(entry=entry.key[:8], case=entry.case))


def rule_on(judgement: Judgement, continues: str | None, date: datetime | None, owner: Owner, now: datetime) -> Ruling:
    """What follows from a judgement on a mail of that date: an answer on its way, or none and the reason.

    `continues` is the case that was open before.
    """
    reply = judgement.reply
    if judgement.decision is _COMMANDED:
        return Ruling(State.ASKED)
    if continues is not None:
        return Ruling(State.CLOSED, f"{CONTINUES}{continues}: nothing new")
    if reply is None or judgement.decision.verdict is not Verdict.DECLINE:
        return Ruling(State.CLOSED)
    if reply.channel is Channel.PASTE or reply.to is None:
        return Ruling(State.CLOSED, "no mail reaches the inviter: the short text waits to be pasted")
    if owner.mode != "send":
        if owner.mode == "draft":
            return Ruling(State.CLOSED, DRAFTED, recipient=reply.to)
        return Ruling(State.CLOSED, OBSERVED)
    if date is None or now - date > FRESH:
        return Ruling(State.CLOSED, TOO_OLD)
    if owner.hold:
        return Ruling(State.HELD, not_before=now + owner.hold, recipient=reply.to)
    return Ruling(State.DUE, recipient=reply.to)


class Post(Protocol):
    """The way to the SMTP server; gateway.smtp in the service."""

    def __call__(self, message: bytes, *, recipient: str, before_dot: Callable[[], None]) -> str: ...


def deliver(entry: Entry, owner: Owner, journal: Journal, post: Post, clock: Callable[[], datetime]) -> State:
    """Send a due answer, at most once: claimed on disk before the server is asked, marked before the final dot."""
    reply = entry.reply
    if reply is None or reply.to is None or entry.letter_id is None:
        return _end(journal, entry, State.CLOSED, clock(), "there is nothing to send")
    when = clock()
    denied = journal.claim(entry, owner.limits, when)
    if denied:
        state = State.DUE if denied.until else State.CLOSED
        # An entry that is no longer due has an outcome already, the owner's or another sender's.
        journal.settle(entry, state, clock(), why=denied.why, not_before=denied.until, only_from=(State.DUE,))
        told = LogEvent.DELIVERY.of(entry=entry.key[:8], case=entry.case)
        log.info("%s not sent: %s", entry.key[:8], denied.why, extra=told)
        return state
    try:
        message = letter(entry, reply, owner, when)
        answer = post(message, recipient=reply.to, before_dot=lambda: journal.mark_dot(entry, clock()))
    except BadLetter as exc:
        return _end(journal, entry, State.REFUSED, clock(), f"not sent: {exc}")
    except SendFailed as exc:
        return _put_off(journal, entry, exc, clock())
    except SendUncertain as exc:
        return _end(journal, entry, State.UNCERTAIN, clock(), str(exc))
    return _end(journal, entry, State.SENT, clock(), answer)


def letter(entry: Entry, reply: Reply, owner: Owner, now: datetime, *, automatic: bool = True) -> bytes:
    """The bytes of an entry's answer."""
    return compose(
        reply,
        sender=owner.sender,
        message_id=entry.letter_id or letter_id(owner.secret, entry.key, owner.sender.domain),
        answers=entry.message_id,
        loop=hashlib.sha256(owner.secret).hexdigest()[:16],
        now=now,
        automatic=automatic,
    )


def _put_off(journal: Journal, entry: Entry, exc: SendFailed, now: datetime) -> State:
    if exc.of_this_mail:
        return _end(journal, entry, State.REFUSED, now, str(exc))
    if now - entry.taken_in > GIVE_UP:
        return _end(journal, entry, State.REFUSED, now, f"gave up after {GIVE_UP.days} days: {exc}")
    return _end(journal, entry, State.DUE, now, str(exc), not_before=now + retry_after(entry.sends))


def retry_after(refusals: int) -> timedelta:
    """How long to leave a mail server in peace that has refused so often before."""
    doubled: timedelta = _FIRST_RETRY * 2 ** min(refusals, 10)
    return min(_LONGEST_RETRY, doubled)


def _end(
    journal: Journal, entry: Entry, state: State, now: datetime, why: str, *, not_before: datetime | None = None
) -> State:
    journal.settle(entry, state, now, why=why, not_before=not_before)
    failed = state in (State.UNCERTAIN, State.REFUSED)
    told = (LogEvent.UNDELIVERED if failed else LogEvent.DELIVERY).of(entry=entry.key[:8], case=entry.case, state=state)
    log.log(
        logging.WARNING if failed else logging.INFO,
        "%s %s",
        entry.key[:8],
        f"{state}: {why}" if why else state,
        extra=told,
    )
    return state
