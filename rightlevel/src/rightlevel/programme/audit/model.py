"""What an audit row says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


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


SECRET_WORDS = ("password", "hash", "token", "secret", "pin")


def without_secrets(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    """The fields fit to be kept: anything named like a secret is left out."""
    if fields is None:
        return None
    return {name: value for name, value in fields.items() if not any(word in name for word in SECRET_WORDS)}
