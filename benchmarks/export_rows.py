"""Export: a million children as files, beside the floor: the driver's own loop over the same rows by one bare COPY.

The floor asks the same columns of the same children in one statement, without their order, and throws each row away as the driver gives it.
An export is taken from the queue that serves downloads, in a process of its own, whose memory is watched: files of 100,000 and of 1,000,000 rows.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import import_rows
from benchmarks.work import Figure, fresh
from flatwater.clock import SystemClock
from flatwater.pool import Database
from rightlevel.database.server import PrivateServer
from rightlevel.operations.exporting import Exports
from rightlevel.programme.exports import ExportAsk
from rightlevel.programme.permissions import Actor, Scope

ROWS = 1_000_000
FEW_ROWS = 100_000
LEAST_OF_FLOOR = 0.6
MOST_GROWTH_MB = 8.0
MOST_FIRST_S = 0.2
LEAST_XLSX = 7_000
TINY = {"ROWS": 400, "FEW_ROWS": 100}
SCHOOLS = import_rows.SCHOOLS
NOBODY = "01900000-0000-7000-8000-000000000000"
FLOOR = """
copy (
select sc.code, st.code, st.name, case st.sex when 1 then 'male' else 'female' end, st.grade, c.section, st.birth_on, st.age, y.name, st.id,
    st.status::text, st.left_on, st.left_reason, sc.name_local, d.name_local
from student st
join school sc on sc.id = st.school_id
join place p on p.id = sc.place_id
join school_year y on y.id = st.school_year_id
left join class c on c.id = st.class_id
left join place d on d.kind = 'district' and d.id = any(p.lineage)
where st.deleted_at is null
) to stdout (format csv)"""


def measure(say: Callable[[str], None]) -> list[Figure]:
    """The figures for `make bench`."""
    found = run(say)
    ratio, growth = found["csv_rows_per_s"] / found["floor_rows_per_s"], found["csv_mb"] - found["few_mb"]
    return [
        Figure(
            "export of 1,000,000 children as CSV",
            found["csv_rows_per_s"],
            "rows/s",
            f">= {LEAST_OF_FLOOR:.0%} of the driver's loop",
            ratio >= LEAST_OF_FLOOR,
            f"driver's loop {found['floor_rows_per_s']:,.0f} rows/s: {ratio:.0%}",
        ),
        Figure(
            "first bytes of it",
            found["csv_first_s"] * 1000,
            "ms",
            f"<= {MOST_FIRST_S * 1000:.0f} ms",
            found["csv_first_s"] <= MOST_FIRST_S,
            "",
        ),
        Figure(
            "memory from 100,000 to 1,000,000 rows",
            growth,
            "MB",
            f"<= {MOST_GROWTH_MB:.0f} MB",
            growth <= MOST_GROWTH_MB,
            f"process {found['csv_mb']:.0f} MB",
        ),
        Figure(
            "export as XLSX",
            found["xlsx_rows_per_s"],
            "rows/s",
            f">= {LEAST_XLSX:,}",
            found["xlsx_rows_per_s"] >= LEAST_XLSX,
            f"process {found['xlsx_mb']:.0f} MB",
        ),
        Figure(
            "export as Parquet",
            found["parquet_rows_per_s"],
            "rows/s",
            "",
            None,
            f"{found['parquet_mb']:.0f} MB",
        ),
    ]


def run(say: Callable[[str], None]) -> dict[str, float]:
    """Measures floor and exports in one run. Sizes in MB (10^6 bytes)."""
    import_rows.SCHOOLS = SCHOOLS
    folder = fresh("export")
    server = PrivateServer(folder / "data", import_rows.MEMORY_BYTES)
    server.start()
    found: dict[str, float] = {}
    try:
        import_rows._seeded(server.conninfo)
        say(f"{FEW_ROWS:,} children")
        _fill(server.conninfo, FEW_ROWS)
        found["few_mb"] = _export(server.conninfo, "csv", FEW_ROWS)["mb"]
        say(f"{ROWS:,} children")
        _fill(server.conninfo, ROWS)
        found["floor_rows_per_s"] = ROWS / asyncio.run(_floor(server.conninfo))
        for kind in ("csv", "xlsx", "parquet"):
            say(f"as {kind}")
            told = _export(server.conninfo, kind, ROWS)
            found |= {
                f"{kind}_rows_per_s": ROWS / told["s"],
                f"{kind}_mb": told["mb"],
                f"{kind}_first_s": told["first_s"],
            }
    finally:
        server.stop()
    say(", ".join(f"{name} {value:,.2f}" for name, value in found.items()))
    return found


def _fill(conninfo: str, count: int) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute("delete from student")
        schools = [one for (one,) in connection.execute("select id from school order by code")]
        year = connection.execute("select id from school_year").fetchone()[0]  # type: ignore[index]
        into = "copy student (school_id, school_year_id, code, name, name_key, sex, grade, age) from stdin"
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for school, code, name, sex, grade, _section, age in import_rows.rows(count, "M"):
                copy.write_row(
                    (schools[school], year, code, name, name.lower(), 1 if sex == "M" else 2, grade, age)
                )
        connection.commit()
        connection.autocommit = True
        connection.execute("vacuum (analyze) student")


async def _floor(conninfo: str) -> float:
    """Seconds of the driver's own loop over the same rows."""
    connection = await psycopg.AsyncConnection.connect(conninfo)
    began = time.monotonic()
    async with connection.cursor() as cursor, cursor.copy(FLOOR) as copy:
        async for _row in copy:
            pass
    seconds = time.monotonic() - began
    await connection.close()
    return seconds


def _export(conninfo: str, kind: str, count: int) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.export_rows", conninfo, kind, str(count)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds, first_s, mb = map(float, done.stdout.split())
    return {"s": seconds, "first_s": first_s, "mb": mb}


async def _take(conninfo: str, kind: Any, count: int) -> None:
    actor = Actor(1, "admin", "admin", "Admin", "en", Scope(is_everything=True))
    async with Database(conninfo) as database:
        exports = Exports(database, SystemClock(), b"k" * 32, 1)
        began = time.monotonic()
        first_s, lines, size = 0.0, 0, 0
        async for content in exports.stream(actor, NOBODY, ExportAsk("roster", kind)):
            first_s = first_s or time.monotonic() - began
            lines += content.count(b"\n")
            size += len(content)
        seconds = time.monotonic() - began
    if not size or (kind == "csv" and lines != count + 1):
        raise RuntimeError(f"{lines} lines instead of {count + 1}")
    status = Path("/proc/self/status").read_text("utf-8")
    highest = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(seconds, first_s, int(highest.split()[1]) * 1024 / 1e6)


if __name__ == "__main__":
    asyncio.run(_take(sys.argv[1], sys.argv[2], int(sys.argv[3])))
