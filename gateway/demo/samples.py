"""The sample mails and what is expected of them.

The mails carry the dates of one week. They are moved together, so that the last of them arrives now: invitations
that are weeks old would rightly not be answered.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

FOLDER = Path(__file__).with_name("samples")
INBOX = "INBOX"

_DATE = re.compile(rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000")
# LinkedIn's ids hold the moment of the invitation in milliseconds, above 22 bits of other things.
_INVITATION = re.compile(rb"(?<=invitationId[=/])\d{19}")
_OTHER_BITS = 22


@dataclass(frozen=True, slots=True)
class Expected:
    """What must become of a sample."""

    about: str
    verdict: str
    to: str | None = None
    paste: bool = False
    folder: str = INBOX
    untouched: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """A mail as the MX hands it over, and what must become of it."""

    name: str
    raw: bytes
    expected: Expected

    @property
    def number(self) -> int:
        return int(self.name[:2])


def load(now: datetime) -> tuple[Sample, ...]:
    """All samples in the order of their arrival, the last of them arriving now."""
    expected = tomllib.loads((FOLDER / "expected.toml").read_text("utf-8"))
    raws = {file.stem: file.read_bytes() for file in sorted(FOLDER.glob("*.eml"))}
    shift = now.replace(microsecond=0) - max(date for raw in raws.values() for date in _dates(raw))
    return tuple(Sample(name, _moved(raw, shift), Expected(**expected[name])) for name, raw in raws.items())


def sent() -> bytes:
    """A mail that the owner sent lately."""
    return _on_the_wire((FOLDER / "in-the-sent-folder.txt").read_bytes())


def _on_the_wire(raw: bytes) -> bytes:
    return raw.replace(b"\n", b"\r\n")


def _dates(raw: bytes) -> Iterator[datetime]:
    return (parsedate_to_datetime(found.group().decode()) for found in _DATE.finditer(raw))


def _moved(raw: bytes, shift: timedelta) -> bytes:
    """The mail as if it had been written that much later."""

    def date(found: re.Match[bytes]) -> bytes:
        return format_datetime(parsedate_to_datetime(found.group().decode()) + shift).encode()

    def invitation(found: re.Match[bytes]) -> bytes:
        return b"%d" % (int(found.group()) + (shift // timedelta(milliseconds=1) << _OTHER_BITS))

    return _on_the_wire(_INVITATION.sub(invitation, _DATE.sub(date, raw)))
