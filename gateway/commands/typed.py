"""The lines with commands that somebody typed above the mail they answer.

What is quoted below holds words of strangers, so reading errs on the side of too little: it ends at the first sign
of a quote, of whatever mail program and language, and at the first line after the commands that is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from gateway.commands.verbs import Command, words
from gateway.hypertext import lines_of
from gateway.model import Mail
from gateway.names import fold

_MOST = 50  # commands in a mail
_SALUTATION = 3  # lines before the first command that may be anything
_LONGEST = 200  # characters of a line that is looked at
# Where mail programs begin the quote in a page; what they call it does not change with the language.
_QUOTE_IN_PAGE = re.compile(
    r"<blockquote\b|(?:class|id)\s*=\s*[\"']?[^\"'<>]{0,60}"
    r"(?:gmail_quote|gmail_attr|yahoo_quoted|moz-cite|protonmail_quote|divRplyFwdMsg|appendonsend|OutlookMessageHeader)",
    re.IGNORECASE,
)
_MARKED = re.compile(r"\s*[>|»]")
_RULED = re.compile(r"\s*[-_=*~]{2,}")  # "-----Original Message-----", a signature, an underlined heading
_ADDRESS = re.compile(r"[^\s@]@[^\s@]")
_MOMENT = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[:.h]\d\d\b")
_LINE = re.compile(r"[\w\s,.:!'’-]+")
_COMMAND = re.compile(r"(?P<verb>\D+?) (?P<cases>c\d{1,9}(?: (?:[^\W\d]{1,3} )?c\d{1,9})*)")
_CASE = re.compile(r"\bc\d{1,9}\b")


def typed(mail: Mail) -> tuple[tuple[Command, ...], str]:
    """The commands that stand above the quote, each once; and the line that ended the reading if it looked like one."""
    found: dict[Command, None] = {}
    others = 0
    for line in _above_the_quote(mail):
        if not line.strip():
            continue
        commands = list(_commands(line))
        if not commands:
            others += 1
            if _CASE.search(fold(line[:_LONGEST])):
                return tuple(found), line.strip()[:_LONGEST]
            if found or others > _SALUTATION:
                break
        found.update(dict.fromkeys(commands))
    return tuple(found)[:_MOST], ""


def _above_the_quote(mail: Mail) -> Iterable[str]:
    return takewhile(lambda line: not _begins_a_quote(line), _lines(mail))


def _lines(mail: Mail) -> Iterator[str]:
    if mail.text.strip():
        yield from mail.text.split("\n")
        return
    quote = _QUOTE_IN_PAGE.search(mail.html)
    yield from (line.text for line in lines_of(mail.html[: quote.start() if quote else None]))


def _begins_a_quote(line: str) -> bool:
    if _MARKED.match(line) or _RULED.match(line) or words().header.match(line):
        return True
    # "On 23 Nov 2026, at 08:00, Ada <ada@example.org> wrote:", which may go on in the next line.
    introduces = line.rstrip().endswith(":") and words().wrote.search(line)
    return bool(_ADDRESS.search(line) or _MOMENT.search(line) or introduces)


def _commands(line: str) -> Iterator[Command]:
    """The commands of a line that holds nothing else."""
    if len(line) > _LONGEST or not _LINE.fullmatch(line):
        return
    found = _COMMAND.fullmatch(fold(line))
    verb = words().verbs.get(found["verb"]) if found else None
    if found and verb:
        yield from (Command(verb, case) for case in _CASE.findall(found["cases"]))
