"""Practice schools count nowhere: whatever a leader or viewer may look at is the same with a practice school full of everything as without it.

Every GET route there is gets asked, so that a new one is looked at by itself; what may differ is named here, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import httpx
import msgspec
import pytest
from asking import ask, own, path_of, query_of
from fill_school import STEPS, fill_school, ground
from people import NOW, Cast, token_of
from serving import DEADLINE_S, NewDatabase, OneDatabase, serving
from starlette.types import ASGIApp

from flatwater.clock import StandingClock
from flatwater.contract import Endpoint
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.assembly import open_platform
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.rounds import (
    check_snapshot,
    read_snapshot,
    rounds_to_seal,
    seal_round,
    seal_some_schools,
    set_round_state,
)
from rightlevel.programme.verification import NewDraw, draw_sample, plan_draw
from rightlevel.settings import Settings
from rightlevel.web.app import all_routes, build_app
from rightlevel.web.operations import pages as operations

pytestmark = pytest.mark.anyio

ROLES = ("admin", "coordinator", "viewer")
LISTS = {
    "/api/v1/schools": "a practice school is a school that one finds, marked as what it is",
    "/schools": "a practice school is a school that one finds, marked as what it is",
    "/visits/new": "a visit of a practice school can be tried out",
    "/api/v1/assignments": "who works where, at practice schools too",
    "/api/v1/groupings": "groups at practice schools are formed like any others",
    "/api/v1/results": "results of children at practice schools are read back like any others",
    "/api/v1/students": "children are found wherever they are",
    "/students": "children are found wherever they are",
    "/api/v1/verifications": "re-tests wait at practice schools too, to be tried",
    "/verification": "re-tests wait at practice schools too, to be tried",
    "/api/v1/verifications/returned": "returned results go back to teachers at practice schools too",
    "/verification/returned": "returned results go back to teachers at practice schools too",
    "/api/v1/pack": "a phone keeps the work at practice schools too, to try it without a network",
    "/api/v1/me/today": "re-tests at practice schools wait too: a number is that of the list behind it",
    "/": "re-tests at practice schools wait too: a number is that of the list behind it",
    "/api/v1/verification-draws": "the samples that were drawn",
    "/verification-samples": "the samples that were drawn",
    "/api/v1/visits": "visits of practice schools are visits that one looks at",
    "/visits": "visits of practice schools are visits that one looks at",
    "/api/v1/follow-ups": "follow-up actions at practice schools is tried out too",
    "/follow-ups": "follow-up actions at practice schools is tried out too",
    "/api/v1/interventions/{id}/enrolments": "children in a programme are found wherever they are",
    "/interventions/{id}": "children in a programme are found wherever they are",
    "/api/v1/rounds/{id}/schools": "which schools have their own days",
    "/rounds/{id}": "which schools have their own days",
    "/api/v1/boundary-changes": "a change of places says how many schools it took along, practice schools among them",
    "/boundary-changes": "a change of places says how many schools it took along, practice schools among them",
}
"""Lists of things, not figures: a practice school works like any other. Each must differ, or it needn't stand here."""
PLANS = {
    "/api/v1/me/today": "planned visits that are overdue, at practice schools too",
    "/": "planned visits that are overdue, at practice schools too",
    "/api/v1/planned-visits": "visits of practice schools are planned too",
    "/next-week": "it shows the plan beside the ranking; without a plan at the practice school it is the same",
}
"""What shows planned visits."""
LOOKED_AT_ELSEWHERE = {
    "/api/v1/audit": "it holds the attempts of this very test that were refused",
    "/audit": "it holds the attempts of this very test that were refused",
    "/api/v1/audit/export": "it holds the attempts of this very test that were refused",
    "/audit/export": "it holds the attempts of this very test that were refused",
    "/metrics": "what the process measures of itself",
    "/operations": "what the process measures of itself",
    "/operations/live": "what the process measures of itself",
    "/healthz": "what the process measures of itself",
    "/version": "what is running",
    "/live/{secret}/{what}": "the file of an export, which is compared; asked more than 30 times it makes whoever asks wait",
}
CHANGING = re.compile(r'name="(write(_id|\.[^"]*)|id)" value="[^"]*"')
"""Ids that a page makes for the writes to come."""
FIELDS: dict[str, str] = {
    "round_id": "rounds",
    "round": "rounds",
    "subject": "subjects",
    "place_id": "places",
    "place": "places",
    "below": "places",
    "school_id": "school",
    "school": "school",
    "role": "roles",
    "mentor_id": "mentors",
}


Answers = dict[str, dict[str, str]]
"""What was answered, by route and by question."""


@asynccontextmanager
async def app_over(database: OneDatabase, folder: Path) -> AsyncIterator[ASGIApp]:
    """A fresh application, so that nothing it holds in memory hides a difference."""
    chosen = {"data_folder": str(folder), "memory_bytes": 4_000_000_000}
    read = msgspec.convert(chosen, Settings, dec_hook=lambda _kind, value: Path(value))
    app = build_app(lambda: open_platform(read, server=database, clock=StandingClock(NOW)))
    async with app.running():
        yield app


def looks(endpoint: Endpoint) -> bool:
    """Whether a route shows something and changes nothing: every GET, exports, and what is planned before it is done."""
    return endpoint.method == "GET" or "export" in endpoint.path or endpoint.work == "read"


def variants(
    endpoint: Endpoint, ids: dict[str, Any], known: dict[str, list[Any]], *, is_filtered: bool
) -> list[dict[str, str]]:
    """What to ask a route: what it needs, and where it is filtered each of its fields with each value that it may have, one at a time."""
    first = query_of(endpoint, ids)
    asked = [first, {name: value for name, value in first.items() if name not in ("school_id", "school")}]
    kind = endpoint.inputs.get("query")
    for field in msgspec.structs.fields(kind) if kind is not None and is_filtered else ():
        name = field.encode_name
        values = known.get(FIELDS.get(name, ""), _choices(field.type))
        for base in asked[:2]:
            asked += [base | {name: str(value)} for value in values]
    return [dict(each) for each in sorted({tuple(sorted(each.items())) for each in asked})]


def _choices(kind: Any) -> list[Any]:
    if kind is bool:
        return ["true"]
    options = [each for each in get_args(kind) if isinstance(each, str)]
    return options or [each for part in get_args(kind) for each in get_args(part) if isinstance(each, str)]


async def everything(
    database: OneDatabase, folder: Path, cast: Cast, values: dict[str, Any], of: frozenset[str] | None
) -> Answers:
    """What every route, or each of some, answers to everybody, by route and by question."""
    known: dict[str, list[Any]] = {
        "rounds": values["rounds"],
        "subjects": ["language", "math"],
        "school": [cast.school_a, cast.school_b],
        "roles": ["teacher", "mentor"],
        "mentors": [values["mentor"]],
        "places": [cast.country, cast.province, cast.district_1, cast.district_2],
    }
    answers: Answers = {}
    async with app_over(database, folder) as app:
        for name in ROLES:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            headers = {"authorization": f"Bearer {token_of(name)}"}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://test", headers=headers
            ) as client:
                for endpoint in all_routes():
                    if not looks(endpoint) or endpoint.path in LOOKED_AT_ELSEWHERE:
                        continue
                    if of is not None and endpoint.path not in of:
                        continue
                    found = answers.setdefault(endpoint.path, {})
                    if endpoint.method != "GET":
                        answer = await ask(client, endpoint, own(cast) | {"place_id": cast.country})
                        found[f"{name} {endpoint.path}"] = f"{answer.status_code} {answer.text}"
                        continue
                    for round_id in values["rounds"] if "/rounds/" in endpoint.path else [cast.round]:
                        ids = own(cast) | {"rounds": round_id, "interventions": values["intervention"]}
                        path = path_of(endpoint, ids)
                        # What both may read is the same to admins and coordinators: one of them tries every filter.
                        is_filtered = name != "admin" or not endpoint.who.allows(cast.coordinator)
                        for query in variants(endpoint, own(cast), known, is_filtered=is_filtered):
                            answer = await client.get(path, params=query)
                            assert answer.status_code < 500, f"{answer.request.url}: {answer.text}"
                            asked = f"{name} {answer.request.url}"
                            found[asked] = f"{answer.status_code} {CHANGING.sub('', answer.text)}"
    return answers


GONE = read_queries(
    "-- name: gone\n-- Removes a school, or brings it back.\nupdate school set deleted_at = %(at)s::timestamptz where id = %(school)s",
    origin="test_counted_nowhere.py",
)


class Seen(msgspec.Struct, frozen=True):
    """What everybody sees with nothing in the practice school, with everything but a plan, and with everything.

    Without the plan only those routes are asked that may differ in the end: what is the same with everything is not asked for each part of it.
    """

    without: Answers
    unplanned: Answers
    full: Answers


@pytest.fixture(scope="module")
async def seen(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> Seen:
    database = new_database()
    stages: list[Answers] = []
    # Amendments are made by a trigger, which makes none for practice schools (tested below); practice schools are neither merged nor split
    # (tested in places/test_schools_merge.py).
    never = ("s12_amendment", "s37_school_change", "s38_school_change_child")
    plan = ("s24_planned_visit",)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(operations, "STREAM_S", 0.1)
        async with serving(database, tmp_path_factory.mktemp("counted")) as opened:
            cast = opened.cast
            async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
                values = await ground(session, cast)
                for school in (cast.school_a, cast.school_b):
                    await fill_school(session, school, values)
                await session.execute(GONE["gone"], {"school": cast.practice_school, "at": NOW})
            told = frozenset({*LISTS, *PLANS})
            for steps, of in (((), None), (set(STEPS) - {*never, *plan}, told), (plan, None)):
                async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
                    await fill_school(
                        session, cast.practice_school, values, but=tuple(set(STEPS) - set(steps))
                    )
                    if steps:
                        await session.execute(GONE["gone"], {"school": cast.practice_school, "at": None})
                folder = tmp_path_factory.mktemp("app")
                stages.append(await everything(database, folder, cast, values, of))
    return Seen(*stages)


OF_FILES = ("/api/v1/exports", "/exports")
"""Lists of the files that were taken, each with an id and a moment of its own. The files themselves are compared."""


def differing(without: Answers, filled: Answers, allowed: set[str]) -> str:
    return "\n".join(
        f"{asked}\n  without: {_around(found, filled[path][asked])}\n  with:    {_around(filled[path][asked], found)}"
        for path, each in without.items()
        if path not in allowed
        for asked, found in each.items()
        if filled[path][asked] != found
    )[:8_000]


@pytest.mark.walk
def test_no_figure_ranking_or_export_differs_by_a_practice_school(seen: Seen) -> None:
    assert differing(seen.without, seen.full, {*LISTS, *PLANS, *OF_FILES}) == ""
    assert differing({path: seen.without[path] for path in PLANS}, seen.unplanned, {*LISTS}) == ""
    assert differing(seen.unplanned, seen.full, {*PLANS}) == ""


def _around(text: str, other: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)
    return text[max(0, at - 60) : at + 100].replace("\n", " ")


@pytest.mark.walk
def test_what_may_differ_does(seen: Seen) -> None:
    assert [path for path in LISTS if seen.without[path] == seen.unplanned[path]] == []
    assert [path for path in PLANS if seen.unplanned[path] == seen.full[path]] == []


@pytest.mark.walk
def test_the_comparison_looks_at_something(seen: Seen) -> None:
    telling = [
        "/api/v1/figures",
        "/api/v1/figures/breakdown",
        "/api/v1/figures/below",
        "/figures",
        "/api/v1/next-week",
        "/next-week",
        "/api/v1/agreement",
        "/agreement",
        "/",
        "/api/v1/schools-without",
        "/assignments/gaps",
        "/api/v1/dose/schools",
        "/api/v1/visits-per-school-month",
        "/api/v1/data-quality/without-baseline",
        "/api/v1/visits-export",
        "/visits/export",
        "/api/v1/rounds/{id}/snapshot",
    ]
    for path in telling:
        assert any(text.startswith("200 ") and len(text) > 60 for text in seen.full[path].values()), path
    good = [
        path for path, each in seen.full.items() if any(text.startswith("200 ") for text in each.values())
    ]
    assert len(good) > len(seen.full) / 2


async def test_kept_counts_hold_nothing_of_a_practice_school(session: Session, cast: Cast) -> None:
    values = await ground(session, cast)
    for school in (cast.school_a, cast.practice_school):
        await fill_school(session, school, values)
    held = read_queries(
        "-- name: held\n-- Counts of a school.\nselect (select count(*) from school_count where school_id = %(school)s) "
        "+ (select count(*) from school_enrolled where school_id = %(school)s)",
        origin="test_counted_nowhere.py",
    )["held"]
    assert await session.fetch_value(held, {"school": cast.practice_school}) == 0
    assert await session.fetch_value(held, {"school": cast.school_a}) > 0
    found = await reconcile(session)
    assert (found.different, found.compared > 0) == (0, True)


async def _frozen_hash(session: Session, cast: Cast, clock: StandingClock) -> tuple[int, int, str | None]:
    for version, state in enumerate(("closed", "frozen"), start=1):
        await set_round_state(
            session,
            cast.admin,
            cast.round,
            version=version,
            state=state,
            reason="told",
            clock=clock,
            with_open_retests=True,
        )
    assert cast.round in await rounds_to_seal(session)
    after = 0
    while after := await seal_some_schools(session, cast.round, after_id=after):
        pass
    assert await seal_round(session, cast.round, clock)
    found = await read_snapshot(session, cast.admin, cast.round)
    return found.parts, found.results, found.sha256


async def test_a_frozen_round_is_the_same_with_and_without_a_practice_school(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    values = await ground(session, cast)
    await fill_school(session, cast.school_a, values)

    class Enough(Exception):
        pass

    hashes: list[object] = []
    for fills in (False, True):
        try:
            async with session.savepoint():
                if fills:
                    await fill_school(session, cast.practice_school, values)
                hashes.append(await _frozen_hash(session, cast, clock))
                assert (await check_snapshot(session, cast.round)).is_rebuilt
                raise Enough
        except Enough:
            continue
    assert hashes[0] == hashes[1]


async def test_a_sample_draws_no_child_of_a_practice_school(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    values = await ground(session, cast)
    await fill_school(session, cast.school_a, values)
    new = NewDraw(round_id=cast.round, subject="language", place_id=cast.country, seed=7, margin=0.05)
    without = await plan_draw(session, cast.coordinator, new)
    await fill_school(session, cast.practice_school, values)
    assert await plan_draw(session, cast.coordinator, new) == without
    drawn = await draw_sample(session, cast.coordinator, new, clock)
    at = read_queries(
        "-- name: at\n-- How many were drawn where.\nselect count(*) from verification where draw_id = %(draw)s and school_id = %(school)s",
        origin="test_counted_nowhere.py",
    )["at"]
    assert (
        await session.fetch_value(at, {"draw": drawn.id, "school": cast.practice_school}),
        drawn.size > 0,
    ) == (0, True)


async def test_what_changes_at_a_practice_school_is_no_amendment_of_a_frozen_round(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    values = await ground(session, cast)
    for school in (cast.school_a, cast.practice_school):
        await fill_school(session, school, values, but=("s12_amendment",))
    await _frozen_hash(session, cast, clock)
    change = read_queries(
        "-- name: change\n-- Changes what was measured.\nupdate result set tool = 3 where school_id = %(school)s and round_id = %(round)s",
        origin="test_counted_nowhere.py",
    )["change"]
    assert await session.execute(change, {"school": cast.practice_school, "round": cast.round})
    found = await read_snapshot(session, cast.admin, cast.round)
    assert found.amendments == 0
