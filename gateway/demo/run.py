"""`rsvpd demo`: sets the stage, lets the service play on it, and shows what it did."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from rich.console import Console
from rich.text import Text

from gateway.background import Background
from gateway.config import Config, load
from gateway.demo import samples
from gateway.demo.certificate import HOST, make
from gateway.demo.embedded import EmbeddedImap
from gateway.demo.outcome import Scene, differences, look
from gateway.demo.samples import INBOX, Sample
from gateway.demo.show import screen, show
from gateway.demo.sink import Sink
from gateway.digest import Summary
from gateway.errors import NotWritten
from gateway.journal import Journal
from gateway.review import summary
from gateway.service import Service
from gateway.state import open_journal
from gateway.watches import watch

DIFFERS = 1
USER = "mira@solberg.example"
_PATIENCE = 8.0  # seconds the service has for each of two acts
_GLANCE = 0.05  # seconds between looks at how far it is


@dataclass(frozen=True, slots=True)
class Stage:
    """A mailbox, a mail server, and an owner's configuration and journal that go with them."""

    imap: EmbeddedImap
    sink: Sink
    config: Config
    journal: Journal

    def scene(self, delivered: Sequence[Sample]) -> Scene:
        """How things stand."""
        assert self.config.imap is not None  # mira.toml has it
        return look(delivered, self.journal, self.imap, self.sink, self.config.imap.folders)


def run_demo(keep: Path | None) -> int:
    """Show the service at work; the exit status. A new folder, in `keep` if given, has all there is to look at."""
    began, console = time.monotonic(), screen()
    folder = _new_folder(keep)
    played = samples.load(datetime.now(UTC))
    with console.status("The service is at work ..."), _state_in(folder), _logging_to(folder / "rsvpd.log"):
        with _stage(folder) as stage:
            _play(stage, played)
            scene = stage.scene(played)
        told = summary(stage.config, stage.journal, None, datetime.now(UTC))
    _leave(folder, played, scene, told)
    show(scene, console)
    return _verdict(console, folder, scene, time.monotonic() - began)


def _new_folder(keep: Path | None) -> Path:
    try:
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="rsvpd-demo-", dir=keep)).absolute()
    except OSError as exc:
        where = keep or tempfile.gettempdir()
        raise NotWritten(f"{where}: no folder can be made there ({exc.strerror}); name another with --keep") from None


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    root, ours, handler = logging.getLogger(), logging.getLogger("gateway"), logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    # aiosmtpd warns at every login of an attribute that it sets itself.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)
        handler.close()


@contextmanager
def _state_in(folder: Path) -> Iterator[None]:
    """Keep the service's lock out of the user's own state directory."""
    before = os.environ.get("STATE_DIRECTORY")
    os.environ["STATE_DIRECTORY"] = str(folder)
    try:
        yield
    finally:
        del os.environ["STATE_DIRECTORY"]
        if before is not None:
            os.environ["STATE_DIRECTORY"] = before


@contextmanager
def _stage(folder: Path) -> Iterator[Stage]:
    tls, _ = make(folder)
    password = secrets.token_urlsafe()
    (folder / "password").write_text(password)
    with Background() as background:
        imap = EmbeddedImap(background, tls, user=USER, password=password)
        sink = Sink(background, tls, user=USER, password=password)
        imap.deliver("Sent", samples.sent())
        config = _configured(folder, imap, sink)
        yield Stage(imap, sink, config, open_journal(config))


def _configured(folder: Path, imap: EmbeddedImap, sink: Sink) -> Config:
    for name in ("contacts.vcf", "sent-2025.mbox"):
        shutil.copy(samples.FOLDER / name, folder)
    template = Template((samples.FOLDER / "mira.toml").read_text("utf-8"))
    file = folder / "mira.toml"
    file.write_text(template.substitute(host=HOST, imap_port=imap.port, smtp_port=sink.port, folder=folder), "utf-8")
    return load(file)


def _play(stage: Stage, played: Sequence[Sample]) -> None:
    """Deliver the samples while the service runs, the last of them when it has nothing more to do but listen."""
    with _serving(stage.config) as service:
        for sample in played[:-1]:
            stage.imap.deliver(INBOX, sample.raw)
        _wait(stage, played[:-1])
        # The embedded server tells of a mail only who was listening when it came; others tell at the next chance.
        _wait_until(lambda: service.listens)
        stage.imap.deliver(INBOX, played[-1].raw)
        _wait(stage, played)


@contextmanager
def _serving(config: Config) -> Iterator[Service]:
    """The service of `rsvpd run`, in a thread."""
    service = Service([watch(config)])
    thread = threading.Thread(target=service.run, name="service")
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join()


def _wait(stage: Stage, delivered: Sequence[Sample]) -> None:
    """Until all is as expected; patience ends, and then what differs is shown."""
    _wait_until(lambda: not differences(stage.scene(delivered)))


def _wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached() and time.monotonic() < deadline:
        time.sleep(_GLANCE)


def _leave(folder: Path, played: Sequence[Sample], scene: Scene, told: Summary) -> None:
    """Write down what one may want to look at."""
    (folder / "summary.txt").write_text(told.text, "utf-8")
    (folder / "summary.html").write_text(told.html, "utf-8")
    for sub in ("mails", "answers"):
        (folder / sub).mkdir()
    for sample in played:
        (folder / "mails" / f"{sample.name}.eml").write_bytes(sample.raw)
    for number, letter in enumerate(scene.letters, 1):
        (folder / "answers" / f"{number:02}.eml").write_bytes(letter.raw)


def _verdict(console: Console, folder: Path, scene: Scene, seconds: float) -> int:
    config = folder / "mira.toml"
    console.print()
    for label, words in (
        ("The weekly summary", str(folder / "summary.txt")),
        ("the same, for a browser", str(folder / "summary.html")),
        ("The log, the mails, the answers", str(folder)),
        ("To look closer", f"{sys.argv[0]} list --config {config}"),
        ("", f"{sys.argv[0]} show --config {config} c1"),
    ):
        console.print(Text.assemble((f"{label:33}", "bold"), words), soft_wrap=True)
    console.print()
    found = differences(scene)
    for difference in found:
        console.print(Text(f"Not as expected: {difference}", style="red"), soft_wrap=True)
    if found:
        return DIFFERS
    console.print(Text(f"All {len(scene.outcomes)} mails as expected, in {seconds:.1f} s.", style="green"))
    return 0
