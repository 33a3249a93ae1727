"""A coordinator changes what visits are asked, tries it out and publishes it; a mentor is asked it from then on."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from form_reading import send
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


def a_question(version: int, **more: str) -> dict[str, str]:
    return {
        "version": str(version),
        "section": "end",
        "key": "weather",
        "type": "choice",
        "label_en": "How was the weather?",
        "label_km": "អាកាសធាតុយ៉ាងណា?",
        "needed": "always",
        "shown": "eq",
        "shown_key": "session_ran",
        "shown_value": "yes",
        "options": "dry | Dry | ស្ងួត\nwet | Wet | សើម",
        **more,
    }


async def version_of(client: httpx.AsyncClient) -> int:
    found: Any = (await client.get("/api/v1/forms/visit")).json()
    return int(found["form"]["version"])


async def test_a_question_is_added_tried_out_published_and_asked(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        version = await version_of(client)
        kept = await client.post("/forms/visit/question", data=a_question(version))
        assert kept.status_code == 303, kept.text
        page = await client.get("/forms/visit")
        assert ("How was the weather?" in page.text, "Publish" in page.text) == (True, True)
        assert "What is changed: 1" in page.text
        assert "New: How was the weather?" in page.text
        assert "When the answer is: Was the class in session? Yes" in page.text
        tried = await client.post(
            "/forms/visit/preview",
            data={"subject": "math", "session_ran": "yes"},
        )
        assert 'data-asked="weather">' in tried.text
        async with site.client("mentor", by="cookie") as mentor:
            before: Any = (await mentor.get("/api/v1/forms/visit")).json()
            assert (before["draft"], "weather" in str(before["current"])) == (None, False)
        done = await client.post("/forms/visit/publish", data={"version": str(version + 1)})
        assert done.status_code == 303, done.text
    async with site.client("mentor", by="cookie") as mentor:
        begun = {"school_id": str(site.cast.school_a), "subject": "math", "visited_on": "2026-11-20"}
        visit = (await mentor.post("/visits/new", data=begun)).headers["location"]
        assert "How was the weather?" in (await mentor.get(visit)).text
        assert (await mentor.post("/forms/visit/question", data=a_question(9))).status_code == 403


async def test_what_is_wrong_with_a_question_is_said_at_it_and_nothing_is_kept(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        version = await version_of(client)
        for more, text in (
            ({"key": "session_ran"}, "This name is used twice"),
            ({"key": "No"}, "A short name of small letters"),
            ({"options": ""}, "choices"),
            ({"label_km": ""}, "A text in every language of the form"),
            ({"shown_key": "nothing"}, "A condition asks only about what was asked before"),
        ):
            answer = await client.post("/forms/visit/question", data=a_question(version, **more))
            assert (answer.status_code, text in answer.text) == (422, True), (more, answer.text[-3000:])
            assert "How was the weather?" in answer.text
        assert await version_of(client) == version


async def test_two_who_change_one_form_are_told_of_each_other(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        version = await version_of(client)
        assert (await client.post("/forms/visit/question", data=a_question(version))).status_code == 303
        late = await client.post("/forms/visit/question", data=a_question(version, key="other"))
        assert late.status_code == 409, late.text


async def test_questions_are_moved_changed_and_taken_out_and_a_draft_is_thrown_away(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:

        async def keys() -> list[str]:
            found: Any = (await client.get("/api/v1/forms/visit")).json()
            form = found["draft"] or found["current"]["definition"]
            return [field["key"] for section in form["sections"] for field in section.get("fields", [])]

        before = await keys()
        for how in ("up", "out"):
            data = {"version": str(await version_of(client)), "at": "recommendations", "how": how}
            assert (await client.post("/forms/visit/move", data=data)).status_code == 303
            if how == "up":
                at = before.index("recommendations")
                assert (await keys())[at - 1] == "recommendations"
        assert "recommendations" not in await keys()
        page = await client.get("/forms/visit/question?at=activities.minutes")
        assert ('value="240"' in page.text, page.status_code) == (True, 200)
        section = {
            "version": str(await version_of(client)),
            "key": "more",
            "label_en": "More",
            "label_km": "បន្ថែម",
        }
        assert (await client.post("/forms/visit/section", data=section)).status_code == 303
        assert (
            await client.post("/forms/visit/drop", data={"version": str(await version_of(client))})
        ).status_code == 303
        assert await keys() == before


async def test_a_question_that_is_saved_without_a_change_stays_as_it_was(site: Served) -> None:
    """Whatever it holds: a condition of several parts, bounds that follow another answer, choices by subject."""
    async with site.client("coordinator", by="cookie") as client:
        first: Any = (await client.get("/api/v1/forms/visit")).json()["current"]["definition"]
        fields = [
            (field["key"], field)
            for section in first["sections"]
            for field in section["fields"]
            if not field.get("is_given")
        ]
        for key, _ in fields:
            page = await client.get(f"/forms/visit/question?at={key}")
            answer = await send(client, page, "/forms/visit/question")
            assert answer.status_code == 303, (key, answer.text[-2500:])
        again: Any = (await client.get("/api/v1/forms/visit")).json()["draft"]
        now = {field["key"]: field for section in again["sections"] for field in section["fields"]}
        assert {key: now[key] for key, _ in fields} == dict(fields)


async def test_a_condition_of_several_parts_is_chosen_read_and_kept(site: Served) -> None:
    several = {
        "joint": "or",
        "shown_2": "ge",
        "shown_key_2": "enrolled",
        "shown_value_2": "20",
        "shown_3": "answered",
        "shown_key_3": "full_session",
    }
    async with site.client("coordinator", by="cookie") as client:
        version = await version_of(client)
        assert (
            await client.post("/forms/visit/question", data=a_question(version, **several))
        ).status_code == 303

        async def shown_when() -> Any:
            draft: Any = (await client.get("/api/v1/forms/visit")).json()["draft"]
            fields = {field["key"]: field for section in draft["sections"] for field in section["fields"]}
            return fields["weather"]["shown_when"]

        expected = ["or", ["eq", "session_ran", True], ["ge", "enrolled", 20], ["answered", "full_session"]]
        assert await shown_when() == expected
        page = await client.get("/forms/visit")
        assert (
            "When the answer is: Was the class in session? Yes or When it is at least: Children on the class list 20 or"
            " When it was answered: Did you see the whole session?"
        ) in page.text
        form = await client.get("/forms/visit/question?at=weather")
        assert (await send(client, form, "/forms/visit/question")).status_code == 303
        assert await shown_when() == expected
        wrong = await client.post(
            "/forms/visit/question",
            data=a_question(
                await version_of(client),
                at="weather",
                shown_2="lt",
                shown_key_2="enrolled",
                shown_value_2="many",
            ),
        )
        assert (wrong.status_code, "This condition can" in wrong.text) == (422, True)


async def test_the_languages_and_the_score_of_a_form_are_chosen(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get("/forms/visit/about")
        assert 'value="en km"' in page.text
        assert '<option value="session_ran" selected>' in page.text
        assert '<option value="grades"' not in page.text, "which grades is no yes or no"
        same = await send(client, page, "/forms/visit/about")
        assert same.status_code == 303
        there: Any = (await client.get("/api/v1/forms/visit")).json()
        assert there["draft"]["fidelity"] == there["current"]["definition"]["fidelity"]
        version = await version_of(client)
        data = {"version": str(version), "languages": "en, km fr", "fidelity_ran": "session_ran"}
        assert (await client.post("/forms/visit/about", data=data)).status_code == 303
        draft: Any = (await client.get("/api/v1/forms/visit")).json()["draft"]
        assert (draft["languages"], draft["fidelity"]) == (["en", "km", "fr"], {"ran": "session_ran"})
        assert "A text in every language of the form" in (await client.get("/forms/visit")).text
        for more, text in (
            ({"languages": "english"}, "Between 1 and 6 languages like en, km"),
            (
                {"fidelity_activity_clear": "session_ran"},
                "A part of the score and the question that answers it",
            ),
        ):
            answer = await client.post(
                "/forms/visit/about", data={**data, "version": str(version + 1), **more}
            )
            assert (answer.status_code, text in answer.text) == (422, True), answer.text[-2000:]


async def test_a_device_that_was_offline_sends_to_the_version_it_had(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        had: Any = (await client.get("/api/v1/forms/visit")).json()["current"]
        version = await version_of(client)
        await client.post("/forms/visit/question", data=a_question(version))
        done = await client.post("/forms/visit/publish", data={"version": str(version + 1)})
        assert done.status_code == 303, done.text
    async with site.client("mentor") as device:
        whole: Any = (await device.get(f"/api/v1/form-versions/{had['id']}")).json()
        assert whole["definition"] == had["definition"]
        sent: dict[str, Any] = {
            "write_id": str(uuid4()),
            "school_id": site.cast.school_a,
            "subject": "math",
            "visited_on": "2026-11-20",
            "answers": {"session_ran": False, "not_ran_reason": "Holiday"},
            "submit": True,
            "form_version_id": had["id"],
        }
        answer = await device.put(f"/api/v1/visits/{uuid4()}", json=sent)
        assert answer.status_code == 200, answer.text
        kept: Any = answer.json()["visit"]
        assert (kept["form_version_id"], kept["answers"]) == (had["id"], sent["answers"])
        unknown = sent | {"write_id": str(uuid4()), "form_version_id": 999_999}
        refused = await device.put(f"/api/v1/visits/{uuid4()}", json=unknown)
        assert (refused.status_code, "form_version_id" in refused.text) == (422, True)
