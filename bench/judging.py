"""What judging one notification costs: from its bytes to the reply, process time, warm.

python -m bench.judging [ROUNDS]
"""

from __future__ import annotations

import email
import quopri
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import mailparser

from bench.measure import Measure, report
from gateway.cases import Cases
from gateway.config import Config
from gateway.mail import parse
from gateway.owner import for_reading
from gateway.pipeline import judge
from tests.notifications import MX, linkedin

_NOTE = "Hi Ada, your talk on tides was a pleasure. May I send you my data? Bob"
_STYLE = "padding:0 24px 8px 24px;line-height:1px;font-size:1px;-webkit-text-size-adjust:100%;mso-table-lspace:0pt;"
_TURN = 20  # mails
SIZE = 50_000  # bytes of the HTML part, before it is encoded


def notification(*, text: bool, name: str = "Bob Stranger", slug: str | None = None) -> bytes:
    """A notification with a padded HTML part of SIZE, quoted-printable as the real ones, and a text part or none."""
    plain = linkedin(name, slug=slug, note=_NOTE)
    head, _, body = plain.partition(b"\r\n\r\n")
    head = head.replace(
        b"Content-Type: text/plain; charset=UTF-8", b'Content-Type: multipart/alternative; boundary="b"'
    )
    head = head.replace(b"\r\nContent-Transfer-Encoding: 8bit", b"")
    bodies = [("plain", body)] if text else []
    bodies.append(("html", _page(body.decode())))
    return head + b"\r\n\r\n" + b"".join(_part(kind, body) for kind, body in bodies) + b"--b--\r\n"


def _part(kind: str, body: bytes) -> bytes:
    fields = f"Content-Type: text/{kind}; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    written = quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return b"--b\r\n" + fields.encode() + written + b"\r\n"


def _page(text: str) -> bytes:
    """The text in a page with as many elements as LinkedIn's have: one for about 150 characters."""
    lines = [line for line in text.split("\r\n") if line]
    rows = "".join(
        f'<tr><td style="{_STYLE}"><a href="{line.partition(": ")[2]}">{line.partition(": ")[0]}</a></td></tr>\r\n'
        if ": https://" in line
        else f'<tr><td style="{_STYLE}"><p style="font-size:16px">{line}</p></td></tr>\r\n'
        for line in lines
    )
    spacer = f'<tr><td height="1" style="{_STYLE}{_STYLE}" class="sp">&nbsp;</td></tr>\r\n'
    padding = spacer * ((SIZE - len(rows)) // len(spacer))
    return (
        f"<html><head><style>.sp{{margin:0}}</style></head><body><table>{padding}{rows}</table></body></html>".encode()
    )


def letters(number: int) -> str:
    """A number in letters, for names."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:06}")


def medians(works: dict[str, Callable[[bytes], object]], mails: Sequence[bytes]) -> dict[str, float]:
    """Median process time of each for a mail, milliseconds; all take turns, some mails at a time."""
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for start in range(0, len(mails), _TURN):
        for name, work in works.items():
            for raw in mails[start : start + _TURN]:
                began = time.process_time()
                work(raw)
                taken[name].append(time.process_time() - began)
    return {name: statistics.median(values) * 1000 for name, values in taken.items()}


def measures(rounds: int = 200) -> Iterator[Measure]:
    """Process time of one notification, beside that of what others do with it: parse it, and no more."""
    owner, _ = for_reading(
        Config.model_validate(
            {"me": {"name": "Ada Miller", "addresses": "ada@example.org"}, "authentication": {"authserv_id": MX}}
        )
    )
    works: dict[str, Callable[[bytes], object]] = {
        "whole": lambda raw: judge(parse(raw), owner, Cases()),
        "floor": _parsed_by_library,
        "peer": _parsed_by_mail_parser,
    }
    for name, text, most in (("where the text part tells all", True, 2.5), ("where only the page does", False, 4.0)):
        # Of somebody else each, as they come: what was found out about one may be remembered.
        mails = [notification(text=text, name=f"Bob Stranger{letters(place)}") for place in range(rounds)]
        works["whole"](mails[0])
        found = medians(works, mails)
        yield Measure(
            f"judging: {name}", found["whole"], "ms", f"<= {most:g}", floor=found["floor"], peer=found["peer"],
            ratio=found["whole"] / found["floor"],
        )  # fmt: skip


def _parsed_by_library(raw: bytes) -> None:
    email.message_from_bytes(raw)


def _parsed_by_mail_parser(raw: bytes) -> None:
    mailparser.parse_from_bytes(raw)


def main() -> None:
    report(list(measures(int(sys.argv[1]) if len(sys.argv) > 1 else 200)))


if __name__ == "__main__":
    main()
