"""The row in which a shared owner's grant stands, and whose turn it is to replace it.

A provider may take each refresh token only once, so who renews one takes the turn first. No transaction is open while
the provider is asked: that takes half a minute at worst, and connections are few.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from gateway.errors import JournalFailed, LeaseLost
from gateway.journal.leases import Leases, grants
from gateway.journal.store import Store, open_url

_LASTS = 60  # seconds of a turn; a command that took it and was killed keeps others waiting so long, for this login
_AGAIN = 0.2  # seconds between two looks whether the turn is over
_TRIES = 6  # at writing what a provider gave, of which there is no second copy
_PAUSE = 1.5  # seconds between them


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One login of an owner in the table; a store with a proof writes only while the owner is held.

    JournalFailed when the database cannot be asked, LeaseLost when another process has the owner.
    """

    store: Store
    owner: str
    account: str
    turn: str = field(default_factory=lambda: uuid.uuid4().hex)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else replaces the grant meanwhile."""
        patience = time.monotonic() + 2 * _LASTS
        while not self._took_the_turn():
            if time.monotonic() > patience:
                raise JournalFailed(f"journal: a login of {self.owner} is renewed by others all the time")
            time.sleep(_AGAIN)
        try:
            yield
        finally:
            self._end_the_turn()

    def text(self) -> str | None:
        """What stands there."""
        with self.store.read() as connection:
            return connection.execute(select(grants.c.text).where(self._mine)).scalar()

    def put(self, content: str) -> None:
        """Replace it; JournalFailed when the turn is another's by now."""
        if not self._put(content):
            raise JournalFailed(f"journal: a login of {self.owner} was replaced by another process meanwhile")

    def _put(self, content: str) -> bool:
        mine = (self._mine, grants.c.turn == self.turn)
        for left in reversed(range(_TRIES)):
            try:
                with self._writing.write() as connection:
                    return connection.execute(update(grants).where(*mine).values(text=content)).rowcount == 1
            except LeaseLost:
                raise
            except JournalFailed:
                if not left:
                    raise
                # A database that is started anew may be there again before the lease is over.
                time.sleep(_PAUSE)
        return False

    def _took_the_turn(self) -> bool:
        moment = func.clock_timestamp()
        holds, until = self.store.proof is not None, moment + text(f"interval '{_LASTS} seconds'")
        mine = {"turn": self.turn, "holds": holds, "until": until}
        free = grants.c.turn.is_(None) | (grants.c.until < moment)
        taken = (
            insert(grants)
            .values(owner=self.owner, account=self.account, **mine)
            .on_conflict_do_update(index_elements=["owner", "account"], set_=mine, where=free)
            .returning(grants.c.turn)
        )
        with self._writing.write() as connection:
            return connection.execute(taken).first() is not None

    def _end_the_turn(self) -> None:
        with self._writing.write() as connection:
            connection.execute(
                update(grants).where(self._mine, grants.c.turn == self.turn).values(turn=None, until=None, holds=None)
            )

    @property
    def _mine(self) -> ColumnElement[bool]:
        return (grants.c.owner == self.owner) & (grants.c.account == self.account)

    @property
    def _writing(self) -> Store:
        # The owner's own lock would have what others write for them wait.
        return self.store.of(f"a login of {self.owner}")


def in_table(url: str | None, owner: str) -> Store | None:
    """The database of an owner who is in its table; None for an owner from a file."""
    if url is None or open_url(url).engine.dialect.name != "postgresql":
        return None
    leases = Leases.at(url)
    return leases.store if leases.file(owner) else None
