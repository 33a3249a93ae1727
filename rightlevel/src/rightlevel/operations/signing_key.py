"""The deployment's own keys for what it signs, each made at the first start and kept in its database."""

from __future__ import annotations

import secrets
from typing import Final

from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.transaction import Session

_queries = load_queries(__package__ or "")

DEADLINE_S: Final = 5.0


async def signing_key(database: Database, name: str) -> bytes:
    """The key of this name, made where there is none yet; of two processes that start at once, both get the same."""

    async def key(session: Session) -> bytes:
        fresh = {"name": name, "value": secrets.token_bytes(32)}
        await session.execute(_queries["keep_signing_key"], fresh)
        return bytes(await session.fetch_value(_queries["read_signing_key"], {"name": name}))

    return await database.run(key, deadline_s=DEADLINE_S)
