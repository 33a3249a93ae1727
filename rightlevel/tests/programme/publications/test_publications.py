"""The public page under attack: every number of every choice and of every time it was published, added and subtracted in every way."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from people import NOW, Cast
from small_cells import Released, World, fill, numbers_in, small_cells_told

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound
from rightlevel.programme.figures import FigureQuery, figures_below, read_figures
from rightlevel.programme.levels import FIRST_KEYS, NOTHING_ELSE, measured
from rightlevel.programme.publications import (
    SPLITS,
    PublicPageChange,
    PublicQuery,
    change_public_page,
    hide_round,
    publish_round,
    read_public_figures,
    read_public_page,
)
from rightlevel.programme.publications.actions import NotSealed
from rightlevel.programme.rounds import amending, seal_round, seal_some_schools, set_round_state
from rightlevel.programme.scales import NewScale, publish_scale, read_scale, start_scale
from rightlevel.programme.tools import ensure_first_tools

pytestmark = pytest.mark.anyio
CLOCK = StandingClock(NOW)
QUERIES = read_queries(
    """
-- name: remove_one
-- One result of a frozen round is taken out.
update result set deleted_at = now() where id = (select id from result where round_id = %(round)s and school_id = %(school)s and deleted_at is null limit 1)
-- name: measure_by
-- A round is measured by another scale.
update round set language_scale = %(scale)s::uuid where id = %(round)s
-- name: tell_a_child
-- Somebody writes a number of one child past the program.
insert into published_figure (round_id, place_id, subject, grade, sex, enrolled, assessed, bands, levels)
select round_id, place_id, 'language', 9, 1, 40, null, null, %(levels)s::bigint[] from published_place limit 1
""",
    origin="test_publications.py",
)


async def freeze(session: Session, cast: Cast) -> None:
    for version, state in ((1, "closed"), (2, "frozen")):
        await set_round_state(
            session,
            cast.coordinator,
            cast.round,
            version=version,
            state=state,
            reason="it is over",
            clock=CLOCK,
        )
    after_id = 0
    while after_id := await seal_some_schools(session, cast.round, after_id=after_id):
        pass
    assert await seal_round(session, cast.round, CLOCK)


async def all_published(session: Session, cast: Cast, world: World) -> Released:
    """Everything that anybody can read, whatever the page is set to tell."""
    told: Released = []
    for depth, split in product(range(1, 5), SPLITS):
        await change_public_page(session, cast.admin, PublicPageChange(depth, split, is_on=True))
        for unit in world.below:
            try:
                found = await read_public_figures(session, PublicQuery(cast.round, "language", -unit or None))
            except NotFound:
                assert depth < 3
                continue
            for cell in found.cells:
                told += numbers_in(cell.figures, "language", world.schools(unit), cell.grade, cell.sex)
            for part in found.parts:
                told += numbers_in(part.figures, "language", world.schools(-part.place.id), None, None)
    return told


@pytest.mark.parametrize("seed", range(3))
async def test_no_small_cell_follows_from_all_filters_and_two_publications(
    session: Session, cast: Cast, seed: int
) -> None:
    world = await fill(session, cast, seed)
    of_viewers: Released = []
    for place in [None, *(-each for each in world.below if each)]:
        asked = FigureQuery(cast.round, "language", place)
        of_viewers += numbers_in(
            await read_figures(session, cast.viewer, asked),
            "language",
            world.schools(-(place or 0)),
            None,
            None,
        )
        for each in (await figures_below(session, cast.viewer, asked, PageRequest(50))).items:
            key = each.id if each.is_school else -each.id
            of_viewers += numbers_in(each.figures, "language", world.schools(key), None, None)
    await freeze(session, cast)
    await publish_round(session, cast.admin, cast.round, CLOCK)
    first = await all_published(session, cast, world)
    for cells, count in first:
        assert count == sum(world.truth.get(cell, 0) for cell in cells), "what is published is what was"

    await amending(session, cast.coordinator, "a child was tested twice")
    for school in (cast.school_a, cast.school_b, *(each for each in world.schools(0) if each > 0)):
        await session.execute(QUERIES["remove_one"], {"round": cast.round, "school": school})
    now = await read_figures(session, cast.coordinator, FigureQuery(cast.round, "language"))
    assert now.enrolled == max(count for _, count in first)
    assert now.assessed not in {count for _, count in first}, "something was corrected"
    await hide_round(session, cast.admin, cast.round)
    await publish_round(session, cast.admin, cast.round, CLOCK)
    second = await all_published(session, cast, world)

    assert second == first, "what was corrected between them would be the difference"
    assert small_cells_told([*first, *second, *of_viewers], world.truth, world.groups) == []
    assert max(count for _, count in first) == sum(world.truth.values())


async def test_off_by_default_and_gone_when_switched_off_or_hidden(session: Session, cast: Cast) -> None:
    await fill(session, cast, 1)
    await freeze(session, cast)
    await publish_round(session, cast.admin, cast.round, CLOCK)
    with pytest.raises(NotFound):
        await read_public_figures(session, PublicQuery())
    await change_public_page(session, cast.admin, PublicPageChange(1, "levels", is_on=True))
    assert (await read_public_figures(session, PublicQuery())).round.id == cast.round
    await hide_round(session, cast.admin, cast.round)
    with pytest.raises(NotFound):
        await read_public_figures(session, PublicQuery())
    await publish_round(session, cast.admin, cast.round, CLOCK)
    with pytest.raises(NotFound):
        await read_public_figures(session, PublicQuery(place_id=cast.district_1))
    await change_public_page(session, cast.admin, PublicPageChange(3, "levels"))
    with pytest.raises(NotFound):
        await read_public_figures(session, PublicQuery())
    for wrong in (PublicPageChange(5, "levels"), PublicPageChange(1, "names")):
        with pytest.raises(Invalid):
            await change_public_page(session, cast.admin, wrong)


async def test_only_an_admin_publishes_and_only_what_is_frozen_and_kept(session: Session, cast: Cast) -> None:
    with pytest.raises(NotSealed):
        await publish_round(session, cast.admin, cast.round, CLOCK)
    for actor in (cast.coordinator, cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await publish_round(session, actor, cast.round, CLOCK)
        with pytest.raises(Forbidden):
            await read_public_page(session, actor)
    with pytest.raises(NotFound):
        await hide_round(session, cast.admin, cast.round)


@pytest.mark.parametrize("levels", [[9, 40], [40, 1]])
async def test_the_database_takes_no_number_of_one_to_nine(
    session: Session, cast: Cast, levels: list[int]
) -> None:
    await freeze(session, cast)
    await publish_round(session, cast.admin, cast.round, CLOCK)
    with pytest.raises(ConstraintViolated):
        await session.execute(QUERIES["tell_a_child"], {"levels": levels})


async def test_what_is_published_is_told_to_whoever_publishes(session: Session, cast: Cast) -> None:
    await fill(session, cast, 2)
    await freeze(session, cast)
    published = await publish_round(session, cast.admin, cast.round, CLOCK)
    assert (published.places, published.is_shown) == (5, True)
    found = await read_public_page(session, cast.admin)
    assert [each.round_id for each in found.publications] == [cast.round]


async def test_a_stranger_is_shown_a_round_by_its_own_scale(session: Session, cast: Cast) -> None:
    await fill(session, cast, 2)
    await ensure_first_tools(session)
    there = (await read_scale(session, cast.coordinator, FIRST_KEYS["language"])).text
    lowest = msgspec.structs.replace(there.rungs[0], colour="#4d004b")
    text = msgspec.structs.replace(there, name="Riverland", rungs=[lowest, *there.rungs[1:]])
    draft = (await start_scale(session, cast.coordinator, NewScale(text=text), CLOCK)).row
    await publish_scale(session, cast.coordinator, draft.key, CLOCK, edited=draft.edited)
    await session.execute(QUERIES["measure_by"], {"round": cast.round, "scale": draft.key})
    await freeze(session, cast)
    await publish_round(session, cast.admin, cast.round, CLOCK)
    await change_public_page(session, cast.admin, PublicPageChange(4, "levels", is_on=True))
    measured.set(NOTHING_ELSE)
    found = await read_public_figures(session, PublicQuery(cast.round, "language", None))
    assert found.cells[0].figures.levels[0].colour == lowest.colour
