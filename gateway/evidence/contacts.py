"""Address books: vCard 2.1 to 4.0, in one file, in a folder of .vcf files, or from a CardDAV server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import vobject

from gateway.errors import BadSource
from gateway.evidence.nobody import Mine
from gateway.evidence.texts import clean, decode, read_bytes, unreadable
from gateway.model import Acquaintance, Link

_CARD = re.compile(r"^BEGIN:VCARD[ \t]*$.*?^END:VCARD[ \t]*$", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_PROPERTY = re.compile(r"^(?:[\w-]+\.)?[\w-]+[^:\n]*:")
_QUOTED_PRINTABLE = re.compile(r"^[^:\n]*QUOTED-PRINTABLE[^\n]*=$", re.IGNORECASE)
# All else in a card is nobody's business; photos make up most of an export.
_WANTED = re.compile(
    r"(?:[\w-]+\.)?(?:BEGIN|END|VERSION|FN|N|NICKNAME|EMAIL|ORG|URL|(?:X-)?SOCIALPROFILE)(?=[;:])", re.IGNORECASE
)
# A line in which nothing is escaped, encoded or a list, so that its value is what stands there.
_PLAIN = re.compile(
    r"(?:[A-Za-z0-9-]+\.)?(?P<name>[A-Za-z-]+)"
    r"(?P<params>(?:;(?:TYPE|PREF)=[A-Za-z0-9-]+(?:,[A-Za-z0-9-]+)*)*):(?P<value>[^\\,]*)(?<!=)",
    re.ASCII | re.IGNORECASE,
)


class _Property(NamedTuple):
    """A property as vobject gives it."""

    value: str
    params: str


def read_path(path: Path, source: str, mine: Mine) -> Iterator[Acquaintance]:
    """The people of a .vcf file or of a folder of them."""
    try:
        files = sorted(path.glob("**/*.vcf")) if path.is_dir() else [path]
    except OSError as exc:
        raise unreadable(path, exc) from exc
    for file in files:
        yield from read_cards(read_bytes(file), str(file), source, mine)


def read_cards(raw: bytes, place: str, source: str, mine: Mine) -> Iterator[Acquaintance]:
    """The people of an export; a card that cannot be read is left out, BadSource if none can."""
    cards = _CARD.findall(decode(raw).replace("\r\n", "\n").replace("\r", "\n"))
    if not cards and raw.strip():
        raise BadSource(f"{place}: has no vCard in it: export the address book as vCard (.vcf)")
    people = [acquaintance for card in cards if (acquaintance := _acquaintance(card, source))]
    if cards and not people:
        raise BadSource(f"{place}: none of its {len(cards)} cards can be read: export it again as vCard 3.0 or 4.0")
    yield from (person for person in people if not mine.address(person.address or ""))


def _acquaintance(card: str, source: str) -> Acquaintance | None:
    lines = list(_lines(card))
    try:
        fields = _plain(lines) or _read(lines)
    except (vobject.base.ParseError, ValueError, LookupError):
        return None
    addresses = [address for value in _values(fields, "email") if "@" in (address := value.removeprefix("mailto:"))]
    name = next(iter(_values(fields, "fn")), "") or clean(_composed(fields))
    if not name and not addresses:
        return None
    return Acquaintance(
        source=source,
        link=Link.CONTACT,
        name=name or None,
        address=addresses[0] if addresses else None,
        other_addresses=tuple(dict.fromkeys(addresses[1:])),
        nicknames=tuple(part.strip() for value in _values(fields, "nickname") for part in value.split(",")),
        company=next(iter(_values(fields, "org")), None),
        profile_url=_profile(fields),
    )


def _read(lines: list[str]) -> dict[str, list[Any]]:
    contents: dict[str, list[Any]] = vobject.readOne("\n".join(lines), ignoreUnreadable=True, allowQP=True).contents
    return contents


def _plain(lines: list[str]) -> dict[str, list[Any]] | None:
    """The properties of a card that has FN and only plain lines, as most do; vobject takes ten times as long."""
    found = [_PLAIN.fullmatch(line) for line in lines[1:-1]]
    if (lines[0], lines[-1]) != ("BEGIN:VCARD", "END:VCARD") or not all(found):
        return None
    fields: dict[str, list[Any]] = {}
    for part in filter(None, found):
        name, value = part["name"].lower(), part["value"]
        fields.setdefault(name, []).append(
            _Property(value.partition(";")[0] if name == "org" else value, part["params"])
        )
    # Without FN the name is composed of what vobject makes of N.
    return fields if _values(fields, "fn") and fields.keys().isdisjoint(("begin", "end")) else None


def _lines(card: str) -> Iterator[str]:
    """The lines of a card that matter, unfolded; whatever is no property goes on with the line before."""
    whole: list[str] = []
    for line in card.split("\n"):
        if whole and _QUOTED_PRINTABLE.match(whole[-1]):
            whole[-1] = whole[-1][:-1] + line.lstrip()
        elif whole and line[:1] in (" ", "\t"):
            whole[-1] += line[1:]
        elif _PROPERTY.match(line):
            whole.append(line)
    yield from (line for line in whole if _WANTED.match(line))


def _values(fields: dict[str, list[Any]], name: str) -> list[str]:
    """The plain values of a property, the preferred ones first."""
    items = sorted(fields.get(name, ()), key=lambda item: "PREF" not in str(item.params).upper())
    firsts = (item.value[0] if isinstance(item.value, list) and item.value else item.value for item in items)
    return [text for value in firsts if (text := clean(str(value)))]


def _composed(fields: dict[str, list[Any]]) -> str:
    """The name of a card without FN, out of its N."""
    parts = fields["n"][0].value if "n" in fields else None
    if parts is None:
        return ""
    words = (parts.given, parts.additional, parts.family)
    return " ".join(word if isinstance(word, str) else " ".join(word) for word in words if word)


def _profile(fields: dict[str, list[Any]]) -> str | None:
    """A profile on a network; any other web page says nothing about who an inviter is."""
    urls = [*_values(fields, "socialprofile"), *_values(fields, "x-socialprofile"), *_values(fields, "url")]
    return next((url for url in urls if re.search(r"//[^/]*(?:linkedin|xing)\.com/|/@\w", url)), None)
