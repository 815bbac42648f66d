"""Where an owner's journal and secret stand, and the lock that keeps two services from one journal."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Config
from gateway.errors import JournalFailed
from gateway.ownership import why_not_keep

if TYPE_CHECKING:
    from gateway.journal import Journal

_JOURNAL = "journal.sqlite"
_NO_FOLDER = (FileNotFoundError, NotADirectoryError)
_WORD = 120  # bytes of what a lock says: five numbers


def state_directory() -> Path:
    """systemd's StateDirectory, else the user's own (XDG base directory specification)."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "rsvpd"


# The system units' files, and where they keep what belongs to them; see StateDirectory= there.
SYSTEM_FILES = Path("/etc/rsvpd")
SYSTEM_STATES = (Path("/var/lib/rsvpd-owner"), Path("/var/lib/rsvpd"))


def folder_of(config: Config) -> Path:
    """An owner's folder in the state directory; a unit of the owner's own has one already."""
    if config.path and config.path.absolute().parent == SYSTEM_FILES and "STATE_DIRECTORY" not in os.environ:
        of_units = [state / config.owner for state in SYSTEM_STATES]
        return next((folder for folder in of_units if os.path.lexists(folder)), of_units[-1])
    base = state_directory()
    return base if base.name == config.owner else base / config.owner


def open_journal(config: Config, *, whole: bool = True) -> Journal:
    """The owner's journal; JournalFailed says what is wrong with it.

    A file's pages are looked at only when it is to be `whole`.
    """
    from gateway.journal import Journal  # only now: reading mails needs none
    from gateway.journal.store import open_file, open_url

    if config.journal.url:
        return Journal(open_url(config.journal.url), config.owner)
    return Journal(open_file(folder_of(config) / _JOURNAL, whole=whole), config.owner)


def journal_at_hand(config: Config) -> Journal | None:
    """The owner's journal if there is one and it is this user's; none is made."""
    if config.path is None:
        return None
    file = folder_of(config) / _JOURNAL
    mine = config.journal.url or (os.access(file, os.W_OK) and file.stat().st_uid == os.geteuid())
    return open_journal(config) if mine else None


@contextmanager
def acting_for(config: Config) -> Iterator[None]:
    """Be the user whose state it is, if root asks: what root left there, the service could not use."""
    folder = folder_of(config)
    keeper = folder.stat() if os.geteuid() == 0 and folder.exists() else None
    if keeper is None or keeper.st_uid == 0:
        yield
        return
    os.setegid(keeper.st_gid)
    os.seteuid(keeper.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def is_served(config: Config) -> bool:
    """Whether a service looks after this owner, on this host."""
    try:
        descriptor = os.open(folder_of(config) / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except _NO_FOLDER:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def secret_of(journal: Journal) -> bytes:
    """The key behind our Message-IDs and tokens, made at first use and kept in the journal."""
    found = journal.fact("secret")
    if found is None:
        found = secrets.token_hex(32)
        journal.set_fact("secret", found)
    return bytes.fromhex(found)


def ring(config: Config) -> None:
    """Tell the service that somebody else may have written to the owner's journal."""
    bell = folder_of(config) / "bell"
    with suppress(*_NO_FOLDER):  # no service
        os.close(os.open(bell, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        os.utime(bell)


def rung(config: Config) -> int:
    """When ring() was last called, in nanoseconds; 0 when it never was."""
    try:
        return (folder_of(config) / "bell").stat().st_mtime_ns
    except _NO_FOLDER:
        return 0


def looks_of(file: Path) -> str:
    """What is another as soon as anybody writes to a journal, or puts another in its place; "" where that is not told.

    The time of a file's last change (ctime) is for nobody to set. While a journal is open, part of it is elsewhere.
    """
    try:
        found = file.stat(follow_symlinks=False)
        is_open = file.with_name(f"{file.name}-wal").exists()
    except OSError:
        return ""
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return "" if is_open else " ".join(map(str, numbers))


@dataclass(slots=True)
class Lock:
    """One service an owner on this host; held until the process ends."""

    descriptor: int
    file: Path  # the journal's
    lost: bool = False  # never, while the process lasts
    _in_order: bool = False  # the journal is as it was left in good order, and nobody has relied on that yet

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
        lock = cls(descriptor, folder / _JOURNAL)
        left = os.read(descriptor, _WORD).decode("ascii", "replace").rstrip()
        lock._in_order = left != "" and left == looks_of(lock.file)
        if left:
            os.pwrite(descriptor, b" " * _WORD, 0)  # until it is left in good order again
        return lock

    def journal(self, config: Config, *, whole: bool = True) -> Journal:
        """The owner's journal; its pages are looked at only when it is to be `whole`."""
        return open_journal(config, whole=whole)

    def found_in_order(self, config: Config) -> bool:
        """Whether nobody has written to the owner's journal since a service left it in good order; true but once."""
        found, self._in_order = self._in_order and not config.journal.url, False
        return found

    def left_in_order(self) -> None:
        """Note how the journal's file looks now that nobody writes to it any more, for the next who takes the lock."""
        os.pwrite(self.descriptor, looks_of(self.file).ljust(_WORD).encode(), 0)

    def check(self) -> None:
        """Nothing: the lock lasts as long as the process."""

    def release(self) -> None:
        os.close(self.descriptor)
