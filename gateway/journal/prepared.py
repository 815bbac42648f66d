"""Statements that are put into the words of a database once, and then run by its driver itself."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ReturnsRows

_Turn = Callable[[Any], Any]  # makes of our value or row the driver's, or of the driver's ours


class Prepared:
    """A statement of SQLAlchemy's that the driver runs itself, in the transaction that Store began.

    `columns` are those that an INSERT or UPDATE is given values for, `lists` the names of values that are lists.
    """

    # Connection.execute() takes ten times as long as what the driver does in it. What the driver raises is not wrapped
    # as there; Store knows it, too.

    def __init__(self, statement: ReturnsRows, *, columns: Sequence[str] = (), lists: Sequence[str] = ()) -> None:
        self._statement, self._columns, self._lists = statement, columns, lists
        self._wordings: dict[tuple[Dialect, tuple[int, ...]], _Wording] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """How many rows it changed."""
        return int(self._asked(connection, self._worded(connection, values), values).rowcount)

    def run_for_each(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it with each of these values, none of them a list."""
        wording = self._worded(connection, {})
        bound = [wording.bound(row) for row in rows]
        _announce(connection, wording.sql, bound)
        driver_of(connection).cursor().executemany(wording.sql, bound)

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """The rows it finds, columns by name."""
        wording = self._worded(connection, values)
        return [wording.row(found) for found in self._asked(connection, wording, values)]

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first of them; None without."""
        wording = self._worded(connection, values)
        found = self._asked(connection, wording, values).fetchone()
        return None if found is None else wording.row(found)

    def scalar(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first column of the first of them; None without."""
        found = self.first(connection, values)
        return None if found is None else found[0]

    def _asked(self, connection: Connection, wording: _Wording, values: Mapping[str, Any]) -> Any:
        bound = wording.bound(values)
        _announce(connection, wording.sql, bound)
        return driver_of(connection).execute(wording.sql, bound)

    def _worded(self, connection: Connection, values: Mapping[str, Any]) -> _Wording:
        lengths = tuple([_length(values[name]) for name in self._lists])
        known = self._wordings.get((connection.dialect, lengths))
        return known or self._wordings.setdefault(
            (connection.dialect, lengths), self._word(connection.dialect, lengths)
        )

    def _word(self, dialect: Dialect, lengths: tuple[int, ...]) -> _Wording:
        compiled = self._statement.compile(dialect=dialect, column_keys=list(self._columns) or None)
        assert isinstance(compiled, SQLCompiler)  # which it is of all that is not about tables
        lists = {name: [None] * length for name, length in zip(self._lists, lengths, strict=True)}
        asked = {name: lists.get(name) for bind, name in compiled.bind_names.items() if bind.required}
        worded = compiled.construct_expanded_state(asked)
        parts = {name: worded.parameter_expansion.get(name, [name]) for name in compiled.bind_names.values()}
        turns = dict(_turns(compiled, dialect, parts))
        given = {part for name in asked for part in parts[name]}
        fixed = ((name, value) for name, value in worded.parameters.items() if name not in given)
        return _Wording(
            sql=worded.statement,
            order=worded.positiontup,
            fixed={name: turns[name](value) if name in turns else value for name, value in fixed},
            lists=[(name, parts[name]) for name in self._lists],
            turns=[(name, turn) for name, turn in turns.items() if name in given],
            row=_reader(self._statement, dialect),
        )


@dataclass(frozen=True, slots=True)
class _Wording:
    """A statement as a driver takes it, and how values become the driver's and rows become ours."""

    sql: str
    order: Sequence[str] | None  # of the values; None where the driver takes them by name
    fixed: Mapping[str, Any]  # values that the statement brings along
    lists: Sequence[tuple[str, Sequence[str]]]  # each with the names that its values have in the statement
    turns: Sequence[tuple[str, _Turn]]
    row: _Turn

    def bound(self, values: Mapping[str, Any]) -> Any:
        """Values as the driver takes them."""
        bound = {**self.fixed, **values}
        for name, parts in self.lists:
            bound.update(zip(parts, _filled(values[name], len(parts)), strict=True))
        for name, turn in self.turns:
            bound[name] = turn(bound[name])
        return bound if self.order is None else tuple([bound[name] for name in self.order])


def _turns(compiled: SQLCompiler, dialect: Dialect, parts: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, _Turn]]:
    """What makes values the driver's, for those that must be."""
    for bind, name in compiled.bind_names.items():
        if turn := bind.type.dialect_impl(dialect).bind_processor(dialect):
            yield from ((part, turn) for part in parts[name])


def _reader(statement: ReturnsRows, dialect: Dialect) -> _Turn:
    """What makes of a row of the driver's one of ours, with columns by name."""
    columns = list(statement.exported_columns)
    named = namedtuple("Row", [str(column.key) for column in columns], rename=True)  # type: ignore[misc]
    turns = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    changed = [(place, turn) for place, turn in enumerate(turns) if turn]

    def read(found: Sequence[Any]) -> Any:
        row = list(found)
        for place, turn in changed:
            row[place] = turn(row[place])
        return named._make(row)

    return read


def _length(values: Collection[Any]) -> int:
    """That of a list as it is filled up: a wording for each length there is would be hundreds."""
    return 1 << (len(values) - 1).bit_length() if values else 0


def _filled(values: Collection[Any], length: int) -> list[Any]:
    # To say a value twice finds nothing else.
    given = list(values)
    return given + given[-1:] * (length - len(given))


def driver_of(connection: Connection) -> Any:
    """The driver's own connection, for what SQLAlchemy need not do."""
    return connection.connection.dbapi_connection


def _announce(connection: Connection, sql: str, bound: Any) -> None:
    """Tell those who listen for statements of one that SQLAlchemy does not run."""
    for told in connection.engine.dispatch.before_cursor_execute:
        told(connection, None, sql, bound, None, False)
