"""Health, metrics and alerts of a running platform judge by the same service levels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from serving import OneDatabase, Served, serving

from flatwater.baselines import SERVICE_LEVELS
from rightlevel.operations import readings
from rightlevel.operations.watch import channels_of
from rightlevel.settings import read_settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def platform(new_database: Callable[[], OneDatabase], tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


async def levels(platform: Served) -> dict[str, str]:
    async with platform.on_this_machine() as client:
        answer = await client.get("/healthz")
    return {each["name"]: each["verdict"] for each in answer.json()["levels"]}


async def test_health_judges_every_service_level(platform: Served) -> None:
    judged = await levels(platform)
    assert list(judged) == [level.name for level in SERVICE_LEVELS]
    assert judged["connections"] == "ok"
    assert judged["cache_hit_rate"] == "not_examined", "nothing was asked of a cache yet"


async def test_a_session_idle_in_transaction_is_a_warning_by_itself(platform: Served) -> None:
    with psycopg.connect(platform.server.conninfo) as forgotten:
        forgotten.execute("select 1")
        await asyncio.sleep(2.2)  # a reading may be two seconds old
        async with platform.on_this_machine() as client:
            health = (await client.get("/healthz")).json()
    assert health["status"] == "warning"
    assert any("idle in transaction" in note for note in health["notes"])


@pytest.fixture
def a_lasting_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred answers may take a busy machine longer than a look is kept."""
    monkeypatch.setattr(readings, "FRESH_S", 600.0)


@pytest.mark.usefixtures("a_lasting_look")
async def test_a_hundred_askers_make_one_look(platform: Served) -> None:
    async with platform.on_this_machine() as client:
        answers = await asyncio.gather(*(client.get("/healthz") for _ in range(100)))
    assert len({answer.json()["database_answers_s"] for answer in answers}) == 1


async def test_metrics_are_for_admins_only_and_name_what_is_counted(platform: Served) -> None:
    for name in ("coordinator", "teacher", "viewer"):
        async with platform.client(name) as client:
            assert (await client.get("/metrics")).status_code == 403
    async with platform.client("teacher") as client:
        for _ in range(3):
            await client.get("/api/v1/students", params={"school_id": platform.cast.school_a})
    async with platform.client("admin") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    for wanted in (
        'http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_class="2xx",http_route="list_all_students"} 3.0',
        'flatwater_cache_lookups_total{cache="assignments",',
        'flatwater_service_level_verdict{level="connections",verdict="ok"} 1.0',
        "db_client_connection_count{",
        'flatwater_rate_limit_decisions_total{decision="allowed"}',
    ):
        assert wanted in answer.text, [
            line for line in answer.text.splitlines() if wanted.split("{")[0] in line
        ]


def test_alerts_go_where_the_settings_say_and_no_secret_shows() -> None:
    environment = {
        "RIGHTLEVEL_ALERT_WEBHOOK_SECRET": "https://chat.example/hook/very-secret",
        "RIGHTLEVEL_ALERT_MAIL_TO": "night@example.org,day@example.org",
        "RIGHTLEVEL_ALERT_MAIL_FROM": "platform@example.org",
        "RIGHTLEVEL_ALERT_MAIL_USER": "platform",
        "RIGHTLEVEL_ALERT_MAIL_SECRET": "very-secret",
    }
    settings = read_settings(environment)
    assert [channel.name.split(" ")[0] for channel in channels_of(settings)] == ["log", "webhook", "e-mail"]
    assert "very-secret" not in repr(settings) + repr(channels_of(settings))
    assert [channel.name for channel in channels_of(read_settings({}))] == ["log"]
