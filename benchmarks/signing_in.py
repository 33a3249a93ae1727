"""Signing in: what a right password takes on a quiet service, and beside attackers who guess, send half a request and show tokens of nobody.

The attackers come from one address and the honest person from another, as they would: what is measured is what all of them share (the two slots
that hash, the loop, the database), not the allowance of an address.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import httpx

from benchmarks.work import Figure, fresh, run_json, service

SIGN_INS = 20
BETWEEN_S = 1.2
"""A person's own allowance is one a second."""
GUESSERS, HALF_SENT, STRANGERS = 8, 150, 4
UNDER_WAY_S = 2.0
TINY = {"SIGN_INS": 1, "BETWEEN_S": 0.0, "GUESSERS": 2, "HALF_SENT": 3, "STRANGERS": 1, "UNDER_WAY_S": 0.8}
P95_MS = 1_000.0
HONEST, ATTACKER = "127.0.0.2", "127.0.0.1"


def measure(say: Callable[[str], None]) -> list[Figure]:
    folder = fresh("signing-in")
    username = f"bench.{uuid.uuid4().hex[:12]}"
    password = str(
        run_json(
            "person", "add", "--role", "teacher", "--username", username, "--json", "--data", str(folder)
        )["password"]
    )
    with service(folder) as running:
        url = f"http://127.0.0.1:{running.port}"
        say(f"{SIGN_INS} sign-ins on a quiet service")
        quiet = asyncio.run(_sign_ins(url, username, password))
        say(
            f"{SIGN_INS} sign-ins beside {GUESSERS} who guess, {HALF_SENT} half-sent requests and {STRANGERS} strangers"
        )
        attacked, met = asyncio.run(_beside_attackers(url, username, password))
    told = ", ".join(f"{number:,} × {status}" for status, number in sorted(met.items()))
    p95 = _part(attacked, 0.95)
    return [
        Figure("sign-in, quiet, median", _part(quiet, 0.5), "ms", floor=f"slowest {max(quiet):.0f} ms"),
        Figure(
            "sign-in under attack, median",
            _part(attacked, 0.5),
            "ms",
            floor=f"quiet {_part(quiet, 0.5):.0f} ms",
        ),
        Figure(
            "sign-in under attack, p95",
            p95,
            "ms",
            f"<= {P95_MS:.0f} ms",
            p95 <= P95_MS,
            f"attackers met {told}",
        ),
    ]


def _part(took_ms: list[float], share: float) -> float:
    return sorted(took_ms)[min(int(len(took_ms) * share), len(took_ms) - 1)]


def _from(address: str, url: str) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(local_address=address)
    return httpx.AsyncClient(base_url=url, transport=transport, timeout=60)


async def _sign_ins(url: str, username: str, password: str) -> list[float]:
    """Milliseconds of each. *Errors*: RuntimeError for one that is refused."""
    took: list[float] = []
    for _ in range(SIGN_INS):
        async with _from(HONEST, url) as client:
            began = time.perf_counter()
            answer = await client.post("/sign-in", data={"username": username, "password": password})
            took.append((time.perf_counter() - began) * 1e3)
        if answer.status_code != 303:
            raise RuntimeError(f"a right password was answered {answer.status_code}")
        await asyncio.sleep(BETWEEN_S)
    return took


async def _beside_attackers(url: str, username: str, password: str) -> tuple[list[float], Counter[str]]:
    met: Counter[str] = Counter()
    attackers = [
        *(asyncio.create_task(_guess(url, username, met)) for _ in range(GUESSERS)),
        *(asyncio.create_task(_send_half(url, met)) for _ in range(HALF_SENT)),
        *(asyncio.create_task(_show_tokens(url, met)) for _ in range(STRANGERS)),
    ]
    await asyncio.sleep(UNDER_WAY_S)
    try:
        took = await _sign_ins(url, username, password)
    finally:
        broken = [task.exception() for task in attackers if task.done() and not task.cancelled()]
        for task in attackers:
            task.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
    if any(broken):
        raise RuntimeError(f"an attacker fell over: {broken[0]!r}")
    if not met["guess 403"] + met["guess 429"] or not met["token 401"] or not met["half sent"]:
        raise RuntimeError(f"the attack was none: {dict(met)}")
    return took, met


async def _guess(url: str, username: str, met: Counter[str]) -> None:
    """Wrong passwords: half of them for the honest person's account, half for names of nobody."""
    async with _from(ATTACKER, url) as client:
        while True:
            name = username if met["guesses"] % 2 else f"nobody.{uuid.uuid4().hex[:8]}"
            met["guesses"] += 1
            with suppress(httpx.HTTPError):
                answer = await client.post("/sign-in", data={"username": name, "password": uuid.uuid4().hex})
                met[f"guess {answer.status_code}"] += 1
            await asyncio.sleep(0.02)


async def _show_tokens(url: str, met: Counter[str]) -> None:
    """A token of nobody, another for each request."""
    async with _from(ATTACKER, url) as client:
        while True:
            with suppress(httpx.HTTPError):
                answer = await client.get(
                    "/api/v1/me", headers={"authorization": f"Bearer rl_{uuid.uuid4().hex}"}
                )
                met[f"token {answer.status_code}"] += 1
            await asyncio.sleep(0.01)


async def _send_half(url: str, met: Counter[str]) -> None:
    """Heads that never end, each held for as long as the door lets it."""
    port = int(url.rsplit(":", 1)[1])
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"POST /sign-in HTTP/1.1\r\nHost: x\r\nX-Half: ")
                met["half sent"] += 1
                await reader.read(64)
            finally:
                writer.close()
        await asyncio.sleep(0.1)
