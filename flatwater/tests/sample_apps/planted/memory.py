# ruff: noqa: A002, I001, RUF006, RUF012, UP033
"""What a request leaves behind in the process. Read by the audit, never run."""

import asyncio
import atexit
import functools
import threading

from fastapi import FastAPI, Request, UploadFile
from prometheus_client import Counter
from sqlalchemy import event

from database import engine, work_out

app = FastAPI()
app.state.seen = {}
VISITORS = []
PRICES = {}
FAILED = []
LETTERS = asyncio.Queue()
ASKED = Counter("asked", "Requests", ["who"])


class Drafts:
    def __init__(self):
        self.kept = {}

    def keep(self, who: str, words: str):
        self.kept[who] = words

    def of(self, who: str):
        return self.kept.get(who, "")


drafts = Drafts()


class Board:
    notes: list = []

    def put_up(self, words: str):
        self.notes.append(words)


@app.post("/store-object/{who}")
def store_object(who: str, words: str):
    drafts.keep(who, words)
    return {"kept": True}


@functools.lru_cache(maxsize=512)
async def rate_of(currency: str):
    return await work_out(currency)


@app.get("/cached-async/{currency}")
async def cached_async(currency: str):
    return {"rate": await rate_of(currency)}


@app.get("/module-list")
def module_list(name: str):
    VISITORS.append(name)
    return {"hello": name}


@app.get("/module-dict/{article}")
def module_dict(article: str):
    if article not in PRICES:
        PRICES[article] = work_out(article)
    return {"price": PRICES[article]}


@functools.lru_cache(maxsize=None)
def discount_of(who: str):
    return work_out(who)


@app.get("/endless-cache/{who}")
def endless_cache(who: str):
    return {"discount": discount_of(who)}


@app.post("/forgotten-task/{id}")
async def forgotten_task(id: int):
    asyncio.create_task(asyncio.to_thread(work_out, id))
    return {"state": "soon"}


@app.post("/thread-per-request/{id}")
def thread_per_request(id: int):
    threading.Thread(target=work_out, args=(id,)).start()
    return {"state": "soon"}


@app.post("/endless-queue")
async def endless_queue(words: str):
    await LETTERS.put(words)
    return {"state": "soon"}


@app.post("/whole-upload")
async def whole_upload(file: UploadFile):
    content = await file.read()
    return {"size": len(content)}


@app.get("/label-from-input/{who}")
def label_from_input(who: str):
    ASKED.labels(who).inc()
    return {"hello": who}


@app.get("/exception-kept/{article}")
def exception_kept(article: str):
    try:
        return {"price": work_out(article)}
    except ValueError as error:
        FAILED.append(error)
        return {"price": None}


@app.post("/class-container")
def class_container(words: str):
    Board().put_up(words)
    return {"up": True}


@app.get("/application-state/{who}")
def application_state(who: str, request: Request):
    request.app.state.seen[who] = request.headers.get("user-agent")
    return {"hello": who}


@app.get("/listener-per-request")
def listener_per_request():
    def count(*_):
        return None

    event.listen(engine, "before_cursor_execute", count)
    return {"watched": True}


@app.get("/at-exit-per-request/{id}")
def at_exit_per_request(id: int):
    atexit.register(work_out, id)
    return {"state": "later"}
