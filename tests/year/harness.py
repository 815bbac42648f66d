"""A year of an owner's, in minutes: the real rounds against a real Dovecot, under a clock that the harness moves.

    python -m tests.year        (make year)

Invitations come, the owner moves mails between the folders and answers the summary, strangers try to give commands in
the owner's name. The program is restarted, stopped for three weeks, and its clock is set back; the year has both
changes of clocks. Prints what happened and a last line; exits with 1 where a bar is missed.
"""

from __future__ import annotations

import itertools
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import unescape
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

from gateway.commands import answer_links
from gateway.config import load
from gateway.model import Case, State, Verdict
from gateway.watches import Watch
from tests.accounts import accounts
from tests.certificates import Certificate
from tests.clock import Clock, watch_by
from tests.notifications import MX, linkedin, old_linkedin
from tests.servers import Dovecot, running
from tests.submission import Login, SmtpServer
from tests.test_commands import ADA
from tests.test_orders import PASS, to_myself

WEEKS = 52
START = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)  # a Monday, half an hour after a summary would be due in Berlin
END = START + timedelta(weeks=WEEKS)
DOWNTIME = (datetime(2026, 8, 4, 12, tzinfo=UTC), datetime(2026, 8, 25, 12, tzinfo=UTC))
_SEED = 2026
_FOLDERS = {
    "Invitations/Accept": Verdict.ACCEPT,
    "Invitations/Review": Verdict.HUMAN,
    "Invitations/Declined": Verdict.DECLINE,
}
_CONFIG = """\
[me]
name = "Ada Miller"
addresses = "{ada}"
timezone = "Europe/Berlin"
[evidence]
contacts = "book.vcf"
[authentication]
authserv_id = "{mx}"
{accounts}[delivery]
mode = "send"
hold = "6h"
"""


@dataclass(slots=True)
class Tally:
    """What the year came to."""

    invitations: int = 0
    restarts: int = 0
    steps_back: int = 0
    moves: int = 0
    moves_applied: int = 0
    commands: int = 0
    commands_obeyed: int = 0
    not_obeyed: list[str] = field(default_factory=list)
    forgeries: Counter[str] = field(default_factory=Counter)
    forged_effects: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Year:
    """An owner's mailbox, mail server and program."""

    dovecot: Dovecot
    smtp: SmtpServer
    login: Login
    file: Path
    clock: Clock
    chance: random.Random = field(default_factory=lambda: random.Random(_SEED))
    tally: Tally = field(default_factory=Tally)
    names: Iterator[int] = field(default_factory=itertools.count)
    spent: list[tuple[str, str]] = field(default_factory=list)  # commands that were obeyed: the case and the subject
    old: list[tuple[datetime, str, str]] = field(default_factory=list)  # links never used: when made, case, subject
    watched: Watch | None = None

    def start(self) -> Watch:
        self.watched = self.watched or watch_by(self.clock, load(self.file))
        return self.watched

    def stop(self) -> None:
        if self.watched:
            self.watched.round.close()
            self.watched.lock.release()
            self.watched = None

    def round(self) -> None:
        self.start().round.run()

    def case(self, name: str) -> Case:
        found = self.start().round.journal.case(name)
        assert found is not None
        return found

    # What others do

    def invite(self) -> None:
        """Somebody invites, in one of the ways that lead to different folders."""
        number = next(self.names)
        name = "Guest " + "".join(chr(ord("a") + int(digit)) for digit in f"{number:05}").title()
        age = datetime.now(UTC) - self.clock.now
        kind = self.chance.choice(("reached", "reached", "pasted", "known", "unclear", "forged"))
        address = f"guest{number}@somewhere{number % 7}.example"
        met = "Hi Ada, we met at the spring school in Lyon. - {name}"
        if kind == "reached":
            raw = old_linkedin(name, address, age=age)
        elif kind == "unclear":
            raw = old_linkedin(name, address, note=met, age=age)
        else:
            invitation = number + (int(self.clock.now.timestamp() * 1000) << 22)
            known = "Carla Known" if kind == "known" else name
            dkim = "fail" if kind == "forged" else "pass"
            raw = linkedin(known, slug=f"guest-{number}", invitation=invitation, age=age, dkim=dkim)
        self.dovecot.deliver(self.login, raw)
        self.tally.invitations += 1

    # What the owner does

    def move(self) -> None:
        """Move a mail to another folder, as any mail program does; the next round must take it as a decision."""
        found = self.filed()
        if not found:
            return
        folder, uid, message_id = self.chance.choice(found)
        goal = self.chance.choice([name for name in _FOLDERS if name != folder])
        with self.dovecot.client(self.login, folder) as client:
            client.move([uid], goal)
        self.tally.moves += 1
        self.round()
        entry = next(e for e in self.start().round.journal.entries(*State) if e.message_id == message_id)
        case = self.case(entry.case or "")
        if (case.verdict, case.decided_by) == (_FOLDERS[goal], "owner"):
            self.tally.moves_applied += 1

    def filed(self) -> list[tuple[str, int, str]]:
        """Notifications in the three folders: where, under which number, and which they are."""
        found = []
        for folder in _FOLDERS:
            with self.dovecot.client(self.login, folder) as client:
                for uid, item in client.fetch(client.search(["FROM", "linkedin.com"]), ["ENVELOPE"]).items():
                    found.append((folder, uid, item[b"ENVELOPE"].message_id.decode()))
        return found

    def answer_a_summary(self) -> None:
        """Use a link of the latest summary."""
        links = self.links()
        if not links:
            return
        case, verb, subject = self.chance.choice(links)
        self.tally.commands += 1
        before = self.case(case)
        self.dovecot.deliver(self.login, to_myself(subject))
        self.round()
        goal = {"accept": Verdict.ACCEPT, "decline": Verdict.DECLINE, "decline quietly": Verdict.DECLINE}[verb]
        found = self.case(case)
        # Of somebody who was answered already there is nothing left to decline.
        if found.verdict is goal and (found.decided_by == "owner" or before.verdict is goal):
            self.tally.commands_obeyed += 1
        else:
            self.tally.not_obeyed.append(f"{self.clock.now:%Y-%m-%d} {verb} {case}: {found.verdict} {found.decided_by}")
        self.spent.append((case, subject))
        unused = [(name, words) for name, _, words in links if words != subject]
        self.old += [(self.clock.now, name, words) for name, words in unused[:1]]

    def links(self) -> list[tuple[str, str, str]]:
        """The answers that the latest summary offers: case, verb, and the subject of the mail a link opens."""
        summaries = self.summaries()
        page = summaries[-1].get_body(("html",)) if summaries else None
        if page is None:
            return []
        hrefs = [unescape(href) for href in re.findall(r'href="(mailto:[^"]+)"', page.get_content())]
        subjects = [parse_qs(urlsplit(href).query)["subject"][0] for href in hrefs]
        fitting = (re.match(r"rsvpd: (accept|decline|decline quietly) (c\d+) \[", subject) for subject in subjects)
        pairs = zip(subjects, fitting, strict=True)
        return [(match[2], match[1], subject) for subject, match in pairs if match]

    def summaries(self) -> list[EmailMessage]:
        mails = [message_from_bytes(letter.raw, policy=default) for letter in self.smtp.delivered]
        return [mail for mail in mails if isinstance(mail, EmailMessage) and mail["X-Rsvpd-Week"]]

    # What strangers try

    def forge(self) -> None:
        """Give a command in the owner's name, and see that nothing comes of it."""
        names = [case.name for case in self.start().round.journal.cases()]
        if not names:
            return
        kind, attempt = self.chance.choice(list(self._forgeries().items()))
        target, raw = attempt(self.chance.choice(names)) or ("", b"")
        if not target:
            return
        before = self.case(target)
        self.dovecot.deliver(self.login, raw)
        self.tally.forgeries[kind] += 1
        self.round()
        after = self.case(target)
        if (before.verdict, before.decided_by, before.changed) != (after.verdict, after.decided_by, after.changed):
            self.tally.forged_effects.append(f"{kind}: {target} {before.verdict} -> {after.verdict}")

    def _forgeries(self) -> dict[str, Callable[[str], tuple[str, bytes] | None]]:
        return {
            "without a token": lambda case: (case, to_myself(f"rsvpd: {self._other(case)} {case}")),
            "another key": lambda case: (case, to_myself(self._subject(case, b"k" * 32))),
            "nothing proves the sender": lambda case: (case, to_myself(self._subject(case), results=None)),
            "a wrong signature": lambda case: (
                case,
                to_myself(self._subject(case), results="dkim=fail header.d=example.org"),
            ),
            "somebody else's address": lambda case: (case, self._from_a_stranger(case)),
            "in quoted text only": lambda case: (case, to_myself("Re: Hello", f"See:\n\n> {self._subject(case)}\n")),
            "replayed": self._replayed,
            "expired": self._expired,
        }

    def _from_a_stranger(self, case: str) -> bytes:
        results = PASS.replace("example.org", "stranger.example")
        return to_myself(self._subject(case), results=results, From="Mallory <mallory@stranger.example>")

    def _replayed(self, _case: str) -> tuple[str, bytes] | None:
        if not self.spent:
            return None
        case, subject = self.chance.choice(self.spent)
        return case, to_myself(subject)

    def _expired(self, _case: str) -> tuple[str, bytes] | None:
        stale = [(case, subject) for made, case, subject in self.old if self.clock.now - made > timedelta(days=21)]
        if not stale:
            return None
        case, subject = self.chance.choice(stale)
        return case, to_myself(subject)

    def _subject(self, case: str, secret: bytes | None = None) -> str:
        """The subject of a link that would change the case."""
        made = answer_links(secret or self.start().round.owner.secret, ADA, case, self.clock.now)
        href = next(link.href for link in made if link.verb == self._other(case))
        return parse_qs(urlsplit(href).query)["subject"][0]

    def _other(self, case: str) -> str:
        return "decline" if self.case(case).verdict is Verdict.ACCEPT else "accept"

    # The year

    def live(self, tell: Callable[[str], None]) -> None:
        month = 0
        while self.clock.now < END:
            self._step()
            if self.clock.now.month != month:
                month = self.clock.now.month
                tell(f"{self.clock.now:%Y-%m}: {self.tally.invitations} invitations, {len(self.summaries())} summaries")
        self.clock.now = END
        self.round()

    def _step(self) -> None:
        happening = self.chance.random()
        if DOWNTIME[0] <= self.clock.now < DOWNTIME[1]:
            self.stop()
            for _ in range(10):
                self.invite()
            self.clock.now = DOWNTIME[1]
        if happening < 0.05:
            self.stop()
            self.tally.restarts += 1
        if happening > 0.97:
            self._set_the_clock_back()
        if self.chance.random() < 0.25:
            self.invite()
        self.round()
        if self.chance.random() < 0.08:
            self.move()
        if self.chance.random() < 0.04:
            self.answer_a_summary()
        if self.chance.random() < 0.08:
            self.forge()
        self.clock.now += timedelta(minutes=self.chance.randrange(60, 600))

    def _set_the_clock_back(self) -> None:
        self.clock.now -= timedelta(hours=1)
        self.round()
        self.clock.now += timedelta(hours=1)
        self.tally.steps_back += 1


@contextmanager
def a_year() -> Iterator[Year]:
    """An owner on servers of their own."""
    with (
        TemporaryDirectory(prefix="rsvpd-year-") as mail,
        running(Dovecot(Path(mail))) as dovecot,
        TemporaryDirectory(prefix="rsvpd-year-") as name,
    ):
        folder, clock = Path(name), Clock(START)
        smtp = SmtpServer(Login(ADA, "pass word"), Certificate.make(folder))
        smtp.start()
        login = dovecot.user()
        (folder / "book.vcf").write_text("BEGIN:VCARD\nVERSION:4.0\nFN:Carla Known\nEMAIL:c@example.net\nEND:VCARD\n")
        file = folder / "ada.toml"
        file.write_text(_CONFIG.format(ada=ADA, mx=MX, accounts=accounts(folder, dovecot, login, smtp)))
        environ["STATE_DIRECTORY"] = str(folder / "state")
        year = Year(dovecot, smtp, login, file, clock)
        try:
            yield year
        finally:
            year.stop()
            smtp.stop()


def expected() -> list[str]:
    """The names of the weeks that end within the year."""
    ends = (START + timedelta(weeks=number) for number in range(WEEKS))
    return [f"{day.isocalendar()[0]}-W{day.isocalendar()[1]:02}" for day in ends]


def main() -> int:
    """Live the year and print what it came to; the exit status."""
    with a_year() as year:
        year.live(lambda line: print(line, file=sys.stderr, flush=True))
        tally = year.tally
        sent = Counter(str(mail["X-Rsvpd-Week"]) for mail in year.summaries())
        letters = [message_from_bytes(letter.raw) for letter in year.smtp.delivered if letter.recipients != (ADA,)]
        answered = Counter(str(letter["In-Reply-To"]) for letter in letters)
    twice = sum(count > 1 for count in sent.values())
    missed = [week for week in expected() if week not in sent]
    again = [invitation for invitation, count in answered.items() if count > 1]
    print(f"{tally.invitations} invitations, {sum(answered.values())} answered, {len(again)} of them twice")
    print(f"{tally.restarts} restarts, {tally.steps_back} times the clock set back, three weeks of downtime")
    print(f"{tally.moves} moves by the owner, {tally.moves_applied} applied")
    print(f"{tally.commands} commands by mail, {tally.commands_obeyed} obeyed")
    for kind, count in sorted(tally.forgeries.items()):
        print(f"{count:4} forged commands: {kind}")
    for line in (
        *tally.not_obeyed,
        *tally.forged_effects,
        *(f"missed {week}" for week in missed),
        *(f"twice: {invitation}" for invitation in again),
    ):
        print(line)
    print(
        f"weeks={len(expected())} summaries={sum(sent.values())} twice={twice} missed={len(missed)} "
        f"forged_effects={len(tally.forged_effects)} moves_applied={tally.moves_applied}"
    )
    good = (
        sum(sent.values()) == WEEKS
        and not (twice or missed or again or tally.forged_effects)
        and tally.moves == tally.moves_applied > 0
        and tally.commands == tally.commands_obeyed > 0
        and len(tally.forgeries) == len(year._forgeries())
    )
    return 0 if good else 1
