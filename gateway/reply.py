"""The owner's words: templates rendered into a mail and a short text, and the way down the ladder. Only this module
imports jinja2.

A template is a mail with holes: names in braces and {% if %} around them, nothing that loops, calls or computes. So
what comes out is bounded by what the owner wrote. Of the incoming mail nothing but a cleaned name enters a reply.
"""

from __future__ import annotations

import re
import unicodedata
from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import jinja2
from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.errors import BadTemplate
from gateway.model import Channel, Decision, Findings, Reply, Verdict
from gateway.networks import is_within, networks
from gateway.ownership import why_not_obey
from gateway.people.keys import address_key
from gateway.policy import Policy, group_for
from gateway.rules import Group
from gateway.salutation import NOBODY, Salutation, salutation

LONGEST_SHORT = 200  # characters that the tightest network takes
LONGEST = 16 * 1024  # characters of a template, and of what comes out
HOLES = ("name", "full_name", "greeting", "me", "contact", "group_url", "group_name")
_GREETING = "greeting"
_FALLBACK = "en"
_TEXT_AND_HOLES = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const)
_CONDITIONS = (nodes.If, nodes.CondExpr, nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand)
_ADDRESS = re.compile(r"[^\s\x00-\x20\x7f@<>\"(),:;\[\]\\]+@[^\s\x00-\x20\x7f@<>\"(),:;\[\]\\]+")  # one, bare
# Where an answer is never sent (RFC 5230 section 4.6): machines, and roles that are nobody in particular.
_SYSTEM = re.compile(
    r"(mailer-daemon|postmaster|hostmaster|listserv|majordomo|nobody|root|abuse|daemon|bounces?.*"
    r"|(.*[-_.])?(no[-_.]?reply|do[-_.]?not[-_.]?reply)([-_.].*)?"
    r"|owner-.*|.*-(request|owner|bounces?))(\+.*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Voice:
    """In whose name a reply speaks and what it may offer."""

    name: str
    contact: str | None
    language: str
    answer_in: tuple[str, ...]  # languages the owner is content to be quoted in


@dataclass(frozen=True, slots=True)
class Template:
    """A template file, checked and compiled."""

    path: Path
    source: str
    holes: frozenset[str]  # the names it uses
    compiled: jinja2.Template

    def rendered(self, values: dict[str, str]) -> str:
        try:
            text = self.compiled.render(values)
        except TemplateError as exc:
            raise BadTemplate(f"{self.path.name}: {exc}") from None
        if len(text) > LONGEST:
            raise BadTemplate(f"{self.path.name}: what comes out is {len(text)} characters long")
        return text


# Not autoescaped: what comes out is plain text, never HTML.
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)


@lru_cache(maxsize=1000)  # the owners of a service share the templates that come with the program
def _compiled(path: Path, source: str) -> Template:
    """The template, once it is sure that it holds only what it may: compiling already computes constants."""
    try:
        tree = _ENVIRONMENT.parse(source)
        for line, why in _faults_in(tree):
            raise BadTemplate(f"{path}, line {line}: {why}")
        holes = frozenset(name.name for name in tree.find_all(nodes.Name))
        return Template(path, source, holes, _ENVIRONMENT.from_string(tree))
    except jinja2.TemplateSyntaxError as exc:
        raise BadTemplate(f"{path}, line {exc.lineno}: {exc.message}") from None
    except (RecursionError, SyntaxError, ValueError) as exc:  # hundreds of brackets or conditions, or of digits
        raise BadTemplate(f"{path}: is no template: {exc}") from None


class Shelf:
    """Template files by name and language: those in the owner's folder before those that come with the program."""

    def __init__(self, own_folder: Path | None) -> None:
        self._files = ChainMap(_files_in(own_folder) if own_folder else {}, _packaged_files())
        self._loaded: dict[str, Template] = {}

    def names(self) -> tuple[str, ...]:
        """The replies there are."""
        return tuple(sorted({file.split(".")[0] for file in self._files} - {_GREETING}))

    def languages(self, name: str) -> tuple[str, ...]:
        """The languages a reply can be given in, as a mail and as a short text."""
        shorts = [file.split(".") for file in self._files if file.startswith(f"{name}.short.")]
        return tuple(sorted(parts[2] for parts in shorts if f"{name}.{parts[2]}.txt" in self._files))

    def find(self, file: str) -> Template | None:
        """A template; BadTemplate with file and line when it is at fault, None when there is none."""
        if file in self._files and file not in self._loaded:
            self._loaded[file] = self._load(self._files[file])
        return self._loaded.get(file)

    def _load(self, path: Path) -> Template:
        try:
            source = path.read_text("utf-8")
            # Those of the program belong to whoever installed it.
            why_not = None if path.parent == _packaged() else why_not_obey(path)
        except (OSError, UnicodeDecodeError) as exc:
            raise BadTemplate(f"{path}: cannot be read: {exc}") from None
        if why_not:
            raise BadTemplate(f"{path}: {why_not}")
        if len(source) > LONGEST:
            raise BadTemplate(f"{path}: a template of {len(source)} characters")
        return _compiled(path, source)


class Replies:
    """The replies of an owner, in the languages the owner allows."""

    def __init__(self, voice: Voice, policy: Policy, own_folder: Path | None = None) -> None:
        self.voice, self.policy, self.shelf = voice, policy, Shelf(own_folder)

    def render(self, decision: Decision, findings: Findings) -> Reply | None:
        """The reply that a decision asks for, None where it asks for none; BadTemplate when it cannot be made."""
        if decision.template is None or decision.verdict is not Verdict.DECLINE:
            return None
        whom = salutation(findings.notification)
        group = group_for(findings, self.policy) or next(iter(self.policy.groups), None)
        link = _link(group)
        language = self._language(decision.template, findings.note.language)
        subject, body = self._mail(decision.template, language, whom, link)
        short = self._short(decision.template, language, whom, link, findings.notification.limit)
        channel, to = self._way(findings)
        return Reply(decision.template, language, channel, to, subject, body, short)

    def check(self) -> None:
        """Render every template the policy uses, with a name and without; BadTemplate names the first fault."""
        for name in self.used():
            try:
                for language in self.languages(name):
                    self.sample(name, language)
            except BadTemplate as exc:
                raise BadTemplate(str(exc), reply=name) from None

    def used(self) -> tuple[str, ...]:
        """The replies that the policy gives."""
        return tuple(dict.fromkeys(row.reply for row in self.policy.rows if row.reply))

    def languages(self, name: str) -> tuple[str, ...]:
        """The languages in which a reply may go out."""
        return tuple(dict.fromkeys(self._language(name, theirs) for theirs in (None, *self.voice.answer_in)))

    def sample(self, name: str, language: str) -> Reply:
        """A reply as it would go to somebody without a fit name; BadTemplate when it cannot be made."""
        link = _link(next(iter(self.policy.groups), None))
        self._mail(name, language, Salutation("Ada", "Ada Miller"), link)
        subject, body = self._mail(name, language, NOBODY, link)
        short = self._short(name, language, NOBODY, link, LONGEST_SHORT)
        return Reply(name, language, Channel.NONE, None, subject, body, short)

    # The template

    def _language(self, name: str, theirs: str | None) -> str:
        """The inviter's language where the owner allows it, else the owner's, else English."""
        there = self.shelf.languages(name)
        allowed = theirs if theirs in self.voice.answer_in else None
        for language in (allowed, self.voice.language, _FALLBACK, *there[:1]):
            if language in there:
                return language
        raise BadTemplate(
            f"there is no reply {name!r}; there are {', '.join(self.shelf.names())}. "
            f"A reply is two files, {name}.en.txt and {name}.short.en.txt"
        )

    def _mail(self, name: str, language: str, whom: Salutation, link: dict[str, str]) -> tuple[str, str]:
        text = self._text(f"{name}.{language}.txt", language, whom, link)
        head, _, body = text.partition("\n\n")
        if not head.startswith("Subject: ") or "\n" in head or not body.strip():
            raise BadTemplate(f"{name}.{language}.txt: begins with a line 'Subject: ...' and an empty line")
        return _line(head.removeprefix("Subject: ")), body.strip() + "\n"

    def _short(self, name: str, language: str, whom: Salutation, link: dict[str, str], limit: int) -> str:
        """The text to paste: greeting by name where it fits into the network's limit."""
        file = f"{name}.short.{language}.txt"
        texts = [_line(self._text(file, language, one, link)) for one in (whom, NOBODY)]
        return next((text for text in texts if len(text) <= limit), texts[-1])

    def _text(self, file: str, language: str, whom: Salutation, link: dict[str, str]) -> str:
        template = self.shelf.find(file)
        assert template is not None  # _language
        if "contact" in template.holes and not self.voice.contact:
            raise BadTemplate(f"{file}: offers your address, but [me] has neither contact nor addresses")
        values = {
            "name": whom.name,
            "full_name": whom.full_name,
            "me": self.voice.name,
            "contact": self.voice.contact or "",
            **link,
        }
        if _GREETING in template.holes:
            values["greeting"] = self._greeting(language, values)
        return template.rendered(values)

    def _greeting(self, language: str, values: dict[str, str]) -> str:
        template = self.shelf.find(f"{_GREETING}.{language}.txt") or self.shelf.find(f"{_GREETING}.{_FALLBACK}.txt")
        assert template is not None  # comes with the program
        return _line(template.rendered(values))

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
        if address is None or address_key(address) in self.policy.own or not _ADDRESS.fullmatch(address):
            return False
        local, _, domain = address.lower().rpartition("@")
        in_network = any(is_within(domain, network) for network in _network_domains())
        return not (in_network or _network_names() & set(domain.split(".")) or _SYSTEM.fullmatch(local))


@cache
def _network_names() -> frozenset[str]:
    return frozenset(network.NAME for network in networks())


@cache
def _network_domains() -> frozenset[str]:
    return frozenset(
        value.rpartition("@")[2] for network in networks() for key, value in network.SEARCH if key == "FROM"
    )


def _link(group: Group | None) -> dict[str, str]:
    return {"group_url": group.url, "group_name": group.name} if group else {"group_url": "", "group_name": ""}


def _faults_in(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Line and reason of whatever is more than a hole or a condition."""
    for node in (tree, *tree.find_all(nodes.Node)):
        if not isinstance(node, _TEXT_AND_HOLES + _CONDITIONS):
            holds = "a reply holds {{ name }} and {% if %}, no loop, call, filter or calculation"
            yield node.lineno, f"{holds} ({type(node).__name__})"
        elif isinstance(node, nodes.Name) and node.name not in HOLES:
            yield node.lineno, f"there is no {{{{ {node.name} }}}}; there are {', '.join(HOLES)}"


def _files_in(folder: Path) -> dict[str, Path]:
    return {file.name: file for file in sorted(folder.glob("*.txt"))} if folder.is_dir() else {}


@cache
def _packaged_files() -> dict[str, Path]:
    return _files_in(_packaged())


def _packaged() -> Path:
    """The templates of the program: in the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    return here / "replies" if (here / "replies").is_dir() else here.parent / "replies"


def _line(text: str) -> str:
    """Text as one line without control characters, fit for a header."""
    line = " ".join(text.split())
    if line.isprintable():  # nearly every text is; letter by letter it takes a third of rendering
        return line
    kept = "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") else " " for c in text)
    return " ".join(kept.split())
