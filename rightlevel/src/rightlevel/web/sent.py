"""What forms send that is no deed's own: reasons, days of filters, and buttons alone."""

from __future__ import annotations

from datetime import date
from typing import Final, Protocol

import msgspec

from rightlevel.programme.errors import LONGEST_REASON, Fault, Invalid, ProgrammeError, Stale
from rightlevel.web.language import N_

NEEDED: Final = N_("Please fill this in")
A_DAY: Final = N_("A day like 2026-11-30")


class Reason(msgspec.Struct, frozen=True):
    """Why something is taken away or changed out of turn, and which version the person had before their eyes."""

    reason: str = ""
    version: int = 0


class NoFields(msgspec.Struct, frozen=True):
    """A form that is only a button."""


class GivesReason(Protocol):
    """A form that asks for a reason."""

    @property
    def reason(self) -> str: ...


def reason_of(form: GivesReason) -> str:
    """The reason given, whole. *Errors*: Invalid without one, and for one that no table keeps whole."""
    reason = form.reason.strip()
    if not reason:
        raise Invalid(faults=(Fault("reason", NEEDED),))
    if len(reason) > LONGEST_REASON:
        raise Invalid(faults=(Fault("reason", f"At most {LONGEST_REASON} characters", reason[:80]),))
    return reason


def day_of(field: str, text: str) -> date:
    """A day as date fields send it. *Errors*: Invalid for one that can't be read, and for none."""
    day = day_or_none(**{field: text})[field]
    if day is None:
        raise Invalid(faults=(Fault(field, NEEDED),))
    return day


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
