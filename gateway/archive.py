"""The mails in a file or folder: .eml, a folder of them, mbox, Maildir; read only."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Unreadable

_LARGEST = 16 * 1024 * 1024  # bytes of one .eml; more is no mail anybody was sent


def mails(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every mail below a path, in order of name; Unreadable when there is no such thing."""
    if not path.exists():
        raise Unreadable(f"{path}: there is no such file or folder")
    if path.is_dir():
        yield from _maildir(path) if _is_maildir(path) else _folder(path)
    elif _is_mbox(path):
        yield from _mbox(path)
    else:
        yield str(path), _bytes_of(path)


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() and (path / "new").is_dir()


def _is_mbox(path: Path) -> bool:
    with _opened(path) as file:
        return file.read(5) == b"From "


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as exc:
        raise Unreadable(f"{path}: {exc.strerror}") from None


def _bytes_of(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read(_LARGEST)


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.rglob("*.eml")):
        yield str(file), _bytes_of(file)


def _maildir(path: Path) -> Iterator[tuple[str, bytes]]:
    for folder in ("cur", "new"):
        for file in sorted((path / folder).iterdir()):
            yield str(file), _bytes_of(file)


def _mbox(path: Path) -> Iterator[tuple[str, bytes]]:
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.iterkeys(), 1):
            yield f"{path}#{number}", box.get_bytes(key)
    finally:
        box.close()
