"""What is asked by the driver itself is what SQLAlchemy would have asked, and fails as that fails."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, text, update

from gateway.errors import JournalFailed
from gateway.journal.prepared import Prepared
from gateway.journal.schema import people
from gateway.journal.store import Store, open_url
from tests.postgres import Postgres

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
COLUMNS = [column.name for column in people.c]
ADD = Prepared(insert(people), columns=COLUMNS)
OF_NUMBERS = (
    select(people, (people.c.times > 1).label("often"))
    .where(
        people.c.id.in_(bindparam("numbers", expanding=True)),
        people.c.owner == bindparam("owner"),
        people.c.link.in_(("to", "from")),
    )
    .order_by(people.c.id)
)


def row(number: int, **others: Any) -> dict[str, Any]:
    usual = dict.fromkeys(COLUMNS) | {"owner": "ada", "source": "sent", "link": "to", "times": number, "about": ""}
    return usual | {"id": number, "other_addresses": [], "nicknames": []} | others


@pytest.mark.parametrize("numbers", [[], [1], [2, 1], [1, 2, 3], [1, 2, 3, 4, 5, 6, 7]])
def test_rows_are_those_that_sqlalchemy_finds(store: Store, numbers: list[int]) -> None:
    with store.write() as connection:
        ADD.run_for_each(
            connection,
            [
                row(1, name="Zoë 100% (sic)", first=NOON, nicknames=["Zo", None]),
                row(2, owner="bob"),
                row(3, link="from", last=NOON, other_addresses=["z@example.org"]),
                row(5, link="card"),
            ],
        )

    with store.read() as connection:
        asked = {"owner": "ada", "numbers": numbers}
        usual = connection.execute(OF_NUMBERS, asked).all()
        found = Prepared(OF_NUMBERS, lists=["numbers"]).rows(connection, asked)

    assert [one._asdict() for one in found] == [one._asdict() for one in usual]
    assert len(found) == len({1, 3}.intersection(numbers))


def test_one_is_asked_with_lists_of_any_length(store: Store) -> None:
    of_numbers = Prepared(OF_NUMBERS, lists=["numbers"])
    with store.write() as connection:
        ADD.run_for_each(connection, [row(number) for number in range(40)])

    with store.read() as connection:
        found = [len(of_numbers.rows(connection, {"owner": "ada", "numbers": range(length)})) for length in range(40)]

    assert found == list(range(40))


def test_it_is_undone_with_the_transaction_that_it_is_in(store: Store) -> None:
    changed = Prepared(update(people).where(people.c.id == bindparam("number")).values(times=people.c.times + 1))
    times = Prepared(select(people.c.times).where(people.c.id == bindparam("number")))
    with store.write() as connection:
        ADD.run(connection, row(1))

    with suppress(ZeroDivisionError), store.write() as connection:
        before = changed.run(connection, {"number": 1}), changed.run(connection, {"number": 2})
        raise ZeroDivisionError

    with store.read() as connection:
        assert times.scalar(connection, {"number": 1}) == 1
        assert times.scalar(connection, {"number": 2}) is None
    assert before == (1, 0)


def test_rows_that_are_read_one_after_the_other_are_of_one_moment(store: Store) -> None:
    """In a file: on a server each statement sees what is committed by then, as it did by SQLAlchemy."""
    if store.engine.dialect.name != "sqlite":
        pytest.skip("about SQLite")
    times = Prepared(select(people.c.times).where(people.c.id == bindparam("number")))
    with store.write() as connection:
        ADD.run(connection, row(1))

    with store.read() as connection:
        first = times.scalar(connection, {"number": 1})
        with store.write() as another:
            another.execute(update(people).values(times=2))
        again = times.scalar(connection, {"number": 1})

    assert (first, again) == (1, 1)


@pytest.mark.parametrize("fault", [{"id": 1}, {"id": 2, "times": None}, {"id": 2, "about": "\ud800 secret"}])
def test_what_a_database_does_not_take_fails_and_quotes_nothing(store: Store, fault: dict[str, Any]) -> None:
    with store.write() as connection:
        ADD.run(connection, row(1))

    with pytest.raises(JournalFailed) as failed, store.write() as connection:
        ADD.run_for_each(connection, [row(3, about="secret"), row(0, about="secret") | fault])

    with store.read() as connection:
        assert connection.execute(select(people.c.id)).scalars().all() == [1]
    assert "secret" not in str(failed.value)


def test_what_is_no_date_any_more_fails(store: Store) -> None:
    found = Prepared(select(people.c.first))
    with store.write() as connection:
        ADD.run(connection, row(1))
        connection.execute(text("UPDATE people SET first = 'secret'"))

    with pytest.raises(JournalFailed) as failed, store.read() as connection:
        found.rows(connection, {})

    assert "secret" not in str(failed.value)


def test_connections_that_a_server_ended_are_not_used_again(cluster: Postgres) -> None:
    url = cluster.database()
    store, other = open_url(url), open_url(f"{url}&application_name=other")
    numbers = Prepared(select(people.c.id))
    with store.read() as first, store.read() as second:
        assert numbers.rows(first, {}) == numbers.rows(second, {})
    with other.read() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    with pytest.raises(JournalFailed, match="connection"), store.read() as connection:
        numbers.rows(connection, {})

    with store.read() as first, store.read() as second:
        assert numbers.rows(first, {}) == numbers.rows(second, {}) == []
    store.engine.dispose()
    other.engine.dispose()
