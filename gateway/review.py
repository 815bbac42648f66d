"""The owner's word over the policy's: the list of cases, one case in full, approve, decline, retry, the summary."""

from __future__ import annotations

from datetime import datetime

from gateway.commands import links_of
from gateway.config import Config
from gateway.digest import Facts, Rhythm, Summary, as_mail, compose, gather, summarise
from gateway.digest.words import words
from gateway.errors import SendUncertain
from gateway.explain import findings_in
from gateway.journal import Journal
from gateway.journal.entries import PARKED
from gateway.journal.index import PeopleIndex
from gateway.letter import summary_id
from gateway.model import Case, Channel, Entry, Mailbox, State, Verdict
from gateway.orders import SENT_BY_HAND
from gateway.state import secret_of
from gateway.suggest import Decided

_FAILED = (State.REFUSED, State.UNCERTAIN)


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
    if entry.state in PARKED:
        return True
    pastes = entry.reply is not None and entry.reply.channel is Channel.PASTE
    return not entry.continues and (verdict in (Verdict.ACCEPT, Verdict.HUMAN) or pastes)


def summary(config: Config, journal: Journal, week: str | None, now: datetime) -> Summary:
    """A week's summary to look at; ValueError when there is no such week."""
    return summarise(compose(_facts(config, journal, week, now), words(config.me.language), {}))


def _facts(config: Config, journal: Journal, name: str | None, now: datetime) -> Facts:
    rhythm = rhythm_of(config)
    week = rhythm.named(name) if name else rhythm.running(now)
    return gather(journal, PeopleIndex(journal.store, journal.owner), week, rhythm, now)


def rhythm_of(config: Config) -> Rhythm:
    """When the owner wants their summaries."""
    return Rhythm.of(config.digest.day, config.digest.time, config.me.zone)


def written(
    config: Config, facts: Facts, *, owner: Mailbox, secret: bytes, name: str, now: datetime, suggested: int = 0
) -> tuple[str, bytes]:
    """The address of a summary, and the mail; `name` is what its Message-ID is made of."""
    to = config.digest.to or owner.address
    links = links_of((*facts.entries, *facts.came_back), secret, owner.address, now)
    found = summarise(compose(facts, words(config.me.language), links, suggested=suggested))
    message_id = summary_id(secret, name, owner.domain)
    return to, as_mail(found, owner=owner, to=to, week=facts.week, message_id=message_id, now=now)


def send_summary(config: Config, journal: Journal, week: str | None, now: datetime) -> str:
    """Send a summary to the owner, beside the one that comes by itself; ValueError when there is no such week."""
    from gateway.owner import post_of

    facts, owner = _facts(config, journal, week, now), Mailbox(config.me.name, config.me.addresses[0])
    to, message = written(config, facts, owner=owner, secret=secret_of(journal), name=now.isoformat(), now=now)
    journal.set_fact(SENT_BY_HAND, now.isoformat())
    try:
        post_of(config)(message, recipient=to, before_dot=lambda: None)
    except SendUncertain as exc:
        return f"The summary may have reached {to}: {exc}"
    return f"The summary of {facts.week.name} is on its way to {to}."


def listed(journal: Journal, *, everything: bool) -> list[tuple[Case, Entry]]:
    """Cases with the entry that opened them, the one that changed last first; only what waits, unless all are asked."""
    openers = journal.openers()
    pairs = ((case, openers[case.id]) for case in journal.cases() if case.id in openers)
    return [(case, entry) for case, entry in pairs if everything or waits(entry, case.verdict)]


def decided(journal: Journal) -> tuple[Decided, ...]:
    """Every case as it stands, with what was found when its first mail was judged."""
    found = []
    for case, entry in listed(journal, everything=True):
        findings = findings_in(entry.judgement) if entry.judgement else None
        if findings:
            found.append(Decided(case.name, findings, case.verdict, case.decided_by == "owner"))
    return tuple(found)
