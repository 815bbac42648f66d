"""The owner's word over the policy's: the list of cases, one case in full, approve, decline, retry, the summary."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway.agenda import APART, waits
from gateway.commands import links_of
from gateway.config import Config
from gateway.digest import Contents, Rhythm, Summary, Week, as_mail, compose, gather, summarise, texts_to_decline
from gateway.digest.words import words
from gateway.errors import SendUncertain
from gateway.explain import findings_in
from gateway.journal import Journal
from gateway.letter import summary_id
from gateway.logins import troubles
from gateway.model import Case, Entry, State
from gateway.orders import SENT_BY_HAND
from gateway.owner import for_service, people_of, post_of
from gateway.pipeline import Owner
from gateway.suggest import Decided, suggest

HABITS = 1000  # cases in which is looked for what the owner decides again and again, and for what is only counted
_FAILED = (State.REFUSED, State.UNCERTAIN)


def retry(_config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Make an answer due again that did not get through, as far as the owner knows."""
    failed = [e for e in journal.of_case(case) if e.state in _FAILED]
    if not failed:
        return f"{case.name} has no answer that was refused or is uncertain."
    if not journal.settle(failed[-1], State.DUE, now, why="sent again at the owner's word", only_from=_FAILED):
        return f"{case.name} is being sent again already."
    return f"{case.name}: the answer goes out again with the next round."


def summary(config: Config, journal: Journal, week: str | None, now: datetime) -> Summary:
    """A week's summary to look at; ValueError when there is no such week."""
    owner = for_service(config, journal)
    return summarise(contents_of(config, journal, owner, _week(config, week, now), now, answerable=False))


def send_summary(config: Config, journal: Journal, week: str | None, now: datetime) -> str:
    """Send a summary to the owner, beside the one that comes by itself; ValueError when there is no such week."""
    owner, found = for_service(config, journal), _week(config, week, now)
    contents = contents_of(config, journal, owner, found, now)
    to, message = written(config, contents, found, owner, name=now.isoformat(), now=now)
    journal.set_fact(SENT_BY_HAND, now.isoformat())
    try:
        post_of(config)(message, recipient=to, before_dot=lambda: None)
    except SendUncertain as exc:
        return f"The summary may have reached {to}: {exc}"
    return f"The summary of {found.name} is on its way to {to}."


def _week(config: Config, name: str | None, now: datetime) -> Week:
    rhythm = rhythm_of(config)
    return rhythm.named(name) if name else rhythm.running(now)


def rhythm_of(config: Config) -> Rhythm:
    """When the owner wants their summaries."""
    return Rhythm.of(config.digest.day, config.digest.time, config.me.zone)


def contents_of(
    config: Config, journal: Journal, owner: Owner, week: Week, now: datetime, *, answerable: bool = True
) -> Contents:
    """What the summary of a week says; one that does not come by mail is not `answerable`, and has no links for it."""
    facts = gather(journal, people_of(journal), week, rhythm_of(config), now)
    facts = replace(facts, logins=troubles(config, now, journal))
    links = links_of(facts.people, owner.secret, owner.sender.address, now) if answerable else {}
    texts = texts_to_decline(facts.entries, owner)
    suggested = len(suggest(decided(journal), owner.policy))
    return compose(facts, words(config.me.language), links, texts=texts, suggested=suggested)


def written(
    config: Config, contents: Contents, week: Week, owner: Owner, *, name: str, now: datetime
) -> tuple[str, bytes]:
    """The address of a summary, and the mail; `name` is what its Message-ID is made of."""
    to = config.digest.to or owner.sender.address
    message_id = summary_id(owner.secret, name, owner.sender.domain)
    return to, as_mail(summarise(contents), owner=owner.sender, to=to, week=week, message_id=message_id, now=now)


def listed(journal: Journal, most: int) -> list[tuple[Case, Entry]]:
    """The latest cases that wait for the owner, with the mail that opened them, the one that changed last first."""
    return [(case, entry) for case, entry in journal.waiting(most) if waits(entry)]


def left_apart(journal: Journal) -> str:
    """How many of the latest cases lie in Drafts or are too old to be answered unasked; "" when none is."""
    looked_at, apart = journal.left_apart(APART, HABITS)
    return f"{'at least ' if looked_at == HABITS else ''}{apart}" if apart else ""


def decided(journal: Journal) -> tuple[Decided, ...]:
    """The latest cases as they stand, with what was found when the first mail of each was judged."""
    found = []
    for case, entry in journal.latest(HABITS):
        findings = findings_in(entry.judgement) if entry.judgement else None
        if findings:
            found.append(Decided(case.name, findings, case.verdict, case.decided_by == "owner"))
    return tuple(found)
