"""Where memory comes to rest, and the most it takes on the way: a country of a million children, everything opened, and everything heavy done.

Each GET route is opened as each role in both languages, for a school full of everything and for the largest of the country; two people sign in at
once; each kind of file is exported, one of a million rows; a pack is made as PDF and a photo made small, each in a process beside; sixteen clients read
and write for minutes; a file of 200,000 children is imported. What all processes take is weighed four times a second, as if the service were alone
on the machine (`weighing.py`).
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.load import Load, Request, run_load
from benchmarks.pages import country
from benchmarks.weighing import Scale, Weight
from benchmarks.work import ROOT, WORK, Figure, free_port, tokens_for
from rightlevel.database.server import AttachedServer
from rightlevel.operations.memory_plan import program_allowance
from rightlevel.programme.ids import time_ordered_id

BUDGET = 150_000_000
ROWS = 200_000
CHILDREN = 1_000_000
CLIENTS = 16
LOAD_S = 180.0
MOST_SHARE = 0.70
AFTER_MB = 120.0
LEFT_ALONE_S = 75.0
"""Connections that nobody needs are closed after a minute."""
ROUTES: int | None = None
PHOTO_SIDE = 2_450
TINY = {
    "ROWS": 50,
    "CHILDREN": 600,
    "CLIENTS": 1,
    "LOAD_S": 0.3,
    "LEFT_ALONE_S": 0.1,
    "ROUTES": 2,
    "PHOTO_SIDE": 300,
    "FORMATS": ("csv", "xlsx"),
    "KINDS": ("roster",),
}
FORMATS = ("csv", "xlsx", "jsonl", "parquet")
KINDS = ("roster", "results", "verification", "visits", "statistics")
LEVELS = ("beginner", "number_1digit", "number_2digit", "subtraction", "division")


def measure(say: Callable[[str], None]) -> list[Figure]:
    with country(CHILDREN, say) as (made, ids):
        folder = WORK / "resting"  # it is changed from here on, so each run takes a copy
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["cp", "-a", str(made), str(folder)], check=True)
    try:
        tokens = tokens_for(folder, "coordinator", CLIENTS)
        return asyncio.run(_walk(folder, ids, tokens, say))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _walk(
    folder: Path, ids: dict[str, Any], tokens: list[str], say: Callable[[str], None]
) -> list[Figure]:
    sys.path.insert(0, str(ROOT / "rightlevel/tests"))
    import opening_everything as opening

    prepared = opening.prepare(folder)
    most: dict[str, Weight] = {}
    answers: Counter[int] = Counter()
    with opening.running(folder, free_port(), is_prepared=True) as bare, Scale(bare.process.pid) as scale:
        service = opening.Running(bare.folder, bare.port, bare.process, prepared, bare.log)
        start = scale.now()
        say(f"at the start: {start}")
        with scale.watching("two signed in at once", say):
            await asyncio.gather(*(opening.sign_in(service, name) for name in ("mentor", "teacher")))
        with scale.watching("everything opened, on the way", say) as found:
            answers += await opening.open_everything(service, most=ROUTES)
            async with service.client("admin") as client:
                answers[(await client.get("/operations")).status_code] += 1
        most["opening"] = found[0]
        walked = scale.now()
        say(f"{sum(answers.values()):,} answers ({dict(sorted(answers.items()))}): {walked}")
        with scale.watching("files", say) as found:
            answers += await _export(service, ids)
        most["files"] = found[0]
        with scale.watching("a photo made small", say) as found:
            answers += await _send_photo(service)
        most["a photo"] = found[0]
        with scale.watching("a pack as PDF", say) as found:
            pdf = await _print_pack(service, ids)
        most["a PDF"] = found[0]
        say(f"the pack: {pdf}")
        days = await asyncio.to_thread(_days, service, tokens)
        with scale.watching(f"{CLIENTS} clients for {LOAD_S:.0f} s", say) as found:
            answers += await asyncio.to_thread(_work, service, days, say)
        most["the load"] = found[0]
        roster = opening.roster(ROWS, "R", _schools(folder))
        with scale.watching(f"an import of {ROWS:,}", say) as found:
            ended, _ = await opening.import_children(service, roster)
        most["the import"] = found[0]
        await asyncio.sleep(LEFT_ALONE_S)
        after = scale.now()
        say(f"{LEFT_ALONE_S:.0f} s later: {after}")
        said = service.said()
    turned_away = answers[503]
    is_well = ended == "done" and not turned_away and "turning away" not in said
    share = after.of("program") / program_allowance(BUDGET, is_private=True)
    which, heaviest = max(most.items(), key=lambda each: each[1].whole)
    return [
        Figure(
            "the program's share of its allowance, at rest",
            share,
            "",
            f"<= {MOST_SHARE}",
            share <= MOST_SHARE,
            f"program {_mb(after.of('program'))} MB; {_mb(start.of('program'))} at the start, {_mb(walked.of('program'))} once all was opened",
        ),
        Figure(
            "everything, at its highest",
            heaviest.whole / 1e6,
            "MB",
            f"<= {BUDGET / 1e6:.0f} MB",
            heaviest.whole <= BUDGET,
            f"{which}; " + ", ".join(f"{name} {_mb(each.whole)}" for name, each in most.items()),
        ),
        Figure(
            f"everything during an import of {ROWS:,}",
            most["the import"].whole / 1e6,
            "MB",
            f"<= {BUDGET / 1e6:.0f} MB",
            most["the import"].whole <= BUDGET,
            str(most["the import"]),
        ),
        Figure(
            "everything after",
            after.whole / 1e6,
            "MB",
            f"<= {AFTER_MB:.0f} MB",
            after.whole / 1e6 <= AFTER_MB,
            f"{LEFT_ALONE_S:.0f} s after: {after}",
        ),
        Figure(
            "turned away on the way",
            float(turned_away),
            "requests",
            "0",
            is_well,
            f"of {sum(answers.values()):,} answers; import {ended}; the pack as PDF: {pdf}",
        ),
    ]


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.1f}"


def _one(folder: Path, text: str, *values: Any) -> Any:
    with psycopg.connect(AttachedServer(folder).conninfo) as connection:
        row = connection.execute(text, values).fetchone()  # type: ignore[call-overload]
    return None if row is None else row[0]


def _schools(folder: Path) -> list[str]:
    """The codes of those that children can come to."""
    with psycopg.connect(AttachedServer(folder).conninfo) as connection:
        found = connection.execute(
            "select code from school where code like 'G%' and status <> 'closed' and deleted_at is null order by code"
        ).fetchall()
    return [code for (code,) in found]


async def _export(service: Any, ids: dict[str, Any]) -> Counter[int]:
    """Each kind of file in each format for a district; every child of the country as CSV."""
    district = _one(
        service.folder,
        "select p.id from place p join school s on s.place_id = any(select c.id from place c where p.id = any(c.lineage))"
        " where p.kind = 'district' and s.id = %s",
        ids["schools"],
    )
    asks: list[dict[str, Any]] = [
        {"what": what, "format": kind, "place_id": district} for what in KINDS for kind in FORMATS
    ]
    asks.append({"what": "roster", "format": "csv"})
    asks.append({"what": "everything", "format": "xlsx", "place_id": district})
    statuses: Counter[int] = Counter()
    async with service.client("coordinator") as client:
        for ask in asks:
            async with client.stream("POST", "/api/v1/exports", json=ask, timeout=600.0) as answer:
                statuses[answer.status_code] += 1
                async for _ in answer.aiter_bytes():
                    pass
    return statuses


async def _send_photo(service: Any) -> Counter[int]:
    from PIL import Image

    side = PHOTO_SIDE
    noise = Image.frombytes("RGB", (side, side), random.Random(1).randbytes(side * side * 3))
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=85)
    with psycopg.connect(AttachedServer(service.folder).conninfo) as connection:
        row = connection.execute(
            "update visit set state = 'draft', submitted_at = null where id = (select v.id from visit v join person p on p.id = v.mentor_id "
            "where p.username = 'mentor_elsewhere' and v.deleted_at is null limit 1) returning id::text"
        ).fetchone()
    if row is None:
        raise RuntimeError("the cast's mentor elsewhere has made no visit")
    async with service.client("mentor_elsewhere") as client:
        answer = await client.post(
            f"/api/v1/visits/{row[0]}/photos",
            data={"id": time_ordered_id()},
            files={"file": ("photo.jpg", out.getvalue(), "image/jpeg")},
        )
    return Counter([answer.status_code])


async def _print_pack(service: Any, ids: dict[str, Any]) -> str:
    """What came of it: so many bytes, or why not."""
    place = _one(
        service.folder,
        "select p.id from place p join place c on p.id = any(c.lineage) join school s on s.place_id = c.id"
        " where p.kind = 'district' and s.id = %s",
        ids["schools"],
    )
    async with service.client("coordinator") as client:
        answer = await client.get(
            "/api/v1/review-pack/file", params={"place": place}, headers={"accept": "application/pdf"}
        )
    if answer.status_code == 200:
        return f"{len(answer.content):,} bytes"
    return f"{answer.status_code} {answer.json().get('code')}"


def _days(service: Any, tokens: list[str]) -> list[list[Request]]:
    """A day's mixture for each client: lists, children, figures, pages and, one in three, results; a few that are wrong.

    Made ready before anything is weighed: the connection that looks for the children is ours, and no part of the service.
    """
    with psycopg.connect(AttachedServer(service.folder).conninfo) as connection:
        # Its days are over in the made-up country; the others give way, whatever their order would be.
        connection.execute("alter table round disable trigger user")
        connection.execute(
            "update round set starts_on = date '2019-01-01' + id::int * 2, ends_on = date '2019-01-01' + id::int * 2 where ends_on >= current_date - 1"
        )
        round_id, on = connection.execute(
            "update round set state = 'open', starts_on = current_date - 1, ends_on = current_date + 1 where id = (select r.id from round r join school_year y"
            " on y.id = r.school_year_id and y.is_current where r.kind = 'endline') returning id, current_date::text"
        ).fetchone() or (None, None)
        connection.execute("alter table round enable trigger user")
        found = connection.execute(
            "select st.id::text, st.school_id from student st join school s on s.id = st.school_id and s.code like 'G%%'"
            " and s.status <> 'closed' and s.deleted_at is null where st.status = 'active' and st.deleted_at is null order by st.school_id, st.id limit %s",
            [CLIENTS * 400],
        ).fetchall()
    share = max(1, len(found) // CLIENTS)
    return [
        _day(token, found[at * share : (at + 1) * share], round_id, on) for at, token in enumerate(tokens)
    ]


def _work(service: Any, days: list[list[Request]], say: Callable[[str], None]) -> Counter[int]:
    outcome = run_load(Load("127.0.0.1", service.port, days, LOAD_S))
    say(f"{outcome.requests:,} requests, p99 {outcome.p99_ms:.0f} ms, {outcome.statuses}")
    return Counter({int(status): count for status, count in outcome.statuses.items()})


def _day(token: str, children: list[tuple[str, int]], round_id: int | None, on: str | None) -> list[Request]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    requests: list[Request] = []
    for number, (child, school) in enumerate(children):
        write = {
            "id": time_ordered_id(),
            "student_id": child,
            "round_id": round_id,
            "subject": "math",
            "outcome": "assessed",
            "level": LEVELS[number % len(LEVELS)],
            "tested_on": on,
            "method": "grid",
        }
        requests.append(Request("POST", "/api/v1/results", headers, json.dumps(write)))
        requests.append(Request("GET", f"/api/v1/students?school_id={school}&limit=50", headers))
        requests.append(
            Request("GET", READS[number % len(READS)].format(child=child, round=round_id), headers)
        )
    return requests


READS = (
    "/api/v1/students/{child}",
    "/api/v1/figures?round_id={round}&subject=math",
    "/api/v1/me",
    "/api/v1/students/{child}/results",
    "/api/v1/schools?limit=40",
    "/sign-in",
    "/api/v1/nothing-here",
    "/api/v1/students?limit=-1",
)
