"""Where a refresh token stands: a file of the owner's alone, replaced whole or not at all, or a row of a shared owner.

With the systemd credential "oauth-key" the token in it is encrypted; without, what protects it is the mode of the file,
or whom the database lets in.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from gateway.ownership import why_not_hold

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

    from gateway.journal.grants import GrantRow

KEY = "oauth-key"  # the credential
_WARN_AT_MOST = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Grant:
    """Access that the owner granted, until the provider takes it back."""

    client_id: str
    scopes: tuple[str, ...]
    refresh: SecretStr
    obtained: datetime
    used: datetime
    ends: datetime | None = None  # told by the provider
    ended: str = ""  # when and why the provider took it back

    def end(self, unused: timedelta) -> datetime:
        """When it ends if nobody signs in again, and nothing uses it."""
        idle = self.used + unused
        return min(idle, self.ends) if self.ends else idle


def trouble(grant: Grant | None, unused: timedelta, now: datetime) -> str | None:
    """What the owner must hear about a grant, in words that follow "the login ..."; None when all is well."""
    if grant is None:
        return "waits for you to sign in"
    if grant.ended:
        return f"ended on {grant.ended}"
    end = grant.end(unused)
    if end <= now:
        return f"ended on {end:%Y-%m-%d}"
    if end - now <= min(_WARN_AT_MOST, (end - grant.obtained) / 2):
        return f"ends on {end:%Y-%m-%d}"
    return None


class Keeper(Protocol):
    """Who keeps one grant; LookupError when what is kept cannot be trusted or read."""

    @property
    def place(self) -> str:
        """Where, in words that follow "kept in"."""
        ...

    @property
    def protection(self) -> str:
        """What keeps others from the token."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """No other process replaces the grant meanwhile: a provider may take each refresh token only once."""
        ...

    def read(self) -> Grant | None:
        """The grant, None when there is none yet."""
        ...

    def write(self, grant: Grant) -> None:
        """Replace the grant."""
        ...


@dataclass(frozen=True, slots=True)
class GrantFile:
    """One grant on disk; LookupError when the file cannot be trusted or read, OSError when it cannot be written."""

    path: Path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process reads or replaces the grant: a provider may take each refresh token only once."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path.with_suffix(".lock"), flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> Grant | None:
        """The grant, None when there is none yet."""
        try:
            text = _read_own(self.path)
        except FileNotFoundError:
            return None
        return _unfolded(text, self.place)

    def write(self, grant: Grant) -> None:
        """Replace the grant; after a crash at any moment the file holds the one before, or this one."""
        _replace(self.path, _folded(grant).encode() + b"\n")

    @property
    def place(self) -> str:
        return str(self.path)

    @property
    def protection(self) -> str:
        """What keeps others from the token in the file."""
        return _protection(_read_own(self.path)) or "protected by the mode of its file alone (0600)"


@dataclass(frozen=True, slots=True)
class SharedGrant:
    """The grant of an owner in a table; JournalFailed when the database cannot be asked, or the owner is another's."""

    row: GrantRow

    def alone(self) -> AbstractContextManager[None]:
        """Whoever holds the owner, and commands beside them, renew it one after the other."""
        return self.row.alone()

    def read(self) -> Grant | None:
        """The grant, None when there is none yet."""
        text = self.row.text()
        return _unfolded(text, self.place) if text else None

    def write(self, grant: Grant) -> None:
        """Replace the grant, within alone() and while the owner is held."""
        self.row.put(_folded(grant))

    @property
    def place(self) -> str:
        return f"the database beside the file of {self.row.owner}"

    @property
    def protection(self) -> str:
        """What keeps others from the token in the row."""
        return _protection(self.row.text() or "{}") or "protected by the database's own logins alone"


def _folded(grant: Grant) -> str:
    token = grant.refresh.get_secret_value()
    key = _key()
    row = {
        "client_id": grant.client_id,
        "scopes": grant.scopes,
        "obtained": grant.obtained.isoformat(),
        "used": grant.used.isoformat(),
        "ends": grant.ends.isoformat() if grant.ends else None,
        "ended": grant.ended,
        **({"sealed": _fernet(key).encrypt(token.encode()).decode()} if key else {"token": token}),
    }
    return json.dumps(row, indent=1)


def _unfolded(text: str | bytes, place: str) -> Grant:
    try:
        row = json.loads(text)
        return Grant(
            client_id=row["client_id"],
            scopes=tuple(row["scopes"]),
            refresh=SecretStr(_opened(row, place)),
            obtained=datetime.fromisoformat(row["obtained"]),
            used=datetime.fromisoformat(row["used"]),
            ends=datetime.fromisoformat(row["ends"]) if row["ends"] else None,
            ended=row["ended"],
        )
    except (ValueError, KeyError, TypeError):  # their texts would quote what stands there
        raise LookupError(f"{place} is damaged; sign in again") from None


def _protection(text: str | bytes) -> str | None:
    """How the token is encrypted; None when it is not."""
    return f"encrypted with the credential {KEY}" if "sealed" in json.loads(text) else None


def _opened(row: dict[str, Any], place: str) -> str:
    if "sealed" not in row:
        return str(row["token"])
    from cryptography.fernet import InvalidToken

    key = _key()
    if key is None:
        raise LookupError(f"{place} is encrypted; start with LoadCredential={KEY}:...")
    try:
        return _fernet(key).decrypt(row["sealed"].encode()).decode()
    except InvalidToken:
        raise LookupError(f"{place} was encrypted with another {KEY}; sign in again") from None


def _read_own(path: Path) -> bytes:
    """What stands in a file that nobody else can read or write."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise LookupError(f"{path} cannot be read: {exc.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if why_not_hold(os.fstat(descriptor)):
            raise LookupError(f"{path} is not yours alone; look who wrote it, then chmod 600 it")
        return file.read()


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)  # what a crash left
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _key() -> bytes | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        return None
    try:
        return Path(folder, KEY).read_bytes()
    except FileNotFoundError:
        return None


def _fernet(key: bytes) -> Fernet:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # The credential may be of any length and form; what it must be is hard to guess.
    derived = HKDF(SHA256(), length=32, salt=None, info=b"rsvpd oauth").derive(key)
    return Fernet(base64.urlsafe_b64encode(derived))
