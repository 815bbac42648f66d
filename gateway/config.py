"""The owner's TOML file as typed settings; every fault of the file is named at once, with its line.

Only this module knows how a setting is spelled. `config.example.toml` documents every default.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import tomllib
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from gateway.errors import BadConfig
from gateway.ownership import why_not_obey
from gateway.rules import Group, PolicySettings, Rule
from gateway.settings import Duration, FilePath, MailAddress, Section, Words, listed

_COMMAND_TIMEOUT = 30.0  # seconds a password command may take


class Secret(Section):
    """Where a password stands; it is read when it is needed and never kept in the file itself."""

    file: FilePath | None = None
    env: str | None = None
    command: str | list[str] | None = None
    credential: str | None = None
    """Name of a systemd credential (LoadCredential=)."""
    keyring: str | None = None
    """Service under which the desktop's keyring has it."""

    @model_validator(mode="before")
    @classmethod
    def _not_inline(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError('no secret stands in this file: write { file = "..." }, { env = "..." } or the like')
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        sources = (self.file, self.env, self.command, self.credential, self.keyring)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of file, env, command, credential, keyring")
        return self

    def read(self, user: str) -> SecretStr:
        """The secret of a user, hidden in repr; OSError or LookupError says where it should have been."""
        if self.env is not None:
            if self.env not in os.environ:
                raise LookupError(f"environment variable {self.env} is not set")
            return SecretStr(os.environ[self.env])
        if self.command is not None:
            return SecretStr(self._from_command(self.command))
        if self.credential is not None:
            folder = os.environ.get("CREDENTIALS_DIRECTORY")
            if folder is None:
                raise LookupError(f"credential {self.credential}: not started by systemd with LoadCredential=")
            return _in_file(Path(folder, self.credential))
        if self.keyring is not None:
            return SecretStr(self._from_keyring(self.keyring, user))
        assert self.file is not None  # _exactly_one
        return _in_file(self.file)

    @staticmethod
    def _from_command(command: str | list[str]) -> str:
        try:
            # The owner's own file names the command; it is the point of the setting to run it.
            done = subprocess.run(  # noqa: S603
                command if isinstance(command, list) else ["/bin/sh", "-c", command],
                capture_output=True,
                text=True,
                check=True,
                timeout=_COMMAND_TIMEOUT,
            )
        except (subprocess.SubprocessError, OSError) as exc:
            raise LookupError(f"password command failed ({type(exc).__name__})") from None
        return done.stdout.rstrip("\r\n")

    @staticmethod
    def _from_keyring(service: str, user: str) -> str:
        try:
            import keyring  # an extra
            import keyring.errors
        except ModuleNotFoundError:
            raise LookupError('the keyring package is not installed: pip install "rsvpd[keyring]"') from None
        try:
            found = keyring.get_password(service, user)
        except keyring.errors.KeyringError as exc:
            why = " ".join(str(exc).split()) or type(exc).__name__
            raise LookupError(f"keyring: {why}; on a server without one use file or credential") from None
        if found is None:
            raise LookupError(f"keyring: nothing there yet; store it with: keyring set {service} {user}")
        return found


def _in_file(path: Path) -> SecretStr:
    try:
        return SecretStr(path.read_text("utf-8").rstrip("\r\n"))
    except OSError as exc:
        raise OSError(f"{path} cannot be read ({exc.strerror})") from None


class OAuthClient(Section):
    """The app that the owner registered with Google or Microsoft; rsvpd ships none of its own."""

    id: str
    secret: Secret | None = None


class Account(Section):
    """A login at a mail server."""

    host: str
    user: str
    password: Secret | None = None
    oauth: Literal["google", "microsoft"] | None = None
    oauth_client: OAuthClient | None = None
    ca_file: FilePath | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.password is None) == (self.oauth is None):
            raise ValueError("give either password or oauth")
        return self

    @model_validator(mode="after")
    def _registered_app(self) -> Self:
        if self.oauth is None:
            if self.oauth_client is not None:
                raise ValueError('oauth_client belongs to oauth = "google" or "microsoft"')
            return self
        if self.oauth_client is None:
            raise ValueError('oauth needs oauth_client = { id = "..." }, the app you registered (docs/logins.md)')
        if self.oauth == "google" and self.oauth_client.secret is None:
            raise ValueError("Google gives a client secret with the id: oauth_client = { id = ..., secret = { ... } }")
        if self.oauth == "microsoft" and self.oauth_client.secret is not None:
            raise ValueError("oauth_client.secret: register the app at Microsoft as a public client; it has no secret")
        return self

    def secret(self) -> SecretStr:
        """The password, read anew each time, so that a changed one needs no restart; a login by oauth has none."""
        if self.password is None:
            raise LookupError(f"{self.user} signs in by {self.oauth}, without a password")
        return self.password.read(self.user)


class Me(Section):
    """The owner: who they are and what they care about."""

    name: str = ""
    addresses: Annotated[tuple[MailAddress, ...], BeforeValidator(listed)] = ()
    aliases: Words = ()
    contact: MailAddress | None = None
    topics: Words = ()
    institution: Words = ()
    language: str = "en"
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            near = difflib.get_close_matches(value, available_timezones(), 1)
            raise ValueError(f"{value!r} is no time zone" + (f", did you mean {near[0]!r}?" if near else ""))
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Dav(Section):
    """An address book (CardDAV) or calendar (CalDAV) on a server of the owner's."""

    url: str
    user: str
    password: Secret


class EvidenceFiles(Section):
    contacts: tuple[FilePath | Dav, ...] = ()
    calendars: tuple[FilePath | Dav, ...] = ()
    connections: FilePath | None = None
    sent: tuple[FilePath, ...] = ()
    received: tuple[FilePath, ...] = ()

    @field_validator("contacts", "calendars", "sent", "received", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, (str, dict)) else value


class Authentication(Section):
    authserv_id: Words = ()
    dkim: Literal["header", "verify"] = "header"


class Folders(Section):
    inbox: str = "INBOX"
    accept: str = "Invitations/Accept"
    review: str = "Invitations/Review"
    declined: str = "Invitations/Declined"
    sent: str | None = None
    """None: the one the server marks as \\Sent."""
    drafts: str | None = None

    @model_validator(mode="after")
    def _tell_a_decision(self) -> Folders:
        # Where a mail lies is the owner's word; one place must not mean two things.
        names = [name.rstrip("/").casefold() for name in (self.inbox, self.accept, self.review, self.declined)]
        if len(set(names)) < len(names):
            raise ValueError("inbox, accept, review and declined must be four different folders")
        return self


class Imap(Account):
    port: int = Field(default=993, ge=1, le=65535)
    tls: Literal["implicit", "starttls"] = "implicit"
    folders: Folders = Folders()
    poll: Duration = timedelta(minutes=5)
    """How often to look when the server has no IDLE, and at the latest when it has."""


class Smtp(Account):
    port: int = Field(default=465, ge=1, le=65535)
    tls: Literal["implicit", "starttls"] | None = None
    """None: implicit on 465, STARTTLS (never optional) elsewhere."""
    bounces: MailAddress | None = None
    """Envelope sender; None: the address in From."""
    keeps_copy: bool = False
    """The provider puts what it sends into Sent by itself (Gmail does)."""

    @field_validator("port")
    @classmethod
    def _submission(cls, value: int) -> int:
        if value == 25:
            raise ValueError("port 25 is for servers among themselves; use 465, or 587 with STARTTLS")
        return value


class Lmtp(Section):
    """Where the owner's own mail server hands mail over."""

    listen: str
    """"127.0.0.1:24024", or "unix:/run/rsvpd/lmtp.sock"."""
    protocol: Literal["lmtp", "smtp"] = "lmtp"

    @field_validator("listen")
    @classmethod
    def _on_this_machine(cls, value: str) -> str:
        if value.startswith("unix:"):
            if not Path(value.removeprefix("unix:")).is_absolute():
                raise ValueError('a socket is named by its whole path: "unix:/run/rsvpd/lmtp.sock"')
            return value
        host, _, port = value.rpartition(":")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError('say where to listen like "127.0.0.1:24024" or "unix:/run/rsvpd/lmtp.sock"')
        if int(port) == 25:
            raise ValueError("port 25 is for servers among themselves; use another, like 24024")
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            raise ValueError(f"{host!r} is no IP address; use 127.0.0.1 or [::1]") from None
        if not address.is_loopback:
            raise ValueError(f"{host} can be reached from other machines; use 127.0.0.1, [::1] or a socket")
        return value

    @property
    def socket(self) -> Path | None:
        """The Unix socket, None where a port is listened at."""
        return Path(self.listen.removeprefix("unix:")) if self.listen.startswith("unix:") else None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class Delivery(Section):
    mode: Literal["observe", "draft", "send"] = "draft"
    hold: Duration = timedelta(minutes=15)
    window: Duration = timedelta(days=30)
    per_hour: int = Field(default=10, ge=1)
    per_day: int = Field(default=30, ge=1)
    per_domain: int = Field(default=5, ge=1)
    """Answers a day into one domain."""

    @field_validator("window")
    @classmethod
    def _a_day_at_least(cls, value: timedelta) -> timedelta:
        if value < timedelta(days=1):
            raise ValueError("the window is one day at least")
        return value


class Digest(Section):
    day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "mon"
    time: str = "08:00"
    to: MailAddress | None = None
    empty: Literal["send", "skip"] = "send"

    @field_validator("time")
    @classmethod
    def _of_the_day(cls, value: str) -> str:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
            raise ValueError('write a time like "08:00"')
        return value


class JournalSettings(Section):
    url: str | None = None
    """None: a SQLite file in the state directory."""


class Config(Section):
    """One owner's file."""

    me: Me = Me()
    policy: PolicySettings = PolicySettings()
    rule: tuple[Rule, ...] = ()
    group: tuple[Group, ...] = ()
    evidence: EvidenceFiles = EvidenceFiles()
    authentication: Authentication = Authentication()
    imap: Imap | None = None
    smtp: Smtp | None = None
    lmtp: Lmtp | None = None
    delivery: Delivery = Delivery()
    digest: Digest = Digest()
    journal: JournalSettings = JournalSettings()
    path: Path | None = Field(default=None, exclude=True)
    """The file these settings came from."""

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """The files in which something stands that is for nobody else to read."""
        accounts = [account for account in (self.imap, self.smtp) if account]
        clients = [account.oauth_client for account in accounts if account.oauth_client]
        places = [place for place in (*self.evidence.contacts, *self.evidence.calendars) if isinstance(place, Dav)]
        secrets = [*(one.password for one in (*accounts, *places)), *(client.secret for client in clients)]
        return tuple(dict.fromkeys(secret.file for secret in secrets if secret and secret.file))

    @property
    def folders(self) -> Folders:
        """The folders of the owner's mailbox."""
        return self.imap.folders if self.imap else Folders()

    @property
    def owner(self) -> str:
        """The owner's name in journal, logs and state directory: the file's stem."""
        return self.path.stem if self.path else "me"


def load(path: Path) -> Config:
    """The settings of a file; BadConfig names all its faults."""
    try:
        text = path.read_text("utf-8")
        why_not = why_not_obey(path)
    except (OSError, UnicodeDecodeError) as exc:
        why = "is not UTF-8" if isinstance(exc, UnicodeDecodeError) else exc.strerror or str(exc)
        raise BadConfig(str(path), (f"cannot be read: {why}",)) from None
    if why_not:
        raise BadConfig(str(path), (why_not,))
    return read(text, path)


def read(text: str, path: Path) -> Config:
    """The settings that a text makes as the content of a file; BadConfig names all its faults."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise BadConfig(str(path), (f"is not TOML: {exc}",)) from None
    if "path" in table:
        raise BadConfig(str(path), ("path: unknown",))
    try:
        return Config.model_validate({**table, "path": path}, context={"folder": path.parent.absolute()})
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        faults = [_fault(error, text) for error in errors if not _of_another_kind(error)]
        raise BadConfig(str(path), tuple(dict.fromkeys(faults))) from None


# What is to be written instead, by pydantic's name of the fault.
_WRITE = {
    "string_type": "a text in quotes",
    "string_too_short": "something; it is empty",
    "path_type": "a path in quotes",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "tuple_type": "a list, like [...]",
    "list_type": "a list, like [...]",
}
_MEMBER = re.compile(r"<[\w.]+: (?P<value>'[^']*')>")  # of an enumeration, as pydantic shows it


def _fault(error: Any, text: str) -> str:
    """One fault as a sentence: where, what, and what to do about it."""
    unknown, loc = error["type"] == "extra_forbidden", error["loc"]
    where = tuple(part for part in loc if not _names_a_kind(part) or (unknown and part is loc[-1]))
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in where)
    line = line_of(where, text)
    place = f"line {line}: {key}" if line else key
    if unknown:
        near = difflib.get_close_matches(str(where[-1]), _keys_beside(where), 1, cutoff=0.5)
        return f"{place}: unknown" + (f", did you mean {near[0]}?" if near else "")
    if error["type"] == "missing":
        return f"{place}: missing"
    return f"{place}: {_instead(error, where)}"


def _instead(error: Any, where: tuple[str | int, ...]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    match where:
        case ("rule" | "group" as table,) | ("rule" | "group" as table, int()):
            return f"write each as a table of its own, below [[{table}]]"
    if kind in ("model_type", "dict_type"):
        return f"write a table, below [{where[0]}]" if len(where) == 1 else "write a table, like { ... }"
    if kind not in _WRITE:
        message: str = error["msg"]
        return message.removeprefix("Value error, ")
    expected = _MEMBER.sub(r"\g<value>", str(context.get("expected", "")))
    near = difflib.get_close_matches(str(error["input"]), re.findall("'([^']*)'", expected), 1)
    told = _WRITE[kind].format(**{**context, "expected": expected})
    return f"write {told}" + (f"; did you mean {near[0]!r}?" if near else "")


# In a union pydantic puts the branch it tried into the path of the error, and tells of each.
def _names_a_kind(part: object) -> bool:
    return part in ("Dav", "str", "list[str]") or (isinstance(part, str) and part.startswith("function-"))


def _of_another_kind(error: Any) -> bool:
    """Whether it tells why a value is not what it was not meant to be."""
    kind, loc = error["type"], error["loc"]
    is_table = isinstance(error["input"], dict)
    return (kind == "path_type" and is_table) or (kind == "model_type" and "Dav" in loc) or "list[str]" in loc


def _keys_beside(where: tuple[str | int, ...]) -> list[str]:
    model: Any = Config
    for part in where[:-1]:
        if isinstance(part, int):
            continue
        model = _model_in(model.model_fields[part].annotation) if part in model.model_fields else None
        if model is None:
            return []
    return [name for name in model.model_fields if not (model is Config and name == "path")]


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(part) for part in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)


def line_of(where: tuple[str | int, ...], text: str) -> int | None:
    """The line (from 1) on which a key stands, or failing that its table; tomllib does not tell."""
    best, found_depth = None, 0
    table: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if header := re.match(r"\[\[\s*([\w.-]+)\s*\]\]", stripped):
            counts[header[1]] = counts.get(header[1], -1) + 1
            table = (*header[1].split("."), counts[header[1]])
            here = table
        elif header := re.match(r"\[\s*([\w.-]+)\s*\]", stripped):
            table = tuple(header[1].split("."))
            here = table
        elif key := re.match(r"([\w.-]+)\s*=", stripped):
            here = (*table, *key[1].split("."))
        else:
            continue
        depth = len(here)
        if here == where[:depth] and depth > found_depth:
            best, found_depth = number, depth
    return best
