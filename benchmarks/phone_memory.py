"""What the page for work without a network takes of a phone's memory: its scripts' heap and its browser process, at packs of three sizes and with 10,000 entries waiting.

The whole application with the tests' cast in it, and Debian's Chromium told that it runs on a device with little memory (`--enable-low-end-device-mode`,
a heap of 128 MB at most, as Chromium gives a phone of 1 GB or less). A process's own memory is what PSS counts of it that is no file: the browser's program is
another one on a phone. Each step is done as a thumb does it; the heap is read after a collection, the process's most every 50 ms."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.phone import TAP, listening
from benchmarks.roads import open_site
from benchmarks.work import ROOT, Figure

PIN: Final = "482913"
SIZES: Final = {"a class of 40": 40, "a school of 400": 400, "a full pack of 999": 999}
IN_A_CLASS: Final = 40
ENTRIES: Final = 10_000
TAPS: Final = 9
TINY = {"TAPS": 1, "SIZES": {"a class of 8": 8}, "ENTRIES": 20}
MOST_MB: Final = 100
"""Ours: a tenth of a phone of 1 GB for one page. No source was found that gives a figure."""
EVERY_S: Final = 0.05
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--enable-low-end-device-mode",
    "--js-flags=--max-old-space-size=128",
)
CHILDREN: Final = """
insert into class (school_id, school_year_id, grade, section) select %(school)s, %(year)s, 4, 'M' || n
from generate_series(1, %(classes)s::integer) n on conflict do nothing;
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, c.id, 'M' || n, 'Memory child ' || n, 'memory child ' || n, 1 + n %% 2, 4
from generate_series(%(first)s::integer, %(last)s::integer) n join class c on c.school_id = %(school)s and c.section = 'M' || (1 + (n - 1) / %(in_a_class)s::integer);
"""
CHILDREN_OF_PACK: Final = """async (secret) => {
  const [known] = await phoneStore.vaults()
  return (await (await phoneStore.unlock(known.person_id, secret)).pack()).children.length
}"""
FILL: Final = """async ({ count, day, secret }) => {
  const [known] = await phoneStore.vaults()
  const vault = await phoneStore.unlock(known.person_id, secret)
  const pack = await vault.pack()
  const body = (at) => ({ student_id: pack.children[at % pack.children.length].id, round_id: pack.round.id, subject: at % 2 ? 'math' : 'language',
    outcome: 'assessed', level: at % 2 ? 'number_1digit' : 'letter', tested_on: day, method: 'grid', version: null })
  for (let from = 0; from < count; from += 500) {
    const keep = []
    for (let at = from; at < Math.min(count, from + 500); at += 1) {
      const id = phoneStore.newId()
      keep.push({ id, at: at + 1, kind: 'result', body: { id, ...body(at) }, after: null, state: 'waiting', form: 1 })
    }
    await vault.settle({ keep })
  }
}"""


def measure(say: Callable[[str], None]) -> list[Figure]:
    """*Cost*: a minute."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), say))


async def _measure(folder: Path, say: Callable[[str], None]) -> list[Figure]:
    async with open_site(folder) as site, listening(site) as url:
        return await asyncio.to_thread(_in_browser, url, site, say)


def _fill(site: Any, first: int, last: int) -> None:
    values = {
        "school": site.cast.school_a,
        "year": site.cast.school_year,
        "first": first,
        "last": last,
        "in_a_class": IN_A_CLASS,
        "classes": 1 + (last - 1) // IN_A_CLASS,
    }
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        for statement in CHILDREN.split(";")[:2]:
            connection.execute(statement.encode(), values)


def _count(site: Any) -> int:
    with psycopg.connect(site.server.conninfo) as connection:
        row = connection.execute(
            "select count(*) from student where school_id = %s and deleted_at is null", [site.cast.school_a]
        ).fetchone()
        return int(row[0]) if row else 0


def _in_browser(url: str, site: Any, say: Callable[[str], None]) -> list[Figure]:
    sys.path.insert(0, str(ROOT / "rightlevel/tests"))
    from find_browser import browser_path
    from people import token_of
    from playwright.sync_api import sync_playwright

    figures: list[Figure] = []

    def told(name: str, value: float, unit: str, most: float | None = None) -> None:
        say(f"{name}: {value:,.1f} {unit}")
        promise = "" if most is None else f"<= {most:,.0f}"
        figures.append(Figure(name, value, unit, promise, None if most is None else value <= most))

    there = _count(site)
    with sync_playwright() as playwright:
        for name, size in SIZES.items():
            _fill(site, there + 1, size)
            there = max(there, size)
            browser = playwright.chromium.launch(executable_path=browser_path(), args=list(FLAGS))
            context = browser.new_context(base_url=url, viewport={"width": 360, "height": 740}, locale="en")
            context.add_cookies([{"name": "rl_session", "value": token_of("teacher"), "url": url}])
            page = context.new_page()
            page.goto("/phone/en")  # which gives it the process that it keeps
            renderer = Renderer(browser, page)
            with renderer.watched() as most:
                _set_up(page)
                _walk(page)
            there_now = page.evaluate(CHILDREN_OF_PACK, PIN)
            if there_now != size:
                raise RuntimeError(f"the pack has {there_now} children and not {size}")
            told(f"{name}: heap of the scripts", renderer.heap_mb(), "MB")
            told(f"{name}: the page's process", renderer.own_mb(), "MB")
            told(f"{name}: the page's process, at its most", most[0], "MB", MOST_MB)
            if name == list(SIZES)[-1]:
                _with_entries(page, renderer, told)
            browser.close()
    return figures


def _with_entries(page: Any, renderer: Renderer, told: Callable[..., None]) -> None:
    """10,000 entries that wait: opened with the PIN, looked at, and one more tap."""
    page.evaluate(FILL, {"count": ENTRIES, "day": "2026-11-20", "secret": PIN})
    page.context.set_offline(True)
    page.evaluate("history.replaceState(null, '', '/phone/en')")
    page.reload()
    page.wait_for_selector("#f-pin")
    with renderer.watched() as most:
        page.fill("#f-pin", PIN)
        begun = time.perf_counter()
        page.locator("main form .button").first.click()
        page.wait_for_selector(".link-row")
        told(f"{ENTRIES:,} entries: from the PIN to the classes", time.perf_counter() - begun, "s")
        page.evaluate("location.hash = 'outbox'")
        page.wait_for_selector(".list.panel li")
        page.evaluate("history.back()")
        page.wait_for_selector(".link-row")
        _walk(page)
        taps = sorted(page.evaluate(TAP) for _ in range(TAPS))
        told(f"{ENTRIES:,} entries: one more tap (median of {TAPS})", taps[TAPS // 2], "ms")
    told(f"{ENTRIES:,} entries: heap of the scripts", renderer.heap_mb(), "MB")
    told(f"{ENTRIES:,} entries: the page's process", renderer.own_mb(), "MB")
    told(f"{ENTRIES:,} entries: the page's process, at its most", most[0], "MB", 2 * MOST_MB)


def _set_up(page: Any) -> None:
    page.wait_for_selector("#f-pin")
    page.fill("#f-pin", PIN)
    page.fill("#f-again", PIN)
    page.locator("main form .button").first.click()
    page.wait_for_selector(".link-row")
    page.evaluate("navigator.serviceWorker.ready")


def _walk(page: Any) -> None:
    """The grid of a class and the guided test of a child, left open at the grid."""
    page.locator(".link-row[href*='language/class-']").last.click()  # the first is the cast's, of three
    page.wait_for_selector(".grid-row")
    page.locator(".grid-name").first.click()
    page.wait_for_selector(".guided, .answers")
    page.evaluate("history.back()")
    page.wait_for_selector(".grid-row")


class Renderer:
    """The process of a page, by what the browser says of itself."""

    def __init__(self, browser: Any, page: Any) -> None:
        self._browser = browser.new_browser_cdp_session()
        self._page = page.context.new_cdp_session(page)

    def heap_mb(self) -> float:
        """What the scripts hold, after a collection."""
        self._page.send("HeapProfiler.collectGarbage")
        return self._page.send("Runtime.getHeapUsage")["usedSize"] / 1e6

    def _pids(self) -> list[int]:
        told = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        return [int(each["id"]) for each in told if each["type"] == "renderer"]

    def own_mb(self) -> float:
        """The largest of its kind: beside it stand only spare ones without a page."""
        return max(_own_mb(each) for each in self._pids())

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """The most it takes meanwhile. *Shape*: one number, there when it is over."""
        pids, most, is_over = self._pids(), [0.0], threading.Event()

        def watch() -> None:
            while not is_over.wait(EVERY_S):
                most[0] = max(most[0], *(_own_mb(each) for each in pids))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        yield most
        is_over.set()
        watcher.join()


def _own_mb(process_id: int) -> float:
    try:
        text = Path(f"/proc/{process_id}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    sums = {words[0]: int(words[1]) for words in (line.split() for line in text.splitlines()[1:])}
    return (sums["Pss_Anon:"] + sums["Pss_Shmem:"]) * 1024 / 1e6
