"""What is printed: a class's list, its progress, who is not tested, a blank form, figures with a head; each for whoever may see it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from people import NOW, actor_now
from serving import DEADLINE_S, OneDatabase, Served, serving

from flatwater.queries import read_queries
from rightlevel.programme.errors import Invalid
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.results import ResultWrite, enter_results, results_of_children
from rightlevel.web.templating import LANGUAGES

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: draw_everything
-- Every level that was found is to be tested again by somebody who doesn't know it.
insert into verification (result_id, round_id, subject, school_id, visible_on, created_by)
select id, round_id, subject, school_id, '2026-11-01', %(by)s from result where outcome = 'assessed'
""",
    origin="tests/web/paper/test_sheets.py",
)


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    """The first child reads words, the second was absent; the others are to be tested."""
    async with serving(new_database(), tmp_path) as opened:
        first, second = opened.cast.students_a[:2]
        day = NOW.date()
        writes = [
            ResultWrite(time_ordered_id(), first, opened.cast.round, "language", day, level="word"),
            ResultWrite(time_ordered_id(), second, opened.cast.round, "language", day, outcome="absent"),
        ]
        async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
            answers = await enter_results(
                session, await actor_now(session, "teacher"), writes, opened.platform.clock
            )
        assert [each.code for each in answers] == ["saved", "saved"]
        yield opened


def of_class(site: Served, sheet: str) -> str:
    cast = site.cast
    return f"/schools/{cast.school_a}/{sheet}?round={cast.round}&subject=language&group=class-{cast.class_3a}"


async def read(site: Served, name: str, address: str, language: str = "en") -> tuple[int, str]:
    async with site.client(name, by="cookie") as client:
        answer = await client.get(address, headers={"accept": "text/html", "accept-language": language})
    return answer.status_code, answer.text


def lines_of(page: str) -> list[str]:
    """Who stands on a sheet, in its order."""
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [each for each in re.findall(r'<tr[^>]*><th scope="row">([^<]*)</th>', body) if each]


async def test_a_class_list_has_a_box_for_each_child_and_level_and_leads_to_its_grid(site: Served) -> None:
    status, page = await read(site, "teacher", of_class(site, "class-list"))
    assert status == 200
    _, grid = await read(site, "teacher", of_class(site, "grid"))
    on_grid = re.findall(r'class="grid-name">([^<]+)<', grid)
    assert on_grid
    assert lines_of(page) == on_grid
    assert page.count('class="tick"') == (len(on_grid) + 5) * (7 + 3)
    assert '<svg class="qr"' in page
    for said in ("Alpha School", "Grade 3 A", "Reading", "Baseline 2026", "As of 23 Nov 2026"):
        assert said in page


async def test_who_is_not_tested_stands_on_a_list_with_what_came_of_it(site: Served) -> None:
    _, page = await read(site, "teacher", of_class(site, "not-tested"))
    _, everybody = await read(site, "teacher", of_class(site, "class-list"))
    children = lines_of(everybody)
    assert len(lines_of(page)) == len(children) - 1
    assert "Absent" in page


async def test_a_progress_sheet_shows_a_level_in_its_round_and_subject(site: Served) -> None:
    _, page = await read(site, "teacher", of_class(site, "progress-sheet"))
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", page, re.S)
    cells = [re.findall(r"<td>(.*?)</td>", row, re.S) for row in rows]
    assert {len(each) for each in cells} == {2 * 3}, "two subjects of three rounds"
    tested = [each for each in cells if "Words" in each[0]]
    assert len(tested) == 1
    assert "<b>3</b>" in tested[0][0]
    assert all(not each.strip() for each in tested[0][1:])
    assert sum("Absent" in each[0] or "absent" in each[0] for each in cells) == 1


async def test_a_level_that_is_to_be_tested_again_blind_stands_on_no_sheet(site: Served) -> None:
    async with site.database.transaction(deadline_s=DEADLINE_S) as session:
        await session.execute(QUERIES["draw_everything"], {"by": site.cast.coordinator.person_id})
    _, page = await read(site, "mentor", of_class(site, "progress-sheet"))
    assert "Hidden until you tested again" in page
    assert "<b>3</b>" not in page
    _, own = await read(site, "teacher", of_class(site, "progress-sheet"))
    assert "<b>3</b>" in own, "who recorded it sees it"


@pytest.mark.parametrize("sheet", ["class-list", "progress-sheet", "not-tested"])
async def test_a_sheet_is_for_whoever_has_the_school(site: Served, sheet: str) -> None:
    for name in ("teacher_elsewhere", "mentor_elsewhere", "viewer"):
        status, page = await read(site, name, of_class(site, sheet))
        assert status in (403, 404), name
        assert "Bopha" not in page
    _, practice = await read(site, "coordinator", f"/schools/{site.cast.practice_school}/{sheet}")
    assert "No children here yet" in practice or "Everybody here is tested" in practice


async def test_results_of_children_are_those_within_reach(site: Served) -> None:
    cast = site.cast
    everybody = [*cast.students_a, *cast.students_b]
    async with site.database.transaction(deadline_s=DEADLINE_S) as session:
        for name, found in (("coordinator", 2), ("teacher", 2), ("teacher_elsewhere", 0)):
            actor = await actor_now(session, name)
            assert len(await results_of_children(session, actor, everybody, [cast.round])) == found, name
        with pytest.raises(Invalid):
            await results_of_children(session, actor, [time_ordered_id()] * 2_001, [cast.round])


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_a_blank_form_asks_everything_with_its_options(site: Served, language: str) -> None:
    status, page = await read(site, "mentor", "/visits/blank", language)
    assert status == 200
    assert page.count('class="asked"') > 40
    assert page.count('class="box"') > 100
    assert page.count('class="row"') >= 5, "each activity has lines of its own"


async def test_figures_on_paper_say_what_they_are_of(site: Served) -> None:
    _, page = await read(site, "viewer", f"/figures?round={site.cast.round}&subject=math&grade=3&sex=2")
    head = page.partition('id="of-what">')[2].partition("</p>")[0]
    for said in (
        "Baseline 2026",
        "Mathematics",
        "Grade 3",
        "Girls",
        "As the districts were",
        "As of 23 Nov 2026",
    ):
        assert said in head, said
    notes = page.partition('id="definitions">')[2].partition("</dl>")[0]
    assert notes.count("<dt>") == page.count('<span class="big">') > 2
