"""What the summary says of a person's invitation, and of what happened in a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gateway.agenda import drafted, observed, to_paste, too_old
from gateway.commands.verbs import Verb
from gateway.digest.shown import shown, web_address
from gateway.digest.words import Words
from gateway.journal.entries import ON_THE_WIRE
from gateway.model import AnswerLink, Entry, State, Verdict

Links = Mapping[str, tuple[AnswerLink, ...]]  # by case
Texts = Mapping[str, str]  # by case

COUNTED = (State.SENT, State.HELD, State.DUE, State.REFUSED, State.UNCERTAIN)
_QUOTE, _NAME, _HEADLINE = 500, 80, 120  # characters of what strangers write; a notification can be very long
_MOST_REASONS = 6
# What would change nothing is not offered: an answer that is out cannot be given otherwise.
_SAID = frozenset({Verb.DECLINE, Verb.QUIETLY, Verb.ASK})
_POINTLESS: dict[str, frozenset[str]] = {
    "answered": frozenset({Verb.DECLINE}),
    "paste": frozenset({Verb.DECLINE}),
    "drafted": frozenset({Verb.DECLINE}),
    "observed": frozenset({Verb.DECLINE}),
    "quiet": frozenset({Verb.QUIETLY}),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A person's invitation, or a line about something else."""

    case: str = ""
    name: str = ""
    headline: str = ""
    network: str = ""
    profile_url: str = ""
    quote: str = ""  # what the inviter wrote
    reasons: tuple[str, ...] = ()  # of the decision, the most telling first
    lines: tuple[tuple[str, str], ...] = ()  # a label, which may be empty, and what it says
    paste: tuple[str, str] = ("", "")  # a text to paste into the network, behind what it is for
    hint: str = ""  # what the owner may do, in our own words alone
    warning: str = ""
    links: tuple[AnswerLink, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what it means, and its items."""

    key: str
    title: str
    hint: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class People:
    """Makes items of people's invitations, with the links that the owner may answer by."""

    words: Words
    links: Links
    texts: Texts

    def section(self, key: str, entries: Iterable[Entry]) -> Section:
        return Section(key, *self.words.section(key), tuple(self._item(entry, key) for entry in entries))

    def told(self, key: str, events: Iterable[tuple[str, str]], opened_by: Mapping[str, Entry]) -> Section:
        """A section of what happened in cases, of whatever week these are."""
        items = tuple(self._event(case, shown(what, _QUOTE), opened_by.get(case), key) for case, what in events)
        return Section(key, *self.words.section(key), items)

    def _event(self, case: str, what: str, entry: Entry | None, key: str) -> Item:
        if entry is None or not is_told(entry):
            return Item(lines=(("", f"{case}: {what}"),))
        draft = self.words.section("drafted")[1] if drafted(entry) else ""
        lines = (what, "" if key == "wrote" else draft or self._outcome(entry))
        return replace(self._person(entry, key), lines=tuple(("", line) for line in lines if line))

    def _item(self, entry: Entry, key: str) -> Item:
        account = entry.judgement or {}
        note = account["note"]
        because, known_why = [shown(reason) for reason in account["because"]], shown(account.get("known_why") or "")
        lines = []
        if key == "needs" and known_why and known_why not in because:
            lines.append((self.words("item.records"), known_why))
        lines.append(("", self._outcome(entry)))
        return replace(
            self._person(entry, key),
            quote=shown(note["text"], _QUOTE) if note["kind"] == "personal" and note["text"] else "",
            reasons=tuple(because[:_MOST_REASONS]),
            lines=tuple((label, text) for label, text in lines if text),
            paste=self._paste(entry, key),
            hint=self.words("trouble.retry", case=entry.case) if key == "trouble" else "",
        )

    def _person(self, entry: Entry, key: str) -> Item:
        """Who it is, and what the owner may answer."""
        account = entry.judgement or {}
        inviter = account["inviter"] or {}
        # A link in a mail that somebody may have forged is no place to send the owner to.
        proved = account["authentic"] == "pass"
        pointless = _SAID if entry.state in ON_THE_WIRE or key == "back" else _POINTLESS.get(key, frozenset())
        if key == "overruled" and entry.verdict is Verdict.ACCEPT:
            pointless |= {Verb.ACCEPT}
        return Item(
            case=entry.case or "",
            name=shown(inviter.get("name") or "", _NAME) or self.words("item.nameless"),
            headline=shown(inviter.get("headline") or "", _HEADLINE),
            network=account["network"] or "",
            profile_url=web_address(inviter.get("profile_url") or "") if proved else "",
            warning="" if proved else self.words("item.forged"),
            links=tuple(link for link in self.links.get(entry.case or "", ()) if link.verb not in pointless),
        )

    def _paste(self, entry: Entry, key: str) -> tuple[str, str]:
        """A text to paste into the network, and what it is for."""
        if key == "paste" and entry.reply:
            return self.words("item.text"), shown(entry.reply.short, _QUOTE)
        text = self.texts.get(entry.case or "")
        if key == "needs" and text:
            return self.words("item.text_to_decline"), shown(text, _QUOTE)
        return "", ""

    def _outcome(self, entry: Entry) -> str:
        why = shown(entry.why)
        if entry.state is State.CLOSED:
            told = any(is_so(entry) for is_so in (to_paste, drafted, observed, too_old))  # by the section
            return f"{why[:1].upper()}{why[1:]}." if why and not told and not entry.dealt_with else ""
        if entry.state not in COUNTED:
            return ""
        to = shown(entry.reply.to) if entry.reply and entry.reply.to else "-"
        return self.words(f"item.{entry.state}", to=to, why=why).strip()


def is_told(entry: Entry) -> bool:
    """Whether it is known who it is about: the owner may have had them erased."""
    return entry.judgement is not None
