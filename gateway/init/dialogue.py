"""From a mail address to a file that works: what is asked, tried and written, and what to do next."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from gateway import imap, smtp, tls
from gateway.check.mailbox import usual_word
from gateway.config import Config, read
from gateway.errors import MailboxFailed, NotWritten, SendFailed
from gateway.init import surroundings
from gateway.init.discovery import World, discover, spoken_to
from gateway.init.file import Draft, oauth, password, save, written
from gateway.init.providers import BY_OWNER, Found, Server, providers
from gateway.init.terminal import Terminal
from gateway.lint import needs
from gateway.logins import was_refused
from gateway.owner import policy_of
from gateway.reply import Shelf
from gateway.rules import preset_names, preset_summary
from gateway.settings import is_address

_USUAL = "previous-interaction"
_YOUR_APP = "the-id-of-your-app"
_NEEDED = {
    "topics": "Your fields, with commas between",
    "institution": "Your university or company",
    "group": "Link of the group for its members (https://...)",
}
_SERVER = re.compile(r"(?P<host>[A-Za-z0-9.-]+)(:(?P<port>[0-9]{1,5}))?")
_PLACES: dict[str, str] = {
    "file": "you type it now; it is kept in a file beside this one that only you can read",
    "env": "an environment variable that is set wherever rsvpd runs",
    "command": 'what a command prints, like "pass show mail"',
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What was said beforehand, as options; None: to be asked, or found out."""

    address: str | None = None
    name: str | None = None
    preset: str | None = None
    password: tuple[str, str] | None = None  # where it stands: file, env or command; and which
    provider: str | None = None
    imap: str | None = None
    smtp: str | None = None
    ca_file: Path | None = None
    topics: str | None = None
    institution: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class _Login:
    """How the owner logs in: the lines that say so, and a password that was typed and is to be kept."""

    lines: tuple[str, ...]
    typed: SecretStr | None = None
    by_password: bool = True
    hint: str | None = None  # what is still to be done for it


def init(wish: Wish, path: Path, terminal: Terminal, world: World | None) -> None:
    """Ask what was not said, write the file and say what comes next; NotWritten when there is none in the end.

    Without a world nobody is asked for the servers and no login is tried.
    """
    if not str(path).isprintable():
        raise NotWritten(f"{str(path)!r} is no name for a file that others have to type")
    if os.path.lexists(path):
        raise NotWritten(f"{path} is there already, and stays as it is; name another with --output")
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):  # before anything is asked
        raise NotWritten(f"no file can be made in {nearest}; name another place with --output")
    draft, hints, login = _drawn(wish, path, terminal, world)
    text = written(draft)
    read(text, path)  # what was said is looked at before it stands anywhere
    with ExitStack() as undo:
        if login.typed:
            save(login.typed.get_secret_value() + "\n", _kept_in(path))
            undo.callback(_kept_in(path).unlink, missing_ok=True)
        save(text, path)
        undo.pop_all()
    terminal.tell(f"\nWritten: {path}, for you alone to read. Comments say what its lines are for.")
    for hint in hints:
        terminal.tell(f"First {hint}.")
    terminal.tell("\nNext:\n" + "\n".join(f"  {line}" for line in _next(path, signs_in=not login.by_password)))


def _drawn(wish: Wish, path: Path, terminal: Terminal, world: World | None) -> tuple[Draft, list[str], _Login]:
    """What the file is to say, what is left to be done by hand, and how the owner logs in."""
    address = _address(wish, terminal)
    name = wish.name or terminal.ask("Your name", option="--name", default=surroundings.full_name(address))
    if not name.isprintable():
        raise NotWritten(f"{name!r} is no name to sign with")
    found = _servers(wish, address, terminal, world)
    ca_file = wish.ca_file or _certificate(found, terminal)
    if world and not found.provider:
        found = _reached(found, address, ca_file, terminal)
    login = _login(wish, found, path, terminal)
    draft = Draft(
        path=path,
        address=address,
        name=name,
        language=surroundings.language(Shelf(None).languages(_USUAL), os.environ),
        timezone=surroundings.timezone(os.environ),
        preset=_USUAL,
        found=found,
        login=login.lines,
        ca_file=ca_file,
    )
    if world and login.by_password:
        draft, login = _tried(draft, login, terminal)
    draft = replace(draft, preset=wish.preset or _preset(terminal))
    draft, missing = _told_what_the_preset_needs(draft, wish, terminal)
    return draft, [*missing, *([login.hint] if login.hint else [])], login


def _address(wish: Wish, terminal: Terminal) -> str:
    if wish.address:
        return wish.address
    while not is_address(said := terminal.ask("Your mail address", option="--address")):
        terminal.tell(f"{said!r} is no mail address.")
    return said


def _preset(terminal: Terminal) -> str:
    summaries = {name: preset_summary(name) for name in preset_names()}
    return terminal.choose("Whom do you want to connect with?", summaries, _USUAL)


def _told_what_the_preset_needs(draft: Draft, wish: Wish, terminal: Terminal) -> tuple[Draft, list[str]]:
    """The draft with what a preset goes by, and what is left to be put in by hand."""
    config = read(written(draft), draft.path)
    beforehand = {"topics": wish.topics, "institution": wish.institution, "group": wish.group}
    said, missing = dict.fromkeys(beforehand, ""), []
    for need in needs(policy_of(config), config.me.topics):
        key = str(need.where[-1])
        said[key] = beforehand[key] or terminal.ask(_NEEDED[key], option=f"--{key}", default="")
        if not said[key]:
            missing.append(f"put it into the file: {need.what}")
    topics = tuple(part.strip() for part in said["topics"].split(",") if part.strip())
    return replace(draft, topics=topics, institution=said["institution"], group=said["group"]), missing


# Servers


def _servers(wish: Wish, address: str, terminal: Terminal, world: World | None) -> Found:
    if wish.provider:
        return providers()[wish.provider].settings(address, f"table of providers: {wish.provider}")
    if wish.imap and wish.smtp:
        return Found(server(wish.imap, 993, address), server(wish.smtp, 465, address), BY_OWNER)
    domain = address.rpartition("@")[2]
    with terminal.waiting(f"Looking for the servers of {domain} ..." if world else ""):
        found = discover(address, world)
    terminal.tell(f"Your servers: IMAP {_told(found.imap)}, SMTP {_told(found.smtp)} ({found.said_by})")
    if found.sure or terminal.agree("Are these yours? Your password goes there", default=found.is_guess):
        return found
    asked = [terminal.ask(f"{kind} server", option="--provider, or --imap and --smtp") for kind in ("IMAP", "SMTP")]
    return Found(server(asked[0], 993, address), server(asked[1], 465, address), BY_OWNER)


def server(said: str, usual: int, address: str) -> Server:
    """A server as the owner names it: "imap.example.org" or "imap.example.org:143"."""
    parts = _SERVER.fullmatch(said)
    if parts is None:
        raise NotWritten(f"{said!r} is no server; write it like imap.example.org or imap.example.org:143")
    port = int(parts["port"] or usual)
    return Server(parts["host"].lower(), port, "implicit" if port in (993, 465) else "starttls", address)


def _reached(found: Found, address: str, ca_file: Path | None, terminal: Terminal) -> Found:
    """The servers with the TLS that they speak, before a password is asked for; one that is away can be named anew."""
    while True:
        troubles = {}
        with terminal.waiting("Trying the servers ..."):
            for kind, one in (("IMAP", found.imap), ("SMTP", found.smtp)):
                try:
                    found = _with(found, kind, spoken_to(one, ca_file))
                except OSError as exc:
                    troubles[kind] = f"{_told(one)}: {tls.trouble(exc)}"
        if not troubles:
            return found
        terminal.tell("\n".join(f"{kind}: {why}" for kind, why in troubles.items()))
        corrected = _corrected(found, troubles, address, terminal)
        if corrected == found:
            return found  # so be it; the trial of the logins tells what follows
        found = corrected


def _corrected(found: Found, kinds: Collection[str], address: str, terminal: Terminal) -> Found:
    """The servers after those of these kinds were asked for again; Enter leaves one as it is."""
    for kind in kinds:
        one, usual = (found.imap, 993) if kind == "IMAP" else (found.smtp, 465)
        said = terminal.ask(f"{kind} server", option=f"--{kind.lower()}", default=_told(one))
        if said != _told(one):
            found = replace(_with(found, kind, server(said, usual, address)), said_by=BY_OWNER, provider=None)
    return found


def _with(found: Found, kind: str, one: Server) -> Found:
    return replace(found, imap=one) if kind == "IMAP" else replace(found, smtp=one)


def _told(found: Server) -> str:
    return f"{found.host}:{found.port}"


def _certificate(found: Found, terminal: Terminal) -> Path | None:
    if not (found.provider and found.provider.own_certificate):
        return None
    said = terminal.ask("The certificate you exported there", option="--ca-file", default="certificate.pem")
    return Path(said).expanduser().absolute()


# The login


def _login(wish: Wish, found: Found, path: Path, terminal: Terminal) -> _Login:
    provider = found.provider
    if wish.password:
        place, value = wish.password
        return _Login(password(place, _beside(Path(value), path) if place == "file" else value))
    signs_in = provider.oauth if provider else None
    if signs_in and provider and provider.password is None:
        terminal.tell(f"{provider.title} takes no password: you sign in there, by an app that you register once.")
        return _signing_in(signs_in, terminal)
    without = {"oauth": f"there is none: you sign in at {provider.title}"} if signs_in and provider else {}
    choices = {**without, **_PLACES}
    place = terminal.choose("Where is your password to stand?", choices, next(iter(choices)))
    if place == "oauth" and signs_in:
        return _signing_in(signs_in, terminal)
    if place == "env":
        return _Login(password("env", terminal.ask("Name of the variable", option="--password-env")))
    if place == "command":
        return _Login(password("command", terminal.ask("Command", option="--password-command")))
    return _typed(found, path, terminal)


def _beside(file: Path, path: Path) -> str:
    """A file as the settings name it: by its name alone where both stand in one folder."""
    file = file.expanduser().absolute()
    return file.name if file.parent == path.absolute().parent else str(file)


def _signing_in(provider: Literal["google", "microsoft"], terminal: Terminal) -> _Login:
    client = terminal.ask("Id of the app you registered there", option="the file itself", default=_YOUR_APP)
    todo = ["register an app and put its id into the file"] if client == _YOUR_APP else []
    todo += ["put the secret of your app into google-client-secret beside the file"] if provider == "google" else []
    hint = f"{' and '.join(todo)} (docs/logins.md tells how)" if todo else None
    return _Login(oauth(provider, client), by_password=False, hint=hint)


def _kept_in(path: Path) -> Path:
    """The file in which a password that was typed is kept."""
    return path.with_suffix(".password")


def _typed(found: Found, path: Path, terminal: Terminal) -> _Login:
    """The password in a file of its own, once all is said; one that is there already is used as it is."""
    file = _kept_in(path)
    lines = password("file", file.name)
    if file.exists():
        terminal.tell(f"{file} is there already and is used as it is.")
        return _Login(lines)
    if found.provider:
        terminal.tell(f"{found.provider.title} wants {found.provider.password}.")
    typed = terminal.secret("Password (it is not shown)")
    if typed is None:
        return _Login(lines, hint=f"put your password into {file}, and chmod 600 it")
    return _Login(lines, typed)


# The trial


def _tried(draft: Draft, login: _Login, terminal: Terminal) -> tuple[Draft, _Login]:
    """The draft after both logins were tried, with what the mailbox tells of whose word counts, and the login."""
    while True:
        config = read(written(draft), draft.path)
        secret = login.typed or _at_hand(config)
        if secret is None:
            terminal.tell("The password is not there yet, so the logins were not tried.")
            return draft, login
        with terminal.waiting("Trying the logins ..."):
            word, troubles = _try(config, secret)
        if not troubles:
            terminal.tell("Logged in at both servers.")
            return replace(draft, authserv_id=word), login
        terminal.tell("\n".join(f"{kind}: {exc}" for kind, exc in troubles.items()))
        refused = any(map(was_refused, troubles.values()))
        if refused and login.typed and terminal.agree("Type the password again?", default=True):
            login = _typed(draft.found, draft.path, terminal)
            continue
        corrected = draft.found if refused else _corrected(draft.found, troubles, draft.address, terminal)
        if corrected != draft.found:
            draft = replace(draft, found=_reached(corrected, draft.address, draft.ca_file, terminal))
            continue
        if terminal.agree("Write the file all the same?", default=False):
            return draft, login
        raise NotWritten("nothing was written; correct what is said above and run this again, or use --offline")


def _at_hand(config: Config) -> SecretStr | None:
    assert config.imap is not None  # written() writes one
    try:
        return config.imap.secret()
    except (OSError, LookupError):
        return None


def _try(config: Config, secret: SecretStr) -> tuple[str | None, dict[str, MailboxFailed | SendFailed]]:
    """Whose word the mails of late carry, and what does not work, by IMAP and SMTP."""
    mailbox, account = config.imap, config.smtp
    assert mailbox is not None  # written() writes both
    assert account is not None
    word: str | None = None
    troubles: dict[str, MailboxFailed | SendFailed] = {}
    try:
        with closing(imap.connect(mailbox, lambda: secret)) as session:
            word = usual_word(session, config.folders.inbox)
    except MailboxFailed as exc:
        troubles["IMAP"] = exc
    try:
        smtp.probe(account, lambda: secret, sender=config.me.addresses[0])
    except SendFailed as exc:
        troubles["SMTP"] = exc
    return word, troubles


def _next(path: Path, *, signs_in: bool) -> Iterator[str]:
    """The next three commands, each with what it is for."""
    file = shlex.quote(str(path))
    commands = [
        (f"rsvpd check --probe {file}", "every fault, and a mail to yourself: whose word can be believed"),
        (f"rsvpd replay --config {file} --imap", "what it would have made of your inbox; sends and marks nothing"),
        (f"rsvpd run {file}", "the service, in draft mode: its answers lie in your Drafts folder"),
    ]
    if signs_in:
        commands = [(f"rsvpd login {file}", "sign in, once"), commands[0], commands[2]]
    for command, meaning in commands:
        yield command  # whole, however long the file's name is
        yield f"    # {meaning}"
