"""Days begin at midnight in the programme's zone: at every edge of the service, in both of its processes, and when they have 23 or 25 hours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import msgspec
import psycopg
import pytest
from form_reading import send
from people import Cast, make_cast, token_of
from serving import OneDatabase, Served

from flatwater.clock import StandingClock, day_span
from flatwater.pool import Database
from rightlevel.assembly import open_platform
from rightlevel.settings import Settings
from rightlevel.web.app import build_app

pytestmark = pytest.mark.anyio

PHNOM_PENH = ZoneInfo("Asia/Phnom_Penh")
BERLIN = ZoneInfo("Europe/Berlin")
BEGINS = datetime(2026, 11, 22, 17, tzinfo=UTC)
"""When the 23rd of November begins in Phnom Penh; in UTC it begins seven hours later."""
MINUTE = timedelta(minutes=1)


class Moved(StandingClock):
    """A clock that is set to an instant."""

    def set(self, at: datetime) -> None:
        self._at = at


class Two(msgspec.Struct, frozen=True):
    """Two processes on one database, under one clock."""

    first: Served
    second: Served
    clock: Moved

    @property
    def cast(self) -> Cast:
        return self.first.cast

    def at(self, at: datetime) -> None:
        self.clock.set(at)

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.first.server.conninfo, autocommit=True) as connection:
            done = connection.execute(statement, values)
            return done.fetchall() if done.description else []

    def processes(self) -> tuple[Served, Served]:
        return self.first, self.second


@pytest.fixture
async def two(new_database: Callable[[], OneDatabase], tmp_path: Path) -> AsyncIterator[Two]:
    """Both processes started while the country had no known zone, so that each has to learn it by itself."""
    database, clock = new_database(), Moved(BEGINS)
    async with Database(database.conninfo) as opened:
        async with opened.transaction(deadline_s=30) as session:
            cast = await make_cast(session)

        def app(name: str) -> Any:
            chosen = {
                "data_folder": str(tmp_path / name),
                "memory_bytes": 4_000_000_000,
                "cookie_is_secure": "false",
            }
            settings = msgspec.convert(chosen, Settings, dec_hook=lambda _kind, value: Path(value))
            return build_app(lambda: open_platform(settings, server=database, clock=clock))

        one, other = app("one"), app("other")
        async with one.running() as first, other.running() as second:
            made = Two(
                Served(one, cast, opened, database, first),
                Served(other, cast, opened, database, second),
                clock,
            )
            made.run("update place set code = 'KH' where parent_id is null")
            yield made


def a_result(two: Two, child: str, on: str) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "student_id": child,
        "round_id": two.cast.round,
        "subject": "math",
        "level": "subtraction",
        "tested_on": on,
    }


async def test_a_result_of_the_day_is_taken_from_its_first_minute_on(two: Two) -> None:
    children = iter(two.cast.students_a)
    for served in two.processes():
        for at in (BEGINS, BEGINS + 3 * timedelta(hours=1), BEGINS + timedelta(hours=7) - MINUTE):
            two.at(at)
            child = next(children, two.cast.students_a[0])
            async with served.client("teacher") as client:
                tomorrow = await client.post("/api/v1/results", json=a_result(two, child, "2026-11-24"))
                assert (tomorrow.status_code, tomorrow.json()["code"]) == (422, "date_in_future")
                saved = await client.post("/api/v1/results", json=a_result(two, child, "2026-11-23"))
                assert saved.status_code in (201, 409), saved.text  # the sixth child has its result already
    two.at(BEGINS - MINUTE)
    async with two.second.client("teacher") as client:
        early = await client.post("/api/v1/results", json=a_result(two, two.cast.students_a[4], "2026-11-23"))
        assert (early.status_code, early.json()["code"]) == (422, "date_in_future")


async def test_what_a_device_kept_is_judged_by_the_programmes_day(two: Two) -> None:
    """A phone without a network sends hours later what was tested after midnight: its day is the programme's, whatever UTC says."""
    two.at(BEGINS + 2 * timedelta(hours=1))
    child = two.cast.students_a[0]
    async with two.second.client("teacher") as client:
        kept = a_result(two, child, "2026-11-23")
        answer = await client.post("/api/v1/results/batch", json={"writes": [kept]})
        assert answer.status_code == 200, answer.text
        assert "date_in_future" not in answer.text
        shown = (await client.get(f"/api/v1/results/{kept['id']}")).json()
    assert shown["tested_on"] == "2026-11-23"


async def may_read(served: Served, name: str, school: int) -> bool:
    async with served.client(name) as client:
        answer = await client.get("/api/v1/students", params={"school_id": school})
    assert answer.status_code in (200, 403, 404), answer.text
    return answer.status_code == 200 and bool(answer.json()["items"])


async def test_an_assignment_begins_and_ends_at_midnight_there(two: Two) -> None:
    two.run(
        "insert into assignment (person_id, school_id, subject, from_on, to_on) values (%s, %s, 'math', '2026-11-23', '2026-11-24')",
        two.cast.stranger.person_id,
        two.cast.school_a,
    )
    begins, _ = day_span(date(2026, 11, 23), PHNOM_PENH)
    _, ends = day_span(date(2026, 11, 24), PHNOM_PENH)
    for at, expected in ((begins - MINUTE, False), (begins, True), (ends - MINUTE, True), (ends, False)):
        two.at(at)
        seen = [await may_read(served, "stranger", two.cast.school_a) for served in two.processes()]
        assert seen == [expected, expected], at


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
async def test_a_day_of_23_and_of_25_hours_is_one_day(two: Two, day: date, hours: int) -> None:
    two.run("insert into setting (key, value) values ('time_zone', '\"Europe/Berlin\"')")
    two.run(
        "insert into assignment (person_id, school_id, subject, from_on, to_on) values (%s, %s, 'math', %s, %s)",
        two.cast.stranger.person_id,
        two.cast.school_a,
        day,
        day,
    )
    two.run("update person_session set expires_at = '2030-01-01', last_seen_at = '2030-01-01'")
    two.run("update api_token set expires_at = '2030-01-01'")
    begins, ends = day_span(day, BERLIN)
    assert ends - begins == timedelta(hours=hours)
    for served in two.processes():
        for at in (begins - MINUTE, ends):
            two.at(at)
            assert not await may_read(served, "stranger", two.cast.school_a)
        for hour in range(hours):
            two.at(begins + timedelta(hours=hour, minutes=30))
            assert await may_read(served, "stranger", two.cast.school_a), hour


async def change_zone(served: Served, name: str | None) -> httpx.Response:
    async with served.client("coordinator") as client:
        return await client.put("/api/v1/settings/time-zone", json={"time_zone": name})


async def test_a_changed_zone_holds_in_the_other_process_with_the_next_request(two: Two) -> None:
    two.at(BEGINS + MINUTE)
    child = two.cast.students_a[0]
    async with two.second.client("teacher") as client:
        assert (await client.get("/api/v1/settings/time-zone")).json()["today"] == "2026-11-23"
        answer = await change_zone(two.first, "America/Lima")
        assert answer.json() == {
            "time_zone": "America/Lima",
            "chosen": "America/Lima",
            "country": "KH",
            "country_time_zones": ["Asia/Phnom_Penh"],
            "today": "2026-11-22",
        }
        refused = await client.post("/api/v1/results", json=a_result(two, child, "2026-11-23"))
        assert (refused.status_code, refused.json()["code"]) == (422, "date_in_future")
        assert (await change_zone(two.first, None)).json()["time_zone"] == "Asia/Phnom_Penh"
        saved = await client.post("/api/v1/results", json=a_result(two, child, "2026-11-23"))
        assert saved.status_code == 201, saved.text


async def test_a_zone_that_is_none_is_refused_and_nobody_else_chooses(two: Two) -> None:
    refused = await change_zone(two.first, "Mars/Olympus")
    assert refused.status_code == 422
    assert refused.json()["faults"][0]["field"] == "time_zone"
    for name in ("mentor", "teacher", "viewer"):
        async with two.first.client(name) as client:
            answer = await client.put("/api/v1/settings/time-zone", json={"time_zone": "UTC"})
            assert answer.status_code == 403


async def test_pages_show_and_offer_the_programmes_day_and_hour(two: Two) -> None:
    two.run(
        "insert into audit_entry (at, action, resource, outcome, reason) values (%s, 'create', 'place', 'done', 'first thing')",
        BEGINS + 5 * MINUTE,
    )
    two.at(BEGINS + 10 * MINUTE)
    async with two.second.client("coordinator", by="cookie") as client:
        page = (await client.get("/audit", params={"resource": "place", "from_on": "2026-11-23"})).text
        assert "first thing" in page
        assert "23 Nov 2026, 00:05" in page
        before = (await client.get("/audit", params={"resource": "place", "to_on": "2026-11-22"})).text
        assert "first thing" not in before
        form = (await client.get(f"/people/{two.cast.teacher.person_id}/assign/{two.cast.school_b}")).text
        assert 'value="2026-11-23"' in form
        sample = (await client.get("/verification-samples", params={"round": two.cast.round})).text
        assert 'value="2026-11-23"' in sample
    async with two.second.client("mentor", by="cookie") as client:
        visit = (await client.get("/visits/new", params={"school_id": two.cast.school_a})).text
        assert 'value="2026-11-23"' in visit


async def test_the_settings_page_chooses_the_zone_by_the_form_as_it_was_shown(two: Two) -> None:
    two.at(BEGINS)
    async with two.first.client("coordinator", by="cookie") as client:
        page = await client.get("/settings")
        assert "Asia/Phnom_Penh" in page.text
        assert "23 Nov 2026" in page.text
        wrong = await send(client, page, "/settings/time-zone", time_zone="Mars/Olympus")
        assert wrong.status_code == 422
        assert "Mars/Olympus" in wrong.text
        saved = await send(client, wrong, "/settings/time-zone", time_zone="Asia/Tokyo")
        assert (saved.status_code, saved.headers["location"]) == (303, "/settings")
        assert "It was chosen here." in (await client.get("/settings")).text
    assert two.run("select value #>> '{}' from setting where key = 'time_zone'") == [("Asia/Tokyo",)]


async def test_those_who_sign_in_at_a_school_are_the_ones_of_its_day(two: Two) -> None:
    """Nobody signed in has told this process of the zone yet: the page of names asks for it itself."""
    device = uuid4()
    two.run(
        "insert into assignment (person_id, school_id, subject, from_on) values (%s, %s, 'math', '2026-11-23')",
        two.cast.stranger.person_id,
        two.cast.school_a,
    )
    two.run(
        "insert into person_pin (person_id, pin_hash, set_at) values (%s, 'x', now())",
        two.cast.stranger.person_id,
    )
    two.run(
        "insert into school_device (id, school_id, secret_hash, label, address, linked_at, last_used_at) values (%s, %s, sha256(%s), 'phone', 'test', now(), now())",
        device,
        two.cast.school_a,
        token_of("device").encode(),
    )
    for at, is_there in ((BEGINS - MINUTE, False), (BEGINS, True)):
        two.at(at)
        async with two.second.client() as client:
            client.cookies.set("rl_school_device", token_of("device"))
            page = (await client.get("/sign-in/school")).text
        assert ("Stranger" in page) is is_there, at
