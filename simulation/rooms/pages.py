"""The same deeds by the pages: the form as it was rendered, a few fields filled in, all of it posted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from simulation.deeds import KINDS, Deed, World
from simulation.model.things import NothingThere
from simulation.rooms import checking, children, places, results, rounds
from simulation.rooms.plain import (
    FIELDS,
    LEAD,
    MENTORS,
    OWNERS,
    a_school,
    grouped,
    one,
    one_where,
    plain,
    school_and_subject,
    thing,
    with_suggestion,
)
from simulation.stage import PASSWORD

DECLARED = (checking, children, places, results, rounds)
"""Whose pages these are: they are declared by being imported."""

Where = Callable[[World, Deed], str]
Typed = Callable[[World, Deed], dict[str, Any]]
Then = Callable[[Any, World, Deed], Awaitable[Any]]


def _half_there(w: World, chosen: dict[str, Any]) -> str | None:
    """Half by whoever works there, to whom a page may offer no button; half by anybody of the deed's roles, mostly from elsewhere."""
    return chosen["school"] if w.chance(0.5) else None


async def _nothing(_go: Any, _w: World, _d: Deed) -> Any:
    return {}


def by_page(
    name: str,
    *routes: str,
    page: Where,
    action: Where,
    typed: Typed,
    then: Then = _nothing,
    optional: tuple[str, ...] = (),
) -> None:
    """Gives a kind of deed its page. `then` reads what the API's answer would have told."""
    kind = KINDS[name]
    send = kind.send

    async def either(go: Any, w: World, d: Deed) -> Any:
        if d.way != "page":
            return await send(go, w, d)
        told = await go.form(page(w, d), action(w, d), optional=optional, **typed(w, d))
        if told.is_done:
            told.data = await then(go, w, d)
        return told

    kind.send = either
    kind.has_page = True
    kind.routes = (*kind.routes, *routes)


def reading(path: Where) -> Then:
    """What the API says of the thing now."""

    async def then(go: Any, w: World, d: Deed) -> Any:
        return (await go.read("GET", path(w, d))).data

    return then


def finding(path: Where, **wanted: Where) -> Then:
    """The row of a list that has these values: what a page made."""

    async def then(go: Any, w: World, d: Deed) -> Any:
        rows = (await go.read("GET", path(w, d))).data["items"]
        return next(
            row for row in rows if all(str(row[name]) == value(w, d) for name, value in wanted.items())
        )

    return then


def _id(w: World, d: Deed, name: str) -> str:
    found = w.ids.get(d.given[name])
    return "" if found is None else str(found)


def given(name: str, before: str, after: str = "") -> Where:
    """An address with the number of what the deed names in it."""
    return lambda w, d: before + _id(w, d, name) + after


def no_fields(_w: World, _d: Deed) -> dict[str, Any]:
    return {}


def why(_w: World, _d: Deed) -> dict[str, Any]:
    return {"reason": "as was agreed"}


# Places, schools, years, classes, assignments -------------------------------------------------------------------------------

by_page(
    "make_place",
    "POST /places/new",
    page=lambda w, d: f"/places/new?below={_id(w, d, 'parent')}",
    action=lambda _w, _d: "/places/new",
    typed=lambda _w, d: {"kind": d.given["kind"], "code": f"P{d.key}", "name_local": f"Place {d.key}"},
    optional=("kind",),
    then=finding(
        lambda w, d: f"/api/v1/places?parent_id={_id(w, d, 'parent')}&limit=1000",
        code=lambda _w, d: f"P{d.key}",
    ),
)
by_page(
    "rename_place",
    "POST /places/{id}/edit",
    page=given("place", "/places/", "/edit"),
    action=given("place", "/places/", "/edit"),
    typed=lambda _w, d: {"name_latin": f"Named {d.key}"},
    then=reading(given("place", "/api/v1/places/")),
)
by_page(
    "delete_place",
    "POST /places/{id}/delete",
    page=given("place", "/places/", "/edit"),
    action=given("place", "/places/", "/delete"),
    typed=why,
)
by_page(
    "restore_place",
    "POST /places/{id}/restore",
    page=lambda _w, _d: "/deleted?kind=places&limit=50",
    action=given("place", "/places/", "/restore"),
    typed=no_fields,
)
by_page(
    "make_school",
    "POST /schools/new",
    page=lambda _w, _d: "/schools/new",
    action=lambda _w, _d: "/schools/new",
    typed=lambda w, d: {
        "code": f"S{d.key}",
        "name_local": f"School {d.key}",
        "place_id": _id(w, d, "place"),
        "is_practice": "true" if d.given["is_practice"] else None,
    },
    optional=("place_id", "is_practice"),
    then=finding(lambda _w, d: f"/api/v1/schools?search=S{d.key}&limit=1000", code=lambda _w, d: f"S{d.key}"),
)
plain(
    "post_rename_school",
    "POST /schools/{id}/edit",
    given=a_school,
    weight=0.15,
    form=(
        given("school", "/schools/", "/edit"),
        given("school", "/schools/", "/edit"),
        lambda _w, d: {"name_latin": f"Named {d.key}"},
    ),
    after=lambda w, d, _a: w.versions.__setitem__(d.given["school"], None),
)
by_page(
    "delete_school",
    "POST /schools/{id}/delete",
    page=given("school", "/schools/"),
    action=given("school", "/schools/", "/delete"),
    typed=why,
)
by_page(
    "restore_school",
    "POST /schools/{id}/restore",
    page=given("school", "/schools/"),
    action=given("school", "/schools/", "/restore"),
    typed=no_fields,
    then=reading(given("school", "/api/v1/schools/")),
)
by_page(
    "make_class",
    "POST /schools/{id}/classes",
    page=given("school", "/schools/"),
    action=given("school", "/schools/", "/classes"),
    typed=lambda w, d: {
        "grade": d.given["grade"],
        "section": d.given["section"],
        "school_year_id": _id(w, d, "year"),
    },
    optional=("school_year_id",),
    then=finding(
        lambda w, d: (
            f"/api/v1/classes?school_id={_id(w, d, 'school')}&school_year_id={_id(w, d, 'year')}&limit=1000"
        ),
        grade=lambda _w, d: str(d.given["grade"]),
        section=lambda _w, d: d.given["section"],
    ),
)


def _class_page(w: World, d: Deed) -> str:
    return f"/schools/{w.ids[w.p.classes[d.given['class']].school]}"


by_page(
    "delete_class",
    "POST /schools/{id}/classes/{class_id}/delete",
    page=_class_page,
    typed=why,
    action=lambda w, d: f"{_class_page(w, d)}/classes/{_id(w, d, 'class')}/delete",
)
by_page(
    "restore_class",
    "POST /schools/{id}/classes/{class_id}/restore",
    page=_class_page,
    typed=no_fields,
    action=lambda w, d: f"{_class_page(w, d)}/classes/{_id(w, d, 'class')}/restore",
    then=reading(given("class", "/api/v1/classes/")),
)
by_page(
    "make_year_current",
    "POST /years/{id}",
    page=given("year", "/years/"),
    action=given("year", "/years/"),
    typed=lambda *_: {"is_current": "true"},
    then=reading(given("year", "/api/v1/school-years/")),
)
by_page(
    "spare_year",
    "POST /years/new",
    page=lambda *_: "/years/new",
    action=lambda *_: "/years/new",
    typed=lambda _w, d: {
        "name": f"Spare {d.key}",
        "starts_on": f"{d.given['start']}-01-01",
        "ends_on": f"{d.given['start']}-12-01",
    },
    then=finding(lambda *_: "/api/v1/school-years?limit=1000", name=lambda _w, d: f"Spare {d.key}"),
)
by_page(
    "delete_year",
    "POST /years/{id}/delete",
    page=given("year", "/years/"),
    action=given("year", "/years/", "/delete"),
    typed=why,
)
by_page(
    "restore_year",
    "POST /years/{id}/restore",
    page=lambda *_: "/deleted?kind=years&limit=50",
    action=given("year", "/years/", "/restore"),
    typed=no_fields,
)


def _person(w: World, d: Deed) -> str:
    return str(w.ids[f"person {d.given['person']}"])


by_page(
    "assign",
    "POST /people/{id}/assign/{school}",
    page=lambda w, d: f"/people/{_person(w, d)}/assign/{_id(w, d, 'school')}",
    action=lambda w, d: f"/people/{_person(w, d)}/assign/{_id(w, d, 'school')}",
    typed=lambda w, d: {
        "subject": d.given["subject"],
        "class_id": _id(w, d, "class"),
        "to_on": d.given["to_on"] or "",
    },
    optional=("class_id",),
    then=finding(
        lambda w, d: (
            f"/api/v1/assignments?person_id={_person(w, d)}&school_id={_id(w, d, 'school')}&active=true&limit=1000"
        ),
        subject=lambda _w, d: d.given["subject"],
        class_id=lambda w, d: _id(w, d, "class") or "None",
    ),
)


def _ending(w: World, d: Deed) -> tuple[int, int]:
    found = w.p.assignments[d.given["assignment"]]
    return w.ids[f"person {found.person}"], w.ids[found.id]


by_page(
    "end_assignment",
    "POST /people/{id}/assignments/{assignment}/end",
    page=lambda w, d: f"/people/{_ending(w, d)[0]}?limit=100",
    typed=no_fields,
    action=lambda w, d: f"/people/{_ending(w, d)[0]}/assignments/{_ending(w, d)[1]}/end",
)

# Rounds ---------------------------------------------------------------------------------------------------------------------

by_page(
    "own_days",
    "POST /rounds/{id}/schools/{school_id}/days",
    page=lambda w, d: f"/rounds/{_id(w, d, 'round')}/schools/{_id(w, d, 'school')}",
    action=lambda w, d: f"/rounds/{_id(w, d, 'round')}/schools/{_id(w, d, 'school')}/days",
    typed=lambda _w, d: {"starts_on": "", "ends_on": d.given["ends_on"] or ""},
)


def _result_page(w: World, d: Deed) -> str:
    result = w.p.results[d.given["result"]]
    return f"/rounds/{w.ids[result.round]}/schools/{w.ids[result.school]}/results?subject={result.subject}&limit=100"


async def _locked(_go: Any, _w: World, d: Deed) -> Any:
    return {"answers": [{"code": "locked" if d.given["lock"] else "unlocked"}]}


by_page(
    "lock_results",
    "POST /rounds/{id}/schools/{school_id}/results",
    page=_result_page,
    action=lambda w, d: _result_page(w, d).split("?")[0],
    then=_locked,
    typed=lambda w, d: {
        "result_ids": [w.ids[d.given["result"]]],
        "how": "lock" if d.given["lock"] else "unlock",
        "reason": "it was checked",
    },
)

# Children -------------------------------------------------------------------------------------------------------------------

by_page(
    "erase",
    "POST /students/{id}/erase",
    page=given("child", "/students/", "/erase"),
    action=given("child", "/students/", "/erase"),
    typed=lambda w, d: {"confirmation": w.p.children[d.given["child"]].code, "reason": "the family asked"},
)
by_page(
    "consent",
    "POST /students/{id}/consent",
    page=given("child", "/students/", "/consent"),
    action=given("child", "/students/", "/consent"),
    typed=lambda w, _d: {"contact": "012 345 678", "given_on": w.day()},
)
by_page(
    "withdraw_consent",
    "POST /students/{id}/consent/withdraw",
    page=given("child", "/students/", "/consent"),
    action=given("child", "/students/", "/consent/withdraw"),
    typed=lambda w, _d: {"withdrawn_on": w.day()},
)
by_page(
    "undo_roll_over",
    "POST /roll-overs/{id}/undo",
    page=lambda w, d: f"/schools/{w.ids[w.things['roll'][d.given['roll']]['school']]}/roll-over",
    action=lambda w, d: f"/roll-overs/{w.ids.get(d.given['roll'], d.given['roll'])}/undo",
    typed=why,
)


def _merge_school(w: World, d: Deed) -> str:
    return str(w.ids[w.p.children[str(w.p.merges[d.given["merge"]]["kept"])].record.school])


plain(
    "decide_duplicates",
    "POST /schools/{id}/duplicates",
    roles=MENTORS,
    given=a_school,
    school_of=_half_there,
    weight=0.05,
    form=(
        given("school", "/schools/", "/duplicates"),
        given("school", "/schools/", "/duplicates"),
        lambda _w, _d: {"keep": "apart"},
    ),
)
by_page(
    "unmerge",
    "POST /schools/{id}/duplicates/undo",
    page=lambda w, d: f"/schools/{_merge_school(w, d)}/duplicates",
    action=lambda w, d: f"/schools/{_merge_school(w, d)}/duplicates/undo",
    typed=lambda w, d: {"merge_id": w.ids[d.given["merge"]], "reason": "two after all"},
)

# Re-tests -------------------------------------------------------------------------------------------------------------------


def _retest(w: World, d: Deed) -> str:
    retest = w.p.results[d.given["result"]].retest
    if retest is None:
        raise NothingThere(d.key)
    return retest.id


for each in ("return", "withdraw"):
    by_page(
        {"return": "return_result", "withdraw": "withdraw_retest"}[each],
        page=lambda w, d: f"/verification/{_retest(w, d)}",
        action=lambda w, d, step=each: f"/verification/{_retest(w, d)}/{step}",
        typed=lambda *_: {"reason": "looked again"},
    )
by_page(
    "resolve",
    page=lambda w, d: f"/verification/{_retest(w, d)}",
    action=lambda w, d: f"/verification/{_retest(w, d)}/resolve",
    typed=lambda _w, d: {"stands": d.given["stands"], "reason": "looked at both"},
)
by_page(
    "answer_result",
    page=lambda *_: "/verification/returned?limit=100",
    action=lambda w, d: f"/verification/{_retest(w, d)}/answer",
    typed=lambda *_: {"reason": "looked again"},
)
by_page(
    "draw",
    "POST /verification-samples",
    page=lambda w, d: f"/verification-samples?round={_id(w, d, 'round')}",
    action=lambda *_: "/verification-samples",
    typed=lambda w, d: {
        "round": _id(w, d, "round"),
        "subject": d.given["subject"],
        "place_id": str(w.ids[next(iter(w.p.places))]),
        "margin": "30",
        "confidence": "0.9",
        "expected": "80",
        "seed": d.given["seed"],
        "act": "draw",
    },
    optional=("round", "place_id", "act"),
)

# Everything of which the model keeps only who may -----------------------------------------------------------------------------


def _account(w: World, d: Deed, tail: str = "") -> str:
    return f"/people/{thing(w, d)['id']}{tail}"


for name, route, tail in (
    ("reset_password", "POST /people/{id}/password", "/password"),
    ("make_pin", "POST /people/{id}/pin", "/pin"),
    ("remove_pin", "POST /people/{id}/pin/remove", "/pin/remove"),
    ("remove_second_factor", "POST /people/{id}/second-factor", "/second-factor"),
    ("switch_person", "POST /people/{id}/active", "/active"),
    ("restore_person", "POST /people/{id}/restore", "/restore"),
):
    by_page(name, route, page=_account, action=lambda w, d, end=tail: _account(w, d, end), typed=no_fields)
by_page(
    "delete_person",
    "POST /people/{id}/delete",
    page=_account,
    action=lambda w, d: _account(w, d, "/delete"),
    typed=why,
)
by_page(
    "change_person",
    "POST /people/{id}",
    page=_account,
    action=_account,
    typed=lambda _w, d: {"display_name": f"Renamed {d.key}"},
)
plain(
    "post_make_person",
    "POST /people",
    weight=0.05,
    form=(
        lambda *_: "/people/new",
        lambda *_: "/people",
        lambda _w, d: {"username": f"person{d.key}", "display_name": f"Person {d.key}", "role": "teacher"},
    ),
)
plain(
    "post_export_audit",
    "POST /audit/export",
    weight=0.03,
    form=(lambda *_: "/audit", lambda *_: "/audit/export", no_fields),
)
plain(
    "my_pin",
    "POST /account/pin",
    roles=FIELDS,
    weight=0.04,
    form=(lambda *_: "/account", lambda *_: "/account/pin", lambda *_: {"pin": "402931"}),
)
plain(
    "remove_my_pin",
    "POST /account/pin/remove",
    roles=FIELDS,
    weight=0.04,
    form=(lambda *_: "/account", lambda *_: "/account/pin/remove", no_fields),
)
plain(
    "post_my_token",
    "POST /account/tokens",
    roles=(*FIELDS, "viewer"),
    weight=0.02,
    form=(
        lambda *_: "/account/tokens",
        lambda *_: "/account/tokens",
        lambda *_: {"label": "page", "days": "2"},
    ),
)


def with_password(_w: World, _d: Deed) -> dict[str, Any]:
    """Who sets up two-step verification shows the password again."""
    return {"password": PASSWORD}


plain(
    "second_factor_begin",
    "POST /account/second-factor",
    roles=FIELDS,
    weight=0.02,
    form=(lambda *_: "/account/second-factor", lambda *_: "/account/second-factor", with_password),
)
plain(
    "post_second_factor_rule",
    "POST /account/second-factor/rule",
    roles=("admin",),
    weight=0.02,
    form=(
        lambda *_: "/account/second-factor",
        lambda *_: "/account/second-factor/rule",
        lambda *_: {"is_needed": "false"},
    ),
)
plain(
    "language",
    "POST /language",
    roles=(*FIELDS, "viewer"),
    weight=0.04,
    form=(lambda *_: "/account", lambda *_: "/language", lambda *_: {"code": "km"}),
)
plain(
    "post_join",
    "POST /join",
    roles=(*FIELDS, "viewer"),
    weight=0.03,
    form=(
        lambda *_: "/join",
        lambda *_: "/join",
        lambda _w, d: {"name": f"Wisher {d.key}", "contact": f"{d.key}@example.org", "role": "teacher"},
    ),
)
plain(
    "post_link_code",
    "POST /schools/{id}/devices",
    roles=FIELDS,
    given=a_school,
    weight=0.04,
    form=(given("school", "/schools/", "/devices"), given("school", "/schools/", "/devices"), no_fields),
)
plain(
    "post_propose_groups",
    "POST /schools/{id}/groups",
    roles=OWNERS,
    given=school_and_subject,
    weight=0.1,
    form=(
        lambda w, d: f"/schools/{_id(w, d, 'school')}/groups?subject={d.given['subject']}",
        given("school", "/schools/", "/groups"),
        no_fields,
    ),
)
by_page(
    "accept_groups",
    "POST /groupings/{id}/accept",
    page=lambda w, d: f"/schools/{w.ids[thing(w, d)['school']]}/groups?subject={thing(w, d)['subject']}",
    action=lambda w, d: f"/groupings/{thing(w, d)['id']}/accept",
    typed=no_fields,
)
by_page(
    "drop_groups",
    "POST /groupings/{id}/drop",
    page=lambda w, d: f"/schools/{w.ids[thing(w, d)['school']]}/groups?subject={thing(w, d)['subject']}",
    action=lambda w, d: f"/groupings/{thing(w, d)['id']}/drop",
    typed=no_fields,
)


def in_group(
    name: str, route: str, tail: str, typed: Typed, page_tail: str = "", roles: tuple[str, ...] = OWNERS
) -> None:
    """What is done on the page of one of a school's groups."""
    plain(
        name,
        route,
        roles=roles,
        given=grouped,
        weight=0.12,
        school_of=lambda _w, chosen: chosen["school"],
    )

    async def send(go: Any, w: World, d: Deed) -> Any:
        told = await go.read(
            "GET", f"/api/v1/groups?school_id={w.ids[d.given['school']]}&subject={d.given['subject']}"
        )
        if not told.is_done:
            return told
        rows = told.data["groups"]
        full = [each for each in rows if each["state"] == "accepted" and each["children"]] or rows
        number = full[d.key % len(full)]["id"] if full else 0
        return await go.form(
            f"/groups/{number}{page_tail}",
            f"/groups/{number}{tail}",
            optional=("student_id", "to_group"),
            **typed(w, d),
        )

    KINDS[name].send = send


in_group("post_lead_group", "POST /groups/{id}/teacher", "/teacher", lambda *_: {"teacher_id": ""})
in_group("post_move_in_groups", "POST /groups/{id}/move", "/move", no_fields)
in_group(
    "post_hold_session",
    "POST /groups/{id}/session",
    "/session",
    lambda w, _d: {"held_on": w.day(), "minutes": 40, "activity": "cards"},
    "/session",
)
in_group(
    "post_check_levels",
    "POST /groups/{id}/checks",
    "/checks",
    lambda w, _d: {"checked_on": w.day()},
    "/checks",
    FIELDS,
)
plain(
    "post_suggestion",
    "POST /groups/{id}/suggestion",
    roles=OWNERS,
    given=grouped,
    school_of=_half_there,
    weight=0.03,
    form=(
        lambda w, d: f"/schools/{_id(w, d, 'school')}/groups?subject={d.given['subject']}",
        lambda *_: "/groups/1/suggestion",
        no_fields,
    ),
)
plain(
    "post_make_intervention",
    "POST /interventions/new",
    weight=0.05,
    form=(
        lambda *_: "/interventions/new",
        lambda *_: "/interventions/new",
        lambda w, d: {"name": f"Camp {d.key}", "starts_on": w.day()},
    ),
)
by_page(
    "change_intervention",
    "POST /interventions/{id}/edit",
    page=lambda w, d: f"/interventions/{thing(w, d)['id']}/edit",
    action=lambda w, d: f"/interventions/{thing(w, d)['id']}/edit",
    typed=lambda _w, d: {"name": f"Camp page {d.key}"},
)
by_page(
    "delete_intervention",
    "POST /interventions/{id}/delete",
    page=lambda w, d: f"/interventions/{thing(w, d)['id']}",
    action=lambda w, d: f"/interventions/{thing(w, d)['id']}/delete",
    typed=why,
)
plain(
    "post_enrol",
    "POST /interventions/{id}/enrol",
    roles=OWNERS,
    given=one("intervention"),
    weight=0.06,
    form=(
        lambda w, d: f"/interventions/{thing(w, d)['id']}?search=Sok",
        lambda w, d: f"/interventions/{thing(w, d)['id']}/enrol",
        lambda w, _d: {"from_on": w.day()},
    ),
)
by_page(
    "end_participation",
    "POST /enrolments/{id}",
    page=lambda w, d: f"/enrolments/{thing(w, d)['id']}",
    action=lambda w, d: f"/enrolments/{thing(w, d)['id']}",
    typed=lambda w, _d: {"to_on": w.day(), "outcome": "completed"},
)
by_page(
    "change_resource",
    "POST /resources/{id}/edit",
    page=lambda w, d: f"/resources/{thing(w, d)['id']}/edit",
    action=lambda w, d: f"/resources/{thing(w, d)['id']}/edit",
    typed=lambda _w, d: {"title": f"Better {d.key}"},
)
by_page(
    "delete_resource",
    "POST /resources/{id}/delete",
    page=lambda w, d: f"/resources/{thing(w, d)['id']}",
    action=lambda w, d: f"/resources/{thing(w, d)['id']}/delete",
    typed=why,
)
plain(
    "post_begin_visit",
    "POST /visits/new",
    roles=MENTORS,
    given=school_and_subject,
    school_of=lambda _w, chosen: chosen["school"],
    weight=0.1,
    form=(
        lambda w, d: f"/visits/new?school_id={_id(w, d, 'school')}",
        lambda *_: "/visits/new",
        lambda w, d: {"subject": d.given["subject"], "visited_on": w.day()},
    ),
    after=lambda w, d, _a: w.things.setdefault("begun_visit", {}).__setitem__(
        f"begun visit {d.key}", {"school": d.given["school"]}
    ),
)


def _visit(tail: str = "") -> Where:
    return lambda w, d: f"/visits/{thing(w, d)['id']}{tail}"


plain(
    "post_write_visit",
    "POST /visits/{id}",
    roles=MENTORS,
    is_own=True,
    given=one_where("visit", state="draft"),
    weight=0.1,
    form=(_visit(), _visit(), lambda w, _d: {"visited_on": w.day()}),
)
by_page("delete_visit", "POST /visits/{id}/delete", page=_visit(), action=_visit("/delete"), typed=why)
plain(
    "post_lock_visit",
    "POST /visits/{id}/lock",
    given=one_where("visit", state="submitted"),
    weight=0.05,
    form=(_visit(), _visit("/lock"), why),
)
plain(
    "post_export_visits",
    "POST /visits/export",
    roles=MENTORS,
    weight=0.03,
    form=(lambda *_: "/visits", lambda *_: "/visits/export", no_fields),
)
plain(
    "post_take_export",
    "POST /exports",
    roles=FIELDS,
    weight=0.04,
    form=(lambda *_: "/exports", lambda *_: "/exports", lambda *_: {"what": "roster", "format": "csv"}),
)
plain(
    "post_follow_up",
    "POST /visits/{id}/follow-ups",
    roles=MENTORS,
    is_own=True,
    given=one_where("visit", state="draft"),
    weight=0.05,
    form=(_visit(), _visit("/follow-ups"), lambda w, _d: {"words": "bring cards", "due_on": w.day(-7)}),
)
plain(
    "post_close_follow_up",
    "POST /follow-ups/{id}/close",
    roles=FIELDS,
    is_own=True,
    given=one("follow_up"),
    weight=0.05,
    form=(
        lambda *_: "/follow-ups?limit=100",
        lambda w, d: f"/follow-ups/{thing(w, d)['id']}/close",
        lambda *_: {"state": "done", "words": "done"},
    ),
)
plain(
    "post_plan",
    "POST /next-week/plan",
    roles=("mentor",),
    weight=0.06,
    form=(lambda *_: "/next-week", lambda *_: "/next-week/plan", lambda w, _d: {"planned_on": w.day(-4)}),
)
plain(
    "post_cancel_planned",
    "POST /planned-visits/{id}/cancel",
    roles=MENTORS,
    given=one("planned"),
    weight=0.04,
    form=(lambda *_: "/next-week", lambda w, d: f"/planned-visits/{thing(w, d)['id']}/cancel", why),
)
plain(
    "calendar_link",
    "POST /next-week/calendar",
    roles=MENTORS,
    weight=0.03,
    form=(lambda *_: "/next-week", lambda *_: "/next-week/calendar", no_fields),
)
plain(
    "form_begin",
    "POST /forms",
    weight=0.03,
    form=(
        lambda *_: "/forms",
        lambda *_: "/forms",
        lambda _w, d: {"code": f"page{d.key}", "name": f"Form {d.key}"},
    ),
)
PAGES_OF_FORM = {"/about": "/about", "/question": "/question?at=q1", "/preview": "/preview"}
"""Where what is posted there is filled in; elsewhere the form's own page."""
for name, tail in (
    ("section", "/section"),
    ("publish", "/publish"),
    ("drop", "/drop"),
    ("about", "/about"),
    ("question", "/question"),
    ("preview", "/preview"),
):
    plain(
        f"form_{name}",
        f"POST /forms/{{code}}{tail}",
        given=one("form"),
        weight=0.03,
        roles=LEAD,
        form=(
            lambda w, d, end=tail: f"/forms/{thing(w, d)['code']}{PAGES_OF_FORM.get(end, '')}",
            lambda w, d, end=tail: f"/forms/{thing(w, d)['code']}{end}",
            no_fields,
        ),
    )
plain(
    "reset_practice_look",
    "POST /operations/look",
    roles=("admin",),
    weight=0.02,
    form=(lambda *_: "/operations", lambda *_: "/operations/look", no_fields),
)


def _choosing(name: str, page: Where, action: Where, *choose: str, typed: Typed = no_fields) -> None:
    """A form of which something has to be chosen."""

    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.form_choosing(page(w, d), action(w, d), *choose, **typed(w, d))

    KINDS[name].send = send


_choosing(
    "post_enrol",
    lambda w, d: f"/interventions/{thing(w, d)['id']}?search=Sok",
    lambda w, d: f"/interventions/{thing(w, d)['id']}/enrol",
    "student_id",
    typed=lambda w, _d: {"from_on": w.day()},
)
_choosing(
    "post_follow_up",
    _visit(),
    _visit("/follow-ups"),
    "owner_id",
    typed=lambda w, _d: {"words": "bring cards", "due_on": w.day(-7)},
)


async def _suggestion_here(go: Any, w: World, d: Deed) -> Any:
    """The first that a page offers; of all schools that have groups where its own has none to make."""
    if not await with_suggestion(go, w, d):
        for known in list(w.things.get("grouping", {}).values()):
            other = {name: known.get(name) for name in ("school", "subject")}
            if known.get("is_accepted") and other["school"] in w.ids and other != d.given:
                d = replace(d, given=other)
                if await with_suggestion(go, w, d):
                    break
    page = f"/schools/{_id(w, d, 'school')}/groups?subject={d.given['subject']}"
    return await go.form_like(page, r"/groups/[^/]+/suggestion")


KINDS["post_suggestion"].send = _suggestion_here


async def _join_here(go: Any, _w: World, d: Deed) -> Any:
    """By somebody who is not signed in, as it is meant."""
    typed = {"name": f"Wisher {d.key}", "contact": f"{d.key}@example.org", "role": "teacher"}
    told, _ = await go.stranger("/join", "/join", **typed)
    return told


KINDS["post_join"].send = _join_here
