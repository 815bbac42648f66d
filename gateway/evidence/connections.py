"""Connections.csv, the list of connections a LinkedIn member can export; known from inside the network only."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import BadSource
from gateway.evidence.texts import decode, read_bytes
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
    table = text[heading.start() :]
    separator = heading[0].rstrip(" ")[-1]
    for row in csv.DictReader(table.splitlines(), delimiter=separator, restkey="more", restval=""):
        found = _acquaintance({(key or "").strip().lower(): value for key, value in row.items()}, source)
        if found:
            yield found


def _acquaintance(row: dict[str, str], source: str) -> Acquaintance | None:
    name = f"{row.get('first name', '')} {row.get('last name', '')}".strip()
    if not name:
        return None
    since = _date(row.get("connected on", ""))
    return Acquaintance(
        source=source,
        link=Link.CONNECTION,
        name=name,
        address=row.get("email address", "").strip() or None,
        company=row.get("company", "").strip() or None,
        profile_url=row.get("url", "").strip() or None,
        first=since,
        last=since,
        about=row.get("position", "").strip(),
    )


def _date(text: str) -> datetime | None:
    for form in _DATES:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
