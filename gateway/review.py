"""The owner's word over the policy's: the list of cases, one case in full, approve, decline, retry, the summary."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway.config import Config
from gateway.digest import Rhythm, Week, as_mail, compose
from gateway.errors import SendUncertain
from gateway.explain import account
from gateway.journal import Journal, Ruling
from gateway.journal.entries import ON_THE_WIRE
from gateway.letter import letter_id
from gateway.mail import parse
from gateway.model import Case, Channel, Decision, Entry, Mailbox, State, Verdict
from gateway.pipeline import PAUSED, JournalFiles, Owner, judge

OWNER_RULE = "owner"
_FAILED = (State.REFUSED, State.UNCERTAIN)


def approve(_config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Take back a waiting answer; accepting itself is a click of the owner's in the network."""
    journal.overrule(case, Verdict.ACCEPT, "approved by the owner", now)
    sent = [entry for entry in journal.of_case(case) if entry.state in ON_THE_WIRE]
    link = f" Accept here: {case.inviter.profile_url}" if case.inviter.profile_url else ""
    if sent:
        return f"{case.name} is noted as accepted, but an answer went out on {sent[0].claimed:%Y-%m-%d}.{link}"
    return f"{case.name} is noted as accepted; nothing will be sent.{link}"


def decline(config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Give the answer that the policy gives to a decline, through the same hold, budgets and claims as any other."""
    from gateway.owner import for_service

    entries = journal.of_case(case)
    if any(entry.state in ON_THE_WIRE for entry in entries):
        return f"{case.name} was answered already; nothing more is sent."
    journal.overrule(case, Verdict.DECLINE, "declined by the owner", now)
    entry = next((entry for entry in entries if journal.raw(entry)), None)
    if entry is None:
        return f"{case.name} is declined quietly: the mail itself is no longer kept."
    owner = for_service(config, journal)
    return _answer(owner, journal, entry, case, now)


def _answer(owner: Owner, journal: Journal, entry: Entry, case: Case, now: datetime) -> str:
    judged = judge(parse(journal.raw(entry) or b""), owner, JournalFiles(journal))
    decision = Decision(Verdict.DECLINE, OWNER_RULE, ("you declined it",), owner.policy.decline_template)
    reply = owner.render(decision, judged.findings) if judged.findings else None
    if reply is None or reply.to is None or reply.channel is Channel.PASTE:
        short = f" To paste into the network:\n\n{reply.short}" if reply and reply.short else ""
        return f"{case.name} is declined; no mail reaches the inviter.{short}"
    if owner.mode != "send":
        return f"{case.name} is declined; {owner.mode} mode sends nothing. The answer would be:\n\n{reply.body}"
    held = Ruling(
        State.HELD if owner.hold else State.DUE,
        why="declined by the owner",
        not_before=now + owner.hold if owner.hold else None,
        recipient=reply.to,
        letter_id=letter_id(owner.secret, entry.key, owner.sender.domain),
    )
    if not journal.answer(entry, account(replace(judged, decision=decision, reply=reply), None), held, now):
        return f"{case.name} was answered meanwhile; nothing more is sent."
    return f"{case.name} is declined; the answer to {reply.to} goes out after the hold."


def retry(_config: Config, journal: Journal, case: Case, now: datetime) -> str:
    """Make an answer due again that did not get through, as far as the owner knows."""
    failed = [e for e in journal.of_case(case) if e.state in _FAILED]
    if not failed:
        return f"{case.name} has no answer that was refused or is uncertain."
    if not journal.settle(failed[-1], State.DUE, now, why="sent again at the owner's word", only_from=_FAILED):
        return f"{case.name} is being sent again already."
    return f"{case.name}: the answer goes out again with the next round."


def waits(entry: Entry) -> bool:
    """Whether an entry needs something from the owner."""
    if entry.state in (State.UNREADABLE, State.UNCERTAIN, State.REFUSED):
        return True
    verdict = (entry.judgement or {}).get("verdict")
    pastes = entry.reply is not None and entry.reply.channel is Channel.PASTE
    new = not entry.why.startswith("continues ")
    return new and (verdict in (Verdict.ACCEPT, Verdict.HUMAN) or pastes)


def summary(config: Config, journal: Journal, week: str | None, now: datetime) -> str:
    """The text of a week's summary; ValueError when there is no such week."""
    span = _week(config, week, now)
    entries = journal.between(span.start, span.end)
    moved = journal.moved(span.start, span.end)
    return compose(entries, span, config.me.zone, moved=moved, paused=journal.fact(PAUSED) is not None)


def _week(config: Config, name: str | None, now: datetime) -> Week:
    rhythm = Rhythm.of(config.digest.day, config.digest.time, config.me.zone)
    return rhythm.named(name) if name else rhythm.running(now)


def send_summary(config: Config, text: str, week: str | None, now: datetime) -> str:
    """Send a summary to the owner, beside the one that comes by itself."""
    from gateway.owner import post_of

    owner = Mailbox(config.me.name, config.me.addresses[0])
    to = config.digest.to or owner.address
    span = _week(config, week, now)
    message_id = letter_id(now.isoformat().encode(), f"digest {span.name}", owner.domain)
    message = as_mail(text, owner=owner, to=to, week=span, message_id=message_id, now=now)
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
        if entry and (everything or waits(entry)):
            found.append((case, entry))
    return found
