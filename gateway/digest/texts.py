"""The short texts by which the owner may decline what the policy left to them."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.errors import BadTemplate
from gateway.explain import findings_in
from gateway.model import Authentic, Decision, Entry, Verdict
from gateway.pipeline import Owner


def texts_to_decline(entries: Iterable[Entry], owner: Owner) -> dict[str, str]:
    """What could be pasted into the network, by case; nothing where the mail may be forged, or the policy is silent."""
    decision = Decision(Verdict.DECLINE, "owner", (), owner.policy.decline_template)
    found = {}
    for entry in entries:
        findings = findings_in(entry.judgement) if entry.verdict is Verdict.HUMAN and entry.judgement else None
        if entry.case is None or findings is None or findings.provenance.authentic is not Authentic.PASS:
            continue
        try:
            reply = owner.render(decision, findings)
        except BadTemplate:  # edited since it was checked; the summary is worth more than the text
            return {}
        if reply:
            found[entry.case] = reply.short
    return found
