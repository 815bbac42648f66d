"""`rsvpd replay`: the numbers, the difference of two policies, and the page."""

from __future__ import annotations

import json
import mailbox
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from lxml import html

from gateway.cli import main
from tests.certificates import HOST
from tests.notifications import MX, linkedin, old_linkedin, ordinary, reminder
from tests.servers import Dovecot

BOBS = 7_000_000_000_000_000_001
HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>" onload="é'


def rsvpd(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "book.vcf").write_text("BEGIN:VCARD\nVERSION:4.0\nFN:Carla Known\nEMAIL:c@example.net\nEND:VCARD\n")
    return written(tmp_path / "ada.toml")


def select(page: html.HtmlElement, path: str) -> Any:
    """What an XPath finds on a page."""
    return page.xpath(path)


def written(path: Path, more: str = "") -> Path:
    path.write_text(
        '[me]\nname = "Ada Miller"\naddresses = "ada@example.org"\n'
        f'[evidence]\ncontacts = "book.vcf"\n[authentication]\nauthserv_id = "{MX}"\n{more}'
    )
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    mails = {
        "1-known": linkedin("Carla Known"),
        "2-stranger": linkedin("Bob Stranger", invitation=BOBS),
        "2-stranger-again": reminder("Bob Stranger", invitation=BOBS),
        "3-answered": old_linkedin("Olga Stranger", "olga@somewhere.example"),
        "4-forged": linkedin("Fred Forged", dkim="fail"),
        "5-lunch": ordinary(),
        "6-unreadable": b"X: y\r\n" * 400 + b"\r\n",
    }
    for name, raw in mails.items():
        (folder / f"{name}.eml").write_bytes(raw)
    return folder


def test_a_replay_counts_what_would_have_been_done(config: Path, archive: Path) -> None:
    result = rsvpd("replay", "--config", config, archive)

    assert result.exit_code == 0, result.output
    assert "7 mails read: 4 invitations, 1 reminder, 1 other mail, 1 unreadable mail." in result.stdout
    assert "accept-candidate 1, decline 3, needs-human 2" in result.stdout
    assert "answered by mail 1, to paste 1, continuing a case 1" in result.stdout
    assert re.search(r"everybody-else +decline +3", result.stdout)


@pytest.mark.parametrize("kind", ["mbox", "maildir"])
def test_an_archive_of_any_kind_gives_the_same(kind: str, config: Path, archive: Path, tmp_path: Path) -> None:
    box = (mailbox.mbox if kind == "mbox" else mailbox.Maildir)(tmp_path / kind)
    for file in sorted(archive.iterdir()):
        box.add(file.read_bytes())
    box.close()

    results = [rsvpd("replay", "--config", config, path).stdout for path in (archive, tmp_path / kind)]

    assert results[0] == results[1]


def test_a_maildir_is_read_in_the_order_of_delivery(config: Path, tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "box")
    box.close()
    for name, raw in {
        "1764366123.M998P7Q9.ada": linkedin("Bob Stranger", invitation=BOBS),
        "1764366123.M1002P7Q10.ada": reminder("Bob Stranger", invitation=BOBS),
    }.items():
        (tmp_path / "box" / "cur" / f"{name}:2,S").write_bytes(raw)

    result = rsvpd("explain", "--json", "--config", config, tmp_path / "box")

    assert [json.loads(line)["kind"] for line in result.stdout.splitlines()] == ["invitation", "reminder"]


def test_an_archive_without_an_invitation_is_told_in_a_line(config: Path, tmp_path: Path) -> None:
    for name in ("a.eml", "b.eml", "c.eml"):
        (tmp_path / name).write_bytes(ordinary())

    assert rsvpd("replay", "--config", config, tmp_path).stdout == "No invitations among 3 mails.\n"


def test_every_decision_is_shown_with_its_reason_when_asked_for(config: Path, archive: Path) -> None:
    result = rsvpd("replay", "--all", "--config", config, archive)

    text = " ".join(result.stdout.split())
    assert "Carla Known" in text
    assert "reply previous-interaction to olga@somewhere.example" in text
    assert "more than 300 header fields" in text


def test_two_policies_are_compared_by_where_they_end_differently(config: Path, archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "open.toml"
    other.write_text('[policy]\npreset = "open-door"\n')

    result = rsvpd("replay", "--config", config, "--against", other, archive)

    assert "open.toml ends differently in 3 of 6" in result.stdout
    assert "decline → accept-candidate 3" in result.stdout
    assert "Bob Stranger" in result.stdout
    assert "Carla Known" not in result.stdout


def test_what_the_other_file_says_of_the_owner_counts_in_the_comparison(config: Path, tmp_path: Path) -> None:
    mail, others = tmp_path / "mail.eml", {name: tmp_path / f"{name}.toml" for name in ("moss", "stars")}
    mail.write_bytes(linkedin("Bob Stranger", note="Hi Ada, your lecture on mosses was a delight. Greetings, Bob"))
    for topic, file in others.items():
        file.write_text(f'[me]\ntopics = "{topic}"\n[policy]\npreset = "one-good-reason"\n')

    results = {topic: rsvpd("replay", "--config", config, "--against", file, mail) for topic, file in others.items()}

    assert "(topic)" in results["moss"].stdout
    assert "(topic)" not in results["stars"].stdout


def test_a_policy_that_answers_in_other_words_ends_differently(config: Path, archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "brief.toml"
    other.write_text('[[rule]]\nname = "all"\nwhen = { known = "no" }\nverdict = "decline"\nreply = "short"\n')

    result = rsvpd("replay", "--config", config, "--against", other, archive)

    assert "decline, answered otherwise 2" in result.stdout


def test_a_policy_compared_with_itself_differs_nowhere(config: Path, archive: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "same.toml")

    assert "ends differently in 0 of 6" in rsvpd("replay", "--config", config, "--against", other, archive).stdout


def test_a_page_that_cannot_be_written_is_said_plainly(config: Path, archive: Path, tmp_path: Path) -> None:
    result = rsvpd("replay", "--config", config, "--html", tmp_path / "nowhere" / "page.html", archive)

    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_told_to_a_terminal_and_not_to_a_pipe(terminal: bool, config: Path, archive: Path) -> None:
    ours, theirs = pty.openpty() if terminal else os.pipe()
    command = [
        sys.executable,
        "-c",
        "from gateway.cli import main; main()",
        "replay",
        "--config",
        str(config),
        str(archive),
    ]

    done = subprocess.run(command, stderr=theirs, stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"})

    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as told:
        assert (b"mails read" in until_closed(told)) is terminal
    assert done.returncode == 0


def until_closed(file: FileIO) -> bytes:
    """All that was written to a terminal or pipe whose other end is closed."""
    parts = []
    with suppress(OSError):  # how Linux says that nobody holds the other end of a terminal
        while part := file.read(4096):
            parts.append(part)
    return b"".join(parts)


def test_a_replay_of_a_mailbox_marks_nothing(config: Path, dovecot: Dovecot, tmp_path: Path) -> None:
    login = dovecot.user()
    (tmp_path / "password").write_text(login.password)
    imap = f'[imap]\nhost = "{HOST}"\nport = {dovecot.imaps_port}\nuser = "{login.user}"\n'
    config.write_text(
        f'{config.read_text()}{imap}password = {{ file = "password" }}\nca_file = "{dovecot.certificate.chain}"\n'
    )
    dovecot.deliver(login, linkedin("Bob Stranger"))
    dovecot.deliver(login, ordinary())

    result = rsvpd("replay", "--config", config, "--imap")
    nowhere = rsvpd("replay", "--config", config, "--imap", "Nowhere")

    assert result.exit_code == 0, result.output
    assert "1 mail read: 1 invitation." in result.stdout
    assert all(set(mail[b"FLAGS"]) <= {b"\\Recent"} for mail in dovecot.mails(login))
    assert (nowhere.exit_code, nowhere.stderr.startswith("rsvpd: ")) == (1, True)


def test_neither_files_nor_a_mailbox_is_a_wrong_usage(config: Path) -> None:
    assert rsvpd("replay", "--config", config).exit_code == 2


def page_of(config: Path, archive: Path, target: Path) -> Path:
    result = rsvpd("replay", "--config", config, "--html", target, archive)
    assert result.exit_code == 0, result.output
    return target


def test_a_name_made_of_markup_is_text_on_the_page(config: Path, tmp_path: Path) -> None:
    pages = []
    for number, name in enumerate(("Bob Stranger", HOSTILE)):
        folder = tmp_path / f"archive{number}"
        folder.mkdir()
        (folder / "mail.eml").write_bytes(linkedin(name, slug="bob", headline=name))
        pages.append(html.fromstring(page_of(config, folder, tmp_path / f"{number}.html").read_text("utf-8")))

    benign, hostile = (Counter(element.tag for element in page.iter()) for page in pages)
    assert hostile == benign
    assert HOSTILE in select(pages[1], "string()")


def test_the_page_asks_nothing_of_anybody_and_links_only_to_proved_profiles(
    config: Path, archive: Path, tmp_path: Path
) -> None:
    page = html.fromstring(page_of(config, archive, tmp_path / "page.html").read_text("utf-8"))

    assert select(page, "//@style|//*[@src]|//link|//iframe|//img") == []
    assert "default-src 'none'" in select(page, "//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    links = select(page, "//a/@href")
    assert sorted(links) == [
        "https://www.linkedin.com/in/bob-stranger",
        "https://www.linkedin.com/in/bob-stranger",
        "https://www.linkedin.com/in/carla-known",
    ]
