"""Taking a person out of the journal: what they wrote and who they are goes, that something happened stays."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from gateway.journal.entries import find, settle
from gateway.journal.schema import cases, entries, events, standing
from gateway.journal.store import append, link
from gateway.model import WAITING, Scope, State
from gateway.names import read
from gateway.people.keys import address_key

_ERASED = "erased at the owner's word"
_NO_CASE = {"profile": None, "person_name": None, "pastes": False}
_NOBODY = {"name": None, "headline": None, "company": None, "profile_url": None, "address": None}


def erase(connection: Connection, owner: str, who: str, now: datetime) -> int:
    """Erase all cases of the person with this address or full name; how many there were."""
    found = _cases_by_address(connection, owner, who) if "@" in who else _cases_by_name(connection, owner, who)
    for case_id in found:
        for entry in find(connection, owner, entries.c.case_id == case_id, entries.c.state.in_(WAITING)):
            settle(connection, owner, entry, State.CLOSED, now, why=_ERASED)
        connection.execute(update(cases).where(cases.c.id == case_id).values(inviter=_NOBODY, **_NO_CASE))
        answers = select(events.c.entry_id).where(events.c.case_id == case_id, events.c.entry_id.is_not(None))
        connection.execute(
            update(entries)
            .where((entries.c.case_id == case_id) | entries.c.id.in_(answers))
            .values(raw=None, judgement=None, recipient=None, message_id=None, why=_ERASED)
        )
        connection.execute(delete(standing).where(standing.c.case_id == case_id, standing.c.scope == Scope.PERSON))
        mails = select(entries.c.id).where(entries.c.case_id == case_id)
        of_case = (events.c.case_id == case_id) | events.c.entry_id.in_(mails)
        connection.execute(update(events).where(of_case).values(why=_ERASED))
    if found:
        append(connection, owner=owner, at=now, what="erased", why=f"{len(found)} cases of a person")
        _chain_anew(connection, owner)
    return len(found)


def _cases_by_address(connection: Connection, owner: str, address: str) -> list[int]:
    """Those whose inviter has this address, or was to be answered there."""
    wanted = address_key(address)
    to_them = select(entries.c.case_id).where(entries.c.owner == owner, entries.c.recipient == wanted)
    answered = frozenset(connection.execute(to_them).scalars())
    return [
        row.id
        for row in connection.execute(select(cases.c.id, cases.c.inviter).where(cases.c.owner == owner))
        if row.id in answered or (row.inviter["address"] and address_key(row.inviter["address"]) == wanted)
    ]


def _cases_by_name(connection: Connection, owner: str, name: str) -> list[int]:
    wanted = read(name).words  # none of what is no name: it is nobody's
    return [
        row.id
        for row in connection.execute(select(cases.c.id, cases.c.inviter).where(cases.c.owner == owner))
        if wanted and row.inviter["name"] and read(row.inviter["name"]).words == wanted
    ]


def _chain_anew(connection: Connection, owner: str) -> None:
    """The hashes covered what is gone; they are made again over what is left."""
    before = ""
    for found in (
        connection.execute(select(events).where(events.c.owner == owner).order_by(events.c.id)).mappings().all()
    ):
        before = link(before, found)
        connection.execute(update(events).where(events.c.id == found["id"]).values(hash=before))
