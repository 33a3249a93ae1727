"""Two ways of working over HTTP: drawn by a form, read as page, file and answer."""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Callable
from io import StringIO

import psycopg
import pytest
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio
FILLED = """
insert into school (place_id, code, name_local) select place_id, 'Z' || n, 'School ' || n from school, generate_series(1, 14) n where code = 'A';
insert into round (school_year_id, kind, starts_on, ends_on, state) select id, 'endline', '2026-12-01', '2026-12-20', 'open' from school_year;
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select s.id, y.id, 'c' || n, 'Child', 'child', 1, 3 from school s, school_year y, generate_series(1, 6) n where s.code like 'Z%';
insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select gen_random_uuid(), c.id, r.id, c.school_id, p.id, '2026-11-20', 'language', 'assessed', 'grid',
    case r.kind when 'endline' then 3 + c.school_id % 3 else 2 end, 3, 1
from student c, round r, person p where c.code like 'c%' and p.username = 'teacher';
"""


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase],
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: object,
) -> AsyncIterator[Served]:
    database = new_database()
    async with serving(database, tmp_path_factory.mktemp("trials")) as opened:
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            connection.execute(FILLED)
        yield opened


async def test_schools_are_drawn_by_a_form_and_read_as_page_file_and_answer(site: Served) -> None:
    sent = {
        "name": "Camps",
        "way_a": "Camps",
        "way_b": "An hour a day",
        "place_id": "",
        "strata_depth": "0",
        "seed": "5",
    }
    async with site.client("coordinator", by="cookie") as client:
        assert "Nothing was drawn yet" in (await client.get("/trials")).text
        again = await client.post("/trials", data=sent | {"way_b": ""})
        assert again.status_code == 422
        made = await client.post("/trials", data=sent)
        assert made.status_code == 303, made.text
        address = made.headers["location"].split("?")[0]
        page = (await client.get(address)).text
        trial_id = address.rsplit("/", 1)[-1]
        file = await client.get(f"/api/v1/trials/{trial_id}/file")
        rounds = (await client.get("/api/v1/rounds")).json()["items"]
        later, earlier = (each["id"] for each in rounds[:2])
        asked = {"round_id": earlier, "later_round_id": later, "subject": "language"}
        answer = (await client.get(f"/api/v1/trials/{trial_id}/read-out", params=asked)).json()
    assert (answer["a"]["matched"] + answer["b"]["matched"], answer["a"]["schools"]) == (84, 8)
    rows = list(csv.DictReader(StringIO(file.content.decode("utf-8-sig"))))
    assert len(rows) == 16
    assert sum(int(row["matched"]) for row in rows if row["way"] == "Camps") == answer["a"]["matched"]
    told = re.search(r"moved (-?[\d.]+) levels more", page)
    assert told is not None
    assert float(told[1]) == round(answer["difference"]["estimate"]["value"], 2)
    for who in ("teacher", "viewer"):
        async with site.client(who) as client:
            assert (await client.get("/api/v1/trials")).status_code == 403
    async with site.client("admin") as client:
        rows = (await client.get("/api/v1/audit", params={"action": "draw", "resource": "trial"})).json()[
            "items"
        ]
    assert [row["after"]["seed"] for row in rows] == [5]
