"""The journal's tables, the same on SQLite and PostgreSQL (SQLAlchemy Core)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    text,
)

metadata = MetaData()

# SQLite only numbers rows by itself in a column of exactly INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")


class Utc(TypeDecorator[datetime]):
    """A moment as ISO 8601 text in UTC: readable in any client, and sorting as text sorts by time."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


# A person's invitation on a network and all that happened to it.
cases = Table(
    "cases",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String, nullable=False),
    Column("number", Integer, nullable=False),  # "c17" on screen; counted per owner
    Column("network", String, nullable=False),
    Column("invitation", String),
    Column("profile", String),
    Column("person_name", String),
    Column("opened_by", String, nullable=False),
    Column("opened", Utc, nullable=False),
    Column("inviter", JSON, nullable=False),  # model.Person
    Column("verdict", String, nullable=False),
    Column("decided_by", String, nullable=False),  # "policy", "owner" or "answer"
    Column("changed", Utc, nullable=False),
    Column("pastes", Boolean, nullable=False, default=False),  # the answer is a text for the owner to paste
    UniqueConstraint("owner", "number"),
)
# Of what may wait for the owner; a query must say it in these words to find the index that holds nothing else.
MAY_WAIT = text("(cases.verdict <> 'decline' OR cases.pastes)")
Index("cases_invitation", cases.c.owner, cases.c.invitation)
Index("cases_profile", cases.c.owner, cases.c.profile)
Index("cases_name", cases.c.owner, cases.c.person_name)
Index("cases_changed", cases.c.owner, cases.c.changed)
Index("cases_opened", cases.c.owner, cases.c.opened)

# A mail's row in the journal.
entries = Table(
    "entries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String, nullable=False),
    Column("key", String(64), nullable=False),  # the mail itself, however often and by whatever way it comes
    Column("message_id", String),
    Column("raw", LargeBinary),  # None once retention has dropped it
    Column("taken_in", Utc, nullable=False),
    Column("tries", Integer, nullable=False, default=0),  # readings begun; a mail that kills us is set aside
    Column("state", String(12), nullable=False),
    Column("case_id", _Id, ForeignKey("cases.id")),
    Column("judgement", JSON),  # what explain --json prints
    Column("judged", Utc),
    Column("policy", String(64)),  # fingerprint of the policy it was judged under
    Column("recipient", String),  # of our answer, as gateway.people.keys.address_key has it
    Column("template", String),
    Column("letter_id", String),  # Message-ID of our answer
    Column("not_before", Utc),
    Column("sends", Integer, nullable=False, default=0),
    Column("claimed", Utc),  # when it last went towards the wire
    Column("settled", Utc),
    Column("why", Text, nullable=False, default=""),
    Column("folder", String),
    Column("uidvalidity", BigInteger),
    Column("uid", BigInteger),
    Column("copied", Utc),  # when our answer was put into Sent
    Column("filed", String),  # the folder it was put into; None: still to do
    UniqueConstraint("owner", "key"),
)
Index("entries_state", entries.c.owner, entries.c.state, entries.c.not_before)
Index("entries_taken_in", entries.c.owner, entries.c.taken_in)
# Of those whose answer is not in Sent yet; in these words, too.
TO_BE_COPIED = text("entries.state = 'sent' AND entries.copied IS NULL")
# Of those that were judged and not filed yet.
TO_BE_FILED = text("entries.state <> 'new' AND entries.filed IS NULL")

# What happened, appended and never changed; each row's hash covers the one before it.
events = Table(
    "events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String, nullable=False),
    Column("at", Utc, nullable=False),
    Column("entry_id", _Id),
    Column("case_id", _Id),
    Column("what", String(24), nullable=False),
    Column("why", Text, nullable=False),
    Column("hash", String(64), nullable=False),
)
Index("events_owner", events.c.owner, events.c.id)
Index("events_entry", events.c.entry_id)
# Of those that are asked for by their time: that a mail came in is none of them; in these words, too.
TOLD = text("events.what <> 'taken-in'")

# A mail that comes in is in few indexes, so that taking it in writes few pages: most of these hold what is known later.
# Others hold the few rows that each round asks for: the cases that may wait, the mails that are not filed, those whose
# answer is not in Sent. As text: Index() with a condition would load PostgreSQL's dialect for every owner of a file.
_PARTIAL = (
    "cases_waiting ON cases (owner, changed) WHERE verdict <> 'decline' OR pastes",
    "entries_case ON entries (case_id) WHERE case_id IS NOT NULL",
    "entries_message_id ON entries (owner, message_id) WHERE message_id IS NOT NULL",
    "entries_recipient ON entries (owner, recipient, claimed) WHERE recipient IS NOT NULL",
    "entries_letter ON entries (owner, letter_id) WHERE letter_id IS NOT NULL",
    "entries_claimed ON entries (owner, claimed) WHERE claimed IS NOT NULL",
    "entries_settled ON entries (owner, settled) WHERE settled IS NOT NULL",
    "entries_unfiled ON entries (owner, folder, id) WHERE filed IS NULL AND state <> 'new'",
    "entries_uncopied ON entries (owner, state, id) WHERE state = 'sent' AND copied IS NULL",
    "events_case ON events (case_id) WHERE case_id IS NOT NULL",
    "events_told ON events (owner, at) WHERE what <> 'taken-in'",
)
for _index in _PARTIAL:
    _make = DDL(f"CREATE INDEX IF NOT EXISTS {_index}")  # type: ignore[no-untyped-call]
    event.listen(metadata, "after_create", _make)

# How far a mailbox folder has been read.
cursors = Table(
    "cursors",
    metadata,
    Column("owner", String, primary_key=True),
    Column("folder", String, primary_key=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
)

# One row a weekly summary: claimed before it is sent, so that no week has two.
digests = Table(
    "digests",
    metadata,
    Column("owner", String, primary_key=True),
    Column("week", String(8), primary_key=True),  # ISO, "2026-W47"
    Column("at", Utc, nullable=False),
    Column("state", String(12), nullable=False),
    Column("why", Text, nullable=False, default=""),
)

# What gave leave to a command by mail, spent in the transaction that carries it out.
nonces = Table(
    "nonces",
    metadata,
    Column("owner", String, primary_key=True),
    Column("nonce", String(80), primary_key=True),
    Column("at", Utc, nullable=False),
)

# What is to be said to the owner about commands that came by mail: claimed before it is sent.
confirmations = Table(
    "confirmations",
    metadata,
    Column("owner", String, primary_key=True),
    Column("entry_id", _Id, ForeignKey("entries.id"), primary_key=True),
    Column("at", Utc, nullable=False),
    Column("text", Text, nullable=False),  # "" once it is with the owner
    Column("state", String(12), nullable=False),
)

# Words of the owner's that hold from now on, about a person or a company.
standing = Table(
    "standing",
    metadata,
    Column("owner", String, primary_key=True),
    Column("scope", String(8), primary_key=True),
    Column("key", String, primary_key=True),
    Column("always", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("said", Utc, nullable=False),
    Column("case_id", _Id, ForeignKey("cases.id"), nullable=False),
)

# Policies that decisions were made under, by fingerprint.
policies = Table(
    "policies",
    metadata,
    Column("owner", String, primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("text", Text, nullable=False),
    Column("since", Utc, nullable=False),
)

# A few facts about the owner's gateway: paused, version of these tables.
facts = Table(
    "facts",
    metadata,
    Column("owner", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

# What the owner's sources know of people (gateway.journal.index).
people = Table(
    "people",
    metadata,
    # A hash of owner, source and identity: nothing has to be asked back after writing.
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("owner", String, nullable=False),
    Column("source", String, nullable=False),
    Column("link", String(12), nullable=False),
    Column("name", Text),
    Column("address", Text),
    Column("other_addresses", JSON, nullable=False),
    Column("nicknames", JSON, nullable=False),
    Column("company", Text),
    Column("profile_url", Text),
    Column("times", Integer, nullable=False),
    Column("first", Utc),
    Column("last", Utc),
    Column("about", Text, nullable=False),
)
Index("people_source", people.c.owner, people.c.source)

# The keys are hashes, too: small, quick to compare, and no second copy of every name.
people_keys = Table(
    "people_keys",
    metadata,
    Column("owner", String, primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
Index("people_keys_person", people_keys.c.person)

people_sources = Table(
    "people_sources",
    metadata,
    Column("owner", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("state", Text, nullable=False),  # a file's fingerprint, or UIDVALIDITY and UID of a folder
    Column("read", Utc),  # when it was last read to the end
    Column("fault", Text, nullable=False),  # why it could not be read after that; "" when it could
)

people_forgotten = Table(
    "people_forgotten",
    metadata,
    Column("owner", String, primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("at", Utc, nullable=False),
)


def _number() -> int:
    columns = (f"{column!r}" for table in metadata.sorted_tables for column in table.c)
    indexes = (f"{index!r}" for table in metadata.sorted_tables for index in sorted(table.indexes, key=str))
    return crc32("\n".join((*columns, *indexes, *_PARTIAL)).encode()) & 0x7FFFFFFF


LAYOUT = _number()  # another as soon as a table, a column or an index is; a file says by which it was made
