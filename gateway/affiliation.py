"""What a headline or a note says of somebody's place at the owner's institution, in seven languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Affiliation(StrEnum):
    """A person's place at the institution; what the text does not say is unknown and counts against nobody."""

    STUDENT = "student"
    POSTDOC = "postdoc"
    ALUMNUS = "alumnus"
    MEMBER = "member"


# Words by which institutions of one kind are called; they stand for one another across languages.
_KIND_WORDS = frozenset(
    {
        "university",
        "universitat",
        "universite",
        "universidad",
        "universita",
        "universidade",
        "universiteit",
        "univ",
        "uni",
    }
    | {"universitet", "uniwersytet", "univerzita", "universitas", "college", "hochschule", "politecnico", "institute"}
    | {"institut", "instituto", "istituto", "school"}
)
_SMALL_WORDS = frozenset(
    {"of", "the", "at", "in", "for", "and", "de", "la", "le", "di", "da", "do", "der", "die", "das"}
)
# Words that make of a student's word something else: somebody who works with students.
_ABOUT_STUDENTS = (
    r"(?:recruit\w*|advis\w*|affairs|services?|union|counsel\w*|success|support|life|learning|housing|outreach"
    r"|engagement|experience|coach\w*|welfare|mentor\w*|admissions?|loans?|marketing|travel|office\w*|job\w*|work\b)"
)
_DEGREE = r"(?:ph\.? ?d\.?|doctoral|master'?s?|m\.?sc\.?|b\.?sc\.?|bachelor'?s?|law|medical|(?:under|post)?graduate)"
_STUDENT = re.compile(
    rf"\b(?:{_DEGREE}[- ]?(?:student|candidate|kandidaat)|student(?:in|e|essa)?|doktorand(?:in)?|promovend\w*"
    r"|doctorante?|doctorand[oa]|dottorand[oa]|doutorand[oa]|etudiante?|estudiante|estudante)\b"
    rf"(?![- ]{_ABOUT_STUDENTS})"
)
_POSTDOC = re.compile(r"\bpost-?doc(?:toral|torand\w*|torat|s)?\b|\bassegnista\b|\bposdoctoral\b")
_LEADS = re.compile(
    r"\b(?:professor\w*|recruiter|recruitment|coach|advis[eo]r|lecturer|teacher|coordinator|director|head|manager"
    r"|officer|dean|mentor|counsell?or|koordinator\w*|referent\w*|leiter\w*)\b[^,|]*$"
)
_FORMER = (
    r"(?:ex[- ]|former(?:ly)?(?: a)? |ehemalige?r? |ancien(?:ne)? |antig[ua]\w* |oud[- ]|voormalig\w* |past "
    r"|einstige?r? )"
)
_FORMER_BEFORE = re.compile(rf"\b{_FORMER}$")
_ALUMNUS = re.compile(
    r"\b(?:alumn[aiu]\w*|alum\b|absolvent\w*|graduate[sd]?\b(?! student)|diplomee?\b|laureat[oa]\b|egresad[oa]"
    r"|afgestudeerd\w*|formad[oa] (?:em|pela)"
    rf"|{_FORMER}(?:student|etudiant|estudiante|alumno|aluno|studente|leerling|schuler)\w*)"
)
_STUDIED = re.compile(
    r"\b(?:studied|graduated|studiert|studierte|promoviert|abgeschlossen|j'ai etudie|etudie|estudie|studiato|estudei"
    r"|gestudeerd|degree|diplom\w*|(?:my|meinen?|mon|mi|mio|meu|mijn) (?:master\w*|bachelor\w*|ph\.?d|doctorate"
    r"|thesis|studies|studium|promotion|maitrise|tesis|tese|laurea))"
)
_STILL = re.compile(
    r"\b(?:am|currently|still|this semester|zurzeit|derzeit|gerade|noch|dieses semester)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Institution:
    """The owner's institution, recognisable in other word orders and languages."""

    own_words: frozenset[str]  # what is its own in the name: "lindenhof" of "Lindenhof University"
    has_kind: bool

    @classmethod
    def named(cls, name: str) -> Institution:
        words = _words(name)
        own = frozenset(word for word in words if word not in _KIND_WORDS and word not in _SMALL_WORDS)
        return cls(own or frozenset(words), bool(own) and any(word in _KIND_WORDS for word in words))

    def stands_in(self, text: str, *, strict: bool) -> bool:
        """Whether a text names it; where not strict, its own words are enough ("in Lindenhof")."""
        words = set(_words(text))
        if not self.own_words <= words:
            return False
        return not (strict and self.has_kind) or bool(words & _KIND_WORDS)


def affiliation(headline: str | None, note: str | None, institutions: Iterable[Institution]) -> Affiliation | None:
    """The place at one of the institutions that headline or note tells; None where neither does."""
    named = tuple(institutions)
    for part in re.split(r"\s*[|·•]\s*", headline or ""):
        found = _of_part(fold(part), named)
        if found:
            return found
    if any(_says_alumnus(sentence, named) for sentence in _sentences(note or "")):
        return Affiliation.ALUMNUS
    return None


def _of_part(part: str, institutions: tuple[Institution, ...]) -> Affiliation | None:
    """A part of the headline between bars speaks of one place, or of a present and a former one."""
    if not any(institution.stands_in(part, strict=True) for institution in institutions):
        return None
    for pattern, affiliation_ in ((_POSTDOC, Affiliation.POSTDOC), (_STUDENT, Affiliation.STUDENT)):
        for found in pattern.finditer(part):
            before = part[: found.start()]
            if not _LEADS.search(before) and not _FORMER_BEFORE.search(before):
                return affiliation_
    return Affiliation.ALUMNUS if _ALUMNUS.search(part) else Affiliation.MEMBER


def _says_alumnus(sentence: str, institutions: tuple[Institution, ...]) -> bool:
    if not (_ALUMNUS.search(sentence) or _STUDIED.search(sentence)) or _STILL.search(sentence):
        return False
    return any(institution.stands_in(sentence, strict=False) for institution in institutions)


def _sentences(text: str) -> Iterator[str]:
    # "Prof. Miller" and "M.Sc. in" end no sentence: what follows a full stop must be long enough to be one.
    yield from (fold(piece) for piece in re.split(r"[!?;\n]+|(?<=[a-zß)]{4})\.\s", text))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", fold(text))


def fold(text: str) -> str:
    """Lower case without diacritics."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))
