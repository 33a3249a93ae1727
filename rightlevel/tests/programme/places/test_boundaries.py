"""Places moved, split and merged: others follow them, and what was counted in the old ones stays there."""

from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest
from people import Cast
from places import by_place, enter, every_part, step

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.boundaries import (
    BoundaryPlan,
    BoundaryStands,
    BoundaryUndone,
    Part,
    change_boundaries,
    list_boundary_changes,
    preview_boundary_change,
    undo_boundary_change,
)
from rightlevel.programme.errors import AlreadyTaken, Forbidden, Invalid, NotFound
from rightlevel.programme.figures import FigureQuery, moved_schools, read_figures
from rightlevel.programme.places import (
    NewPlace,
    PlaceChange,
    PlaceClosed,
    PlaceFollowed,
    PlaceHasPast,
    change_place,
    close_place,
    create_place,
    delete_place,
    list_places,
    read_place,
    reopen_place,
)
from rightlevel.programme.schools import NewSchool, SchoolChange, change_school, create_school, read_school

pytestmark = pytest.mark.anyio

WHY = "the law of this year"


def plan(kind: str, *place_ids: int, **more: object) -> BoundaryPlan:
    return BoundaryPlan(str(uuid4()), kind, list(place_ids), WHY, **more)  # type: ignore[arg-type]


async def frozen(session: Session, cast: Cast, clock: StandingClock) -> None:
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    await step(session, cast, clock, "frozen", 2)


async def province(session: Session, cast: Cast, code: str = "P2") -> int:
    new = NewPlace("province", code, "Second Province", parent_id=cast.country)
    return (await create_place(session, cast.coordinator, new)).id


async def open_places(session: Session, cast: Cast, below: int) -> list[str]:
    return [
        row.name_local
        for row in (await list_places(session, cast.viewer, PageRequest(50), parent_id=below)).items
    ]


async def still_right(session: Session, cast: Cast) -> None:
    found = await reconcile(session)
    assert (found.different, found.differences) == (0, [])
    for boundaries in ("then", "today"):
        await every_part(session, cast, boundaries)


async def test_a_district_goes_to_another_province_and_its_past_stays(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await frozen(session, cast, clock)
    second = await province(session, cast)
    asked = plan("move", cast.district_1, to_parent_id=second)
    preview = await preview_boundary_change(session, cast.coordinator, asked)
    assert (preview.closes, preview.makes, preview.schools) == (["North District"], ["North District"], 2)
    assert [(each.kind, each.stays, each.results) for each in preview.rounds] == [("baseline", True, 5)]
    made = await change_boundaries(session, cast.coordinator, asked, clock)
    follower = made.followed[0].successor_id
    assert (made.followed[0].place_id, made.schools) == (cast.district_1, 2)
    new = await read_place(session, cast.viewer, follower)
    assert ([each.name_local for each in new.lineage], new.code) == (
        ["Exampleland", "Second Province", "North District"],
        "D1",
    )
    assert [each.id for each in new.follows] == [cast.district_1]
    old = await read_place(session, cast.viewer, cast.district_1)
    assert (old.close_reason, [each.id for each in old.followed_by]) == (WHY, [follower])
    assert (await read_school(session, cast.coordinator, cast.school_a)).place_id == follower
    assert await open_places(session, cast, cast.province) == ["South District"]
    # the frozen round is where it was, and by the districts of today it is where the school stands
    assert await by_place(session, cast) == (8, 5, 3)
    assert await by_place(session, cast, "today") == (8, 0, 3)
    assert (
        await read_figures(session, cast.coordinator, FigureQuery(cast.round, "math", second))
    ).assessed == 0
    today = FigureQuery(cast.round, "math", second, boundaries="today")
    assert (await read_figures(session, cast.coordinator, today)).assessed == 5
    assert (
        await moved_schools(session, cast.coordinator, FigureQuery(cast.round, "math", cast.province))
    ).total == 1
    await still_right(session, cast)
    assert await change_boundaries(session, cast.coordinator, asked, clock) == made, (
        "the same id, the same answer"
    )


async def test_a_province_goes_with_everything_below_it(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await frozen(session, cast, clock)
    other = await create_place(session, cast.coordinator, NewPlace("country", "YY", "Otherland"))
    made = await change_boundaries(
        session, cast.coordinator, plan("move", cast.province, to_parent_id=other.id, code="NEW"), clock
    )
    assert {each.place_id for each in made.followed} == {cast.province, cast.district_1, cast.district_2}
    assert await open_places(session, cast, cast.country) == []
    assert await open_places(session, cast, cast.province) == []
    (new,) = (await list_places(session, cast.viewer, PageRequest(5), parent_id=other.id)).items
    assert new.code == "NEW"
    assert await open_places(session, cast, new.id) == ["North District", "South District"]
    assert await by_place(session, cast) == (8, 5, 3)
    assert await by_place(session, cast, "today") == (0, 0, 0)
    today = FigureQuery(cast.round, "math", other.id, boundaries="today")
    assert (await read_figures(session, cast.coordinator, today)).assessed == 8
    await still_right(session, cast)


async def test_two_districts_become_one(session: Session, cast: Cast, clock: StandingClock) -> None:
    await frozen(session, cast, clock)
    made = await change_boundaries(
        session,
        cast.coordinator,
        plan("merge", cast.district_1, cast.district_2, parts=[Part("D1", "Whole District")]),
        clock,
    )
    assert await open_places(session, cast, cast.province) == ["Whole District"]
    assert {each.successor_name for each in made.followed} == {"Whole District"}
    assert await by_place(session, cast) == (8, 5, 3)
    whole = FigureQuery(cast.round, "math", made.followed[0].successor_id, boundaries="today")
    assert (await read_figures(session, cast.coordinator, whole)).assessed == 8
    await still_right(session, cast)


async def test_a_district_goes_into_one_that_is_there(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await frozen(session, cast, clock)
    await change_boundaries(
        session, cast.coordinator, plan("merge", cast.district_1, into_place_id=cast.district_2), clock
    )
    assert await by_place(session, cast) == (8, 5, 3)
    assert await by_place(session, cast, "today") == (8, 0, 8)
    await still_right(session, cast)


async def test_a_district_is_split_and_every_school_goes_somewhere(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await frozen(session, cast, clock)
    third = await create_school(session, cast.coordinator, NewSchool(cast.district_1, "C", "Gamma School"))
    commune = await create_place(
        session, cast.coordinator, NewPlace("commune", "C1", "Commune", parent_id=cast.district_1)
    )
    lost = plan(
        "split", cast.district_1, parts=[Part("E", "East", school_ids=[cast.school_a]), Part("W", "West")]
    )
    with pytest.raises(Invalid) as invalid:
        await change_boundaries(session, cast.coordinator, lost, clock)
    assert {each.field for each in invalid.value.faults} == {"school_ids", "place_ids"}
    parts = [
        Part("E", "East", school_ids=[cast.school_a]),
        Part("W", "West", school_ids=[third.id, cast.practice_school], place_ids=[commune.id]),
    ]
    made = await change_boundaries(
        session, cast.coordinator, plan("split", cast.district_1, parts=parts), clock
    )
    assert await open_places(session, cast, cast.province) == ["East", "South District", "West"]
    by_name = {each.successor_name: each.successor_id for each in made.followed}
    assert await open_places(session, cast, by_name["West"]) == ["Commune"]
    east = FigureQuery(cast.round, "math", by_name["East"], boundaries="today")
    assert (await read_figures(session, cast.coordinator, east)).assessed == 5
    assert await by_place(session, cast) == (8, 5, 3)
    await still_right(session, cast)


async def test_a_new_district_is_cut_out_of_one_that_goes_on(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await frozen(session, cast, clock)
    parts = [Part(goes_on=True), Part("N", "New District", school_ids=[cast.school_a])]
    await change_boundaries(session, cast.coordinator, plan("split", cast.district_1, parts=parts), clock)
    assert await open_places(session, cast, cast.province) == [
        "New District",
        "North District",
        "South District",
    ]
    assert (await read_school(session, cast.coordinator, cast.practice_school)).place_id == cast.district_1
    assert await by_place(session, cast) == (8, 5, 3)
    assert await by_place(session, cast, "today") == (8, 0, 3)
    await still_right(session, cast)


async def test_a_change_is_taken_back_and_rounds_stay_where_they_were(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    second = await province(session, cast)
    made = await change_boundaries(
        session, cast.coordinator, plan("move", cast.district_1, to_parent_id=second), clock
    )
    follower = made.followed[0].successor_id
    await step(session, cast, clock, "closed", 1)
    undone = await undo_boundary_change(session, cast.coordinator, made.id, reason="a mistake", clock=clock)
    assert undone.is_undone
    assert (await read_school(session, cast.coordinator, cast.school_a)).place_id == cast.district_1
    assert (await read_place(session, cast.viewer, follower)).closed_at is not None
    assert (await read_place(session, cast.viewer, cast.district_1)).followed_by == []
    # the round was closed while the school stood in the other province, and stays there
    there = FigureQuery(cast.round, "math", second)
    assert (await read_figures(session, cast.coordinator, there)).assessed == 5
    assert await by_place(session, cast) == (8, 0, 3)
    assert await by_place(session, cast, "today") == (8, 5, 3)
    await still_right(session, cast)
    with pytest.raises(BoundaryUndone):
        await undo_boundary_change(session, cast.coordinator, made.id, reason="again", clock=clock)


async def test_a_change_stands_once_something_was_built_on_it(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    second = await province(session, cast)
    made = await change_boundaries(
        session, cast.coordinator, plan("move", cast.district_1, to_parent_id=second), clock
    )
    new = NewSchool(made.followed[0].successor_id, "C", "Gamma School")
    await create_school(session, cast.coordinator, new)
    with pytest.raises(BoundaryStands):
        await undo_boundary_change(session, cast.coordinator, made.id, reason="a mistake", clock=clock)
    with pytest.raises(Invalid):
        await undo_boundary_change(session, cast.coordinator, made.id, reason=" ", clock=clock)
    with pytest.raises(NotFound):
        await undo_boundary_change(session, cast.coordinator, str(uuid4()), reason="x", clock=clock)


async def test_a_wrong_plan_says_why(session: Session, cast: Cast, clock: StandingClock) -> None:
    second = await province(session, cast)
    taken = NewPlace("district", "D1", "Another", parent_id=second)
    await create_place(session, cast.coordinator, taken)
    for wrong, field in (
        (plan("fold", cast.district_1), "kind"),
        (plan("move", cast.district_1), "to_parent_id"),
        (plan("move", cast.district_1, to_parent_id=cast.province), "to_parent_id"),
        (plan("move", cast.district_1, to_parent_id=cast.district_2), "to_parent_id"),
        (plan("move", cast.province, to_parent_id=cast.district_1), "to_parent_id"),
        (plan("move", cast.country, to_parent_id=second), "place_ids"),
        (plan("move", 999_999, to_parent_id=second), "place_ids"),
        (plan("move", cast.district_1, cast.district_2, to_parent_id=second), "place_ids"),
        (plan("merge", cast.district_1, cast.province, parts=[Part("X", "X")]), "place_ids"),
        (plan("merge", cast.district_1, into_place_id=cast.province), "into_place_id"),
        (plan("merge", cast.district_1), "parts"),
        (plan("split", cast.district_1, parts=[Part("X", "X")]), "parts"),
        (msgspec.structs.replace(plan("move", cast.district_1, to_parent_id=second), reason=" "), "reason"),
        (msgspec.structs.replace(plan("move", cast.district_1, to_parent_id=second), id="x"), "id"),
    ):
        with pytest.raises(Invalid) as invalid:
            await change_boundaries(session, cast.coordinator, wrong, clock)
        assert field in {each.field for each in invalid.value.faults}, wrong
    with pytest.raises(AlreadyTaken):
        await change_boundaries(
            session, cast.coordinator, plan("move", cast.district_1, to_parent_id=second), clock
        )
    for nobody in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await change_boundaries(
                session, nobody, plan("move", cast.district_2, to_parent_id=second), clock
            )
    assert (await list_boundary_changes(session, cast.viewer, PageRequest())).items == []


async def test_nothing_is_hung_on_a_closed_place(session: Session, cast: Cast, clock: StandingClock) -> None:
    second = await province(session, cast)
    await change_boundaries(
        session, cast.coordinator, plan("move", cast.district_1, to_parent_id=second), clock
    )
    closed = cast.district_1
    with pytest.raises(Invalid):
        await create_school(session, cast.coordinator, NewSchool(closed, "C", "Gamma School"))
    with pytest.raises(Invalid):
        change = SchoolChange(1, place_id=closed, reason=WHY)
        await change_school(session, cast.coordinator, cast.school_b, change, clock)
    with pytest.raises(Invalid):
        await create_place(session, cast.coordinator, NewPlace("commune", "X", "X", parent_id=closed))
    with pytest.raises(PlaceClosed):
        await change_place(session, cast.coordinator, closed, PlaceChange(2, name_local="Y"))
    with pytest.raises(PlaceFollowed):
        await reopen_place(session, cast.coordinator, closed)
    with pytest.raises(PlaceHasPast):
        await delete_place(session, cast.coordinator, closed, reason="x", clock=clock)


async def test_a_place_where_schools_stood_is_closed_and_not_removed(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await frozen(session, cast, clock)
    for school_id in (cast.school_a, cast.practice_school):
        change = SchoolChange(1, place_id=cast.district_2, reason=WHY)
        await change_school(session, cast.coordinator, school_id, change, clock)
    with pytest.raises(PlaceHasPast):
        await delete_place(session, cast.coordinator, cast.district_1, reason="empty", clock=clock)
    with pytest.raises(Invalid):
        await close_place(session, cast.coordinator, cast.district_1, reason="", clock=clock)
    closed = await close_place(
        session, cast.coordinator, cast.district_1, reason="nobody lives there", clock=clock
    )
    assert closed.close_reason == "nobody lives there"
    assert await by_place(session, cast) == (8, 5, 3)
    await still_right(session, cast)
    opened = await reopen_place(session, cast.coordinator, cast.district_1)
    assert opened.closed_at is None
