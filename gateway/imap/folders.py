"""The folders of an account: as the owner writes them, and as the server does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from gateway.errors import MailboxFailed
from gateway.imap.client import Client, told

_WELL_KNOWN = {
    "\\Sent": ("Sent", "Sent Items", "Sent Messages", "Sent Mail", "Gesendet", "Gesendete Elemente"),
    "\\Drafts": ("Drafts", "Draft", "Entwürfe"),
    "\\Trash": ("Trash", "Deleted Items", "Deleted Messages", "Papierkorb", "Gelöschte Elemente"),
}
_ABSENT = frozenset({"\\nonexistent", "\\noselect"})
_MISSING = re.compile(r"NONEXISTENT|TRYCREATE|NOPERM|exist|unknown mailbox|not found", re.IGNORECASE)


@dataclass(slots=True)
class Folders:
    """What LIST said when the connection was made."""

    client: Client
    place: str
    prefix: str
    delimiter: str
    uses: dict[str, frozenset[str]]
    """Name on the server -> its attributes, lower case; those that hold mail only."""

    @classmethod
    def of(cls, client: Client, place: str) -> Folders:
        with told(f"listing the folders of {place}"):
            personal, listed = client.folders()
            prefix, delimiter = personal or ("", _delimiter(client))
        attributes = {str(name): _attributes(tuple(flags)) for flags, _, name in listed}
        uses = {name: flags for name, flags in attributes.items() if flags.isdisjoint(_ABSENT)}
        return cls(client, place, prefix, delimiter, uses)

    def path(self, folder: str) -> str:
        """A folder's name on the server; "Invitations/Accept" may be "INBOX.Invitations.Accept" there."""
        if folder in self.uses or folder.upper() == "INBOX":
            return folder
        path = folder.replace("/", self.delimiter)
        return path if path.startswith(self.prefix) else self.prefix + path

    def special(self, use: str) -> str:
        """The folder for "\\Sent" or "\\Drafts"; MailboxFailed when the server marks and names none so."""
        for name, flags in self.uses.items():
            if use.lower() in flags:
                return name
        leaves = {name.rpartition(self.delimiter)[2]: name for name in self.uses}
        for known in _WELL_KNOWN[use]:
            if known in leaves:
                return leaves[known]
        key = use.lstrip("\\").lower()
        why = f"{self.place} marks no folder as {use}; name yours as {key} in [imap.folders]"
        raise MailboxFailed(why, permanent=True)

    def ensure(self, folders: Iterable[str]) -> None:
        """Make those folders that are not there."""
        missing = [path for folder in folders if (path := self.path(folder)) not in self.uses]
        with told(f"making {' and '.join(map(repr, missing))} on {self.place}"):
            self.client.make_folders(missing)
        self.uses.update(dict.fromkeys(missing, frozenset()))

    def missing(self, folder: str, exc: IMAPClientError) -> MailboxFailed | None:
        """What to tell the owner when a command failed because a folder is not there; None when it was not that."""
        if isinstance(exc, IMAPClientAbortError) or not _MISSING.search(str(exc)):
            return None
        known = ", ".join(sorted(self.uses))[:300]
        why = (
            f"{self.place} has no folder {self.path(folder)!r}; make it, or correct [imap.folders] (there are {known})"
        )
        return MailboxFailed(why, permanent=True)


@lru_cache(maxsize=1000)  # and so the same set for the folders of all owners
def _attributes(flags: tuple[bytes, ...]) -> frozenset[str]:
    return frozenset(flag.decode().lower() for flag in flags)


def _delimiter(client: Client) -> str:
    """What parts the names of folders."""
    listed = client.list_folders("", "")
    return str((listed[0][1] or b"/").decode()) if listed else "/"
