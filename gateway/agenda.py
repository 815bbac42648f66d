"""What is still to be done about an invitation, and by whom: the owner's word comes before what was meant to follow."""

from __future__ import annotations

from datetime import tzinfo

from gateway.model import PARKED, WAITING, Case, Channel, Entry, State, Verdict
from gateway.pipeline import DRAFTED, OBSERVED, TOO_OLD

APART = (DRAFTED, TOO_OLD)  # why many may be declined without an answer from here; they are not listed by default


def waits(entry: Entry) -> bool:
    """Whether a mail needs something from the owner, or its answer still waits for their last word."""
    if entry.state in WAITING:
        return True
    if entry.dealt_with:
        return False
    if entry.state in PARKED:
        return True
    return not entry.continues and (entry.verdict in (Verdict.ACCEPT, Verdict.HUMAN) or to_paste(entry))


def stands(case: Case, entry: Entry, zone: tzinfo) -> str:
    """What is to be done about a case, or was done."""
    if entry.state in WAITING:
        when = f"{entry.not_before.astimezone(zone):%Y-%m-%d %H:%M}" if entry.not_before else "next"
        return f"the answer goes out {when}" + (f" ({entry.why})" if entry.why else "")
    return "; ".join(filter(None, (_wanted(case), _done(entry, zone)))) or _undone(entry)


def _wanted(case: Case) -> str:
    if case.verdict is Verdict.HUMAN:
        return "they wrote back" if case.decided_by == "answer" else "waits for you"
    return "accept it in the network" if case.verdict is Verdict.ACCEPT else ""


def _done(entry: Entry, zone: tzinfo) -> str:
    if entry.state is State.SENT and entry.settled:
        return f"answered by mail, {entry.settled.astimezone(zone):%Y-%m-%d}"
    if entry.state in (State.SENDING, State.DOT):
        return "the answer is going out"
    return (entry.why or str(entry.state)) if entry.state in PARKED else ""


def _undone(entry: Entry) -> str:
    """Where a decline stands of which nothing went out."""
    if to_paste(entry):
        return "paste the short text"
    if drafted(entry):
        return "the answer lies in your Drafts folder"
    if too_old(entry):
        return f"too old to be answered unasked: rsvpd decline {entry.case}"
    return "declined quietly" if entry.dealt_with or not entry.why else entry.why


def to_paste(entry: Entry) -> bool:
    """Whether the answer is a text that the owner may paste."""
    return entry.reply is not None and entry.reply.channel is Channel.PASTE and _declines(entry)


def drafted(entry: Entry) -> bool:
    """Whether the answer lies among the owner's drafts."""
    return entry.state is State.CLOSED and entry.why == DRAFTED and _declines(entry)


def observed(entry: Entry) -> bool:
    """Whether it would have been answered if anything were."""
    return entry.state is State.CLOSED and entry.why == OBSERVED and _declines(entry)


def too_old(entry: Entry) -> bool:
    """Whether it would have been answered if it had come in time."""
    return entry.state is State.CLOSED and entry.why == TOO_OLD and _declines(entry)


def _declines(entry: Entry) -> bool:
    return entry.verdict is Verdict.DECLINE and not entry.dealt_with
