"""What the journal needs once a day: a look at all of it, a backup that was read back, and old mails dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.errors import JournalFailed
from gateway.events import LogEvent
from gateway.journal import A_DAY, Journal
from gateway.journal.store import backup, check_pages

log = logging.getLogger(__name__)

KEPT_BACKUPS = 7
MAILS_KEPT = timedelta(days=90)  # afterwards the decision stays, the mail itself goes
_DONE = "upkeep"


@dataclass(slots=True)
class Upkeep:
    """An owner's journal and where its backups stand; no folder when the database is not ours to copy."""

    journal: Journal
    folder: Path | None
    clock: Callable[[], datetime]
    _alive: datetime | None = None  # when it was noted last
    _whole_on: str = ""  # the day on which all of the journal was found to be what it was
    _seen_to: str = ""  # the day that is known to be seen to

    def daily(self) -> None:
        """Do today's upkeep if it was not done yet; a backup that fails stops nothing and is tried again.

        JournalFailed when the journal was changed, and again each time: nothing is sent from then on.
        """
        now = self.clock()
        today = f"{now:%Y-%m-%d}"
        if self._alive is None or now - self._alive >= A_DAY:
            self._alive = self.journal.alive(now)
        if self._seen_to == today:
            return
        if self.journal.fact(_DONE) == today:
            self._seen_to = today
            return
        if self.folder and self._whole_on != today:
            check_pages(self.journal.store)
            self.journal.verify()
            self._whole_on = today
        self.journal.drop_mails(now - MAILS_KEPT)
        try:
            if self.folder:
                self._back_up(self.folder, today)
        except (JournalFailed, OSError) as exc:
            log.error("no backup: %s", exc, extra=LogEvent.BACKUP.of())
        else:
            self.journal.set_fact(_DONE, today)
            self._seen_to = today

    def _back_up(self, folder: Path, today: str) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        target = folder / f"journal-{today}.sqlite"
        target.unlink(missing_ok=True)  # of an attempt that was cut short
        backup(self.journal.store, target)
        for old in sorted(folder.glob("journal-*.sqlite"))[:-KEPT_BACKUPS]:
            old.unlink()
        log.info("backup %s", target.name, extra=LogEvent.BACKUP.of())
