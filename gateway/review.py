"""The owner's word over the policy's: the list of cases, one case in full, approve, decline, retry, the summary."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway.config import Config
from gateway.digest import Rhythm, Summary, Week, as_mail, compose, gather, summarise
from gateway.digest.words import words
from gateway.errors import Ambiguous, SendUncertain, Unreadable
from gateway.explain import account
from gateway.journal import Answer, Journal
from gateway.journal.entries import ON_THE_WIRE
from gateway.journal.index import PeopleIndex
from gateway.letter import letter_id
from gateway.mail import parse
from gateway.model import Case, Channel, Decision, Entry, Mailbox, State, Verdict
from gateway.pipeline import PAUSED, JournalFiles, Owner, judge, rule_on

OWNER_RULE = "owner"
_FAILED = (State.REFUSED, State.UNCERTAIN)


def approve(_config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Take back a waiting answer; accepting itself is a click of the owner's in the network."""
    accept(journal, case, "approved by the owner", now)
    sent = [entry for entry in journal.of_case(case) if entry.state in ON_THE_WIRE]
    link = f" Accept here: {case.inviter.profile_url}" if case.inviter.profile_url else ""
    if sent:
        return f"{case.name} is noted as accepted, but an answer went out on {sent[0].claimed:%Y-%m-%d}.{link}"
    return f"{case.name} is noted as accepted; nothing will be sent.{link}"


def accept(journal: Journal, case: Case, why: str, now: datetime) -> None:
    """Record that the owner will accept; an answer that waits is taken back."""
    journal.overrule(case, Verdict.ACCEPT, why, now)


def reopen(journal: Journal, case: Case, why: str, now: datetime) -> None:
    """Record that the owner has not decided after all; an answer that waits is taken back."""
    journal.overrule(case, Verdict.HUMAN, why, now)


def decline(config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Give the answer that the policy gives to a decline, through the same hold, budgets and claims as any other."""
    from gateway.owner import for_service

    return turn_down(for_service(config, journal), journal, case, "declined by the owner", now)


def turn_down(owner: Owner, journal: Journal, case: Case, why: str, now: datetime) -> str:
    """Record that the owner declines, and set the policy's answer on its way; what became of it, in a sentence.

    DnsAway when the answer cannot be told yet; nothing is recorded then.
    """
    entries = journal.of_case(case)
    answered = any(entry.state in ON_THE_WIRE for entry in entries)
    entry = next((entry for entry in entries if entry.raw), None)
    answer = _answer(owner, journal, entry, now) if entry and not answered else None
    took = journal.overrule(case, Verdict.DECLINE, why, now, answer=answer)
    if answered:
        return f"{case.name} was answered already; nothing more is sent."
    if entry is None:
        return f"{case.name} is declined quietly: the mail itself is no longer kept."
    if not took:
        return f"{case.name} was answered meanwhile; nothing more is sent."
    return f"{case.name} is declined; {_outcome(answer, owner.mode)}"


def turn_down_quietly(journal: Journal, case: Case, why: str, now: datetime) -> None:
    """Record that the owner declines and gives no answer."""
    journal.overrule(case, Verdict.DECLINE, why, now)


def _answer(owner: Owner, journal: Journal, entry: Entry, now: datetime) -> Answer | None:
    """The answer that the policy gives to a decline; None where it gives none, or the mail cannot be read any more."""
    try:
        judged = judge(parse(entry.raw or b""), owner, JournalFiles(journal))
    except (Unreadable, Ambiguous):
        return None
    decision = Decision(Verdict.DECLINE, OWNER_RULE, ("you declined it",), owner.policy.decline_template)
    reply = owner.render(decision, judged.findings) if judged.findings else None
    if reply is None:
        return None
    judged = replace(judged, decision=decision, reply=reply)
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
        return "no mail reaches the inviter." + (
            f" To paste into the network:\n\n{reply['short']}" if reply["short"] else ""
        )
    if mode == "draft":
        return f"the answer to {reply['to']} is laid among your drafts."
    return f"{mode} mode sends nothing. The answer would be:\n\n{reply['body']}"


def retry(_config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Make an answer due again that did not get through, as far as the owner knows."""
    failed = [e for e in journal.of_case(case) if e.state in _FAILED]
    if not failed:
        return f"{case.name} has no answer that was refused or is uncertain."
    if not journal.settle(failed[-1], State.DUE, now, why="sent again at the owner's word", only_from=_FAILED):
        return f"{case.name} is being sent again already."
    return f"{case.name}: the answer goes out again with the next round."


def waits(entry: Entry, verdict: str) -> bool:
    """Whether a mail, in a case of this verdict, needs something from the owner."""
    if entry.state in (State.UNREADABLE, State.UNCERTAIN, State.REFUSED):
        return True
    pastes = entry.reply is not None and entry.reply.channel is Channel.PASTE
    new = not entry.why.startswith("continues ")
    return new and (verdict in (Verdict.ACCEPT, Verdict.HUMAN) or pastes)


def summary(config: Config, journal: Journal, week: str | None, now: datetime) -> Summary:
    """A week's summary; ValueError when there is no such week."""
    rhythm = _rhythm(config)
    index, paused = PeopleIndex(journal.store, journal.owner), journal.fact(PAUSED) is not None
    facts = gather(journal, index, _week(rhythm, week, now), rhythm, paused=paused, now=now)
    return summarise(compose(facts, words(config.me.language), {}))


def _rhythm(config: Config) -> Rhythm:
    return Rhythm.of(config.digest.day, config.digest.time, config.me.zone)


def _week(rhythm: Rhythm, name: str | None, now: datetime) -> Week:
    return rhythm.named(name) if name else rhythm.running(now)


def send_summary(config: Config, summary: Summary, week: str | None, now: datetime) -> str:
    """Send a summary to the owner, beside the one that comes by itself."""
    from gateway.owner import post_of

    owner = Mailbox(config.me.name, config.me.addresses[0])
    to = config.digest.to or owner.address
    span = _week(_rhythm(config), week, now)
    message_id = letter_id(now.isoformat().encode(), f"digest {span.name}", owner.domain)
    message = as_mail(summary, owner=owner, to=to, week=span, message_id=message_id, now=now)
    try:
        post_of(config)(message, recipient=to, before_dot=lambda: None)
    except SendUncertain as exc:
        return f"The summary may have reached {to}: {exc}"
    return f"The summary of {span.name} is on its way to {to}."


def listed(journal: Journal, *, everything: bool) -> list[tuple[Case, Entry]]:
    """Cases with the entry that opened them, the one that changed last first; only what waits, unless all are asked."""
    found = []
    for case in journal.cases():
        entry = next(iter(journal.of_case(case)), None)
        if entry and (everything or waits(entry, case.verdict)):
            found.append((case, entry))
    return found
