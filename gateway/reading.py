"""Reading an archive: every mail judged by the code the service runs, and nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.archive import mails
from gateway.cases import INVITES, Cases
from gateway.errors import Ambiguous, DnsAway, Unreadable
from gateway.mail import parse
from gateway.model import Decision, Judgement, Mail, Verdict
from gateway.pipeline import Owner, judge


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail of the archive and the judgement on it."""

    file: str
    mail: Mail | None
    judgement: Judgement


@dataclass(slots=True)
class Reader:
    """Reads one archive; cases are told apart within it."""

    owner: Owner
    cases: Cases = field(default_factory=Cases)

    def read(self, paths: Iterable[Path]) -> Iterator[Reading]:
        """A reading for each mail, in order; a mail that cannot be judged is one for the owner to look at."""
        for path in paths:
            for file, raw in mails(path):
                yield self.read_one(file, raw)

    def read_one(self, file: str, raw: bytes) -> Reading:
        """The reading of one mail, told apart from the cases read before."""
        mail = None
        try:
            mail = parse(raw)
            judgement = judge(mail, self.owner, self.cases)
        except (Unreadable, Ambiguous) as exc:
            return Reading(file, mail, _parked("unreadable", str(exc)))
        except DnsAway as exc:
            return Reading(file, mail, _parked("no-name-server", str(exc)))
        findings = judgement.findings
        if findings and findings.notification.kind in INVITES:
            declined = judgement.decision.verdict is Verdict.DECLINE
            self.cases.remember(findings.notification, declined=declined)
        return Reading(file, mail, judgement)


def _parked(rule: str, why: str) -> Judgement:
    return Judgement(case="", decision=Decision(Verdict.HUMAN, rule, (why,)))
