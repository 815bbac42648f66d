"""Mails that were made to hurt, and mails that are broken: none crashes anything, costs much, or gains an answer."""

from __future__ import annotations

import io
import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from gateway.card import show
from gateway.cases import Cases
from gateway.config import Config, Me
from gateway.evidence.correspondence import Direction, correspondents
from gateway.evidence.nobody import Mine
from gateway.model import Channel
from gateway.owner import for_reading
from gateway.provenance import Trust, authenticate
from gateway.reading import Reader, Reading
from tests.hostile.bombs import INVITER, bombs, notification
from tests.hostile.measure import ADA, Letter, Measured, measured
from tests.notifications import MX
from tests.test_provenance import resolve, signed

MOST_CPU = 1.0  # seconds
MOST_MEMORY = 200.0  # MB, the program included
SAMPLES = Path(__file__).parent / "samples" / "python-email"
UNTOUCHED, PYTHONS = "an untouched notification", "the mails of Python's own tests"


def pythons() -> list[bytes]:
    """The mails of Python's tests."""
    files = [file.read_bytes() for file in sorted(SAMPLES.glob("msg_*.txt"))]
    return [*files, *map(_encoded, (SAMPLES / "mails.jsonl").read_text().splitlines())]


def odd_fields() -> Iterator[bytes]:
    """The header values of Python's tests in every field that is read, of a stranger's mail and of a notification."""
    for value in map(_encoded, (SAMPLES / "values.jsonl").read_text().splitlines()):
        fields = (b"From", b"To", b"Reply-To", b"Subject", b"Date", b"Message-ID", b"Content-Type")
        yield b"".join(name + b": " + value + b"\r\n" for name in fields) + b"\r\nHello\r\n"
        added = b"Cc: " + value + b"\r\nContent-Disposition: " + value + b"\r\nDKIM-Signature: " + value
        yield notification().replace(b"\r\nMIME-Version:", b"\r\n" + added + b"\r\nMIME-Version:")


def _encoded(line: str) -> bytes:
    text: str = json.loads(line)
    return text.encode("utf-8", "surrogateescape")


def measure() -> dict[str, Measured]:
    mails = ((name, [make()]) for name, make in (*bombs(), (UNTOUCHED, notification)))
    return {one.name: one for one in (*measured(mails), *measured([(PYTHONS, pythons())]))}


@cache
def costs() -> dict[str, Measured]:
    """What all of them cost, measured in a process that holds nothing but the program."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure)


def said(letter: Letter) -> tuple[str, str, str]:
    message = message_from_bytes(letter.raw)
    return letter.to, message["Subject"], str(message.get_payload())


@pytest.mark.parametrize("name", [name for name, _ in bombs()])
def test_a_mail_made_to_hurt_costs_little_and_changes_no_answer(name: str) -> None:
    cost, untouched = costs()[name], costs()[UNTOUCHED]

    assert cost.end == ""
    assert cost.cpu < MOST_CPU
    assert cost.peak < MOST_MEMORY
    (outcome,) = cost.outcomes
    if not name.startswith("notification"):
        assert outcome.letters == ()
    # What decides was not touched, so an answer there may be; but it is the one there was without the bomb.
    (letter,) = untouched.outcomes[0].letters
    assert {said(one) for one in outcome.letters} <= {said(letter)}


def test_what_no_network_sends_is_left_to_the_owner() -> None:
    parts = [cost for name, cost in costs().items() if name.startswith("notification with the part")]

    assert len(parts) > 10
    assert [cost.name for cost in parts if cost.outcomes[0].letters] == []


def test_the_mails_of_pythons_own_tests_are_read_or_refused_and_never_answered() -> None:
    cost = costs()[PYTHONS]

    assert cost.end == ""
    assert len(cost.outcomes) == len(pythons())
    assert cost.cpu < MOST_CPU
    assert cost.peak < MOST_MEMORY
    assert {letter for outcome in cost.outcomes for letter in outcome.letters} == set()


def test_odd_values_of_any_field_are_read_or_refused_and_lead_no_answer_astray() -> None:
    mine = Mine(Me.model_validate(ADA))

    replies = [explained(raw, reader(verifies=False)).judgement.reply for raw in odd_fields()]
    people = correspondents(odd_fields(), mine, Direction.RECEIVED, "INBOX")

    assert {reply.to for reply in replies if reply} == {INVITER}
    assert ADA["addresses"] not in {person.address for person in people}


PIECES = (b"\0", b"\r", b"\n\n", b"\r\n\r\n", b"\r\n ", b"=?utf-8?q?", b"\xff", b"{{", b"--", b'"', b"<", b"@", b",")
FIELDS = (b"From", b"To", b"Reply-To", b"Subject", b"Date", b"DKIM-Signature", b"Cc", b"Authentication-Results")
VALUES = (b"", b"eve@bystander.example", b"x", b'"', b"(" * 50, b"=?punycode?q?a-b?=")
MAILS = tuple(file.read_bytes() for file in sorted((SAMPLES.parent / "networks").glob("*.eml")))
SIGNED = signed(notification(), fields=[b"from", b"to", b"subject", b"date", b"reply-to", b"content-type"])


@st.composite
def damaged(draw: st.DrawFn, mails: tuple[bytes, ...]) -> bytes:
    """One of the mails with a few things changed: pieces put in, taken out or from another mail, fields moved."""
    raw = bytearray(draw(st.sampled_from(mails)))
    for _ in range(draw(st.integers(1, 5))):
        at, size = draw(st.integers(0, len(raw))), draw(st.integers(0, 60))
        match draw(st.sampled_from(["change", "put", "cut", "splice", "field", "move", "end"])):
            case "change":
                raw[at : at + size] = draw(st.binary(max_size=size))
            case "put":
                raw[at:at] = draw(st.sampled_from(PIECES))
            case "cut":
                del raw[at : at + size]
            case "splice":
                other = draw(st.sampled_from(MAILS))
                start = draw(st.integers(0, len(other)))
                raw[at:at] = other[start : start + 20 * size]
            case "field":
                name, value = draw(st.sampled_from(FIELDS)), draw(st.sampled_from(VALUES))
                raw[:0] = name + b": " + value + b"\r\n"
            case "move":
                lines = bytes(raw).split(b"\r\n")
                lines.insert(0, lines.pop(draw(st.integers(0, len(lines) - 1))))
                raw = bytearray(b"\r\n".join(lines))
            case "end":
                del raw[at:]
    return bytes(raw)


@cache
def reader(*, verifies: bool) -> Reader:
    owner, _ = for_reading(Config.model_validate({"me": ADA, "authentication": {"authserv_id": MX}}))
    trust = Trust((MX,), frozenset({ADA["addresses"]}), resolve if verifies else None)
    return Reader(replace(owner, authenticate=lambda mail: authenticate(mail, trust)))


def explained(raw: bytes, by: Reader) -> Reading:
    reading = replace(by, cases=Cases()).read_one("mail.eml", raw)
    show(reading, Console(file=io.StringIO(), width=100))
    return reading


@settings(max_examples=200, deadline=None)
@given(damaged(MAILS))
def test_a_mail_damaged_anywhere_is_explained_or_refused_and_nothing_else(raw: bytes) -> None:
    assert explained(raw, reader(verifies=False)).judgement.reply is None


def test_the_signed_notification_is_answered_when_nothing_is_changed() -> None:
    reply = explained(SIGNED, reader(verifies=True)).judgement.reply

    assert reply is not None
    assert (reply.channel, reply.to) == (Channel.REPLY_TO, INVITER)


@settings(max_examples=200, deadline=None)
@given(damaged((SIGNED,)))
def test_whatever_is_changed_in_a_signed_notification_the_answer_goes_to_its_inviter_or_nowhere(raw: bytes) -> None:
    reply = explained(raw, reader(verifies=True)).judgement.reply

    assert reply is None or reply.to in (INVITER, None)
