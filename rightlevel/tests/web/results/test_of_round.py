"""Locks and missing baselines by pages."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from form_reading import form_at
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


def a_write(site: Served, student: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "student_id": student,
        "round_id": site.cast.round,
        "subject": "math",
        "level": "division",
        "tested_on": "2026-11-20",
        **more,
    }


async def test_a_coordinator_locks_single_results_and_all_and_unlocks_them(site: Served) -> None:
    at = f"/rounds/{site.cast.round}/schools/{site.cast.school_a}/results"
    first, second = site.cast.students_a[:2]
    async with site.client("teacher") as teacher, site.client("coordinator", by="cookie") as client:
        made = [
            (await teacher.post("/api/v1/results", json=a_write(site, each))).json()
            for each in (first, second)
        ]
        page = await client.get(f"{at}?subject=math")
        assert made[0]["result_id"] in page.text
        fields = form_at(page, at).fields
        without = await client.post(
            at, data=fields | {"result_ids": made[0]["result_id"], "how": "lock", "reason": ""}
        )
        assert without.status_code == 422, without.text
        done = await client.post(
            at,
            data=fields
            | {
                "result_ids": made[0]["result_id"],
                "how": "lock",
                "reason": "Asked about",
                "write_id": str(uuid4()),
            },
        )
        assert done.status_code == 303, done.text

        async def change(number: int) -> int:
            write = a_write(
                site,
                (first, second)[number],
                version=made[number]["version"] + (1 if number == 0 else 0),
                level="subtraction",
            )
            return (await teacher.post("/api/v1/results", json=write)).status_code

        assert await change(0) == 409
        for how, status in (("lock_all", 409), ("unlock_all", 0)):
            answer = await client.post(
                at, data=fields | {"how": how, "reason": "The whole school", "write_id": str(uuid4())}
            )
            assert answer.status_code == 303, answer.text
            if status:
                assert await change(1) == status
        assert "Locked" not in (await client.get(f"{at}?subject=math")).text.split("<form")[-1]
        assert (await teacher.get(at)).status_code == 403


async def test_results_without_a_baseline_are_listed_with_what_to_do(site: Served) -> None:
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        connection.execute("update round set kind = 'midline' where id = %s", [site.cast.round])
    async with site.client("teacher") as teacher, site.client("coordinator", by="cookie") as client:
        await teacher.post("/api/v1/results", json=a_write(site, site.cast.students_a[0]))
        page = await client.get(f"/rounds/{site.cast.round}")
        assert f"/rounds/{site.cast.round}/without-baseline" in page.text
        listed = await client.get(f"/rounds/{site.cast.round}/without-baseline")
        assert ("Bopha" in listed.text, "Chan" in listed.text) == (True, False)
    async with site.client("mentor_elsewhere", by="cookie") as client:
        assert "Bopha" not in (await client.get(f"/rounds/{site.cast.round}/without-baseline")).text


async def test_where_a_sample_is_drawn_is_chosen_by_name(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = (await client.get("/verification-samples")).text
        assert "First Province › North District" in page
        of_school = (await client.get(f"/verification-samples?school={site.cast.school_a}")).text
        assert ("Alpha School" in of_school, 'name="place_id"' in of_school) == (True, False)
        assert "First Province" in (await client.get(f"/rounds/{site.cast.round}")).text
