"""Reading what people type into forms: days, numbers and reasons, with a fault for each that can't be read."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, Protocol

import msgspec

from rightlevel.programme.errors import Fault, Invalid, ProgrammeError, Stale
from rightlevel.web.language import N_

NEEDED: Final = N_("Please fill this in")
A_DAY: Final = N_("A day like 2026-11-30")
MOST_DIGITS = 18
"""More than any number here has, and few enough for the database."""
LONGEST_REASON = 200
"""What the tables take of a reason; the pages say the same."""
_UNUSUAL = re.compile(r"_|nan|inf", re.IGNORECASE)
"""What Python reads as part of a number and people never mean."""


class Reason(msgspec.Struct, frozen=True):
    """Why something is taken away or changed out of turn, and which version the person had before their eyes."""

    reason: str = ""
    version: int = 0


class NoFields(msgspec.Struct, frozen=True):
    """A form that is only a button."""


class Typed:
    """Reads typed texts; what can't be read becomes a fault, and `check` raises them all at once."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def day(self, field: str, text: str) -> date:
        """A day as date fields send it; the first of all days stands in for one that can't be read."""
        try:
            return date.fromisoformat(text.strip())
        except ValueError:
            self._refuse(field, A_DAY if text.strip() else NEEDED, text)
            return date.min

    def day_or_none(self, field: str, text: str) -> date | None:
        return self.day(field, text) if text.strip() else None

    def decimal_or_none(self, field: str, text: str) -> float | None:
        """A number in any script's digits, with a point or a comma."""
        if not text.strip():
            return None
        try:
            if _UNUSUAL.search(text):
                raise ValueError
            return float(text.strip().replace(",", "."))
        except ValueError:
            self._refuse(field, N_("A number like 11.56"), text)
            return None

    def whole_or_none(self, field: str, text: str) -> int | None:
        """A whole number in any script's digits."""
        if not text.strip():
            return None
        try:
            if _UNUSUAL.search(text) or len(text.strip()) > MOST_DIGITS:
                raise ValueError
            return int(text.strip())
        except ValueError:
            self._refuse(field, N_("A whole number"), text)
            return None

    def reason(self, text: str) -> str:
        """A reason, which may not be left out, and is kept whole or not at all."""
        if not text.strip():
            self._refuse("reason", NEEDED, text)
        elif len(text.strip()) > LONGEST_REASON:
            self._refuse("reason", f"At most {LONGEST_REASON} characters", text)
        return text.strip()

    def needed(self, field: str) -> None:
        """Marks a field that was left empty."""
        self._refuse(field, NEEDED, "")

    def check(self) -> None:
        """Passes when everything could be read. *Errors*: Invalid with every fault."""
        if self.faults:
            raise Invalid(faults=tuple(self.faults))

    def _refuse(self, field: str, rule: str, text: str) -> None:
        self.faults.append(Fault(field, rule, text[:80]))


class GivesReason(Protocol):
    """A form that asks for a reason."""

    @property
    def reason(self) -> str: ...


def reason_of(form: GivesReason) -> str:
    """The reason given. *Errors*: Invalid without one."""
    typed = Typed()
    reason = typed.reason(form.reason)
    typed.check()
    return reason


def day_or_none(**typed: str) -> dict[str, date | None]:
    """Days that were typed into a filter, by their fields; None for each that was left blank. *Errors*: Invalid, naming each that is no day."""
    days: dict[str, date | None] = {}
    faults: list[Fault] = []
    for field, text in typed.items():
        try:
            days[field] = date.fromisoformat(text.strip()) if text.strip() else None
        except ValueError:
            faults.append(Fault(field, A_DAY, text[:80]))
    if faults:
        raise Invalid(faults=tuple(faults))
    return days


def require_filled(form: msgspec.Struct, *fields: str) -> None:
    """Passes when each of these was filled in. *Errors*: Invalid, naming every one that was not."""
    blank = [each for each in fields if not str(getattr(form, each) or "").strip()]
    if blank:
        raise Invalid(faults=tuple(Fault(each, NEEDED) for each in blank))


def now_there(error: ProgrammeError, form: msgspec.Struct) -> list[tuple[str, object]]:
    """Of a stale form, the fields that stand otherwise on the server now, with what stands there."""
    current: dict[str, object] = error.values.get("current", {}) if isinstance(error, Stale) else {}
    typed = msgspec.structs.asdict(form)
    return [
        (name, current[name])
        for name, text in typed.items()
        if name != "version" and name in current and _shown(current[name]) != _shown(text)
    ]


def _shown(value: object) -> str:
    return "" if value is None else str(value).strip()
