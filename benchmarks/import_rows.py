"""Import: a million children from a CSV file, whole or not at all, beside the floor: the same rows by one bare COPY.

The floor copies finished rows (ids of schools and classes known, names folded) into the same table with the same
indexes and triggers, in one transaction, on the same server; nothing is read, judged or matched there. Rows stand in
the file as in a registry, school after school, which the bare COPY likes best. Memory is that of the importing process
at its highest, a file of 100,000 rows beside one of 1,000,000.
"""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from benchmarks.work import COMMAND, Figure, fresh
from flatwater.monitors import pss_of
from rightlevel.database.migrations import migrate
from rightlevel.database.roles import OWNER
from rightlevel.database.server import PrivateServer, with_database
from rightlevel.programme.students.model import name_key

ROWS = 1_000_000
FEW_ROWS = 100_000
SCHOOLS = 7_000
MEMORY_BYTES = 150_000_000
LEAST_OF_FLOOR = 0.5
MOST_GROWTH_MB = 8.0
SAMPLE_S = 0.05
TINY = {"ROWS": 400, "FEW_ROWS": 100, "SCHOOLS": 10}
SEED = """
insert into place (parent_id, kind, code, name_local) values (null, 'country', 'XX', 'Exampleland');
insert into place (parent_id, kind, code, name_local)
    select p.id, 'province', 'P' || g, 'Province ' || g from place p, generate_series(1, 25) g where p.kind = 'country';
insert into place (parent_id, kind, code, name_local)
    select p.id, 'district', 'D' || g, 'District ' || g from place p, generate_series(1, 8) g where p.kind = 'province';
insert into school (place_id, code, name_local)
    select d.id, 'S' || lpad(g::text, 6, '0'), 'School ' || g
    from generate_series(0, %(schools)s - 1) g
    join (select id, row_number() over (order by id) - 1 as n, count(*) over () as many from place where kind = 'district') d
        on d.n = g %% d.many
    order by g;
insert into school_year (name, starts_on, ends_on, is_current) values ('2026', '2026-01-01', '2026-12-31', true);
insert into class (school_id, school_year_id, grade, section)
    select s.id, y.id, g, x from school s, school_year y, generate_series(3, 5) g, unnest(array['A', 'B']) x order by s.id, g, x;
"""


class Imported(msgspec.Struct):
    """One import: its seconds by its own clock, and the highest memory in MB."""

    seconds: float
    process_mb: float
    whole_mb: float


def measure(say: Callable[[str], None]) -> list[Figure]:
    """The figures for `make bench`."""
    found = run(say)
    return [
        Figure(
            "import of 1,000,000 children",
            found["import_rows_per_s"],
            "rows/s",
            f">= {LEAST_OF_FLOOR:.0%} of a bare COPY",
            found["ratio"] >= LEAST_OF_FLOOR,
            f"bare COPY {found['copy_rows_per_s']:,.0f} rows/s: {found['ratio']:.0%}",
        ),
        Figure(
            "memory from 100,000 to 1,000,000 rows",
            found["growth_mb"],
            "MB",
            f"<= {MOST_GROWTH_MB:.0f} MB",
            found["growth_mb"] <= MOST_GROWTH_MB,
            f"process {found['process_mb']:.0f} MB",
        ),
        Figure(
            "whole system during that import",
            found["whole_mb"],
            "MB PSS",
            f"<= {MEMORY_BYTES / 1e6:.0f} MB",
            found["whole_mb"] <= MEMORY_BYTES / 1e6,
            "importing process and PostgreSQL",
        ),
        Figure(
            "the same file again",
            found["again_rows_per_s"],
            "rows/s",
            "",
            None,
            "nothing added, nothing changed",
        ),
    ]


def run(say: Callable[[str], None]) -> dict[str, float]:
    """Measures floor and import in one run. Sizes in MB (10^6 bytes)."""
    folder = fresh("import")
    data = folder / "data"
    server = PrivateServer(data, MEMORY_BYTES)
    server.start()
    try:
        say("writing the files")
        few, many = folder / "few.csv", folder / "many.csv"
        write_file(few, FEW_ROWS, "F")
        write_file(many, ROWS, "M")
        say("the floor: one bare COPY")
        copy_s = _floor(server, folder)
        _seeded(server.conninfo)
        say(f"importing {FEW_ROWS:,} rows")
        small = _import(few, data, server, {"added": FEW_ROWS})
        say(f"importing {ROWS:,} rows")
        large = _import(many, data, server, {"added": ROWS})
        say("the same file again")
        again = _import(many, data, server, {"unchanged": ROWS})
    finally:
        server.stop()
    found = {
        "copy_rows_per_s": ROWS / copy_s,
        "import_rows_per_s": ROWS / large.seconds,
        "again_rows_per_s": ROWS / again.seconds,
        "ratio": copy_s / large.seconds,
        "process_mb": large.process_mb,
        "growth_mb": large.process_mb - small.process_mb,
        "whole_mb": large.whole_mb,
    }
    say(", ".join(f"{name} {value:,.2f}" for name, value in found.items()))
    return found


def rows(count: int, prefix: str) -> Iterator[tuple[int, str, str, str, int, str, int]]:
    """School (from 0), code, name, sex, grade, section and age of made-up children, school after school."""
    each = count // SCHOOLS + 1
    for number in range(count):
        school, child = divmod(number, each)
        name = f"{FIRST[number * 7 % len(FIRST)]} {LAST[number * 13 % len(LAST)]} {number % 97}"
        yield (
            school,
            f"{prefix}{number:07d}",
            name,
            "FM"[number % 2],
            3 + child % 3,
            "AB"[child % 2],
            8 + number % 5,
        )


FIRST = ("Bopha", "Chan", "Dara", "Kosal", "Amina", "Ravi", "Noor", "ចាន់ដារ៉ា", "សុភា", "Inès", "आरव", "Maly")
LAST = ("Sok", "Chea", "Kim", "Heng", "Khan", "Singh", "Touch", "គឹម", "ហេង", "Traoré", "Long")


def write_file(path: Path, count: int, prefix: str) -> None:
    """The file as a registry would send it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["School code", "Student code", "Name", "Sex", "Grade", "Section", "Age"])
        writer.writerows((f"S{school:06d}", *rest) for school, *rest in rows(count, prefix))


def _seeded(conninfo: str) -> None:
    migrate(conninfo)
    with psycopg.connect(conninfo) as connection:
        for statement in SEED.split(";\n"):
            if statement.strip():
                connection.execute(statement, {"schools": SCHOOLS})  # type: ignore[arg-type]
        connection.commit()
        connection.autocommit = True
        connection.execute("vacuum (analyze)")


def _floor(server: PrivateServer, folder: Path) -> float:
    """Seconds of one bare COPY of the same rows, commit included."""
    with psycopg.connect(server.superuser_conninfo(), autocommit=True) as connection:
        connection.execute(f"create database floor owner {OWNER}")
    conninfo = with_database(server.conninfo, "floor")
    _seeded(conninfo)
    finished = folder / "finished.txt"
    with psycopg.connect(conninfo) as connection:
        schools = [one for (one,) in connection.execute("select id from school order by code")]
        year = connection.execute("select id from school_year").fetchone()[0]  # type: ignore[index]
        classes: dict[tuple[Any, ...], int] = {
            (school, grade, section): one
            for one, school, grade, section in connection.execute(
                "select id, school_id, grade, section from class"
            )
        }
        with finished.open("w", encoding="utf-8") as file:
            for school, code, name, sex, grade, section, age in rows(ROWS, "M"):
                place = schools[school], year, classes[schools[school], grade, section]
                child = code, name, name_key(name), 1 if sex == "M" else 2, grade, age
                file.write("\t".join(map(str, (*place, *child))) + "\n")
        connection.commit()
        began = time.monotonic()
        into = "copy student (school_id, school_year_id, class_id, code, name, name_key, sex, grade, age) from stdin"
        with connection.cursor() as cursor, cursor.copy(into) as copy, finished.open("rb") as file:
            while chunk := file.read(256 * 1024):
                copy.write(chunk)
        connection.commit()
        return time.monotonic() - began


def _import(file: Path, data: Path, server: PrivateServer, expected: dict[str, int]) -> Imported:
    """One `rightlevel import` in a process of its own, watched."""
    words = [COMMAND, "import", "students", str(file), "--json", "--data", str(data)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        highest_mb = whole_mb = 0.0
        while process.poll() is None:
            highest_mb = max(highest_mb, _highest_mb(process.pid))
            whole_mb = max(whole_mb, (pss_of([process.pid, *server.process_ids()]) or 0) / 1e6)
            time.sleep(SAMPLE_S)
        output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the import failed: {output[-2000:]}{errors[-2000:]}")
    report = json.loads(output.strip().splitlines()[-1])
    if any(report[name] != count for name, count in expected.items()) or report["faults"]:
        raise RuntimeError(f"the import did something else: {report}")
    return Imported(report["seconds"], highest_mb, whole_mb)


def _highest_mb(process_id: int) -> float:
    with contextlib.suppress(OSError, StopIteration):
        status = Path(f"/proc/{process_id}/status").read_text()
        return (
            next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
            * 1024
            / 1e6
        )
    return 0.0
