"""What an audit row says."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from flatwater.clock import Clock, today


class AuditEntry(msgspec.Struct, frozen=True):
    """One deed or one attempt; `before` and `after` hold the fields that it touched, never a hash or a token."""

    id: int
    at: datetime
    username: str | None
    role: str | None
    action: str
    resource: str
    resource_id: str | None
    outcome: str
    before: Any
    after: Any
    reason: str | None
    address: str | None
    times: int = 1
    """How often it was tried within the minute that `at` names, where it was denied."""
    last_at: datetime | None = None


class AuditFilter(msgspec.Struct, frozen=True):
    """Which entries are asked for; what is None is not asked. `text` looks through a month at most (audit/store.py)."""

    person_id: int | None = None
    username: str | None = None
    action: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    outcome: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    text: str | None = None
    time_zone: str = "UTC"
    """In which its days are."""


def dated(wanted: AuditFilter, clock: Clock) -> AuditFilter:
    """The filter with its days in the clock's zone, and a last day where a text is looked for: the look goes no further back than its month."""
    here = msgspec.structs.replace(wanted, time_zone=str(clock.zone))
    if here.text is None or here.to_on is not None:
        return here
    return msgspec.structs.replace(here, to_on=today(clock))


SECRET_WORDS = ("password", "hash", "token", "secret", "pin")


def without_secrets(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    """The fields fit to be kept: anything named like a secret is left out."""
    if fields is None:
        return None
    return {name: value for name, value in fields.items() if not any(word in name for word in SECRET_WORDS)}
