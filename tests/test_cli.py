"""The command line as its users meet it: what it prints, and the exit status."""

from __future__ import annotations

import email.policy
import email.utils
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.check.finding import Outcome
from gateway.check.host import runtime
from gateway.cli import hanging, main
from tests.accounts import accounts
from tests.certificates import HOST
from tests.corpus import CORPUS, needs_corpus
from tests.notifications import MX, linkedin
from tests.servers import Dovecot, free_port
from tests.submission import Login, SmtpServer

KEYS = {
    *("file", "network", "kind", "authentic", "authentic_why", "case", "inviter", "note", "language"),
    *("known", "known_why", "verdict", "rule", "because", "reply"),
}


def rsvpd(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that needs no account."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "book.vcf").write_text("BEGIN:VCARD\nVERSION:4.0\nFN:Carla Known\nEMAIL:c@example.net\nEND:VCARD\n")
    path = tmp_path / "ada.toml"
    path.write_text(
        '[me]\nname = "Ada Miller"\naddresses = "ada@example.org"\n'
        f'[evidence]\ncontacts = "book.vcf"\n[authentication]\nauthserv_id = "{MX}"\n'
    )
    return path


def mail(folder: Path, raw: bytes, name: str = "mail.eml") -> Path:
    path = folder / name
    path.write_bytes(raw)
    return path


def test_explain_prints_one_object_a_mail_with_every_key(config: Path, tmp_path: Path) -> None:
    known, stranger = mail(tmp_path, linkedin("Carla Known")), mail(tmp_path, linkedin("Bob Stranger"), "b.eml")

    result = rsvpd("explain", "--config", config, "--json", known, stranger)

    assert result.exit_code == 0, result.output
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert set(first) == set(second) == KEYS
    assert (first["verdict"], first["known"], first["reply"]) == ("accept-candidate", "yes", None)
    assert (second["verdict"], second["reply"]["channel"]) == ("decline", "paste")
    assert second["inviter"] == {
        "name": "Bob Stranger",
        "headline": "Cook",
        "company": None,
        "profile_url": "https://www.linkedin.com/in/bob-stranger",
        "address": None,
    }


def test_explain_shows_a_card_to_a_person(config: Path, tmp_path: Path) -> None:
    result = rsvpd("explain", "--config", config, mail(tmp_path, linkedin("Carla [bold]Known")))

    assert result.exit_code == 0
    assert "Carla [bold]Known, Cook" in result.stdout
    assert "because" in result.stdout


def test_a_profile_can_be_read_on_black(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    shown = rsvpd("explain", "--config", config, mail(tmp_path, linkedin("Carla Known"))).stdout

    assert "\x1b[36mhttps://www.linkedin.com/in/carla-known" in shown


def test_nothing_a_mail_says_steers_the_terminal_or_turns_the_direction_of_writing(
    config: Path, tmp_path: Path
) -> None:
    said = "Hi Ada, \x1b]0;owned\x07\x9b31m \u202eevil\u202c \u2066x\u2069 [bold red]we met[/] in Lyon"

    shown = rsvpd(
        "explain", "--config", config, mail(tmp_path, linkedin("Carla Known", note=said, headline=said))
    ).stdout

    assert "Hi Ada" in shown
    assert "[bold red]" in shown
    assert not {char for char in shown if unicodedata.category(char) in ("Cc", "Cf")} - {"\n"}


@pytest.mark.parametrize("lacks", ["strict", "verify_generated_headers", None])
def test_check_looks_for_the_known_faults_of_pythons_mail_library_by_what_it_can_do(
    lacks: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strict(address: str, *, strict: bool = True) -> tuple[str, str]:
        return "", address

    monkeypatch.setattr(email.utils, "parseaddr", strict if lacks != "strict" else lambda address: ("", address))
    monkeypatch.setattr(email.policy.Policy, "verify_generated_headers", True, raising=False)
    if lacks == "verify_generated_headers":
        monkeypatch.delattr(email.policy.Policy, "verify_generated_headers")

    found = runtime()

    assert found.outcome is (Outcome.REMARK if lacks else Outcome.GOOD)
    assert ("CVE-2023-27043" in found.found) is (lacks == "strict")
    assert ("CVE-2024-6923" in found.found) is (lacks == "verify_generated_headers")
    assert ("3.11.10" in found.found) is (lacks is not None)


def test_explain_reads_folders_mboxes_and_maildirs(config: Path, tmp_path: Path) -> None:
    raw = linkedin("Bob Stranger")
    (tmp_path / "folder").mkdir()
    mail(tmp_path / "folder", raw)
    mail(tmp_path, b"From x Mon Nov 23 08:00:00 2026\n" + raw.replace(b"\r\n", b"\n") + b"\n", "box.mbox")
    for part in ("cur", "new", "tmp"):
        (tmp_path / "maildir" / part).mkdir(parents=True)
    mail(tmp_path / "maildir" / "cur", raw, "1:2,S")

    paths = [tmp_path / name for name in ("folder", "box.mbox", "maildir")]
    result = rsvpd("explain", "--config", config, "--json", *paths)

    assert [json.loads(line)["inviter"]["name"] for line in result.stdout.splitlines()] == ["Bob Stranger"] * 3


def test_explain_of_a_mail_that_cannot_be_read_leaves_it_to_the_owner(config: Path, tmp_path: Path) -> None:
    result = rsvpd("explain", "--config", config, "--json", mail(tmp_path, b"X: y\r\n" * 400 + b"\r\n"))

    account = json.loads(result.stdout)
    assert (account["verdict"], account["rule"]) == ("needs-human", "unreadable")
    assert account["because"] == ["more than 300 header fields"]


def test_explain_of_a_file_that_is_not_there_says_so(config: Path) -> None:
    result = rsvpd("explain", "--config", config, "nowhere.eml")

    assert result.exit_code == 1
    assert "nowhere.eml: there is no such file or folder" in result.stderr


@pytest.mark.parametrize("command", ["explain", "replay"])
def test_what_is_no_mail_is_named_and_the_others_are_read(config: Path, tmp_path: Path, command: str) -> None:
    box = tmp_path / "box"
    (box / "empty").mkdir(parents=True)
    mail(box, b"", "a.eml")
    mail(box, b"\x7fELF\x02\x01\n\x00: \x00", "b.eml")
    mail(box, b"root:x:0:0:root:/root:/bin/bash\n", "c.eml")
    (box / "d.eml").symlink_to("/proc/self/mem")  # reading it fails for root, too
    os.mkfifo(box / "e.eml")
    mail(box, linkedin("Bob Stranger"), "f.eml")

    result = rsvpd(command, "--config", config, box / "nowhere", box, box / "empty", box / "e.eml")

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"rsvpd: {box}/nowhere: there is no such file or folder",
        f"rsvpd: {box}/a.eml is no mail: it has no header",
        f"rsvpd: {box}/b.eml is no mail: it has no header",
        f"rsvpd: {box}/c.eml is no mail: it has no header",
        f"rsvpd: {box}/d.eml: Input/output error",
        f"rsvpd: {box}/e.eml is no regular file",
        f"rsvpd: no mails in {box}/empty",
        f"rsvpd: {box}/e.eml is no regular file",
    ]
    assert "decline" in result.stdout


def test_a_mail_that_invites_to_nothing_is_told_with_its_file(config: Path, tmp_path: Path) -> None:
    result = rsvpd("explain", "--config", config, mail(tmp_path, b"From: bo@example.net\n\nHello\n"))

    assert "ignore  (no subject)  it is not a notification" in result.stdout
    assert str(tmp_path / "mail.eml") in result.stdout.replace("\n", "").replace(" ", "")


def test_a_source_that_cannot_be_read_is_named_and_the_mail_is_judged(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace("book.vcf", "lost.vcf"))

    result = rsvpd("explain", "--config", config, "--json", mail(tmp_path, linkedin("Bob Stranger")))

    assert result.exit_code == 1
    assert "lost.vcf" in result.stderr
    assert json.loads(result.stdout)["inviter"]["name"] == "Bob Stranger"


def test_a_faulty_file_ends_with_78_and_names_every_fault(config: Path) -> None:
    config.write_text("[me]\nnmae = 1\n[imap]\nusr = 2\n")

    result = rsvpd("check", config)

    assert result.exit_code == 78
    assert "line 2: me.nmae: unknown, did you mean name?" in result.stderr
    assert "line 4: imap.usr: unknown, did you mean user?" in result.stderr


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["mine"], ": line 11: there is no reply 'nosuchthing'; there are "),
        (["mine", "mine"], ": two rules are called 'mine'"),
    ],
)
def test_a_fault_of_the_policy_is_one_of_the_file_and_is_told_with_its_place(
    config: Path, command: str, rows: list[str], told: str
) -> None:
    row = '[[rule]]\nname = "{}"\nverdict = "decline"\nreply = "nosuchthing"\n'
    config.write_text(config.read_text() + "".join(row.format(name) for name in rows))

    result = rsvpd(command, config)

    assert result.exit_code == 78
    assert f"{config}{told}" in result.output


def with_servers(config: Path, dovecot: Dovecot, smtp: SmtpServer, login: Login) -> None:
    config.write_text(f"{config.read_text()}\n{accounts(config.parent, dovecot, login, smtp)}")


def test_check_looks_at_everything_and_finds_it_good(config: Path, dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    with_servers(config, dovecot, smtp_server, dovecot.user())
    row = '[[rule]]\nname = "colleagues"\nwhen = { company = "Acme" }\nverdict = "accept-candidate"\n'
    config.write_text(f"{config.read_text()}\n{row}")

    result = rsvpd("check", config)

    assert result.exit_code == 0, result.output
    assert "preset previous-interaction, 1 rule of your own" in result.stdout
    assert "\nfault" not in result.stdout
    assert "book.vcf: 1 person, less than a minute old" in result.stdout
    assert "\nno faults, " in result.stdout
    assert smtp_server.delivered == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("imap-password", "wrong"), "check user and password"),
        (("smtp-password", "wrong"), "check user and password"),
        (("{imaps}", "{closed}"), "nothing listens there"),
        (("{smtp}", "{closed}"), "nothing listens there"),
    ],
)
def test_check_says_what_does_not_work_and_where(
    change: tuple[str, str], said: str, config: Path, dovecot: Dovecot, smtp_server: SmtpServer
) -> None:
    with_servers(config, dovecot, smtp_server, dovecot.user())
    old, new = (part.format(imaps=dovecot.imaps_port, smtp=smtp_server.port, closed=free_port()) for part in change)
    if (config.parent / old).exists():
        (config.parent / old).write_text(new)
    else:
        config.write_text(config.read_text().replace(f"port = {old}", f"port = {new}"))

    result = rsvpd("check", config)

    assert result.exit_code == 1
    faults = [line for line in result.stdout.splitlines() if line.startswith("fault")]
    assert len(faults) == 1
    assert said in faults[0]
    assert f"{HOST}:" in faults[0]


def test_a_folder_that_is_not_there_is_named(config: Path, dovecot: Dovecot, smtp_server: SmtpServer) -> None:
    with_servers(config, dovecot, smtp_server, dovecot.user())
    config.write_text(config.read_text() + '[imap.folders]\ninbox = "Elsewhere"\n')

    result = rsvpd("check", config)

    assert result.exit_code == 1
    (fault,) = [line for line in result.stdout.splitlines() if line.startswith("fault")]
    assert "Elsewhere" in fault
    assert f"{HOST}:{dovecot.imaps_port}" in fault


def test_an_empty_journal_has_nothing_to_list(config: Path) -> None:
    result = rsvpd("list", "--config", config)

    assert result.exit_code == 0
    assert "Nothing waits for you." in result.stdout


def test_a_case_that_is_not_there_is_a_wrong_usage(config: Path) -> None:
    result = rsvpd("show", "--config", config, "c17")

    assert result.exit_code == 2
    assert "there is no case c17" in result.output


@pytest.mark.parametrize("who", ["", " ", ".", "-", "@", "ada@", "🙂"])
def test_nobody_is_forgotten_where_nobody_is_named(config: Path, who: str) -> None:
    result = rsvpd("forget", "--config", config, "--", who)

    assert result.exit_code == 2
    assert "neither an address nor a name" in result.output
    assert not (config.parent / "state").exists()


def test_forgetting_somebody_unknown_says_so(config: Path) -> None:
    result = rsvpd("forget", "--config", config, " Nobody Here ")

    assert (result.exit_code, result.stdout) == (1, "Nobody called Nobody Here is known; nothing was erased.\n")


def test_digest_prints_the_summary_of_any_week(config: Path) -> None:
    result = rsvpd("digest", config, "--week", "2026-W47")

    assert result.exit_code == 0
    assert result.stdout == "Your invitations, 16 Nov to 23 Nov 2026 (2026-W47)\n\nNo invitations this week.\n"


@pytest.mark.parametrize("command", ["demo", "check", "explain", "run", "list", "show", "approve", "digest"])
def test_every_command_explains_itself(command: str) -> None:
    result = rsvpd(command, "--help")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 5


def narrow(*arguments: str) -> list[str]:
    """The lines of a help as a terminal of 80 columns shows them."""
    environment = {**os.environ, "COLUMNS": "80"}
    command = [sys.executable, "-c", "from gateway.cli import main; main()", *arguments, "--help"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_every_command_is_summed_up_in_a_line_that_is_not_cut_off() -> None:
    lines = narrow()

    summaries = [line[11:] for line in lines[lines.index("Commands:") + 1 :]]
    assert len(summaries) == len(main.commands)
    assert [summary for summary in summaries if len(summary) > 55 or summary.endswith("...")] == []


def test_examples_of_the_help_fit_a_terminal() -> None:
    assert [line for line in narrow("init") if len(line) > 80] == []


def test_the_help_names_the_variable_of_the_environment_that_names_your_file() -> None:
    assert "RSVPD_CONFIG" in rsvpd("list", "--help").output


@pytest.mark.parametrize(("command", "meant"), [("list", True), ("pause", True), ("run", False)])
def test_a_file_where_an_option_is_wanted_is_told_by_what_name(command: str, meant: bool) -> None:
    result = rsvpd(command, *([] if meant else ["--verbos"]), "me.toml")

    assert result.exit_code == 2
    assert ("did you mean --config me.toml?" in result.output) is meant


def test_a_long_finding_goes_on_below_its_beginning() -> None:
    assert hanging("a word and " * 8 + "end", 22, 80) == (
        f"a word and a word and a word and a word and a word and a\n{' ' * 22}word and a word and a word and end"
    )
    assert hanging("a word and " * 20, 22, None) == "a word and " * 20


HEAVY = {"sqlalchemy", "imapclient", "smtplib", "dns", "dkim", "icalendar", "apscheduler"}


@pytest.mark.parametrize(
    ("arguments", "needless"),
    [(["--help"], {*HEAVY, "pydantic", "rich", "jinja2"}), (["explain", "--config", "ada.toml", "mail.eml"], HEAVY)],
    ids=["help", "explain"],
)
def test_what_a_command_does_not_need_does_not_slow_its_start(
    arguments: list[str], needless: set[str], config: Path, tmp_path: Path
) -> None:
    mail(tmp_path, linkedin("Bob Stranger"))
    at_the_end = "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules))"
    command = [sys.executable, "-c", f"{at_the_end}; from gateway.cli import main; main()", *arguments]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stdout.partition("LOADED")[2].split()}
    assert loaded & needless == set()


@needs_corpus
def test_explain_gives_one_object_for_each_mail_of_the_corpus() -> None:
    labels = [json.loads(line) for line in (CORPUS / "labels.jsonl").read_text("utf-8").splitlines()]

    result = rsvpd("explain", "--json", CORPUS / "mails")

    assert result.exit_code == 0
    accounts = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(account["file"]).name for account in accounts] == [Path(label["file"]).name for label in labels]
    read = [(a["network"], a["kind"], (a["inviter"] or {}).get("name")) for a in accounts]
    wanted = [(one["network"], one["kind"], (one["inviter"] or {}).get("name")) for one in labels]
    invites = [number for number, label in enumerate(labels) if label["kind"] in ("invitation", "reminder")]
    assert [read[n] for n in invites] == [wanted[n] for n in invites]
