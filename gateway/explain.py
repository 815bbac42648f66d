"""A judgement as `explain --json` prints it; the same object is kept in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model import (
    Authentic,
    Dossier,
    Evidence,
    Findings,
    Judgement,
    Kind,
    Known,
    Note,
    NoteKind,
    Notification,
    Person,
    Provenance,
    Reply,
    Signal,
)


def account(judgement: Judgement, file: str | None) -> dict[str, Any]:
    """The whole reasoning on one mail as plain data; None where there is nothing."""
    return {
        "file": file,
        **(_found(judgement.findings) if judgement.findings else _nothing(judgement.provenance)),
        "case": judgement.case or None,
        "verdict": str(judgement.decision.verdict),
        "rule": judgement.decision.rule,
        "because": list(judgement.decision.because),
        "reply": _reply(judgement.reply),
    }


def findings_in(told: Mapping[str, Any]) -> Findings | None:
    """What an account tells of the findings it was made of; None of a mail that is no network's."""
    if told["network"] is None:
        return None
    inviter, note = told["inviter"], told["note"]
    evidence = tuple(Evidence(Signal(signal), "") for signal in note["signals"])
    return Findings(
        notification=Notification(
            told["network"], Kind(told["kind"]), Person(**inviter) if inviter else None, language=told["language"]
        ),
        provenance=Provenance(Authentic(told["authentic"]), told["authentic_why"]),
        note=Note(NoteKind(note["kind"]), note["text"], evidence, told["language"]),
        dossier=Dossier(Known(told["known"]), told["known_why"]),
    )


def _found(findings: Findings) -> dict[str, Any]:
    notification, provenance, dossier = findings.notification, findings.provenance, findings.dossier
    inviter = notification.inviter
    return {
        "network": notification.network,
        "kind": str(notification.kind),
        "authentic": str(provenance.authentic),
        "authentic_why": provenance.why,
        "inviter": {
            "name": inviter.name,
            "headline": inviter.headline,
            "company": inviter.company,
            "profile_url": inviter.profile_url,
            "address": inviter.address,
        }
        if inviter
        else None,
        "note": _note(findings.note),
        "language": findings.note.language or notification.language,
        "known": str(dossier.known),
        "known_why": dossier.why,
    }


def _note(note: Note) -> dict[str, Any]:
    return {"kind": str(note.kind), "text": note.text, "signals": [str(signal) for signal in note.signals]}


def _nothing(provenance: Provenance | None) -> dict[str, Any]:
    """What there is to say of a mail of no network, or of one that could not be read."""
    return {
        "network": None,
        "kind": "other",
        "authentic": str(provenance.authentic) if provenance else "none",
        "authentic_why": provenance.why if provenance else "it was not looked at",
        "inviter": None,
        "note": {"kind": "default", "text": None, "signals": []},
        "language": None,
        "known": "no",
        "known_why": "not an invitation",
    }


def _reply(reply: Reply | None) -> dict[str, Any] | None:
    if reply is None:
        return None
    return {
        "template": reply.template,
        "language": reply.language,
        "channel": str(reply.channel),
        "to": reply.to,
        "subject": reply.subject,
        "body": reply.body,
        "short": reply.short,
    }
