"""Reading an archive: every mail judged by the code the service runs, and nothing written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.archive import Skip, mails
from gateway.cases import INVITES, Cases
from gateway.errors import Ambiguous, DnsAway, Unreadable
from gateway.mail import parse
from gateway.model import Decision, Judgement, Mail, Verdict
from gateway.pipeline import Owner, judge, judge_findings


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail of the archive and the judgement on it."""

    file: str
    mail: Mail | None
    judgement: Judgement
    continues: bool = False  # a case that an earlier mail of the archive opened: nothing new is done


@dataclass(slots=True)
class Reader:
    """Reads one archive; cases are told apart within it."""

    owner: Owner
    cases: Cases = field(default_factory=Cases)

    def read(self, paths: Iterable[Path], skip: Skip) -> Iterator[Reading]:
        """A reading for each mail, in order; a mail that cannot be judged is one for the owner to look at."""
        for path in paths:
            for file, raw in mails(path, skip):
                yield self.read_one(file, raw)

    def read_one(self, file: str, raw: bytes) -> Reading:
        """The reading of one mail, told apart from the cases read before."""
        try:
            mail = parse(raw)
        except Unreadable as exc:
            return Reading(file, None, _parked("unreadable", str(exc)))
        return self._read(file, mail, lambda: judge(mail, self.owner, self.cases))

    def read_again(self, reading: Reading, *, found_by: Owner) -> Reading:
        """A mail that was read for another policy judged by this one; looked into again only where they see apart."""
        mail, findings = reading.mail, reading.judgement.findings
        if mail is None:
            return reading
        if findings is None or self.owner.read is not found_by.read:
            return self._read(reading.file, mail, lambda: judge(mail, self.owner, self.cases))
        return self._read(reading.file, mail, lambda: judge_findings(findings, self.owner, self.cases))

    def _read(self, file: str, mail: Mail, judged: Callable[[], Judgement]) -> Reading:
        try:
            judgement = judged()
        except (Unreadable, Ambiguous) as exc:
            return Reading(file, mail, _parked("unreadable", str(exc)))
        except DnsAway as exc:
            return Reading(file, mail, _parked("no-name-server", str(exc)))
        findings = judgement.findings
        if findings is None or findings.notification.kind not in INVITES:
            return Reading(file, mail, judgement)
        continues = self.cases.find(findings.notification) is not None
        self.cases.remember(findings.notification, declined=judgement.decision.verdict is Verdict.DECLINE)
        return Reading(file, mail, judgement, continues=continues)


def _parked(rule: str, why: str) -> Judgement:
    return Judgement(case="", decision=Decision(Verdict.HUMAN, rule, (why,)))
