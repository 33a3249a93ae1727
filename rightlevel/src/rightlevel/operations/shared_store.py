"""The Valkey (or Redis) server that several hosts may share, where an operator names one. Nothing needs it.

It holds what the hosts would else count and load each for itself: allowances, and what is assigned to whom. Every call has a tenth of a
second and a breaker before it (`flatwater.valkey`), so one that is gone costs little, and one that comes back is used again.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

from rightlevel.database.errors import DatabaseProblem

if TYPE_CHECKING:
    from flatwater.valkey import Client

log = logging.getLogger("rightlevel.operations")

CONNECTIONS: Final = 8
PREFIX: Final = "rightlevel"


class SharedStoreProblem(DatabaseProblem):
    """RIGHTLEVEL_VALKEY_URL can't be used; the message says why and what to do."""


@asynccontextmanager
async def open_shared_store(url: str) -> AsyncIterator[Client | None]:
    """A client of the store, or None where none is named. One that doesn't answer now is used once it does.

    *Errors*: SharedStoreProblem when the address has the wrong form, or the client's library is missing.
    """
    if not url:
        yield None
        return
    try:
        from redis.asyncio import Redis
    except ImportError as missing:
        raise SharedStoreProblem(
            "RIGHTLEVEL_VALKEY_URL is set and the package redis is missing: pip install 'flatwater[valkey]'."
        ) from missing
    try:
        client = Redis.from_url(
            url, max_connections=CONNECTIONS, socket_connect_timeout=1.0, socket_timeout=1.0
        )
    except ValueError as error:
        # The address itself may hold a password, so it is not repeated.
        raise SharedStoreProblem(
            "RIGHTLEVEL_VALKEY_URL has the wrong form; it is like redis://host:6379/0 or unix:///run/valkey/valkey.sock."
        ) from error
    log.info("allowances and caches are shared through the store of RIGHTLEVEL_VALKEY_URL")
    try:
        yield cast("Client", client)
    finally:
        await client.aclose()
