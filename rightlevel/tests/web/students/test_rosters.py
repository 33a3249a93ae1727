"""Places, schools, years, classes and children on their pages, saved without any JavaScript."""

from __future__ import annotations

import re

import pytest
from form_reading import form_at, send
from serving import Served

pytestmark = pytest.mark.anyio

LEADER_PAGES = (
    "/",
    "/schools",
    "/schools?search=alpha",
    "/schools/new",
    "/schools/{school_a}",
    "/schools/{school_a}/edit",
    "/places",
    "/places?below={country}",
    "/places/new",
    "/places/new?below={province}",
    "/places/{province}/edit",
    "/students",
    "/schools/{school_a}/students",
    "/schools/{school_a}/students/new",
    "/students/{child}",
    "/students/{child}/edit",
    "/rounds",
    "/rounds/new",
    "/rounds/{round}",
    "/rounds/{round}/edit",
    "/rounds/{round}?search=Beta",
    "/rounds/{round}/schools/{school_b}",
    "/years",
    "/years/new",
    "/years/{school_year}",
    "/imports",
    "/deleted",
    "/deleted?kind=schools",
    "/deleted?kind=places",
    "/deleted?kind=rounds",
    "/deleted?kind=years",
    "/deleted?kind=people",
    "/figures",
)
FIELD_PAGES = (
    "/",
    "/schools",
    "/schools/{school_a}",
    "/places",
    "/students",
    "/schools/{school_a}/students",
    "/schools/{school_a}/students/new",
    "/students/{child}",
    "/students/{child}/edit",
    "/rounds",
    "/rounds/{round}",
    "/years",
    "/figures",
    "/figures?school={school_a}",
)
VIEWER_PAGES = (
    "/",
    "/schools",
    "/schools/{school_a}",
    "/places",
    "/rounds",
    "/rounds/{round}",
    "/years",
    "/figures",
)
NOT_FOR = {
    "mentor": (
        "/schools/new",
        "/schools/{school_a}/edit",
        "/places/new",
        "/rounds/new",
        "/years/new",
        "/imports",
        "/deleted",
    ),
    "teacher": (
        "/schools/new",
        "/schools/{school_a}/edit",
        "/places/new",
        "/rounds/new",
        "/years/new",
        "/imports",
    ),
    "viewer": ("/students", "/students/{child}", "/schools/{school_a}/students", "/imports", "/deleted"),
}


def at(served: Served, path: str) -> str:
    cast = served.cast
    return path.format(
        school_a=cast.school_a,
        school_b=cast.school_b,
        country=cast.country,
        province=cast.province,
        round=cast.round,
        school_year=cast.school_year,
        child=cast.students_a[0],
    )


ALLOWED = (
    [("coordinator", each) for each in LEADER_PAGES]
    + [(role, each) for role in ("mentor", "teacher") for each in FIELD_PAGES]
    + [("viewer", each) for each in VIEWER_PAGES]
)


@pytest.mark.parametrize(("role", "path"), ALLOWED)
async def test_a_page_opens_for_those_it_is_for(served: Served, role: str, path: str) -> None:
    async with served.client(role, by="cookie") as client:
        answer = await client.get(at(served, path))
    assert answer.status_code == 200, answer.text[-2000:]
    assert answer.text.count("<h1") == 1


@pytest.mark.parametrize(
    ("role", "path"), [(role, each) for role, paths in NOT_FOR.items() for each in paths]
)
async def test_a_page_stays_shut_for_others(served: Served, role: str, path: str) -> None:
    async with served.client(role, by="cookie") as client:
        assert (await client.get(at(served, path))).status_code == 403


@pytest.mark.parametrize(
    "path", ["/schools/{school_b}", "/schools/{school_b}/students", "/schools/{school_b}/students/new"]
)
async def test_another_school_is_not_opened(served: Served, path: str) -> None:
    async with served.client("teacher", by="cookie") as client:
        answer = await client.get(at(served, path))
    assert answer.status_code in (403, 404)
    assert "Beta" not in answer.text


async def test_a_viewer_sees_no_child(served: Served) -> None:
    async with served.client("viewer", by="cookie") as client:
        for path in VIEWER_PAGES:
            assert "Alpha child" not in (await client.get(at(served, path))).text


async def test_a_school_is_added_changed_deleted_and_brought_back(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        form = await client.get(f"/schools/new?place_id={served.cast.district_1}")
        saved = await send(
            client,
            form,
            "/schools/new",
            code="GAMMA",
            name_local="សាលាហ្គាម៉ា",
            latitude="11,5",
            longitude="104.9",
        )
        assert saved.status_code == 303, saved.text
        school = saved.headers["location"]
        edit = await client.get(f"{school}/edit")
        assert form_at(edit).fields["latitude"] == "11.5"
        assert (await send(client, edit, name_latin="Gamma")).status_code == 303
        page = await client.get(school)
        assert "សាលាហ្គាម៉ា" in page.text
        no_reason = await send(client, page, f"{school}/delete")
        assert no_reason.status_code == 422
        assert (await send(client, page, f"{school}/delete", reason="Built by mistake")).status_code == 303
        deleted = await client.get("/deleted?kind=schools")
        assert "GAMMA" in deleted.text
        assert (await send(client, deleted, f"{school}/restore")).status_code == 303
        assert "This school is deleted" not in (await client.get(school)).text


async def test_what_is_wrong_with_a_school_is_told_at_its_fields(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        form = await client.get(f"/schools/new?place_id={served.cast.district_1}")
        again = await send(client, form, "/schools/new", code="", name_local="", latitude="north")
    assert again.status_code == 422
    assert 'value="north"' in again.text
    assert again.text.count('aria-invalid="true"') >= 1


async def test_of_two_changes_the_later_sees_what_is_there_now(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        form = await client.get(f"/schools/new?place_id={served.cast.district_1}")
        school = (await send(client, form, "/schools/new", code="DELTA", name_local="Delta")).headers[
            "location"
        ]
        one, two = await client.get(f"{school}/edit"), await client.get(f"{school}/edit")
        assert (await send(client, one, name_local="Delta One")).status_code == 303
        again = await send(client, two, name_local="Delta Two")
        assert again.status_code == 409
        assert "Delta One" in again.text
        assert 'value="Delta Two"' in again.text
        form = form_at(again, f"{school}/edit")
        assert (await client.post(f"{school}/edit", data=form.fields)).status_code == 303
        assert "Delta Two" in (await client.get(school)).text


async def test_places_are_added_renamed_deleted_and_brought_back(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        form = await client.get(f"/places/new?below={served.cast.province}")
        saved = await send(client, form, kind="district", code="0999", name_local="ស្រុកថ្មី")
        assert saved.status_code == 303, saved.text
        place = int(saved.headers["location"].rsplit("=", 1)[1])
        edit = await client.get(f"/places/{place}/edit")
        assert (await send(client, edit, name_latin="New district")).status_code == 303
        page = await client.get(f"/places?below={place}")
        assert "ស្រុកថ្មី" in page.text
        assert (await send(client, page, f"/places/{place}/delete", reason="Twice")).status_code == 303
        deleted = await client.get("/deleted?kind=places")
        assert (await send(client, deleted, f"/places/{place}/restore")).status_code == 303
        assert (await client.get(f"/places?below={place}")).status_code == 200


async def test_a_child_is_added_in_four_fields_and_the_next_one_is_asked_for(served: Served) -> None:
    school = served.cast.school_a
    async with served.client("teacher", by="cookie") as client:
        form = await client.get(f"/schools/{school}/students/new")
        saved = await send(client, form, code="០៩៩", name="ចាន់ ដារ៉ា", sex=2, grade=3, another="yes")
        assert saved.status_code == 303, saved.text
        assert saved.headers["location"].startswith(f"/schools/{school}/students/new?grade=3")
        found = await client.get(f"/schools/{school}/students?search=ចាន់")
        assert "099" in found.text
        twice = await send(client, form, code="099", name="Somebody", sex=1, grade=3, write_id="")
        assert twice.status_code == 409
        empty = await send(client, form, write_id="")
        assert empty.status_code == 422


async def test_the_next_code_is_proposed_and_a_likely_duplicate_is_told_before_it_is_added(
    served: Served,
) -> None:
    school = served.cast.school_b
    async with served.client("teacher_elsewhere", by="cookie") as client:
        form = await client.get(f"/schools/{school}/students/new")
        codes = [
            each["code"]
            for each in (await client.get(f"/api/v1/students?school_id={school}&limit=100")).json()["items"]
        ]
        proposed = form_at(form).fields["code"]
        assert proposed == f"B{max(int(each[1:]) for each in codes if each[1:].isdigit()) + 1}"
        again = await send(client, form, name="Beta  child 0", sex=1, grade=3)
        assert again.status_code == 409
        assert "Beta child 0 (B0)" in again.text
        assert form_at(again).fields["code"] == proposed
        saved = await send(client, again, name="Beta child 0", sex=1, grade=3, is_another="true")
        assert saved.status_code == 303, saved.text
        # The next form proposes the next one; a name that is like nobody's is not asked about.
        form = await client.get(f"/schools/{school}/students/new")
        assert form_at(form).fields["code"] == f"B{int(proposed[1:]) + 1}"
        assert (await send(client, form, name="Somaly Vireak", sex=2, grade=3)).status_code == 303
    async with served.client("teacher", by="cookie") as client:
        assert (await client.get(f"/schools/{school}/students/new")).status_code in (403, 404)


async def test_the_audit_log_says_names_where_ids_are_kept(served: Served) -> None:
    school = served.cast.school_b
    async with served.client("teacher_elsewhere", by="cookie") as client:
        form = await client.get(f"/schools/{school}/students/new")
        child = (
            (await send(client, form, name="Kunthea Rith", sex=2, grade=3)).headers["location"].split("/")[-1]
        )
    async with served.client("coordinator") as client:
        rows = (
            await client.get("/api/v1/audit", params={"resource": "student", "resource_id": child})
        ).json()["items"]
        assert len(rows) == 1
        assert "Kunthea" not in str(rows)  # what is kept holds ids alone
    async with served.client("coordinator", by="cookie") as client:
        page = (await client.get("/audit", params={"resource": "student", "resource_id": child})).text
        assert "Kunthea Rith" in page
        assert f'Beta School <span class="mute small" dir="ltr">{school}</span>' in page
        # What somebody tried with is no id of ours, whatever it looks like.
        for odd in ("urn:uuid:" + child, "99999999999999999999", "{" + child + "}", "²"):
            await client.get("/students/" + odd)
        assert (await client.get("/audit", params={"outcome": "denied"})).status_code == 200
        assert (await client.get("/audit")).status_code == 200


async def test_a_child_leaves_returns_is_deleted_and_brought_back(served: Served) -> None:
    school = served.cast.school_a
    async with served.client("teacher", by="cookie") as client:
        form = await client.get(f"/schools/{school}/students/new")
        child = (await send(client, form, code="L1", name="Leaver", sex=1, grade=3)).headers["location"]
        page = await client.get(child)
        left = await send(client, page, f"{child}/left", left_on="2026-11-20", reason="Moved away")
        assert left.status_code == 303, left.text
        page = await client.get(child)
        assert "Moved away" in page.text
        assert (await send(client, page, f"{child}/returned")).status_code == 303
        page = await client.get(child)
        assert (await send(client, page, f"{child}/delete", reason="Entered twice")).status_code == 303
        deleted = await client.get("/deleted")
        assert (await send(client, deleted, f"{child}/restore")).status_code == 303
        edit = await client.get(f"{child}/edit")
        assert (await send(client, edit, age="៩")).status_code == 303
        assert form_at(await client.get(f"{child}/edit")).fields["age"] == "9"


async def test_the_number_of_children_is_that_of_the_pages(served: Served) -> None:
    school = served.cast.school_b
    async with served.client("teacher_elsewhere", by="cookie") as client:
        total = int(
            re.search(r"<strong>(\d+) child", (await client.get(f"/schools/{school}/students")).text)[1]
        )  # type: ignore[index]
        seen, path = 0, f"/schools/{school}/students?limit=2"
        while path:
            page = await client.get(path)
            seen += page.text.count('<a href="/students/')
            following = re.search(r'rel="next" href="([^"]+)"', page.text)
            path = following[1].replace("&amp;", "&") if following else ""
    assert seen == total >= 3


async def test_years_rounds_and_classes_are_kept(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        form = await client.get("/years/new")
        assert (
            await send(client, form, name="2027", starts_on="2027-01-01", ends_on="2027-12-31")
        ).status_code == 303
        wrong = await send(client, form, name="2028", starts_on="soon", ends_on="", write_id="")
        assert wrong.status_code == 422
        years = await client.get("/years")
        year = re.search(r'href="/years/(\d+)">2027<', years.text)[1]  # type: ignore[index]
        form = await client.get("/rounds/new")
        days = {"starts_on": "2027-02-01", "ends_on": "2027-02-20"}
        saved = await send(client, form, school_year_id=year, kind="baseline", **days)
        assert saved.status_code == 303, saved.text
        round_ = saved.headers["location"]
        page = await client.get(round_)
        assert (await send(client, page, f"{round_}/state/open")).status_code == 303
        page = await client.get(round_)
        assert (await send(client, page, f"{round_}/state/closed", reason="Over")).status_code == 303
        page = await client.get(round_)
        assert (await send(client, page, f"{round_}/state/open")).status_code == 422
        assert (
            await send(client, page, f"{round_}/state/open", reason="Too early", write_id="")
        ).status_code == 303
        school = f"{round_}/schools/{served.cast.school_b}"
        page = await client.get(school)
        assert (await send(client, page, f"{school}/lock", reason="Checked")).status_code == 303
        assert "Checked" in (await client.get(round_)).text
        page = await client.get(school)
        assert (await send(client, page, f"{school}/unlock", reason="Not yet")).status_code == 303
        assert (await send(client, page, f"{school}/days", starts_on="2027-02-03")).status_code == 303
        page = await client.get(round_)
        assert (await send(client, page, f"{round_}/delete", reason="Planned twice")).status_code == 303
        deleted = await client.get("/deleted?kind=rounds")
        assert (await send(client, deleted, f"{round_}/restore")).status_code == 303
        school = f"/schools/{served.cast.school_b}"
        page = await client.get(school)
        assert (await send(client, page, f"{school}/classes", grade=4, section="ខ")).status_code == 303
        page = await client.get(school)
        twice = await send(client, page, f"{school}/classes", grade=4, section="ខ")
        assert twice.status_code == 409
        one = re.search(rf"{school}/classes/\d+/delete", page.text)[0]  # type: ignore[index]
        assert (await send(client, page, one, reason="Not this year")).status_code == 303
        page = await client.get(school)
        assert (await send(client, page, one.replace("delete", "restore"))).status_code == 303
