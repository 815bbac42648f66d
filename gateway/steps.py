"""The sign that a round goes on: whoever waits for something outside takes a step with each answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Steps:
    """Counted by the worker of a round, and looked at by the loop that must know whether it hangs."""

    taken: int = 0

    def take(self) -> None:
        self.taken += 1
