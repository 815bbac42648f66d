"""Taking a person out of the journal: what they wrote and who they are goes, that something happened stays."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from gateway.journal.schema import cases, entries, events, standing
from gateway.journal.store import append, link
from gateway.model import Scope
from gateway.names import fold

_ERASED = "erased at the owner's word"
_NO_CASE = {"profile": None, "person_name": None, "pastes": False}
_NOBODY = {"name": None, "headline": None, "company": None, "profile_url": None, "address": None}


def erase(connection: Connection, owner: str, who: str, now: datetime) -> int:
    """Erase all cases of the person with this address or full name; how many there were."""
    found = [row.id for row in connection.execute(select(cases).where(cases.c.owner == owner)) if _is(row.inviter, who)]
    for case_id in found:
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


def _is(inviter: dict[str, str | None], who: str) -> bool:
    address, name = inviter.get("address"), inviter.get("name")
    return who.casefold() == (address or "").casefold() or (name is not None and fold(name) == fold(who))


def _chain_anew(connection: Connection, owner: str) -> None:
    """The hashes covered what is gone; they are made again over what is left."""
    before = ""
    for found in (
        connection.execute(select(events).where(events.c.owner == owner).order_by(events.c.id)).mappings().all()
    ):
        before = link(before, found)
        connection.execute(update(events).where(events.c.id == found["id"]).values(hash=before))
