"""Exercises for testers as pages: taken on a phone without a script, listed for whoever leads, asked for, and added to in the editor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest
from form_reading import form_at, send, shown_text
from serving import NewDatabase, Served, serving

pytestmark = pytest.mark.anyio
HTTP_SEE_OTHER = 303


@pytest.fixture
async def site(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("exercises")) as opened:
        yield opened


async def key_of(site: Served, subject: str = "math", language: str = "en") -> dict[str, Any]:
    async with site.client("coordinator") as client:
        rows = (await client.get("/api/v1/exercises")).json()["exercises"]
        row = next(each for each in rows if (each["subject"], each["language"]) == (subject, language))
        return (await client.get(f"/api/v1/exercises/{row['id']}/key")).json()


def right(key: dict[str, Any]) -> dict[str, str]:
    return {f"case_{number}": case["answer"] for number, case in enumerate(key["cases"], 1)}


async def ask_for(site: Served, subject: str = "math") -> None:
    async with site.client("coordinator") as client:
        asked = await client.put(
            "/api/v1/exercise-requirements", json={"subject": subject, "is_required": True}
        )
        assert asked.json() == {"requirements": [{"subject": subject, "since": None}]}


async def enter(client: httpx.AsyncClient, site: Served) -> httpx.Response:
    address = f"/students/{site.cast.students_a[0]}/results/{site.cast.round}/math"
    page = await client.get(address)
    return await send(client, page, address, choice="division", tested_on="2026-11-20")


async def test_a_tester_takes_the_exercise_and_reads_what_differed(site: Served) -> None:
    key = await key_of(site)
    address = f"/exercises/{key['id']}"
    async with site.client("teacher", by="cookie") as client:
        page = await client.get(address)
        assert not [each for each in key["cases"] if each["why"] in unescape(page.text)]
        sent = await send(client, page, **{**right(key), "case_1": "wrong", "case_12": "beginner"})
        assert sent.status_code == HTTP_SEE_OTHER, sent.text[:2000]
        shown = unescape((await client.get(sent.headers["location"])).text)
        assert "10 of 12 as they should be" in shown
        assert "Not passed yet" in shown
        assert key["cases"][0]["why"] in shown
        assert key["cases"][5]["why"] not in shown, "what was right is not told again"
        again = await send(client, page, **{**right(key), "case_1": "wrong", "case_12": "beginner"})
        assert again.headers["location"] == sent.headers["location"], "the same form again is the same try"
        page = await client.get(address)
        passed = await send(client, page, **right(key))
        assert "12 of 12" in (await client.get(passed.headers["location"])).text
        listed = shown_text((await client.get("/exercises")).text)
        assert "taken 2 times, at best 12" in listed


async def test_a_case_that_was_left_out_is_told_at_its_place_and_the_others_stay(site: Served) -> None:
    key = await key_of(site)
    address = f"/exercises/{key['id']}"
    async with site.client("teacher", by="cookie") as client:
        page = await client.get(address)
        sent = await send(client, page, **{**right(key), "case_7": ""})
        assert sent.status_code == 422
        assert 'href="#f-case_7"' in sent.text
        fields = form_at(sent, address).fields
    assert fields["case_12"] == "division"
    assert "case_7" not in fields


async def test_a_level_is_refused_with_the_way_to_the_exercise_until_it_is_passed(site: Served) -> None:
    await ask_for(site)
    key = await key_of(site)
    cast = site.cast
    grid = f"/schools/{cast.school_a}/grid?subject=math&round={cast.round}"
    test = f"/students/{cast.students_a[0]}/results/{cast.round}/math/test"
    entry = f"/students/{cast.students_a[0]}/results/{cast.round}/math"
    async with site.client("teacher", by="cookie") as client:
        for address in ("/", grid, test, entry):
            assert 'href="/exercises"' in (await client.get(address)).text.split("<main")[1], address
        assert (
            'href="/exercises"'
            not in (await client.get(grid.replace("math", "language"))).text.split("<main")[1]
        )
        refused = await enter(client, site)
        assert refused.status_code == 409
        assert "Pass the exercise for testers of this subject first." in refused.text
        assert "Before your results in Mathematics are taken" in (await client.get("/exercises")).text
        page = await client.get(f"/exercises/{key['id']}")
        assert (await send(client, page, **right(key))).status_code == HTTP_SEE_OTHER
        for address in ("/", grid, test, entry):
            assert 'href="/exercises"' not in (await client.get(address)).text.split("<main")[1], address
        assert (await enter(client, site)).status_code == HTTP_SEE_OTHER
    async with site.client("mentor") as client:
        body = {
            "id": "01890000-0000-7000-8000-00000000abcd",
            "student_id": cast.students_a[1],
            "round_id": cast.round,
            "subject": "math",
            "tested_on": "2026-11-20",
            "level": "division",
        }
        answer = await client.post("/api/v1/results", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "exercise_due")


async def test_whoever_leads_sees_who_has_passed_and_asks_for_it(site: Served) -> None:
    key = await key_of(site)
    async with site.client("teacher") as client:
        answers = {"answers": [case["answer"] for case in key["cases"]]}
        made = await client.post(f"/api/v1/exercises/{key['id']}/attempts", json=answers)
        assert (made.status_code, made.json()["is_passed"]) == (201, True)
        assert (await client.get(made.headers["location"])).json() == made.json()
    async with site.client("coordinator", by="cookie") as client:
        address = "/exercises/testers"
        page = await client.get(address)
        assert "12 of 12" in page.text
        sent = await client.post(
            address,
            data={
                **form_at(page, address).fields,
                "subject": "math",
                "is_required": "true",
                "since": "2026-11-20",
            },
        )
        assert sent.status_code == HTTP_SEE_OTHER, sent.text[:2000]
        asked = (await client.get("/api/v1/exercise-requirements")).json()
        assert asked == {"requirements": [{"subject": "math", "since": "2026-11-20"}]}
        lacking = shown_text((await client.get(f"{address}?subject=math&only_lacking=true")).text)
        assert "Mentor" in lacking
        assert "12 of 12" not in lacking
    async with site.client("teacher", by="cookie") as client:
        assert (await client.get("/exercises/testers")).status_code == 403
        assert (await client.get(f"/exercises/{key['id']}/key")).status_code == 403


async def test_the_editor_is_filled_with_the_version_and_saves_the_next_as_it_was_typed(site: Served) -> None:
    key = await key_of(site, "language", "km")
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get(f"/exercises/new?version_of={key['id']}")
        saved = await send(client, page, needed="៩")
        assert saved.status_code == HTTP_SEE_OTHER, saved.text[:2000]
        stale = await send(client, page, write_id="")
        assert stale.status_code == 409
        assert "There is a newer version of this exercise" in unescape(stale.text)
        broken = await client.get(f"/exercises/new?version_of={(await key_of(site, 'language', 'km'))['id']}")
        refused = await send(client, broken, cases="words | boat | “boat” | perhaps |")
        assert refused.status_code == 422
        assert "Case 1: there is no such answer" in unescape(refused.text)
    following = await key_of(site, "language", "km")
    assert (following["version"], following["needed"], following["cases"]) == (2, 9, key["cases"])


async def test_an_exercise_is_added_in_a_language_that_had_none(site: Served) -> None:
    lines = "\n".join(f"words | word {number} | “word” | right | It is." for number in range(5))
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get("/exercises/new?subject=language")
        typed = {**form_at(page).fields, "language": "vi", "needed": "5", "cases": lines}
        saved = await client.post("/exercises/new?subject=language", data=typed)
        assert saved.status_code == HTTP_SEE_OTHER, saved.text[:2000]
    key = await key_of(site, "language", "vi")
    assert key["cases"][0] == {
        "task": "words",
        "shown": "word 0",
        "answer": "right",
        "heard": "“word”",
        "why": "It is.",
    }


async def test_a_case_is_listened_to_where_it_was_recorded(site: Served) -> None:
    """The recording is a file of the library: bounded there, and played in the page."""
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get("/resources/new")
        sound = b"ID3" + b"\0" * 200
        fields = {**form_at(page).fields, "kind": "file", "title": "A child reads"}
        kept = await client.post(
            "/resources/new", data=fields, files={"file": ("read.mp3", sound, "audio/mpeg")}
        )
        assert kept.status_code == HTTP_SEE_OTHER, kept.text[:2000]
        recording = kept.headers["location"].split("/")[-1].split("?")[0]
        written = [f"words | word {number} | “word” | right | It is." for number in range(5)]
        address = "/exercises/new?subject=language"
        page = await client.get(address)
        typed = {**form_at(page).fields, "language": "vi", "needed": "5"}
        lost = {**typed, "cases": "\n".join([*written, "words | sun | #999999 | right |"])}
        refused = await client.post(address, data=lost)
        assert refused.status_code == 422
        assert "Case 6: there is no such recording of at most 2 MB" in unescape(refused.text)
        both = {**typed, "cases": "\n".join([*written, f"words | sun | #{recording} | right |"])}
        saved = await client.post(address, data=both)
        assert saved.status_code == HTTP_SEE_OTHER, saved.text[:2000]
    key = await key_of(site, "language", "vi")
    assert (key["cases"][5]["recording"], "heard" in key["cases"][5]) == (int(recording), False)
    async with site.client("coordinator", by="cookie") as client:
        again = await client.get(f"/exercises/new?version_of={key['id']}")
        assert f"words | sun | #{recording} | right |" in unescape(again.text)
    async with site.client("teacher", by="cookie") as client:
        taken = (await client.get(f"/exercises/{key['id']}")).text
        assert f'<audio controls preload="none" src="/api/v1/resources/{recording}/file"' in taken
        played = await client.get(f"/api/v1/resources/{recording}/file")
        assert (played.headers["content-type"], played.content) == ("audio/mpeg", sound)
        address = f"/api/v1/resources/{recording}/file"
        views = (await client.get(f"/api/v1/resources/{recording}")).json()["views"]
        for asked, status, content in (
            ("bytes=0-1", 206, sound[:2]),
            ("bytes=100-", 206, sound[100:]),
            ("bytes=-4", 206, sound[-4:]),
            (f"bytes={len(sound)}-", 416, b""),
            ("bytes=0-1,3-4", 200, sound),
        ):
            part = await client.get(address, headers={"range": asked})
            assert (part.status_code, part.content) == (status, content), asked
            assert part.headers["content-length"] == str(len(content))
        now = (await client.get(f"/api/v1/resources/{recording}")).json()["views"]
        assert now == views + 1, "the whole was opened once more; parts of it are no views of their own"
