"""The organisation a headline names as the present one: "Engineer at Acme | Speaker" -> "Acme"."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONGEST = 300  # characters; LinkedIn allows 220
_PART = re.compile(r"\s*[|·•]\s*")
_CLAUSE = re.compile(r"[,;]\s+|\s[–—-]\s")
# After these stands an organisation.
_AT = re.compile(r"(?:^|(?<=[\s,]))(?:at|bei|beim|from|chez|presso|bij|hos)\s+|@\s*", re.IGNORECASE)
# After these may stand a place or a subject as well.
_IN = re.compile(
    r"(?:^|(?<=[\s,]))(?:en|na|no|em|nella?|al|am|an der|an|aan|à la|à|au|aux|alla|på|vid)\s+|\b(?:à l|all)['’]\s*"
)
_END = re.compile(r"\s*[,;]|\s*[–—]|\s+-\s+|\s+[/(]|\s+(?:and|und|et|y|e|&)\s+(?=[a-zà-ÿ@])")
_EMOJI = re.compile(r"[\u2600-\u27bf\ufe0f\u200d\U0001f000-\U0001faff]+")
_ARTICLE = re.compile(r"^(?:the|der|dem|den|die|het|de|la|le|el|il|l['’])\s*(?=[A-ZÀ-Þ])")
_ORGANISATION = re.compile(
    r"\b(?:Uni(?:versi\w+)?|College|(?:Fach)?[Hh]ochschule|\w*[Ii]nstitut\w*|Akademi\w*|Academy|École|Escuela|Escola"
    r"|Scuola|Faculdade|Polite[ck]\w+|\w*[Kk]linik\w*|Hospital|Ospedale|Ministerio|Ministero|Ministério"
    r"|GmbH|AG|Inc|Ltd|LLC|PLC|S\.?p\.?A|S\.?A|B\.?V|AB|Oy|A/S)\b"
)
_ORGANISATION_CJK = re.compile(r"[^\s,|]+(?:大学|大學|公司|会社|學院|学院|研究所|대학교)")
# Of "en Marketing" and "na Acme" only the second is an organisation: what people study or sell is not.
_SUBJECT = re.compile(
    r"(?:marketing|inform|comunica|communica|inge?n|econom|derecho|direito|droit|gesti|finan|venta|vente|cienc|scienc"
    r"|f[ií]sic|physi|mat[eh]|educa|psic|psych|m[eé]d|biol|qu[ií]m|chim|recursos|ressources|innova|inova|desarrollo"
    r"|d[eé]velop|desenvolv|te[ck]hn?|intelig|intellig|data|big|seo|soft|dise|design|arquit|archit|turis|log[ií]st"
    r"|sa[nlú]|ia\b|it\b|ti\b|rrhh\b|rh\b|mercado|vida|general|busca|transi|constru|forma|filos|philos|histori|letra"
    r"|negocio|business|administra|contab|audit|cyber|ciber)",
    re.IGNORECASE,
)
_NOT_NOW = re.compile(
    r"\b(?:ex|former\w*|ehemalig\w*|ancien\w*|vormals|früher|previously|past|retired|alumn\w+|absolvent\w*|antig[uo]\w*"
    r"|graduate (?:of|from))\b",
    re.IGNORECASE,
)


def company_of(headline: str) -> str | None:
    """The organisation the headline names as the present one; None when it names none."""
    parts = [part for part in _PART.split(headline[:_LONGEST]) if part]
    for part in parts:
        for name in _named(part):
            return name
    return _standing_alone([clause for part in parts for clause in _CLAUSE.split(part)])


def _named(part: str) -> Iterator[str]:
    """What stands behind a preposition, and is not of the past."""
    for found in _AT.finditer(part):
        if name := _organisation(part, found):
            yield name
    for found in _IN.finditer(part):
        name = _organisation(part, found)
        capital_after_en = found[0].strip().lower() in ("en", "na", "no", "em", "nel", "nella")
        if name and (_ORGANISATION.search(name) or (capital_after_en and not _SUBJECT.match(name))):
            yield name


def _organisation(part: str, preposition: re.Match[str]) -> str | None:
    role = _CLAUSE.split(part[: preposition.start()])[-1]
    name = _END.split(_ARTICLE.sub("", part[preposition.end() :], count=1), maxsplit=1)[0]
    name = _EMOJI.sub("", name).strip()
    return None if not name or name[0].islower() or _NOT_NOW.search(role) else name


def _standing_alone(clauses: list[str]) -> str | None:
    """An organisation without a preposition ("Lecturer, Example University"): the last and widest of several."""
    for clause in reversed(clauses):
        if found := _ORGANISATION_CJK.search(clause):
            return found[0]
    # The first clause is what the person is, even if it is "College Librarian".
    for clause in reversed(clauses[1:]):
        if _ORGANISATION.search(clause) and not _NOT_NOW.search(clause):
            return clause.strip()
    return None
