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
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from rich.console import Console
from rich.text import Text

from gateway.config import Config, Folders, load
from gateway.demo import samples
from gateway.demo.background import Background
from gateway.demo.certificate import HOST, make
from gateway.demo.embedded import EmbeddedImap
from gateway.demo.outcome import Scene, differences, look
from gateway.demo.samples import INBOX, Sample
from gateway.demo.show import screen, show
from gateway.demo.sink import Sink
from gateway.journal import Journal
from gateway.review import summary
from gateway.service import Service, watch
from gateway.state import open_journal

DIFFERS = 1
USER = "mira@solberg.example"
_PATIENCE = 12.0  # seconds the service has to finish
_GLANCE = 0.05  # seconds between looks at how far it is


def run_demo(keep: Path | None) -> int:
    """Show the service at work; the exit status. A new folder, in `keep` if given, has all there is to look at."""
    began, console = time.monotonic(), screen()
    folder = _new_folder(keep)
    played = samples.load(datetime.now(UTC))
    with console.status("The service is at work ..."), _state_in(folder), _logging_to(folder / "rsvpd.log"):
        config, journal, scene = _play(played, folder)
    _leave(folder, played, scene, summary(config, journal, None, datetime.now(UTC)))
    show(scene, console)
    return _verdict(console, folder, scene, time.monotonic() - began)


def _new_folder(keep: Path | None) -> Path:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="rsvpd-demo-", dir=keep)).absolute()


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


def _play(played: Sequence[Sample], folder: Path) -> tuple[Config, Journal, Scene]:
    """Deliver the samples while the service runs; how things stand when it has nothing more to do."""
    mails, last = played[:-1], played[-1:]
    deadline = time.monotonic() + _PATIENCE
    tls, _ = make(folder)
    password = secrets.token_urlsafe()
    (folder / "password").write_text(password)
    with Background() as background:
        imap = EmbeddedImap(background, tls, user=USER, password=password)
        sink = Sink(background, tls, user=USER, password=password)
        imap.deliver("Sent", samples.sent())
        config = _configured(folder, imap, sink)
        journal, folders = open_journal(config), _folders(config)

        def scene(delivered: Sequence[Sample]) -> Scene:
            return look(delivered, journal, imap, sink, folders)

        with _serving(config):
            _deliver(mails, imap)
            _wait(lambda: scene(mails), deadline)
            # The service listens by now: this one it must hear of.
            _deliver(last, imap)
            _wait(lambda: scene(played), deadline)
        return config, journal, scene(played)


def _configured(folder: Path, imap: EmbeddedImap, sink: Sink) -> Config:
    for name in ("contacts.vcf", "sent-2025.mbox"):
        shutil.copy(samples.FOLDER / name, folder)
    template = Template((samples.FOLDER / "mira.toml").read_text("utf-8"))
    file = folder / "mira.toml"
    file.write_text(template.substitute(host=HOST, imap_port=imap.port, smtp_port=sink.port, folder=folder), "utf-8")
    return load(file)


def _folders(config: Config) -> Folders:
    assert config.imap is not None  # mira.toml has it
    return config.imap.folders


@contextmanager
def _serving(config: Config) -> Iterator[None]:
    """The service of `rsvpd run`, in a thread."""
    service = Service([watch(config)])
    thread = threading.Thread(target=service.run, name="service")
    thread.start()
    try:
        yield
    finally:
        service.stop()
        thread.join()


def _deliver(mails: Sequence[Sample], imap: EmbeddedImap) -> None:
    for sample in mails:
        imap.deliver(INBOX, sample.raw)


def _wait(scene: Callable[[], Scene], deadline: float) -> None:
    """Return when all is as expected, or when waiting longer would not help."""
    while differences(scene()) and time.monotonic() < deadline:
        time.sleep(_GLANCE)


def _leave(folder: Path, played: Sequence[Sample], scene: Scene, text: str) -> None:
    """Write down what one may want to look at."""
    (folder / "summary.txt").write_text(text, "utf-8")
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
