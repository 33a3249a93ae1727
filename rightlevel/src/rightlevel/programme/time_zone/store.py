"""The only file that knows where the time zone is kept."""

from __future__ import annotations

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session

_queries = load_queries(__package__ or "")


class Told(msgspec.Struct, frozen=True):
    """What the database says of the zone: the one that was chosen, and the code of the place tree's country."""

    chosen: str | None
    country: str | None


async def find_time_zone(session: Session) -> Told:
    found = await session.fetch_one(_queries["find_time_zone"], {}, into=Told)
    return found or Told(None, None)


async def save_time_zone(session: Session, name: str | None) -> None:
    """Keeps the chosen zone; None takes the choice back."""
    if name is None:
        await session.execute(_queries["drop_time_zone"], {})
    else:
        await session.execute(_queries["save_time_zone"], {"name": msgspec.json.encode(name).decode()})
