"""The words LinkedIn puts around a note: lead-ins above it, the frame below, and the language they are in."""

from __future__ import annotations

import re

_WAITING = (
    r"(?:is|are) (?:still )?waiting for your response|(?:è|sono) in attesa della tua risposta"
    r"|wartet auf (?:ihre|deine) antwort|attend (?:toujours )?votre réponse|espera tu respuesta"
    r"|aguarda(?:ndo)? (?:a )?sua resposta|wacht op (?:je|uw) antwoord"
)
_LEAD_IN = re.compile(
    r".*\b(?:has indicated you are|has invited you to linkedin|requested to add you as"
    r"|would like to (?:connect on linkedin|join your network)|invited you to connect on linkedin"
    rf"|waiting to connect with you|{_WAITING})\b.*",
    re.IGNORECASE,
)
_BLOCK_FOLLOWS = re.compile(r".*(?:would like to connect|invited you to connect) on linkedin\b.*", re.IGNORECASE)
_NOBODY = re.compile(r"(?:linkedin|members|someone|(?:an?|un[ae]?|ein|een|um|en) .{0,20}linkedin)\b", re.IGNORECASE)
_RULE = re.compile(r"[.\-_=–—]{4,}")
_IN_COMMON = re.compile(
    r"\d+\+? .{0,40}\b(?:in common|gemeinsam\w*|en commun|en común|in comune|em comum|gemeen|mutual|shared|sama)\b.*",
    re.IGNORECASE,
)
_FRAME_BEGINS = re.compile(
    r"linkedin (?:will use|utilizará|utilisera|utiliserà|userà|akan|verwendet|wird|gebruikt|zal|usará)"
    r"|unsubscribe here",
    re.IGNORECASE,
)
_FRAME = re.compile(
    r"this e-?mail was (?:intended for|sent to)|this message was sent to|you are receiving|linkedin corporation",
    re.IGNORECASE,
)
_AREA = re.compile(r"[A-ZÀ-Þ][^,|@]{1,40}, [A-ZÀ-Þ][^,|@]{1,40}|.{2,60} Area")
_LANGUAGES = {
    "en": "this email|this e-mail|this message|you are receiving|you received|unsubscribe|would like to|invitation from"
    "|view profile",
    "de": "diese e-mail|diese nachricht|sie erhalten|du erhältst|abbestellen|abmelden|annehmen|profil ansehen",
    "es": "este correo|este mensaje|has recibido|estás recibiendo|darte de baja|cancelar suscripción|aceptar",
    "fr": "cet e-mail|cet email|vous recevez|vous avez reçu|désinscri|désabonn|confirmez que|accepter|voir le profil",
    "it": "questa email|questa e-mail|ricevi questa|hai ricevuto|annulla l|conferma di|accetta|visualizza profilo",
    "pt": "este e-mail foi|este email foi|você recebeu|você está recebendo|cancelar inscrição|aceitar",
    "nl": "deze e-mail|u ontvangt|je ontvangt|afmelden|uitschrijven|accepteren|profiel weergeven|profiel bekijken",
    "id": "email ini|anda mendapatkan|anda menerima|berhenti berlangganan|harap konfirmasi|lihat profil",
    "cs": "tento e-mail|dostáváte|odhlásit|přijmout|zobrazit profil",
}
_IN_LANGUAGE = {code: tuple(words.split("|")) for code, words in _LANGUAGES.items()}


def is_lead_in(text: str, name: str | None) -> bool:
    """Whether a line is LinkedIn's own "Ada Miller would like to connect on LinkedIn", not the note's first."""
    if not _LEAD_IN.fullmatch(text):
        return False
    return name is None or text.startswith(name) or _NOBODY.match(text) is not None


def announces_block(text: str) -> bool:
    """Whether the inviter's block stands right below this lead-in, above the note."""
    return _BLOCK_FOLLOWS.fullmatch(text) is not None


def is_rule(text: str) -> bool:
    return _RULE.fullmatch(text) is not None


def is_in_common(text: str) -> bool:
    """Whether it is the line "7 connections in common" of an inviter's block."""
    return _IN_COMMON.fullmatch(text) is not None


def is_area(text: str) -> bool:
    """Whether a line looks like the place people gave below their headline: "Lyon, France"."""
    return _AREA.fullmatch(text) is not None


def begins_frame(text: str) -> bool:
    """Whether a line is the first of the words below a guest's note."""
    return _FRAME_BEGINS.search(text) is not None


def is_frame(text: str) -> bool:
    """Whether a line is one of the words below a mail's content."""
    return _FRAME.search(text) is not None


def language_of(text: str) -> str | None:
    """The language most of LinkedIn's own words in this text are in, ISO 639-1."""
    folded = text.lower()
    hits = {code: sum(map(folded.count, words)) for code, words in _IN_LANGUAGE.items()}
    best = max(hits, key=lambda code: hits[code])
    return best if hits[best] else None
