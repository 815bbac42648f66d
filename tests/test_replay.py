"""`rsvpd replay`: the numbers, the difference of two policies, and the page."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from lxml import html

from gateway.cli import main
from tests.certificates import HOST
from tests.chromium import dumped, screenshot
from tests.notifications import MX, linkedin, old_linkedin, ordinary
from tests.servers import Dovecot

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
        "2-stranger": linkedin("Bob Stranger"),
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
    assert "6 mails read: 5 invitations and reminders, 1 others." in result.stdout
    assert "accept-candidate 1, decline 2, needs-human 2, answered by mail 1, to paste 1" in result.stdout
    assert re.search(r"everybody-else +decline +2", result.stdout)


def test_every_decision_is_shown_with_its_reason_when_asked_for(config: Path, archive: Path) -> None:
    result = rsvpd("replay", "--all", "--config", config, archive)

    text = " ".join(result.stdout.split())
    assert "Carla Known" in text
    assert "answer to olga@somewhere.example" in text
    assert "more than 300 header fields" in text


def test_two_policies_are_compared_by_where_they_end_differently(config: Path, archive: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "open.toml", '[policy]\npreset = "open-door"\n')

    result = rsvpd("replay", "--config", config, "--against", other, archive)

    assert "ends differently in 2 of 5" in result.stdout
    assert "Bob Stranger" in result.stdout
    assert "Carla Known" not in result.stdout


def test_a_policy_compared_with_itself_differs_nowhere(config: Path, archive: Path) -> None:
    assert "ends differently in 0 of 5" in rsvpd("replay", "--config", config, "--against", config, archive).stdout


def test_a_replay_of_a_mailbox_marks_nothing(config: Path, dovecot: Dovecot, tmp_path: Path) -> None:
    login = dovecot.user()
    (tmp_path / "password").write_text(login.password)
    imap = f'[imap]\nhost = "{HOST}"\nport = {dovecot.imaps_port}\nuser = "{login.user}"\n'
    config.write_text(
        f'{config.read_text()}{imap}password = {{ file = "password" }}\nca_file = "{dovecot.certificate.chain}"\n'
    )
    dovecot.deliver(login, linkedin("Bob Stranger"))
    dovecot.deliver(login, ordinary())

    result = rsvpd("replay", "--config", config, "--imap", "INBOX")

    assert result.exit_code == 0, result.output
    assert "1 mails read: 1 invitations and reminders, 0 others." in result.stdout
    assert all(set(mail[b"FLAGS"]) <= {b"\\Recent"} for mail in dovecot.mails(login))


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

    assert select(page, "//*[@src]|//link|//iframe|//img") == []
    assert "default-src 'none'" in select(page, "//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    links = select(page, "//a/@href")
    assert sorted(links) == [
        "https://www.linkedin.com/in/bob-stranger",
        "https://www.linkedin.com/in/carla-known",
    ]


def test_the_script_counts_and_filters(config: Path, archive: Path, tmp_path: Path) -> None:
    page = page_of(config, archive, tmp_path / "page.html")
    filtered = tmp_path / "filtered.html"
    filtered.write_text(
        page.read_text("utf-8").replace("show();\n</script>", 'find.value = "olga"; show();\n</script>')
    )

    whole, part = html.fromstring(dumped(page)), html.fromstring(dumped(filtered))

    assert select(whole, "string(//output)") == "5 of 5"
    assert select(part, "string(//output)") == "1 of 5"
    assert len(select(part, "//tbody/tr[not(@hidden)]")) == 1


@pytest.mark.parametrize(
    ("name", "width", "height", "dark"),
    [("replay-phone", 390, 844, False), ("replay-desktop", 1280, 800, False), ("replay-dark", 1280, 800, True)],
)
def test_the_page_fits_its_screen(
    name: str, width: int, height: int, dark: bool, config: Path, archive: Path, tmp_path: Path
) -> None:
    page = page_of(config, archive, tmp_path / "page.html")
    probe = tmp_path / "probe.html"
    measure = "document.title = document.documentElement.scrollWidth > innerWidth ? 'too wide' : 'fits'"
    probe.write_text(page.read_text("utf-8").replace("show();\n</script>", f"show();\n{measure};\n</script>"))

    picture = screenshot(page, name, width=width, height=height, dark=dark)

    assert picture.stat().st_size > 10_000
    assert select(html.fromstring(dumped(probe, width=width, height=height)), "string(//title)") == "fits"
