"""A child's history and another child's name by pages and over the API; corrections as a browser sends the form it was shown."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from form_reading import form_at, send
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


def run(site: Served, text: Any) -> None:
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        connection.execute(text)


async def child(client: httpx.AsyncClient, student_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/v1/students/{student_id}")).json()
    return found


async def test_the_childs_page_tells_what_was_changed_and_leads_to_all_of_it(site: Served) -> None:
    student = site.cast.students_a[0]
    edit = f"/students/{student}/edit"
    async with site.client("teacher", by="cookie") as client:
        assert "What was changed" not in (await client.get(f"/students/{student}")).text
        for number in range(1, 8):
            answer = await send(
                client, await client.get(edit), edit, name=f"Bopha Sok {number}", age=str(5 + number)
            )
            assert answer.status_code == 303, answer.text
        page = (await client.get(f"/students/{student}")).text
        assert ("Bopha Sok 6 → Bopha Sok 7" in page, "Bopha → Bopha Sok 1" in page) == (True, False)
        everything = (await client.get(f"/students/{student}/changes")).text
        assert "Bopha → Bopha Sok 1" in everything
        assert "Age in years: 11 → 12" in everything
        told = (await client.get(f"/api/v1/students/{student}/changes?limit=1")).json()
        assert told["items"][0]["after"] == {"name": "Bopha Sok 7", "age": 12}
        assert told["next"]
    for nobody, code in (("teacher_elsewhere", 404), ("viewer", 403)):
        async with site.client(nobody, by="cookie") as client:
            for at in (f"/students/{student}/changes", f"/api/v1/students/{student}/changes"):
                answer = await client.get(at)
                assert (answer.status_code, "Bopha" in answer.text) == (code, False)


async def test_a_correction_that_touches_results_asks_why_and_is_then_saved(site: Served) -> None:
    student = site.cast.students_a[0]
    edit = f"/students/{student}/edit"
    write = {
        "id": "01890000-0000-7000-8000-00000000aa01",
        "student_id": student,
        "round_id": site.cast.round,
        "subject": "math",
        "tested_on": "2026-11-20",
        "level": "subtraction",
    }
    async with site.client("teacher", by="cookie") as client:
        assert (await client.post("/api/v1/results", json=write)).status_code in (200, 201)
        asked = await send(
            client,
            await client.get(edit),
            edit,
            sex="1" if (await child(client, student))["sex"] == 2 else "2",
        )
        assert (asked.status_code, "say why it is corrected" in asked.text) == (422, True)
        assert (await send(client, asked, edit, reason="Written down wrongly")).status_code == 303
        assert "Written down wrongly" in (await client.get(f"/students/{student}")).text


async def test_a_name_is_corrected_by_the_form_as_shown_after_the_grades_were_set_otherwise(
    site: Served,
) -> None:
    student = site.cast.students_a[0]
    edit = f"/students/{student}/edit"
    run(site, "update setting set value = '[4, 5]' where key = 'grades'")
    async with site.client("teacher", by="cookie") as client:
        page = await client.get(edit)
        assert form_at(page, edit).fields["grade"] == "3"
        assert (await send(client, page, edit, name="Bopha Sok")).status_code == 303
        after = await child(client, student)
        assert (after["name"], after["grade"], after["class_id"]) == ("Bopha Sok", 3, site.cast.class_3a)


async def test_no_face_puts_a_child_where_nobody_may_stand(site: Served) -> None:
    """Deeds' own tests walk all ways and places; here each face is asked once: pages, programs, and a device with an id of its own."""
    closed, student = site.cast.school_b, site.cast.students_a[0]
    run(site, "update school set status = 'closed' where code = 'B'")
    async with site.client("coordinator", by="cookie") as client:
        new = {"school_id": closed, "code": "N1", "name": "New", "sex": 1, "grade": 3}
        for body in (new, {**new, "id": "01890000-0000-7000-8000-00000000bb01"}):
            answer = await client.post("/api/v1/students", json=body)
            assert (answer.status_code, "This school is closed" in answer.text) == (422, True), answer.text
        at = f"/schools/{closed}/students/new"
        answer = await send(client, await client.get(at), at, code="N1", name="New", sex="1", grade="3")
        assert (answer.status_code, "This school is closed" in answer.text) == (422, True)
        answer = await client.patch(f"/api/v1/students/{student}", json={"version": 1, "school_id": closed})
        assert (answer.status_code, answer.json()["code"]) == (422, "move_needed")
        at = f"/students/{student}/move/{closed}"
        answer = await send(client, await client.get(at), at, reason="Moved")
        assert (answer.status_code, "This school is closed" in answer.text) == (422, True)
        assert (await child(client, student))["school_id"] == site.cast.school_a


async def test_another_childs_name_is_decided_on_by_page_and_by_program(site: Served) -> None:
    first, second = site.cast.students_a[0], site.cast.students_a[1]
    async with site.client("teacher", by="cookie") as client:
        for student, name in ((first, "Kosal Meas"), (second, "Vanna Chea")):
            at = f"/students/{student}/edit"
            assert (await send(client, await client.get(at), at, name=name)).status_code == 303
        assert (await client.get("/renames")).status_code == 403
    async with site.client("coordinator", by="cookie") as client:
        assert "/renames" in (await client.get("/students")).text
        listed = (await client.get("/api/v1/renames")).json()["items"]
        assert [each["student_id"] for each in listed] == [second, first]
        page = await client.get("/renames")
        same, back = f"/renames/{listed[0]['id']}/same", f"/renames/{listed[1]['id']}/put-back"
        assert (await send(client, page, same)).status_code == 303
        without = await send(client, page, back, reason="")
        assert (without.status_code, "Please fill this in" in without.text) == (422, True)
        assert (await send(client, page, back, reason="Written over by mistake")).status_code == 303
        assert (await child(client, first))["name"] == "Bopha"
        assert (await child(client, second))["name"] == "Vanna Chea"
        assert (await client.get("/api/v1/renames")).json()["items"] == []
        gone = await client.post(f"/api/v1/renames/{listed[0]['id']}/same")
        assert (gone.status_code, gone.json()["code"]) == (409, "rename_stands")
        gone = await client.post(
            f"/api/v1/renames/{listed[1]['id']}/put-back", json={"version": 3, "reason": "again"}
        )
        assert (gone.status_code, gone.json()["code"]) == (409, "rename_stands")


async def test_history_reads_in_khmer_too(site: Served) -> None:
    student = site.cast.students_a[0]
    run(site, "update person set language = 'km' where username = 'teacher'")
    async with site.client("teacher", by="cookie") as client:
        answer = await client.patch(f"/api/v1/students/{student}", json={"version": 1, "name": "Bopha Sok"})
        assert answer.status_code == 200
        assert "បានកែតម្រូវ" in (await client.get(f"/students/{student}/changes")).text
