"""What a policy would have made of an archive, and where two policies differ; judged by the service's own code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.cases import INVITES
from gateway.model import Authentic, Channel, Verdict
from gateway.pipeline import Owner
from gateway.reading import Reader, Reading


class Outcome(StrEnum):
    """What would have followed from a decision."""

    ANSWER = "answered by mail"
    PASTE = "to paste"
    QUIET = "declined quietly"
    NOTHING_NEW = "continuing a case"
    NOTHING = ""  # it is the owner's turn


@dataclass(frozen=True, slots=True)
class Ruled:
    """How a policy decided a mail."""

    verdict: Verdict
    rule: str
    because: tuple[str, ...]
    outcome: Outcome
    template: str | None = None
    to: str | None = None

    @property
    def end(self) -> tuple[object, ...]:
        """All that the inviter and the owner would notice of the decision."""
        return self.verdict, self.outcome, self.template, self.to

    @property
    def way(self) -> str:
        """What would have followed, in words."""
        if self.outcome is Outcome.ANSWER:
            return f"reply {self.template} to {self.to}"
        if self.outcome is Outcome.PASTE:
            return f"reply {self.template} to paste"
        return {Outcome.QUIET: "quietly", Outcome.NOTHING_NEW: "a reminder, nothing new"}.get(self.outcome, "")


@dataclass(frozen=True, slots=True)
class Replayed:
    """An invitation of the archive and what would have become of it."""

    file: str
    date: datetime | None
    network: str
    kind: str
    name: str
    headline: str
    profile_url: str | None  # only of a mail proved genuine
    ruled: Ruled
    other: Ruled | None = None  # by the policy it is compared with

    @property
    def differs(self) -> bool:
        """Whether the two policies end differently."""
        return self.other is not None and self.other.end != self.ruled.end


@dataclass(slots=True)
class Count:
    """How many mails were read, by kind."""

    mails: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


def replay(
    mails: Iterable[tuple[str, bytes]], owner: Owner, count: Count, *, against: Owner | None = None
) -> Iterator[Replayed]:
    """Every invitation of the archive, in order; `count` grows as mails are read."""
    mine, theirs = Reader(owner), Reader(against) if against else None
    for file, raw in mails:
        reading = mine.read_one(file, raw)
        other = theirs.read_again(reading, found_by=owner) if theirs else None
        kind = _kind(reading)
        count.mails += 1
        count.kinds[kind] += 1
        if kind != _OTHER:
            yield _replayed(reading, kind, other)


_OTHER = "other mail"


def _kind(reading: Reading) -> str:
    findings = reading.judgement.findings
    if findings is None:
        return _OTHER if reading.judgement.decision.verdict is Verdict.IGNORE else "unreadable mail"
    kind = findings.notification.kind
    return str(kind) if kind in INVITES else _OTHER


def _replayed(reading: Reading, kind: str, other: Reading | None) -> Replayed:
    findings = reading.judgement.findings
    notification = findings.notification if findings else None
    inviter = notification.inviter if notification else None
    genuine = findings is not None and findings.provenance.authentic is Authentic.PASS
    return Replayed(
        file=reading.file,
        date=reading.mail.date if reading.mail else None,
        network=notification.network if notification else "",
        kind=kind,
        name=(inviter.name if inviter else None) or "",
        headline=(inviter.headline if inviter else None) or "",
        profile_url=inviter.profile_url if inviter and genuine else None,
        ruled=_ruled(reading),
        other=_ruled(other) if other else None,
    )


def _ruled(reading: Reading) -> Ruled:
    decision, reply = reading.judgement.decision, reading.judgement.reply
    outcome = _outcome(reading)
    told = reply if outcome in (Outcome.ANSWER, Outcome.PASTE) else None
    return Ruled(
        decision.verdict,
        decision.rule,
        decision.because,
        outcome,
        template=told.template if told else None,
        to=told.to if told else None,
    )


def _outcome(reading: Reading) -> Outcome:
    reply, declined = reading.judgement.reply, reading.judgement.decision.verdict is Verdict.DECLINE
    if reading.continues:
        return Outcome.NOTHING_NEW
    if reply is None:
        return Outcome.QUIET if declined else Outcome.NOTHING
    return Outcome.PASTE if reply.channel is Channel.PASTE else Outcome.ANSWER


def told(count: Count) -> str:
    """What was read, in words."""
    kinds = [f"{number} {kind}{'s' if number != 1 else ''}" for kind, number in count.kinds.most_common()]
    return f"{count.mails} mail{'s' if count.mails != 1 else ''} read: {', '.join(kinds) or 'none'}"


def verdicts(ruled: Iterable[Ruled]) -> Counter[Verdict]:
    """How often each verdict would have been given."""
    return Counter(one.verdict for one in ruled)


def outcomes(ruled: Iterable[Ruled]) -> list[tuple[Outcome, int]]:
    """What would have followed, and how often."""
    found = Counter(one.outcome for one in ruled)
    return [(outcome, found[outcome]) for outcome in Outcome if outcome and found[outcome]]


def moves(rows: Sequence[Replayed]) -> list[tuple[str, int]]:
    """What becomes of a decision with the other policy, the most frequent first."""
    found = Counter(_move(row.ruled, row.other) for row in rows if row.other and row.differs)
    return found.most_common()


def _move(mine: Ruled, other: Ruled) -> str:
    if mine.verdict is not other.verdict:
        return f"{mine.verdict} → {other.verdict}"
    return f"{mine.verdict}, answered otherwise"


def by_rule(rows: Sequence[Replayed]) -> list[tuple[str, Verdict, int]]:
    """How often each row of the policy decided, the most used first."""
    used = Counter((row.ruled.rule, row.ruled.verdict) for row in rows)
    return [(rule, verdict, times) for (rule, verdict), times in used.most_common()]
