"""The cases in the journal: which mail continues which, and what became of the person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, select, update

from gateway.journal.schema import cases, entries
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


def by_mail(connection: Connection, owner: str, digits: str) -> Case | None:
    """The case of the mail whose key begins with these digits."""
    mails = select(entries.c.case_id).where(entries.c.owner == owner, entries.c.key.between(digits, f"{digits}g"))
    row = _latest(connection, owner, cases.c.id.in_(mails))
    return _row_to_case(row) if row else None


def overrule(connection: Connection, case: Case, verdict: Verdict, now: datetime) -> None:
    """The owner's word instead of the policy's; a text to paste is none any more, unless an answer comes with it."""
    now_so = {"verdict": verdict, "decided_by": "owner", "changed": now, "pastes": False}
    connection.execute(update(cases).where(cases.c.id == case.id).values(now_so))


# By the time of their last change, latest first.
CASES = select(cases).where(cases.c.owner == bindparam("owner")).order_by(cases.c.changed.desc(), cases.c.id.desc())


def found_by(connection: Connection, owner: str, query: Select[Any]) -> list[Case]:
    """An owner's cases by a query for them."""
    return [_row_to_case(row) for row in connection.execute(query, {"owner": owner}).mappings()]
