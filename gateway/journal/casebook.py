"""The cases in the journal: which mail continues which, and what became of the person."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from gateway.cases import Identity, KnownCase, identify, same_case
from gateway.journal.schema import cases
from gateway.model import Case, Kind, Notification, Person, Verdict


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


def _known(row: RowMapping | None) -> KnownCase | None:
    return None if row is None else KnownCase(f"c{row['number']}", row["invitation"], Kind(row["opened_by"]))


def find(connection: Connection, owner: str, notification: Notification) -> Case | None:
    """The case a notification continues."""
    identity = identify(notification)
    found = same_case(
        identity,
        notification.kind,
        lambda invitation: _known(_latest(connection, owner, cases.c.invitation == invitation)),
        lambda _person: _known(_latest(connection, owner, _of_person(identity))),
    )
    return by_name(connection, owner, found.name) if found else None


def by_name(connection: Connection, owner: str, name: str) -> Case | None:
    """The case called "c17"."""
    digits = name.removeprefix("c")
    if not digits.isdecimal():
        return None
    row = _latest(connection, owner, cases.c.number == int(digits))
    return _row_to_case(row) if row else None


def earlier_declines(connection: Connection, owner: str, notification: Notification, own: Case | None) -> int:
    """How many other cases of this person ended in a decline."""
    identity = identify(notification)
    if identity.person is None:
        return 0
    query = select(func.count()).where(
        cases.c.owner == owner,
        _of_person(identity),
        cases.c.verdict == Verdict.DECLINE,
        cases.c.id != (own.id if own else 0),
    )
    return int(connection.execute(query).scalar_one())


def _of_person(identity: Identity) -> ColumnElement[bool]:
    # A profile is somebody; a bare name only where the mail gives no profile.
    if identity.profile:
        return cases.c.profile == identity.profile
    return cases.c.person_name == identity.name


def open_case(connection: Connection, owner: str, notification: Notification, verdict: Verdict, now: datetime) -> Case:
    """A new case under the next number."""
    identity = identify(notification)
    last = connection.execute(select(func.max(cases.c.number)).where(cases.c.owner == owner)).scalar()
    row = {
        "owner": owner,
        "number": (last or 0) + 1,
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
    }
    return _row_to_case(connection.execute(insert(cases).values(**row).returning(cases)).mappings().one())


def learn(connection: Connection, case: Case, notification: Notification) -> None:
    """Add what a later mail of the case tells about who it is and the first did not."""
    identity = identify(notification)
    for column, value in ((cases.c.invitation, identity.invitation), (cases.c.profile, identity.profile)):
        if value:
            connection.execute(update(cases).where(cases.c.id == case.id, column.is_(None)).values({column: value}))


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
