"""Text out of files whose charset nobody wrote down, and the faults of reading them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from gateway.errors import BadSource

_LARGEST = 200_000_000  # bytes of an address book, calendar or export


def read_bytes(path: Path) -> bytes:
    """A file's bytes; BadSource says which file and what to do."""
    try:
        if path.stat().st_size > _LARGEST:
            raise BadSource(f"{path}: is larger than {_LARGEST // 1_000_000} MB: export less, or split it")
        return path.read_bytes()
    except OSError as exc:
        raise unreadable(path, exc) from exc


def unreadable(path: Path, exc: OSError) -> BadSource:
    """Which file cannot be read, and what to do about it."""
    if isinstance(exc, FileNotFoundError):
        return BadSource(f"{path}: is not there: export it again, or correct the path in [evidence]")
    if isinstance(exc, PermissionError):
        return BadSource(f"{path}: may not be read: give the user rsvpd runs as read permission")
    return BadSource(f"{path}: cannot be read ({exc.strerror or exc}): put the file right and it is read again")


def clean(text: str) -> str:
    """A text on one line, without characters that steer a terminal or that no database takes."""
    if text.isprintable():
        return " ".join(text.split())
    kinds = ((char, unicodedata.category(char)) for char in text)
    # Joiners and direction marks stand inside words, all other controls between them.
    return " ".join("".join(" " if kind in ("Cc", "Cs") else char for char, kind in kinds if kind != "Cf").split())


def decode(raw: bytes) -> str:
    """UTF-8 or UTF-16 by their marks, else UTF-8, else Windows-1252, which takes Latin-1 in; never fails."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
