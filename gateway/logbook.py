"""The log as lines that a person reads and a program takes apart: words, then event=, owner= and more."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections import Counter
from typing import TextIO

from gateway.events import OWNER, LogEvent

_CHATTY = ("apscheduler", "imapclient", "tzlocal")
# sd-daemon(3): how urgent a line is, where the journal reads standard error.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_ADDRESS = re.compile(r"[^\s<>@\"',;:()]+@[^\s<>@\"',;:()]+")
_BARE = re.compile(r"[\w.:/+-]+")


class Lines(logging.Formatter):
    """A line a record, with its fields; an address in one that is no warning is left out."""

    def __init__(self, *, to_journal: bool) -> None:
        super().__init__("%(message)s")
        self._to_journal = to_journal

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The words of a record in one line, also of a fault that has several, as it stands on a terminal."""
        return "; ".join(super().formatMessage(record).splitlines())

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno <= logging.INFO:
            text = _ADDRESS.sub("(address)", text)
        head, *rest = text.splitlines() or [""]
        level = f"<{_PRIORITIES[record.levelno]}>" if self._to_journal else f"{record.levelname} "
        lines = [f"{head} {_written(record)}".rstrip(), *rest]
        # A traceback has many lines, and the journal wants to hear of each how urgent it is.
        return "\n".join(level + line for line in lines) if self._to_journal else level + "\n".join(lines)


def _written(record: logging.LogRecord) -> str:
    event = getattr(record, "event", None)  # those of other libraries have none
    if event is None:
        return ""
    fields = {"event": str(event), "owner": OWNER.get(), **getattr(record, "fields", {})}
    return " ".join(f"{name}={_value(str(value))}" for name, value in fields.items() if value not in ("", None))


def _value(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class Tally(logging.Handler):
    """Counts what the log tells of."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[LogEvent] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event is not None:
            self.counts[event] += 1


def set_up(*, verbose: bool) -> None:
    """Let the log go to standard error, in the journal's form if that is where it ends."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(to_journal=_is_journal(sys.stderr)))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _is_journal(stream: TextIO) -> bool:
    """Whether a stream is the one that systemd connected with its journal (systemd.exec(5))."""
    told = os.environ.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(stream.fileno())
    except OSError:
        return False
    return told == f"{found.st_dev}:{found.st_ino}"
