"""The clean-up of rate limits: at 02:00, over the target, by command and by the scheduler's address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from people import NOW
from serving import OneDatabase, Served, serving

from flatwater import tables
from flatwater.clock import StandingClock
from flatwater.pool import Database
from rightlevel.operations.clean_up import CleanUp, last_due
from rightlevel.operations.device_key import DeviceNames, open_device_names
from rightlevel.web.operations import cron

pytestmark = pytest.mark.anyio
SECRET = "a scheduler's own secret"


@pytest.fixture
async def platform(new_database: Callable[[], OneDatabase], tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path, cron_secret=SECRET) as opened:
        yield opened


def fill(platform: Served, rows: int) -> None:
    with psycopg.connect(platform.server.conninfo, autocommit=True) as connection:
        connection.execute(
            "insert into flatwater_rate_limit select 'old', n::text, now() - interval '1 hour' from generate_series(1, %s) n",
            [rows],
        )
        connection.execute("analyze flatwater_rate_limit")


def count(platform: Served) -> int:
    with psycopg.connect(platform.server.conninfo) as connection:
        row = connection.execute("select count(*) from flatwater_rate_limit").fetchone()
    assert row is not None
    return row[0]


def test_the_daily_time_is_the_last_two_in_the_morning() -> None:
    day = datetime(2026, 11, 23, tzinfo=UTC)
    assert last_due(StandingClock(day + timedelta(hours=3))) == day + timedelta(hours=2)
    assert last_due(StandingClock(day + timedelta(hours=1))) == day - timedelta(hours=22)
    assert last_due(StandingClock(day + timedelta(hours=2))) == day + timedelta(hours=2)
    there = ZoneInfo(
        "Asia/Phnom_Penh"
    )  # seven hours before UTC: two in the night, not at nine when teachers come
    assert last_due(StandingClock(day, there)) == day - timedelta(hours=5)


async def test_it_runs_once_a_day_however_many_processes_ask(platform: Served) -> None:
    clock = StandingClock(NOW)
    fill(platform, 500)
    async with Database(platform.server.conninfo) as other:
        here, there = CleanUp(platform.database, clock), CleanUp(other, clock)
        ran = [await each.run_if_due() for each in (here, there, here)]
        assert [each.removed if each else None for each in ran] == [500, None, None]
        clock.advance(86_400)
        fill(platform, 10)
        assert await there.run_if_due() is not None
    assert count(platform) == 0


async def test_a_table_over_its_target_is_swept_without_waiting_for_the_night(platform: Served) -> None:
    clock = StandingClock(NOW)
    clean_up = CleanUp(platform.database, clock)
    await clean_up.run_if_due()
    clock.advance(600)
    fill(platform, 1_000)
    assert await clean_up.run_if_due() is None
    fill_more = 100_500
    with psycopg.connect(platform.server.conninfo, autocommit=True) as connection:
        connection.execute("truncate flatwater_rate_limit")
    fill(platform, fill_more)
    swept = await clean_up.run_if_due()
    assert swept is not None
    assert swept.removed == fill_more


async def test_the_schedulers_address_is_there_only_for_its_secret(platform: Served) -> None:
    fill(platform, 200)
    path = "/api/cron/cleanup-rate-limits"
    async with platform.client() as client:
        wrong = [
            {},
            {"authorization": "Bearer wrong"},
            {"x-cron-secret": ""},
            {"x-cron-secret": SECRET[:-1]},
            {"x-cron-secret": SECRET + "x"},
            {"x-cron-secret": "wrong", "authorization": f"Bearer {SECRET}"},
        ]
        for headers in wrong:
            answer = await client.post(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "wrong_secret"), headers
        assert count(platform) == 200
        answer = await client.post(path, headers={"authorization": f"Bearer {SECRET}"})
        assert (answer.status_code, answer.json()["removed"]) == (200, 200), answer.text
        fill(platform, 100)
        answer = await client.post(path, headers={"x-cron-secret": SECRET})
        assert (answer.status_code, answer.json()["removed"]) == (200, 100), answer.text
    async with platform.client("admin") as client:
        assert (await client.post(path)).status_code == 401, "being an admin is no secret"


def test_the_secret_is_compared_in_a_time_that_tells_nothing() -> None:
    """Not by `==`, and not by bytes of different lengths, whose comparison ends at once."""
    compared: list[tuple[int, int]] = []
    real = cron.hmac.compare_digest

    class Watched:
        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((len(one), len(other)))
            return real(one, other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cron, "hmac", Watched)
        assert not cron.is_same_secret("a", "a much longer secret than that")
        assert cron.is_same_secret("é", "é")
    assert compared == [(32, 32), (32, 32)]


async def test_without_a_secret_nobody_gets_in(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    async with serving(new_database(), tmp_path) as platform, platform.client() as client:
        for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer x"}):
            answer = await client.post("/api/cron/cleanup-rate-limits", headers=headers)
            assert answer.status_code == 404


async def test_sixty_wrong_passwords_from_one_address_do_not_starve_a_device_we_know(
    platform: Served,
) -> None:
    form = {"username": "nobody", "password": "wrong password"}
    names = await open_device_names(platform.database)
    async with platform.client() as stranger, platform.client() as teacher:
        statuses = [
            (await stranger.post("/sign-in", data={"username": "", "password": ""})).status_code
            for _ in range(64)
        ]
        assert 429 in statuses
        assert (await stranger.post("/sign-in", data=form)).status_code == 429
        teacher.cookies.set("rl_device", names.signed(names.new()))
        assert (await teacher.post("/sign-in", data={"username": "", "password": ""})).status_code == 422
        teacher.cookies.set("rl_device", "0" * 24 + "." + "0" * 32)
        assert (await teacher.post("/sign-in", data=form)).status_code == 429, "a made-up name buys nothing"


def test_a_device_is_known_only_by_a_name_that_we_gave() -> None:
    ours, others = DeviceNames(b"x" * 32), DeviceNames(b"y" * 32)
    name = ours.signed(ours.new())
    assert ours.known(name) == name.split(".")[0]
    assert ours.known(ours.new()) is None
    for wrong in (
        None,
        "",
        ".",
        name[:-1],
        name + "0",
        others.signed(others.new()),
        "é" * 24 + "." + "0" * 32,
        "0" * 24 + ".é",
    ):
        assert ours.known(wrong) is None
    assert "x" * 8 not in repr(ours)


def test_the_tables_are_those_that_flatwater_asks_for() -> None:
    schema = files("rightlevel.database").joinpath("schema.sql").read_text("utf-8")
    for wanted in (tables.OUTBOX, tables.RATE_LIMIT):
        assert wanted.strip() in schema
