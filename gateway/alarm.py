"""A mail to the owner when rsvpd has been blind for a day: once for each blindness, one a day at most."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.blindness import FACTS, Blindness, Sense, told_by
from gateway.config import Config
from gateway.errors import SendFailed, SendUncertain
from gateway.events import LogEvent
from gateway.journal import Journal
from gateway.letter import alert, letter_id
from gateway.pipeline import Owner, Post

log = logging.getLogger(__name__)

PATIENCE = timedelta(days=1)  # with a blindness, and from one alert to the next
_ALERTED = "alerted"  # the journal's fact of what the owner was told, and when
_WORDS = {
    Sense.MAILBOX: "Your mailbox cannot be looked at",
    Sense.SOURCE: "A source of your records cannot be read; what is known from it stays",
    Sense.LAYOUT: "Notifications come in a form that is not known, and are left in your inbox",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """An owner's alerts."""

    config: Config
    owner: Owner
    journal: Journal
    clock: Callable[[], datetime]

    def raise_if_blind(self, post: Post) -> None:
        """Tell the owner of what has failed for a day and was not told of yet.

        The fact that it was told is on disk right before the final dot: a crash before repeats it, one after does not.
        """
        now, facts = self.clock(), self.journal.facts(_ALERTED, *FACTS)
        # The beginning of each blindness that was told last, and when that was.
        told: dict[str, str] = json.loads(facts.get(_ALERTED, "{}"))
        lasting = [found for found in told_by(facts) if now - found.since >= PATIENCE]
        news = [found for found in lasting if told.get(found.sense) != found.since.isoformat()]
        lately = "at" in told and now - datetime.fromisoformat(told["at"]) < PATIENCE
        if not news or lately or self.config.smtp is None:
            return
        fact = {**told, "at": now.isoformat()}
        fact |= {found.sense: found.since.isoformat() for found in news}
        try:
            post(self._mail(lasting, now), recipient=self._to, before_dot=lambda: self._note(fact))
        except SendFailed as exc:
            self._note(told)
            log.error("blind, and the owner cannot be told: %s", exc, extra=LogEvent.BLIND.of())
        except SendUncertain as exc:
            log.warning("blind; whether the owner was told is uncertain: %s", exc, extra=LogEvent.BLIND.of())
        else:
            senses = ",".join(found.sense for found in news)
            log.warning("blind for a day; the owner was told", extra=LogEvent.BLIND.of(senses=senses))

    def _note(self, told: dict[str, str]) -> None:
        self.journal.set_fact(_ALERTED, json.dumps(told))

    @property
    def _to(self) -> str:
        return self.config.digest.to or self.owner.sender.address

    def _mail(self, found: Sequence[Blindness], now: datetime) -> bytes:
        zone = self.config.me.zone
        lines = [
            f"* {_WORDS[one.sense]}, since {one.since.astimezone(zone):%Y-%m-%d %H:%M}:\n  {one.why}" for one in found
        ]
        text = "\n\n".join(
            (
                "rsvpd does not see your invitations\n",
                "Nothing is lost, but nothing is answered either until this is mended:",
                *lines,
                f"What it may be, and all else that is looked at:  rsvpd check {self.config.path}",
                "You are told of this once.",
            )
        )
        key = f"alert {now.isoformat()}"
        message_id = letter_id(self.owner.secret, key, self.owner.sender.domain)
        return alert(text, owner=self.owner.sender, to=self._to, message_id=message_id, now=now)
