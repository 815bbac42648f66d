"""Findings for tests: an invitation that says nothing else is genuine, a stranger's, with the stock sentence."""

from __future__ import annotations

from gateway.model import (
    Authentic,
    Claim,
    Dossier,
    Evidence,
    Findings,
    Kind,
    Known,
    Match,
    Note,
    NoteKind,
    Notification,
    Person,
    Provenance,
    Signal,
)


def invitation(
    *,
    network: str = "linkedin",
    kind: str = "invitation",
    authentic: str = "pass",
    known: str = "no",
    why: str = "nobody of this name is in your records",
    note: str = "default",
    signals: tuple[str, ...] = (),
    text: str | None = None,
    language: str = "en",
    read: bool = True,
    name: str | None = "Ada Miller",
    given_name: str | None = None,
    headline: str | None = None,
    company: str | None = None,
    address: str | None = None,
    reply_to_trusted: bool = False,
    sent_to_owner: bool = True,
    book: str | None = None,
    matches: tuple[Match, ...] = (),
    claims: tuple[Claim, ...] = (),
    recommended: bool = False,
    announced: bool = False,
    earlier: int = 0,
    malformed: tuple[str, ...] = (),
    limit: int = 200,
) -> Findings:
    """The findings on an invitation; `book` is the address that the owner's records have."""
    inviter = Person(name=name, headline=headline, company=company, address=address)
    words = {"met": "we met in Lyon", "topic": "your work on proofs"}
    evidence = tuple(Evidence(Signal(signal), words.get(signal, f"words for {signal}")) for signal in signals)
    note_kind = NoteKind.PERSONAL if signals else NoteKind(note)
    return Findings(
        notification=Notification(network, Kind(kind), inviter, text, language, given_name=given_name, limit=limit),
        provenance=Provenance(
            Authentic(authentic), "as your mail server says", reply_to_trusted, sent_to_owner=sent_to_owner
        ),
        note=Note(note_kind, text, evidence, language, read),
        dossier=Dossier(Known(known), why, matches, claims, book, recommended, announced),
        earlier=earlier,
        malformed=malformed,
    )
