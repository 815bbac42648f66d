"""Whom `rsvpd init` asks: the person at the terminal or, where there is none, nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import click
from pydantic import SecretStr


class Terminal(Protocol):
    """Where questions are asked; each has an answer that holds where nobody is there to give one."""

    def tell(self, text: str) -> None: ...

    def ask(self, question: str, *, option: str, default: str | None = None) -> str: ...

    def choose(self, question: str, choices: Mapping[str, str], default: str) -> str: ...

    def agree(self, question: str, *, default: bool) -> bool: ...

    def secret(self, question: str) -> SecretStr | None: ...


class Person:
    """Somebody at the terminal."""

    def tell(self, text: str) -> None:
        click.echo(text)

    def ask(self, question: str, *, option: str, default: str | None = None) -> str:  # noqa: ARG002
        answer: str = click.prompt(question, default=default)
        return answer.strip()

    def choose(self, question: str, choices: Mapping[str, str], default: str) -> str:
        width = max(map(len, choices)) + 2
        click.echo("")
        for name, meaning in choices.items():
            click.echo(f"  {name:{width}}{meaning}")
        answer: str = click.prompt(question, type=click.Choice(list(choices)), default=default, show_choices=False)
        return answer

    def agree(self, question: str, *, default: bool) -> bool:
        return click.confirm(question, default=default)

    def secret(self, question: str) -> SecretStr | None:
        return SecretStr(click.prompt(question, hide_input=True))


class Nobody:
    """No terminal: what was not said as an option has its default, or is missing."""

    def tell(self, text: str) -> None:
        click.echo(text)

    def ask(self, question: str, *, option: str, default: str | None = None) -> str:
        if default is None:
            raise click.UsageError(f"nobody is there to ask: {question}? Say it by {option}")
        return default

    def choose(self, _question: str, _choices: Mapping[str, str], default: str) -> str:
        return default

    def agree(self, _question: str, *, default: bool) -> bool:
        return default

    def secret(self, _question: str) -> SecretStr | None:
        return None
