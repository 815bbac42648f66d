"""A journal out of its SQLite file into a PostgreSQL, an owner a transaction, every row compared afterwards.

Rows are numbered anew, because others have theirs there, and so the chain of events is linked anew; what the events
say, the seals of mails and answers among it, stays. What is known of people is read again from its sources instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from gateway.errors import JournalFailed
from gateway.journal import Journal
from gateway.journal.schema import (
    cases,
    confirmations,
    cursors,
    digests,
    entries,
    events,
    facts,
    nonces,
    people_forgotten,
    policies,
    standing,
)
from gateway.journal.store import Store, link

# Those that others point at come first.
_TABLES = (cases, entries, events, cursors, digests, nonces, confirmations, standing, policies, facts, people_forgotten)
_POINTERS = {"case_id": cases, "entry_id": entries}
_AT_ONCE = 500  # rows a statement

_Numbers = dict[Table, dict[int, int]]


def copy_journal(source: Store, target: Store, tell: Callable[[str, int], None]) -> dict[str, int]:
    """Copy every owner; how many rows each has, 0 for one who was there already, row by row the same.

    `tell` hears of each owner that is done. JournalFailed when a journal is broken, or the target has other rows of an
    owner: then nothing of that owner was changed. What was copied before stays, so it can be called again.
    """
    with source.read() as connection:
        named = select(facts.c.owner).union(select(events.c.owner), select(cursors.c.owner))
        owners = sorted(connection.execute(named).scalars())
    done = {}
    for owner in owners:
        done[owner] = _copy_owner(source.of(owner), target.of(owner), owner)
        tell(owner, done[owner])
    return done


def _copy_owner(source: Store, target: Store, owner: str) -> int:
    Journal(source, owner).verify()
    with source.read() as old, target.write() as new:
        there = any(new.execute(select(func.count()).where(table.c.owner == owner)).scalar_one() for table in _TABLES)
        if there:
            _compare(old, new, owner, "the database has other rows of this owner; take another one")
            return 0
        rows = _insert_all(old, new, owner)
        _compare(old, new, owner, "a row did not arrive as it was; nothing was copied")
    return rows


def _insert_all(old: Connection, new: Connection, owner: str) -> int:
    numbers: _Numbers = {cases: {}, entries: {}}
    total, before = 0, ""
    for table in _TABLES:
        rows = _rows(old, table, owner)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            fresh = [_pointed(row, numbers) for row in part]
            if table is events:
                for row in fresh:
                    before = row["hash"] = link(before, row)
            if table in numbers:
                query = insert(table).returning(table.c.id, sort_by_parameter_order=True)
                given = new.execute(query, fresh).scalars()
                numbers[table] |= {row["id"]: number for row, number in zip(part, given, strict=True)}
            else:
                new.execute(insert(table), fresh)
            total += len(fresh)
    return total


def _pointed(row: Mapping[str, Any], numbers: _Numbers) -> dict[str, Any]:
    """A row without its own number, pointing at the new numbers of others; at nothing where a person was forgotten."""
    fresh = {name: value for name, value in row.items() if name != "id"}
    for name, table in _POINTERS.items():
        if fresh.get(name) is not None:
            fresh[name] = numbers[table].get(fresh[name])
    return fresh


def _compare(old: Connection, new: Connection, owner: str, otherwise: str) -> None:
    """JournalFailed, saying `otherwise`, unless both have the same rows of an owner, but for how they are numbered."""
    numbers: _Numbers = {cases: {}, entries: {}}
    for table in _TABLES:
        mine, theirs = _rows(old, table, owner), _rows(new, table, owner)
        alike = len(mine) == len(theirs)
        for row, other in zip(mine, theirs, strict=False):
            alike = alike and _told(_pointed(row, numbers)) == _told(other)
            if table in numbers:
                numbers[table][row["id"]] = other["id"]
        if not alike:
            raise JournalFailed(f"journal copy: {owner}, {table.name}: {otherwise}")


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("id", "hash")}


def _rows(connection: Connection, table: Table, owner: str) -> list[Mapping[str, Any]]:
    """An owner's rows in an order that both databases keep; sorted here, since each sorts text in its own way."""
    found = [dict(row) for row in connection.execute(select(table).where(table.c.owner == owner)).mappings()]
    return sorted(found, key=lambda row: [row[column.name] for column in table.primary_key])
