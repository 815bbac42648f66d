"""Logins at Google and Microsoft of owners in a table: whichever process has the owner uses and renews the same one."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import Config
from gateway.errors import JournalFailed, LeaseLost, SendFailed
from gateway.grants import KEY, Grant, SharedGrant
from gateway.journal import Journal
from gateway.journal.grants import GrantRow
from gateway.journal.leases import Holding, Leases, Tenure
from gateway.journal.leases import grants as table
from gateway.logins import sign_in, troubles
from gateway.owner import post_of
from gateway.sharing import Stake, settings_at
from gateway.state import open_journal
from tests.canary import found_in
from tests.certificates import HOST
from tests.notifications import MX, old_linkedin
from tests.postgres import Postgres
from tests.servers import Dovecot
from tests.sharing import University, until
from tests.submission import Login, SmtpServer
from tests.test_logins import MAIL, NOW, USER, Desk, _certificate, _mail_server, _provider, _smtp_server, grant
from tests.token_server import TokenServer

__all__ = ["_certificate", "_mail_server", "_provider", "_smtp_server"]  # fixtures

NAME = "owner0000"


def file_of(smtp: SmtpServer, imap: Dovecot | None = None) -> str:
    """The file of an owner who signs in at Microsoft."""
    login = f'user = "{USER}"\noauth = "microsoft"\noauth_client = {{ id = "app" }}\n'
    text = f'[me]\nname = "Ada Miller"\naddresses = "{USER}"\n[authentication]\nauthserv_id = ["{MX}"]\n'
    text += f'[delivery]\nmode = "send"\nhold = "0s"\n[smtp]\nhost = "{HOST}"\nport = {smtp.port}\n'
    text += f'ca_file = "{smtp.certificate.chain}"\n{login}'
    if imap:
        text += f'[imap]\nhost = "{HOST}"\nport = {imap.imaps_port}\nca_file = "{imap.certificate.chain}"\n{login}'
    return text


@dataclass
class Shared:
    """An owner in a table, and the processes that may have them."""

    leases: Leases
    provider: TokenServer

    @property
    def place(self) -> str:
        return f"{self.leases.url}#{NAME}"

    @property
    def config(self) -> Config:
        return settings_at(self.place)

    def signed_in(self) -> None:
        assert len(list(sign_in(self.config, Desk(self.provider), datetime.now(UTC)))) == 1

    def taken(self) -> tuple[Holding, Tenure]:
        """The owner in the hands of one more process."""
        tenure = self.leases.begin()
        ((holding, _),) = self.leases.take(tenure, 1)
        return holding, tenure

    def journal(self, holding: Holding) -> Journal:
        return Stake(holding, lambda _holding: None).journal(self.config)

    @property
    def text(self) -> str:
        """What stands in the database."""
        with self.leases.store.read() as connection:
            return str(connection.execute(table.select()).one().text)

    @property
    def grant(self) -> Grant:
        with self.leases.store.read() as connection:
            row = connection.execute(table.select()).one()
        found = SharedGrant(GrantRow(self.leases.store, NAME, row.account)).read()
        assert found
        return found


@pytest.fixture(name="shared")
def _shared(
    cluster: Postgres,
    provider: TokenServer,
    smtp_server: SmtpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shared:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    leases = Leases.at(cluster.database())
    leases.put(NAME, str(tmp_path), file_of(smtp_server))
    provider.rotates = True
    return Shared(leases, provider)


def sent_by(config: Config, journal: Journal | None = None) -> None:
    post_of(config, journal=journal)(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)


# Taking over


@pytest.fixture(name="university")
def _university(
    cluster: Postgres,
    provider: TokenServer,
    smtp_server: SmtpServer,
    mail_server: Callable[[TokenServer, str], Dovecot],
) -> Iterator[University]:
    dovecot = mail_server(provider, "xoauth2")
    dovecot.user(USER)
    with TemporaryDirectory(prefix="rsvpd-sharing-") as folder:
        found = University(Path(folder), dovecot, smtp_server, cluster.database(), {NAME: Login(USER, "")})
        found.files.mkdir()
        (found.files / f"{NAME}.toml").write_text(file_of(smtp_server, dovecot))
        found.rsvpd("owners", "import", found.files, found.url)
        yield found
        found.end()
        for number in range(len(found.processes)):
            print(found.log(number)[-6000:])  # which pytest shows when a test fails


def test_a_login_that_one_process_renewed_is_used_by_the_next(university: University, provider: TokenServer) -> None:
    provider.rotates, provider.lasts = True, 1  # each login takes another token
    shared = Shared(university.leases, provider)
    signed_in = CliRunner().invoke(main, ["login", shared.place])
    assert signed_in.exit_code == 0, signed_in.output
    first_token = shared.grant.refresh
    there = (sys.executable, "-m", "tests.with_token_server", provider.url)

    first = university.begin(*there)
    until(lambda: university.shared_by(first), "the first to hold the owner")
    university.dovecot.deliver(Login(USER, ""), old_linkedin("Olga Peer", "olga@somewhere.example"))
    until(lambda: university.answers()["olga@somewhere.example"] == 1, "an answer of the first's")
    renewed, asked = shared.grant.refresh, len(provider.asked)
    first.kill()
    second = university.begin(*there)
    until(lambda: university.shared_by(second), "the second to hold the owner")
    university.dovecot.deliver(Login(USER, ""), old_linkedin("Nils Peer", "nils@somewhere.example"))
    until(lambda: university.answers()["nils@somewhere.example"] == 1, "an answer of the second's")

    assert first_token != renewed
    assert provider.asked[asked]["refresh_token"] == renewed.get_secret_value()
    assert provider.refresh == {shared.grant.refresh.get_secret_value()}
    assert list(university.folder.rglob("login-*")) == []
    shown = [university.rsvpd(*words) for words in (
        ("owners", "list", university.url), ("status", university.url), ("digest", shared.place),
        ("list", "--all", "--config", shared.place), ("show", "c1", "--config", shared.place),
    )]  # fmt: skip
    logs = [university.log(number) for number in (0, 1)]
    assert found_in("".join((*shown, *logs, signed_in.output, repr(shared.grant))), *provider.ever) == []


def test_who_lost_the_owner_writes_no_login(shared: Shared) -> None:
    shared.signed_in()
    first, life = shared.taken()
    row = GrantRow(shared.journal(first).store, NAME, "login-x")
    fenced = SharedGrant(row)
    with fenced.alone():
        fenced.write(grant("of the first"))

    shared.leases.end(life)
    second, _ = shared.taken()
    successor = SharedGrant(GrantRow(shared.journal(second).store, NAME, "login-x"))
    with pytest.raises(LeaseLost):
        fenced.write(grant("too late"))
    with pytest.raises(LeaseLost), fenced.alone():
        pass
    read = successor.read()
    with successor.alone():
        successor.write(grant("of the second"))

    assert read == grant("of the first")
    assert fenced.read() == grant("of the second")


def renewed_slowly(kept: SharedGrant, meanwhile: Callable[[], None]) -> None:
    with kept.alone():
        meanwhile()
        kept.write(grant("too late"))


def test_who_takes_over_while_the_provider_is_asked_waits_for_nobody_and_is_not_overwritten(shared: Shared) -> None:
    first, life = shared.taken()
    frozen = SharedGrant(GrantRow(shared.journal(first).store, NAME, "login-x"))

    taken: list[SharedGrant] = []

    def taken_over() -> None:
        shared.leases.end(life)
        second, _ = shared.taken()
        taken.append(SharedGrant(GrantRow(shared.journal(second).store, NAME, "login-x")))
        with taken[0].alone():
            taken[0].write(grant("of the second"))

    began = time.monotonic()
    with pytest.raises(LeaseLost):
        renewed_slowly(frozen, taken_over)
    took = time.monotonic() - began

    assert took < 5
    assert taken[0].read() == grant("of the second")


def test_commands_and_the_service_renew_a_login_one_after_the_other(shared: Shared, smtp_server: SmtpServer) -> None:
    shared.signed_in()
    holding, _ = shared.taken()
    journals = [shared.journal(holding), *[None] * 3]

    with ThreadPoolExecutor(len(journals)) as threads:
        list(threads.map(lambda journal: sent_by(shared.config, journal), journals))

    assert len(smtp_server.delivered) == len(journals)
    assert shared.provider.refresh == {shared.grant.refresh.get_secret_value()}
    assert shared.grant.ended == ""


def test_signing_in_anew_is_not_overwritten_by_a_renewal_that_took_too_long(shared: Shared) -> None:
    shared.signed_in()
    row = GrantRow(shared.leases.store, NAME, "login-x")
    slow, other = SharedGrant(row), SharedGrant(replace(row, turn="another"))

    def signed_in_anew() -> None:
        with shared.leases.store.write() as connection:
            connection.execute(table.update().values(until=NOW))  # the minute of the other is over
        with other.alone():
            other.write(grant("signed in anew"))

    with pytest.raises(JournalFailed, match="replaced by another process"):
        renewed_slowly(slow, signed_in_anew)

    assert other.read() == grant("signed in anew")


def test_a_new_token_outlives_a_database_that_is_started_anew(shared: Shared, cluster: Postgres) -> None:
    shared.signed_in()
    away = threading.Event()

    def back() -> None:
        away.wait(20)
        time.sleep(1)
        cluster.start()

    kept = SharedGrant(GrantRow(shared.leases.store, NAME, "login-x"))
    thread = threading.Thread(target=back)
    thread.start()
    with kept.alone():
        time.sleep(1)  # this cluster acknowledges commits before they are on disk
        cluster.stop()
        away.set()
        kept.write(grant("the only copy"))
    thread.join()

    assert kept.read() == grant("the only copy")


# How it is kept


def test_a_key_encrypts_it_in_the_database_too(shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = list(sign_in(shared.config, Desk(shared.provider), NOW))
    in_clear = shared.text
    key = tmp_path / KEY
    key.write_bytes(b"hard to guess")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    sealed = list(sign_in(shared.config, Desk(shared.provider), NOW))

    where = f"the login of {USER} at Microsoft is kept in the database beside the file of {NAME}"
    assert plain == [f"{where}, protected by the database's own logins alone"]
    assert sealed == [f"{where}, encrypted with the credential {KEY}"]
    assert found_in(in_clear, *shared.provider.ever) != []
    assert found_in(shared.text, *shared.provider.ever) == []
    assert shared.grant.refresh.get_secret_value() in shared.provider.refresh
    key.unlink()
    with pytest.raises(SendFailed, match=f"is encrypted; start with LoadCredential={KEY}"):
        sent_by(shared.config)
    key.write_bytes(b"another")
    with pytest.raises(SendFailed, match=f"encrypted with another {KEY}"):
        sent_by(shared.config)


def test_what_is_wrong_with_a_login_in_the_database_is_told_without_its_url(shared: Shared) -> None:
    waits = troubles(shared.config, NOW)
    shared.signed_in()
    shared.provider.revoke()
    with pytest.raises(SendFailed) as failed:
        sent_by(shared.config)

    remedy = f"run: rsvpd login postgresql://...#{NAME}"
    assert waits == (f"the login of {USER} at Microsoft waits for you to sign in; {remedy}",)
    assert remedy in str(failed.value)
    assert "host=" not in str(failed.value)
    assert troubles(shared.config, NOW) == (str(failed.value).partition("access token: ")[2],)


def test_no_token_of_the_database_appears_in_logs_or_errors(
    shared: Shared, caplog: pytest.LogCaptureFixture, cluster: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the most talkative level of the log, also of the database's client, and with values that it refuses."""
    caplog.set_level(logging.DEBUG)
    shared.signed_in()
    sent_by(shared.config)
    secret = shared.grant.refresh.get_secret_value()
    row = GrantRow(Leases.at(shared.leases.url).store, NAME, "login-x", turn="t" * 33)  # longer than its column
    errors = []
    monkeypatch.setattr("gateway.journal.grants._TRIES", 1)
    with shared.leases.store.write() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'disk full'; END $$; "
            "CREATE TRIGGER full_disk BEFORE UPDATE OF text ON grants FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    attempts: list[Callable[[], None]] = [
        lambda: renewed_slowly(SharedGrant(row), lambda: None),
        lambda: sent_by(shared.config),
    ]
    for fails in attempts:
        with pytest.raises(JournalFailed) as failed:
            fails()
        errors += traceback.format_exception(failed.value)

    assert secret in shared.text
    assert len(errors) > 20
    assert found_in("".join((caplog.text, *errors, repr(row), repr(SharedGrant(row)))), *shared.provider.ever) == []


def test_an_owner_who_is_served_no_more_leaves_no_login_behind(shared: Shared) -> None:
    shared.signed_in()

    CliRunner().invoke(main, ["owners", "remove", NAME, shared.leases.url])

    with shared.leases.store.read() as connection:
        assert connection.execute(table.select()).all() == []


def test_an_owner_from_a_file_keeps_their_file_though_the_journal_is_in_a_database(
    shared: Shared, tmp_path: Path, smtp_server: SmtpServer
) -> None:
    file = tmp_path / "ada.toml"
    file.write_text(f'{file_of(smtp_server)}[journal]\nurl = "{shared.leases.url}"\n')
    file.chmod(0o600)

    done = CliRunner().invoke(main, ["login", str(file)])

    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "state" / "ada").glob("login-*.json"))) == 1
    with shared.leases.store.read() as connection:
        assert connection.execute(table.select()).all() == []


def test_a_file_of_the_name_of_a_shared_owner_finds_their_login(
    shared: Shared, tmp_path: Path, smtp_server: SmtpServer
) -> None:
    file = tmp_path / f"{NAME}.toml"
    file.write_text(f'{file_of(smtp_server)}[journal]\nurl = "{shared.leases.url}"\n')
    file.chmod(0o600)

    done = CliRunner().invoke(main, ["login", str(file)])

    assert done.exit_code == 0, done.output
    assert shared.grant.refresh.get_secret_value() in shared.provider.refresh
    assert open_journal(shared.config).fact("secret") is None  # signing in begins no journal
