"""What somebody has seen and accepted: quiet for a time, and only as long as it does not get worse."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from flatwater.doctor.model import RANK, Finding, Severity

LASTS: Final = timedelta(days=90)
"""A reason that nobody has thought about for a quarter is asked for again."""
MAX_ACKNOWLEDGED: Final = 200


class Acknowledged(Struct, frozen=True):
    """A finding by its key, how bad it was when it was accepted, and why it was."""

    key: str
    severity: Severity
    reason: str
    at: datetime


class TooManyAcknowledged(Exception):
    """200 findings are acknowledged already; that many are not accepted but overlooked. Cure some first."""


def quiet(finding: Finding, acknowledged: tuple[Acknowledged, ...], now: datetime) -> bool:
    """Whether this finding was accepted, not too long ago, when it was at least as bad."""
    return any(
        each.key == finding.key and RANK[finding.severity] <= RANK[each.severity] and now - each.at < LASTS
        for each in acknowledged
    )


def acknowledge(
    finding: Finding, reason: str, known: tuple[Acknowledged, ...], now: datetime
) -> tuple[Acknowledged, ...]:
    """What is acknowledged from now on. An earlier word on the same key is replaced, and old ones go. *Errors*: TooManyAcknowledged."""
    kept = [each for each in known if each.key != finding.key and now - each.at < LASTS]
    if len(kept) >= MAX_ACKNOWLEDGED:
        raise TooManyAcknowledged(" ".join((TooManyAcknowledged.__doc__ or "").split()))
    return (*kept, Acknowledged(finding.key, finding.severity, reason[:500], now))
