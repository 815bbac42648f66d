"""The journal: what came in, what was decided and why, what went out. All SQL stands in this package.

Intake and worker meet only here. A method that changes something is one transaction, on disk when it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from gateway.errors import JournalFailed
from gateway.journal import casebook
from gateway.journal import entries as _entries
from gateway.journal.chronicle import AWAY, Chronicle
from gateway.journal.conversation import Conversation
from gateway.journal.docket import Docket, mailbox_of, pastes, sealed
from gateway.journal.entries import ON_THE_WIRE, Denied
from gateway.journal.erasure import erase
from gateway.journal.orders import Orders
from gateway.journal.prepared import Prepared
from gateway.journal.schema import (
    MAY_WAIT,
    TO_BE_COPIED,
    TO_BE_FILED,
    Utc,
    cases,
    confirmations,
    cursors,
    digests,
    entries,
    events,
    facts,
)
from gateway.journal.shelves import Policies, Weeks
from gateway.journal.store import Store, append, append_all, first_broken_event
from gateway.journal.whereabouts import Whereabouts, passed
from gateway.journal.words import StandingWords
from gateway.model import PARKED, WAITING, Case, Entry, Judgement, Landed, Limits, Place, Ruling, State, Verdict

A_DAY = timedelta(days=1)  # from one note of being alive to the next
_AT_ONCE = 200  # mails
_ALIVE = "alive"  # the fact of having looked last
_UNTOUCHED = (State.CLOSED, State.HELD)  # of a mail that nobody acted on
_FILED_BY = (Verdict.DECLINE, Verdict.ACCEPT, Verdict.HUMAN)  # each has a folder


def _part(query: Select[Any]) -> Select[Any]:
    """Of a query for entries so many as are held at once, after the `last` one."""
    return query.where(entries.c.id > bindparam("last")).limit(_AT_ONCE)


# Built once, for what is asked in every round: to build a statement takes longer than to run it.
_MINE: BindParameter[str] = bindparam("owner")
_MOMENT: BindParameter[datetime] = bindparam("moment", type_=Utc)
# Whom the owner said they will accept asks for nothing more.
_MAY_WAIT = casebook.CASES.where(MAY_WAIT, (cases.c.decided_by != "owner") | (cases.c.verdict != Verdict.ACCEPT))
_LATEST = casebook.CASES.limit(bindparam("most")).subquery()
_LEFT_APART = (
    select(func.count(_LATEST.c.id), func.count(entries.c.id))
    .select_from(_LATEST)
    .outerjoin(
        entries,
        (entries.c.case_id == _LATEST.c.id)
        & (entries.c.state == State.CLOSED)
        & entries.c.why.in_(bindparam("whys", expanding=True))
        & (_LATEST.c.verdict == Verdict.DECLINE)
        & (_LATEST.c.decided_by != "owner"),
    )
)
_CURSORS = Prepared(select(cursors.c.folder, cursors.c.uidvalidity, cursors.c.uid).where(cursors.c.owner == _MINE))
_ADVANCED = Prepared(
    update(cursors)
    .where(cursors.c.owner == bindparam("of"), cursors.c.folder == bindparam("in"))
    .values(uidvalidity=bindparam("under"), uid=bindparam("last"))
)
_FIRST_READ = Prepared(insert(cursors), columns=["owner", "folder", "uidvalidity", "uid"])
_MARK = Prepared(
    select(
        select(func.max(events.c.id)).where(events.c.owner == _MINE).scalar_subquery(),
        select(facts.c.value).where(facts.c.owner == _MINE, facts.c.name == bindparam("name")).scalar_subquery(),
    )
)
_FACT = Prepared(select(facts.c.value).where(facts.c.owner == _MINE, facts.c.name == bindparam("name")))
_FACTS = Prepared(
    select(facts.c.name, facts.c.value).where(
        facts.c.owner == _MINE, facts.c.name.in_(bindparam("names", expanding=True))
    ),
    lists=["names"],
)
_BEGAN = select(events.c.at).where(events.c.owner == _MINE).order_by(events.c.id).limit(1)
_IN_STATES = Prepared(
    _entries.ENTRIES.where(entries.c.state.in_(bindparam("states", expanding=True))), lists=["states"]
)
_NEW = Prepared(_part(_entries.ENTRIES.where(entries.c.state == State.NEW)))
_HOLD_OVER = Prepared(_entries.ENTRIES.where(entries.c.state == State.HELD, entries.c.not_before <= _MOMENT))
_DUE = Prepared(
    _entries.ENTRIES.where(
        entries.c.state == State.DUE, entries.c.not_before.is_(None) | (entries.c.not_before <= _MOMENT)
    )
)
_UNCOPIED = Prepared(_entries.ENTRIES.where(TO_BE_COPIED))
_UNFILED = Prepared(_part(_entries.ENTRIES.where(TO_BE_FILED, entries.c.folder == bindparam("lies_in"))))
_OTHER = entries.alias()
_ACTED = select(_OTHER.c.id).where(_OTHER.c.case_id == entries.c.case_id, _OTHER.c.state.not_in(_UNTOUCHED))
_OPEN_TO_CHANGE = _entries.ENTRIES.where(
    entries.c.state.in_(_UNTOUCHED),
    entries.c.raw.is_not(None),
    cases.c.decided_by == "policy",
    ~_ACTED.exists(),
    _entries.OPENS_A_CASE,
)
# First of all by this alone: the accounts of thousands that nobody has to look at would be read for nothing.
_UNDER = Prepared(_part(_OPEN_TO_CHANGE.with_only_columns(entries.c.id, entries.c.policy)))
_MISFILED = Prepared(
    _entries.ENTRIES.where(
        cases.c.owner == _MINE, cases.c.changed != cases.c.opened, cases.c.changed >= bindparam("since", type_=Utc),
        or_(*((cases.c.verdict == verdict) & (entries.c.filed != bindparam(verdict.name)) for verdict in _FILED_BY)),
    )
)  # fmt: skip
_OUTLOOK = Prepared(
    select(
        select(entries.c.id).where(entries.c.owner == _MINE, entries.c.state.in_((State.NEW, State.ASKED))).exists()
        | select(confirmations.c.at).where(confirmations.c.owner == _MINE, confirmations.c.state == State.DUE).exists(),
        select(func.min(entries.c.not_before))
        .where(entries.c.owner == _MINE, entries.c.state.in_(WAITING), entries.c.not_before > _MOMENT)
        .scalar_subquery(),
    )
)
_ON_THEIR_WAY = (State.SENDING, State.DOT)
_HALF_DONE = Prepared(
    select(
        or_(
            select(entries.c.id).where(entries.c.owner == _MINE, entries.c.state.in_(_ON_THEIR_WAY)).exists(),
            select(digests.c.at).where(digests.c.owner == _MINE, digests.c.state.in_(_ON_THEIR_WAY)).exists(),
            select(confirmations.c.at)
            .where(confirmations.c.owner == _MINE, confirmations.c.state.in_(_ON_THEIR_WAY))
            .exists(),
        )
    )
)
_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_UNJUDGED = Prepared(
    select(entries.c.id).where(entries.c.id.in_(_IDS), entries.c.state == State.NEW).with_for_update(), lists=["ids"]
)
_OPEN_OF_THESE = Prepared(_OPEN_TO_CHANGE.where(entries.c.id.in_(_IDS)), lists=["ids"])
_VERDICTS = Prepared(
    select(entries.c.id, cases.c.verdict).join(cases, entries.c.case_id == cases.c.id).where(entries.c.id.in_(_IDS)),
    lists=["ids"],
)
_TRIED = Prepared(update(entries).where(entries.c.id.in_(_IDS)).values(tries=entries.c.tries + 1), lists=["ids"])
_COPIED = Prepared(update(entries).where(entries.c.id == bindparam("entry")).values(copied=_MOMENT))
_FILED = Prepared(update(entries).where(entries.c.id.in_(_IDS)).values(filed=bindparam("into")), lists=["ids"])


def _portions(after: Callable[[int], list[Any]]) -> Iterator[list[Any]]:
    """What comes after an id, some at a time and by their ids; each list is empty when the next is asked for."""
    last, more = 0, True
    while more and (found := after(last)):
        last, more = found[-1].id, len(found) == _AT_ONCE
        yield found
        found.clear()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as `show` prints it."""

    at: datetime
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer at the owner's word: to which mail, its account (`explain --json`) and how it goes out."""

    entry: Entry
    account: dict[str, Any]
    ruling: Ruling


@dataclass(frozen=True, slots=True)
class Journal:
    """One owner's rows."""

    store: Store
    owner: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", self.store.of(self.owner))

    @property
    def weeks(self) -> Weeks:
        """The weekly summaries."""
        return Weeks(self.store, self.owner)

    @property
    def chronicle(self) -> Chronicle:
        """What happened in a span of time."""
        return Chronicle(self.store, self.owner)

    @property
    def policies(self) -> Policies:
        """The policies that decisions were made under."""
        return Policies(self.store, self.owner)

    @property
    def standing(self) -> StandingWords:
        """What the owner said once and for all."""
        return StandingWords(self.store, self.owner)

    @property
    def orders(self) -> Orders:
        """The marks of commands that came by mail."""
        return Orders(self.store, self.owner)

    @contextmanager
    def together(self, *, lasting: bool = True) -> Iterator[Journal]:
        """One transaction around all that is done in the journal it gives: on disk as a whole, or not at all."""
        with self.store.together(lasting=lasting) as store:
            yield replace(self, store=store)

    @property
    def conversation(self) -> Conversation:
        """What inviters wrote back."""
        return Conversation(self.store, self.owner)

    @property
    def whereabouts(self) -> Whereabouts:
        """Where mails lie, as against where the journal has put them."""
        return Whereabouts(self.store, self.owner)

    # Taking in

    def take_in(self, key: str, raw: bytes, place: Place | None, now: datetime) -> bool:
        """Store a mail; False when it is already here, by whatever way it came."""
        return bool(self.take_in_all({key: (raw, place)}, now))

    def take_in_all(self, mails: Mapping[str, tuple[bytes, Place | None]], now: datetime) -> frozenset[str]:
        """Store mails by their keys; the keys of those that were not here already, by whatever way they came."""
        with self.store.write() as connection:
            return _entries.take_in(connection, self.owner, mails, now)

    def cursor(self, folder: str) -> tuple[int, int]:
        """UIDVALIDITY and highest UID read in a folder; (0, 0) when it never was."""
        return self.cursors().get(folder, (0, 0))

    def cursors(self) -> dict[str, tuple[int, int]]:
        """UIDVALIDITY and highest UID read of each folder that was read."""
        with self.store.read() as connection:
            found = _CURSORS.rows(connection, {"owner": self.owner})
            return {row.folder: (row.uidvalidity, row.uid) for row in found}

    def advance(self, folder: str, uidvalidity: int, uid: int) -> None:
        """Note how far a folder has been read; only after what was found is taken in."""
        row = {"owner": self.owner, "folder": folder, "uidvalidity": uidvalidity, "uid": uid}
        # One that is lost has mails read once more, which are known by their keys.
        with self.store.write(lasting=False) as connection:
            read = {"of": self.owner, "in": folder, "under": uidvalidity, "last": uid}
            if _ADVANCED.run(connection, read) == 0:
                _FIRST_READ.run(connection, row)

    # Judging

    def docket(self) -> Docket:
        """The cases that mails may belong to, and what is judged."""
        return Docket(self.store, self.owner)

    def unjudged(self, batch: Sequence[Entry]) -> frozenset[int]:
        """The ids of those that nobody judged meanwhile; in a transaction, nobody does before its end."""
        with self.store.write() as connection:
            return frozenset(row.id for row in _UNJUDGED.rows(connection, {"ids": [entry.id for entry in batch]}))

    def begin_reading(self, batch: Sequence[Entry]) -> None:
        """Count a try before mails are read, so that one that kills the process is set aside in the end."""
        # A mail ends a process; it does not cut the power.
        with self.store.write(lasting=False) as connection:
            _TRIED.run(connection, {"ids": [entry.id for entry in batch]})

    def forgive_reading(self, entry: Entry) -> None:
        """Take a try back that ended for no fault of the mail's."""
        with self.store.write() as connection:
            connection.execute(update(entries).where(entries.c.id == entry.id).values(tries=entry.tries))

    def judged(
        self, entry: Entry, judgement: Judgement, account: dict[str, Any], ruling: Ruling, now: datetime
    ) -> None:
        """Write a judgement and what follows from it down, unless another judged the mail meanwhile."""
        with self.together() as together:
            if together.unjudged([entry]):
                docket = together.docket()
                docket.judged(entry, judgement, account, ruling, now)
                docket.write(now)

    def set_aside(self, entry: Entry, why: str, now: datetime) -> None:
        """Keep a mail that cannot be judged for the owner to see."""
        with self.store.write() as connection:
            _entries.settle(connection, self.owner, entry, State.UNREADABLE, now, why=why, only_from=(State.NEW,))

    def open_to_change(self, policy: str = "", *, but: Container[int] = ()) -> Iterator[Entry]:
        """What the policy decided and nobody acted on: the mails that opened these cases, while they are kept.

        Without entries of the ids in `but` that were judged under the `policy` of this fingerprint.
        """
        for part in _portions(self._judged_under):
            if wanted := [row.id for row in part if row.policy != policy or row.id not in but]:
                yield from self._found(_OPEN_OF_THESE, ids=wanted)

    def _judged_under(self, last: int) -> list[Any]:
        with self.store.read() as connection:
            return _UNDER.rows(connection, {"owner": self.owner, "last": last})

    def judged_again(
        self, entry: Entry, verdict: Verdict, account: dict[str, Any], ruling: Ruling, why: str, now: datetime
    ) -> bool:
        """Write down that a case moved, because the policy or the records are others than when it was decided.

        False when somebody acted on it meanwhile, which stands.
        """
        undecided = select(cases.c.id).where(cases.c.decided_by == "policy")
        with self.store.write() as connection:
            took = connection.execute(
                update(entries)
                .where(entries.c.id == entry.id, entries.c.state == entry.state, entries.c.case_id.in_(undecided))
                .values(
                    state=ruling.state,
                    why=ruling.why,
                    judgement=account,
                    judged=now,
                    policy=ruling.policy,
                    recipient=mailbox_of(ruling),
                    template=(account["reply"] or {}).get("template"),
                    not_before=ruling.not_before,
                    settled=now,
                )
            )
            if took.rowcount != 1:
                return False
            connection.execute(
                update(cases)
                .where(cases.c.id == entry.case_id)
                .values(verdict=verdict, changed=now, pastes=pastes(account))
            )
            for what, reason in (("moved", why), (str(ruling.state), sealed(ruling, account))):
                append(
                    connection, owner=self.owner, at=now, what=what, why=reason,
                    entry_id=entry.id, case_id=entry.case_id,
                )  # fmt: skip
        return True

    # Delivering

    def claim(self, entry: Entry, limits: Limits, now: datetime) -> Denied | None:
        """Take a due answer for sending; None when it is ours, else why not.

        It keeps others off from now on. Were it lost in a power cut, nothing would have gone out: mark_dot() puts both
        on disk before the final dot, and does nothing where the claim is gone.
        """
        with self.store.write(lasting=False) as connection:
            return _entries.claim(connection, self.owner, entry, limits, now)

    def mark_dot(self, entry: Entry, now: datetime) -> None:
        """Note that the final dot is about to go out; JournalFailed when the claim is no longer ours."""
        with self.store.write() as connection:
            if not _entries.mark_dot(connection, self.owner, entry, now):
                raise JournalFailed(f"entry {entry.id} was taken from us while sending")

    def settle(
        self,
        entry: Entry,
        state: State,
        now: datetime,
        *,
        why: str = "",
        not_before: datetime | None = None,
        only_from: Collection[State] = tuple(State),
    ) -> bool:
        """Write down the outcome of a step; False when somebody else took the entry out of `only_from` meanwhile."""
        # That an answer was sent may be lost in a power cut: the mark before the dot is not, and makes it uncertain.
        with self.store.write(lasting=state is not State.SENT) as connection:
            return _entries.settle(
                connection, self.owner, entry, state, now, why=why, not_before=not_before, only_from=only_from
            )

    def recover(self, now: datetime) -> list[Entry]:
        """Put right what a crash left half done; the entries concerned."""
        with self.store.read() as connection:
            if not _HALF_DONE.scalar(connection, {"owner": self.owner}):
                return []
        mine = digests.c.owner == self.owner
        with self.store.write() as connection:
            connection.execute(delete(digests).where(mine, digests.c.state == State.SENDING))
            connection.execute(update(digests).where(mine, digests.c.state == State.DOT).values(state=State.UNCERTAIN))
            for state, then in ((State.SENDING, State.DUE), (State.DOT, State.UNCERTAIN)):
                half_done = (confirmations.c.owner == self.owner, confirmations.c.state == state)
                connection.execute(update(confirmations).where(*half_done).values(state=then))
            return list(_entries.recover(connection, self.owner, now))

    def bounced(self, letter_id: str, now: datetime) -> Entry | None:
        """Note that an answer of ours came back and block its address; None when that is nothing new."""
        with self.store.write() as connection:
            return _entries.bounced(connection, self.owner, letter_id, now)

    def bounces_since(self, since: datetime) -> int:
        """How many answers came back."""
        with self.store.read() as connection:
            return _entries.bounces_since(connection, self.owner, since)

    def hold_over(self, now: datetime) -> list[Entry]:
        """Held answers whose hold has ended."""
        return self._found(_HOLD_OVER, moment=now)

    # Filing

    def misfiled(self, folders: Mapping[Verdict, str], since: datetime) -> list[Entry]:
        """Mails in another folder than their verdict's, where they were filed before their cases changed since then."""
        return self._found(_MISFILED, since=since, **{verdict.name: folder for verdict, folder in folders.items()})

    def filed(self, mails: Collection[Entry], folder: str, now: datetime, landed: Landed | None = None) -> None:
        """Note in which folder mails lie now, and where there they landed, if that is known."""
        ids = [entry.id for entry in mails]
        happened = [{"what": "filed", "why": folder, "entry_id": entry_id, "case_id": None} for entry_id in ids]
        # Once lost it is done again, which does no harm.
        with self.store.write(lasting=False) as connection:
            _FILED.run(connection, {"ids": ids, "into": folder})
            append_all(connection, happened, owner=self.owner, at=now)
            if landed:
                passed(connection, self.owner, folder, landed)

    def copied(self, entry: Entry, now: datetime) -> None:
        """Note that our answer lies in Sent."""
        with self.store.write(lasting=False) as connection:
            _COPIED.run(connection, {"entry": entry.id, "moment": now})

    def uncopied(self) -> list[Entry]:
        """Answers that went out and are not in Sent yet."""
        return self._found(_UNCOPIED)

    # Looking

    def entries(self, *states: State) -> list[Entry]:
        """Entries in the given states, oldest first."""
        return self._found(_IN_STATES, states=states)

    def new(self) -> Iterator[list[Entry]]:
        """Mails that were taken in and not judged, oldest first, some at a time."""
        return self._in_parts(_NEW)

    def due(self, now: datetime) -> list[Entry]:
        """Answers that may go out now."""
        return self._found(_DUE, moment=now)

    def unfiled(self, folder: str) -> Iterator[list[Entry]]:
        """Judged mails that lie in a folder where they came in, some at a time."""
        return self._in_parts(_UNFILED, lies_in=folder)

    def waiting(self, most: int) -> list[tuple[Case, Entry]]:
        """The latest cases that may wait for the owner, or whose answers wait for their last word.

        The one that changed last comes first, each with its first mail.
        """
        parked = select(entries.c.case_id).where(entries.c.owner == _MINE, entries.c.state.in_((*PARKED, *WAITING)))
        of_parked = select(cases).where(cases.c.id.in_(parked)).order_by(cases.c.changed.desc()).limit(most)
        with self.store.read() as connection:
            found = {
                case.id: case
                for query in (_MAY_WAIT.limit(most), of_parked)
                for case in casebook.found_by(connection, self.owner, query)
            }
        latest = sorted(found.values(), key=lambda case: (case.changed, case.id), reverse=True)[:most]
        return self._with_first_mails(latest)

    def left_apart(self, whys: Collection[str], most: int) -> tuple[int, int]:
        """How many cases changed last, up to so many, and how many of them the policy declined for these reasons."""
        with self.store.read() as connection:
            asked = {"owner": self.owner, "whys": whys, "most": most}
            looked_at, apart = connection.execute(_LEFT_APART, asked).one()
        return looked_at, apart

    def latest(self, most: int | None = None) -> list[tuple[Case, Entry]]:
        """The cases that changed last, the latest first, each with its first mail."""
        with self.store.read() as connection:
            found = casebook.found_by(connection, self.owner, casebook.CASES.limit(most))
        return self._with_first_mails(found)

    def _with_first_mails(self, found: Sequence[Case]) -> list[tuple[Case, Entry]]:
        openers: dict[int, Entry] = {}
        with self.store.read() as connection:
            for start in range(0, len(found), _AT_ONCE):
                ids = [case.id for case in found[start : start + _AT_ONCE]]
                openers |= _entries.first_mails(connection, ids)
        return [(case, openers[case.id]) for case in found if case.id in openers]

    def of_case(self, case: Case) -> list[Entry]:
        return self._find(entries.c.case_id == case.id)

    def entry(self, entry_id: int) -> Entry:
        """The entry as it stands now."""
        return self._find(entries.c.id == entry_id)[0]

    def entry_of(self, key: str) -> Entry:
        """The entry of the mail with this key, which was taken in."""
        return self._find(entries.c.key == key)[0]

    def raw(self, entry: Entry) -> bytes | None:
        """The mail itself; None once retention has dropped it. JournalFailed when it is not what was taken in."""
        return self.raws([entry])[entry.id]

    def raws(self, batch: Sequence[Entry]) -> dict[int, bytes | None]:
        """The mails themselves, by their entries' ids; JournalFailed when one is not what was taken in."""
        with self.store.read() as connection:
            return _entries.raws(connection, batch)

    def last_mails(self) -> tuple[datetime | None, datetime | None]:
        """When the latest mail was taken in, and the latest decided on."""
        query = select(func.max(entries.c.taken_in), func.max(entries.c.judged)).where(entries.c.owner == self.owner)
        with self.store.read() as connection:
            taken_in, judged = connection.execute(query).one()
        return taken_in, judged

    def queue(self) -> dict[State, int]:
        """How many mails are in each state in which something is still to be done."""
        still = (State.NEW, State.ASKED, *WAITING, State.SENDING, State.DOT, *PARKED)
        query = (
            select(entries.c.state, func.count())
            .where(entries.c.owner == self.owner, entries.c.state.in_(still))
            .group_by(entries.c.state)
        )
        with self.store.read() as connection:
            found = {State(state): number for state, number in connection.execute(query)}
        return {state: found[state] for state in still if state in found}

    def outlook(self, since: datetime) -> tuple[bool, datetime | None]:
        """Whether a mail or a confirmation is to be tried again, and when the next held or postponed answer comes due.

        What was due by `since` waits for something else.
        """
        with self.store.read() as connection:
            again, due = _OUTLOOK.first(connection, {"owner": self.owner, "moment": since})
        return bool(again), due

    def _find(self, *conditions: ColumnElement[bool]) -> list[Entry]:
        with self.store.read() as connection:
            return _entries.find(connection, self.owner, *conditions)

    def _found(self, query: Prepared, **values: object) -> list[Entry]:
        with self.store.read() as connection:
            return _entries.found_by(connection, self.owner, query, **values)

    def _in_parts(self, query: Prepared, **values: object) -> Iterator[list[Entry]]:
        """The same, some at a time, since they may be thousands."""
        return _portions(lambda last: self._found(query, last=last, **values))

    def cases(self) -> list[Case]:
        """All cases, the one that changed last first."""
        with self.store.read() as connection:
            return casebook.found_by(connection, self.owner, casebook.CASES)

    def verdicts(self, mails: Collection[Entry]) -> dict[int, Verdict]:
        """How their cases stand, by the mails' ids; without those that belong to none."""
        with self.store.read() as connection:
            found = _VERDICTS.rows(connection, {"ids": [entry.id for entry in mails]})
            return {row.id: Verdict(row.verdict) for row in found}

    def case(self, name: str) -> Case | None:
        """The case called "c17"."""
        with self.store.read() as connection:
            return casebook.by_name(connection, self.owner, name)

    def case_of_mail(self, digits: str) -> Case | None:
        """The case of a mail by the digits that the log names it by."""
        with self.store.read() as connection:
            return casebook.by_mail(connection, self.owner, digits)

    def history(self, case: Case) -> list[Event]:
        """What happened in a case, in order."""
        of_case = select(entries.c.id).where(entries.c.case_id == case.id)
        query = (
            select(events.c.at, events.c.what, events.c.why)
            .where(events.c.owner == self.owner, (events.c.case_id == case.id) | events.c.entry_id.in_(of_case))
            .order_by(events.c.id)
        )
        with self.store.read() as connection:
            return [Event(at=row.at, what=row.what, why=row.why) for row in connection.execute(query)]

    # The owner's word

    def overrule(
        self,
        case: Case,
        verdict: Verdict,
        why: str,
        now: datetime,
        *,
        answer: Answer | None = None,
        quietly: bool = False,
    ) -> bool:
        """Record the owner's decision over the policy's, with the answer it calls for, if any.

        A waiting answer that the decision contradicts is taken back. False when the answer asked for went out
        meanwhile.
        """
        with self.store.write() as connection:
            casebook.overrule(connection, case, verdict, now)
            self._append(connection, now, "overruled", why, None, case)
            if quietly or verdict is not Verdict.DECLINE:
                _entries.take_back(connection, self.owner, case, why, now)
            return answer is None or self._answer(connection, answer, now)

    def _answer(self, connection: Connection, answer: Answer, now: datetime) -> bool:
        entry, ruling, unanswered = answer.entry, answer.ruling, set(State) - set(ON_THE_WIRE)
        took = _entries.settle(
            connection, self.owner, entry, ruling.state, now,
            why=ruling.why, not_before=ruling.not_before, only_from=unanswered,
        )  # fmt: skip
        if took:
            connection.execute(
                update(entries)
                .where(entries.c.id == entry.id)
                .values(
                    judgement=answer.account,
                    recipient=mailbox_of(ruling),
                    template=(answer.account["reply"] or {}).get("template"),
                    letter_id=ruling.letter_id,
                )
            )
            of_case = update(cases).where(cases.c.id == entry.case_id)
            connection.execute(of_case.values(pastes=pastes(answer.account)))
            append(
                connection, owner=self.owner, at=now, what="answer", why=_entries.seal_of_answer(answer.account),
                entry_id=entry.id, case_id=entry.case_id,
            )  # fmt: skip
        return took

    def begin(self, now: datetime) -> datetime:
        """Note when the service first looked after this owner; when that was."""
        if began := self.began():
            return began
        with self.store.write() as connection:
            self._append(connection, now, "began", "", None, None)
        return now

    def alive(self, now: datetime) -> datetime:
        """Note once a day that the owner is looked after, and when that was noted last; a gap of days is an event."""
        last = self.fact(_ALIVE)
        before = datetime.fromisoformat(last) if last else now
        if last and now - before < A_DAY:
            return before
        if now - before > 2 * A_DAY:
            with self.store.write() as connection:
                self._append(connection, now, AWAY, before.isoformat(), None, None)
        self.set_fact(_ALIVE, now.isoformat())
        return now

    def began(self) -> datetime | None:
        """When the first thing happened; None in an empty journal."""
        with self.store.read() as connection:
            found: datetime | None = connection.execute(_BEGAN, {"owner": self.owner}).scalar()
        return found

    def drop_mails(self, before: datetime) -> None:
        """Drop the mails themselves that were taken in before a moment and wait for nothing; what was decided stays."""
        waiting = (State.NEW, State.ASKED, *WAITING, State.SENDING, State.DOT)
        old = (entries.c.owner == self.owner, entries.c.taken_in < before, entries.c.state.not_in(waiting))
        with self.store.write() as connection:
            connection.execute(update(entries).where(*old, entries.c.raw.is_not(None)).values(raw=None))

    def verify(self) -> None:
        """JournalFailed when an event, or what will be sent or was, changed behind our back."""
        with self.store.read() as connection:
            broken = first_broken_event(connection, self.owner)
            damaged = _entries.first_damaged(connection, self.owner)
        if broken is not None:
            raise JournalFailed(f"journal: event {broken} was changed; nothing is sent until a backup is restored")
        if damaged is not None:
            raise JournalFailed(f"journal: entry {damaged} was changed; nothing is sent until a backup is restored")

    def verify_answers(self, since: datetime) -> None:
        """JournalFailed when an answer that may still go out, or did since a moment, is not what its events say.

        Or when one of these events does not fit to the one before it; of the others nothing is said.
        """
        with self.store.read() as connection:
            damaged = _entries.first_doubtful(connection, self.owner, since)
        if damaged is not None:
            raise JournalFailed(f"journal: entry {damaged} was changed; nothing is sent until a backup is restored")

    def forget(self, who: str, now: datetime) -> int:
        """Erase the cases of the person with this address or full name; how many there were."""
        with self.store.write() as connection:
            return erase(connection, self.owner, who, now)

    def rest(self) -> None:
        """Hold nothing open until the next call."""
        self.store.rest()

    # Facts about the gateway

    def fact(self, name: str) -> str | None:
        with self.store.read() as connection:
            found: str | None = _FACT.scalar(connection, {"owner": self.owner, "name": name})
        return found

    def facts(self, *names: str) -> dict[str, str]:
        """Those of these facts that are known."""
        with self.store.read() as connection:
            found = _FACTS.rows(connection, {"owner": self.owner, "names": names})
            return {row.name: row.value for row in found}

    def mark(self, fact: str) -> tuple[int, str]:
        """What is another as soon as anybody adds an event or changes this fact: two look-ups, for who asks often."""
        with self.store.read() as connection:
            last, value = _MARK.first(connection, {"owner": self.owner, "name": fact})
        return last or 0, value or ""

    def set_fact(self, name: str, value: str | None) -> None:
        """Remember a fact about this owner's gateway; None forgets it."""
        mine = (facts.c.owner == self.owner, facts.c.name == name)
        with self.store.write() as connection:
            if value is None:
                connection.execute(delete(facts).where(*mine))
            elif connection.execute(update(facts).where(*mine).values(value=value)).rowcount == 0:
                connection.execute(insert(facts).values(owner=self.owner, name=name, value=value))

    # Plumbing

    def _append(
        self, connection: Connection, at: datetime, what: str, why: str, entry_id: int | None, case: Case | None
    ) -> None:
        append(
            connection, owner=self.owner, at=at, what=what, why=why, entry_id=entry_id,
            case_id=case.id if case else None,
        )  # fmt: skip
