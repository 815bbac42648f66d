"""The owner's words: templates rendered into a mail and a short text, and the way down the ladder. Only this module
imports jinja2.

Of the incoming mail nothing but a cleaned name enters a reply. A template gets plain strings and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.affiliation import fold
from gateway.errors import BadTemplate
from gateway.model import Channel, Decision, Findings, Kind, Notification, Reply, Verdict
from gateway.policy import Group

_LONGEST = 16 * 1024  # characters a rendered template may have
_LONGEST_NAME = 40
_PLAIN_NAME = re.compile(r"[^\W\d_]([^\W\d_]|[ .'’-])*")
_PLAIN_WORD = re.compile(r"[A-ZÀ-ÖØ-ÞĀ-Ž][a-zß-öø-ÿā-ž'’]+(-[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+)?")
_TITLES = frozenset({"dr", "prof", "professor", "mr", "mrs", "ms", "miss", "sir", "dame", "rev", "herr", "frau", "ing"})
# Where an answer is never sent (RFC 5230 section 4.6): machines, and roles that are nobody in particular.
_SYSTEM = re.compile(
    r"(mailer-daemon|postmaster|listserv|majordomo|nobody|root|abuse|(do)?[-_.]?not?[-_.]?reply|.*[-_.]no[-_.]?reply"
    r"|owner-.*|.*-(request|owner|bounces?)|bounces?)(\+.*)?",
    re.IGNORECASE,
)
_NETWORKS = ("linkedin.com", "facebookmail.com", "facebook.com", "xing.com", "github.com", "slack.com", "trello.com")
_GREETINGS = {
    "en": ("Dear {name},", "Hello,"),
    "de": ("Guten Tag {name},", "Guten Tag,"),
    "fr": ("Bonjour {name},", "Bonjour,"),
    "es": ("Hola, {name}:", "Hola:"),
    "it": ("Buongiorno {name},", "Buongiorno,"),
    "pt": ("Olá, {name},", "Olá,"),
    "nl": ("Beste {name},", "Goedendag,"),
}
_FALLBACK = "en"


@dataclass(frozen=True, slots=True)
class Voice:
    """In whose name a reply speaks and what it may offer."""

    name: str
    contact: str | None
    language: str
    answer_in: tuple[str, ...]  # languages the owner is content to be quoted in
    groups: tuple[Group, ...]
    own: frozenset[str]  # addresses of the owner, lower case


@dataclass(frozen=True, slots=True)
class _Template:
    subject: str
    body: str
    short: str
    language: str


class Replies:
    """The templates of an owner: those in the owner's folder before those that come with the program."""

    def __init__(self, voice: Voice, own_folder: Path | None = None) -> None:
        self._voice = voice
        self._folders = tuple(folder for folder in (own_folder, _packaged()) if folder and folder.is_dir())
        # Not autoescaped: what comes out is plain text, never HTML.
        self._environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def names(self) -> tuple[str, ...]:
        """The templates there are."""
        files = (file.name for folder in self._folders for file in folder.glob("*.txt"))
        return tuple(sorted({name.split(".")[0] for name in files if ".short." not in name}))

    def render(self, decision: Decision, findings: Findings) -> Reply | None:
        """The reply that a decision asks for, None where it asks for none; BadTemplate when it cannot be made."""
        if decision.template is None or decision.verdict is not Verdict.DECLINE:
            return None
        template = self._template(decision.template, self._language(findings))
        notification = findings.notification
        values = self._values(notification, template.language)
        channel, to = self._way(findings)
        return Reply(
            template=decision.template,
            language=template.language,
            channel=channel,
            to=to,
            subject=_line(self._rendered(template.subject, values, decision.template)),
            body=self._rendered(template.body, values, decision.template),
            short=_line(self._rendered(template.short, values, decision.template))[: notification.limit],
        )

    def check(self, used: Iterable[str]) -> None:
        """Render the templates that a policy uses, with a name and without; BadTemplate names the first fault."""
        for name in used:
            template = self._template(name, self._voice.language)
            for inviter in ("Ada Miller", ""):
                values = self._values(Notification("linkedin", Kind.INVITATION, given_name=inviter), template.language)
                for part in (template.subject, template.body, template.short):
                    if not self._rendered(part, values, name).strip():
                        raise BadTemplate(f"template {name}: a part of it comes out empty")

    # The template

    def _language(self, findings: Findings) -> str:
        theirs = findings.note.language or findings.notification.language
        return theirs if theirs and theirs in self._voice.answer_in else self._voice.language

    def _template(self, name: str, language: str) -> _Template:
        for tongue in dict.fromkeys((language, self._voice.language, _FALLBACK)):
            mail, short = self._source(f"{name}.{tongue}.txt"), self._source(f"{name}.short.{tongue}.txt")
            if mail is not None and short is not None:
                subject, body = _split(name, mail)
                return _Template(subject, body, short, tongue)
        raise BadTemplate(f"there is no template {name!r}; there are {', '.join(self.names())}")

    def _source(self, file: str) -> str | None:
        for folder in self._folders:
            path = folder / file
            if path.is_file():
                return path.read_text("utf-8")
        return None

    def _rendered(self, source: str, values: dict[str, str], name: str) -> str:
        try:
            unknown = meta.find_undeclared_variables(self._environment.parse(source)) - values.keys()
            if unknown:
                raise BadTemplate(f"template {name}: {', '.join(sorted(unknown))} is not known here")
            text = self._environment.from_string(source).render(values)
        except (TemplateError, ArithmeticError, TypeError, ValueError) as exc:
            line = f", line {exc.lineno}" if hasattr(exc, "lineno") else ""
            raise BadTemplate(f"template {name}{line}: {exc}") from None
        if len(text) > _LONGEST:
            raise BadTemplate(f"template {name}: what comes out is {len(text)} characters long")
        return text

    # What it may say

    def _values(self, notification: Notification, language: str) -> dict[str, str]:
        named, nameless = _GREETINGS.get(language, _GREETINGS[_FALLBACK])
        name = addressed_as(notification)
        group = self._group(notification)
        return {
            "greeting": named.format(name=name) if name else nameless,
            "name": name,
            "me": self._voice.name,
            "contact": self._voice.contact or "",
            "group_url": group.url if group else "",
            "group_name": group.name if group else "",
        }

    def _group(self, notification: Notification) -> Group | None:
        """The first group that the headline fits, else the first there is."""
        headline = fold((notification.inviter.headline if notification.inviter else None) or "")
        words = re.findall(r"\w+", headline)
        for group in self._voice.groups:
            if any(fnmatchcase(word, fold(pattern)) for word in words for pattern in group.match):
                return group
        return next(iter(self._voice.groups), None)

    # The ladder

    def _way(self, findings: Findings) -> tuple[Channel, str | None]:
        """A trusted Reply-To, else the one address the owner has of this person, else the short text to paste."""
        inviter = findings.notification.inviter
        if findings.provenance.reply_to_trusted and inviter and self._reaches_a_person(inviter.address):
            return Channel.REPLY_TO, inviter.address
        if self._reaches_a_person(findings.dossier.address):
            return Channel.ADDRESS, findings.dossier.address
        return Channel.PASTE, None

    def _reaches_a_person(self, address: str | None) -> bool:
        if address is None or address.lower() in self._voice.own:
            return False
        local, _, domain = address.rpartition("@")
        in_network = any(domain == network or domain.endswith(f".{network}") for network in _NETWORKS)
        return not in_network and not _SYSTEM.fullmatch(local)


def _packaged() -> Path:
    """The templates of the program: in the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    return here / "replies" if (here / "replies").is_dir() else here.parent / "replies"


def _split(name: str, source: str) -> tuple[str, str]:
    head, _, body = source.partition("\n\n")
    if not head.startswith("Subject: ") or "\n" in head:
        raise BadTemplate(f"template {name}: it begins with a line 'Subject: ...' and an empty line")
    return head.removeprefix("Subject: "), body


def _line(text: str) -> str:
    """Text as one line without control characters, fit for a header."""
    kept = "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") else " " for c in text)
    return " ".join(kept.split())


def addressed_as(notification: Notification) -> str:
    """What to call the inviter: the given name where it is told or plain, else the whole name; "" when it is odd."""
    if notification.given_name and _fit(notification.given_name):
        return notification.given_name
    name = (notification.inviter.name if notification.inviter else None) or ""
    if not _fit(name):
        return ""
    words = name.split()
    plain = len(words) == 2 and all(_PLAIN_WORD.fullmatch(word) for word in words)
    return words[0] if plain and words[0].casefold().rstrip(".") not in _TITLES else name


def _fit(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _PLAIN_NAME.fullmatch(name) is not None and _one_script(name)


def _one_script(name: str) -> bool:
    scripts = {unicodedata.name(c, "?").split()[0] for c in name if c.isalpha()}
    return len(scripts) <= 1
