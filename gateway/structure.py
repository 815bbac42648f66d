"""The parts of a mail as the standard library's parser finds them, which goes through every line of it.

Most lines of a notification stand in bodies and say nothing about its structure. They are left out, a mark in the
place of each run of them; the parser reads what remains, and then every mark becomes again what it stands for.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.message import Message

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_MARK = re.compile(r"\0(\d+)\0")


def message_from(raw: bytes) -> Message:
    """The same as email.message_from_bytes() makes of these bytes, and sooner."""
    bodies: list[bytes] = []
    kept = b"".join(_without_bodies(raw, bodies))
    # What could be taken for a mark or hides where a line begins; and text that the library would not hand out as is.
    if b"\0" in raw or b"\r--" in raw or not kept.isascii():
        return email.message_from_bytes(raw)
    message = email.message_from_bytes(kept)
    parts = list(message.walk())
    if any(part.get_content_maintype() == "message" for part in parts):  # its body is again fields
        return email.message_from_bytes(raw)
    for part in parts:
        _restore(part, bodies)
    return message


def _without_bodies(raw: bytes, bodies: list[bytes]) -> Iterator[bytes]:
    """The mail with a mark for what is added to `bodies`: the lines from an empty one up to one that begins with "--".

    An empty line ends any fields, and what ends a body begins with "--", as may much else, which is kept.
    """
    start = 0
    while empty := _EMPTY_LINE.search(raw, start):
        end = raw.find(b"\n--", empty.end() - 1) + 1 or len(raw)
        body = raw[empty.end() : end]
        text = body.removesuffix(b"\n").removesuffix(b"\r")
        yield raw[start : empty.end()]
        if text:
            yield b"\0%d\0" % len(bodies)
            bodies.append(text)
        yield body[len(text) :]  # the parser counts it to the boundary below
        start = end
    yield raw[start:]


def _restore(part: Message, bodies: list[bytes]) -> None:
    """Put the bodies back in the place of their marks."""

    def body(mark: re.Match[str]) -> str:
        return bodies[int(mark[1])].decode("ascii", "surrogateescape")

    payload = part.get_payload()
    if isinstance(payload, str):
        part.set_payload(_MARK.sub(body, payload))
    part.preamble = part.preamble and _MARK.sub(body, part.preamble)
    part.epilogue = part.epilogue and _MARK.sub(body, part.epilogue)
