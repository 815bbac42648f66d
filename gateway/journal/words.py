"""The owner's standing words: always, or never, this person or this company."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from gateway.journal.prepared import Prepared
from gateway.journal.schema import cases, standing
from gateway.journal.store import Store, append
from gateway.model import Case, Scope, Standing

_ALL = Prepared(
    select(standing, cases.c.number)
    .join(cases, standing.c.case_id == cases.c.id)
    .where(standing.c.owner == bindparam("owner"))
    .order_by(standing.c.scope.desc(), standing.c.said.desc(), standing.c.key)
)


@dataclass(frozen=True, slots=True)
class StandingWords:
    """What the owner said once and for all of persons and companies."""

    store: Store
    owner: str

    def all(self) -> tuple[Standing, ...]:
        """Every word that holds, those about persons first, the latest before the others."""
        with self.store.read() as connection:
            return tuple(
                Standing(Scope(row.scope), row.always, row.name, row.key, row.said, f"c{row.number}")
                for row in _ALL.rows(connection, {"owner": self.owner})
            )

    def say(self, word: Standing, case: Case) -> None:
        """Let a word hold from now on."""
        row = {
            "owner": self.owner,
            "scope": word.scope,
            "key": word.key,
            "always": word.always,
            "name": word.name,
            "said": word.said,
            "case_id": case.id,
        }
        with self.store.write() as connection:
            connection.execute(insert(standing).values(**row))
            what = f"owner: {word.word} {word.scope}"
            append(connection, owner=self.owner, at=word.said, what=what, why=word.name, case_id=case.id)

    def take_back(self, word: Standing, case: Case, now: datetime) -> None:
        """Let a word hold no longer."""
        mine = (standing.c.owner == self.owner, standing.c.scope == word.scope, standing.c.key == word.key)
        with self.store.write() as connection:
            connection.execute(delete(standing).where(*mine))
            why = f"no longer {word.word}: {word.name}"
            append(connection, owner=self.owner, at=now, what="owner: taken back", why=why, case_id=case.id)
