"""A visit's form, posted as it is rendered: with anything open, wrong, stale or sent twice, it comes back as it was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from form_walking import Look, post
from serving import OneDatabase, Served, serving
from simulation.forms import Form, forms_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


def form_of(text: str, action: str) -> Form:
    return next(each for each in forms_of(text) if each.action == action and each.method == "post")


@pytest.mark.parametrize("language", ["en", "km"])
async def test_a_visit_that_is_not_whole_comes_back_with_its_open_questions(
    site: Served, language: str
) -> None:
    async with site.client("mentor", by="cookie") as client:
        await client.post("/language", data={"code": language, "csrf_token": "csrf"})
        begun = {"school_id": str(site.cast.school_a), "subject": "math", "visited_on": "2026-11-20"}
        visit = (await client.post("/visits/new", data=begun)).headers["location"]
        for typed in (
            {},
            {"session_ran": "yes"},
            {"session_ran": "yes", "enrolled": "many", "present": "1_0"},
            {"session_ran": "yes", "visited_on": "31/12/2026"},
            {"session_ran": "no", "feedback": "typed here"},
            {"session_ran": "yes", "activities.0.name": "", "activities.0.minutes": "9999"},
        ):
            form = form_of((await client.get(visit)).text, visit)
            known = {name: value for name, value in typed.items() if name in form.names}
            answer = await post(client, form, {**known, "submit": "yes"})
            assert answer.status_code == 422, (typed, answer.status_code, answer.text[:500])
            look = Look(answer.text)
            assert look.summary, "the open questions are listed"
            assert all(href.removeprefix("#") in look.ids for href, _ in look.summary), look.summary
            assert look.focused is not None
            assert look.focused.get("aria-invalid") == "true", look.focused
            again = form_of(answer.text, visit)
            for name, value in known.items():
                assert (name, value) in again.fields, (name, value)
            places = [look.ids[href.removeprefix("#")] for href, _ in look.summary]
            assert places == sorted(places), look.summary


async def test_a_stale_visit_shows_both(site: Served) -> None:
    async with site.client("mentor", by="cookie") as client:
        begun = {"school_id": str(site.cast.school_a), "subject": "math", "visited_on": "2026-11-20"}
        visit = (await client.post("/visits/new", data=begun)).headers["location"]
        form = form_of((await client.get(visit)).text, visit)
        first = await post(client, form, {"session_ran": "yes", "feedback": "From the phone"})
        assert first.status_code == 303
        stale = form.filled(
            session_ran="yes", feedback="From the desk", write_id="01890000-0000-7000-8000-000000000001"
        )
        answer = await client.post(visit, data=dict(stale), headers={"sec-fetch-site": "same-origin"})
        assert answer.status_code == 409, answer.text[:500]
        assert "From the phone" in answer.text
        assert dict(form_of(answer.text, visit).fields).get("feedback") == "From the desk"
        again = await post(client, form_of(answer.text, visit), {})
        assert again.status_code == 303, "what is shown carries the version of now"
