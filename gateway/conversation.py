"""What inviters write back: an answer opens its case again, and nobody but the owner goes on from there."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable, Container
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway import answers
from gateway.errors import Ambiguous, Unreadable
from gateway.events import LogEvent
from gateway.model import Authentic, Case, Decision, Entry, Judgement, Kind, Mail, Verdict

if TYPE_CHECKING:
    from gateway.journal import Journal

log = logging.getLogger(__name__)

ASK_WHY = "ask-why"  # the template whose answer is read as the note that was missing
WITHIN = timedelta(days=60)  # a mail from an address we wrote to counts as an answer
_MOST_ADDRESSES = 50  # that a mailbox is asked for
_EXCERPT = 300  # characters of an answer in the history of its case


def search(journal: Journal, now: datetime) -> tuple[tuple[str, ...], ...]:
    """What a mailbox is asked for: mails that name a letter of ours, and those of people lately written to."""
    awaited = journal.conversation.awaited(now - WITHIN, _MOST_ADDRESSES)
    return (*answers.SEARCH, *(("FROM", address) for address in awaited))


def hear(
    mail: Mail,
    entry: Entry,
    journal: Journal,
    again: Callable[[str, Entry], Decision | None],
    *,
    own: Container[str],
    now: datetime,
) -> str:
    """Write an answer to a letter of ours into its case; what the mail is, "" for one that answers none.

    `again` is what the policy says to words in place of the note, `own` are the owner's addresses.
    """
    sender = mail.from_[0].address.lower() if len(mail.from_) == 1 else ""
    if not sender or sender in own:
        return ""
    letter = journal.conversation.letter(answers.letters_answered(mail))
    proved = letter is not None  # only who got a letter knows its Message-ID
    letter = letter or journal.conversation.written_to(sender, now - WITHIN)
    case = journal.case(letter.case) if letter and letter.case else None
    if letter is None or case is None:
        return ""
    if answers.is_automatic(mail):
        journal.conversation.noted(case, entry, f"{sender}: {mail.subject}", now)
        return f"an automatic answer in {case.name}"
    words = answers.own_words(mail, letter.reply.body if letter.reply else "")
    verdict, because = _verdict(case, letter, words, again) if proved else (Verdict.HUMAN, "")
    said = textwrap.shorten(words, _EXCERPT, placeholder=" ...")
    how = "answers your letter" if proved else "writes, from the address you wrote to"
    journal.conversation.answered(case, entry, verdict, f'{sender} {how}: "{said}"{because}', now)
    told = LogEvent.ANSWERED.of(entry=entry.key[:8], case=case.name)
    log.info("%s answers %s: %s", entry.key[:8], case.name, verdict, extra=told)
    return f"an answer in {case.name}"


def _verdict(
    case: Case, letter: Entry, words: str, again: Callable[[str, Entry], Decision | None]
) -> tuple[Verdict, str]:
    """What an answer makes of its case: who was asked why is decided again, but never declined by a second letter."""
    asked = letter.reply is not None and letter.reply.template == ASK_WHY
    try:
        decision = again(words, letter) if asked and words and case.decided_by == "policy" else None
    except (Unreadable, Ambiguous):  # the invitation, by what is known of networks today
        decision = None
    if decision is None:
        return Verdict.HUMAN, ""
    verdict = Verdict.ACCEPT if decision.verdict is Verdict.ACCEPT else Verdict.HUMAN
    return verdict, f" (rule {decision.rule}: {'; '.join(decision.because)})"


def hear_of_acceptance(judgement: Judgement, entry: Entry, journal: Journal, now: datetime) -> None:
    """Note in the case of somebody who was declined that they are a connection now."""
    findings = judgement.findings
    if findings is None or findings.notification.kind is not Kind.ACCEPTED:
        return
    if findings.notification.accepted_by and findings.provenance.authentic is Authentic.PASS:
        journal.conversation.connected(findings.notification, entry, now)
