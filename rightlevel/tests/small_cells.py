"""The attack on what is told of few children: a world that is known child by child, and every number that follows from those that are told."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import product
from typing import Any

import msgspec
from linear_span import Span
from people import NOW, Cast

from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.figures import Figures
from rightlevel.programme.figures.model import Counts
from rightlevel.programme.figures.suppression import FEWEST, Cell, Unit
from rightlevel.programme.permissions import Subject

STATUSES = (*(f"rank {rank}" for rank in range(1, 10)), "absent", "refused", "went", "to do")
GRADES, SEXES = (3, 4), (1, 2)
BaseCell = tuple[int, int, int, str]
"""A school, a grade, a sex and what came of the test."""
Truth = dict[BaseCell, int]
Released = list[tuple[frozenset[BaseCell], int]]


def counts_of(truth: Truth, school: int, grade: int, sex: int) -> Counts:
    numbers = {status: truth.get((school, grade, sex, status), 0) for status in STATUSES}
    ranks = [numbers[f"rank {rank}"] for rank in range(1, 10)]
    return Counts(numbers["absent"], numbers["refused"], numbers["went"], *ranks, sum(numbers.values()))


def cells_of(
    schools: Iterable[int], grade: int | None, sex: int | None, *statuses: str
) -> frozenset[BaseCell]:
    return frozenset(
        product(
            schools,
            GRADES if grade is None else (grade,),
            SEXES if sex is None else (sex,),
            statuses or STATUSES,
        )
    )


def numbers_in(
    found: Figures, subject: Subject, schools: list[int], grade: int | None, sex: int | None
) -> Released:
    """Every number that figures tell, with the children it is the number of."""
    tested = [f"rank {rank}" for rank in range(1, 10)]
    told: list[tuple[list[str], int | None]] = [
        ([], found.enrolled),
        (tested, found.assessed),
        (["absent"], found.absent),
        (["refused"], found.refused),
        (["went"], found.left),
        (["to do"], found.to_do),
    ]
    told += [([f"rank {each.rank}"], each.count) for each in found.levels]
    ranks = {
        "reads_story": range(5, 10),
        "paragraph_up": range(4, 10),
        "cannot_read_words": range(1, 3),
        "does_division": range(5, 10),
        "subtraction_up": range(4, 10),
    }
    for each in found.indicators:
        told.append(([f"rank {rank}" for rank in ranks[each.code]], each.numerator))
        told.append((tested, each.denominator))
        assert each.numerator is not None or each.share is None
    if found.assessed is None:
        assert found.coverage is None
    for each in found.levels:
        assert each.count is not None or each.share is None
    assert subject
    return [(cells_of(schools, grade, sex, *names), count) for names, count in told if count is not None]


def small_cells_told(
    released: Released, truth: Truth, groups: list[list[int]]
) -> list[tuple[frozenset[BaseCell], int]]:
    """The choices of children (a place or school × grade × sex × level, outcome or all) of one to nine whose number can be worked out."""
    span = Span(released)
    found: list[tuple[frozenset[BaseCell], int]] = []
    tested = tuple(f"rank {rank}" for rank in range(1, 10))
    choices = [(), tested, tested[4:], tested[3:], tested[:2], *((status,) for status in STATUSES)]
    for schools, grade, sex, statuses in product(groups, (None, *GRADES), (None, *SEXES), choices):
        cells = cells_of(schools, grade, sex, *statuses)
        number = sum(truth.get(cell, 0) for cell in cells)
        if 0 < number < FEWEST and span.tells(cells):
            found.append((cells, number))
    return found


class World(msgspec.Struct):
    """Places with schools below: keys of places are below zero, their children in `below`."""

    truth: Truth
    below: dict[int, list[int]]

    def schools(self, unit: int) -> list[int]:
        return [unit] if unit > 0 else [each for child in self.below[unit] for each in self.schools(child)]

    def unit(self, key: int) -> Unit:
        found: list[Cell] = []
        for grade, sex in product(GRADES, SEXES):
            each = [
                msgspec.structs.astuple(counts_of(self.truth, school, grade, sex))
                for school in self.schools(key)
            ]
            found.append(Cell(grade, sex, Counts(*map(sum, zip(*each, strict=True)))))
        return tuple(found)

    @property
    def groups(self) -> list[list[int]]:
        """Each place, each school, and what is left of a place without each of its parts."""
        keys = [*self.below, *(child for children in self.below.values() for child in children)]
        groups = [self.schools(key) for key in keys]
        for place, children in self.below.items():
            groups += [[s for s in self.schools(place) if s not in self.schools(child)] for child in children]
        return [sorted(group) for group in groups if group]


FILL = read_queries(
    """
-- name: district
-- One more district.
insert into place (parent_id, kind, code, name_local, name_latin) values (%(parent)s, 'district', %(code)s, %(code)s, %(code)s) returning id
-- name: school
-- One more school.
insert into school (place_id, code, name_local) values (%(place)s, %(code)s, %(code)s) returning id
-- name: children
-- Children of a grade and sex.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, %(start)s || '-' || n, 'Child', 'child', %(sex)s, %(grade)s from generate_series(1, %(children)s) n
-- name: results
-- The results of so many of them.
insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select gen_random_uuid(), id, %(round)s, school_id, %(person)s, %(day)s, 'language', %(outcome)s::outcome, 'grid', %(rank)s, grade, sex
from student where school_id = %(school)s and code like %(start)s || '-%%'
""",
    origin="small_cells.py",
)


async def fill(session: Session, cast: Cast, seed: int) -> World:
    """The cast's two schools, and six more in three districts, with children of all sorts; the world as it then is."""
    dice = random.Random(seed)
    truth: Truth = {}
    district_3 = await session.fetch_value(FILL["district"], {"parent": cast.province, "code": "D3"})
    places = {cast.district_1: [cast.school_a], cast.district_2: [cast.school_b], district_3: []}
    for number, place in enumerate(
        (cast.district_1, cast.district_1, cast.district_2, cast.district_2, district_3, district_3)
    ):
        places[place].append(
            await session.fetch_value(FILL["school"], {"place": place, "code": f"S{number}"})
        )
    for school in (each for schools in places.values() for each in schools):
        size = dice.choice((2, 12, 45))
        for grade, sex, status in product(GRADES, SEXES, ("rank 1", "rank 3", "rank 5", "absent", "to do")):
            number = dice.choice((0, 1, size, size * 2)) if status != "absent" else dice.choice((0, 0, 1))
            if not number:
                continue
            start = f"{grade}{sex}{status}"
            values: dict[str, Any] = {
                "school": school,
                "year": cast.school_year,
                "start": start,
                "sex": sex,
                "grade": grade,
                "children": number,
            }
            await session.execute(FILL["children"], values)
            if status != "to do":
                rank = int(status[-1]) if status.startswith("rank") else None
                await session.execute(
                    FILL["results"],
                    {
                        "school": school,
                        "start": start,
                        "round": cast.round,
                        "person": cast.teacher.person_id,
                        "day": NOW.date(),
                        "outcome": "assessed" if rank else "absent",
                        "rank": rank,
                    },
                )
            truth[school, grade, sex, status] = truth.get((school, grade, sex, status), 0) + number
    for school, children in ((cast.school_a, cast.students_a), (cast.school_b, cast.students_b)):
        for index, _ in enumerate(children):
            key = (school, 3, 1 + index % 2, "to do")
            truth[key] = truth.get(key, 0) + 1
    tree = {0: [-cast.country], -cast.country: [-cast.province], -cast.province: [-place for place in places]}
    return World(truth, tree | {-place: schools for place, schools in places.items()})
