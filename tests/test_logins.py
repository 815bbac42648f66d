"""Signing in at Google and Microsoft: against a provider on loopback, a real Dovecot and an SMTP server."""

from __future__ import annotations

import logging
import os
import signal
import stat
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from gateway import logins
from gateway.cli import main
from gateway.config import Config, load
from gateway.errors import MailboxFailed, SendFailed, SignInFailed
from gateway.grants import KEY, Grant, GrantFile, trouble
from gateway.logins import sign_in, troubles
from gateway.oauth import Use
from gateway.owner import connect_of, post_of
from gateway.review import summary
from gateway.state import open_journal
from tests.canary import found_in
from tests.certificates import HOST, Certificate
from tests.servers import Dovecot
from tests.submission import Login, SmtpServer
from tests.token_server import TokenServer, serving

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
USER = "ada@example.org"
MAIL = b"From: ada@example.org\r\nTo: olga@somewhere.example\r\nSubject: No\r\n\r\nDear Olga\r\n"


@pytest.fixture(scope="module", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(name="provider")
def _provider(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """One that stands in for Google and Microsoft."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.chain))
    with serving(TokenServer(), certificate) as server:
        monkeypatch.setitem(logins.PROVIDERS, "google", server.google)
        monkeypatch.setitem(logins.PROVIDERS, "microsoft", server.microsoft)
        yield server


@pytest.fixture(scope="module", name="mail_server")
def _mail_server(certificate: Certificate) -> Iterator[Callable[[TokenServer, str], Dovecot]]:
    """Dovecots that ask the provider whose a token is, one for each set of mechanisms and provider."""
    with TemporaryDirectory(prefix="rsvpd-oauth-") as folder:
        started: list[Dovecot] = []

        def start(provider: TokenServer, mechanisms: str) -> Dovecot:
            home = Path(folder, str(len(started)))
            home.mkdir()
            Path(folder).chmod(0o755)
            settings = home / "oauth2.conf"
            settings.write_text(
                f"introspection_mode = post\nintrospection_url = {provider.introspection}\n"
                "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
            )
            extra = (
                f"auth_mechanisms = plain {mechanisms}\n"
                f"passdb {{\n driver = oauth2\n mechanisms = {mechanisms}\n args = {settings}\n}}\n"
            )
            server = Dovecot(home, extra=extra)
            server.start()
            started.append(server)
            return server

        yield start
        for server in started:
            server.kill()


@dataclass
class Desk:
    """The owner at their terminal, with a browser."""

    provider: TokenServer
    told: list[str] = field(default_factory=list)
    pasted: str | None = None  # instead of the address that the browser ends at

    def tell(self, text: str) -> None:
        self.told.append(text)

    def ask(self, _question: str) -> str:
        (url,) = (line for line in self.told[-1].splitlines() if line.startswith("https://"))
        return self.pasted or self.provider.visit(url)


@dataclass
class Owner:
    """An owner who signs in."""

    folder: Path
    provider: TokenServer

    def config(self, kind: str = "google", *, imap: Dovecot | None = None, smtp: SmtpServer | None = None) -> Config:
        (self.folder / "client-secret").write_text("the app's own")
        self.provider.client_secret = "the app's own" if kind == "google" else None
        secret = ', secret = { file = "client-secret" }' if kind == "google" else ""
        login = f'user = "{USER}"\noauth = "{kind}"\noauth_client = {{ id = "app"{secret} }}\n'
        text = '[me]\nname = "Ada Miller"\naddresses = ["ada@example.org"]\n'
        if imap:
            text += f'[imap]\nhost = "{HOST}"\nport = {imap.imaps_port}\nca_file = "{imap.certificate.chain}"\n{login}'
        if smtp:
            text += f'[smtp]\nhost = "{HOST}"\nport = {smtp.port}\nca_file = "{smtp.certificate.chain}"\n{login}'
        file = self.folder / "ada.toml"
        file.write_text(text)
        return load(file)

    def signed_in(self, config: Config) -> GrantFile:
        """Sign in; the file with the grant."""
        assert len(list(sign_in(config, Desk(self.provider), datetime.now(UTC)))) == 1
        return self.file

    @property
    def file(self) -> GrantFile:
        (path,) = (self.folder / "state" / "ada").glob("login-*.json")
        return GrantFile(path)

    @property
    def grant(self) -> Grant:
        found = self.file.read()
        assert found
        return found


@pytest.fixture(name="owner")
def _owner(provider: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return Owner(tmp_path, provider)


@pytest.fixture(name="smtp_server")
def _smtp_server(certificate: Certificate, provider: TokenServer) -> Iterator[SmtpServer]:
    """A submission server that takes the provider's tokens."""
    server = SmtpServer(Login(USER, "unused"), certificate, mechanisms="XOAUTH2", holder=provider.access.get)
    server.start()
    yield server
    server.stop()


def send(config: Config) -> str:
    return post_of(config)(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)


# Signing in


@pytest.mark.parametrize("kind", ["google", "microsoft"])
@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_who_signed_in_reads_and_sends_mail_without_a_password(
    owner: Owner,
    provider: TokenServer,
    smtp_server: SmtpServer,
    mail_server: Callable[[TokenServer, str], Dovecot],
    kind: str,
    mechanism: str,
) -> None:
    dovecot = mail_server(provider, mechanism)
    dovecot.user(USER)
    smtp_server.mechanisms = mechanism.upper()
    config = owner.config(kind, imap=dovecot, smtp=smtp_server)

    owner.signed_in(config)
    session = connect_of(config)()
    exists = session.select("INBOX").exists
    session.close()
    send(config)

    assert exists == 0
    assert f"method={mechanism.upper()}" in dovecot.log
    assert [letter.raw for letter in smtp_server.delivered] == [MAIL]


def test_google_is_asked_for_mail_alone_and_microsoft_for_what_the_file_uses(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer
) -> None:
    outlook = "https://outlook.office.com/"
    owner.signed_in(owner.config("microsoft", smtp=smtp_server))
    only_smtp = owner.grant.scopes
    used: tuple[tuple[Use, ...], ...] = (("imap",), ("imap", "smtp"))

    assert only_smtp == (f"{outlook}SMTP.Send",)
    assert [provider.microsoft.scopes(uses) for uses in used] == [
        (f"{outlook}IMAP.AccessAsUser.All",),
        (f"{outlook}IMAP.AccessAsUser.All", f"{outlook}SMTP.Send"),
    ]
    assert provider.google.scopes(("imap", "smtp")) == ("https://mail.google.com/",)


@pytest.fixture(name="fast")
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds between two questions pass a hundred times as fast."""
    real = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: real(seconds / 100))


@pytest.mark.usefixtures("fast")
def test_a_device_code_waits_until_the_owner_typed_it(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer
) -> None:
    provider.says = ["authorization_pending", "slow_down", "authorization_pending"]
    desk = Desk(provider)

    kept = list(sign_in(owner.config("microsoft", smtp=smtp_server), desk, NOW))

    assert provider.grants == ["device_code"] * 4
    assert "ABCD-EFGH" in desk.told[0]
    assert kept == [
        f"the login of {USER} at Microsoft is kept in {owner.file.path}, protected by the mode of its file alone (0600)"
    ]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("authorization_declined", "Microsoft refused: authorization_declined: the server says"),
        ("expired_token", "Microsoft refused: expired_token"),
        ("503", "Microsoft gives no access token now .no answer that makes sense"),
    ],
)
def test_a_device_code_that_leads_nowhere_says_why(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, said: str, why: str
) -> None:
    provider.says = [said]

    with pytest.raises(SignInFailed, match=why):
        list(sign_in(owner.config("microsoft", smtp=smtp_server), Desk(provider), NOW))

    assert list((owner.folder / "state").rglob("login-*.json")) == []


@pytest.mark.parametrize(
    ("pasted", "why"),
    [
        ("http://127.0.0.1/?error=access_denied&state=x", "Google refused: access_denied"),
        ("http://127.0.0.1/?code=x&state=another", "not the address of the last page of this sign-in"),
        ("4/0AX4XfWh", "not the address of the last page of this sign-in"),
    ],
)
def test_an_address_of_another_sign_in_is_not_taken(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, pasted: str, why: str
) -> None:
    with pytest.raises(SignInFailed, match=why):
        list(sign_in(owner.config(smtp=smtp_server), Desk(provider, pasted=pasted), NOW))

    assert provider.asked == []


def test_a_code_is_worthless_without_what_only_this_program_knows(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer
) -> None:
    class Thief(Desk):
        def ask(self, _question: str) -> str:
            stolen = super().ask(_question)
            (code,) = provider._codes.values()
            code.asked["code_challenge"] = "of another program"
            return stolen

    with pytest.raises(SignInFailed, match=r"Google refused: invalid_grant: the server says invalid_grant$"):
        list(sign_in(owner.config(smtp=smtp_server), Thief(provider), NOW))


def test_a_box_that_was_not_ticked_is_named(owner: Owner, provider: TokenServer, smtp_server: SmtpServer) -> None:
    provider.scope = "openid"

    with pytest.raises(SignInFailed, match="tick the box"):
        list(sign_in(owner.config(smtp=smtp_server), Desk(provider), NOW))


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_a_provider_that_is_away_is_named(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = owner.config(kind, smtp=smtp_server)
    away = TokenServer(url="https://127.0.0.1:1")
    monkeypatch.setitem(logins.PROVIDERS, kind, getattr(away, kind))

    with pytest.raises(SignInFailed, match=f"{kind.title()} gives no access token now \\(ConnectionError\\)"):
        list(sign_in(config, Desk(away), NOW))


def test_the_secret_of_an_app_that_is_not_there_is_named_and_nobody_is_asked(
    owner: Owner, smtp_server: SmtpServer
) -> None:
    config = owner.config(smtp=smtp_server)
    (owner.folder / "client-secret").unlink()

    done = CliRunner().invoke(main, ["login", str(config.path)])

    where = f"{owner.folder}/client-secret cannot be read (No such file or directory)"
    assert done.output == f"rsvpd: the secret of your app: {where}; docs/logins.md says where it comes from\n"
    assert done.exit_code == 1


def test_the_command_signs_in_and_says_what_is_next(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer
) -> None:
    config = owner.config("microsoft", smtp=smtp_server)

    done = CliRunner().invoke(main, ["login", str(config.path)])

    assert done.exit_code == 0, done.output
    assert "type the code ABCD-EFGH and sign in as ada@example.org" in done.output
    assert f"Next: rsvpd check {config.path}" in done.output
    assert owner.grant.client_id == "app"


def test_the_command_has_nothing_to_do_where_passwords_are_used(tmp_path: Path) -> None:
    (tmp_path / "ada.toml").write_text('[me]\nname = "Ada"\n')

    done = CliRunner().invoke(main, ["login", str(tmp_path / "ada.toml")])

    assert done.exit_code == 2
    assert "says oauth" in done.output


# Access tokens


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_an_access_token_is_asked_for_once_and_again_before_it_ends(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, kind: str
) -> None:
    config = owner.config(kind, smtp=smtp_server)
    owner.signed_in(config)
    post = post_of(config)
    provider.asked.clear()

    for _ in range(3):
        post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)
    once = list(provider.grants)
    provider.lasts = 200  # seconds; less than the five minutes that are kept in hand
    provider.end_sessions()
    for _ in range(3):
        post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)

    assert once == ["refresh_token"]
    assert provider.grants == ["refresh_token"] * 4
    assert len(smtp_server.delivered) == 6


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_a_token_that_the_mail_server_takes_no_more_is_renewed_once(
    owner: Owner,
    provider: TokenServer,
    smtp_server: SmtpServer,
    mail_server: Callable[[TokenServer, str], Dovecot],
    kind: str,
) -> None:
    dovecot = mail_server(provider, "xoauth2")
    dovecot.user(USER)
    config = owner.config(kind, imap=dovecot, smtp=smtp_server)
    owner.signed_in(config)
    connect, post = connect_of(config), post_of(config)
    connect().close()
    post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)
    provider.asked.clear()

    provider.end_sessions()
    connect().close()
    provider.end_sessions()
    post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)

    assert provider.grants == ["refresh_token"] * 2
    assert len(smtp_server.delivered) == 2


def test_a_mail_server_that_refuses_a_fresh_token_is_not_asked_again(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer
) -> None:
    config = owner.config(smtp=smtp_server)
    owner.signed_in(config)
    post = post_of(config)
    post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)
    smtp_server.holder = lambda _token: None
    smtp_server.heard.clear()

    with pytest.raises(SendFailed, match=f"refused the login of {USER} .*; check user and oauth_client") as failed:
        post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)

    assert (failed.value.permanent, failed.value.setup) == (True, True)
    assert smtp_server.verbs.count("AUTH") == 2


def test_a_refused_recipient_is_no_reason_for_another_token(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer
) -> None:
    config = owner.config(smtp=smtp_server)
    owner.signed_in(config)
    post = post_of(config)
    post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)
    provider.asked.clear()
    smtp_server.faults["rcpt"] = "550 5.1.1 nobody here"

    with pytest.raises(SendFailed, match="nobody here"):
        post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)

    assert provider.asked == []


def test_a_mail_server_without_such_logins_is_named(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, dovecot: Dovecot
) -> None:
    smtp_server.mechanisms = "PLAIN"
    config = owner.config(imap=dovecot, smtp=smtp_server)
    owner.signed_in(config)

    with pytest.raises(SendFailed, match=r"offers no login that rsvpd knows \(XOAUTH2, OAUTHBEARER\)"):
        send(config)
    with pytest.raises(MailboxFailed, match=r"offers no login by oauth \(XOAUTH2, OAUTHBEARER\)") as failed:
        connect_of(config)()

    assert failed.value.permanent


# Refresh tokens


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_a_refresh_token_that_is_replaced_with_each_use_is_kept(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, kind: str
) -> None:
    provider.rotates = True
    config = owner.config(kind, smtp=smtp_server)
    owner.signed_in(config)

    for _ in range(3):
        send(config)  # each with a memory of its own, like three programs

    assert provider.refresh == {owner.grant.refresh.get_secret_value()}
    assert len(smtp_server.delivered) == 3


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_access_that_was_taken_back_is_told_and_not_asked_for_again(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, kind: str
) -> None:
    config = owner.config(kind, smtp=smtp_server)
    owner.signed_in(config)
    post = post_of(config)
    provider.revoke()
    provider.asked.clear()

    told = []
    for _ in range(3):
        with pytest.raises(SendFailed) as failed:
            post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)
        told.append(str(failed.value))
    asked = list(provider.grants)
    troubled = troubles(config, NOW)
    owner.signed_in(config)
    post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)

    today = f"{datetime.now(UTC):%Y-%m-%d}"
    why = (
        f"the login of {USER} at {kind.title()} ended on {today} (invalid_grant: the server says invalid_grant); "
        f"run: rsvpd login {config.path}"
    )
    assert told == [f"{HOST}:{smtp_server.port}: no access token: {why}"] * 3
    assert troubled == (why,)
    assert asked == ["refresh_token"]
    assert len(smtp_server.delivered) == 1


def test_a_mailbox_whose_access_was_taken_back_is_for_the_owner_to_mend(
    owner: Owner, provider: TokenServer, dovecot: Dovecot
) -> None:
    config = owner.config(imap=dovecot)
    dovecot_offers = connect_of(config)

    with pytest.raises(MailboxFailed, match=f"no access token: the login of {USER} at Google waits for you") as failed:
        dovecot_offers()

    assert failed.value.permanent
    assert provider.asked == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [("microsoft", "503"), ("microsoft", "temporarily_unavailable"), ("google", "temporarily_unavailable")],
)
@pytest.mark.usefixtures("fast")
def test_a_provider_that_is_away_is_asked_again_later(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, kind: str, said: str
) -> None:
    config = owner.config(kind, smtp=smtp_server)
    owner.signed_in(config)
    provider.says = [said] * 3  # Google's library asks three times

    with pytest.raises(SendFailed, match=f"{kind.title()} gives no access token now") as failed:
        send(config)
    provider.says.clear()
    send(config)

    assert (failed.value.permanent, failed.value.setup) == (False, True)
    assert owner.grant.ended == ""


@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_an_app_that_is_not_known_is_no_reason_to_sign_in_again(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, kind: str
) -> None:
    config = owner.config(kind, smtp=smtp_server)
    owner.signed_in(config)
    provider.says = ["invalid_client"]

    with pytest.raises(SendFailed, match=f"{kind.title()} refused the app .invalid_client.*check oauth_client"):
        send(config)
    send(config)


def test_what_was_granted_to_another_app_or_for_less_is_not_used(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, dovecot: Dovecot
) -> None:
    owner.signed_in(owner.config("microsoft", smtp=smtp_server))
    provider.asked.clear()
    more = owner.config("microsoft", smtp=smtp_server, imap=dovecot)
    with pytest.raises(SendFailed, match=r"was not granted https://outlook.office.com/IMAP.AccessAsUser.All"):
        send(more)

    assert more.path
    more.path.write_text(more.path.read_text().replace('id = "app"', 'id = "another"'))
    with pytest.raises(SendFailed, match="was granted to another app"):
        send(load(more.path))

    assert provider.asked == []


# How it is kept


def grant(token: str = "refresh/token+of=ada", **other: Any) -> Grant:
    return Grant("app", ("mail",), SecretStr(token), NOW, NOW, **other)


def test_the_token_is_for_the_owners_eyes_alone(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, tmp_path: Path
) -> None:
    config = owner.config(smtp=smtp_server)
    os.umask(0o000)

    path = owner.signed_in(config).path

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "access." not in path.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_not_used(tmp_path: Path, mode: int) -> None:
    file = GrantFile(tmp_path / "login.json")
    file.write(grant())
    file.path.chmod(mode)

    with pytest.raises(LookupError, match="not yours alone"):
        file.read()


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    file, elsewhere = GrantFile(tmp_path / "login.json"), GrantFile(tmp_path / "elsewhere.json")
    elsewhere.write(grant())
    file.path.symlink_to(elsewhere.path)
    before = elsewhere.path.read_bytes()

    with pytest.raises(LookupError, match="cannot be read"):
        file.read()
    file.path.with_suffix(".new").symlink_to(elsewhere.path)
    file.write(grant("another"))

    assert elsewhere.path.read_bytes() == before
    assert not file.path.is_symlink()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"token": "x"}', '{"token": 1, "scopes": 2}'])
def test_a_damaged_file_says_so_and_quotes_nothing(tmp_path: Path, content: str) -> None:
    file = GrantFile(tmp_path / "login.json")
    file.path.write_text(content)
    file.path.chmod(0o600)

    with pytest.raises(LookupError, match="is damaged; sign in again"):
        file.read()


def test_a_credential_encrypts_the_token_and_nothing_else_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, credential = GrantFile(tmp_path / "login.json"), tmp_path / KEY
    file.write(grant())
    plainly = file.protection
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    credential.write_bytes(b"hard to guess")
    was_plain = file.read()

    file.write(grant())

    assert (plainly, file.protection) == (
        "protected by the mode of its file alone (0600)",
        "encrypted with the credential oauth-key",
    )
    assert was_plain == file.read() == grant()
    assert b"refresh/token" not in file.path.read_bytes()
    credential.write_bytes(b"another")
    with pytest.raises(LookupError, match="encrypted with another oauth-key"):
        file.read()
    credential.unlink()
    with pytest.raises(LookupError, match="is encrypted; start with LoadCredential=oauth-key"):
        file.read()


def test_the_file_is_whole_wherever_the_program_is_killed_while_it_writes(tmp_path: Path) -> None:
    """A child is killed at its first call into the system, then at its second, until one gets through."""
    file = GrantFile(tmp_path / "login.json")
    before, after = grant("before"), grant("after")
    file.write(before)
    seen, at, survived = [], 0, False

    while not survived:
        at += 1
        child = os.fork()
        if child == 0:
            _die_at(at)
            file.write(after)
            os._exit(0)
        survived = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        seen.append(file.read())

    assert at > 20
    assert set(seen) == {before, after}
    assert seen == sorted(seen, key=lambda found: found == after)  # once it is there, it stays
    assert [path.name for path in tmp_path.iterdir()] == ["login.json"]


def _die_at(call: int) -> None:
    """kill -9 before the call-th function that is written in C, which all system calls are made by."""
    made = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        if event in ("c_call", "c_return"):
            made += 1
            if made == call:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("kind", ["google", "microsoft"])
def test_no_token_appears_in_logs_errors_files_or_on_the_screen(
    owner: Owner,
    provider: TokenServer,
    smtp_server: SmtpServer,
    mail_server: Callable[[TokenServer, str], Dovecot],
    kind: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever goes wrong, at the most talkative level of the log."""
    caplog.set_level(logging.DEBUG)
    dovecot = mail_server(provider, "xoauth2")
    dovecot.user(USER)
    config = owner.config(kind, imap=dovecot, smtp=smtp_server)
    desk, errors = Desk(provider), []
    provider.rotates = True
    list(sign_in(config, desk, datetime.now(UTC)))
    connect, post = connect_of(config), post_of(config)
    connect().close()
    send(config)

    def fails(action: Callable[[], object]) -> None:
        with pytest.raises((MailboxFailed, SendFailed)) as failed:
            action()
        errors.extend(traceback.format_exception(failed.value))

    provider.user = "somebody.else@example.org"  # no mail server takes the tokens any more
    provider.end_sessions()
    fails(connect)
    fails(lambda: post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None))
    for said in ("invalid_client", "temporarily_unavailable", "invalid_grant"):
        provider.says = [said] * (3 if said.startswith("temp") else 1)
        fails(lambda: send(config))

    secrets = [*provider.ever, "the app's own"]
    printed = capfd.readouterr()
    everything = "".join((caplog.text, *errors, *desk.told, repr(config), repr(connect), repr(owner.grant), *printed))
    files = [path for path in (owner.folder / "state").rglob("*") if path.is_file() and path != owner.file.path]
    assert len(secrets) > 8
    assert found_in(everything, *secrets) == []
    assert [found_in(path.read_text("latin-1"), *secrets) for path in files] == [[] for _ in files]
    assert found_in(owner.file.path.read_text(), *provider.ever) == [owner.grant.refresh.get_secret_value()]


# Before they end


@pytest.mark.parametrize(
    ("kept", "later", "found"),
    [
        (None, 0, "waits for you to sign in"),
        (grant(), 0, None),
        (grant(), 75, None),
        (grant(), 77, "ends on 2027-02-21"),
        (grant(), 91, "ended on 2027-02-21"),
        (grant(ends=NOW + timedelta(days=7)), 3, None),
        (grant(ends=NOW + timedelta(days=7)), 4, "ends on 2026-11-30"),
        (grant(ends=NOW + timedelta(days=7)), 8, "ended on 2026-11-30"),
        (grant(ended="2026-11-23 (invalid_grant)"), 0, "ended on 2026-11-23 (invalid_grant)"),
    ],
)
def test_a_login_that_ends_soon_is_told_in_time(kept: Grant | None, later: int, found: str | None) -> None:
    assert trouble(kept, timedelta(days=90), NOW + timedelta(days=later)) == found


def test_the_end_that_google_tells_of_is_remembered_and_warned_of_once_a_day(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    provider.refresh_lasts = 7 * 24 * 3600  # an app in "Testing"
    provider.lasts = 0  # each mail takes another access token
    config = owner.config(smtp=smtp_server)
    signed_in = datetime.now(UTC) - timedelta(days=5)
    assert len(list(sign_in(config, Desk(provider), signed_in))) == 1
    ends = f"{signed_in + timedelta(days=7):%Y-%m-%d}"
    post = post_of(config)

    for _ in range(3):
        post(MAIL, recipient="olga@somewhere.example", before_dot=lambda: None)

    warning = f"the login of {USER} at Google ends on {ends}; run: rsvpd login {config.path}"
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [f"ada: {warning}"]
    assert troubles(config, datetime.now(UTC)) == (warning,)
    assert f"Google ends on {ends}" in summary(config, open_journal(config), None, datetime.now(UTC)).text


def test_check_says_how_a_login_is_kept_and_when_it_ends(
    owner: Owner, provider: TokenServer, smtp_server: SmtpServer
) -> None:
    config = owner.config(smtp=smtp_server)
    before = CliRunner().invoke(main, ["check", str(config.path)]).output
    owner.signed_in(config)

    after = CliRunner().invoke(main, ["check", str(config.path)]).output

    assert f"the login of {USER} at Google waits for you to sign in; run: rsvpd login {config.path}" in before
    assert "protected by the mode of its file alone (0600)" in after
    assert f"logged in at {HOST}:{smtp_server.port} as {USER}" in after


# The configuration


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('oauth = "google"', "oauth needs oauth_client"),
        ('oauth = "google"\noauth_client = { id = "x" }', "Google gives a client secret"),
        ('oauth = "microsoft"\noauth_client = { id = "x", secret = { env = "A" } }', "as a public client"),
        ('password = { env = "A" }\noauth_client = { id = "x" }', "oauth_client belongs to oauth"),
        ('oauth = "google"\noauth_client = { id = "x", secret = "GOCSPX" }', "no secret stands in this file"),
    ],
)
def test_an_app_that_cannot_work_is_a_fault_of_the_file(tmp_path: Path, lines: str, fault: str) -> None:
    text = f'[smtp]\nhost = "h"\nuser = "u"\n{lines}\n'
    assert tomllib.loads(text)
    (tmp_path / "ada.toml").write_text(text)

    done = CliRunner().invoke(main, ["check", str(tmp_path / "ada.toml")])

    assert done.exit_code == 78
    assert fault in done.output
    assert "GOCSPX" not in done.output
