import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from gateway.config import Config, Lmtp, Secret, load
from gateway.errors import BadConfig

EXAMPLE = Path(__file__).parents[1] / "config.example.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "ada.toml"
    path.write_text(text, "utf-8")
    return path


def faults(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(BadConfig) as raised:
        load(write(folder, text))
    return raised.value.faults


def test_an_empty_file_has_every_default(tmp_path: Path) -> None:
    path = write(tmp_path, "")

    config = load(path)

    assert config == Config(path=path)
    assert config.delivery.mode == "draft"
    assert config.delivery.hold == timedelta(minutes=15)
    assert config.owner == "ada"


def test_every_fault_of_a_file_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
[me]
adresses = ["ada@example.org"]
timezone = "Europe/Berlon"

[imap]
host = "imap.example.org"
usr = "ada"
password = "hunter2"

[smtp]
host = "smtp.example.org"
port = 25
user = "ada"
password = { env = "A", file = "b" }

[[rule]]
name = "one"
verdict = "decline"

[[rule]]
name = "two"
when = { knwn = "yes" }
verdict = "decline"

[delivery]
window = "30"
"""

    found = faults(tmp_path, text)

    assert set(found) == {
        "line 2: me.adresses: unknown, did you mean addresses?",
        "line 3: me.timezone: 'Europe/Berlon' is no time zone, did you mean 'Europe/Berlin'?",
        "line 5: imap.user: missing",
        "line 7: imap.usr: unknown, did you mean user?",
        'line 8: imap.password: no secret stands in this file: write { file = "..." }, { env = "..." } or the like',
        "line 12: smtp.port: port 25 is for servers among themselves; use 465, or 587 with STARTTLS",
        "line 14: smtp.password: give exactly one of file, env, command, credential, keyring",
        "line 22: rule.2.when.knwn: unknown, did you mean known?",
        'line 26: delivery.window: a duration is a number and a unit, like "15m", "12h" or "30d"',
    }
    assert not any("hunter2" in fault for fault in found)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[digest]\ntime = "8:00"', 'line 2: digest.time: write a time like "08:00"'),
        ("[digest]\ntime = 08:00:00", "line 2: digest.time: write a text in quotes"),
        ('[digest]\nday = "monday"', "line 2: digest.day: write 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'"),
        (
            '[delivery]\nmode = "sent"',
            "line 2: delivery.mode: write 'observe', 'draft' or 'send'; did you mean 'send'?",
        ),
        ("[delivery]\nper_hour = 0", "line 2: delivery.per_hour: write 1 or more"),
        ("[delivery]\nper_day = 1.5", "line 2: delivery.per_day: write a whole number"),
        ('[imap]\nport = "abc"', "line 2: imap.port: write a whole number"),
        ("[imap]\nport = 70000", "line 2: imap.port: write 65535 or less"),
        ("[imap]\npassword = 5", "line 2: imap.password: write a table, like { ... }"),
        ("[imap]\npassword = { command = 5 }", "line 2: imap.password.command: write a text in quotes"),
        ("[imap]\nstr = 5", "line 2: imap.str: unknown"),
        ("imap = 5", "line 1: imap: write a table, below [imap]"),
        ("me = { name = 3 }", "line 1: me.name: write a text in quotes"),
        ("[me]\ntopics = 5", "line 2: me.topics: write a list, like [...]"),
        ('[policy]\nstrict = "perhaps"', "line 2: policy.strict: write true or false"),
        (
            '[policy]\nknown_default = "decline"',
            "line 2: policy.known_default: write 'accept-candidate' or 'needs-human'",
        ),
        ('[rule]\nname = "x"', "line 1: rule: write each as a table of its own, below [[rule]]"),
        ('[[rule]]\nname = ""\nverdict = "decline"', "line 2: rule.1.name: write something; it is empty"),
        ("[evidence]\ncontacts = [1]", "line 2: evidence.contacts.1: write a path in quotes"),
        ("[evidence]\ncontacts = [{ url = 1 }]", "line 2: evidence.contacts.1.url: write a text in quotes"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_what_to_write_instead(text: str, fault: str, tmp_path: Path) -> None:
    told = faults(tmp_path, text)

    assert [one for one in told if one.startswith(fault)], told
    assert not [one for one in told if re.search(r"Input|should|valid|function-|Dav", one)]


def test_a_folder_that_would_mean_two_decisions_is_a_fault(tmp_path: Path) -> None:
    account = '[imap]\nhost = "h"\nuser = "u"\npassword = { env = "P" }\n[imap.folders]\n'

    (fault,) = faults(tmp_path, account + 'accept = "Inbox"\n')

    assert fault == "line 5: imap.folders: inbox, accept, review and declined must be four different folders"


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "[me\n")

    assert fault.startswith("is not TOML: ")
    assert "line 1" in fault


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="No such file"):
        load(tmp_path / "nobody.toml")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load(write(tmp_path, '[evidence]\ncontacts = ["book.vcf"]\nsent = "/abs/sent.mbox"\n'))

    assert config.evidence.contacts == (tmp_path / "book.vcf",)
    assert config.evidence.sent == (Path("/abs/sent.mbox"),)


def test_topics_and_institution_take_a_string_or_a_list(tmp_path: Path) -> None:
    config = load(write(tmp_path, '[me]\ntopics = "choral music"\ninstitution = ["A", "B"]\n'))

    assert config.me.topics == ("choral music",)
    assert config.me.institution == ("A", "B")


def test_the_example_shows_every_key_and_every_default() -> None:
    config = load(EXAMPLE)
    text = EXAMPLE.read_text("utf-8")

    shown = {line.lstrip("# ").split("=")[0].strip() for line in text.splitlines() if "=" in line}
    assert config.imap
    assert config.smtp
    sections = (config.me, config.policy, config.evidence, config.authentication, config.delivery, config.digest)
    wanted = {key for section in sections for key in type(section).model_fields}
    wanted |= {key for key in type(config.imap).model_fields if key != "folders"}
    wanted |= set(type(config.smtp).model_fields) | set(Lmtp.model_fields)

    assert wanted - shown == set()
    assert config.delivery == Config().delivery
    assert config.digest == Config().digest
    assert config.policy == Config().policy


@pytest.mark.parametrize(
    ("source", "wanted"),
    [("env", "from the environment"), ("file", "from a file"), ("command", "from a command")],
)
def test_a_secret_is_read_from_where_it_stands_and_never_shown(
    source: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSVPD_TEST_SECRET", "from the environment")
    (tmp_path / "secret").write_text("from a file\n")
    sources = {
        "env": Secret(env="RSVPD_TEST_SECRET"),
        "file": Secret(file=tmp_path / "secret"),
        "command": Secret(command="echo from a command"),
    }

    secret = sources[source].read("ada")

    assert secret.get_secret_value() == wanted
    assert wanted not in repr(secret)


def test_a_secret_that_is_not_there_says_where_it_should_have_been() -> None:
    with pytest.raises(LookupError, match="RSVPD_NOT_SET is not set"):
        Secret(env="RSVPD_NOT_SET").read("ada")


def test_a_file_or_credential_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    for secret in (Secret(file=tmp_path / "gone"), Secret(credential="gone")):
        with pytest.raises(OSError, match=rf"^{tmp_path}/gone cannot be read \(No such file or directory\)$"):
            secret.read("ada")


class Wallet(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._kept[service, username] = password


@pytest.fixture(name="wallet")
def _wallet() -> Iterator[Wallet]:
    before, wallet = keyring.get_keyring(), Wallet()
    keyring.set_keyring(wallet)
    yield wallet
    keyring.set_keyring(before)


def test_the_keyring_gives_each_user_their_own_password(tmp_path: Path, wallet: Wallet) -> None:
    login = 'host = "h"\nuser = "ada"\npassword = { keyring = "mail" }\n'
    config = load(write(tmp_path, f"[imap]\n{login}"))
    wallet.set_password("mail", "ada", "Ada's")
    wallet.set_password("mail", "bob", "Bob's")

    assert config.imap
    assert config.imap.secret().get_secret_value() == "Ada's"
    with pytest.raises(LookupError, match="nothing there yet; store it with: keyring set mail eve"):
        Secret(keyring="mail").read("eve")


def test_a_machine_without_a_keyring_is_told_what_to_use_instead(wallet: Wallet) -> None:
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]

    with pytest.raises(LookupError, match="on a server without one use file or credential"):
        Secret(keyring="mail").read("ada")


def test_the_keyring_is_an_extra_that_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(LookupError, match=r'pip install "rsvpd\[keyring\]"'):
        Secret(keyring="mail").read("ada")
