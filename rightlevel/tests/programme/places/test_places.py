import pytest
from people import Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import AlreadyTaken, Forbidden, InUse, Invalid, NotFound, Stale
from rightlevel.programme.places import (
    NewPlace,
    PlaceChange,
    change_place,
    create_place,
    delete_place,
    list_places,
    read_place,
    restore_place,
)

pytestmark = pytest.mark.anyio


async def test_a_place_knows_the_way_to_it(session: Session, cast: Cast) -> None:
    place = await read_place(session, cast.teacher, cast.district_1)
    assert [each.kind for each in place.lineage] == ["country", "province", "district"]
    assert [each.id for each in place.lineage] == [cast.country, cast.province, cast.district_1]
    with pytest.raises(NotFound):
        await read_place(session, cast.teacher, 999_999)


async def test_every_fault_of_a_place_is_named_at_once(session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid) as invalid:
        await create_place(session, cast.coordinator, NewPlace("continent", "", "", "x" * 201, cast.country))
    assert {fault.field for fault in invalid.value.faults} == {"kind", "code", "name_local", "name_latin"}


@pytest.mark.parametrize(
    ("kind", "parent", "may"),
    [
        ("district", "country", True),
        ("village", "district_1", True),
        ("province", "district_1", False),
        ("district", "district_1", False),
        ("country", "country", False),
        ("province", None, False),
        ("country", None, True),
    ],
)
async def test_a_place_hangs_only_on_a_higher_one(
    session: Session, cast: Cast, kind: str, parent: str | None, may: bool
) -> None:
    new = NewPlace(kind, "NEW", "New", parent_id=getattr(cast, parent) if parent else None)
    if may:
        assert (await create_place(session, cast.coordinator, new)).lineage[-1].name_local == "New"
    else:
        with pytest.raises(Invalid):
            await create_place(session, cast.coordinator, new)


async def test_a_code_is_unique_below_one_place_only(session: Session, cast: Cast) -> None:
    with pytest.raises(AlreadyTaken):
        async with session.savepoint():
            await create_place(
                session, cast.coordinator, NewPlace("district", "D1", "Again", parent_id=cast.province)
            )
    await create_place(
        session, cast.coordinator, NewPlace("commune", "D1", "Elsewhere", parent_id=cast.district_1)
    )


async def test_pages_hold_every_place_once_in_order(session: Session, cast: Cast) -> None:
    for number in range(9):
        await create_place(
            session,
            cast.coordinator,
            NewPlace("commune", f"C{number}", f"commune {number % 3}", parent_id=cast.district_1),
        )
    seen: list[int] = []
    names: list[str] = []
    after: str | None = None
    while True:
        page = await list_places(session, cast.viewer, PageRequest(2, after), parent_id=cast.district_1)
        seen += [place.id for place in page.items]
        names += [place.name_local for place in page.items]
        after = page.next
        if after is None:
            break
    assert (len(seen), len(set(seen)), names) == (9, 9, sorted(names))


async def test_a_place_is_found_by_name_code_or_kind_and_a_per_cent_sign_means_itself(
    session: Session, cast: Cast
) -> None:
    found = await list_places(session, cast.teacher, PageRequest(), search="north")
    assert [place.id for place in found.items] == [cast.district_1]
    assert [place.id for place in (await list_places(session, cast.teacher, PageRequest())).items] == [
        cast.country
    ]
    assert len((await list_places(session, cast.teacher, PageRequest(), kind="district")).items) == 2
    assert (await list_places(session, cast.teacher, PageRequest(), search="%")).items == []


async def test_a_change_needs_the_present_version(session: Session, cast: Cast) -> None:
    changed = await change_place(
        session, cast.coordinator, cast.district_1, PlaceChange(1, name_local="Renamed")
    )
    assert (changed.name_local, changed.version) == ("Renamed", 2)
    with pytest.raises(Stale) as stale:
        await change_place(session, cast.coordinator, cast.district_1, PlaceChange(1, name_local="Other"))
    assert stale.value.values["current"]["name_local"] == "Renamed"
    with pytest.raises(Forbidden):
        await change_place(session, cast.teacher, cast.district_1, PlaceChange(2, name_local="Mine"))


async def test_a_place_with_anything_on_it_stays_and_an_empty_one_comes_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for used in (cast.country, cast.province, cast.district_1):
        with pytest.raises(InUse):
            await delete_place(session, cast.coordinator, used, reason="x", clock=clock)
    empty = await create_place(
        session, cast.coordinator, NewPlace("district", "D9", "Empty", parent_id=cast.province)
    )
    await delete_place(session, cast.coordinator, empty.id, reason="never used", clock=clock)
    assert empty.id not in [
        place.id
        for place in (await list_places(session, cast.viewer, PageRequest(), parent_id=cast.province)).items
    ]
    assert empty.id in [
        place.id
        for place in (
            await list_places(session, cast.coordinator, PageRequest(), parent_id=cast.province, deleted=True)
        ).items
    ]
    assert not (await restore_place(session, cast.coordinator, empty.id)).is_deleted
