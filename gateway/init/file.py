"""The first file of an owner: what they said and what was found, with a comment on what they may change."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import NotWritten
from gateway.init.providers import BY_OWNER, Found, Server

_HEAD = """\
# The settings of one owner of rsvpd, written by `rsvpd init`. What does not stand here has its default;
# config.example.toml has every setting. After each change:  rsvpd check {path}
"""
_RECORDS = """\
# Records of your own that tell whom you know, beside your Sent folder and inbox. Paths are relative to this file.
[evidence]
# contacts = ["contacts.vcf"]        # vCard files; or { url = ..., user = ..., password = ... } for CardDAV
# calendars = ["calendar.ics"]       # iCalendar files; or CalDAV
# connections = "Connections.csv"    # LinkedIn's export
"""
_EXAMPLE_TOPICS = '# topics = ["formal methods"]         # your fields; some presets go by them'
_EXAMPLE_INSTITUTION = '# institution = "Example University"'
_TLS = {"implicit": "encrypted from the first byte", "starttls": "encrypted before anything else is said"}
_END = """\
[delivery]
mode = "draft"                       # answers lie in your Drafts folder; "send": they go out after the hold
# hold = "15m"

[digest]                             # the weekly summary, by mail to you
day = "mon"
time = "08:00"
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the file is to say."""

    path: Path
    address: str
    name: str
    language: str
    timezone: str
    preset: str
    found: Found
    login: tuple[str, ...]  # the lines of [imap] and [smtp] that say how to log in
    ca_file: Path | None = None
    authserv_id: str | None = None  # whose word the mails of late carry
    topics: tuple[str, ...] = ()
    institution: str = ""
    group: str = ""  # the link of the one that members of the institution are asked into


def written(draft: Draft) -> str:
    """The file."""
    parts = (_head(draft), _authentication(draft), _imap(draft), _smtp(draft), _RECORDS, _END)
    return "\n".join(parts)


def save(text: str, path: Path) -> None:
    """A file that only we can read and write, whole; NotWritten where there is one already or none can be made."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise NotWritten(f"{exc.filename} cannot be made: {exc.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        path.unlink()  # it is ours, and half of it would be in the way the next time
        raise NotWritten(f"{path} cannot be written: {exc.strerror}") from None


def _line(key: str, value: str, comment: str = "") -> str:
    return f"{key} = {_quoted(value)}".ljust(36) + (f" # {comment}" if comment else "")


def _list(key: str, values: tuple[str, ...], comment: str) -> str:
    return f"{key} = [{', '.join(map(_quoted, values))}]".ljust(36) + f" # {comment}"


def _quoted(value: str) -> str:
    # JSON's strings are TOML's, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _head(draft: Draft) -> str:
    lines = [
        "[me]",
        _line("name", draft.name, "your answers are signed with it"),
        _line("addresses", draft.address, "every address you get mail at, as a list; answers come from the first"),
        _line("contact", draft.address, "offered in answers for a proper hello"),
        _line("language", draft.language, "of your answers and the weekly summary"),
        _line("timezone", draft.timezone),
        _list("topics", draft.topics, "your fields; they go by meaning") if draft.topics else _EXAMPLE_TOPICS,
        _line("institution", draft.institution) if draft.institution else _EXAMPLE_INSTITUTION,
        "",
        "[policy]",
        _line("preset", draft.preset, f"in plain sentences: rsvpd check --policy {draft.path}"),
    ]
    return _HEAD.format(path=draft.path) + "\n" + "\n".join(line.rstrip() for line in lines) + "\n" + _group(draft)


def _group(draft: Draft) -> str:
    if not draft.group:
        return ""
    lines = [
        "# Where those people are asked to go instead.",
        "[[group]]",
        _list("match", ("student", "postdoc*"), "by what their headline shows"),
        _line("url", draft.group).rstrip(),
        _line("name", draft.institution).rstrip(),
    ]
    return "\n" + "\n".join(lines) + "\n"


def _authentication(draft: Draft) -> str:
    provider = draft.found.provider
    known = draft.authserv_id or (provider.authserv_id if provider else None)
    if known:
        lines = [_line("authserv_id", known, "your mail server's name in Authentication-Results")]
    elif provider and provider.dkim == "verify":
        lines = [_line("dkim", "verify", "signatures are checked here; this provider's own word is of no use")]
    else:
        lines = ['# authserv_id = "..."                # rsvpd check names it; before, every invitation is left to you']
    return "[authentication]\n" + "\n".join(lines) + "\n"


def _imap(draft: Draft) -> str:
    found = draft.found
    whence = "as you named them" if found.said_by == BY_OWNER else f"found by: {found.said_by}"
    return f"# Your servers, {whence}.\n[imap]\n" + _account(draft, found.imap, "your mailbox")


def _smtp(draft: Draft) -> str:
    provider = draft.found.provider
    keeps = "keeps_copy = true".ljust(36) + " # your provider puts what it sends into Sent\n"
    return (
        "[smtp]\n"
        + _account(draft, draft.found.smtp, "by which you send")
        + (keeps if provider and provider.keeps_copy else "")
    )


def _account(draft: Draft, server: Server, what: str) -> str:
    lines = [
        _line("host", server.host, what),
        f"port = {server.port}",
        _line("tls", server.tls, _TLS[server.tls]),
        _line("user", server.user, "you log in by this name"),
        *draft.login,
    ]
    if draft.ca_file:
        lines.append(_line("ca_file", str(draft.ca_file), "who vouches for these servers"))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def password(place: str, value: str) -> tuple[str, ...]:
    """The line that says where the password stands: in a file, in an env(ironment variable), in a command's output."""
    return (
        f"password = {{ {_line(place, value).rstrip()} }}".ljust(36) + " # where it stands; never the password itself",
    )


def oauth(provider: str, client: str) -> tuple[str, ...]:
    """The lines that have the owner sign in at Google or Microsoft, by an app that they registered there."""
    secret = ', secret = { file = "google-client-secret" }' if provider == "google" else ""
    signs_in = f'oauth = "{provider}"'.ljust(36) + " # you sign in there, once: rsvpd login"
    return signs_in, f"oauth_client = {{ {_line('id', client).rstrip()}{secret} }}"
