# ruff: noqa: A002, B008, I001
"""Connections that come back, and are not held while something else is waited for. Read by the audit, never run."""

import asyncio
import time

import asyncpg
import httpx
import psycopg_pool
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import create_engine, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from models import Child, Letter, Mentor

app = FastAPI()
engine = create_engine("postgresql+psycopg://shop", connect_args={"options": "-c statement_timeout=10000"})
SessionLocal = sessionmaker(engine)
async_engine = create_async_engine("postgresql+asyncpg://shop")
AsyncSessionLocal = async_sessionmaker(async_engine)
pool: asyncpg.Pool = None
threads = psycopg_pool.ConnectionPool("postgresql://shop", open=False)
client = httpx.AsyncClient(timeout=5)
news = asyncio.Queue(maxsize=100)


@app.get("/unclosed-session/{id}")
def unclosed_session(id: int):
    with SessionLocal() as session:
        return {"name": session.get(Mentor, id).name}


@app.get("/call-in-session/{id}")
async def call_in_session(id: int):
    async with AsyncSessionLocal() as session:
        code = (await session.get(Letter, id)).code
    answer = await client.get(f"https://post.example/{code}")
    async with AsyncSessionLocal() as session:
        (await session.get(Letter, id)).state = answer.json()["state"]
        await session.commit()
    return {"state": answer.json()["state"]}


@app.get("/n-plus-one/{id}")
async def n_plus_one(id: int, session=Depends(AsyncSessionLocal)):
    pairs = select(Mentor, Child).join(Child).where(Mentor.school_id == id).limit(100)
    return [(mentor.name, child.name) for mentor, child in (await session.execute(pairs)).all()]


async def state_of(id: int):
    async with AsyncSessionLocal() as session:
        return (await session.get(Letter, id)).state


@app.get("/session-over-a-wait/{id}")
async def session_over_a_wait(id: int):
    for _ in range(30):
        if await state_of(id) == "sent":
            return {"state": "sent"}
        await asyncio.sleep(1)
    return {"state": "waiting"}


@app.get("/getconn/{id}")
def getconn_with_finally(id: int):
    connection = threads.getconn()
    try:
        row = connection.execute("SELECT name FROM mentor WHERE id = %s", [id]).fetchone()
        return {"name": row[0]}
    finally:
        threads.putconn(connection)


@app.get("/wait-for-acquire/{id}")
async def wait_for_acquire(id: int):
    async with pool.acquire(timeout=2) as connection:
        return {"name": await connection.fetchval("SELECT name FROM mentor WHERE id = $1", id)}


async def keep_listening():
    while True:
        try:
            connection = await asyncpg.connect("postgresql://shop")
            await connection.add_listener("news", lambda *what: news.put_nowait(what[-1]))
            await connection.fetchval("SELECT pg_sleep(3600)")
        except OSError:
            await asyncio.sleep(1)


@app.get("/listen-without-reconnect")
async def listen_without_reconnect():
    async def events():
        while True:
            yield f"data: {await news.get()}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/listen-in-a-transaction")
async def listen_in_a_transaction():
    return {"news": await asyncio.wait_for(news.get(), 20)}


@app.get("/held-by-a-stream")
async def held_by_a_stream():
    async def lines():
        after = 0
        while rows := await names_after(after):
            yield "".join(row["name"] + "\n" for row in rows)
            after = rows[-1]["id"]

    return StreamingResponse(lines())


async def names_after(after: int):
    async with pool.acquire() as connection:
        return await connection.fetch("SELECT id, name FROM child WHERE id > $1 ORDER BY id LIMIT 500", after)


def write_letters(id: int):
    with SessionLocal() as session:
        session.add(Letter(mentor_id=id))
        session.commit()
    time.sleep(2)


@app.post("/held-by-a-background-task/{id}")
def held_by_a_background_task(id: int, background: BackgroundTasks):
    background.add_task(write_letters, id)
    return {"state": "soon"}


@app.post("/outgoing-call/{id}")
async def outgoing_call(id: int):
    async with pool.acquire() as connection:
        cents = await connection.fetchval("SELECT cents FROM bill WHERE id = $1", id)
    paid = await client.post("https://bank.example/pay", json={"cents": cents})
    async with pool.acquire() as connection:
        await connection.execute("UPDATE bill SET paid = $2 WHERE id = $1", id, paid.json()["paid"])
    return {"paid": True}


def open_session():
    session = SessionLocal()
    try:
        yield session
    finally:
        session.close()


@app.get("/dependency-without-finally/{id}")
def dependency_with_finally(id: int, session=Depends(open_session)):
    return {"name": session.get(Mentor, id).name}
