"""`rsvpd init`: from a mail address to a file that works, with a person at the terminal and without."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from click.testing import CliRunner, Result

from gateway import tls
from gateway.cli import main
from gateway.config import load
from gateway.init import autoconfig
from gateway.init.discovery import World, discover
from gateway.init.file import Draft, password, written
from gateway.init.providers import Provider, Server, of_domain, of_mail_server, providers
from gateway.init.surroundings import full_name, language, timezone
from gateway.rules import preset_names, preset_summary
from tests.certificates import HOST, Certificate
from tests.notifications import MX, ordinary
from tests.servers import Dovecot, free_port, running
from tests.submission import Login, SmtpServer
from tests.test_check import taken_in, without_forged_lines
from tests.test_dns import Answer, name_server

ADA = "ada.miller@example.org"
_PATIENCE = 60.0  # seconds


def rsvpd(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path


# The table


@pytest.mark.parametrize("provider", providers().values(), ids=lambda provider: provider.name)
def test_every_provider_of_the_table_makes_a_file_without_fault(provider: Provider, tmp_path: Path) -> None:
    assert provider.password or provider.oauth, "there is no way to log in"
    address = f"ada@{provider.domains[0].replace('*', 'com')}"
    lines = password("file", "ada.password")
    settings = provider.settings(address, "table")
    draft = Draft(tmp_path / "ada.toml", address, "Ada", "en", "UTC", "open-door", settings, lines)
    draft.path.write_text(written(draft))

    config = load(draft.path)

    assert config.imap
    assert config.smtp
    assert config.imap.host == provider.imap.host
    assert config.smtp.keeps_copy is provider.keeps_copy
    assert config.authentication.dkim == "verify" or provider.dkim != "verify"
    assert of_domain(address.partition("@")[2]) is provider


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("gmail.com", "gmail"),
        ("outlook.com", "outlook"),
        ("hotmail.co.uk", "outlook"),
        ("posteo.ch", "posteo"),
        ("outlook.example", None),
        ("notgmail.com", None),
        ("gmail.com.example.org", None),
    ],
)
def test_an_address_belongs_to_the_provider_of_its_whole_domain(domain: str, name: str | None) -> None:
    found = of_domain(domain)

    assert (found and found.name) == name


@pytest.mark.parametrize(
    ("host", "name"), [("ASPMX.L.google.com.", "gmail"), ("google.com", "gmail"), ("mx.notgoogle.com", None)]
)
def test_a_mail_server_belongs_to_the_provider_it_stands_below(host: str, name: str | None) -> None:
    found = of_mail_server(host)

    assert (found and found.name) == name


# Finding servers


def zone(**records: str) -> Answer:
    """A name server that has these records, "TYPE value" by name, "_" and "-" in place of "." and "_"."""

    def answer(question: dns.message.Message) -> dns.message.Message:
        said = dns.message.make_response(question)
        (asked,) = question.question
        for name, record in records.items():
            kind, _, value = record.partition(" ")
            where = name.replace("_", ".").replace("-", "_") + "."
            if asked.name.to_text() == where and asked.rdtype == dns.rdatatype.from_text(kind):
                said.answer.append(dns.rrset.from_text(where, 60, "IN", kind, value))
        return said

    return answer


SERVICES = {
    "-imaps_-tcp_example_org": "SRV 0 1 993 mail.example.org.",
    "-submissions_-tcp_example_org": "SRV 0 0 0 .",
    "-submission_-tcp_example_org": "SRV 0 1 587 mail.example.org.",
}


def nothing(_url: str) -> None:
    return None


def test_services_of_the_own_domain_are_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    with name_server(zone(**SERVICES), monkeypatch):
        found = discover(ADA, World(get=nothing))

    assert found.imap == Server("mail.example.org", 993, "implicit", ADA)
    assert found.smtp == Server("mail.example.org", 587, "starttls", ADA)
    assert found.sure


@pytest.mark.parametrize("host", ["mail.example.net.", "mail.notexample.org.", "example.org.evil.example."])
def test_services_elsewhere_have_to_be_agreed_to(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {**SERVICES, "-imaps_-tcp_example_org": f"SRV 0 1 993 {host}"}

    with name_server(zone(**elsewhere), monkeypatch):
        found = discover(ADA, World(get=nothing))

    assert found.imap.host == host.rstrip(".")
    assert not found.sure


def test_a_domain_that_has_its_mail_at_a_provider_has_the_providers_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    with name_server(zone(example_org="MX 10 aspmx.l.google.com."), monkeypatch):
        found = discover(ADA, World(get=nothing))

    assert (found.imap.host, found.smtp.host) == ("imap.gmail.com", "smtp.gmail.com")
    assert not found.sure


def test_without_any_answer_the_usual_names_are_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.dns._LIFETIME", 0.2)
    with name_server(lambda _: None, monkeypatch):
        found = discover(ADA, World(get=nothing))

    assert (found.imap.host, found.smtp.host) == ("imap.example.org", "smtp.example.org")
    assert found.is_guess


def test_nobody_is_asked_about_a_provider_of_the_table() -> None:
    def ask(_what: str) -> None:
        pytest.fail("somebody was asked")

    assert discover("ada@gmail.com", World(ask, ask, ask)).sure  # type: ignore[arg-type]
    assert discover(ADA, None).is_guess


PUBLISHED = """<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="example.org">
  <incomingServer type="pop3"><hostname>pop.example.org</hostname><port>995</port>
    <socketType>SSL</socketType><username>%EMAILADDRESS%</username></incomingServer>
  <incomingServer type="imap"><hostname>plain.example.org</hostname><port>143</port>
    <socketType>plain</socketType><username>%EMAILADDRESS%</username></incomingServer>
  <incomingServer type="imap"><hostname>imap.example.org</hostname><port>993</port>
    <socketType>SSL</socketType><username>%EMAILLOCALPART%</username></incomingServer>
  <outgoingServer type="smtp"><hostname>relay.example.org</hostname><port>25</port>
    <socketType>STARTTLS</socketType><username>%EMAILADDRESS%</username></outgoingServer>
  <outgoingServer type="smtp"><hostname>SMTP.example.org</hostname><port>587</port>
    <socketType>STARTTLS</socketType><username>%EMAILLOCALPART%@%EMAILDOMAIN%</username></outgoingServer>
</emailProvider></clientConfig>
"""


def test_the_first_published_servers_with_tls_are_taken() -> None:
    assert autoconfig.read(PUBLISHED.encode(), ADA) == (
        Server("imap.example.org", 993, "implicit", "ada.miller"),
        Server("smtp.example.org", 587, "starttls", ADA),
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<?xml version="1.0"?>', '<!DOCTYPE clientConfig [<!ENTITY a "x">]>'),
        ("imap.example.org", "&a;"),
        ("imap.example.org", "imap.example.org;evil"),
        ("imap.example.org", "10.0.0.1"),
        ("imap.example.org", "localhost"),
        ("<port>993</port>", "<port>99999</port>"),
        ("<port>993</port>", "<port>²</port>"),
        ("<port>993</port>", ""),
        ("%EMAILLOCALPART%</username></incoming", "ada\n[smtp]</username></incoming"),
        ("</clientConfig>", ""),
        (PUBLISHED, ""),
        (PUBLISHED, "\0"),
    ],
)
def test_settings_that_are_not_well_formed_are_none(old: str, new: str) -> None:
    assert old in PUBLISHED

    assert autoconfig.read(PUBLISHED.replace(old, new).encode(), ADA) is None


def test_no_entity_of_published_settings_is_looked_up(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("imap.example.org")
    doctype = f'<?xml version="1.0"?><!DOCTYPE c [<!ENTITY a SYSTEM "file://{tmp_path}/secret">]>'
    document = PUBLISHED.replace('<?xml version="1.0"?>', doctype).replace("imap.example.org", "&a;")

    assert autoconfig.read(document.encode(), ADA) is None


Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def web_server(respond: Respond, certificate: Certificate) -> Iterator[str]:
    """A web server with TLS; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            respond(self)

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer((HOST, 0), Handler)
    server.socket = certificate.context().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def sends(document: bytes, *, status: int = 200, location: str = "") -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if location:
            handler.send_header("Location", location)
        handler.end_headers()
        handler.wfile.write(document)

    return respond


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate.make(tmp_path)


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.chain)


def test_settings_that_a_domain_publishes_are_sure(certificate: Certificate) -> None:
    asked = []
    with web_server(sends(PUBLISHED.encode()), certificate) as address:

        def get(url: str) -> bytes | None:
            asked.append(url)
            return autoconfig.get(url.replace("https://autoconfig.example.org", address), trusting(certificate))

        found = discover(ADA, World(get=get))

    assert asked == ["https://autoconfig.example.org/mail/config-v1.1.xml"]
    assert (found.imap.host, found.said_by, found.sure) == ("imap.example.org", asked[0], True)


@pytest.mark.parametrize(
    "respond",
    [
        sends(b"x" * 64 * 1024 + b"y"),
        sends(b"gone", status=404),
        sends(b"moved", status=302, location="https://elsewhere.example/"),
    ],
    ids=["too large", "not there", "elsewhere"],
)
def test_a_document_that_is_too_large_or_elsewhere_is_none(respond: Respond, certificate: Certificate) -> None:
    with web_server(respond, certificate) as address:
        assert autoconfig.get(f"{address}/mail/config-v1.1.xml", trusting(certificate)) is None


def test_a_document_that_drips_is_not_waited_for(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoconfig, "_TIMEOUT", 0.5)
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not over.wait(0.05):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return

    with web_server(drip, certificate) as address:
        assert autoconfig.get(f"{address}/mail/config-v1.1.xml", trusting(certificate)) is None
        over.set()


def test_settings_of_an_unproved_server_are_none(certificate: Certificate) -> None:
    with web_server(sends(PUBLISHED.encode()), certificate) as address:
        assert autoconfig.get(f"{address}/mail/config-v1.1.xml", ssl.create_default_context()) is None


# Without anybody at the terminal


@pytest.fixture
def servers(dovecot: Dovecot, tmp_path: Path) -> Iterator[tuple[Login, list[object]]]:
    """A mailbox, and what has `rsvpd init` use it."""
    login = dovecot.user(password="pass wörd")
    smtp = SmtpServer(login, dovecot.certificate)
    smtp.forward = lambda mail: dovecot.deliver(login, taken_in(without_forged_lines(mail.raw), MX))
    smtp.start()
    (tmp_path / "secret").write_text(login.password)
    (tmp_path / "secret").chmod(0o600)
    places = ["--imap", f"{HOST}:{dovecot.imap_port}", "--smtp", f"{HOST}:{smtp.port}", "--ca-file"]
    yield login, ["--address", login.user, "--name", "Ada Miller", *places, dovecot.certificate.chain]
    smtp.stop()


def test_the_file_of_a_working_account_passes_the_check(
    servers: tuple[Login, list[object]], dovecot: Dovecot, tmp_path: Path
) -> None:
    login, options = servers
    for _ in range(3):
        dovecot.deliver(login, ordinary())

    result = rsvpd("init", *options, "--password-file", "secret", "--output", "ada.toml")

    assert result.exit_code == 0, result.output
    assert "Logged in at both servers." in result.output
    assert (tmp_path / "ada.toml").stat().st_mode & 0o777 == 0o600
    config = load(tmp_path / "ada.toml")
    assert (config.me.name, config.delivery.mode) == ("Ada Miller", "draft")
    assert config.authentication.authserv_id == (MX,)
    assert config.imap
    assert config.imap.secret().get_secret_value() == login.password
    assert login.password not in (tmp_path / "ada.toml").read_text()
    commands = re.findall(r"^  (rsvpd .*?)\s+# ", result.output, re.MULTILINE)
    assert commands == ["rsvpd check --probe ada.toml", "rsvpd replay --config ada.toml --imap", "rsvpd run ada.toml"]
    checked = rsvpd(*commands[0].split()[1:])
    assert checked.exit_code == 0, checked.output
    assert rsvpd(*commands[1].split()[1:]).exit_code == 0


def test_nothing_is_written_when_the_login_is_refused(servers: tuple[Login, list[object]], tmp_path: Path) -> None:
    _, options = servers
    (tmp_path / "secret").write_text("wrong")

    result = rsvpd("init", *options, "--password-file", "secret", "--output", "ada.toml")

    assert result.exit_code == 1
    assert "check user and password" in result.output
    assert not (tmp_path / "ada.toml").exists()


def test_a_server_that_speaks_tls_from_the_first_byte_at_a_port_of_its_own_is_logged_in_at(
    servers: tuple[Login, list[object]], dovecot: Dovecot, tmp_path: Path
) -> None:
    _, options = servers
    places = [f"{HOST}:{dovecot.imaps_port}" if place == f"{HOST}:{dovecot.imap_port}" else place for place in options]

    result = rsvpd("init", *places, "--password-file", "secret", "--output", "ada.toml")

    assert result.exit_code == 0, result.output
    config = load(tmp_path / "ada.toml")
    assert config.imap
    assert config.smtp
    assert (config.imap.tls, config.smtp.tls) == ("implicit", "starttls")


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "ada.toml").write_text("mine")

    result = rsvpd("init", "--address", ADA, "--output", "ada.toml", "--offline")

    assert result.exit_code == 1
    assert "is there already, and stays as it is" in result.output
    assert (tmp_path / "ada.toml").read_text() == "mine"


def test_a_password_is_not_sent_where_nobody_agreed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("pass")
    monkeypatch.setattr("gateway.init.autoconfig.get", lambda _url, _context: None)
    with name_server(zone(example_org="MX 10 aspmx.l.google.com."), monkeypatch):
        result = rsvpd("init", "--address", ADA, "--password-file", "secret", "--output", "ada.toml")

    assert result.exit_code == 2
    assert "--provider, or --imap and --smtp" in result.output
    assert not (tmp_path / "ada.toml").exists()


@pytest.mark.parametrize("preset", preset_names())
def test_what_a_preset_goes_by_is_taken_or_asked_for(preset: str, tmp_path: Path) -> None:
    told = ["--topics", "formal methods, choirs", "--institution", 'Ex "Uni"', "--group", "https://example.org/g"]
    full = ["init", "--address", ADA, "--preset", preset, "--offline", *told, "--output", "full.toml"]
    bare = ["init", "--address", ADA, "--preset", preset, "--offline", "--output", "bare.toml"]

    assert rsvpd(*full).exit_code == 0
    assert rsvpd(*bare).exit_code == 0

    assert not [line for line in rsvpd("check", "full.toml").output.splitlines() if line.startswith("fault policy")]
    faults = [line for line in rsvpd("check", "bare.toml").output.splitlines() if line.startswith("fault policy")]
    assert bool(faults) is (preset in ("no-boilerplate", "one-good-reason", "route-to-group"))


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ([], 2, "Say it by --address"),
        (["--address", "ada"], 2, "'ada' is no mail address"),
        (["--address", ADA, "--preset", "nice"], 2, "there are met-in-some-form, no-boilerplate"),
        (["--address", ADA, "--provider", "nice"], 2, "there are gmail, outlook"),
        (["--address", ADA, "--imap", "imap.example.org"], 2, "name both servers"),
        (["--address", ADA, "--imap", "a b", "--smtp", "c"], 1, "'a b' is no server"),
        (["--address", ADA, "--password-env", "A", "--password-file", "b"], 2, "one place"),
        (["--address", ADA, "--name", "Ada\n[smtp]"], 1, "is no name to sign with"),
        (["--address", ADA, "--preset", "route-to-group", "--group", "http://x"], 78, "starts with https://"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(
    options: list[str], status: int, said: str, tmp_path: Path
) -> None:
    result = rsvpd("init", *options, "--offline", "--output", "ada.toml")

    assert (result.exit_code, said in result.output) == (status, True), result.output
    assert list(tmp_path.iterdir()) == []


def test_every_setting_of_an_account_says_what_it_is_for(tmp_path: Path) -> None:
    places = ["--imap", "imap.example.org", "--smtp", "smtp.example.org:587"]
    options = ["--address", ADA, *places, "--password-file", "ada.password", "--offline", "--output", "ada.toml"]

    assert rsvpd("init", *options).exit_code == 0

    servers = (tmp_path / "ada.toml").read_text().partition("# Your servers")[2].partition("# Records")[0]
    assert servers.startswith(", as you named them.\n[imap]\n")
    settings = [line for line in servers.splitlines() if " = " in line]
    assert [line for line in settings if "  #" not in line and " # " not in line and not line.startswith("port")] == []


def test_odd_names_stand_in_the_file_as_they_were_said(tmp_path: Path) -> None:
    name = 'Ada "the\\first" Müller \x7f'.replace("\x7f", "") + "№ # x"

    assert rsvpd("init", "--address", ADA, "--name", name, "--offline", "--output", "ada.toml").exit_code == 0

    assert load(tmp_path / "ada.toml").me.name == name


@pytest.mark.parametrize(("address", "provider"), [("ada@outlook.com", "microsoft"), ("ada@gmail.com", "google")])
def test_where_no_password_is_needed_the_file_says_where_to_sign_in(
    address: str, provider: str, tmp_path: Path
) -> None:
    result = rsvpd("init", "--address", address, "--output", "ada.toml")

    assert result.exit_code == 0, result.output
    config = load(tmp_path / "ada.toml")
    assert config.imap
    assert config.smtp
    assert (config.imap.oauth, config.smtp.oauth) == (provider, provider)
    assert "rsvpd login ada.toml" in result.output
    assert "register an app and put its id into the file" in result.output
    checked = rsvpd("check", "ada.toml")
    assert "waits for you to sign in; run: rsvpd login ada.toml" in checked.output


def test_a_file_that_cannot_be_made_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "ada.toml").symlink_to("nowhere")
    (tmp_path / "file").touch()

    results = [rsvpd("init", "--output", to) for to in ("ada.toml", "file/ada.toml")]

    assert [result.exit_code for result in results] == [1, 1]
    assert [result.output for result in results] == [
        "rsvpd: ada.toml is there already, and stays as it is; name another with --output\n",
        f"rsvpd: no file can be made in {tmp_path / 'file'}; name another place with --output\n",
    ]
    assert not (tmp_path / "nowhere").exists()


def test_half_a_file_is_taken_away_again(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from gateway.cli import main; main()"]
    options = ["init", "--address", ADA, "--offline", "--output", "ada.toml"]

    full = subprocess.run(  # no file may hold a byte, as on a disk that is full
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *program, *options],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (full.returncode, full.stderr) == (1, "rsvpd: ada.toml cannot be written: File too large\n")
    assert list(tmp_path.iterdir()) == []


def test_the_help_tells_of_every_preset_and_provider() -> None:
    shown = " ".join(rsvpd("init", "--help").output.split())

    assert [name for name in preset_names() if f"{name} {preset_summary(name)}" not in shown] == []
    assert [name for name in providers() if name not in shown] == []


# From the mail address alone


class Way:
    """The way to servers that have names of their own: each leads to a port of this machine, and is remembered."""

    def __init__(self, ports: dict[tuple[str, int], int]) -> None:
        self._ports = ports
        self._real = socket.getaddrinfo
        self.asked: set[str] = set()

    def __call__(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        self.asked.add(host)
        if (host, port) not in self._ports:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._real(HOST, self._ports[host, port], *args, **kwargs)


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Dovecot, SmtpServer]]:
    """The mail server of example.org, whose certificate everybody trusts, and a user there."""
    with TemporaryDirectory(prefix="rsvpd-dovecot-") as folder:
        dovecot = Dovecot(Path(folder))
        proof = Certificate.make(Path(folder), host="mail.example.org")
        proof.chain.replace(dovecot.certificate.chain)
        proof.key.replace(dovecot.certificate.key)
        web = Certificate.make(tmp_path, host="autoconfig.example.org")
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(dovecot.certificate.chain.read_bytes() + web.chain.read_bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        tls._made.cache_clear()  # those of other tests trust other authorities
        with running(dovecot):
            smtp = SmtpServer(dovecot.user(), dovecot.certificate, implicit=True)
            smtp.start()
            (tmp_path / "secret").write_text(smtp.login.password)
            (tmp_path / "secret").chmod(0o600)
            yield dovecot, smtp
            smtp.stop()
        tls._made.cache_clear()


def test_an_address_is_enough_where_name_servers_know_the_services(
    own_server: tuple[Dovecot, SmtpServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    dovecot, smtp = own_server
    services = {
        "-imaps_-tcp_example_org": f"SRV 0 1 {dovecot.imaps_port} mail.example.org.",
        "-submissions_-tcp_example_org": f"SRV 0 1 {smtp.port} mail.example.org.",
    }
    way = Way({("mail.example.org", port): port for port in (dovecot.imaps_port, smtp.port)})
    monkeypatch.setattr(socket, "getaddrinfo", way)

    with name_server(zone(**services), monkeypatch):
        result = rsvpd("init", "--address", smtp.login.user, "--password-file", "secret", "--output", "ada.toml")
        checked = rsvpd("check", "ada.toml")

    assert (result.exit_code, "the name servers of example.org" in result.output) == (0, True), result.output
    assert checked.exit_code == 0, checked.output
    assert way.asked == {"autoconfig.example.org", "example.org", "mail.example.org"}


def test_an_address_is_enough_where_its_domain_publishes_settings(
    own_server: tuple[Dovecot, SmtpServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dovecot, smtp = own_server
    published = f"""<clientConfig version="1.1"><emailProvider id="example.org">
      <incomingServer type="imap"><hostname>mail.example.org</hostname><port>{dovecot.imaps_port}</port>
        <socketType>SSL</socketType><username>%EMAILADDRESS%</username></incomingServer>
      <outgoingServer type="smtp"><hostname>mail.example.org</hostname><port>{smtp.port}</port>
        <socketType>SSL</socketType><username>%EMAILADDRESS%</username></outgoingServer>
    </emailProvider></clientConfig>"""
    proof = Certificate(tmp_path / "autoconfig.example.org.pem", tmp_path / "autoconfig.example.org.key")

    with web_server(sends(published.encode()), proof) as address:
        web = {("autoconfig.example.org", 443): int(address.rpartition(":")[2])}
        way = Way({("mail.example.org", port): port for port in (dovecot.imaps_port, smtp.port)} | web)
        monkeypatch.setattr(socket, "getaddrinfo", way)
        result = rsvpd("init", "--address", smtp.login.user, "--password-file", "secret", "--output", "ada.toml")
        checked = rsvpd("check", "ada.toml")

    assert (result.exit_code, "https://autoconfig.example.org/" in result.output) == (0, True), result.output
    assert checked.exit_code == 0, checked.output
    assert way.asked == {"autoconfig.example.org", "mail.example.org"}


# With a person at the terminal


class Pty:
    """A program at a terminal, and the person in front of it."""

    def __init__(self, *arguments: object, folder: Path) -> None:
        self._ear, theirs = pty.openpty()
        command = [sys.executable, "-c", "from gateway.cli import main; main()", *map(str, arguments)]
        environment = {**os.environ, "TERM": "dumb", "LANG": "de_DE.UTF-8", "TZ": "Europe/Berlin"}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment, start_new_session=True
        )
        os.close(theirs)
        self.screen = ""

    def wait_for(self, question: str) -> None:
        """Until the program has asked."""
        self._read(lambda new: question in new)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def answer(self, question: str, text: str) -> None:
        """Type a line when the program has asked."""
        self.wait_for(question)
        os.write(self._ear, text.encode() + b"\n")

    def end(self) -> int:
        """The exit status."""
        self._read(lambda _: False)
        os.close(self._ear)
        return self._process.wait(_PATIENCE)

    def _read(self, enough: Callable[[str], bool]) -> None:
        new, deadline = "", time.monotonic() + _PATIENCE
        while not enough(new):
            assert time.monotonic() < deadline, self.screen
            if not select.select([self._ear], [], [], 0.2)[0]:
                continue
            try:
                said = os.read(self._ear, 65536).decode()
            except OSError:  # the other side was closed
                return
            new, self.screen = new + said, self.screen + said


def test_a_person_is_asked_little_and_the_password_is_not_shown(
    servers: tuple[Login, list[object]], tmp_path: Path
) -> None:
    login, options = servers
    terminal = Pty("init", *options[4:], "--output", "ada.toml", folder=tmp_path)

    terminal.answer("Your mail address", "ada")
    terminal.answer("'ada' is no mail address", login.user)
    terminal.answer("Your name", "Ada Miller")
    terminal.answer("Where is your password to stand?", "file")
    terminal.answer("Password", "wrong")
    terminal.answer("Type the password again?", "")
    terminal.answer("Password", login.password)
    terminal.answer("Whom do you want to connect with?", "no-boilerplate")
    terminal.answer("Your fields", "formal methods")

    assert terminal.end() == 0, terminal.screen
    commands = [line for line in terminal.screen.splitlines() if line.startswith("  rsvpd")]
    assert commands == [
        "  rsvpd check --probe ada.toml",
        "  rsvpd replay --config ada.toml --imap",
        "  rsvpd run ada.toml",
    ]
    assert [line for line in terminal.screen.splitlines() if len(line) > 80 and "@" not in line] == []
    assert login.password not in terminal.screen
    assert "wrong" not in terminal.screen
    assert "never on the network's stock sentence" in terminal.screen.lower()
    config = load(tmp_path / "ada.toml")
    assert (config.policy.preset, config.me.topics) == ("no-boilerplate", ("formal methods",))
    assert (config.me.language, config.me.timezone) == ("de", "Europe/Berlin")
    assert login.password not in (tmp_path / "ada.toml").read_text()
    kept = tmp_path / "ada.password"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (f"{login.password}\n", 0o600)
    assert rsvpd("check", "ada.toml").exit_code == 0


def test_a_server_that_cannot_be_reached_is_named_anew_before_a_password_is_asked_for(
    servers: tuple[Login, list[object]], dovecot: Dovecot, tmp_path: Path
) -> None:
    login, options = servers
    right = f"{HOST}:{dovecot.imap_port}"
    wrong = f"{HOST}:{free_port()}"
    places = [wrong if place == right else place for place in options]
    terminal = Pty("init", *places, "--preset", "open-door", "--output", "ada.toml", folder=tmp_path)

    terminal.answer(f"IMAP: {wrong}: nothing listens there; check host and port\r\nIMAP server [{wrong}]", right)
    terminal.answer("Where is your password to stand?", "file")
    terminal.answer("Password", login.password)

    assert terminal.end() == 0, terminal.screen
    config = load(tmp_path / "ada.toml")
    assert config.imap
    assert config.imap.port == dovecot.imap_port


def test_what_is_typed_before_it_is_asked_for_is_neither_shown_nor_an_answer(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as silent:
        places = [option for kind in ("imap", "smtp") for option in (f"--{kind}", f"{HOST}:{silent.getsockname()[1]}")]
        terminal = Pty("init", "--address", ADA, "--name", "Ada", *places, "--output", "ada.toml", folder=tmp_path)
        terminal.answer("Trying the servers ...", "typed too early")
        for _ in range(2):
            silent.accept()[0].close()

        terminal.answer("IMAP server", "")
        terminal.answer("SMTP server", "")
        terminal.answer("Where is your password to stand?", "env")
        terminal.answer("Name of the variable", "NOT_SET")
        terminal.answer("Whom do you want to connect with?", "open-door")

    assert terminal.end() == 0, terminal.screen
    assert "typed too early" not in terminal.screen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_leaves_no_password_behind(
    servers: tuple[Login, list[object]], tmp_path: Path, number: signal.Signals
) -> None:
    _, options = servers
    before = set(tmp_path.iterdir())
    terminal = Pty("init", *options, "--preset", "open-door", "--output", "ada.toml", folder=tmp_path)
    terminal.answer("Where is your password to stand?", "file")
    terminal.answer("Password", "wrong")
    terminal.wait_for("Type the password again?")
    assert set(tmp_path.iterdir()) == before, "nothing is kept before all is said"

    terminal.signal(number)

    assert terminal.end() != 0
    assert set(tmp_path.iterdir()) == before


def test_at_google_a_password_of_its_own_for_the_program_can_be_chosen_instead(tmp_path: Path) -> None:
    options = ["--address", "ada@gmail.com", "--name", "Ada Miller", "--preset", "open-door", "--offline"]
    terminal = Pty("init", *options, "--output", "ada.toml", folder=tmp_path)

    terminal.answer("Where is your password to stand? [oauth]", "file")
    terminal.answer("Password", "abcd efgh")

    assert terminal.end() == 0, terminal.screen
    assert "wants an app password" in terminal.screen
    config = load(tmp_path / "ada.toml")
    assert config.imap
    assert config.imap.oauth is None
    assert config.imap.secret().get_secret_value() == "abcd efgh"


def test_who_gives_up_leaves_nothing_behind(servers: tuple[Login, list[object]], tmp_path: Path) -> None:
    _, options = servers
    before = set(tmp_path.iterdir())
    terminal = Pty("init", *options, "--preset", "open-door", "--output", "ada.toml", folder=tmp_path)

    terminal.answer("Where is your password to stand?", "")
    terminal.answer("Password", "wrong")
    terminal.answer("Type the password again?", "n")
    terminal.answer("Write the file all the same?", "")

    assert terminal.end() == 1, terminal.screen
    assert set(tmp_path.iterdir()) == before


# What the machine tells


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"LANG": "de_DE.UTF-8"}, "de"), ({"LANG": "de_DE", "LC_ALL": "fr_FR"}, "fr"), ({"LANG": "C"}, "en"), ({}, "en")],
)
def test_the_language_is_the_users_if_there_are_replies_in_it(environment: dict[str, str], expected: str) -> None:
    assert language(("de", "en", "fr"), environment) == expected


def test_the_time_zone_is_the_machines_by_name(tmp_path: Path) -> None:
    zone = tmp_path / "usr/share/zoneinfo/Europe/Rome"
    zone.parent.mkdir(parents=True)
    zone.touch()
    link = tmp_path / "localtime"
    link.symlink_to(zone)

    assert timezone({}, link) == "Europe/Rome"
    assert timezone({"TZ": ":Asia/Tokyo"}, link) == "Asia/Tokyo"
    assert timezone({"TZ": "CET-1"}, tmp_path / "none") == "UTC"


def test_a_name_is_read_off_an_address_where_the_machine_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)

    assert full_name("ada.m-miller+lists@example.org") == "Ada M Miller"
