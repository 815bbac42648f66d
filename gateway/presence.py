"""Whether the service reaches an owner's mailbox: a word it leaves in their folder, for whoever asks later."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from gateway.config import Config
from gateway.state import folder_of

_WORD = "presence"


@dataclass(frozen=True, slots=True)
class Presence:
    """Since when the mailbox is reached, or why it is not."""

    since: datetime
    why: str = ""  # empty while it is reached


def leave_word(config: Config, presence: Presence) -> None:
    """Write it down for others. It is no record: after a crash nobody is served, which the lock tells."""
    file = folder_of(config) / _WORD
    fresh = file.with_suffix(".new")
    flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(OSError):  # a full disk is told of where it matters
        with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as word:
            word.write(f"{presence.since.isoformat()} {presence.why}")
        fresh.replace(file)


def presence_of(config: Config) -> Presence | None:
    """The last word on an owner; None when there is none."""
    try:
        since, _, why = (folder_of(config) / _WORD).read_text("utf-8").partition(" ")
        return Presence(datetime.fromisoformat(since), why)
    except (OSError, ValueError):
        return None
