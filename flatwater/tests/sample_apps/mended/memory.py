# ruff: noqa: A002, I001
"""The same requests, which leave nothing behind in the process. Read by the audit, never run."""

import asyncio
import atexit
import functools
import threading
from collections import OrderedDict, deque

from fastapi import FastAPI, Request, UploadFile
from prometheus_client import Counter
from sqlalchemy import event

from database import engine, work_out

app = FastAPI()
app.state.seen = OrderedDict()
VISITORS = deque(maxlen=100)
PRICES = {}
FAILED = deque(maxlen=20)
LETTERS = asyncio.Queue(maxsize=50)
ASKED = Counter("asked", "Requests", ["route"])
PLACES = threading.BoundedSemaphore(4)
running = set()


class Drafts:
    def __init__(self):
        self.kept = OrderedDict()

    def keep(self, who: str, words: str):
        self.kept[who] = words
        if len(self.kept) > 1_000:
            self.kept.popitem(last=False)

    def of(self, who: str):
        return self.kept.get(who, "")


drafts = Drafts()


class Board:
    def __init__(self):
        self.notes = []

    def put_up(self, words: str):
        self.notes.append(words)


@app.post("/store-object/{who}")
def store_object(who: str, words: str):
    drafts.keep(who, words)
    return {"kept": True}


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
        while len(PRICES) >= 1_000:
            PRICES.pop(next(iter(PRICES)))
        PRICES[article] = work_out(article)
    return {"price": PRICES[article]}


@functools.lru_cache(maxsize=512)
def discount_of(who: str):
    return work_out(who)


@app.get("/endless-cache/{who}")
def endless_cache(who: str):
    return {"discount": discount_of(who)}


@app.post("/forgotten-task/{id}")
async def forgotten_task(id: int):
    task = asyncio.create_task(asyncio.to_thread(work_out, id))
    running.add(task)
    task.add_done_callback(running.discard)
    return {"state": "soon"}


@app.post("/thread-per-request/{id}")
def thread_per_request(id: int):
    if PLACES.acquire(blocking=False):
        threading.Thread(target=work_out, args=(id,)).start()
    return {"state": "soon"}


@app.post("/endless-queue")
async def endless_queue(words: str):
    LETTERS.put_nowait(words)
    return {"state": "soon"}


@app.post("/whole-upload")
async def whole_upload(file: UploadFile):
    size = 0
    while piece := await file.read(65_536):
        size += len(piece)
    return {"size": size}


@app.get("/label-from-input/{who}")
def label_from_input(who: str):
    ASKED.labels("/label-from-input/{who}").inc()
    return {"hello": who}


@app.get("/exception-kept/{article}")
def exception_kept(article: str):
    try:
        return {"price": work_out(article)}
    except ValueError as error:
        FAILED.append(f"{type(error).__name__}: {error}")
        return {"price": None}


@app.post("/class-container")
def class_container(words: str):
    Board().put_up(words)
    return {"up": True}


@app.get("/application-state/{who}")
def application_state(who: str, request: Request):
    seen = request.app.state.seen
    seen[who] = request.headers.get("user-agent")
    while len(seen) > 1_000:
        seen.popitem(last=False)
    return {"hello": who}


def count(*_):
    return None


event.listen(engine, "before_cursor_execute", count)
atexit.register(work_out, 0)


@app.get("/listener-per-request")
def listener_per_request():
    return {"watched": True}


@app.get("/at-exit-per-request/{id}")
def at_exit_per_request(id: int):
    return {"state": "later"}
