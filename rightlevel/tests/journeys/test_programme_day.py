"""A mentor's day and a coordinator's: a class is tested on a phone, figures follow, a round is opened, a file comes in."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from journey import Device, Site
from playwright.sync_api import Locator, Page, Route, expect

sys.path.insert(0, str(Path(__file__).parent))

from test_fits_a_phone import OUT_OF_SCALE, faults_of

pytestmark = pytest.mark.browser

with_and_without_script = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
CLASS_OF_FIVE = ("សុខា", "ដារ៉ា", "វណ្ណា", "រតនា", "ស្រីមុំ")


def new_class(device: Device, site: Site, code: str, *, children: tuple[str, ...] = CLASS_OF_FIVE) -> str:
    """A class of its own with some children, made on the pages; the address of its grid."""
    page = device.open_as("coordinator", f"/schools/{site.cast.school_a}", desk=True)
    section = page.locator("#classes")
    section.get_by_label("Grade").select_option("5")
    section.get_by_label("Section").fill(code)
    section.get_by_role("button", name="Add a class").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    page.goto(f"/schools/{site.cast.school_a}/students/new")
    for number, name in enumerate(children):
        page.fill("#f-code", f"{code}{number}")
        page.fill("#f-name", name)
        choose(page, "sex", "Girl")
        choose(page, "grade", "5")
        page.get_by_label("Class").select_option(label=f"Grade 5 {code}")
        page.get_by_role("button", name="Save and add another").click()
        expect(page.locator("[role=status], [role=alert]").first).to_be_visible()
        if page.get_by_label(
            "It is another child"
        ).count():  # another journey's class has the same five names
            page.get_by_label("It is another child").check()
            page.get_by_role("button", name="Save and add another").click()
        expect(page.get_by_role("status")).to_contain_text(f"{name} is saved")
    return code


def choose(page: Page, field: str, text: str) -> None:
    """Touches one of the chips of a field."""
    page.locator(f"#f-{field} label.chip").filter(has_text=re.compile(rf"^\s*{text}\s*$")).click()


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True)


def tap(page: Page, name: str, level: str) -> None:
    """Touches a level as a finger does."""
    row_of(page, name).get_by_label(level, exact=True).click()


def says_tested(page: Page, text: str) -> None:
    """What the page says of how far testing is, counted anew after each tap."""
    expect(page.locator("#tested")).to_have_text(text, use_inner_text=True)


def test_a_mentor_tests_a_class_and_the_figures_follow(device: Device, site: Site) -> None:
    code = new_class(device, site, "M")
    page = device.open_as("mentor")
    page.get_by_role("link", name=re.compile(f"Grade 5 {code} Reading")).click()
    says_tested(page, "0 tested, 0 absent, 5 to do, of 5")
    levels = ("Story", "Words", "Letters", "Beginner", "Comprehension 1")
    for name, level in zip(CLASS_OF_FIVE, levels, strict=True):
        tap(page, name, level)
        expect(row_of(page, name)).to_contain_text("On the server")
    says_tested(page, "5 tested, 0 absent, 0 to do, of 5")
    tap(page, CLASS_OF_FIVE[1], "Refused")
    says_tested(page, "4 tested, 0 absent, 1 refused, 0 to do, of 5")
    tap(page, CLASS_OF_FIVE[1], "Paragraph")
    tap(page, CLASS_OF_FIVE[1], "Story")
    expect(row_of(page, CLASS_OF_FIVE[1])).to_contain_text("On the server")
    page.reload()
    says_tested(page, "5 tested, 0 absent, 0 to do, of 5")
    for name, level in zip(
        CLASS_OF_FIVE, ("Story", "Story", "Letters", "Beginner", "Comprehension 1"), strict=True
    ):
        expect(row_of(page, name).get_by_label(level, exact=True)).to_be_checked()
    page.goto(f"/figures?school={site.cast.school_a}&subject=language&grade=5")
    reads = page.locator(".indicators li", has_text="Reads a story")
    expect(reads).to_contain_text("60%")
    expect(reads).to_contain_text("3 of 5")
    reads.locator("summary").click()
    expect(reads).to_contain_text("÷ children assessed")
    assert page.locator(".bar span").count() >= 4
    assert page.evaluate(OUT_OF_SCALE) == []
    page.locator("table.counts").get_by_role("row", name=re.compile("Story")).get_by_role(
        "link"
    ).first.click()
    page.get_by_role("link", name=CLASS_OF_FIVE[0]).click()
    expect(page.locator("table.history")).to_contain_text("Story")


def test_save_all_works_without_any_script(device: Device, site: Site) -> None:
    code = new_class(device, site, "N", children=CLASS_OF_FIVE[:2])
    page = device.open_as("teacher", script=False)
    page.get_by_role("link", name=re.compile(f"Grade 5 {code} Mathematics")).click()
    tap(page, CLASS_OF_FIVE[0], "Division")
    tap(page, CLASS_OF_FIVE[1], "Absent")
    page.get_by_role("button", name="Save all").click()
    expect(page.get_by_role("status").first).to_contain_text("2 children are saved")
    says_tested(page, "1 tested, 1 absent, 0 to do, of 2")
    expect(row_of(page, CLASS_OF_FIVE[0]).get_by_label("Division", exact=True)).to_be_checked()
    row_of(page, CLASS_OF_FIVE[1]).get_by_role("link").click()
    page.locator("table.history").get_by_role("row", name=re.compile("Mathematics")).get_by_role(
        "link"
    ).click()
    page.get_by_role("button", name="Subtraction").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    expect(page.locator("table.history")).to_contain_text("Subtraction")


def test_a_tap_without_network_says_so_and_is_saved_when_the_network_is_back(
    device: Device, site: Site
) -> None:
    code = new_class(device, site, "O", children=CLASS_OF_FIVE[:1])
    page = device.open_as("mentor")
    page.get_by_role("link", name=re.compile(f"Grade 5 {code} Reading")).click()
    page.route("**/grid/row?*", lambda route: route.abort())
    tap(page, CLASS_OF_FIVE[0], "Words")
    expect(row_of(page, CLASS_OF_FIVE[0])).to_contain_text("Not saved yet")
    page.unroute("**/grid/row?*")
    expect(row_of(page, CLASS_OF_FIVE[0])).to_contain_text("On the server")
    page.reload()
    expect(row_of(page, CLASS_OF_FIVE[0]).get_by_label("Words", exact=True)).to_be_checked()
    device.complaints.clear()  # the browser tells of the connection that we cut


def test_a_tap_whose_answer_was_lost_is_one_result(device: Device, site: Site) -> None:
    code = new_class(device, site, "P", children=CLASS_OF_FIVE[:1])
    page = device.open_as("mentor")
    page.get_by_role("link", name=re.compile(f"Grade 5 {code} Reading")).click()
    lost: list[Any] = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch().status)
            route.abort()

    page.route("**/grid/row?*", lose)
    tap(page, CLASS_OF_FIVE[0], "Words")
    expect(row_of(page, CLASS_OF_FIVE[0])).to_contain_text("Not saved yet")
    expect(row_of(page, CLASS_OF_FIVE[0])).to_contain_text("On the server")
    assert lost == [200]
    device.complaints.clear()


@pytest.mark.parametrize("status", [408, 500, 507])
def test_a_tap_while_the_server_is_ill_is_sent_again(device: Device, site: Site, status: int) -> None:
    """Seen: the grid sent again after 502 and 503 only, and a tap that met a full disk was left unsaved."""
    code = new_class(device, site, f"S{status}", children=CLASS_OF_FIVE[:1])
    page = device.open_as("mentor")
    page.get_by_role("link", name=re.compile(f"Grade 5 {code} Reading")).click()
    page.route("**/grid/row?*", lambda route: route.fulfill(status=status, body="ill"), times=1)
    tap(page, CLASS_OF_FIVE[0], "Words")
    expect(row_of(page, CLASS_OF_FIVE[0])).to_contain_text("Not saved yet")
    expect(row_of(page, CLASS_OF_FIVE[0])).to_contain_text("On the server")
    device.complaints.clear()


def test_a_tap_before_the_scripts_have_come_is_saved_like_any_other(device: Device, site: Site) -> None:
    code = new_class(device, site, "R", children=CLASS_OF_FIVE[:2])
    page = device.open_as("mentor")
    address = page.get_by_role("link", name=re.compile(f"Grade 5 {code} Reading")).get_attribute("href")
    held: list[Route] = []
    page.route("**/htmx.min*", lambda route: held.append(route))
    page.goto(address or "", wait_until="commit")
    tap(page, CLASS_OF_FIVE[0], "Words")
    expect(row_of(page, CLASS_OF_FIVE[0])).to_contain_text("Not tested yet")
    assert len(held) == 1
    held[0].continue_()
    expect(row_of(page, CLASS_OF_FIVE[0])).to_contain_text("On the server")
    expect(row_of(page, CLASS_OF_FIVE[1])).to_contain_text("Not tested yet")
    page.unroute("**/htmx.min*")
    page.reload()
    expect(row_of(page, CLASS_OF_FIVE[0]).get_by_label("Words", exact=True)).to_be_checked()


def test_two_people_at_one_child_see_both_values(device: Device, site: Site) -> None:
    code = new_class(device, site, "Q", children=CLASS_OF_FIVE[:1])
    mentor, teacher = device.open_as("mentor"), device.open_as("teacher")
    for page in (mentor, teacher):
        page.get_by_role("link", name=re.compile(f"Grade 5 {code} Reading")).click()
    tap(mentor, CLASS_OF_FIVE[0], "Letters")
    expect(row_of(mentor, CLASS_OF_FIVE[0])).to_contain_text("On the server")
    tap(teacher, CLASS_OF_FIVE[0], "Story")
    both = row_of(teacher, CLASS_OF_FIVE[0]).get_by_role("alert")
    expect(both).to_contain_text("Somebody else saved this child meanwhile")
    expect(both).to_contain_text("Letters")
    expect(both).to_contain_text("Story")
    tap(teacher, CLASS_OF_FIVE[0], "Story")
    expect(row_of(teacher, CLASS_OF_FIVE[0]).get_by_role("alert")).to_have_count(0)
    expect(row_of(teacher, CLASS_OF_FIVE[0])).to_contain_text("On the server")


@with_and_without_script
def test_a_coordinator_makes_a_school_and_a_round_and_brings_files_in(
    device: Device, site: Site, script: bool, tmp_path: Path
) -> None:
    mark = "S" if script else "N"
    page = device.open_as("coordinator", script=script)
    page.goto(f"/places?below={site.cast.district_1}")
    page.get_by_role("link", name="Add a school here").click()
    page.fill("#f-code", f"NEW-{mark}")
    page.fill("#f-name_local", "សាលាបឋមសិក្សាថ្មី")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_contain_text("សាលាបឋមសិក្សាថ្មី")

    page.goto("/rounds/new")
    choose(page, "kind", "Midline" if script else "Endline")
    page.fill("#f-starts_on", "2026-12-05" if script else "2026-12-20")
    page.fill("#f-ends_on", "2026-12-01" if script else "2026-12-24")
    page.get_by_role("button", name="Save").click()
    if script:
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.locator("#f-ends_on")).to_have_attribute("aria-invalid", "true")
        page.fill("#f-ends_on", "2026-12-10")
        page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_contain_text("Midline" if script else "Endline")

    faulty = tmp_path / "children.csv"
    faulty.write_text(
        f"school,code,name,sex,grade\nNEW-{mark},1,ដារ៉ា,girl,3\nNOWHERE,2,Rith,boy,99\n", "utf-8"
    )
    send_file(page, faulty)
    expect(page.get_by_text("Not saved: it has errors")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("row", name=re.compile("Row 3")).first).to_be_visible()

    whole = tmp_path / "again.csv"
    whole.write_text(
        f"school,code,name,sex,grade\nNEW-{mark},1,ដារ៉ា,girl,3\nNEW-{mark},2,Rith,boy,4\n", "utf-8"
    )
    send_file(page, whole)
    expect(page.get_by_text("Preview: nothing is saved yet")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Apply this").click(timeout=20_000)
    expect(page.locator("#run").get_by_text("Done")).to_be_visible(timeout=20_000)
    expect(page.locator("#run .facts")).to_contain_text("2")
    page.goto("/students?search=Rith")
    expect(page.get_by_role("link", name="Rith").first).to_be_visible()


def send_file(page: Page, path: Path) -> None:
    page.goto("/imports")
    choose(page, "kind", "Children")
    page.set_input_files("#f-file", path)
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("h1")).to_contain_text(path.name)


PAGES = {
    "mentor": (
        "/",
        "/schools",
        "/students",
        "/schools/{school}",
        "/schools/{school}/students",
        "/schools/{school}/students/new",
        "/schools/{school}/grid",
        "/schools/{school}/grid?subject=math",
        "/students/{child}",
        "/students/{child}/edit",
        "/students/{child}/results/{round}/language",
        "/figures",
        "/figures?school={school}",
    ),
    "coordinator": (
        "/",
        "/schools",
        "/schools/new",
        "/schools/{school}",
        "/places",
        "/places?below={province}",
        "/places/new",
        "/rounds",
        "/rounds/new",
        "/rounds/{round}?search=B",
        "/rounds/{round}/schools/{school}",
        "/years",
        "/years/new",
        "/imports",
        "/deleted",
        "/deleted?kind=schools",
        "/figures",
        "/figures?place={district}&subject=math",
    ),
    "viewer": ("/",),
}


@pytest.mark.walk
@pytest.mark.parametrize("language", ["en", "km"])
def test_the_programmes_pages_fit_and_can_be_read(device: Device, site: Site, language: str) -> None:
    faults: list[str] = []
    cast = site.cast
    ids = {
        "school": cast.school_a,
        "child": cast.students_a[0],
        "round": cast.round,
        "province": cast.province,
        "district": cast.district_1,
    }
    for name, paths in PAGES.items():
        page = device.open_as(name)
        if page.locator("html").get_attribute("lang") != language:
            page.locator(f"button[name=code][value={language}]").click()
        for path in paths:
            page.goto(path.format(**ids))
            faults += [f"{name} {each}" for each in faults_of(page, path)]
    assert faults == []
