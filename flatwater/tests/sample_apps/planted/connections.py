# ruff: noqa: A002, B008, I001
"""Connections that don't come back, or are held while something else is waited for. Read by the audit, never run."""

import asyncio
import time

import asyncpg
import httpx
import psycopg_pool
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import create_engine, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from models import Child, Letter, Mentor

app = FastAPI()
engine = create_engine("postgresql+psycopg://shop")
SessionLocal = sessionmaker(engine)
async_engine = create_async_engine("postgresql+asyncpg://shop")
AsyncSessionLocal = async_sessionmaker(async_engine)
pool: asyncpg.Pool = None
threads = psycopg_pool.ConnectionPool("postgresql://shop", open=False)
client = httpx.AsyncClient(timeout=5)


@app.get("/unclosed-session/{id}")
def unclosed_session(id: int):
    session = SessionLocal()
    mentor = session.get(Mentor, id)
    return {"name": mentor.name}


@app.get("/call-in-session/{id}")
async def call_in_session(id: int):
    async with AsyncSessionLocal() as session:
        letter = await session.get(Letter, id)
        answer = await client.get(f"https://post.example/{letter.code}")
        letter.state = answer.json()["state"]
        await session.commit()
    return {"state": letter.state}


@app.get("/n-plus-one/{id}")
async def n_plus_one(id: int, session=Depends(AsyncSessionLocal)):
    mentors = (await session.scalars(select(Mentor).where(Mentor.school_id == id).limit(100))).all()
    return [
        {
            "name": mentor.name,
            "children": (
                await session.scalars(select(Child).where(Child.mentor_id == mentor.id).limit(50))
            ).all(),
        }
        for mentor in mentors
    ]


@app.get("/session-over-a-wait/{id}")
async def session_over_a_wait(id: int):
    async with AsyncSessionLocal() as session:
        for _ in range(30):
            letter = await session.get(Letter, id)
            if letter.state == "sent":
                return {"state": "sent"}
            await asyncio.sleep(1)
    return {"state": "waiting"}


@app.get("/getconn/{id}")
def getconn_without_finally(id: int):
    connection = threads.getconn()
    row = connection.execute("SELECT name FROM mentor WHERE id = %s", [id]).fetchone()
    threads.putconn(connection)
    return {"name": row[0]}


@app.get("/wait-for-acquire/{id}")
async def wait_for_acquire(id: int):
    connection = await asyncio.wait_for(pool.acquire(), 2)
    try:
        return {"name": await connection.fetchval("SELECT name FROM mentor WHERE id = $1", id)}
    finally:
        await pool.release(connection)


@app.get("/listen-without-reconnect")
async def listen_without_reconnect():
    async def events():
        connection = await asyncpg.connect("postgresql://shop")
        news = asyncio.Queue(maxsize=10)
        await connection.add_listener("news", lambda *what: news.put_nowait(what[-1]))
        while True:
            yield f"data: {await news.get()}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/listen-in-a-transaction")
async def listen_in_a_transaction():
    async with async_engine.begin() as connection:
        await connection.execute(text("LISTEN news"))
        await asyncio.sleep(20)
    return {"news": "none"}


@app.get("/held-by-a-stream")
async def held_by_a_stream():
    async def lines():
        async with pool.acquire() as connection, connection.transaction():
            async for row in connection.cursor("SELECT name FROM child ORDER BY id"):
                yield row["name"] + "\n"

    return StreamingResponse(lines())


def write_letters(session, id: int):
    session.add(Letter(mentor_id=id))
    time.sleep(2)
    session.commit()


@app.post("/held-by-a-background-task/{id}")
def held_by_a_background_task(id: int, background: BackgroundTasks, session=Depends(SessionLocal)):
    background.add_task(write_letters, session, id)
    return {"state": "soon"}


@app.post("/outgoing-call/{id}")
async def outgoing_call(id: int):
    async with pool.acquire() as connection:
        cents = await connection.fetchval("SELECT cents FROM bill WHERE id = $1", id)
        paid = await client.post("https://bank.example/pay", json={"cents": cents})
        await connection.execute("UPDATE bill SET paid = $2 WHERE id = $1", id, paid.json()["paid"])
    return {"paid": True}


def open_session():
    session = SessionLocal()
    yield session
    session.close()


@app.get("/dependency-without-finally/{id}")
def dependency_without_finally(id: int, session=Depends(open_session)):
    return {"name": session.get(Mentor, id).name}
