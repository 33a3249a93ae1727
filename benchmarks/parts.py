"""What flatwater's small parts cost each time they are used, which their docstrings say: the least of many turns, so that others on the machine count little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.work import Figure
from flatwater import (
    Cache,
    CircuitBreaker,
    Guard,
    GuardLimits,
    Ledger,
    Limited,
    RateClass,
    Watched,
    WsgiGuard,
)
from flatwater.deadlines import Deadlines
from flatwater.latency import LatencyHistogram
from flatwater.metrics import Metrics, RequestMetrics
from flatwater.rate_limit import MemoryRateLimiter

TURNS = 30
RUNS = 2_000
TINY = {"TURNS": 1, "RUNS": 20}
OFTEN = RateClass("all", per_s=10_000_000, burst=10_000_000)
SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/notes",
    "headers": [],
    "client": ("127.0.0.1", 1),
    "query_string": b"",
}
ENVIRON = {"REQUEST_METHOD": "GET", "PATH_INFO": "/notes", "REMOTE_ADDR": "127.0.0.1", "wsgi.input": None}


def least(work: Callable[[], object]) -> float:
    """Microseconds of one run, in the quickest turn."""
    turns: list[float] = []
    for _ in range(TURNS):
        began = time.perf_counter()
        for _ in range(RUNS):
            work()
        turns.append(time.perf_counter() - began)
    return min(turns) / RUNS * 1e6


def least_awaited(work: Callable[[], Awaitable[object]]) -> float:
    async def turns() -> float:
        found: list[float] = []
        for _ in range(TURNS):
            began = time.perf_counter()
            for _ in range(RUNS):
                await work()
            found.append(time.perf_counter() - began)
        return min(found)

    return asyncio.run(turns()) / RUNS * 1e6


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


def _receiving() -> Callable[[], Awaitable[dict[str, Any]]]:
    """A request without a body, whose caller stays."""
    told: list[bool] = []

    async def receive() -> dict[str, Any]:
        if told:
            await asyncio.Event().wait()
        told.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


async def _send(message: Any) -> None:
    return


def _asking(app: Any) -> Callable[[], Awaitable[object]]:
    return lambda: app(dict(SCOPE), _receiving(), _send)


def _wsgi(environ: Any, start: Any) -> list[bytes]:
    start("200 OK", [])
    return [b"x"]


def _asking_wsgi(app: Any) -> Callable[[], object]:
    def ask() -> object:
        answer = app(dict(ENVIRON), lambda *_: None)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()
        return answer

    return ask


def measure(say: Callable[[str], None]) -> list[Figure]:
    ledger, connection = Ledger(), object()
    cache: Cache[int] = Cache("parts", entries=100, size_bytes=100_000, ttl_s=60)
    cache.put("a", 1)
    latency, deadlines = LatencyHistogram(), Deadlines()
    requests = RequestMetrics(Metrics())
    limited = Limited(OFTEN, who=lambda: "somebody")(lambda: None)
    tried = CircuitBreaker("parts")(lambda: None)
    limiter = MemoryRateLimiter()

    def statement() -> None:
        ledger.end(connection, ledger.begin(connection, "select 1"), rows=1, in_transaction=False)

    def taken() -> None:
        ledger.taken(connection, "none")
        ledger.given(connection)

    def within() -> None:
        with deadlines.within(60, lambda: None):
            pass

    bare, bare_wsgi = least_awaited(_asking(_bare)), least(_asking_wsgi(_wsgi))
    guard = Guard(_bare, GuardLimits(deadline_s=60), rate=OFTEN)
    wsgi_guard = WsgiGuard(_wsgi, GuardLimits(deadline_s=60), ledger=ledger, rate=OFTEN)
    with ledger.request("GET /notes"):
        asked = least(statement)
    measured = {
        "a statement in the ledger": asked,
        "a connection taken and given in the ledger": least(taken),
        "a request through Watched": least_awaited(_asking(Watched(_bare, ledger))) - bare,
        "a request through Guard, with deadline and rate": least_awaited(_asking(guard)) - bare,
        "a request through WsgiGuard, with deadline, rate and ledger": least(_asking_wsgi(wsgi_guard))
        - bare_wsgi,
        "a deadline of a thread": least(within),
        "a decision about a rate, in memory": least(lambda: limiter.decide(OFTEN, "somebody")),
        "a call of what is limited": least(limited),
        "a call through a breaker": least(tried),
        "a cache's lookup": least(lambda: cache.lookup("a")),
        "an observation of a latency": least(lambda: latency.observe(0.01)),
        "a quantile of latencies": least(lambda: latency.quantile(0.95)),
        "a request counted for Prometheus": least(lambda: requests.observe("/notes", "GET", 200, 0.01)),
    }
    wsgi_guard.close()
    deadlines.close()
    return [Figure(name, took, "µs") for name, took in measured.items()]
