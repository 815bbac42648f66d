"""Whose each owner was at every moment, noted by the database itself; and what came of each invitation, by name.

The processes know nothing of it. What they did is seen from outside: at the mail server, in whose hands the owner was
when the final dot came, and from which host.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import text

from gateway.journal.store import Store
from tests.submission import Delivered

_NOTED = """
create table noted_hands (at double precision, owner text, process text);
create table noted_lives (at double precision, process text, host text, until double precision);
create index on noted_hands (owner);
create function moment(timestamptz) returns double precision language sql as 'select extract(epoch from $1)::float8';
create function note_hand() returns trigger language plpgsql as $$ begin
    insert into noted_hands values (moment(clock_timestamp()), new.owner, new.process); return null;
end $$;
create function note_life() returns trigger language plpgsql as $$ begin
    if tg_op = 'DELETE' then
        insert into noted_lives values (moment(clock_timestamp()), old.id, old.host, moment(clock_timestamp()));
    else
        insert into noted_lives values (moment(clock_timestamp()), new.id, new.host, moment(new.until));
    end if;
    return null;
end $$;
create trigger note_hand after update on holdings for each row execute function note_hand();
create trigger note_life after insert or update or delete on processes for each row execute function note_life();
"""


def note(store: Store) -> None:
    """Have the database note from now on whose each owner is, and how long each process lives."""
    with store.at_once() as connection:
        connection.execute(text(_NOTED))


@dataclass(slots=True)
class Hands:
    """What was noted, moments in seconds since 1970."""

    _hands: dict[str, list[tuple[float, str | None]]] = field(default_factory=lambda: defaultdict(list))
    _lives: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _hosts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> Hands:
        """All that was noted so far."""
        found = cls()
        with store.read() as connection:
            for row in connection.execute(text("select at, owner, process from noted_hands order by at")):
                found._hands[row.owner].append((row.at, row.process))
            for row in connection.execute(text("select at, process, host, until from noted_lives order by at")):
                found._lives[row.process].append((row.at, row.until))
                found._hosts[row.process] = row.host
        return found

    def host(self, owner: str, moment: float) -> str | None:
        """The host whose owner it was; None when it was nobody's, or of a process whose time was over."""
        process = _latest(self._hands.get(owner, []), moment)
        until = _latest(self._lives.get(process or "", []), moment)
        return self._hosts[process] if process and until and moment < until else None

    @property
    def changes(self) -> int:
        """How often an owner came to somebody."""
        return sum(process is not None for hands in self._hands.values() for _, process in hands)


def _latest(noted: list[tuple[float, str | None]] | list[tuple[float, float]], moment: float):  # type: ignore[no-untyped-def]
    place = bisect_right(noted, moment, key=lambda one: one[0])
    return noted[place - 1][1] if place else None


@dataclass(frozen=True, slots=True)
class Invited:
    """Who invited whom, by the address that an answer goes to."""

    stranger: str
    owner: str


@dataclass(slots=True)
class Reckoning:
    """What came of each invitation."""

    twice: list[Invited] = field(default_factory=list)
    lost: list[Invited] = field(default_factory=list)  # neither answered nor told of as uncertain
    undecided: list[Invited] = field(default_factory=list)
    uncertain: dict[str, int] = field(default_factory=Counter)  # by the reason that the journal gives
    uncertain_sent: int = 0  # of these, how many had gone out
    fenced: list[str] = field(default_factory=list)  # sent by who did not have the owner
    strange: list[str] = field(default_factory=list)  # went to nobody who had invited

    @classmethod
    def of(
        cls, invited: Iterable[Invited], answers: Iterable[Delivered], store: Store, hosts: dict[str, str]
    ) -> Reckoning:
        """From the journal and the wire; `hosts` are the names of the hosts by their addresses."""
        made, hands, sent = cls(), Hands.of(store), Counter[str]()
        owners = {one.stranger: one.owner for one in invited}
        for answer in answers:
            (stranger,) = answer.recipients
            sent[stranger] += 1
            if stranger not in owners:
                made.strange.append(stranger)
            elif hands.host(owners[stranger], answer.at) != hosts.get(answer.peer):
                holder = hands.host(owners[stranger], answer.at)
                made.fenced.append(f"{stranger}: sent by {answer.peer} at {answer.at:.3f}, when it was {holder}'s")
        states = _states(store)
        for stranger, owner in owners.items():
            one = Invited(stranger, owner)
            state, why = states.get((owner, stranger), ("", ""))
            if not state:
                made.undecided.append(one)
            if sent[stranger] > 1:
                made.twice.append(one)
            if state == "uncertain":
                made.uncertain[why] += 1
                made.uncertain_sent += sent[stranger] > 0
            elif not sent[stranger]:
                made.lost.append(one)
        return made


def _states(store: Store) -> dict[tuple[str, str], tuple[str, str]]:
    decided = "select owner, judgement->'reply'->>'to' as stranger, state, why from entries where judged is not null"
    with store.read() as connection:
        return {(row.owner, row.stranger): (row.state, row.why) for row in connection.execute(text(decided))}
