"""What became of our letters: who answered, who became a connection, who took offence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, select, update

from gateway.cases import identify
from gateway.journal.entries import find, take_back
from gateway.journal.prepared import Prepared
from gateway.journal.schema import TOLD, Utc, cases, entries, events
from gateway.journal.store import Store, append
from gateway.model import Case, Entry, Notification, Person, State, Verdict
from gateway.people.keys import address_key

_ANSWERED, _NOTED, _CONNECTED, _OFFENDED, _BOUNCED = "answered", "auto-reply", "connected", "offended", "bounced"
# Built once: they are asked in every round.
_HEARD = select(events.c.id).where(events.c.case_id == entries.c.case_id, events.c.what == _ANSWERED)
_AWAITED = (
    # The database takes the address out of what was judged; here it would be fifty judgements to read.
    select(entries.c.recipient, entries.c.judgement["reply", "to"].as_string().label("to"))
    .where(
        entries.c.owner == bindparam("owner"),
        entries.c.recipient.is_not(None),
        entries.c.settled >= bindparam("moment", type_=Utc),
        entries.c.case_id.is_not(None),
        ~_HEARD.exists(),
    )
    .order_by(entries.c.settled.desc(), entries.c.id.desc())
)
_ANSWERED_SINCE = Prepared(
    select(events.c.id)
    .where(
        events.c.owner == bindparam("owner"),
        TOLD,
        events.c.what == _ANSWERED,
        events.c.at >= bindparam("moment", type_=Utc),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many letters of a template went out, and in how many cases there was an echo."""

    template: str
    sent: int
    answered: int
    connected: int
    offended: int
    bounced: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """One owner's letters, and what came back."""

    store: Store
    owner: str

    def letter(self, letter_ids: Collection[str]) -> Entry | None:
        """The mail that was answered under one of these Message-IDs of ours."""
        if not letter_ids:
            return None
        return self._latest(entries.c.letter_id.in_(letter_ids))

    def written_to(self, address: str, since: datetime) -> Entry | None:
        """The latest mail answered to this address since a moment, or about to be."""
        return self._latest((entries.c.recipient == address_key(address)) & (entries.c.settled >= since))

    def _latest(self, condition: ColumnElement[bool]) -> Entry | None:
        with self.store.read() as connection:
            found = find(connection, self.owner, condition, entries.c.case_id.is_not(None))
        return found[-1] if found else None

    def awaited(self, since: datetime, most: int) -> list[str]:
        """Addresses written to since a moment that have not answered, the latest first."""
        latest: dict[str, str] = {}
        with self.store.read() as connection:
            for row in connection.execute(_AWAITED, {"owner": self.owner, "moment": since}):
                latest.setdefault(row.recipient, row.to)
                if len(latest) == most:
                    break
        return [address for address in latest.values() if address]

    def answered(self, case: Case, entry: Entry, verdict: Verdict, why: str, now: datetime) -> None:
        """Write an answer into its case. The first one gives it this verdict, unless it is accepted already.

        What still waits to be sent is taken back.
        """
        with self.store.write() as connection:
            if self._has(connection, _ANSWERED, events.c.entry_id == entry.id):
                return
            first = not self._has(connection, _ANSWERED, events.c.case_id == case.id)
            self._append(connection, _ANSWERED, why, case, entry, now)
            if not first or case.verdict is Verdict.ACCEPT:
                return
            values = {"verdict": verdict, "decided_by": "answer", "changed": now}
            connection.execute(update(cases).where(cases.c.id == case.id).values(**values))
            take_back(connection, self.owner, case, "they wrote to you: nothing is sent", now)

    def noted(self, case: Case, entry: Entry, why: str, now: datetime) -> None:
        """Write an automatic answer into a case, which it leaves as it is."""
        with self.store.write() as connection:
            if not self._has(connection, _NOTED, events.c.entry_id == entry.id):
                self._append(connection, _NOTED, why, case, entry, now)

    def answered_by(self, entry: Entry) -> str | None:
        """The name of the case that a mail is an answer in."""
        query = (
            select(cases.c.number)
            .join(events, events.c.case_id == cases.c.id)
            .where(events.c.owner == self.owner, events.c.what == _ANSWERED, events.c.entry_id == entry.id)
        )
        with self.store.read() as connection:
            number = connection.execute(query).scalar()
        return f"c{number}" if number else None

    def answered_since(self, moment: datetime) -> bool:
        """Whether anybody answered since."""
        with self.store.read() as connection:
            return _ANSWERED_SINCE.first(connection, {"owner": self.owner, "moment": moment}) is not None

    def offended(self, case: Case, entry: Entry, why: str, now: datetime) -> None:
        """Note, once, that the owner finds somebody took offence."""
        with self.store.write() as connection:
            if not self._has(connection, _OFFENDED, events.c.case_id == case.id):
                self._append(connection, _OFFENDED, why, case, entry, now)

    def connected(self, notification: Notification, entry: Entry, now: datetime) -> None:
        """Note, once, that somebody who got a letter is a connection now; nothing where several have the name."""
        name = identify(replace(notification, inviter=Person(name=notification.accepted_by))).name
        written = select(entries.c.case_id).where(entries.c.owner == self.owner, entries.c.template.is_not(None))
        named = select(cases.c.id, cases.c.profile).where(
            cases.c.owner == self.owner, cases.c.person_name == name, cases.c.id.in_(written)
        )
        with self.store.write() as connection:
            found = connection.execute(named.order_by(cases.c.id)).all()
            if not found or len({row.profile for row in found}) > 1:
                return
            if not self._has(connection, _CONNECTED, events.c.case_id == found[-1].id):
                append(
                    connection, owner=self.owner, at=now, what=_CONNECTED, why="they are a connection now",
                    entry_id=entry.id, case_id=found[-1].id,
                )  # fmt: skip

    def outcomes(self, since: datetime) -> tuple[Outcome, ...]:
        """What became of the letters since a moment, a template each."""
        letters = select(entries.c.template, entries.c.case_id, entries.c.state).where(
            entries.c.owner == self.owner,
            entries.c.template.is_not(None),
            entries.c.case_id.is_not(None),
            entries.c.settled >= since,
        )
        echoes = select(events.c.what, events.c.case_id).where(
            events.c.owner == self.owner,
            TOLD,
            events.c.what.in_((_ANSWERED, _CONNECTED, _OFFENDED, _BOUNCED)),
            events.c.at >= since,
        )
        with self.store.read() as connection:
            rows = connection.execute(letters).all()
            heard = {(row.what, row.case_id) for row in connection.execute(echoes)}
        template_of = {row.case_id: row.template for row in rows}
        counts = Counter((template_of[case], what) for what, case in heard if case in template_of)
        for row in rows:
            counts[row.template, "sent"] += row.state == State.SENT or (_BOUNCED, row.case_id) in heard
        named = sorted({template for (template, _), count in counts.items() if count})
        return tuple(
            Outcome(
                template,
                *(counts[template, what] for what in ("sent", _ANSWERED, _CONNECTED, _OFFENDED, _BOUNCED)),
            )
            for template in named
        )

    def _has(self, connection: Connection, what: str, condition: ColumnElement[bool]) -> bool:
        query = select(events.c.id).where(events.c.owner == self.owner, events.c.what == what, condition).limit(1)
        return connection.execute(query).first() is not None

    def _append(self, connection: Connection, what: str, why: str, case: Case, entry: Entry, now: datetime) -> None:
        append(connection, owner=self.owner, at=now, what=what, why=why, entry_id=entry.id, case_id=case.id)
