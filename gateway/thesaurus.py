"""What belongs to a topic: its own words, and those of the fields of knowledge and life it names."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.model import Signal
from gateway.wording import Phrase


def topic_phrases(topics: tuple[str, ...]) -> Iterator[Phrase]:
    for topic in topics:
        yield Phrase(topic.lower(), Signal.TOPIC, {})
