"""What the page for work without a network costs a cheap phone: Chromium on a processor four times slower, over 400 kbit/s with 400 ms.

The whole application over a database of its own with the tests' cast in it and a class of forty, and Debian's Chromium driven by
Playwright. Then 10,000 entries of one phone over a line that drops every third request (by turns before and after it arrived), doubles
every fifth and lets doubles arrive late: exactly 10,000 results must be there afterwards."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
import uvicorn

from benchmarks.roads import open_site
from benchmarks.work import ROOT, Figure

SLOWER: Final = 4
LINE: Final = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
"""*Units*: milliseconds, bytes a second (400 kbit/s)."""
ENTRIES: Final = 10_000
CHILDREN: Final = ENTRIES // 2
TAPS: Final = 20
TINY = {"ENTRIES": 200, "CHILDREN": 100, "TAPS": 2}
PIN: Final = "482913"
STATIC: Final = ROOT / "rightlevel/src/rightlevel/web/static"
SHOWN: Final = "#f-pin, main .button"

CLASS = """
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
select {school}, {year}, {class_id}, 'P' || n, 'Phone child ' || n, 'phone child ' || n, 1 + n % 2, 3 from generate_series(1, 37) n;
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
select {school_b}, {year}, null, 'Q' || n, 'Many ' || n, 'many ' || n, 1 + n % 2, 4 from generate_series(1, {children}) n;
"""
FILL = """async ({ ids, round, day }) => {
  const here = await (await fetch('/api/v1/me/connection')).json()
  const vault = await phoneStore.create({ person_id: here.person_id, display_name: 'Phone' }, 'a long secret')
  const keep = []
  let at = 1
  for (const subject of ['language', 'math'])
    for (const student_id of ids) {
      const body = { id: phoneStore.newId(), student_id, round_id: round, subject, outcome: 'assessed', level: 'beginner', tested_on: day, method: 'grid', version: null }
      keep.push({ id: body.id, at: at++, kind: 'result', body, after: null, state: 'waiting', form: 1 })
    }
  for (let from = 0; from < keep.length; from += 500) await vault.settle({ keep: keep.slice(from, from + 500) })
  window.sending = { vault, token: here.csrf_token }
  return (await vault.all()).length
}"""
SEND = """async () => {
  const { vault, token } = window.sending
  let items = await vault.all()
  let tries = 0, states = {}
  const ask = async ({ method, path, body }) => {
    tries += 1
    const answer = await fetch(path, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json', 'x-csrf-token': token } })
    return { status: answer.status, body: await answer.json(), retry_after_s: 0 }
  }
  const settle = async ({ keep, gone }) => {
    await vault.settle({ keep, gone })
    const left = new Set(gone)
    const changed = new Map(keep.map((each) => [each.id, each]))
    items = items.filter((each) => !left.has(each.id)).map((each) => changed.get(each.id) ?? each)
  }
  for (let turn = 0; turn < 2000; turn += 1) {
    const came = await phoneOutbox.send(() => items, ask, settle)
    states[came.state] = (states[came.state] ?? 0) + 1
    if (came.state === 'done') break
  }
  return { tries, states, left: (await vault.all()).length }
}"""
TAP = """async () => {
  const row = document.querySelectorAll('.grid-row')[window.taps = (window.taps ?? 0) + 1]
  const begun = performance.now()
  const said = new Promise((resolve) => {
    new MutationObserver((_, watch) => {
      if (document.getElementById(row.id).querySelector('.grid-state').classList.contains('good-text')) { watch.disconnect(); resolve(performance.now() - begun) }
    }).observe(document.querySelector('.grid'), { childList: true, subtree: true, attributes: true })
  })
  row.querySelector('input').click()
  return said
}"""
GRID = """async (link) => {
  const begun = performance.now()
  const there = new Promise((resolve) => {
    const look = () => document.querySelectorAll('.grid-row').length >= 40 ? requestAnimationFrame(() => resolve(performance.now() - begun)) : requestAnimationFrame(look)
    look()
  })
  document.querySelector(link).click()
  return there
}"""


def measure(say: Callable[[str], None]) -> list[Figure]:
    """*Cost*: two minutes, most of them for sending 10,000 entries over the bad line."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), say))


async def _measure(folder: Path, say: Callable[[str], None]) -> list[Figure]:
    async with open_site(folder) as site, listening(site) as url:
        ids = await _fill(site)
        figures = await asyncio.to_thread(_in_browser, url, site, ids, say)
        results = await _count(site)
    say(f"{results:,} results of {ENTRIES:,} entries")
    figures.append(
        Figure(
            "10,000 entries over a bad line: results",
            results,
            "results",
            f"= {ENTRIES:,}",
            results == ENTRIES,
        )
    )
    return figures


async def _fill(site: Any) -> list[str]:
    """A class of forty, and children for the many entries, whose ids it gives."""
    cast = site.cast
    text = CLASS.format(
        school=cast.school_a,
        school_b=cast.school_b,
        year=cast.school_year,
        class_id=cast.class_3a,
        children=CHILDREN,
    )

    def fill() -> list[str]:
        with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
            connection.execute(text.encode())
            rows = connection.execute(
                "select id::text from student where code like 'Q%%' and school_id = %s", [cast.school_b]
            )
            return [str(each) for (each,) in rows.fetchall()]

    return await asyncio.to_thread(fill)


async def _count(site: Any) -> int:
    def count() -> int:
        with psycopg.connect(site.server.conninfo) as connection:
            row = connection.execute(
                "select count(*) from result r join student s on s.id = r.student_id where s.code like 'Q%' and r.deleted_at is null"
            ).fetchone()
            return int(row[0]) if row else 0

    return await asyncio.to_thread(count)


@asynccontextmanager
async def listening(site: Any) -> AsyncIterator[str]:
    """The service on a free port. *Shape*: its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(site.app, lifespan="off", log_level="warning", access_log=False, ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


class Wire(msgspec.Struct):
    """What came over the wire since it was last asked, in bytes."""

    bytes: int = 0


def _in_browser(url: str, site: Any, ids: list[str], say: Callable[[str], None]) -> list[Figure]:
    sys.path.insert(0, str(ROOT / "rightlevel/tests"))
    from find_browser import browser_path
    from people import token_of
    from playwright.sync_api import sync_playwright

    figures: list[Figure] = []

    def told(name: str, value: float, unit: str, promise: str = "", most: float | None = None) -> None:
        say(f"{name}: {value:,.1f} {unit}")
        figures.append(Figure(name, value, unit, promise, None if most is None else value <= most))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )

        def person(name: str, base: str = url) -> Any:
            context = browser.new_context(base_url=base, viewport={"width": 360, "height": 740}, locale="en")
            context.add_cookies([{"name": "rl_session", "value": token_of(name), "url": base}])
            return context

        def slowed(page: Any, wire: Wire) -> None:
            session = page.context.new_cdp_session(page)
            session.send("Network.enable")
            session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
            session.send("Network.emulateNetworkConditions", LINE)
            session.on("Network.loadingFinished", lambda each: _add(wire, each["encodedDataLength"]))

        context = person("teacher")
        page, wire = context.new_page(), Wire()
        slowed(page, wire)
        begun = time.perf_counter()
        page.goto("/phone/en")
        page.wait_for_selector(SHOWN)
        told("first visit: usable", (time.perf_counter() - begun) * 1000, "ms", "<= 3,000", 3_000)
        told("first visit: over the wire", wire.bytes / 1000, "KB", "<= 60", 60)
        page.fill("#f-pin", PIN)
        page.fill("#f-again", PIN)
        page.locator("main form .button").first.click()
        page.wait_for_selector(".link-row")
        page.evaluate("navigator.serviceWorker.ready")
        page.close()
        page, wire = context.new_page(), Wire()
        slowed(page, wire)
        begun = time.perf_counter()
        page.goto("/phone/en")
        page.wait_for_selector("#f-pin")
        told("second visit: usable", (time.perf_counter() - begun) * 1000, "ms", "<= 1,000", 1_000)
        told("second visit: over the wire", wire.bytes / 1000, "KB", "= 0", 0)
        context.set_offline(True)
        page.fill("#f-pin", PIN)
        begun = time.perf_counter()
        page.locator("main form .button").first.click()
        page.wait_for_selector(".link-row")
        told("PIN until the classes are there", (time.perf_counter() - begun) * 1000, "ms")
        told(
            "a class of 40, offline",
            page.evaluate(GRID, ".link-row[href*='language/class-']"),
            "ms",
            "<= 500",
            500,
        )
        taps = sorted(page.evaluate(TAP) for _ in range(TAPS))
        told(f"a tap until it is on the phone (median of {TAPS})", taps[TAPS // 2], "ms", "<= 50", 50)
        told(f"a tap until it is on the phone (worst of {TAPS})", taps[-1], "ms")
        told("memory of the page's scripts", page.evaluate("performance.memory.usedJSHeapSize / 1e6"), "MB")
        context.close()
        told("scripts, all of them, compressed", _scripts_kb(), "KB", "<= 60", 60)
        _send_many(person("coordinator"), site, ids, told)
        browser.close()
    return figures


def _add(wire: Wire, size: float) -> None:
    wire.bytes += int(max(0, size))


def _scripts_kb() -> float:
    """As they come over the wire, each once: those of the phone's page in one."""
    from rightlevel.web.bundles import BUNDLES, bundle, lean_script

    worker = ROOT / "rightlevel/src/rightlevel/web/offline/worker.js"
    apart = [each for each in STATIC.glob("*.js") if each.name not in BUNDLES["phone_page.js"]]
    texts = [
        each.read_bytes() if each.name.endswith(".min.js") else lean_script(str(each)).encode()
        for each in apart
    ]
    sent = [*texts, bundle("phone_page.js"), worker.read_bytes()]
    return sum(len(gzip.compress(each, 9)) for each in sent) / 1000


def _send_many(context: Any, site: Any, ids: list[str], told: Callable[..., None]) -> None:
    page = context.new_page()
    late: list[Any] = []
    seen = {"asked": 0, "dropped": 0, "doubled": 0}
    hold = threading.Lock()

    def bad(route: Any) -> None:
        with hold:
            seen["asked"] += 1
            number = seen["asked"]
        if number % 5 == 0:
            seen["doubled"] += 1
            late.append(route.request)
        if len(late) > 3:  # what was doubled long ago arrives now, after what came later
            route.fetch(
                url=late[0].url, method="POST", headers=late[0].all_headers(), post_data=late.pop(0).post_data
            )
        if number % 3:
            route.continue_()
            return
        seen["dropped"] += 1
        if seen["dropped"] % 2:
            route.fetch()  # it arrives, and the answer does not
        route.abort()

    page.goto("/phone/en")
    waiting = page.evaluate(FILL, {"ids": ids, "round": site.cast.round, "day": "2026-11-20"})
    told("entries on the phone", waiting, "entries", f"= {ENTRIES:,}")
    page.route("**/api/v1/results/batch", bad)
    begun = time.perf_counter()
    came = page.evaluate(SEND)
    told("sending them", time.perf_counter() - begun, "s")
    told("requests of it", seen["asked"], "requests")
    told("dropped", seen["dropped"], "requests")
    told("doubled", seen["doubled"], "requests")
    told("left on the phone", came["left"], "entries", "= 0", 0)
    context.close()
