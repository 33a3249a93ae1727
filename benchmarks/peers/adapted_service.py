"""A FastAPI service with SQLAlchemy's async engine on two tables, plain or with all of flatwater's adapters on (`ADAPTED=1`), leaking or not (`LEAK_BYTES`).

python adapted_service.py        prints its address once it listens; the database by PGHOST, PGPORT, PGUSER, PGDATABASE
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from typing import Any

from pydantic import BaseModel

NOTES = "select id, author, words from note where author = :author order by id limit 50"
COUNT = "select count(*) from note where author = :author"
EMPTY_BYTES = sys.getsizeof(b"")
kept: list[bytes] = []


class Note(BaseModel):
    id: int
    author: int
    words: str


class Notes(BaseModel):
    items: list[Note]
    total: int


def service() -> Any:
    from fastapi import Depends, FastAPI
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

    place = f"host={os.environ['PGHOST']}&port={os.environ['PGPORT']}&application_name=notes"
    engine = create_async_engine(
        f"postgresql+psycopg://{os.environ['PGUSER']}@/{os.environ['PGDATABASE']}?{place}"
    )
    sessions = async_sessionmaker(engine)
    api = FastAPI()
    leak_bytes = int(os.environ.get("LEAK_BYTES", "0"))

    async def session() -> Any:
        async with sessions() as opened:
            yield opened

    @api.get("/authors/{author}/notes")
    async def notes(author: int, session: AsyncSession = Depends(session)) -> Notes:  # noqa: B008  FastAPI's way
        rows = (await session.execute(text(NOTES), {"author": author})).mappings().all()
        total = await session.scalar(text(COUNT), {"author": author})
        if leak_bytes:
            kept.append(bytes(leak_bytes - EMPTY_BYTES))
        return Notes(items=[Note(**each) for each in rows], total=total or 0)

    @api.get("/authors/{author}/total")
    async def total(author: int, session: AsyncSession = Depends(session)) -> int:  # noqa: B008  FastAPI's way
        return await session.scalar(text(COUNT), {"author": author}) or 0

    @api.get("/-/blocks")
    async def blocks() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    if os.environ.get("ADAPTED") != "1":
        return api
    from flatwater import Budget, Guard, GuardLimits, Ledger, RateClass, Watched
    from flatwater.adapters.session_limits import SessionLimits
    from flatwater.adapters.sqlalchemy import watch_engine

    ledger = Ledger(Budget(statements=50, repeats=5), tags_statements=False)
    watch_engine(engine, ledger, SessionLimits(statement_s=10, lock_s=2, idle_in_transaction_s=15))
    limits = GuardLimits(body_bytes=1_000_000, response_bytes=8_000_000, deadline_s=10)
    return Guard(Watched(api, ledger), limits, rate=RateClass("all", per_s=1e6, burst=1_000_000))


if __name__ == "__main__":
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    print(f"{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(service(), log_level="warning", access_log=False)).run(sockets=[listening])
