"""What the owner's verbs do to a case: the same deeds whether they were typed at a terminal or came by mail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.cases import identify
from gateway.commands.verbs import Verb
from gateway.config import Config
from gateway.explain import account
from gateway.journal import Journal, Ruling
from gateway.journal.entries import ON_THE_WIRE
from gateway.letter import letter_id
from gateway.mail import parse
from gateway.model import Case, Channel, Decision, Entry, Kind, Notification, Scope, Standing, State, Verdict
from gateway.owner import for_service
from gateway.pipeline import JournalFiles, Owner, judge
from gateway.policy import concerns

OWNER_RULE = "owner"
ASK_WHY = "ask-why"  # the reply that asks for a reason

Deed = Callable[[Journal], str]  # writes the owner's word down and tells what follows


def carry_out(verb: Verb, config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Do what a verb says of a case, in one transaction; what follows, for the owner to read."""
    do = deed(verb, lambda: for_service(config, journal), journal, case, now)
    with journal.together() as one:
        return do(one)


def deed(verb: Verb, owner: Callable[[], Owner], journal: Journal, case: Case, now: datetime) -> Deed:
    """What a verb does to a case, ready to be written: an answer is judged and rendered here, before."""
    match verb:
        case Verb.DECLINE:
            ready = owner()
            return _answering(
                ready, journal, case, now, _Saying("declined", "you declined it", ready.policy.decline_template)
            )
        case Verb.ASK:
            return _answering(
                owner(), journal, case, now, _Saying("asked for a reason", "you asked for a reason", ASK_WHY)
            )
        case Verb.ACCEPT:
            return lambda one: _accepted(one, case, now)
        case Verb.QUIETLY:
            return lambda one: _declined_quietly(one, case, now)
        case Verb.NEITHER:
            return lambda one: _neither(one, case, now)
    scope, always = _STANDING[verb]
    return lambda one: _for_ever(one, case, scope, now, always=always)


_STANDING = {
    Verb.ALWAYS_PERSON: (Scope.PERSON, True),
    Verb.NEVER_PERSON: (Scope.PERSON, False),
    Verb.ALWAYS_COMPANY: (Scope.COMPANY, True),
    Verb.NEVER_COMPANY: (Scope.COMPANY, False),
}


def _accepted(journal: Journal, case: Case, now: datetime) -> str:
    journal.overrule(case, Verdict.ACCEPT, "approved by the owner", now)
    link = f" Accept here: {case.inviter.profile_url}" if case.inviter.profile_url else ""
    return f"{case.name} is noted as accepted{_what_is_sent(journal, case)}.{link}"


def _what_is_sent(journal: Journal, case: Case) -> str:
    sent = next((entry for entry in journal.of_case(case) if entry.state in ON_THE_WIRE), None)
    return f", but an answer went out on {sent.claimed:%Y-%m-%d}" if sent else "; nothing will be sent"


def _declined_quietly(journal: Journal, case: Case, now: datetime) -> str:
    journal.overrule(case, Verdict.DECLINE, "declined quietly by the owner", now, quietly=True)
    return f"{case.name} is declined quietly{_what_is_sent(journal, case)}."


def _for_ever(journal: Journal, case: Case, scope: Scope, now: datetime, *, always: bool) -> str:
    """Decide the case, and let the word hold for all that comes; an earlier one about the same is replaced."""
    name, key = _known_by(case, scope)
    if key is None:
        return f"{case.name} does not tell the {scope}; nothing is noted."
    word = Standing(scope, always, name or key, key, now, case.name)
    _take_back(journal, case, (scope,), now)
    journal.standing.say(word, case)
    follows = _accepted(journal, case, now) if always else _declined_quietly(journal, case, now)
    return f"From now on {word.word}: {word.name}. {follows}"


def _known_by(case: Case, scope: Scope) -> tuple[str | None, str | None]:
    """Name and key of whom a standing word said in this case would speak of."""
    if scope is Scope.COMPANY:
        return case.inviter.company, case.inviter.company
    return case.inviter.name, identify(Notification(case.network, Kind.INVITATION, case.inviter)).person


def _neither(journal: Journal, case: Case, now: datetime) -> str:
    names = _take_back(journal, case, tuple(Scope), now)
    if not names:
        return f"{case.name}: no word of yours speaks of this person or company."
    return f"{case.name}: neither always nor never any more: {', '.join(names)}."


def _take_back(journal: Journal, case: Case, scopes: tuple[Scope, ...], now: datetime) -> list[str]:
    """End the standing words that speak of a case's inviter; whom they spoke of."""
    spoken = [
        word for word in journal.standing.all() if word.scope in scopes and concerns(word, case.network, case.inviter)
    ]
    for word in spoken:
        journal.standing.take_back(word, case, now)
    return [word.name for word in spoken]


@dataclass(frozen=True, slots=True)
class _Saying:
    """What the owner wants said to an inviter."""

    done: str  # "declined"
    because: str
    template: str | None

    @property
    def decision(self) -> Decision:
        return Decision(Verdict.DECLINE, OWNER_RULE, (self.because,), self.template)

    @property
    def why(self) -> str:
        return f"{self.done} by the owner"


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer made ready: what to tell the owner, and the ruling where it goes out by mail."""

    said: str
    account: dict[str, Any] = field(default_factory=dict)
    ruling: Ruling | None = None


def _answering(owner: Owner, journal: Journal, case: Case, now: datetime, saying: _Saying) -> Deed:
    """The deed that declines a case and sets an answer on its way, if a mail reaches the inviter."""
    entries = journal.of_case(case)
    if any(entry.state in ON_THE_WIRE for entry in entries):
        return lambda _: f"{case.name} was answered already; nothing more is sent."
    entry = next((entry for entry in entries if entry.raw), None)
    if entry is None:
        answer = _Answer(f"{case.name} is declined quietly: the mail itself is no longer kept.")
    else:
        answer = _made_ready(owner, journal, case, entry, now, saying)

    def write(one: Journal) -> str:
        one.overrule(case, Verdict.DECLINE, saying.why, now)
        if entry and answer.ruling and not one.answer(entry, answer.account, answer.ruling, now):
            return f"{case.name} was answered meanwhile; nothing more is sent."
        return answer.said

    return write


def _made_ready(owner: Owner, journal: Journal, case: Case, entry: Entry, now: datetime, saying: _Saying) -> _Answer:
    judged = judge(parse(entry.raw or b""), owner, JournalFiles(journal))
    reply = owner.render(saying.decision, judged.findings) if judged.findings else None
    done = f"{case.name} is {saying.done}"
    if reply is None or reply.to is None or reply.channel is Channel.PASTE:
        short = f" To paste into the network:\n\n{reply.short}" if reply and reply.short else ""
        return _Answer(f"{done}; no mail reaches the inviter.{short}")
    if owner.mode != "send":
        return _Answer(f"{done}; {owner.mode} mode sends nothing. The answer would be:\n\n{reply.body}")
    ruling = Ruling(
        State.HELD if owner.hold else State.DUE,
        why=saying.why,
        not_before=now + owner.hold if owner.hold else None,
        recipient=reply.to.lower(),
        letter_id=letter_id(owner.secret, entry.key, owner.sender.domain),
    )
    told = account(replace(judged, decision=saying.decision, reply=reply), None)
    return _Answer(f"{done}; the answer to {reply.to} goes out after the hold.", told, ruling)
