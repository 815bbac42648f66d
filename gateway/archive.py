"""The mails in a file or folder: .eml, a folder of them, mbox, Maildir; read only."""

from __future__ import annotations

import mailbox
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

_LARGEST = 16 * 1024 * 1024  # bytes of one .eml; more is no mail anybody was sent
_HEAD = 4096  # bytes in which a mail shows that it is one
_BLANK = re.compile(rb"\r?\n\r?\n")
# Any field, or one that mails have; without the space behind it, since /etc/passwd has colons, too.
_FIELD = re.compile(
    rb"^(?:[!-9;-~]+[ \t]*:(?:[ \t]|\r?$)|(?:from|to|subject|date|received|message-id|return-path|content-type):)",
    re.MULTILINE | re.IGNORECASE,
)

Skip = Callable[[str], None]  # told of what is left out, and why


def mails(path: Path, skip: Skip) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every mail below a path, in order of name; what is no mail, or cannot be read, is left out."""
    try:
        found = _below(path, skip)
        first = next(found, None)
    except OSError as exc:
        skip(f"{exc.filename or path}: {exc.strerror}")
        return
    if first is None:
        if path.is_dir():
            skip(f"no mails in {path}")
        return
    for name, raw in chain([first], found):
        if _FIELD.search(_BLANK.split(raw[:_HEAD], 1)[0]):
            yield name, raw
        else:
            skip(f"{name} is no mail: it has no header")


def _below(path: Path, skip: Skip) -> Iterator[tuple[str, bytes]]:
    if not path.exists():
        skip(f"{path}: there is no such file or folder")
    elif path.is_dir():
        files = _of_maildir(path) if _is_maildir(path) else sorted(path.rglob("*.eml"))
        yield from _read(files, skip)
    elif path.is_file() and _is_mbox(path):
        yield from _mbox(path)
    else:
        yield from _read([path], skip)


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() and (path / "new").is_dir()


def _is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"From "


def _read(files: Iterable[Path], skip: Skip) -> Iterator[tuple[str, bytes]]:
    for file in files:
        if not file.is_file():  # a pipe, say, at which one would wait for ever
            skip(f"{file} is no regular file")
            continue
        try:
            with file.open("rb") as content:
                raw = content.read(_LARGEST)
        except OSError as exc:
            skip(f"{file}: {exc.strerror}")
            continue
        yield str(file), raw


def _of_maildir(path: Path) -> Iterator[Path]:
    for folder in ("cur", "new"):
        yield from sorted((path / folder).iterdir(), key=_when)


def _when(file: Path) -> list[str | int]:
    """A file's place in the order of delivery: its name begins with the time, in numbers of any length."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.name)]


def _mbox(path: Path) -> Iterator[tuple[str, bytes]]:
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.iterkeys(), 1):
            yield f"{path}#{number}", box.get_bytes(key)
    finally:
        box.close()
