"""Everything that the log can tell of. The list is closed: who reads the log by program goes by these words."""

from __future__ import annotations

from contextvars import ContextVar
from enum import StrEnum

OWNER: ContextVar[str] = ContextVar("owner", default="")  # whose round a line of the log is from


class LogEvent(StrEnum):
    """What a line of the log is about; docs/operations.md says what to do about each."""

    STARTED = "started"  # the service is ready, and looks after so many owners
    STOPPED = "stopped"  # it ended in good order, with no round cut off
    SERVED = "served"  # an owner is looked after from now on
    NOT_SERVED = "not-served"  # an owner is not, for a fault of the file or the journal
    RELEASED = "released"  # an owner is no more, since the file is gone
    SHARES = "shares"  # owners came from, or went to, another process; or the database that says whose they are is away
    RELOADED = "reloaded"  # the files were read again
    REFUSED_SETTINGS = "refused-settings"  # a changed file, or all, is not gone by
    EXPOSED = "exposed"  # others can read a file with a password
    LISTENING = "listening"  # a mail server may hand mail over
    NOT_LISTENING = "not-listening"  # it cannot, for the address is not free; tried again every minute
    AWAY = "away"  # a round failed: mailbox or journal cannot be used
    BACK = "back"  # the first round that did not fail any more
    HUNG_UP = "hung-up"  # a round took no step for long, and its connection was ended
    STUCK = "stuck"  # a round hangs, and systemd gets no more signs of life
    FAULT = "fault"  # a fault of rsvpd's own
    READ = "read"  # a source of records was read
    SOURCE_AWAY = "source-away"  # a source of records cannot be read
    LOGIN_ENDS = "login-ends"  # a login at a provider ends soon
    JUDGED = "judged"  # a mail was judged
    POSTPONED = "postponed"  # something could not be told or done yet
    UNREADABLE = "unreadable"  # a mail was set aside
    MOVED = "moved"  # a case is judged otherwise than before, by policy, records or the owner
    COMMAND = "command"  # a command by mail was obeyed, or was not
    ANSWERED = "answered"  # the inviter wrote back
    DELIVERY = "delivery"  # an answer went on: sent, due again, closed
    UNDELIVERED = "undelivered"  # an answer was refused, or its fate is uncertain
    BOUNCED = "bounced"  # an answer came back
    PAUSED = "paused"  # sending was stopped, for too many came back
    INTERRUPTED = "interrupted"  # an answer was under way when the program ended
    SUMMARY = "summary"  # the weekly summary, a confirmation or an alert went out, or did not
    BACKUP = "backup"  # the journal was backed up, or was not
    BLIND = "blind"  # for a day nothing could be seen of the owner's invitations
    HEARTBEAT = "heartbeat"  # a sign of life did not get through

    def of(self, **fields: object) -> dict[str, object]:
        """What a call of the log takes as `extra`."""
        return {"event": self, "fields": fields}
