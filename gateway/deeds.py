"""What the owner's verbs do to a case: the same deeds whether they were typed at a terminal or came by mail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.cases import identify
from gateway.commands.verbs import Verb
from gateway.config import Config
from gateway.conversation import ASK_WHY
from gateway.errors import Ambiguous, Unreadable
from gateway.explain import account
from gateway.journal import Answer, Journal
from gateway.journal.entries import ON_THE_WIRE
from gateway.letter import letter_id
from gateway.mail import parse
from gateway.model import (
    OWNER_RULE,
    Case,
    Channel,
    Decision,
    Entry,
    Kind,
    Notification,
    Scope,
    Standing,
    State,
    Verdict,
)
from gateway.owner import for_service
from gateway.pipeline import Owner, judge, rule_on
from gateway.policy import concerns

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
            saying = _Saying("declined", "you declined it", ready.policy.decline_template, "declined by the owner")
            return _answering(ready, journal, case, now, saying)
        case Verb.ASK:
            done = "asked for a reason"
            return _answering(
                owner(), journal, case, now, _Saying(done, f"you {done}", ASK_WHY, f"{done} by the owner")
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
    why: str  # how the owner said so

    @property
    def decision(self) -> Decision:
        return Decision(Verdict.DECLINE, OWNER_RULE, (self.because,), self.template)


def turn_down(owner: Owner, journal: Journal, case: Case, why: str, now: datetime) -> str:
    """Record that the owner declines, and set the policy's answer on its way; what became of it, in a sentence.

    DnsAway when the answer cannot be told yet; nothing is recorded then.
    """
    saying = _Saying("declined", "you declined it", owner.policy.decline_template, why)
    return _answering(owner, journal, case, now, saying)(journal)


def _answering(owner: Owner, journal: Journal, case: Case, now: datetime, saying: _Saying) -> Deed:
    """The deed that declines a case and sets an answer on its way, if a mail reaches the inviter."""
    entries = journal.of_case(case)
    answered = any(entry.state in ON_THE_WIRE for entry in entries)
    entry = next((entry for entry in entries if journal.raw(entry)), None)
    answer = _answer(owner, journal, entry, now, saying) if entry and not answered else None

    def write(one: Journal) -> str:
        took = one.overrule(case, Verdict.DECLINE, saying.why, now, answer=answer)
        if answered:
            return f"{case.name} was answered already; nothing more is sent."
        if entry is None:
            return f"{case.name} is declined quietly: the mail itself is no longer kept."
        if not took:
            return f"{case.name} was answered meanwhile; nothing more is sent."
        return f"{case.name} is {saying.done}; {_outcome(answer, owner.mode)}"

    return write


def _answer(owner: Owner, journal: Journal, entry: Entry, now: datetime, saying: _Saying) -> Answer | None:
    """The answer to give; None where there is none, or the mail cannot be read any more."""
    try:
        judged = judge(parse(journal.raw(entry) or b""), owner, journal.docket())
    except (Unreadable, Ambiguous):
        return None
    reply = owner.render(saying.decision, judged.findings) if judged.findings else None
    if reply is None:
        return None
    judged = replace(judged, decision=saying.decision, reply=reply)
    # However old the invitation is, the owner's word is of today.
    ruling = rule_on(judged, None, now, owner, now)
    ruling = replace(ruling, letter_id=letter_id(owner.secret, entry.key, owner.sender.domain))
    return Answer(entry, account(judged, None), ruling)


def _outcome(answer: Answer | None, mode: str) -> str:
    if answer is None:
        return "there is no answer to give."
    reply = answer.account["reply"]
    if answer.ruling.state is not State.CLOSED:
        return f"the answer to {reply['to']} goes out after the hold."
    if reply["to"] is None or reply["channel"] == Channel.PASTE:
        text = f" To paste into the network:\n\n{reply['short']}" if reply["short"] else ""
        return f"no mail reaches the inviter.{text}"
    if mode == "draft":
        return f"the answer to {reply['to']} is laid among your drafts."
    return f"{mode} mode sends nothing. The answer would be:\n\n{reply['body']}"
