"""The header blocks of mails in files: an mbox, a Maildir, a folder of .eml files or a single mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import BadSource
from gateway.evidence.texts import unreadable

_MOST = 256_000  # bytes of a header block
_SEPARATOR = re.compile(rb"From \S+ .*\d\d:\d\d")


def header_blocks(path: Path) -> Iterator[bytes]:
    """The header of each mail, read line by line so that memory stays small; BadSource where there can be none."""
    try:
        if path.is_dir():
            yield from _folder(path)
        else:
            yield from _file(path)
    except OSError as exc:
        raise unreadable(path, exc) from exc


def _folder(path: Path) -> Iterator[bytes]:
    maildir = [path / name for name in ("cur", "new") if (path / name).is_dir()]
    files = (file for part in maildir for file in part.iterdir()) if maildir else path.glob("**/*.eml")
    for file in files:
        with file.open("rb") as lines:
            yield _header(lines)


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        first = lines.readline()
        if not first:
            return
        if not first.startswith(b"From "):
            if b":" not in first:
                raise BadSource(
                    f"{path}: is neither an mbox nor a mail: export the folder as mbox, or name its Maildir"
                )
            lines.seek(0)
            yield _header(lines)
            return
        yield _header(lines)
        empty = True
        for line in lines:
            if empty and line.startswith(b"From ") and _SEPARATOR.match(line):
                yield _header(lines)
                empty = True
                continue
            empty = line in (b"\n", b"\r\n")


def _header(lines: Iterator[bytes]) -> bytes:
    """What stands above the first empty line."""
    block: list[bytes] = []
    size = 0
    for line in lines:
        size += len(line)
        if line in (b"\n", b"\r\n") or size > _MOST:
            break
        block.append(line)
    return b"".join(block)
