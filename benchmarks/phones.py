"""Forty phones of one school that come back in the same minute: how long until all is saved, and whether a save is ever shed.

The whole application over a database of its own, spoken to over sockets. Each phone is a teacher's with a class of forty children tested in
a subject: it says which phone it is, sends its entries as the page does, and fetches its pack. They begin at moments spread over a
minute, and once more all at the same moment. A phone that is turned away waits as the page does, and tries again."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import msgspec
import psycopg

from benchmarks.phone import listening
from benchmarks.roads import open_site
from benchmarks.work import ROOT, Figure

PHONES: Final = 40
CHILDREN: Final = 40
BATCH: Final = 50
MINUTE_S: Final = 60.0
MOST_S: Final = 120.0
TINY = {"PHONES": 2, "CHILDREN": 3, "MINUTE_S": 0.2}
LEVELS: Final = {"language": "word", "math": "number_2digit"}

FILL = """
insert into class (school_id, school_year_id, grade, section) select {school}, {year}, 4, 'B' || n from generate_series(1, {phones}) n;
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
select {school}, {year}, c.id, c.section || '-' || n, 'Child ' || c.section || ' ' || n, 'child ' || c.section || ' ' || n, 1 + n % 2, 4
from class c, generate_series(1, {children}) n where c.school_id = {school} and c.section like 'B%';
insert into person (username, display_name, role) select 'phone' || n, 'Phone ' || n, 'teacher' from generate_series(1, {phones}) n;
insert into assignment (person_id, school_id, subject, class_id, from_on)
select p.id, {school}, s::subject, c.id, '2026-01-01'
from person p join class c on c.section = 'B' || substr(p.username, 6) and c.school_id = {school}, unnest(array['language', 'math']) s
where p.username like 'phone%';
insert into api_token (person_id, token_hash, expires_at)
select p.id, sha256(('token-of-' || p.username)::bytea), '2027-12-31' from person p where p.username like 'phone%';
"""


class Seen(msgspec.Struct):
    """What came of the phones' asking."""

    saved: int = 0
    turned_away: dict[int, int] = msgspec.field(default_factory=dict[int, int])
    waits_s: list[float] = msgspec.field(default_factory=list[float])


def measure(say: Callable[[str], None]) -> list[Figure]:
    """*Cost*: two minutes."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), say))


async def _measure(folder: Path, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    async with open_site(folder) as site, listening(site) as url:
        classes = await asyncio.to_thread(_fill, site)
        for subject, spread_s, when in (
            ("language", MINUTE_S, "within a minute"),
            ("math", 0.0, "at the same moment"),
        ):
            seen, took_s = await _come_back(url, site, classes, subject=subject, spread_s=spread_s)
            expected = PHONES * CHILDREN
            say(
                f"{when}: {seen.saved:,} of {expected:,} saved in {took_s:.1f} s, turned away {seen.turned_away}"
            )
            figures += [
                Figure(
                    f"{PHONES} phones {when}: until all is saved", took_s, "s", "<= 120", took_s <= MOST_S
                ),
                Figure(
                    f"{PHONES} phones {when}: saved",
                    seen.saved,
                    "results",
                    f"= {expected:,}",
                    seen.saved == expected,
                ),
                Figure(
                    f"{PHONES} phones {when}: saves that were turned away",
                    sum(seen.turned_away.values()),
                    "requests",
                    "= 0",
                    not seen.turned_away,
                ),
                Figure(f"{PHONES} phones {when}: the longest save", max(seen.waits_s), "s"),
            ]
    return figures


def _fill(site: Any) -> list[list[str]]:
    """A class of its own for each phone. *Shape*: the ids of the children, class by class."""
    cast = site.cast
    text = FILL.format(school=cast.school_a, year=cast.school_year, phones=PHONES, children=CHILDREN)
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute(text.encode())
        found: list[list[str]] = []
        for number in range(1, PHONES + 1):
            rows = connection.execute(
                "select s.id::text from student s join class c on c.id = s.class_id where c.section = %s",
                [f"B{number}"],
            )
            found.append([str(each) for (each,) in rows.fetchall()])
    return found


async def _come_back(
    url: str, site: Any, classes: list[list[str]], *, subject: str, spread_s: float
) -> tuple[Seen, float]:
    sys.path.insert(0, str(ROOT / "rightlevel/tests"))
    from people import token_of

    seen, dice = Seen(), random.Random(7)
    begun = time.perf_counter()

    async def phone(number: int, children: list[str]) -> None:
        await asyncio.sleep(dice.random() * spread_s)
        headers = {"authorization": f"Bearer {token_of(f'phone{number}')}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            await _asked(client, seen, "PUT", f"/api/v1/me/phones/{uuid4()}", None)
            writes = [
                {
                    "id": str(uuid4()),
                    "student_id": child,
                    "round_id": site.cast.round,
                    "subject": subject,
                    "level": LEVELS[subject],
                    "tested_on": "2026-11-20",
                }
                for child in children
            ]
            for start in range(0, len(writes), BATCH):
                body = {"writes": writes[start : start + BATCH]}
                told = await _asked(client, seen, "POST", "/api/v1/results/batch", body)
                seen.saved += sum(each["code"] == "saved" for each in told["answers"])
            await _asked(client, seen, "GET", "/api/v1/pack", None)

    async with asyncio.timeout(2 * MOST_S):
        await asyncio.gather(*(phone(number, each) for number, each in enumerate(classes, 1)))
    return seen, time.perf_counter() - begun


async def _asked(client: httpx.AsyncClient, seen: Seen, method: str, path: str, body: Any) -> Any:
    """The answer, after as many tries as the page would make: later each time, never before the server says."""
    wait_s = 2.0
    while True:
        begun = time.perf_counter()
        answer = await client.request(method, path, json=body)
        if answer.status_code < 300:
            if method != "GET":
                seen.waits_s.append(time.perf_counter() - begun)
            return answer.json()
        if answer.status_code < 429:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        if method != "GET":
            seen.turned_away[answer.status_code] = seen.turned_away.get(answer.status_code, 0) + 1
        await asyncio.sleep(max(wait_s, float(answer.headers.get("retry-after", 0))))
        wait_s = min(60.0, 2 * wait_s)
