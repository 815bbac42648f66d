"""Whom `rsvpd init` asks: the person at the terminal or, where there is none, nobody."""

from __future__ import annotations

import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
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

    def waiting(self, what: str) -> AbstractContextManager[None]:
        """Tell what is waited for meanwhile, if that is anything."""


class Person:
    """Somebody at the terminal."""

    def tell(self, text: str) -> None:
        click.echo(text)

    def ask(self, question: str, *, option: str, default: str | None = None) -> str:  # noqa: ARG002
        answer: str = click.prompt(question, default=default)
        return answer.strip()

    def choose(self, question: str, choices: Mapping[str, str], default: str) -> str:
        table = click.HelpFormatter()
        with table.indentation():
            table.write_dl(list(choices.items()))
        click.echo(f"\n{table.getvalue()}", nl=False)
        answer: str = click.prompt(question, type=click.Choice(list(choices)), default=default, show_choices=False)
        return answer

    def agree(self, question: str, *, default: bool) -> bool:
        return click.confirm(question, default=default)

    def secret(self, question: str) -> SecretStr | None:
        return SecretStr(click.prompt(question, hide_input=True))

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """What is typed before it is asked for may be the password: it is not shown, and is no answer."""
        before = termios.tcgetattr(sys.stdin)
        silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, silent)
        try:
            if what:
                click.echo(what)
            yield
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)


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

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        if what:
            click.echo(what)
        yield
