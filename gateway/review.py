"""The owner's word over the policy's: the list of cases, one case in full, approve, decline, retry, the summary."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway.commands import links_of
from gateway.commands.verbs import Verb
from gateway.config import Config
from gateway.deeds import carry_out
from gateway.digest import Facts, Rhythm, Summary, as_mail, compose, gather, summarise, texts_to_decline
from gateway.digest.items import Links
from gateway.digest.words import words
from gateway.errors import SendUncertain
from gateway.explain import findings_in
from gateway.journal import Journal
from gateway.journal.index import PeopleIndex
from gateway.letter import summary_id
from gateway.logins import troubles
from gateway.model import Case, Channel, Entry, Mailbox, State, Verdict
from gateway.orders import SENT_BY_HAND
from gateway.owner import for_service, post_of
from gateway.state import secret_of
from gateway.suggest import Decided

_FAILED = (State.REFUSED, State.UNCERTAIN)


def approve(config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Take back a waiting answer; accepting itself is a click of the owner's in the network."""
    return carry_out(Verb.ACCEPT, config, journal, case, now)


def decline(config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Give the answer that the policy gives to a decline, through the same hold, budgets and claims as any other."""
    return carry_out(Verb.DECLINE, config, journal, case, now)


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
    """A week's summary to look at; ValueError when there is no such week."""
    return _summary(config, journal, _facts(config, journal, week, now), {})


def _summary(config: Config, journal: Journal, facts: Facts, links: Links) -> Summary:
    texts = texts_to_decline(facts.entries, for_service(config, journal))
    return summarise(compose(facts, words(config.me.language), links, texts=texts))


def _facts(config: Config, journal: Journal, name: str | None, now: datetime) -> Facts:
    rhythm = Rhythm.of(config.digest.day, config.digest.time, config.me.zone)
    week = rhythm.named(name) if name else rhythm.running(now)
    facts = gather(journal, PeopleIndex(journal.store, journal.owner), week, rhythm, now)
    return replace(facts, logins=troubles(config, now))


def send_summary(config: Config, journal: Journal, week: str | None, now: datetime) -> str:
    """Send a summary to the owner, beside the one that comes by itself; ValueError when there is no such week."""
    facts, secret = _facts(config, journal, week, now), secret_of(journal)
    owner = Mailbox(config.me.name, config.me.addresses[0])
    to = config.digest.to or owner.address
    links = links_of(facts.people, secret, owner.address, now)
    found = _summary(config, journal, facts, links)
    message_id = summary_id(secret, now.isoformat(), owner.domain)
    message = as_mail(found, owner=owner, to=to, week=facts.week, message_id=message_id, now=now)
    journal.set_fact(SENT_BY_HAND, now.isoformat())
    try:
        post_of(config)(message, recipient=to, before_dot=lambda: None)
    except SendUncertain as exc:
        return f"The summary may have reached {to}: {exc}"
    return f"The summary of {facts.week.name} is on its way to {to}."


def listed(journal: Journal, *, everything: bool) -> list[tuple[Case, Entry]]:
    """Cases with the entry that opened them, the one that changed last first; only what waits, unless all are asked."""
    found = []
    for case in journal.cases():
        entry = next(iter(journal.of_case(case)), None)
        if entry and (everything or waits(entry, case.verdict)):
            found.append((case, entry))
    return found


def decided(journal: Journal) -> tuple[Decided, ...]:
    """Every case as it stands, with what was found when its first mail was judged."""
    found = []
    for case, entry in listed(journal, everything=True):
        findings = findings_in(entry.judgement) if entry.judgement else None
        if findings:
            found.append(Decided(case.name, findings, case.verdict, case.decided_by == "owner"))
    return tuple(found)
