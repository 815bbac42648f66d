"""Connections.csv, the list of connections a LinkedIn member can export; known from inside the network only."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import BadSource
from gateway.evidence.texts import clean, decode, read_bytes
from gateway.model import Acquaintance, Link

_HEADING = re.compile(r"^\"?First Name\"?\s*[,;\t]", re.IGNORECASE | re.MULTILINE)
_DATES = ("%d %b %Y", "%d-%b-%y", "%d-%b-%Y", "%m/%d/%y", "%Y-%m-%d")


def read_path(path: Path, source: str) -> Iterator[Acquaintance]:
    """The people of an export; whatever stands above its heading ("Notes:") is passed over."""
    text = decode(read_bytes(path))
    heading = _HEADING.search(text)
    if heading is None:
        raise BadSource(
            f'{path}: has no line "First Name,Last Name,...": unpack Connections.csv from LinkedIn\'s export'
        )
    rows = csv.reader(io.StringIO(text[heading.start() :], newline=""), delimiter=heading[0].rstrip(" ")[-1])
    try:
        fields = [field.strip().lower() for field in next(rows)]
        for row in rows:
            if found := _acquaintance(dict(zip(fields, map(clean, row), strict=False)), source):
                yield found
    except csv.Error as exc:
        raise BadSource(f"{path}: line {rows.line_num} is no CSV ({exc}): unpack Connections.csv again") from exc


def _acquaintance(row: dict[str, str], source: str) -> Acquaintance | None:
    name = f"{row.get('first name', '')} {row.get('last name', '')}".strip()
    if not name:
        return None
    since = _date(row.get("connected on", ""))
    return Acquaintance(
        source=source,
        link=Link.CONNECTION,
        name=name,
        address=row.get("email address") or None,
        company=row.get("company") or None,
        profile_url=row.get("url") or None,
        first=since,
        last=since,
        about=row.get("position", ""),
    )


def _date(text: str) -> datetime | None:
    for form in _DATES:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
