"""Figures over HTTP: who may see what, and how they are told apart."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from serving import Served

pytestmark = pytest.mark.anyio


def asked(served: Served, **more: Any) -> dict[str, Any]:
    return {"round_id": served.cast.round, "subject": "math", **more}


async def get(client: httpx.AsyncClient, path: str, params: dict[str, Any]) -> httpx.Response:
    return await client.get(f"/api/v1/figures{path}", params=params)


async def test_figures_name_what_they_count_and_of_how_many(served: Served) -> None:
    async with served.client("coordinator") as client:
        found = (await get(client, "", asked(served))).json()
    assert [level["code"] for level in found["levels"]] == [
        "beginner",
        "number_1digit",
        "number_2digit",
        "subtraction",
        "division",
        "word_problems",
    ]
    assert {each["code"] for each in found["indicators"]} == {"does_division", "subtraction_up"}
    assert all(
        each["definition"] and each["denominator"] == found["assessed"] for each in found["indicators"]
    )


async def test_without_children_nothing_is_invented(served: Served) -> None:
    async with served.client("coordinator") as client:
        found = (await get(client, "", asked(served, grade=12))).json()
    assert (found["assessed"], found["enrolled"], found["coverage"]) == (0, 0, None)
    assert {each["share"] for each in [*found["levels"], *found["indicators"]]} == {None}


@pytest.mark.parametrize("by", ["rounds", "grades", "sexes"])
async def test_figures_apart_add_up_to_the_whole(served: Served, by: str) -> None:
    async with served.client("coordinator") as client:
        whole = (await get(client, "", asked(served))).json()
        slices = (await get(client, "/breakdown", asked(served, by=by))).json()["slices"]
    assert sum(each["figures"]["assessed"] for each in slices) == whole["assessed"]


async def test_drilling_down_adds_up_to_the_place(served: Served) -> None:
    async with served.client("coordinator") as client:
        whole = (await get(client, "", asked(served, place_id=served.cast.province))).json()
        below = (await get(client, "/below", asked(served, place_id=served.cast.province))).json()["items"]
    # Others make places here too: the databases of a run are shared by its files.
    own = ("North District", "South District")
    assert tuple(unit["name_local"] for unit in below if unit["name_local"] in own) == own
    assert sum(unit["figures"]["enrolled"] for unit in below) == whole["enrolled"]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("admin", 200),
        ("coordinator", 200),
        ("mentor", 200),
        ("teacher", 200),
        ("viewer", 403),
        ("teacher_elsewhere", 403),
        ("stranger", 403),
    ],
)
async def test_children_behind_a_figure_are_for_those_who_may_see_them(
    served: Served, who: str, status: int
) -> None:
    async with served.client(who) as client:
        answer = await get(
            client, "/children", asked(served, school_id=served.cast.school_a, outcome="missing")
        )
        assert answer.status_code == status


@pytest.mark.parametrize("path", ["", "/below", "/breakdown"])
async def test_what_is_asked_wrongly_is_told(served: Served, path: str) -> None:
    async with served.client("coordinator") as client:
        wrong = await get(client, path, asked(served, subject="physics", by="rounds"))
        assert wrong.status_code == 422
        assert (await client.get(f"/api/v1/figures{path}")).status_code == 422
    async with served.client() as client:
        assert (await get(client, path, asked(served, by="rounds"))).status_code == 401
