"""What a headline or a note says of somebody's place at the owner's institution; the words stand in roles/."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

from gateway.roles import role_words


class Affiliation(StrEnum):
    """A person's place at the institution; what the text does not say is unknown and counts against nobody."""

    STUDENT = "student"
    POSTDOC = "postdoc"
    ALUMNUS = "alumnus"
    MEMBER = "member"


_WORD = re.compile(r"\w+")
_LONGEST_HEADLINE = 400  # characters that are looked at
_BARS = re.compile(r"\s*[|•▪◦]\s*|\s+[·–—/-]\s+")
# "Prof. Miller" and "M.Sc. in" end no sentence: what follows a full stop must be long enough to be one.
_SENTENCE_ENDS = re.compile(r"[!?;:\n]+|(?<=[a-zß)]{4})\.\s|,\s|\s(?:and|but|und|aber|et|mais|pero|ma|mas|maar)\s")


class _Span(NamedTuple):
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Institution:
    """The owner's institution, recognisable in other word orders and languages."""

    name: str
    words: tuple[str, ...]  # sorted; kind words as the kind they mean, small words left out

    @classmethod
    def named(cls, name: str) -> Institution:
        return cls(name, tuple(sorted(token.word for token in _tokens(fold(name)))))

    @property
    def own_words(self) -> frozenset[str]:
        """What is its own in the name: "lindenhof" of "Lindenhof University"."""
        return frozenset(word for word in self.words if not word.startswith("+"))

    def may_stand_in(self, text: str) -> bool:
        """Whether it is worth a closer look: nearly all texts name no institution of the owner's."""
        return all(word in text for word in self.own_words)

    def spans(self, text: str) -> Iterator[_Span]:
        """Where a folded text names it: its words side by side in any order, and nothing that makes it another."""
        tokens, size = list(_tokens(text)), len(self.words)
        for first in range(len(tokens) - size + 1):
            window = tokens[first : first + size]
            span = _Span(window[0].span.start, window[-1].span.end)
            if tuple(sorted(token.word for token in window)) == self.words and not _another(text, tokens, first, size):
                yield span

    def is_the_place(self, clause: str) -> bool:
        """Whether a clause about studies names it or just its place ("in Lindenhof")."""
        if any(self.spans(clause)):
            return True
        tokens = [token.word for token in _tokens(clause)]
        return set() < self.own_words <= set(tokens) and not any(token.startswith("+") for token in tokens)


class _Token(NamedTuple):
    word: str  # "+university" for any word that means one
    span: _Span


def _tokens(text: str) -> Iterator[_Token]:
    kinds, small = role_words().kinds, role_words().small
    for found in _WORD.finditer(text):
        word = found[0]
        if word == "tu":
            yield _Token("+technical", _Span(*found.span()))
            yield _Token("+university", _Span(*found.span()))
        elif word not in small:
            yield _Token(f"+{kinds[word]}" if word in kinds else word, _Span(*found.span()))


def _another(text: str, tokens: list[_Token], first: int, size: int) -> bool:
    """Whether what stands around it makes it another institution: "Technical ...", "... of Applied Sciences"."""
    start, end = tokens[first].span.start, tokens[first + size - 1].span.end
    if re.match(
        r" (?:of|fur) (?:[a-z]+ ){0,2}(?:applied|technology|arts?|music|education|medicine|sciences?)\b", text[end:]
    ):
        return True
    before = tokens[first - 1] if first else None
    if before is None or text[before.span.end : start].strip():
        return False
    return before.word == "+technical" or before.word in role_words().another


def affiliation(headline: str | None, note: str | None, institutions: Sequence[Institution]) -> Affiliation | None:
    """The place at one of the institutions that headline or note tells; None where neither does."""
    heading, text, told = fold((headline or "")[:_LONGEST_HEADLINE]), fold(note or ""), set()
    if named := [institution for institution in institutions if institution.may_stand_in(heading)]:
        told = {found for part in _parts(heading, named) if (found := _of_part(part, named))}
    named = [institution for institution in institutions if institution.may_stand_in(text)]
    if named and any(_says_alumnus(clause, named) for clause in _SENTENCE_ENDS.split(text)):
        told.add(Affiliation.ALUMNUS)
    return next((place for place in Affiliation if place in told), None)


def speaks_of(patterns: Iterable[str], headline: str | None, place: Affiliation) -> bool:
    """Whether a group's patterns fit somebody with that place: by the place's own name, or words of the headline."""
    folded = fold(headline or "")
    return any(_fits(fold(pattern), folded, place) for pattern in patterns)


def _fits(pattern: str, headline: str, place: Affiliation) -> bool:
    if fnmatchcase(place, pattern):
        return True
    # "Student" in the headline of who recruits them is no student: words for a place are a matter of the place.
    meant = next((told for told, role in _roles() if role.fullmatch(pattern.rstrip("*"))), place)
    return meant is place and re.search(rf"(?<!\w){_words(pattern)}(?!\w)", headline) is not None


def _words(pattern: str) -> str:
    """The pattern as a regular expression that never takes more than quadratic time, however many stars there are."""
    first, *rest = (re.escape(part).replace(r"\?", r"\w") for part in pattern.split("*"))
    # The first place where a part between stars fits serves as well as any later one.
    return first + "".join(rf"(?>\w*?{part})" for part in rest[:-1]) + "".join(rf"\w*{part}" for part in rest[-1:])


def _parts(headline: str, institutions: Sequence[Institution]) -> Iterator[str]:
    """The parts between bars, each of one place or time; a bare institution belongs to the part beside it."""
    parts = [part for part in _BARS.split(headline) if part]
    for number, part in enumerate(parts):
        beside = (parts[number + 1 : number + 2] or [""])[0], parts[0] if number == 1 else ""
        bare = next((text for text in beside if _is_one_of(institutions, text)), None)
        yield f"{part}, {bare}" if bare and not role_words().elsewhere.search(part) else part


def _is_one_of(institutions: Sequence[Institution], text: str) -> bool:
    return any(span == (0, len(text)) for institution in institutions for span in institution.spans(text))


def _roles() -> tuple[tuple[Affiliation, re.Pattern[str]], ...]:
    words = role_words()
    return (Affiliation.POSTDOC, words.postdoc), (Affiliation.STUDENT, words.student)


def _of_part(part: str, institutions: Sequence[Institution]) -> Affiliation | None:
    """What a part of a headline tells, None where it names none of the institutions."""
    places = [span for institution in institutions for span in institution.spans(part)]
    if not places:
        return None
    former = False
    for place, pattern in _roles():
        for found in pattern.finditer(part):
            role = _Span(*found.span())
            home = _home(part, role, places)
            if home is None or not _is_a_person(part, role):
                continue
            if not any(role_words().former.search(part[:start]) for start in (role.start, min(role.start, home.start))):
                return place
            former = True
    return Affiliation.ALUMNUS if former or _was_there(part, places) else Affiliation.MEMBER


def _is_a_person(part: str, role: _Span) -> bool:
    """Whether the role is the writer's own: "student", but not "student recruiter" nor "professor of student life"."""
    words, before, behind = role_words(), part[: role.start], part[role.end :]
    guards = (words.works.search(before), words.for_.search(before), words.future.search(before))
    return not any(guards) and not words.about.search(behind)


def _home(part: str, role: _Span, places: list[_Span]) -> _Span | None:
    """Where the role is one at the institution; None when it is at another that stands nearer."""
    for place in places:
        if place.start >= role.end and not _leads_away(part[role.end : place.start]):
            return place
        if place.start < role.end and not role_words().elsewhere.search(part[role.end :]):
            return place
    return None


def _leads_away(between: str) -> bool:
    """Whether between a role and the institution another place is named, or another role begins."""
    words = role_words()
    other_kind = any(token.word in ("+university", "+college", "+hochschule") for token in _tokens(between))
    # The last "at" is the institution's own; one before it leads to another place.
    rest = words.at.sub("", between)
    return other_kind or bool(words.elsewhere.search(rest)) or bool(words.job.search(rest))


def _was_there(part: str, places: list[_Span]) -> bool:
    """Whether a part says that somebody studied at the institution and left."""
    words = role_words()
    for found in words.alumnus.finditer(part):
        if not words.about.search(part[found.end() :]) and _home(part, _Span(*found.span()), places):
            return True
    return any(_has_a_degree(part, place) for place in places)


def _has_a_degree(part: str, place: _Span) -> bool:
    """Whether a degree stands right beside the institution, and no work there."""
    words = role_words()
    before = words.at.sub("", part[: place.start]).rstrip(" ,(").rpartition(",")[2].strip()
    if words.degree.search(before):
        return not words.job.search(before)
    behind = words.degree.match(part[place.end :].lstrip(" ("))
    return behind is not None and re.match(r"\W*(?:\d{4})?\W*(?:,|$)", behind.string[behind.end() :]) is not None


def _says_alumnus(clause: str, institutions: Sequence[Institution]) -> bool:
    words = role_words()
    if words.others.search(clause) or not any(institution.is_the_place(clause) for institution in institutions):
        return False
    if words.studied.search(clause) and not words.still.search(clause):
        return True
    if words.alumnus.search(clause):
        return True
    return any(words.former.search(clause[: found.start()]) for _, role in _roles() for found in role.finditer(clause))


def fold(text: str) -> str:
    """Lower case without diacritics."""
    if text.isascii():
        return " ".join(text.lower().split())
    apart = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).replace("’", "'").split())
