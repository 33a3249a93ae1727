"""The same children over HTTP: page, file and JSON say the same; field staff see their own, viewers nothing small."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio
ROUND = (
    "insert into round (school_year_id, kind, starts_on, ends_on, state) "
    "values (%s, 'endline', '2026-12-06', '2026-12-10', 'open') returning id"
)
RESULT = (
    "insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex) "
    "select gen_random_uuid(), id, %s, school_id, class_id, %s, %s, 'language', 'assessed', 'direct', %s, grade, sex from student where id = %s"
)
MORE = (
    "insert into student (school_id, school_year_id, code, name, name_key, sex, grade) "
    "select %s, %s, 'M' || n, '=Child ' || n, 'child ' || n, 1, 3 from generate_series(1, %s) n returning id"
)


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[tuple[Served, int]]:
    """An application of its own with two rounds: eleven of school A rose from letters to words, one fell; the last was not tested again."""
    async with serving(new_database(), tmp_path) as opened:
        cast, by = opened.cast, opened.cast.coordinator.person_id
        with psycopg.connect(opened.server.conninfo, autocommit=True) as connection:
            row = connection.execute(ROUND, [cast.school_year]).fetchone()
            assert row
            children = connection.execute(MORE, [cast.school_a, cast.school_year, 13]).fetchall()
            for number, (child,) in enumerate(children):
                connection.execute(RESULT, [cast.round, by, "2026-11-23", 2, child])
                if number < 12:
                    connection.execute(RESULT, [row[0], by, "2026-12-07", 1 if number == 11 else 3, child])
        yield opened, row[0]


async def test_page_file_and_answer_say_the_same(site: tuple[Served, int]) -> None:
    served, later = site
    asked = {
        "round_id": served.cast.round,
        "later_round_id": later,
        "subject": "language",
        "place_id": served.cast.country,
    }
    async with served.client("coordinator") as client:
        found = (await client.get("/api/v1/movement", params=asked)).json()
        below = (await client.get("/api/v1/movement/below", params=asked)).json()["items"]
    assert (found["assessed"], found["matched"], found["improved"], found["declined"]) == (13, 12, 11, 1)
    assert found["improved_share"]["low"] < 11 / 12 < found["improved_share"]["high"]
    assert [(each["name_local"], each["movement"]["matched"]) for each in below] == [("First Province", 12)]
    async with served.client("coordinator", by="cookie") as client:
        page = await client.get("/movement")
        assert "Of 13 children tested in Baseline 2026" in page.text
        assert "12 were tested again in Endline 2026" in page.text
        assert "of these 92% rose a level or more, 8% fell" in page.text
        assert 'id="different-children"' in page.text
        named = await client.get(f"/movement?school={served.cast.school_a}&fate=to_do")
        assert "=Child 13" in named.text
        assert "=Child 12<" not in named.text
        file = await client.get(f"/api/v1/movement/file?place={served.cast.district_1}")
        assert file.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert [(row["name"], row["matched"], row["improved"], row["mean_shift"]) for row in rows] == [
        ("North District", "12", "11", "0.8333"),
        ("Alpha School", "12", "11", "0.8333"),
    ]


@pytest.mark.parametrize("language", ["en", "km"])
async def test_a_viewer_is_told_nothing_of_few(site: tuple[Served, int], language: str) -> None:
    served, later = site
    with psycopg.connect(served.server.conninfo, autocommit=True) as connection:
        connection.execute(
            "update person set language = %s where id = %s", [language, served.cast.viewer.person_id]
        )
    async with served.client("viewer", by="cookie") as client:
        page = await client.get("/movement")
        assert page.status_code == 200
        assert 'id="sentence"' not in page.text
        assert 'id="withheld"' in page.text
        file = await client.get("/api/v1/movement/file")
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert {row["matched"] for row in rows} == {""}
    asked = {"round_id": served.cast.round, "later_round_id": later, "subject": "language"}
    async with served.client("viewer") as client:
        found = (await client.get("/api/v1/movement", params=asked)).json()
        assert (found["is_withheld"], found["matched"], found["rows"][1]["to"]) == (True, None, None)
        assert (
            await client.get("/api/v1/movement/breakdown", params={**asked, "by": "sexes"})
        ).status_code == 403


async def test_who_stands_still_is_shown_on_a_page(site: tuple[Served, int]) -> None:
    served, _ = site
    async with served.client("teacher", by="cookie") as client:
        page = await client.get(f"/standing-still?school={served.cast.school_a}&weeks=2")
        assert page.text.count("=Child 12") == 1
        assert "=Child 11<" not in page.text
        again = await client.get(f"/standing-still?school={served.cast.school_a}&weeks=26")
        assert "Nobody stands still so long." in again.text
        assert (await client.get(f"/standing-still?school={served.cast.school_b}")).status_code == 403


async def test_places_are_compared_on_a_page_and_in_a_file(site: tuple[Served, int]) -> None:
    served, _ = site
    asked = f"place={served.cast.province}&measure=improved"
    async with served.client("coordinator", by="cookie") as client:
        page = await client.get(f"/comparison?{asked}")
        assert page.text.index("North District") < page.text.index("South District")
        assert page.text.count('class="interval"') == 1
        file = await client.get(f"/api/v1/comparison/file?{asked}")
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert [(row["name"], row["n"], row["part"], row["value"]) for row in rows] == [
        ("North District", "12", "11", "0.9167"),
        ("South District", "0", "0", None),
    ]
    async with served.client("viewer", by="cookie") as client:
        told = await client.get(f"/comparison?{asked}")
        assert (told.status_code, 'class="interval"' in told.text) == (200, False)


async def test_the_comparison_is_a_map_and_geojson_of_the_same(site: tuple[Served, int]) -> None:
    served, _ = site
    asked = f"place={served.cast.province}&measure=improved"
    with psycopg.connect(served.server.conninfo, autocommit=True) as connection:
        connection.execute(
            "update school set latitude = 11.5, longitude = 104.25 where id = %s", [served.cast.school_a]
        )
    async with served.client("coordinator", by="cookie") as client:
        page = await client.get(f"/comparison?{asked}&view=map")
        assert page.text.count('<circle class="map-5" cx=') == 1
        assert 'id="without-position"' in page.text
        assert "&amp;view=map" in page.text, "a place's own comparison is a map too"
        file = await client.get(f"/api/v1/comparison/geojson?{asked}")
    assert file.headers["content-type"] == "application/geo+json"
    told = {each["properties"]["name"]: each for each in file.json()["features"]}
    assert told["North District"]["geometry"] == {"type": "Point", "coordinates": [104.25, 11.5]}
    assert (told["North District"]["properties"]["part"], told["South District"]["geometry"]) == (11, None)
    for who, names in (
        ("viewer", {"North District", "South District"}),
        ("mentor_elsewhere", {"Beta School"}),
    ):
        async with served.client(who, by="cookie") as client:
            seen = (await client.get(f"/api/v1/comparison/geojson?{asked}")).json()["features"]
            page = await client.get(f"/comparison?{asked}&view=map")
        assert {each["properties"]["name"] for each in seen} <= names
        assert {each["properties"]["value"] for each in seen} <= {None}
        assert 'class="map-5" cx=' not in page.text
    async with served.client("coordinator", by="cookie") as client:
        await client.get("/language?to=km")
        nothing = await client.get(f"/comparison?place={served.cast.district_2}&view=map&measure=nonsense")
    assert nothing.status_code == 200
