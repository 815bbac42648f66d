"""Every command line of rsvpd that README and docs/ show, run as it stands there, by an owner with a real mailbox."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pytest

from gateway.cli import main
from gateway.journal import Journal
from gateway.journal.store import open_file
from tests.certificates import HOST, Certificate
from tests.notifications import old_linkedin
from tests.postgres import Postgres
from tests.servers import Dovecot, free_port
from tests.submission import Login, SmtpServer
from tests.test_docs import commands
from tests.test_story import Owner, owner_at

RSVPD = Path(sys.executable).with_name("rsvpd")
# These want a person at a terminal, or a provider to sign in at; run there with both.
ELSEWHERE = {"init": "test_init.py", "login": "test_logins.py"}
# Nobody is served meanwhile, which is the one thing here that needs somebody.
ENDS_WITH = {"status": 1}
_SECONDS = 60
_GUESTS = 12  # cases to spend on commands that decide one


@dataclass
class World:
    """A folder with what the pages speak of, and an owner whose service has judged some invitations."""

    owner: Owner
    folder: Path
    database: str  # with the owner of etc/ada.toml in its table
    cases: list[int] = field(default_factory=list)
    digits: str = ""  # by which the log names one of the mails

    @property
    def environment(self) -> dict[str, str]:
        own = {"HOME": self.folder, "XDG_STATE_HOME": self.folder / "state", "RSVPD_CONFIG": self.folder / "me.toml"}
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {name: str(path) for name, path in own.items()}

    def rsvpd(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [RSVPD, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def serve(self, *words: str) -> tuple[int, str]:
        """Run the service until it serves the owner, and stop it as systemd does; its exit status and its log."""
        log = self.folder / "log"
        with log.open("wb") as out:
            service = subprocess.Popen([RSVPD, *words], cwd=self.folder, env=self.environment, stderr=out)
        deadline = time.monotonic() + _SECONDS
        while service.poll() is None and not self._serves(words[-1]) and time.monotonic() < deadline:
            time.sleep(0.1)
        service.send_signal(signal.SIGTERM)
        return service.wait(_SECONDS), log.read_text("utf-8")

    def _serves(self, files: str) -> bool:
        told = self.rsvpd("status", "--json", files).stdout
        return '"connected": true' in told or '"owners": 1' in told

    def spoken(self, line: str) -> list[str]:
        """A command line as somebody types it who reads the page: with their own case, file and address."""
        words = {
            "CONFIG": "me.toml",
            "CONFIG...": "me.toml",
            "FILE": "me.toml",
            "/etc/rsvpd": "etc",
            "PATH...": "mail.eml",
            "ADDRESS": f"{HOST}:{free_port()}",
            "ADDRESS\\|NAME": "guest0@somewhere.example",
            "/srv/owners/": "etc",
            "URL": self.database,
            "NAME": "ada",
            "4d0c0675": self.digits,
        }
        found = [words.get(word, word) for word in shlex.split(line.replace("\\|", "\\\\|"))]
        found = [self.database if word.startswith("postgresql://") else word for word in found]
        found = [f"c{self.cases.pop()}" if word in ("CASE", "c17") else word for word in found]
        return [str(Path(self.folder, word[2:])) if word.startswith("~/") else word for word in found]


@pytest.fixture(scope="module")
def world(dovecot: Dovecot, cluster: Postgres) -> Iterator[World]:
    with TemporaryDirectory(prefix="rsvpd-pages-") as name:
        folder = Path(name)
        server = SmtpServer(Login("ada@example.org", "pass word"), Certificate.make(folder))
        server.start()
        owner = owner_at(dovecot, server, folder)
        server.forward = lambda letter: owner.deliver(letter.raw)
        found = World(owner, folder, cluster.database())
        _furnish(found)
        yield found
        server.stop()


def _furnish(world: World) -> None:
    config = world.owner.config(hold="1h")
    assert config.path
    text = config.path.read_text("utf-8")
    config.path.unlink()
    for file in ("me.toml", ".config/rsvpd/config.toml", "etc/ada.toml"):
        path = world.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for beside in ("contacts.vcf", "imap-password", "smtp-password"):
            if not (other := path.with_name(beside)).exists():
                other.write_bytes((world.folder / beside).read_bytes())
                other.chmod(0o600)
    (world.folder / "other.toml").write_text('[policy]\npreset = "open-door"\n')
    mails = [old_linkedin(f"Guest Number{number}", f"guest{number}@somewhere.example") for number in range(_GUESTS)]
    for file in ("mail.eml", "old-mail.eml", "one.eml", "some-invitation.eml"):
        (world.folder / file).write_bytes(mails[0])
    (world.folder / "archive.mbox").write_bytes(
        b"".join(b"From x Mon Nov 23 08:00:00 2026\n" + raw.replace(b"\r\n", b"\n") + b"\n" for raw in mails)
    )
    assert world.rsvpd("owners", "import", "etc", world.database).returncode == 0
    world.owner.deliver(*mails)
    status, log = world.serve("run", "me.toml")
    assert status == 0, log
    journal = Journal(open_file(world.folder / "state" / "rsvpd" / "me" / "journal.sqlite"), "me")
    world.cases = [case.id for case in journal.cases()]
    assert len(world.cases) == _GUESTS, log
    world.digits = journal.of_case(journal.cases()[0])[0].key[:8]


def runnable() -> list[Any]:
    """Each command line once that is whole; a sentence may name a command without what it is used on."""
    lines = dict.fromkeys(str(param.values[0]) for param in commands())
    return [line for line in lines if _is_whole(shlex.split(line)) and shlex.split(line)[0] not in ELSEWHERE]


def _is_whole(words: list[str]) -> bool:
    name, *arguments = words
    command: click.Command = main.commands[name.strip(",")]
    while isinstance(command, click.Group):
        if not arguments:
            return False
        command = command.commands[arguments.pop(0)]
    given, _, _ = command.make_parser(click.Context(command)).parse_args(arguments)
    needed = [given.get(str(param.name)) for param in command.params if param.required]
    return words != ["replay"] and all(isinstance(value, str | tuple) and value for value in needed)


def test_most_of_what_the_pages_show_is_run() -> None:
    assert len(runnable()) >= 30


@pytest.mark.parametrize("line", runnable())
def test_a_command_that_a_page_shows_does_what_it_says(line: str, world: World) -> None:
    words = world.spoken(line)
    if words[0] == "run":
        status, told = world.serve(*words)
    else:
        done = world.rsvpd(*words)
        status, told = done.returncode, done.stdout + done.stderr

    assert status == ENDS_WITH.get(words[0], 0), told
    assert "Traceback" not in told


@pytest.mark.parametrize(("command", "file"), ELSEWHERE.items())
def test_the_others_are_run_elsewhere(command: str, file: str) -> None:
    assert f'"{command}", ' in (Path(__file__).parent / file).read_text("utf-8")
