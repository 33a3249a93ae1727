"""A deed that is declared once has two faces, and they do the same."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import msgspec
import pytest
from form_reading import form_at
from serving import Served

from flatwater.clock import Clock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor
from rightlevel.web.app import all_routes
from rightlevel.web.feature import DeedBroken, Deeds, Filters, bound, filters_of
from rightlevel.web.request import ById, WithReason
from rightlevel.web.years import routes as years

pytestmark = pytest.mark.anyio


class Naming(msgspec.Struct, frozen=True):
    """A name, and why."""

    name: str
    reason: str = ""


async def by_fields(session: Session, actor: Actor, thing_id: int, *, reason: str, clock: Clock) -> None:
    """Takes what is sent by its fields' names."""


async def whole(session: Session, actor: Actor, page: PageRequest, naming: Naming) -> None:
    """Takes what is sent whole."""


async def asks_too_much(session: Session, actor: Actor, colour: str) -> None:
    """Takes what nobody says."""


async def takes_a_number(session: Session, actor: Actor, *, reason: int) -> None:
    """Takes a field as another type than it is sent in."""


def test_an_action_is_bound_whole_or_by_fields() -> None:
    assert callable(bound(by_fields, {"path": ById, "query": Naming}))
    assert callable(bound(whole, {"page": PageRequest, "query": Naming}))


def test_an_action_that_asks_for_what_nobody_says_does_not_start() -> None:
    with pytest.raises(DeedBroken, match="colour"):
        bound(asks_too_much, {"path": ById, "query": Naming})


def test_a_field_of_another_type_does_not_start() -> None:
    with pytest.raises(DeedBroken, match="reason"):
        bound(takes_a_number, {"query": Naming})


def test_what_is_sent_and_read_by_nobody_does_not_start() -> None:
    routes = Deeds("things", "school")
    with pytest.raises(DeedBroken, match="takes no name of Naming"):
        routes.answers("name_thing", "POST /api/v1/things/{id}/name", by_fields, Naming)
    routes.answers("tell_thing", "POST /api/v1/things/{id}/tell", by_fields, WithReason)
    assert routes["tell_thing"].inputs == {"path": ById, "body": WithReason}


def test_an_id_that_nothing_says_how_to_write_does_not_start() -> None:
    with pytest.raises(DeedBroken, match="how the id in"):
        Deeds("things", "school").answers("list_things", "GET /api/v1/things/{id}", whole, Naming)


async def rows_of(
    session: Session,
    actor: Actor,
    thing_id: int,
    page: PageRequest,
    clock: Clock,
    *,
    colour: str,
    size: int = 3,
) -> None:
    """Rows that may be asked for by colour and size."""


def test_what_may_be_asked_is_what_the_action_takes_beside_the_path() -> None:
    of_one = {
        each.name: (each.type, each.required) for each in msgspec.structs.fields(filters_of(rows_of, ById))
    }
    assert of_one == {"colour": (str, True), "size": (int, False)}
    assert "thing_id" in filters_of(rows_of, None).__struct_fields__
    routes = Deeds("things", "school")
    routes.answers("rows_of_thing", "GET /api/v1/things/{id}/rows", rows_of, Filters)
    assert routes["rows_of_thing"].inputs["query"].__struct_fields__ == ("colour", "size")


async def test_an_actor_who_may_be_nobody_is_whoever_calls() -> None:
    """Nobody does such a deed on the command line alone: over HTTP it would be done without a permission."""
    seen: list[object] = []

    async def deed(session: Session, actor: Actor | None = None) -> None:
        seen.append(actor)

    calling = SimpleNamespace(session=None, actor=object())
    await bound(deed, {})(cast("Any", calling), {})
    assert seen == [calling.actor]


def test_both_faces_of_a_deed_have_one_permission_and_one_input() -> None:
    made = {each.name: each for each in years}
    pairs = {
        ("create_one_year", "post_create_year"): ("body", "form"),
        ("change_one_year", "post_change_year"): ("body", "form"),
        ("delete_one_year", "post_delete_year"): (None, None),
    }
    for (of_programs, of_people), (body, form) in pairs.items():
        one, other = made[of_programs], made[of_people]
        assert one.who.description == other.who.description
        assert (one.rate, one.deadline_s, one.work) == (other.rate, other.deadline_s, other.work)
        if body and form:
            assert one.inputs[body] is other.inputs[form]
    assert {each.name for each in years} <= {each.name for each in all_routes()}


@pytest.mark.parametrize(
    ("of_programs", "of_people"),
    [
        ("mark_student_left", "post_student_left"),
        ("erase_one_identity", "post_erase"),
        ("switch_person", "post_switch_person"),
        ("plan_one_visit", "post_plan_visit"),
        ("publish_one_form", "post_publish_form"),
        ("resolve_one", "post_resolve"),
        ("lock_one_school", "post_lock_school"),
        ("change_programme_time_zone", "post_change_time_zone"),
    ],
)
def test_a_deed_of_any_kind_is_allowed_to_the_same_from_both_sides(of_programs: str, of_people: str) -> None:
    routes = all_routes()
    one, other = routes[of_programs], routes[of_people]
    assert one.who.description == other.who.description
    assert (one.rate, one.deadline_s, one.work, one.body_bytes or other.body_bytes) == (
        other.rate,
        other.deadline_s,
        other.work,
        other.body_bytes,
    )
    assert one.is_for_programs
    assert not other.is_for_programs


async def test_a_form_and_json_do_the_same_and_what_is_wrong_is_told_at_the_field(served: Served) -> None:
    name = f"Y{uuid4().hex[:6]}"
    first, last = date(2071, 1, 1), date(2071, 12, 31)
    async with served.client("coordinator", by="cookie") as client:
        form = form_at(await client.get("/years/new"))
        fields = form.fields
        wrong = await client.post("/years/new", data=fields | {"name": name, "starts_on": "x", "ends_on": ""})
        assert wrong.status_code == 422
        assert "A day like 2026-11-30" in wrong.text
        assert "Please fill this in" in wrong.text
        assert f'value="{name}"' in wrong.text
        days = {"starts_on": first.isoformat(), "ends_on": last.isoformat()}
        saved = await client.post("/years/new", data=fields | days | {"name": name})
        assert (saved.status_code, saved.headers["location"]) == (303, "/years")
        listed = (await client.get("/api/v1/school-years", params={"limit": 1000})).json()["items"]
        (made,) = [each for each in listed if each["name"] == name]
        assert (made["starts_on"], made["is_current"]) == (first.isoformat(), False)
        at = f"/years/{made['id']}"
        change = form_at(await client.get(at))
        assert change is not None
        emptied = await client.post(at, data=change.fields | {"name": ""})
        assert emptied.status_code == 422
        no_day = await client.post(at, data=change.fields | {"starts_on": ""})
        assert no_day.status_code == 422  # what programs may leave out, a person may not leave blank
        sent = {"version": made["version"], "name": name + "b"}
        changed = await client.patch(f"/api/v1/school-years/{made['id']}", json=sent)
        assert changed.status_code == 200
        stale = await client.post(at, data=change.fields | {"name": name + "c"})
        assert stale.status_code == 409
        assert name + "b" in stale.text
        assert f'value="{name}c"' in stale.text
        delete = f"{at}/delete"
        no_reason = await client.post(delete, data={"form_page": at, "reason": " "})
        assert no_reason.status_code == 422
        gone = await client.post(delete, data={"form_page": at, "reason": "Typed by mistake"})
        assert (gone.status_code, gone.headers["location"]) == (303, "/years")
