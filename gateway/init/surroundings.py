"""What the machine tells of the person at it: their name, language and time zone. All of it may be wrong."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from zoneinfo import available_timezones

_ZONE = Path("/etc/localtime")


def full_name(address: str) -> str:
    """The name in the user database, else one read off the address."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0].strip()
    except KeyError:
        name = ""
    if " " in name:
        return name
    words = re.split(r"[._-]+", address.partition("@")[0].partition("+")[0])
    return " ".join(word.capitalize() for word in words if word)


def language(offered: Collection[str], environment: Mapping[str, str]) -> str:
    """The language of the user's programs (locale(7)) if it is offered, else English."""
    chosen = next((value for key in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(key))), "")
    code = chosen[:2].lower()
    return code if code in offered else "en"


def timezone(environment: Mapping[str, str], link: Path = _ZONE) -> str:
    """The time zone of the machine by its name, else UTC."""
    name = environment.get("TZ", "").removeprefix(":") or str(link.resolve()).partition("zoneinfo/")[2]
    return name if name in available_timezones() else "UTC"
