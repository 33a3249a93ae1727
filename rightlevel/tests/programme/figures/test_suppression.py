"""Attacks what a viewer is shown: every number of every filter, added and subtracted in every way, must tell of no fewer than ten children."""

from __future__ import annotations

import random
from itertools import product

import msgspec
import pytest
from people import Cast
from small_cells import (
    GRADES,
    SEXES,
    STATUSES,
    Released,
    Truth,
    World,
    fill,
    numbers_in,
    small_cells_told,
)

from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.boundaries import list_school_changes
from rightlevel.programme.errors import Invalid
from rightlevel.programme.figures import (
    FigureQuery,
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
from rightlevel.programme.permissions import Actor, sees_small_cells
from rightlevel.programme.schools import list_classes

pytestmark = pytest.mark.anyio


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
