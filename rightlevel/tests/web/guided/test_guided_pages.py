"""The guided test as a page, step by step as a browser without any script sends it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from serving import OneDatabase, Served, serving
from simulation.forms import Form, forms_of

from rightlevel.programme.results.guided import THRESHOLDS
from rightlevel.programme.tools.actions import first_tools
from rightlevel.programme.tools.model import content_faults

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def house(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("guided")) as opened:
        yield opened


def address(house: Served, child: int, subject: str = "language") -> str:
    return f"/students/{house.cast.students_a[child]}/results/{house.cast.round}/{subject}/test"


def saving(page: str) -> Form:
    """The form that saves what a test came to."""
    return next(each for each in forms_of(page) if each.method == "post" and each.action.endswith("/test"))


async def answered(client: httpx.AsyncClient, page: str, **answer: object) -> str:
    """The page after the form of this page was sent with an answer, as a browser sends a GET form."""
    form = next(each for each in forms_of(page) if each.method == "get" and each.action.endswith("/test"))
    hidden = {name: value for name, value in form.fields if form.attributes[name].get("type") == "hidden"}
    found = await client.get(form.action, params={**hidden, **answer})
    assert found.status_code == 200, found.text
    return found.text


async def test_a_child_is_tested_step_by_step_and_the_level_is_saved_with_its_steps(house: Served) -> None:
    async with house.client("teacher", by="cookie") as client:
        page = (await client.get(address(house, 0))).text
        assert "Does the child agree to be tested?" in page
        page = await answered(client, page, assent="yes", tool=2, language="en")
        assert "The sky is dark this afternoon." in page
        page = await answered(client, page, mistakes=5, fluent="no")
        assert "Words" in page
        assert "4 of 5 are needed" in page
        page = await answered(client, page, right=[0, 1, 2, 4])
        assert "Paragraph, once more" in page
        page = await answered(client, page, mistakes=4, fluent="yes")
        assert "The level is: Words" in page
        form = saving(page)
        sent = await client.post(form.action, data=dict(form.fields))
        assert sent.status_code == 303, sent.text
        assert sent.headers["location"].startswith(f"/students/{house.cast.students_a[1]}/results/")
        assert parse_qs(urlsplit(sent.headers["location"]).query)["tool"] == ["2"]
        results = (await client.get(f"/api/v1/students/{house.cast.students_a[0]}/results")).json()["items"]
        assert [(each["level"], each["tool"], each["method"], each["assent"]) for each in results] == [
            ("word", 2, "guided", True)
        ]
        tests = (await client.get(f"/api/v1/results/{results[0]['id']}/guided-tests")).json()["tests"]
        assert [each["task"] for each in tests[0]["steps"]] == ["paragraph", "words", "paragraph_again"]
        assert tests[0]["steps"][1]["items"] == [True, True, True, False, True]


async def test_a_child_that_does_not_want_to_is_saved_as_refused(house: Served) -> None:
    async with house.client("teacher", by="cookie") as client:
        page = await answered(client, (await client.get(address(house, 1))).text, assent="no")
        form = saving(page)
        sent = await client.post(form.action, data=dict(form.fields))
        assert sent.status_code == 303
        (result,) = (await client.get(f"/api/v1/students/{house.cast.students_a[1]}/results")).json()["items"]
        assert (result["outcome"], result["assent"], result["level"]) == ("refused", False, None)


async def test_one_step_back_asks_the_same_task_again(house: Served) -> None:
    async with house.client("teacher", by="cookie") as client:
        page = await answered(
            client, (await client.get(address(house, 2, "math"))).text, assent="yes", language="km"
        )
        assert "៥២ − ១៧" in page
        page = await answered(client, page, right=[0])
        assert "2-digit numbers" in page
        back = re.search(r'class="back" href="([^"]+assent=yes[^"]*)"', page)
        assert back is not None
        assert "៥២ − ១៧" in (await client.get(unescape(back[1]))).text


async def test_steps_that_can_not_be_are_told_and_nothing_is_saved(house: Served) -> None:
    async with house.client("teacher", by="cookie") as client:
        for steps in ("nonsense", json.dumps([{"task": "story", "is_fluent": True}]), "[" * 5_000):
            found = await client.get(address(house, 2), params={"assent": "yes", "steps": steps})
            assert found.status_code == 422, steps
        page = (await client.get(address(house, 2), params={"assent": "no"})).text
        form = saving(page)
        values = dict(form.fields)
        sent = await client.post(form.action, data={**values, "assent": "yes", "level": "story"})
        assert sent.status_code == 422
        assert not (await client.get(f"/api/v1/students/{house.cast.students_a[2]}/results")).json()["items"]


async def test_whoever_tests_a_child_that_was_tested_meanwhile_is_told(house: Served) -> None:
    async with house.client("teacher", by="cookie") as client, house.client("mentor", by="cookie") as other:
        page = (await client.get(address(house, 3), params={"assent": "no"})).text
        theirs = (await other.get(address(house, 3), params={"assent": "no"})).text
        for who, text, status in ((other, theirs, 303), (client, page, 409)):
            form = saving(text)
            sent = await who.post(form.action, data=dict(form.fields))
            assert sent.status_code == status, sent.text
        assert "Somebody changed this in the meantime" in sent.text


async def test_a_mentor_elsewhere_and_another_subject_get_no_test(house: Served) -> None:
    async with house.client("teacher_elsewhere", by="cookie") as client:
        assert (await client.get(address(house, 0))).status_code in (403, 404)
    async with house.client("teacher", by="cookie") as client:
        assert (await client.get(address(house, 0, "music"))).status_code == 404
        assert (await client.get(address(house, 0), params={"tool": 9})).status_code == 422


async def test_the_tools_are_there_four_a_subject_in_both_languages(house: Served) -> None:
    async with house.client("teacher") as client:
        tools = (await client.get("/api/v1/tools")).json()["tools"]
        rules = (await client.get("/api/v1/guided-tests/rules")).json()
    assert {(each["subject"], each["language"], each["number"]) for each in tools} == {
        (subject, language, number)
        for subject in ("language", "math")
        for language in ("en", "km")
        for number in (1, 2, 3, 4)
    }
    assert rules["first"] == {"language": "paragraph", "math": "subtractions"}
    assert rules["after"]["words"]["failed"] == {"task": "letters", "level": None}


@pytest.mark.parametrize("number", range(16))
def test_every_tool_of_the_program_can_be_tested_with(number: int) -> None:
    tool = first_tools()[number]
    assert content_faults(tool.subject, tool.content, THRESHOLDS) == []  # type: ignore[arg-type]
