"""What can go wrong, and where: every fault of a full run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault."""

    kind: str
    call: str = ""  # a system call that goes wrong,
    how: str = ""  # how, as strace says it,
    when: str = ""  # and at which of its occurrences in a thread; "7+" is the seventh and all after it
    starting: bool = False  # occurrences count from the program's start, not from its first round
    smtp: tuple[str, str] | None = None  # a step of the dialogue with the mail server, and what happens there
    act: str = ""  # what is done to the service or its IMAP server from outside,
    after: float = 0.0  # so many seconds after the start
    step: timedelta = HOUR  # of the clock before the service runs again


# A round that takes in, files and answers three mails makes about as many calls as the third column says; those of
# which there are many are hit at every seventh, or so.
_CALLS = (
    ("fdatasync", ("signal=KILL", "error=EIO", "error=ENOSPC"), 17, 1),
    ("pwrite64", ("signal=KILL", "error=EIO", "error=ENOSPC"), 352, 7),
    ("write", ("signal=KILL", "error=ECONNRESET"), 62, 1),  # into a TLS connection
    ("read", ("signal=KILL", "error=ECONNRESET"), 240, 4),
    ("sendto", ("signal=KILL", "error=ECONNRESET"), 5, 1),  # into a connection without TLS
    ("recvfrom", ("signal=KILL", "error=ECONNRESET"), 6, 1),
    ("connect", ("error=ECONNREFUSED", "error=ETIMEDOUT"), 3, 1),
)
_CALLS_OF_THE_START = (
    ("fdatasync", ("signal=KILL", "error=EIO"), 8, 1),
    ("pwrite64", ("signal=KILL", "error=ENOSPC"), 90, 12),
)
_VERBS = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot")
_ACTS = ("kill", "restart", "freeze", "renumber", "twice")
_DELAYS = tuple(number / 10 for number in range(10))


def injections() -> Iterator[Injection]:
    """All of them."""
    for call, hows, last, stride in _CALLS:
        for how in hows:
            for number in range(1, last + 1, stride):
                yield Injection(f"{call}: {_words(how)}", call=call, how=how, when=f"{number}")
    for number in range(1, 352, 14):
        yield Injection("pwrite64: ENOSPC from then on", call="pwrite64", how="error=ENOSPC", when=f"{number}+")
    for call, hows, last, stride in _CALLS_OF_THE_START:
        for how in hows:
            for number in range(1, last + 1, stride):
                kind = f"{call} at start: {_words(how)}"
                yield Injection(kind, call=call, how=how, when=f"{number}", starting=True)
    for verb in _VERBS:
        for reply in ("451 4.3.0 later", "550 5.7.1 never", "cut"):
            yield Injection(f"mail server: {reply}", smtp=(verb, reply))
    yield Injection("mail server: cut after the dot, mail taken", smtp=("dot", "lost"))
    yield Injection("mail server: cut after the dot, mail dropped", smtp=("dot", "dropped"))
    for delay in _DELAYS:
        for act in _ACTS:
            yield Injection(_ACT_WORDS[act], act=act, after=delay)
        yield Injection("killed, clock an hour back", act="kill", after=delay, step=-HOUR)


def _words(how: str) -> str:
    return how.partition("=")[2]


_ACT_WORDS = {
    "kill": "killed, clock an hour on",
    "restart": "IMAP server restarted",
    "freeze": "IMAP server frozen for a second",
    "renumber": "UIDVALIDITY reset",
    "twice": "second instance started",
}
