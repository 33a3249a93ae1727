"""Places and schools moved, split and merged through the pages: shown first, then done, then taken back."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest
from form_reading import form_at
from serving import Served

pytestmark = pytest.mark.anyio
_numbers = count(1)


async def made(client: httpx.AsyncClient, path: str, **values: Any) -> int:
    answer = await client.post(path, json=values)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def place(client: httpx.AsyncClient, kind: str, parent_id: int) -> tuple[int, str]:
    name = f"Page {kind} {next(_numbers)}"
    return await made(
        client, "/api/v1/places", kind=kind, code=f"PG{next(_numbers)}", name_local=name, parent_id=parent_id
    ), name


async def school(client: httpx.AsyncClient, place_id: int) -> tuple[int, str]:
    name = f"Page School {next(_numbers)}"
    code = f"PGS{next(_numbers)}"
    return await made(client, "/api/v1/schools", place_id=place_id, code=code, name_local=name), name


async def shown_then_done(client: httpx.AsyncClient, path: str, **values: Any) -> httpx.Response:
    """Fills the form in as it was rendered, looks at what it would do, and does it."""
    form = form_at(await client.get(path), path)
    shown = await client.post(path, data=form.fields | values)
    assert shown.status_code == 200, shown.text
    again = form_at(shown, path)
    done = await client.post(path, data=again.fields | {"do": "yes"})
    assert done.status_code == 303, done.text
    return shown


async def test_a_district_is_hung_on_another_province_and_taken_back(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        new, new_name = await place(client, "province", served.cast.country)
        district, name = await place(client, "district", served.cast.province)
        here, here_name = await school(client, district)
        shown = await shown_then_done(
            client, f"/places/{district}/move", to_parent_id=str(new), reason="the law of this year"
        )
        assert "What this does" in shown.text
        closed = await client.get(f"/places?below={district}")
        assert "the law of this year" in closed.text
        there = await client.get(f"/places?below={new}")
        assert name in there.text
        assert new_name in (await client.get(f"/schools/{here}")).text
        listed = await client.get("/boundary-changes")
        assert name in listed.text
        change = (await client.get("/api/v1/boundary-changes")).json()["items"][0]
        undone = await client.post(
            f"/boundary-changes/{change['id']}/undo", data={"csrf_token": "csrf", "reason": "a mistake"}
        )
        assert undone.status_code == 303, undone.text
        assert name in (await client.get(f"/schools/{here}")).text
        assert here_name in (await client.get(f"/schools?place_id={district}")).text


async def test_a_district_is_merged_and_split(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        one, _ = await place(client, "district", served.cast.province)
        two, _ = await place(client, "district", served.cast.province)
        first, first_name = await school(client, one)
        second, second_name = await school(client, one)
        await shown_then_done(
            client,
            f"/places/{one}/split",
            code_2=f"CUT{one}",
            name_2="Cut Out",
            schools=str(second),
            reason="too large",
        )
        assert "Cut Out" in (await client.get(f"/schools/{second}")).text
        assert second_name not in (await client.get(f"/schools?place_id={one}")).text
        await shown_then_done(client, f"/places/{one}/merge", into_place_id=str(two), reason="too small")
        assert first_name in (await client.get(f"/schools?place_id={two}")).text
        assert (await client.get(f"/places/{one}/move")).status_code == 404
        wrong = await client.post(f"/places/{two}/merge", data={"csrf_token": "csrf", "id": str(uuid4())})
        assert wrong.status_code == 422
        assert first > 0


async def test_a_school_is_moved_merged_and_split(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        old, old_name = await place(client, "district", served.cast.province)
        new, new_name = await place(client, "district", served.cast.province)
        here, _here_name = await school(client, old)
        other, other_name = await school(client, old)
        assert new_name in (await client.get(f"/schools/{here}/move?place={served.cast.province}")).text
        page = await client.get(f"/schools/{here}/move?place={new}")
        form = form_at(page, f"/schools/{here}/move")
        refused = await client.post(f"/schools/{here}/move", data=form.fields)
        assert refused.status_code == 422
        moved = await client.post(
            f"/schools/{here}/move", data=form.fields | {"reason": "the border was drawn anew"}
        )
        assert moved.status_code == 303, moved.text
        shown = await client.get(f"/schools/{here}")
        assert old_name in shown.text
        assert new_name in shown.text
        grade = await made(client, "/api/v1/classes", school_id=here, grade=3, section="Z")
        code = f"PGC{next(_numbers)}"
        child = await client.post(
            "/api/v1/students",
            json={
                "school_id": here,
                "code": code,
                "name": "Page Child",
                "sex": 1,
                "grade": 3,
                "class_id": grade,
            },
        )
        assert child.status_code == 201, child.text
        await shown_then_done(
            client,
            f"/schools/{here}/split",
            classes=str(grade),
            code=f"NEW{here}",
            name_local="Split Off",
            reason="too many",
        )
        assert other_name in (await client.get(f"/schools/{here}/merge?search={other_name}")).text
        await shown_then_done(client, f"/schools/{here}/merge/{other}", reason="too few")
        closed = await client.get(f"/schools/{here}")
        assert "This school is closed." in closed.text
        assert other_name in closed.text
        change = (await client.get(f"/api/v1/schools/{here}/changes")).json()["items"][0]
        assert change["kind"] == "merge"
        undone = await client.post(
            f"/school-changes/{change['id']}/undo",
            data={"csrf_token": "csrf", "reason": "a mistake", "school_id": str(here)},
        )
        assert undone.status_code == 303, undone.text
        stays = (await client.get(f"/api/v1/schools/{here}/places")).json()["stays"]
        assert [each["place_id"] for each in stays] == [new, old]
        assert stays[1]["from_at"] is None


async def test_figures_are_shown_by_the_districts_of_then_and_of_today(served: Served) -> None:
    async with served.client("viewer", by="cookie") as client:
        for boundaries in ("then", "today"):
            page = await client.get(f"/figures?round={served.cast.round}&boundaries={boundaries}")
            assert page.status_code == 200, page.text
        wrong = await client.get(
            f"/api/v1/figures?round_id={served.cast.round}&subject=math&boundaries=never"
        )
        assert wrong.status_code == 422
        moved = await client.get(f"/api/v1/figures/moved?round_id={served.cast.round}&subject=math")
        assert moved.json()["total"] == len(moved.json()["schools"])
        assert (await client.get("/places/1/move")).status_code == 403
