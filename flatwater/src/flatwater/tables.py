"""The tables that flatwater keeps in a service's own database, as text for the service's migrations."""

from __future__ import annotations

from importlib.resources import files
from typing import Final, LiteralString, cast


def _part(name: str) -> LiteralString:
    text = files("flatwater").joinpath("tables.sql").read_text("utf-8")
    part = text.split(f"-- {name}:", 1)[1].split("\n\n", 1)[0]
    return cast("LiteralString", part.split("\n", 1)[1])


OUTBOX: Final = _part("outbox")
"""For `Database(announce_by="outbox")`."""
RATE_LIMIT: Final = _part("rate_limit")
"""For `PostgresRateLimiter`."""
