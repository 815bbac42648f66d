"""What commands by mail leave behind: leave that is spent, and what is to be said to the owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.journal.prepared import Prepared
from gateway.journal.schema import confirmations, entries, nonces
from gateway.journal.store import Store
from gateway.model import Entry, State

# Built once, for what is asked in every round: to build a statement takes longer than to run it.
_UNCONFIRMED = Prepared(
    select(confirmations).where(confirmations.c.owner == bindparam("owner"), confirmations.c.state == State.DUE)
)


@dataclass(frozen=True, slots=True)
class Orders:
    """The marks of commands that came by mail."""

    store: Store
    owner: str

    def spend(self, nonce: str, now: datetime) -> bool:
        """Use up the leave to carry out a command; False when somebody did before."""
        with self.store.write() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(nonces).values(owner=self.owner, nonce=nonce, at=now))
            except IntegrityError:
                return False
        return True

    def refused(self, why: str, since: datetime) -> int:
        """How many commands were put aside for this reason since then."""
        query = select(func.count()).where(
            entries.c.owner == self.owner,
            entries.c.state == State.CLOSED,
            entries.c.why == why,
            entries.c.settled >= since,
        )
        with self.store.read() as connection:
            return int(connection.execute(query).scalar_one())

    def confirm(self, entry: Entry, text: str, now: datetime) -> None:
        """Note what is to be said to the owner about the commands in a mail."""
        row = {"owner": self.owner, "entry_id": entry.id, "at": now, "text": text, "state": State.DUE}
        with self.store.write() as connection:
            connection.execute(insert(confirmations).values(**row))

    def unconfirmed(self) -> list[tuple[int, str, datetime]]:
        """Entries whose confirmation is due, with its text and since when."""
        with self.store.read() as connection:
            found = _UNCONFIRMED.rows(connection, {"owner": self.owner})
            return [(row.entry_id, row.text, row.at) for row in found]

    def claim(self, entry_id: int) -> bool:
        """Take a confirmation for sending; False when somebody else did."""
        mine = (confirmations.c.owner == self.owner, confirmations.c.entry_id == entry_id)
        with self.store.write() as connection:
            taken = connection.execute(
                update(confirmations).where(*mine, confirmations.c.state == State.DUE).values(state=State.SENDING)
            )
            return taken.rowcount == 1

    def settle(self, entry_id: int, state: State) -> None:
        """Write down how far a confirmation got; what it said goes as soon as it is not needed any more."""
        mine = (confirmations.c.owner == self.owner, confirmations.c.entry_id == entry_id)
        kept = {} if state in (State.DUE, State.DOT) else {"text": ""}
        with self.store.write() as connection:
            connection.execute(update(confirmations).where(*mine).values(state=state, **kept))
