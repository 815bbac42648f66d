"""Lines of the log."""

from __future__ import annotations

import logging
import os
import sys

import pytest

from gateway import logbook
from gateway.errors import BadConfig
from gateway.events import OWNER, LogEvent
from gateway.logbook import Lines, Tally


def record(
    level: int, text: str, *values: object, event: LogEvent | None = LogEvent.JUDGED, **fields: object
) -> logging.LogRecord:
    made = logging.LogRecord("gateway.x", level, __file__, 1, text, values, None)
    if event:
        made.__dict__.update(event.of(**fields))
    return made


def test_a_line_has_words_for_a_person_and_fields_for_a_program() -> None:
    OWNER.set("ada")
    line = Lines(to_journal=False).format(
        record(logging.INFO, "%s -> %s", "3f9c21ab", "decline", entry="3f9c21ab", rule="my rule")
    )

    assert line == 'INFO 3f9c21ab -> decline event=judged owner=ada entry=3f9c21ab rule="my rule"'


def test_the_journal_hears_how_urgent_each_line_is() -> None:
    OWNER.set("")
    lines = Lines(to_journal=True)

    assert lines.format(record(logging.WARNING, "away", event=LogEvent.AWAY)) == "<4>away event=away"
    assert traceback_of(lines).startswith("<3>put aside event=fault\n<3>Traceback")
    assert all(line.startswith("<3>") for line in traceback_of(lines).splitlines())


def traceback_of(lines: Lines) -> str:
    failed = record(logging.ERROR, "put aside", event=LogEvent.FAULT)
    try:
        raise ValueError("a\nb")
    except ValueError:
        failed.exc_info = sys.exc_info()
    return lines.format(failed)


@pytest.mark.parametrize("to_journal", [True, False])
def test_all_faults_of_a_file_stand_in_one_line(to_journal: bool) -> None:
    fault = BadConfig("/etc/rsvpd/bo.toml", ("line 2: me.nam: unknown", "line 5: imap.host: missing"))

    line = Lines(to_journal=to_journal).format(
        record(logging.ERROR, "%s is not served: %s", "bo", fault, event=LogEvent.NOT_SERVED)
    )

    told = "line 2: me.nam: unknown; /etc/rsvpd/bo.toml: line 5: imap.host: missing event=not-served"
    assert line.endswith(told)
    assert "\n" not in line


@pytest.mark.parametrize("text", ["250 2.1.5 <olga@somewhere.example> ok", "to olga@somewhere.example: ok"])
def test_addresses_are_left_out_of_all_but_warnings(text: str) -> None:
    lines = Lines(to_journal=False)

    assert "olga" not in lines.format(record(logging.INFO, text))
    assert "olga" not in lines.format(record(logging.DEBUG, text))
    assert "olga@somewhere.example" in lines.format(record(logging.WARNING, text))


def test_a_field_cannot_forge_another() -> None:
    line = Lines(to_journal=False).format(record(logging.INFO, "x", rule='a" event="sent'))

    assert line.endswith(r'rule="a\" event=\"sent"')


def test_events_are_counted() -> None:
    tally = Tally()
    for event in (LogEvent.JUDGED, LogEvent.JUDGED, LogEvent.AWAY, None):
        tally.handle(record(logging.INFO, "x", event=event))

    assert tally.counts == {LogEvent.JUDGED: 2, LogEvent.AWAY: 1}


def test_the_journal_is_known_by_what_systemd_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert logbook._is_journal(stream)
        monkeypatch.setenv("JOURNAL_STREAM", "1:1")
        assert not logbook._is_journal(stream)
