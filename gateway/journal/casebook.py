"""The cases in the journal: which mail continues which, and what became of the person."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from gateway.journal.schema import cases
from gateway.model import Case, Person, Verdict


def _row_to_case(row: RowMapping) -> Case:
    return Case(
        id=row["id"],
        name=f"c{row['number']}",
        network=row["network"],
        inviter=Person(**row["inviter"]),
        verdict=Verdict(row["verdict"]),
        decided_by=row["decided_by"],
        opened=row["opened"],
        changed=row["changed"],
    )


def _latest(connection: Connection, owner: str, condition: ColumnElement[bool]) -> RowMapping | None:
    query = select(cases).where(cases.c.owner == owner, condition).order_by(cases.c.id.desc()).limit(1)
    return connection.execute(query).mappings().first()


def by_name(connection: Connection, owner: str, name: str) -> Case | None:
    """The case called "c17"."""
    digits = name.removeprefix("c")
    if not digits.isdecimal():
        return None
    row = _latest(connection, owner, cases.c.number == int(digits))
    return _row_to_case(row) if row else None


def overrule(connection: Connection, case: Case, verdict: Verdict, now: datetime) -> None:
    """The owner's word instead of the policy's."""
    connection.execute(
        update(cases).where(cases.c.id == case.id).values(verdict=verdict, decided_by="owner", changed=now)
    )


def listing(connection: Connection, owner: str, *, since: datetime | None = None) -> list[Case]:
    """Cases by the time of their last change, latest first."""
    query = select(cases).where(cases.c.owner == owner)
    if since:
        query = query.where(cases.c.changed >= since)
    return [_row_to_case(row) for row in connection.execute(query.order_by(cases.c.changed.desc())).mappings()]
