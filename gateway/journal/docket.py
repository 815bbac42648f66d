"""The cases that mails may belong to, looked up for many mails at once, and what was judged, written down at once.

Each look at the journal costs more than the database takes for it. Within one transaction what was looked up
holds until it is written: whoever writes to an owner's rows is alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from gateway.cases import INVITES, Identity, KnownCase, identify, same_case
from gateway.journal.entries import seal_of_answer
from gateway.journal.prepared import Prepared
from gateway.journal.schema import cases, entries
from gateway.journal.store import Store, append_all
from gateway.model import Channel, Entry, Judgement, Kind, Notification, Person, Ruling, Verdict
from gateway.people.keys import address_key

# By what a case is found again: the network's number, the profile, and a bare name where there is no profile.
_BY = {"invitation": cases.c.invitation, "profile": cases.c.profile, "name": cases.c.person_name}
_KNOWN = (cases.c.id, cases.c.number, cases.c.invitation, cases.c.profile, cases.c.person_name, cases.c.opened_by)
_LOOKS = {
    part: Prepared(
        select(*_KNOWN, cases.c.verdict).where(
            cases.c.owner == bindparam("owner"), column.in_(bindparam("values", expanding=True))
        ),
        lists=["values"],
    )
    for part, column in _BY.items()
}
_LAST_NUMBER = Prepared(select(func.max(cases.c.number)).where(cases.c.owner == bindparam("owner")))
_OPENED = Prepared(
    insert(cases),
    columns=["owner", "number", "network", "invitation", "profile", "person_name", "opened_by", "opened", "inviter",
             "verdict", "decided_by", "changed", "pastes"],
)  # fmt: skip
_NUMBERED = Prepared(
    select(cases.c.number, cases.c.id).where(
        cases.c.owner == bindparam("owner"), cases.c.number.in_(bindparam("numbers", expanding=True))
    ),
    lists=["numbers"],
)
_WRITTEN = Prepared(
    update(entries).where(entries.c.id == bindparam("entry")),
    columns=["state", "why", "message_id", "judgement", "judged", "policy", "recipient", "template", "letter_id",
             "not_before", "settled", "case_id"],
)  # fmt: skip


@dataclass(slots=True)
class _Case:
    """A case as it stands in the journal, or will."""

    number: int
    invitation: str | None
    profile: str | None
    name: str | None
    opened_by: Kind
    verdict: Verdict
    id: int | None = None  # None until it is written
    row: dict[str, Any] = field(default_factory=dict)  # of one to be opened

    @property
    def known(self) -> KnownCase:
        return KnownCase(f"c{self.number}", self.invitation, self.opened_by)

    def learn(self, identity: Identity) -> dict[str, str]:
        """Take over what a later mail tells about who it is and the first did not; what is new."""
        news = {}
        if identity.invitation and self.invitation is None:
            self.invitation = news["invitation"] = identity.invitation
        if identity.profile and self.profile is None:
            self.profile = news["profile"] = identity.profile
        return news


@dataclass(slots=True)
class Docket:
    """One owner's cases as they stand for some mails; `Files` for judge()."""

    store: Store
    owner: str
    _cases: dict[int, _Case] = field(default_factory=dict)  # by number
    _asked: set[tuple[str, str]] = field(default_factory=set)  # what was looked for already
    _last: int | None = None  # the highest number
    _judged: list[tuple[Entry, _Case | None, dict[str, Any], list[dict[str, Any]]]] = field(default_factory=list)
    _learnt: list[tuple[_Case, dict[str, str]]] = field(default_factory=list)

    # Looking

    def call(self, notifications: Iterable[Notification]) -> None:
        """Look up what these mails may belong to, so that nothing has to be asked for each."""
        self._look([identify(notification) for notification in notifications])

    def name(self, notification: Notification) -> str:
        """The case that a mail continues ("c17"), or "new"."""
        return self.continued(notification) or "new"

    def continued(self, notification: Notification) -> str | None:
        """The case that a mail continues; None for one that opens its own."""
        found = self._find(notification)
        return found.known.name if found else None

    def earlier(self, notification: Notification) -> int:
        """How many cases of this person ended in a decline, beside the mail's own."""
        own = self._find(notification)
        declined = (case for case in self._of_person(identify(notification)) if case.verdict is Verdict.DECLINE)
        return sum(case is not own for case in declined)

    def _find(self, notification: Notification) -> _Case | None:
        identity = identify(notification)
        self._look([identity])
        found = same_case(
            identity,
            notification.kind,
            lambda invitation: _known(case for case in self._cases.values() if case.invitation == invitation),
            lambda _person: _known(self._of_person(identity)),
        )
        return self._cases[int(found.name.removeprefix("c"))] if found else None

    def _of_person(self, identity: Identity) -> Iterable[_Case]:
        # A profile is somebody; a bare name only where the mail gives no profile.
        if identity.profile:
            return [case for case in self._cases.values() if case.profile == identity.profile]
        return [case for case in self._cases.values() if identity.name and case.name == identity.name]

    def _look(self, identities: Iterable[Identity]) -> None:
        wanted: dict[str, set[str]] = {part: set() for part in _BY}
        for identity in identities:
            for part, value in _parts(identity):
                if (part, value) not in self._asked:
                    wanted[part].add(value)
        for part, values in wanted.items():
            if values:
                self._asked.update((part, value) for value in values)
                with self.store.read() as connection:
                    query = {"owner": self.owner, "values": sorted(values)}
                    for row in _LOOKS[part].rows(connection, query):
                        self._cases.setdefault(row.number, _case(row))

    # Writing

    def judged(
        self, entry: Entry, judgement: Judgement, account: dict[str, Any], ruling: Ruling, now: datetime
    ) -> str | None:
        """Note a judgement and what follows from it; the case ("c17") that an invitation opens or continues."""
        case = self._case_of(judgement, now)
        decision = judgement.decision
        row = {
            "entry": entry.id,
            "state": ruling.state,
            "why": ruling.why,
            "message_id": ruling.answers,
            "judgement": account,
            "judged": now,
            "policy": ruling.policy,
            "recipient": mailbox_of(ruling),
            "template": decision.template,
            "letter_id": ruling.letter_id,
            "not_before": ruling.not_before,
            "settled": now,
        }
        because = "; ".join((f"rule {decision.rule}", *decision.because))
        said = ((str(decision.verdict), because), (str(ruling.state), sealed(ruling, account)))
        self._judged.append((entry, case, row, [{"what": what, "why": why} for what, why in said]))
        return case.known.name if case else None

    def write(self, now: datetime) -> None:
        """Write down what was noted, in the order in which it was; cases are looked up anew from then on."""
        if self._judged:
            with self.store.write() as connection:
                self._write(connection, now)
        self._cases, self._asked, self._last = {}, set(), None
        self._judged, self._learnt = [], []

    def _write(self, connection: Connection, now: datetime) -> None:
        if opened := [case for case in self._cases.values() if case.id is None]:
            _OPENED.run_for_each(connection, [case.row for case in opened])
            # Asked for afterwards: SQLite tells the numbers of new rows only one by one.
            numbers = {"owner": self.owner, "numbers": [case.number for case in opened]}
            for row in _NUMBERED.rows(connection, numbers):
                self._cases[row.number].id = row.id
        for case, news in self._learnt:
            values = {_BY[part].name: value for part, value in news.items()}
            connection.execute(update(cases).where(cases.c.id == case.id).values(values))
        rows = [{**row, "case_id": case.id if case else None} for _, case, row, _ in self._judged]
        _WRITTEN.run_for_each(connection, rows)
        happened = [
            {**one, "entry_id": entry.id, "case_id": case.id if case else None}
            for entry, case, _, said in self._judged
            for one in said
        ]
        append_all(connection, happened, owner=self.owner, at=now)

    def _case_of(self, judgement: Judgement, now: datetime) -> _Case | None:
        notification = judgement.findings.notification if judgement.findings else None
        if notification is None or notification.kind not in INVITES:
            return None
        found = self._find(notification)
        if found is None:
            return self._open(notification, judgement, now)
        if (news := found.learn(identify(notification))) and found.id is not None:
            self._learnt.append((found, news))
        found.row.update(news)
        return found

    def _open(self, notification: Notification, judgement: Judgement, now: datetime) -> _Case:
        """A new case under the next number."""
        if self._last is None:
            with self.store.read() as connection:
                self._last = _LAST_NUMBER.scalar(connection, {"owner": self.owner}) or 0
        self._last += 1
        identity, verdict, reply = identify(notification), judgement.decision.verdict, judgement.reply
        row = {
            "owner": self.owner,
            "number": self._last,
            "network": notification.network,
            "invitation": identity.invitation,
            "profile": identity.profile,
            "person_name": identity.name,
            "opened_by": notification.kind,
            "opened": now,
            "inviter": asdict(notification.inviter or Person()),
            "verdict": verdict,
            "decided_by": "policy",
            "changed": now,
            "pastes": reply is not None and reply.channel is Channel.PASTE,
        }
        case = self._cases[self._last] = _Case(
            self._last, identity.invitation, identity.profile, identity.name, notification.kind, verdict, row=row
        )
        return case


def pastes(account: dict[str, Any]) -> bool:
    """Whether the answer of an account is a text for the owner to paste."""
    return bool(account["reply"]) and account["reply"]["channel"] == Channel.PASTE


def mailbox_of(ruling: Ruling) -> str | None:
    """The recipient as the journal knows a mailbox again."""
    return address_key(ruling.recipient) if ruling.recipient else None


def sealed(ruling: Ruling, account: dict[str, Any]) -> str:
    """What the event of a ruling says: the reason, and the seal of the answer that may go out."""
    parts = (ruling.why, seal_of_answer(account) if ruling.recipient else "")
    return "; ".join(part for part in parts if part)


def _parts(identity: Identity) -> Iterable[tuple[str, str]]:
    """What a case of this identity is looked for by."""
    named = (("invitation", identity.invitation), ("profile", identity.profile))
    yield from ((part, value) for part, value in named if value)
    if identity.name and not identity.profile:
        yield "name", identity.name


def _known(found: Iterable[_Case]) -> KnownCase | None:
    """The latest of some cases."""
    latest = max(found, key=lambda case: case.number, default=None)
    return latest.known if latest else None


def _case(row: Any) -> _Case:
    return _Case(
        number=row.number,
        invitation=row.invitation,
        profile=row.profile,
        name=row.person_name,
        opened_by=Kind(row.opened_by),
        verdict=Verdict(row.verdict),
        id=row.id,
    )
