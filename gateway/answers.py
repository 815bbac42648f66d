"""Mails that answer a letter of ours, told by its Message-ID in them: whose they are, and what they say themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.hypertext import lines_of
from gateway.letter import LETTER_ID
from gateway.model import Mail

# What a mailbox is asked for, beside the mails of those who were written to.
SEARCH = (("HEADER", "In-Reply-To", "<rsvpd."), ("HEADER", "References", "<rsvpd."))

_LONGEST = 4000  # characters of an answer that are read
_TELLING = 20  # characters of a line of ours that nobody else writes
_QUOTED = re.compile(r"\s*>")
_SIGNATURE = re.compile(r"-- ?")
_RULE = re.compile(r"\s*(?:[-_=*]{5,}|-{2,}[^-]{1,60}-{2,})\s*")  # "-----Original Message-----" in any language
# "From: Ada Miller <ada@example.org>" above "Sent: ...", the same
_HEAD = re.compile(r"^[ \t]*\*?\w{2,12}[ ]?:\*?[ ][^\n@]*@[^\n]*\n[ \t]*\*?\w{2,12}[ ]?:\*?[ ]", re.MULTILINE)
_MOST_INTRODUCING = 3  # lines of "On Monday, Ada Miller wrote:"
_MACHINE_FIELDS = (
    "List-Id",
    "List-Post",
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Auto-Response-Suppress",
)
_BULK = frozenset({"bulk", "list", "junk", "auto_reply"})


def letters_answered(mail: Mail) -> tuple[str, ...]:
    """Message-IDs of ours that the mail says it answers."""
    values = (*mail.header("In-Reply-To"), *mail.header("References"))
    return tuple(dict.fromkeys(found for value in values for found in LETTER_ID.findall(value)))


def is_automatic(mail: Mail) -> bool:
    """Whether a machine or a list sent the mail, not a person to the owner (RFC 3834, and what others do)."""
    submitted = (value.partition(";")[0].strip().lower() for value in mail.header("Auto-Submitted"))
    return (
        any(value not in ("", "no") for value in submitted)
        or is_bulk(mail)
        or any(mail.header(field) for field in _MACHINE_FIELDS)
        or any(value.strip() == "<>" for value in mail.header("Return-Path"))
        or "multipart/report" in mail.content_types[:1]
    )


def is_bulk(mail: Mail) -> bool:
    """Whether the mail says that many got it, or that a machine answers."""
    return any(value.strip().lower() in _BULK for value in mail.header("Precedence"))


def own_words(mail: Mail, letter: str) -> str:
    """What the sender wrote: without quotes, without the letter it answers and all below it, without a signature."""
    text = mail.text if mail.text.strip() else "\n".join(line.text for line in lines_of(mail.html))
    text = _HEAD.split(text[: 2 * _LONGEST], maxsplit=1)[0]
    ours = {" ".join(line.split()) for line in letter.splitlines()}
    telling = tuple(line for line in ours if len(line) >= _TELLING)
    kept: list[str] = []
    for line in text.splitlines():
        bare = " ".join(line.split())
        if _QUOTED.match(line):
            _drop_introduction(kept, ours)
        elif _SIGNATURE.fullmatch(line) or _RULE.fullmatch(line) or _holds(bare, telling):
            _drop_introduction(kept, ours)
            break
        else:
            kept.append(line.rstrip())
    return "\n".join(kept).strip()[:_LONGEST]


def _holds(line: str, telling: Iterable[str]) -> bool:
    return any(ours in line for ours in telling)


def _drop_introduction(kept: list[str], ours: set[str]) -> None:
    """Take away what only leads to a quote: "On Monday, Ada Miller wrote:", or the greeting of the letter."""
    while kept and (not kept[-1] or " ".join(kept[-1].split()) in ours):
        kept.pop()
    if not kept or not kept[-1].endswith(":"):
        return
    start = len(kept) - 1
    while start and kept[start - 1] and len(kept) - start < _MOST_INTRODUCING:
        start -= 1
    if start and kept[start - 1]:
        start = len(kept) - 1  # a paragraph of the sender's own that ends so
    del kept[start:]
