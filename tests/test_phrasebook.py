"""The phrasebooks and fields are data a non-programmer may edit: what can be wrong in them shows here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.language import Languages
from gateway.model import Kind, NoteKind, Notification, Signal
from gateway.note import Reader
from gateway.phrasebook import Phrasebook, phrasebooks
from gateway.thesaurus import topic_phrases
from gateway.wording import Phrase, Phrases, bare, fold

READ = ("de", "en", "es", "fr", "it", "nl", "pt")
EVERY = tuple(phrasebooks())


def phrases(book: Phrasebook) -> tuple[Phrase, ...]:
    return tuple(
        Phrase(text, signal, book.lists, tuple(book.not_names))
        for signal, texts in book.signals.items()
        for text in texts
    )


def words(text: str, phrase: str) -> list[str]:
    found = Phrases([Phrase(phrase, Signal.MET, {"event": ("workshop", "summer school")}, ("She",))])
    return [match[0] for _, match in found.find(text)]


@pytest.mark.parametrize("language", READ)
def test_a_phrasebook_that_reads_has_phrases_for_every_signal_of_its_own(language: str) -> None:
    assert set(phrasebooks()[language].signals) == set(Signal) - {Signal.TOPIC}


@pytest.mark.parametrize("language", READ)
def test_every_phrase_can_be_found_by_a_word_and_matches_no_empty_text(language: str) -> None:
    for phrase in phrases(phrasebooks()[language]):
        assert phrase.keys, phrase.text
        assert not phrase.pattern.search(""), phrase.text


HOLES = {"NAME": "Ada", "WORD": "any", "NUMBER": "12", "YEAR": "2014", "PERCENT": "40 %", "MONEY": "20 euro"}


def written_out(phrase: Phrase) -> Iterator[str]:
    """Texts a phrase is made for: each of its choices once, beside the first of all others."""
    elements = [element for element in phrase.text.split() if not element.startswith(("[", "!")) and "]" not in element]
    choices = [
        [HOLES.get(choice, choice.replace("*", "en")) for choice in phrase.alternatives(element.partition("!")[0])]
        if element not in ("^", "...", "?")
        else ["?" if element == "?" else ""]
        for element in elements
    ]
    for place, chosen in enumerate(choices):
        for choice in chosen:
            yield " ".join([*(one[0] for one in choices[:place]), choice, *(one[0] for one in choices[place + 1 :])])


@pytest.mark.parametrize("language", READ)
def test_a_phrase_is_looked_for_wherever_its_pattern_finds_it(language: str) -> None:
    texts = [(phrase, bare(text)) for phrase in phrases(phrasebooks()[language]) for text in written_out(phrase)]
    standing = [(phrase, text) for phrase, text in texts if phrase.pattern.search(text)]

    assert len(standing) > len(texts) / 2
    assert [text for phrase, text in standing if not any(Phrases([phrase]).find(text))] == []


def test_a_phrase_is_looked_for_only_where_every_word_it_needs_may_stand() -> None:
    phrase = Phrase("we met/spoke ... at the {event}", Signal.MET, {"event": ("workshop",)})

    list(Phrases([phrase]).find("We are at the workshop."))
    assert "pattern" not in vars(phrase)  # not even compiled

    assert list(Phrases([phrase]).find("We met briefly at the workshop."))


@given(st.text(st.characters(max_codepoint=127)))
def test_a_word_by_itself_is_folded_as_in_a_sentence(text: str) -> None:
    assert fold(text) == fold(f" {text} ")


@pytest.mark.parametrize("language", EVERY)
def test_every_stock_sentence_is_stock_in_its_language(language: str) -> None:
    reader = Reader(("Clara Norden",), ())
    for sentence in phrasebooks()[language].stock:
        note = reader.read(Notification("linkedin", Kind.INVITATION, note=f"Clara,\n{sentence}"))

        assert (note.kind, note.text, note.language) == (NoteKind.DEFAULT, sentence, language)


@pytest.mark.parametrize("language", EVERY)
def test_a_phrasebook_tells_its_own_language(language: str) -> None:
    languages = Languages(tuple(phrasebooks().values()))
    common = " ".join(sorted(phrasebooks()[language].common))

    assert languages.tell(common, "en") == language


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("an a* day", "an April day", ["an April day"]),
        ("we met/spoke", "First we met, then we spoke.", ["we met", "we spoke"]),
        ("we [really] met", "We really met! we met", ["We really met", "we met"]),
        ("recommend*", "She recommends and recommended it", ["recommends", "recommended"]),
        ("at the {event}", "at the workshop, at the summer school", ["at the workshop", "at the summer school"]),
        ("we ... met", "we two have once met", ["we two have once met"]),
        ("we ... met", "we talked. Then others met", []),
        ("NAME said", "Ada van Dam said; she said; She said", ["Ada van Dam said"]),
        ("NAME's advice", "on O'Neill's advice", ["O'Neill's advice"]),
        ("WORD desk", "your desk", ["your desk"]),
        ("to !join/add", "to join, to build", ["to build"]),
        ("für Sie", "fur Sie, fuer Sie", ["fur Sie", "fuer Sie"]),
        ("i'd like", "I'd like", ["I'd like"]),
        ("you *ed me", "You fixed me; you fed me; you ed me", ["You fixed me"]),
        ("wir ge*t", "wir gelacht, wir gehen", ["wir gelacht"]),
        ("{event}!workshop now", "workshop now, summer school now", ["summer school now"]),
        ("up to PERCENT/MONEY", "up to 40 %, up to £20k, up to us", ["up to 40 %", "up to £20k"]),
        ("MONEY", "a 20 euro note", ["20 euro"]),
        ("since YEAR", "since 2014, since 3014", ["since 2014"]),
        ("NUMBER friends", "12 friends", ["12 friends"]),
        ("told by my/NAME", "told by Ada, told by my, told by me", ["told by Ada", "told by my"]),
        ("which ... ?", "Which edition? The one which I have.", ["Which"]),
        ("^ same", "Same here. It is the same.", ["Same"]),
        ("do you remember ...", "Do you remember Kiel in May? I do.", ["Do you remember Kiel in May"]),
    ],
)
def test_the_marks_of_a_phrase_mean_what_the_phrasebook_says(phrase: str, text: str, expected: list[str]) -> None:
    assert words(text, phrase) == expected


def test_a_phrase_said_a_thousand_times_is_found_a_few_times() -> None:
    assert 1 < len(words("we met " * 1000, "we met")) < 20


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        ("marine biology", "the plankton samples"),
        ("Meeresbiologie", "unsere Korallen"),
        ("marine biology", "la biologie marine à Brest"),
        ("jazz piano", "my big band"),
        ("supply chain", "Ihre Logistik"),
        ("machine learning", "redes neuronales"),
        ("public health", "the measles outbreak"),
        ("typography", "old letterforms"),
        ("formal verification", "checked with Dafny"),
        ("music", "I sing alto"),
        ("type systems", "Ihre Typsysteme"),
        ("falconry", "a falconry club"),
        ("beehive acoustics", "acoustics of a hive, beehive acoustics"),
        ("prison reform", "released on probation"),
        ("glaciers", "a glacier in Norway"),
        ("railway history", "the old locomotive"),
        ("timber bridges", "a beam of timber"),
    ],
)
def test_a_topic_is_touched_by_what_belongs_to_it(topic: str, text: str) -> None:
    assert list(Phrases(topic_phrases((topic,))).find(text))


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        ("marine biology", "We met at the workshop in Lyon and I enjoyed your talk on trains."),
        ("typography", "I am a software engineer looking for new challenges."),
        ("choral music", "Our guitar shop sells strings."),
        ("public health", "Let us meet for lunch at the law school."),
        ("timber bridge design", "She likes the design."),
        ("rowing", "We sat in the third row."),
        ("law", "Lei conosce mio padre?"),
    ],
)
def test_a_topic_is_not_touched_by_what_is_next_to_it(topic: str, text: str) -> None:
    assert not list(Phrases(topic_phrases((topic,))).find(text))
