"""The kinds of values a setting can have, and the section they stand in; shared by config.py and policy.py."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo

_DURATION = re.compile(r"(?P<number>\d+)\s*(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ADDRESS = re.compile(r"[^\s@<>\"(),:;\\]+@[^\s@<>\"(),:;\\]+")


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        return timedelta(**{_UNITS[found["unit"]]: int(found["number"])})
    raise ValueError('a duration is a number and a unit, like "15m", "12h" or "30d"')


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


def listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def is_address(value: str) -> bool:
    """Whether this is a mail address that can be written to without quotes."""
    return bool(_ADDRESS.fullmatch(value))


def _address(value: str) -> str:
    if not is_address(value):
        raise ValueError(f"{value!r} is not a mail address")
    local, _, domain = value.rpartition("@")
    return f"{local}@{domain.lower()}"


Duration = Annotated[timedelta, BeforeValidator(_duration)]
FilePath = Annotated[Path, AfterValidator(_beside_the_file)]
MailAddress = Annotated[str, AfterValidator(_address)]
Words = Annotated[tuple[str, ...], BeforeValidator(listed)]  # one string, or a list of them


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
