"""Where an owner's journal and secret stand, and the lock that keeps two services from one journal."""

from __future__ import annotations

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Config
from gateway.errors import JournalFailed
from gateway.ownership import why_not_keep

if TYPE_CHECKING:
    from gateway.journal import Journal

_JOURNAL = "journal.sqlite"


def state_directory() -> Path:
    """systemd's StateDirectory, else the user's own (XDG base directory specification)."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "rsvpd"


def folder_of(config: Config) -> Path:
    """An owner's folder in the state directory; a unit of the owner's own has one already."""
    base = state_directory()
    return base if base.name == config.owner else base / config.owner


def open_journal(config: Config) -> Journal:
    """The owner's journal; JournalFailed says what is wrong with it."""
    from gateway.journal import Journal  # only now: reading mails needs none
    from gateway.journal.store import open_file, open_url

    if config.journal.url:
        return Journal(open_url(config.journal.url), config.owner)
    return Journal(open_file(folder_of(config) / _JOURNAL), config.owner)


def journal_at_hand(config: Config) -> Journal | None:
    """The owner's journal if there is one and it is this user's; none is made."""
    if config.path is None:
        return None
    file = folder_of(config) / _JOURNAL
    mine = config.journal.url or (os.access(file, os.W_OK) and file.stat().st_uid == os.geteuid())
    return open_journal(config) if mine else None


def secret_of(journal: Journal) -> bytes:
    """The key behind our Message-IDs and tokens, made at first use and kept in the journal."""
    found = journal.fact("secret")
    if found is None:
        found = secrets.token_hex(32)
        journal.set_fact("secret", found)
    return bytes.fromhex(found)


@dataclass(slots=True)
class Lock:
    """One service an owner on this host; held until the process ends."""

    descriptor: int

    @classmethod
    def take(cls, config: Config) -> Lock:
        """JournalFailed when another service has this owner."""
        folder = folder_of(config)
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(folder / "lock", flags, 0o600)
        except OSError as exc:
            raise JournalFailed(f"{folder / 'lock'}: cannot be used ({exc.strerror})") from None
        if why := why_not_keep(folder, is_folder=True):
            os.close(descriptor)
            raise JournalFailed(f"{folder}: {why}")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise JournalFailed(f"another rsvpd already serves {config.owner} ({folder / 'lock'})") from None
        return cls(descriptor)

    def release(self) -> None:
        os.close(self.descriptor)
