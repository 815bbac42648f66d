"""The mails in the journal and the way of an answer: every step towards the wire is on disk before it is taken."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    bindparam,
    case,
    func,
    insert,
    select,
    union,
    union_all,
    update,
)

from gateway.errors import JournalFailed
from gateway.journal.prepared import Prepared
from gateway.journal.schema import TOLD, Utc, cases, entries, events
from gateway.journal.store import append, append_all, link
from gateway.model import OWNER_RULE, WAITING, Case, Channel, Entry, Limits, Place, Reply, State, Verdict
from gateway.people.keys import address_key

# In these states the network's inviter has, or may have, our answer.
ON_THE_WIRE = (State.SENDING, State.DOT, State.SENT, State.UNCERTAIN)
_AT_ONCE = 200  # entries
_SEAL_DIGITS = 32
_SEAL = re.compile(rf"(?P<kind>mail|answer) [0-9a-f]{{{_SEAL_DIGITS}}}\Z")
BLOCKED = timedelta(days=60)  # how long an address gets nothing after a mail to it came back
# Built once: to build a statement takes longer than to run it.
_ROWS = (
    select(
        *(column for column in entries.c if column is not entries.c.raw),
        cases.c.number,
        cases.c.verdict,
        cases.c.decided_by,
        cases.c.pastes,
    )
    .outerjoin(cases, entries.c.case_id == cases.c.id)
    .order_by(entries.c.id)
)
ENTRIES = _ROWS.where(entries.c.owner == bindparam("owner"))
_EARLIER = entries.alias()
OPENS_A_CASE = ~(
    select(_EARLIER.c.id).where(_EARLIER.c.case_id == entries.c.case_id, _EARLIER.c.id < entries.c.id).exists()
) & entries.c.case_id.is_not(None)
# By cases that are known to be the owner's: asked for the owner, too, SQLite looks at every mail of theirs.
_FIRST_MAILS = Prepared(
    _ROWS.where(entries.c.case_id.in_(bindparam("cases", expanding=True)), OPENS_A_CASE), lists=["cases"]
)
_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_HERE = Prepared(
    select(entries.c.key, entries.c.id).where(
        entries.c.owner == bindparam("owner"), entries.c.key.in_(bindparam("keys", expanding=True))
    ),
    lists=["keys"],
)
_NEW = {"tries": 0, "sends": 0, "why": ""}
_GIVEN = ("owner", "key", "raw", "taken_in", "state", "folder", "uidvalidity", "uid")
_TAKEN_IN = Prepared(insert(entries).values(_NEW).inline(), columns=_GIVEN)
_RAWS = Prepared(select(entries.c.id, entries.c.raw).where(entries.c.id.in_(_IDS)), lists=["ids"])
_WORDS = Prepared(
    select(events.c.entry_id, events.c.why).where(events.c.entry_id.in_(_IDS)).order_by(events.c.id), lists=["ids"]
)
_IN_NO_STATE = (
    select(entries.c.id).where(entries.c.owner == bindparam("owner"), entries.c.state.not_in(tuple(State))).limit(1)
)
_THIS = entries.c.id == bindparam("entry")
_STILL = Prepared(select(entries.c.id).where(_THIS, entries.c.state == bindparam("as")).with_for_update())
_MOMENT: BindParameter[datetime] = bindparam("moment", type_=Utc)
_CLAIMED = Prepared(
    update(entries).where(_THIS).values(state=State.SENDING, claimed=_MOMENT, sends=entries.c.sends + 1)
)
_MARKED = Prepared(update(entries).where(_THIS, entries.c.state == State.SENDING).values(state=State.DOT))
_SETTLED = Prepared(
    update(entries)
    .where(_THIS, entries.c.state.in_(bindparam("states", expanding=True)))
    .values(state=bindparam("to"), why=bindparam("because"), not_before=bindparam("until"), settled=_MOMENT),
    lists=["states"],
)
_TO_ADDRESS = (entries.c.owner == bindparam("owner"), entries.c.recipient == bindparam("to"))
# By the mails to an address, which are few, and not by all that came back.
_CAME_BACK = Prepared(
    select(func.max(events.c.at)).where(
        events.c.entry_id.in_(select(entries.c.id).where(*_TO_ADDRESS)), events.c.what == "bounced"
    )
)


def _last_answered() -> Select[Any]:
    """When anybody was answered in an entry's case, or of late at its recipient's address or in a case of theirs."""
    same = entries.alias()
    own_case = select(same.c.case_id).where(same.c.id == bindparam("entry")).scalar_subquery()
    same_person = select(cases.c.id).where(
        cases.c.owner == bindparam("owner"),
        cases.c.profile == select(cases.c.profile).where(cases.c.id == own_case).scalar_subquery(),
    )
    within_window = entries.c.claimed > bindparam("since", type_=Utc)
    # Each by an index of its own; all in one condition, every mail of the owner would be looked at.
    ways: tuple[tuple[ColumnElement[bool], ...], ...] = (
        (entries.c.case_id == own_case,),
        (*_TO_ADDRESS, within_window),
        (entries.c.case_id.in_(same_person), within_window),
    )
    others = (entries.c.id != bindparam("entry"), entries.c.state.in_(ON_THE_WIRE))
    each = union_all(*(select(func.max(entries.c.claimed).label("last")).where(*way, *others) for way in ways))
    return select(func.max(each.subquery().c.last))


def _spent() -> Select[Any]:
    """How many answers went out within an hour, within a day, and within a day into a domain; the first of each."""
    lately, there = entries.c.claimed > bindparam("hour", type_=Utc), entries.c.recipient.like(bindparam("into"), "/")
    counted = (
        column
        for condition in (lately, entries.c.claimed.is_not(None), there)
        for column in (func.count(case((condition, 1))), func.min(case((condition, entries.c.claimed))))
    )
    return select(*counted).where(
        entries.c.owner == bindparam("owner"),
        entries.c.state.in_(ON_THE_WIRE),
        entries.c.claimed > bindparam("day", type_=Utc),
    )


_LAST_ANSWERED, _SPENT = Prepared(_last_answered()), Prepared(_spent())
_WILD = re.compile("[%_/]")  # to LIKE, which takes them as they are after a "/"
_TO_SOMEBODY = entries.c.recipient.is_not(None)
_MAY_GO_OUT = ENTRIES.where(entries.c.state.in_((*WAITING, *ON_THE_WIRE)), _TO_SOMEBODY)
_OF_THESE = _MAY_GO_OUT.where(entries.c.id.in_(_IDS))
_AT_STAKE = union(
    select(entries.c.id).where(
        entries.c.owner == bindparam("owner"), entries.c.state.in_((*WAITING, State.SENDING, State.DOT))
    ),
    select(events.c.entry_id).where(
        events.c.owner == bindparam("owner"),
        TOLD,
        events.c.at >= bindparam("since", type_=Utc),
        events.c.what == State.SENDING,
    ),
)
_BEFORE = events.alias()
_LINKS = (
    select(
        events,
        select(_BEFORE.c.hash)
        .where(_BEFORE.c.owner == events.c.owner, _BEFORE.c.id < events.c.id)
        .order_by(_BEFORE.c.id.desc())
        .limit(1)
        .scalar_subquery()
        .label("before"),
    )
    .where(events.c.entry_id.in_(_IDS), events.c.owner == bindparam("owner"))
    .order_by(events.c.id)
)
_TELLING = (
    select(events.c.entry_id, events.c.what, events.c.why, events.c.at)
    .where(
        events.c.owner == bindparam("owner"),
        (events.c.what == State.SENDING) | events.c.why.like(f"%answer {'_' * _SEAL_DIGITS}"),
    )
    .order_by(events.c.id)
)


@dataclass(frozen=True, slots=True)
class Denied:
    """Why an answer may not go out: not before `until`, or not at all by itself (None)."""

    why: str
    until: datetime | None = None


def seal(what: str, content: bytes) -> str:
    """What an event says of a thing, so that the thing cannot change without the chain of events showing it."""
    return f"{what} {hashlib.sha256(content).hexdigest()[:_SEAL_DIGITS]}"


def seal_of_answer(judgement: Mapping[str, Any] | None) -> str:
    """The seal of the answer that a judgement holds."""
    reply = judgement.get("reply") if judgement else None
    return seal("answer", json.dumps(reply, sort_keys=True).encode())


def is_sealed(connection: Connection, entry: Entry, seal: str) -> bool:
    """Whether the last seal of its kind that the events hold of an entry is this one."""
    whys = (row.why for row in _WORDS.rows(connection, {"ids": [entry.id]}))
    return _last_seal(whys, seal.partition(" ")[0]) == seal


def raws(connection: Connection, batch: Sequence[Entry]) -> dict[int, bytes | None]:
    """The mails themselves, by their entries' ids; JournalFailed when one is not what was taken in."""
    ids = {"ids": [entry.id for entry in batch]}
    found: dict[int, bytes | None] = {row.id: row.raw for row in _RAWS.rows(connection, ids)}
    words: defaultdict[int, list[str]] = defaultdict(list)
    for row in _WORDS.rows(connection, ids):
        words[row.entry_id].append(row.why)
    for entry_id, raw in found.items():
        if raw is not None and _last_seal(words[entry_id], "mail") != seal("mail", raw):
            raise JournalFailed(f"journal: the mail of entry {entry_id} was changed; restore a backup")
    return {entry.id: found.get(entry.id) for entry in batch}


def _last_seal(whys: Iterable[str], kind: str) -> str | None:
    found = [seal[0] for why in whys if (seal := _SEAL.search(why)) and seal["kind"] == kind]
    return found[-1] if found else None


def row_to_entry(row: Any) -> Entry:
    """The row as an entry; JournalFailed when it holds what we never wrote."""
    try:
        return _entry(row)
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise JournalFailed(f"journal: entry {row.id} is damaged; restore a backup") from exc


def _entry(row: Any) -> Entry:
    judgement = row.judgement
    reply = judgement.get("reply") if judgement else None
    placed = row.uid is not None
    return Entry(
        id=row.id,
        key=row.key,
        state=State(row.state),
        taken_in=row.taken_in,
        tries=row.tries,
        message_id=row.message_id,
        case_id=row.case_id,
        case=f"c{row.number}" if row.number is not None else None,
        verdict=Verdict(row.verdict) if row.verdict is not None else None,
        dealt_with=_dealt_with(row),
        judgement=judgement,
        policy=row.policy or "",
        reply=Reply(**{**reply, "channel": Channel(reply["channel"])}) if reply else None,
        letter_id=row.letter_id,
        not_before=row.not_before,
        settled=row.settled,
        sends=row.sends,
        claimed=row.claimed,
        why=row.why,
        place=Place(row.folder, row.uidvalidity, row.uid) if placed else None,
        filed=row.filed,
    )


def _dealt_with(row: Any) -> bool:
    if row.decided_by != "owner" or row.verdict == Verdict.HUMAN:
        return False
    judgement = row.judgement or {}
    if row.verdict == Verdict.ACCEPT or judgement.get("rule") != OWNER_RULE:
        return True
    # An answer at the owner's word, which they may have taken back since.
    return bool(judgement["reply"]) and judgement["reply"]["channel"] == Channel.PASTE and not row.pastes


def find(connection: Connection, owner: str, *conditions: ColumnElement[bool]) -> list[Entry]:
    """Entries of an owner in the order they were taken in, without the mails, which would fill the memory."""
    return [row_to_entry(row) for row in connection.execute(ENTRIES.where(*conditions), {"owner": owner})]


def found_by(connection: Connection, owner: str, query: Prepared, **values: object) -> list[Entry]:
    """The same by a query made of ENTRIES, with these values in it."""
    return [row_to_entry(row) for row in query.rows(connection, {"owner": owner, **values})]


def first_mails(connection: Connection, case_ids: Sequence[int]) -> dict[int, Entry]:
    """The mails that opened some cases, by the cases' ids."""
    found = [row_to_entry(row) for row in _FIRST_MAILS.rows(connection, {"cases": case_ids})]
    return {entry.case_id: entry for entry in found if entry.case_id is not None}


def take_in(
    connection: Connection, owner: str, mails: Mapping[str, tuple[bytes, Place | None]], now: datetime
) -> frozenset[str]:
    """Store mails by their keys; the keys of those that were not here already."""
    ids = _ids_of_new(connection, owner, mails, now)
    for key in mails.keys() - ids.keys():
        if place := mails[key][1]:
            _moved_here(connection, owner, key, place)
    happened = [
        {"what": "taken-in", "why": seal("mail", mails[key][0]), "entry_id": entry_id, "case_id": None}
        for key, entry_id in ids.items()
    ]
    if happened:
        append_all(connection, happened, owner=owner, at=now)
    return frozenset(ids)


def _ids_of_new(
    connection: Connection, owner: str, mails: Mapping[str, tuple[bytes, Place | None]], now: datetime
) -> dict[str, int]:
    """Write mails down that are not here already; the ids of their entries by the mails' keys."""
    rows = {
        key: {"owner": owner, "key": key, "raw": raw, "taken_in": now, "state": State.NEW, **_whereabouts(place)}
        for key, (raw, place) in mails.items()
    }
    if len(rows) == 1:
        ((key, row),) = rows.items()
        found = _one_if_new(connection.dialect.name).scalar(connection, row)
        return {} if found is None else {key: found}
    # Nobody else writes to the owner's rows until the transaction ends, so that this still holds below.
    here = {row.key for row in _HERE.rows(connection, {"owner": owner, "keys": rows})}
    new = [row for key, row in rows.items() if key not in here]
    if not new:
        return {}
    _TAKEN_IN.run_for_each(connection, new)
    # Asked for afterwards: SQLite tells the numbers of new rows only one by one.
    ids = {row.key: row.id for row in _HERE.rows(connection, {"owner": owner, "keys": rows})}
    return {key: ids[key] for key in rows if key not in here}


@functools.cache
def _one_if_new(dialect: str) -> Prepared:
    """The statement that writes a mail down and tells the entry's id, or nothing where the mail is here already."""
    # Of the dialect at hand alone: to load PostgreSQL's for an owner of a file would take memory for nothing.
    made = importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert(entries).values(_NEW)
    if_new = made.on_conflict_do_nothing(index_elements=["owner", "key"])
    return Prepared(if_new.returning(entries.c.id), columns=_GIVEN)


def _whereabouts(place: Place | None) -> dict[str, Any]:
    return asdict(place) if place else {"folder": None, "uidvalidity": None, "uid": None}


def _moved_here(connection: Connection, owner: str, key: str, place: Place) -> None:
    # The same mail lies somewhere new: the server renumbered the folder, or the owner moved it back. Only a
    # mail that is not filed yet needs to know.
    unfiled = (entries.c.owner == owner, entries.c.key == key, entries.c.filed.is_(None))
    connection.execute(update(entries).where(*unfiled).values(**asdict(place)))


def still(connection: Connection, entry: Entry, state: State) -> bool:
    """Whether an entry is in a state; if so, nobody else takes it out of it before the transaction ends."""
    return _STILL.first(connection, {"entry": entry.id, "as": state}) is not None


def claim(connection: Connection, owner: str, entry: Entry, limits: Limits, now: datetime) -> Denied | None:
    """Take a due answer for sending; None when it is ours. Another may have been quicker: that is a denial too."""
    if not still(connection, entry, State.DUE):
        return Denied("it is no longer due")
    if not is_sealed(connection, entry, seal_of_answer(entry.judgement)):
        raise JournalFailed(f"journal: the answer of entry {entry.id} is not what was decided; restore a backup")
    denied = (
        _blocked(connection, owner, entry, now)
        or _answered_lately(connection, owner, entry, limits, now)
        or _over_budget(connection, owner, entry, limits, now)
    )
    if denied:
        return denied
    _CLAIMED.run(connection, {"entry": entry.id, "moment": now})
    append(connection, owner=owner, at=now, what="sending", entry_id=entry.id)
    return None


def _recipient(entry: Entry) -> str:
    return address_key(entry.reply.to) if entry.reply and entry.reply.to else ""


def _blocked(connection: Connection, owner: str, entry: Entry, now: datetime) -> Denied | None:
    """Whether mail to this address came back lately."""
    last = _CAME_BACK.scalar(connection, {"owner": owner, "to": _recipient(entry)})
    if last is None or last + BLOCKED < now:
        return None
    return Denied(f"a mail to this address came back on {last:%Y-%m-%d}")


def bounced(connection: Connection, owner: str, letter_id: str, now: datetime) -> Entry | None:
    """Note that an answer of ours came back; None when it is not ours or was noted before."""
    found = find(connection, owner, entries.c.letter_id == letter_id, entries.c.state.in_(ON_THE_WIRE))
    if not found:
        return None
    entry = found[0]
    noted = select(events.c.id).where(events.c.entry_id == entry.id, events.c.what == "bounced")
    if connection.execute(noted).first():
        return None
    settle(connection, owner, entry, State.REFUSED, now, why="the answer came back: it could not be delivered")
    append(connection, owner=owner, at=now, what="bounced", entry_id=entry.id, case_id=entry.case_id)
    return entry


def bounces_since(connection: Connection, owner: str, since: datetime) -> int:
    came_back = (events.c.owner == owner, TOLD, events.c.what == "bounced", events.c.at >= since)
    return int(connection.execute(select(func.count()).where(*came_back)).scalar_one())


def _answered_lately(connection: Connection, owner: str, entry: Entry, limits: Limits, now: datetime) -> Denied | None:
    whom = {"owner": owner, "entry": entry.id, "to": _recipient(entry), "since": now - limits.window}
    last = _LAST_ANSWERED.scalar(connection, whom)
    return Denied(f"this person was answered on {last:%Y-%m-%d} already") if last else None


def _over_budget(connection: Connection, owner: str, entry: Entry, limits: Limits, now: datetime) -> Denied | None:
    domain = _recipient(entry).rpartition("@")[2]
    hour, day = timedelta(hours=1), timedelta(days=1)
    into_domain = "%@" + _WILD.sub(r"/\g<0>", domain)
    asked = {"owner": owner, "hour": now - hour, "day": now - day, "into": into_domain}
    of_hour, hour_began, of_day, day_began, to_domain, domain_began = _SPENT.first(connection, asked)
    budgets = (
        (of_hour, limits.per_hour, hour_began, hour, "an hour"),
        (of_day, limits.per_day, day_began, day, "a day"),
        (to_domain, limits.per_domain, domain_began, day, f"a day to {domain}"),
    )
    for sent, most, oldest, span, words in budgets:
        if sent >= most:
            return Denied(f"{sent} answers {words} is the limit", until=oldest + span)
    return None


def mark_dot(connection: Connection, owner: str, entry: Entry, now: datetime) -> bool:
    """Note that the final dot is about to go out; False when the claim is no longer ours."""
    took = _MARKED.run(connection, {"entry": entry.id}) == 1
    if took:
        append(connection, owner=owner, at=now, what="dot", entry_id=entry.id)
    return took


def settle(
    connection: Connection,
    owner: str,
    entry: Entry,
    state: State,
    now: datetime,
    *,
    why: str = "",
    not_before: datetime | None = None,
    only_from: Collection[State] = tuple(State),
) -> bool:
    """Write down the outcome of a step; False when the entry has left the states it may be taken from."""
    outcome = {"to": state, "because": why, "until": not_before, "moment": now}
    took = _SETTLED.run(connection, {"entry": entry.id, "states": only_from, **outcome}) == 1
    if took:
        append(connection, owner=owner, at=now, what=str(state), why=why, entry_id=entry.id, case_id=entry.case_id)
    return took


def take_back(connection: Connection, owner: str, case: Case, why: str, now: datetime) -> None:
    """Close the answers of a case that still wait."""
    for entry in find(connection, owner, entries.c.case_id == case.id, entries.c.state.in_(WAITING)):
        settle(connection, owner, entry, State.CLOSED, now, why=why)


def recover(connection: Connection, owner: str, now: datetime) -> Iterable[Entry]:
    """After a start: what was claimed but had no dot may go again, what had one is the owner's to decide."""
    for entry in find(connection, owner, entries.c.state.in_((State.SENDING, State.DOT))):
        if entry.state is State.SENDING:
            settle(connection, owner, entry, State.DUE, now, why="stopped before the mail was handed over")
        else:
            why = "stopped while the mail server was taking it; whether it did, nobody can tell"
            settle(connection, owner, entry, State.UNCERTAIN, now, why=why)
        yield entry


def first_damaged(connection: Connection, owner: str) -> int | None:
    """The id of the first entry in no state there is, or with an answer that is not what the events say of it."""
    if (found := connection.execute(_IN_NO_STATE, {"owner": owner}).scalar()) is not None:
        return int(found)
    may_go_out = connection.execute(_MAY_GO_OUT, {"owner": owner}).all()  # or did
    return _first_unlike(may_go_out, connection.execute(_TELLING, {"owner": owner}).mappings()) if may_go_out else None


def first_doubtful(connection: Connection, owner: str, since: datetime) -> int | None:
    """The same of entries whose answer waits, or went towards the wire since a moment, and of the events about them.

    However long the journal is, they are few: budgets keep them so.
    """
    at_stake = connection.execute(_AT_STAKE, {"owner": owner, "since": since}).scalars().all()
    for start in range(0, len(at_stake), _AT_ONCE):
        ids = {"owner": owner, "ids": at_stake[start : start + _AT_ONCE]}
        told = connection.execute(_LINKS, ids).mappings().all()
        for event in told:
            if event["hash"] != link(event["before"] or "", event):
                return int(event["entry_id"])
        if (unlike := _first_unlike(connection.execute(_OF_THESE, ids), told)) is not None:
            return unlike
    return None


def _first_unlike(rows: Iterable[Any], told: Iterable[RowMapping]) -> int | None:
    """The id of the first entry whose answer is not what events tell of it."""
    sealed: dict[int, str | None] = {}
    claimed: dict[int, datetime] = {}
    for event in told:
        if event["what"] == State.SENDING:
            claimed[event["entry_id"]] = event["at"]
        sealed[event["entry_id"]] = _last_seal([event["why"]], "answer") or sealed.get(event["entry_id"])
    for row in rows:
        entry = row_to_entry(row)
        whole = row.recipient == _recipient(entry) and entry.claimed == claimed.get(entry.id)
        if not whole or sealed.get(entry.id) != seal_of_answer(entry.judgement):
            return entry.id
    return None
