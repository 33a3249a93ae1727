"""Duplicates of a school among 1,000,000 children: the whole request, and how often what is found is right on rosters that nothing was chosen on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import psycopg

from benchmarks.work import ROOT, Figure, generated, service, tokens_for
from rightlevel.database.server import AttachedServer
from rightlevel.programme.duplicates import Child, find_pairs, read_name

SCHOOLS = 10_000
CHILDREN = 1_000_000
READS = 100
PER_SCHOOL_MS = 500.0
LARGE = 1_200
HELD_OUT = range(1000, 1040)
TINY = {"SCHOOLS": 12, "CHILDREN": 1_200, "READS": 3, "LARGE": 60, "HELD_OUT": range(1000, 1001)}


def measure(say: Callable[[str], None]) -> list[Figure]:
    with generated(SCHOOLS, CHILDREN) as folder:
        token = tokens_for(folder, "coordinator")[0]
        with service(folder) as running:
            with psycopg.connect(AttachedServer(folder).conninfo) as connection:
                rows = connection.execute(
                    "select id from school where not is_practice order by id limit %s", [READS]
                ).fetchall()
                largest = connection.execute(
                    "select max(n) from (select count(*) n from student group by school_id) s"
                ).fetchone()
            say(f"{READS} schools, the largest with {largest[0] if largest else 0} children")
            times: list[float] = []
            for (school_id,) in rows:
                began = time.perf_counter()
                running.get(f"/api/v1/schools/{school_id}/duplicates", token)
                times.append((time.perf_counter() - began) * 1000)
    times.sort()
    slow = times[int(len(times) * 0.95) - 1]
    found = [_of_a_large_school(), *_rightness(say)]
    return [
        Figure(
            "duplicates of a school, 95 of 100",
            slow,
            "ms",
            f"< {PER_SCHOOL_MS:.0f} ms",
            slow < PER_SCHOOL_MS,
            f"median {times[len(times) // 2]:.1f} ms, whole request",
        ),
        *found,
    ]


def _rosters():
    sys.path.insert(0, str(ROOT / "rightlevel/tests"))
    import duplicate_set

    return duplicate_set


def _children(duplicate_set, script: str, seed: int, count: int = 120) -> list[Child]:
    roster = duplicate_set.a_roster(script, seed, children=count)
    return [
        Child(each.id, read_name(each.name), each.sex, each.grade, 1, each.birth_on, each.age)
        for each in roster
    ]


def _of_a_large_school() -> Figure:
    duplicate_set = _rosters()
    children = _children(duplicate_set, "latin", 7, LARGE)
    began = time.perf_counter()
    find_pairs(children, today=duplicate_set.TODAY)
    took = (time.perf_counter() - began) * 1000
    return Figure(
        f"comparing a school of {len(children):,}",
        took,
        "ms",
        f"< {PER_SCHOOL_MS:.0f} ms",
        took < PER_SCHOOL_MS,
        "no request around it",
    )


def _rightness(say: Callable[[str], None]) -> list[Figure]:
    duplicate_set = _rosters()
    figures: list[Figure] = []
    for script in duplicate_set.SCRIPTS:
        say(f"{len(HELD_OUT)} rosters in {script}")
        right = found_in_all = there_in_all = 0
        for seed in HELD_OUT:
            found = {
                (each.first_id, each.second_id)
                for each in find_pairs(
                    _children(duplicate_set, script, seed), today=duplicate_set.TODAY
                ).pairs
            }
            there = duplicate_set.true_pairs(duplicate_set.a_roster(script, seed))
            right, found_in_all, there_in_all = (
                right + len(found & there),
                found_in_all + len(found),
                there_in_all + len(there),
            )
        figures += [
            Figure(
                f"duplicates found, {script}",
                right / there_in_all * 100,
                "%",
                floor=f"{there_in_all} duplicates among siblings and namesakes",
            ),
            Figure(
                f"found that are duplicates, {script}",
                right / found_in_all * 100,
                "%",
                floor=f"{found_in_all} pairs shown",
            ),
        ]
    return figures
