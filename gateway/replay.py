"""What a policy would have made of an archive, and where two policies differ; judged by the service's own code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.cases import INVITES
from gateway.model import Authentic, Channel, Judgement, Verdict
from gateway.pipeline import Owner
from gateway.reading import Reader, Reading


@dataclass(frozen=True, slots=True)
class Ruled:
    """How a policy decided a mail."""

    verdict: Verdict
    rule: str
    because: tuple[str, ...]
    outcome: str  # what would follow: "answer to ...", "paste", "quiet", ""


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
        """Whether the two policies end in different verdicts or answers."""
        mine, other = self.ruled, self.other
        return other is not None and (mine.verdict, mine.outcome) != (other.verdict, other.outcome)


@dataclass(slots=True)
class Count:
    """How many mails were read, and how many of them say nothing to a policy."""

    mails: int = 0
    others: int = 0


def replay(
    mails: Iterable[tuple[str, bytes]], owner: Owner, count: Count, *, against: Owner | None = None
) -> Iterator[Replayed]:
    """Every invitation of the archive, in order; `count` grows as mails are read."""
    mine, theirs = Reader(owner), Reader(against) if against else None
    for file, raw in mails:
        count.mails += 1
        reading = mine.read_one(file, raw)
        second = theirs.read_one(file, raw) if theirs else None
        if _concerns(reading):
            yield _replayed(reading, second)
        else:
            count.others += 1


def _concerns(reading: Reading) -> bool:
    findings = reading.judgement.findings
    if findings is None:
        return reading.judgement.decision.verdict is not Verdict.IGNORE
    return findings.notification.kind in INVITES


def _replayed(reading: Reading, second: Reading | None) -> Replayed:
    findings = reading.judgement.findings
    notification = findings.notification if findings else None
    inviter = notification.inviter if notification else None
    genuine = findings is not None and findings.provenance.authentic is Authentic.PASS
    return Replayed(
        file=reading.file,
        date=reading.mail.date if reading.mail else None,
        network=notification.network if notification else "",
        kind=str(notification.kind) if notification else "unreadable",
        name=(inviter.name if inviter else None) or "",
        headline=(inviter.headline if inviter else None) or "",
        profile_url=inviter.profile_url if inviter and genuine else None,
        ruled=_ruled(reading.judgement),
        other=_ruled(second.judgement) if second else None,
    )


def _ruled(judgement: Judgement) -> Ruled:
    decision = judgement.decision
    return Ruled(decision.verdict, decision.rule, decision.because, _outcome(judgement))


def _outcome(judgement: Judgement) -> str:
    reply = judgement.reply
    if reply is None:
        return "quiet" if judgement.decision.verdict is Verdict.DECLINE else ""
    return "paste" if reply.channel is Channel.PASTE else f"answer to {reply.to}"


def totals(rows: Sequence[Replayed]) -> list[tuple[str, int]]:
    """How often each verdict would have been given, and what would have gone out."""
    verdicts = Counter(row.ruled.verdict for row in rows)
    outcomes = Counter(
        "answered by mail" if row.ruled.outcome.startswith("answer") else row.ruled.outcome for row in rows
    )
    named = [(str(verdict), verdicts[verdict]) for verdict in Verdict if verdicts[verdict]]
    words = {"answered by mail": "answered by mail", "paste": "to paste", "quiet": "declined quietly"}
    return named + [(words[key], outcomes[key]) for key in words if outcomes[key]]


def by_rule(rows: Sequence[Replayed]) -> list[tuple[str, Verdict, int]]:
    """How often each row of the policy decided, the most used first."""
    used = Counter((row.ruled.rule, row.ruled.verdict) for row in rows)
    return [(rule, verdict, count) for (rule, verdict), count in used.most_common()]
