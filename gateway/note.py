"""What an inviter wrote, read as a person would: the network's stock sentence, or words of their own and their claims.

Reads the words only. Whether a claim is true is the dossier's business; nothing in a note is ever an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from gateway.language import Languages
from gateway.model import Evidence, Note, NoteKind, Notification, Signal
from gateway.phrasebook import Phrasebook, phrasebooks
from gateway.stock import StockSentences
from gateway.thesaurus import topic_phrases
from gateway.wording import WORD, Phrase, Phrases, bare, fold, plain

# What stands before "but" denies nothing behind it.
_CLAUSE = re.compile(r"[.!?;:,\n]|\b(?:but|however|aber|sondern|jedoch|mais|pero|sino|mas|maar)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?\n]")
_LONGEST = 4000  # characters that are read; networks allow 300, old guest forms a few more
_BEFORE = 3  # words before a phrase in which "not" denies it
_BEHIND = 2  # and behind it, where the language puts it there
_PLACE_WORDS = 9  # most words of a place or an occasion


@dataclass(frozen=True, slots=True)
class _Hit:
    """A phrase that stands in a note, and where."""

    phrase: Phrase
    found: re.Match[str]

    @property
    def signal(self) -> Signal:
        return self.phrase.signal

    @property
    def start(self) -> int:
        return self.found.start()

    @property
    def end(self) -> int:
        return self.found.end()


@dataclass(frozen=True)
class Reader:
    """Reads notes to one owner; `names` are what people call the owner, `topics` what the owner cares about."""

    names: tuple[str, ...]
    topics: tuple[str, ...]

    def __post_init__(self) -> None:
        # Files are read now: one that cannot be must not come up between a mail and its judgement.
        _languages(), _stock_sentences(), _phrases_of(self.topics)

    def read(self, notification: Notification) -> Note:
        """The note of a notification: its kind, its bare text, what it claims and in which words."""
        text = plain((notification.note or "")[:_LONGEST])
        if not text.strip():
            return Note(NoteKind.DEFAULT, None, language=notification.language)
        inviter = notification.inviter.name if notification.inviter and notification.inviter.name else ""
        names = frozenset(fold(" ".join((*self.names, inviter))).split())
        stock = _stock_sentences().find(notification.note or "", names)
        if stock:
            return Note(NoteKind.DEFAULT, stock.text, language=stock.language)
        return self._personal(text, notification)

    @property
    def _own_words(self) -> frozenset[str]:
        return frozenset(fold(" ".join(self.names)).split())

    def _personal(self, text: str, notification: Notification) -> Note:
        language = _languages().tell(text, notification.language or "en")
        book = phrasebooks().get(language)
        if book is None or not book.reads:
            return Note(NoteKind.PERSONAL, notification.note, language=language, read=False)
        claims = list(_claims(text, book, self._own_words))
        touched = ((Signal.TOPIC, *found.span()) for _, found in _phrases_of(self.topics).find(bare(text)))
        spans = _widest((*((hit.signal, hit.start, hit.end) for hit in claims), *touched))
        return Note(
            NoteKind.PERSONAL,
            notification.note,
            evidence=tuple(_once(Evidence(signal, text[start:end]) for signal, start, end in spans)),
            language=language,
            referee=next(filter(None, (_name(hit) for hit in claims)), None),
            place=next(filter(None, (_place(hit, text, book) for hit in claims)), None),
        )


# What a reader needs, made once for all owners: a thousand of them would hold it a thousand times.


@cache
def _languages() -> Languages:
    return Languages(tuple(phrasebooks().values()))


@cache
def _stock_sentences() -> StockSentences:
    return StockSentences(tuple(phrasebooks().values()))


@lru_cache(maxsize=64)
def _phrases_of(topics: tuple[str, ...]) -> Phrases:
    return Phrases(topic_phrases(topics))


def _claims(text: str, book: Phrasebook, owner: frozenset[str]) -> Iterator[_Hit]:
    """What a note claims, without what it denies and without what another claim already covers."""
    folded = bare(text)
    found = [_Hit(phrase, found) for phrase, found in book.phrases.find(folded)]
    if not found:
        return
    harmless = [_Hit(phrase, found) for phrase, found in book.harmless_phrases.find(folded)]
    told = [hit for hit in found if not any(_makes_harmless(other, hit) for other in harmless)]
    told = [hit for hit in told if not _denied(hit, folded, book) and not _addresses(hit, owner)]
    told = sorted(told, key=lambda hit: hit.start)
    hits = [hit for hit in told if not hit.phrase.hint or _is_seconded(hit, told)]
    yield from (hit for hit in hits if not any(_outdoes(other, hit) for other in hits))


def _addresses(hit: _Hit, owner: frozenset[str]) -> bool:
    """Whether the third person a referral names is the owner, who is only being addressed."""
    return not owner.isdisjoint(fold(_name(hit) or "").split())


def _makes_harmless(harmless: _Hit, hit: _Hit) -> bool:
    return harmless.signal is hit.signal and harmless.start <= hit.start < harmless.end


def _is_seconded(hint: _Hit, hits: Iterable[_Hit]) -> bool:
    """Whether a hint of another kind stands in the note, and no phrase that says by itself what they hint at."""
    others = {hit.phrase.hint for hit in hits if hit.signal is hint.signal and not _overlap(hit, hint)}
    return "" not in others and bool(others - {hint.phrase.hint})


def _overlap(one: _Hit, other: _Hit) -> bool:
    return one.start < other.end and other.start < one.end


def _outdoes(claim: _Hit, hit: _Hit) -> bool:
    """Whether a claim leaves nothing of its own to a further phrase of the note."""
    match claim.signal, hit.signal:
        case Signal.PITCH, Signal.REASON:  # a pitch's purpose is the pitch
            return True
        case Signal.PITCH, Signal.SHARED:  # "we help companies like yours"
            return claim.start <= hit.end and hit.start <= claim.end + 1
        case Signal.INTRODUCTION, Signal.REASON:  # "could you" of "could you introduce me"
            return hit.start < claim.end and not _SENTENCE_END.search(hit.found.string, hit.start, claim.start)
        case Signal.REFERRAL, Signal.SHARED:  # "my neighbour Ada said": no neighbour of the owner's
            return claim.start <= hit.end + 1 and hit.start <= claim.end
        case Signal.REFERRAL, Signal.MET:  # "Ada told me", and what she told
            return claim.start <= hit.start and hit.end <= claim.end
        case Signal.MET, Signal.REASON:  # "thanks for your advice" asks for none
            return _overlap(claim, hit)
        case Signal.MET, Signal.SHARED:  # meeting at an event is no further thing in common
            return claim.start <= hit.start and hit.end <= claim.end and _names_an_event(claim)
    return False


def _names_an_event(claim: _Hit) -> bool:
    sentence = fold(_CLAUSE.split(claim.found.string[claim.start :], maxsplit=1)[0])
    return any(f" {fold(event)} " in f" {sentence} " for event in claim.phrase.lists["event"])


def _denied(hit: _Hit, text: str, book: Phrasebook) -> bool:
    """Whether a word of negation stands by the phrase; a phrase that holds one itself means what it says."""
    negators = book.bare_negators
    if not negators.isdisjoint(hit.phrase.bare_words):
        return False
    start, end = hit.start, hit.end
    before = _CLAUSE.split(text[max(0, start - 80) : start])[-1].lower()
    behind = _CLAUSE.split(text[end : end + 40])[0].lower() if book.negates_behind else ""
    inside = hit.found[0].lower()
    for harmless in book.bare_not_negating:
        before, behind = before.replace(harmless, " "), behind.replace(harmless, " ")
    near = (*WORD.findall(before)[-_BEFORE:], *WORD.findall(inside), *WORD.findall(behind)[:_BEHIND])
    return not negators.isdisjoint(near)


def _name(hit: _Hit) -> str | None:
    """The third person a referral names."""
    if hit.signal is not Signal.REFERRAL:
        return None
    return hit.found.groupdict().get("name")


def _place(hit: _Hit, text: str, book: Phrasebook) -> str | None:
    """Where, or on what occasion, a claimed meeting was: what follows "at" or "in", up to the end of the thought."""
    if hit.signal is not Signal.MET:
        return None
    words = list(WORD.finditer(text, hit.start))
    for number, word in enumerate(words[: len(WORD.findall(hit.found[0])) + _PLACE_WORDS]):
        if _leads_to_a_place(word, book) and number + 1 < len(words) and not _leads_to_a_place(words[number + 1], book):
            place = _until_it_ends(text, words[number + 1 : number + 1 + _PLACE_WORDS], book)
            if place:
                return place
    return None


def _leads_to_a_place(word: re.Match[str], book: Phrasebook) -> bool:
    return bare(word[0]).lower() in book.places


def _until_it_ends(text: str, words: list[re.Match[str]], book: Phrasebook) -> str | None:
    start = end = words[0].start()
    for word in words:
        parted = _CLAUSE.search(text, end, word.start()) if end > start else None
        if parted or bare(word[0]).lower() in book.place_ends:
            break
        end = word.end()
    place = text[start:end]
    return place if any(char.isupper() or char.isdigit() for char in place) else None


def _widest(spans: Sequence[tuple[Signal, int, int]]) -> list[tuple[Signal, int, int]]:
    """Without those that lie within another of the same signal: the same words would be told twice."""
    reach: dict[Signal, int] = {}
    wide = set()
    for signal, start, end in sorted(spans, key=lambda span: (span[1], -span[2])):
        if end > reach.get(signal, 0):
            reach[signal] = end
            wide.add((signal, start, end))
    return [span for span in spans if span in wide]


def _once(evidence: Iterable[Evidence]) -> Iterator[Evidence]:
    yield from dict.fromkeys(evidence)
