"""Attacks what a viewer is shown: every number of every filter, added and subtracted in every way, must tell of no fewer than ten children."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import product
from typing import Any

import msgspec
import pytest
from linear_span import Span
from people import NOW, Cast

from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.boundaries import list_school_changes
from rightlevel.programme.errors import Invalid
from rightlevel.programme.figures import (
    FigureQuery,
    Figures,
    figures_below,
    read_breakdown,
    read_figures,
)
from rightlevel.programme.figures.model import Counts, figures_of
from rightlevel.programme.figures.suppression import (
    FEWEST,
    Cell,
    Detail,
    Unit,
    detail_of_all,
    details_below,
    withhold,
)
from rightlevel.programme.permissions import Actor, Subject, sees_small_cells
from rightlevel.programme.schools import list_classes

pytestmark = pytest.mark.anyio

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


def a_world(seed: int) -> World:
    """Two districts of two to five schools each in two provinces; big and tiny schools, common and rare levels, empty grades."""
    dice = random.Random(seed)
    below: dict[int, list[int]] = {0: [-1, -2]}
    truth: Truth = {}
    school = 0
    for district in (-11, -12, -21, -22):
        below.setdefault(-(-district // 10), []).append(district)
        below[district] = []
        for _ in range(dice.randint(2, 5)):
            school += 1
            below[district].append(school)
            size = dice.choice((0, 3, 8, 30, 120, 400))
            weights = (
                [dice.choice((0, 0, 1, 5, 40)) for _ in range(7)]
                + [0, 0]
                + [dice.choice((0, 1, 4)) for _ in range(4)]
            )
            for grade, sex in product(GRADES, SEXES):
                if dice.random() < 0.1 or not sum(weights):
                    continue
                for status in dice.choices(STATUSES, weights, k=size):
                    truth[school, grade, sex, status] = truth.get((school, grade, sex, status), 0) + 1
    return World(truth, below)


def released_of(world: World, *, primary_only: bool = False) -> tuple[Released, list[Detail]]:
    """All that a viewer can ask of a world, and how far each unit is told."""
    released: Released = []
    found: list[Detail] = []

    def tell(key: int, detail: Detail) -> None:
        found.append(detail)
        whole = world.unit(key)
        for grade, sex in product((None, *GRADES), (None, *SEXES)):
            chosen = [
                msgspec.structs.astuple(cell.counts)
                for cell in whole
                if grade in (None, cell.grade) and sex in (None, cell.sex)
            ]
            figures = figures_of(Counts(*map(sum, zip(*chosen, strict=True))), "language")
            told = withhold(figures, detail, grade=grade, sex=sex)
            released.extend(numbers_in(told, "language", world.schools(key), grade, sex))
        if key > 0:
            return
        units = {(child > 0, child): world.unit(child) for child in world.below[key]}
        if primary_only:
            details = {each: min(detail, detail_of_all(unit, "language")) for each, unit in units.items()}
        else:
            details = details_below(whole, detail, units, "language")
        for child in world.below[key]:
            tell(child, Detail(details[child > 0, child]))

    tell(0, detail_of_all(world.unit(0), "language"))
    return released, found


@pytest.mark.parametrize("seed", range(12))
def test_no_sum_or_difference_of_all_filters_tells_a_small_cell(seed: int) -> None:
    world = a_world(seed)
    released, _ = released_of(world)
    assert small_cells_told(released, world.truth, world.groups) == []
    assert all(count == 0 or count >= FEWEST for _, count in released)


def test_without_complements_the_same_attack_finds_small_cells() -> None:
    told = 0
    for seed in range(12):
        world = a_world(seed)
        told += len(small_cells_told(released_of(world, primary_only=True)[0], world.truth, world.groups))
    assert told > 0


def test_what_can_be_told_is_told() -> None:
    details = [detail for seed in range(12) for detail in released_of(a_world(seed))[1]]
    assert {Detail.ROLL, Detail.TESTED, Detail.LEVELS} <= set(details)
    assert sum(detail >= Detail.ROLL for detail in details) > len(details) / 2


def test_the_smallest_goes_with_what_alone_would_be_told() -> None:
    def unit(children: int) -> Unit:
        return (Cell(3, 1, Counts(0, 0, 0, children, *([0] * 8), children)),)

    units = {(True, 1): unit(9), (True, 2): unit(12), (True, 3): unit(40)}
    details = details_below(unit(61), Detail.OUTCOMES, units, "math")
    assert details == {(True, 1): Detail.NOTHING, (True, 2): Detail.NOTHING, (True, 3): Detail.OUTCOMES}
    two_small = {(True, 1): unit(9), (True, 2): unit(9), (True, 3): unit(40)}
    assert details_below(unit(58), Detail.OUTCOMES, two_small, "math")[True, 3] is Detail.OUTCOMES
    missing = {(True, 2): unit(12), (True, 3): unit(40)}
    assert details_below(unit(61), Detail.OUTCOMES, missing, "math")[True, 2] is Detail.NOTHING


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
    origin="test_suppression.py",
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


async def all_asked(session: Session, actor: Actor, cast: Cast, world: World) -> Released:
    """Everything that somebody can ask of a round: each place and school by every filter, apart, and by what hangs on it."""
    told: Released = []
    units = [*world.below, *(each for children in world.below.values() for each in children if each > 0)]
    for unit, grade, sex in product(units, (None, *GRADES), (None, *SEXES)):
        where = {"school_id": unit} if unit > 0 else {"place_id": -unit or None}
        asked = FigureQuery(cast.round, "language", grade=grade, sex=sex, **where)
        schools = world.schools(unit)
        told += numbers_in(await read_figures(session, actor, asked), "language", schools, grade, sex)
        for each in await read_breakdown(session, actor, asked, by="grades"):
            told += numbers_in(each.figures, "language", schools, int(each.key), sex)
        for each in await read_breakdown(session, actor, asked, by="sexes"):
            told += numbers_in(each.figures, "language", schools, grade, int(each.key))
        for each in await read_breakdown(session, actor, asked, by="rounds"):
            assert int(each.key) == cast.round
            told += numbers_in(each.figures, "language", schools, grade, sex)
        if unit <= 0:
            for below in (await figures_below(session, actor, asked, PageRequest(50))).items:
                key = below.id if below.is_school else -below.id
                told += numbers_in(below.figures, "language", world.schools(key), grade, sex)
    return told


@pytest.mark.parametrize("seed", range(3))
async def test_a_viewer_works_out_no_small_cell_from_all_that_can_be_asked(
    session: Session, cast: Cast, seed: int
) -> None:
    world = await fill(session, cast, seed)
    told = await all_asked(session, cast.viewer, cast, world)
    for cells, count in told:
        assert count == sum(world.truth.get(cell, 0) for cell in cells), "the test knows the world as it is"
    assert small_cells_told(told, world.truth, world.groups) == []
    assert max(count for _, count in told) == sum(world.truth.values())


async def test_everybody_but_viewers_sees_all_numbers(session: Session, cast: Cast) -> None:
    world = await fill(session, cast, 1)
    told = await all_asked(session, cast.coordinator, cast, world)
    assert {count for _, count in told} & set(range(1, FEWEST))
    asked = FigureQuery(cast.round, "language", school_id=cast.school_a)
    for actor in (cast.admin, cast.coordinator, cast.mentor, cast.teacher):
        assert sees_small_cells(actor)
        assert not (await read_figures(session, actor, asked)).is_withheld
    assert not sees_small_cells(cast.viewer)


async def test_two_rounds_of_one_school_are_each_told_by_their_own_detail(
    session: Session, cast: Cast
) -> None:
    found = await read_breakdown(
        session, cast.viewer, FigureQuery(cast.round, "language", school_id=cast.school_b), by="rounds"
    )
    assert [(each.figures.enrolled, each.figures.is_withheld) for each in found] == [(None, True)]


async def test_a_viewer_reads_no_figures_by_the_districts_of_today(session: Session, cast: Cast) -> None:
    asked = FigureQuery(cast.round, "language", boundaries="today")
    with pytest.raises(Invalid):
        await read_figures(session, cast.viewer, asked)
    with pytest.raises(Invalid):
        await read_breakdown(session, cast.viewer, asked, by="grades")
    with pytest.raises(Invalid):
        await figures_below(session, cast.viewer, asked, PageRequest())
    assert (await read_figures(session, cast.coordinator, asked)).enrolled == 8


async def test_a_viewer_is_told_no_number_of_children_by_class_or_change(
    session: Session, cast: Cast
) -> None:
    classes = await list_classes(session, cast.viewer, PageRequest(), school_id=cast.school_a)
    assert [each.children for each in classes.items] == [None]
    classes = await list_classes(session, cast.coordinator, PageRequest(), school_id=cast.school_a)
    assert [each.children for each in classes.items] == [3]
    assert (await list_school_changes(session, cast.viewer, cast.school_a, PageRequest())).items == []
