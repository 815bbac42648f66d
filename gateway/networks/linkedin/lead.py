"""LinkedIn's own lines above a note: "Hi bob," and "Ada Miller would like to connect on LinkedIn"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.mail import plain
from gateway.networks.linkedin import words
from gateway.networks.linkedin.paragraphs import Paragraph

_GREETING = re.compile(r"\S+(?: \S+)?\s?[,:!]")
_GREETS_ADDRESS = re.compile(r"\S+ \S+@\S+[,:!]")  # "Hi bob@example.org,": nobody who writes to Bob does
_LONGEST = 400  # characters of a lead-in, with the inviter's headline in it
_HIGHEST = 3  # paragraphs a lead-in takes at most: head, words and rule


@dataclass(frozen=True, slots=True)
class Lead:
    """What is known of an invitation before its body is read."""

    called: str | None  # the inviter's name as the header has it
    is_reminder: bool
    may_show_block: bool = True  # False: the page of a mail of 2009 to 2011 shows that it has none

    def height(self, paragraphs: Sequence[Paragraph]) -> int:
        """How many paragraphs at the top are LinkedIn's own."""
        headed = bool(paragraphs) and _is_head(paragraphs[0])
        height = 0
        for number, paragraph in enumerate(paragraphs[:_HIGHEST]):
            if (headed and _is_ruled(paragraph)) or self._is_lead_in(paragraph):
                height = number + 1
            elif not headed and not _is_greeting(paragraph):
                break
        return height

    def announces_block(self, paragraphs: Sequence[Paragraph]) -> bool:
        """Whether the inviter's block stands right below the lead-in, above the note."""
        height = self.height(paragraphs)
        return 0 < height < len(paragraphs) and words.announces_block(paragraphs[height - 1][0].text)

    def _is_lead_in(self, paragraph: Paragraph) -> bool:
        if len(paragraph) > 1 or len(paragraph[0].text) > _LONGEST:
            return False
        text = plain(paragraph[0].text)
        if _GREETS_ADDRESS.fullmatch(text):
            return True
        # Reminders begin with the inviter's name in every language.
        reminded = self.is_reminder and self.called is not None and text.startswith(self.called)
        return reminded or words.is_lead_in(text, self.called)


def _is_head(paragraph: Paragraph) -> bool:
    return len(paragraph) > 1 and paragraph[0].text == "LinkedIn" and _is_ruled(paragraph)


def _is_ruled(paragraph: Paragraph) -> bool:
    """Whether a paragraph ends in a line drawn across the mail, or is nothing else."""
    return words.is_rule(paragraph[-1].text) and (len(paragraph) == 1 or paragraph[0].text == "LinkedIn")


def _is_greeting(paragraph: Paragraph) -> bool:
    return len(paragraph) == 1 and _GREETING.fullmatch(paragraph[0].text[:_LONGEST]) is not None
