"""Every page stands upright on the smallest phone and on a desk, in every language, light and dark."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import axe_playwright_python
import pytest
from find_browser import browser_path
from journey import FLAGS, Device, Site
from playwright.sync_api import Browser, Page, expect
from pseudo_language import Pseudo

from rightlevel.web.app import all_routes
from rightlevel.web.language import LANGUAGES

pytestmark = pytest.mark.browser

SMALL_TARGETS = """
() => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary')]
  .filter(each => each.checkVisibility())
  .map(each => [each, (each.closest('label') || each).getBoundingClientRect()])
  .filter(([each, box]) => box.width && box.height && (box.height < 44 || box.width < 40))
  .filter(([each]) => !each.closest('p, .skip, .notice') && !each.matches('li > div > a, th a'))
  .map(([each, box]) => `${each.outerHTML.slice(0, 90)} is ${Math.round(box.width)} x ${Math.round(box.height)}`)
"""
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
COLOURS = ["color-contrast", "link-in-text-block"]
"""Rules of axe about colours alone, which no language changes, and the dearest of all."""
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIDEWAYS = """
() => innerWidth > 400 ? [] : [...document.querySelectorAll('.scroll')]
  .filter(each => each.scrollWidth > each.clientWidth + 1 && each.querySelector('.matrix, table.cards'))
  .map(each => each.outerHTML.slice(0, 90))
"""
"""A matrix or a list is read down on a phone; what is printed on paper (`.sheet`) keeps its columns."""
OUT_OF_SCALE = """
() => [...document.querySelectorAll('[class*="grow-"], [class*="wide-"], [class*="from-"]')].flatMap(each => {
  const style = getComputedStyle(each), room = each.parentElement.getBoundingClientRect().width
  return [...each.classList].flatMap(name => {
    const [, what, told] = /^(grow|wide|from)-(\\d+)$/.exec(name) ?? []
    const drawn = {grow: () => Number(style.flexGrow), wide: () => 100 * each.getBoundingClientRect().width / room,
      from: () => 100 * parseFloat(style.insetInlineStart) / room}[what]?.()
    return what && room && Math.abs(drawn - told) > .6 ? [`${name} is drawn as ${drawn}: ${each.outerHTML.slice(0, 90)}`] : []
  })
})
"""
"""A bar that isn't as long as its number says tells something else than the number beside it."""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRASTS = """
() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true})
  const known = new Map()
  const rgba = colour => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1)
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data])
    }
    return known.get(colour)
  }
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4); return .2126 * x + .7152 * y + .0722 * z }
  const under = each => { for (; each; each = each.parentElement) { const colour = rgba(getComputedStyle(each).backgroundColor); if (colour[3] > 250) return colour } return [255, 255, 255, 255] }
  const found = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const each = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || !each.getClientRects().length || each.closest('script, .skip, .visually-hidden')) continue
    const [a, b] = [light(rgba(getComputedStyle(each).color)), light(under(each))].sort((x, y) => y - x)
    const ratio = (a + .05) / (b + .05)
    if (ratio < 4.5) found.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`)
  }
  return found
}
"""


def faults_of(page: Page, path: str) -> list[str]:
    """What is too wide, too small to hit, unlabelled, or too faint on a page, in the light and in the dark."""
    page.emulate_media(color_scheme="light")
    faults = out_of_shape(page, path) + [f"{path}: {each}" for each in page.evaluate(CONTRASTS)]
    page.emulate_media(color_scheme="dark")
    return faults + [f"{path} in the dark: {each}" for each in page.evaluate(CONTRASTS)]


def out_of_shape(page: Page, path: str) -> list[str]:
    """What is too wide, too small to hit or unlabelled on a page."""
    faults: list[str] = []
    if page.evaluate(OVERFLOW) > 0:
        faults.append(f"{path} is wider than the screen")
    faults += [f"{path}: {each}" for each in page.evaluate(SMALL_TARGETS)]
    faults += [f"{path} scrolls sideways: {each}" for each in page.evaluate(SIDEWAYS)]
    faults += [f"{path}: {each}" for each in page.evaluate(OUT_OF_SCALE)]
    if page.locator("h1").count() != 1:
        faults.append(f"{path} has {page.locator('h1').count()} headings of the first rank")
    return faults


def rules_broken_on(page: Page, path: str, but: Sequence[str] = ()) -> list[str]:
    """What axe finds of WCAG 2.2 AA and of its best practices, but for some rules."""
    page.evaluate(AXE)
    found = page.evaluate(
        "([tags, but]) => axe.run({runOnly: tags, rules: Object.fromEntries(but.map(rule => [rule, {enabled: false}])), resultTypes: ['violations']})",
        [WCAG, list(but)],
    )
    return [
        f"{path}: {each['id']}: {node['html'][:90]}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]


def every_page(site: Site, name: str) -> list[str]:
    """The address of every page that somebody of the cast may open, with what there is, and one that leads nowhere."""
    cast = site.cast
    ids: dict[str, object] = {
        "schools": cast.school_a,
        "students": cast.students_a[0],
        "rounds": cast.round,
        "people": cast.teacher.person_id,
        "years": cast.school_year,
        "places": cast.district_1,
        "classes": cast.class_3a,
        "assign": cast.school_a,
        "results": cast.round,
        "forms": "visit",
    }
    paths = ["/nowhere"]
    for route in all_routes():
        parts = route.path.split("/")
        if route.method != "GET" or not route.is_page or not route.who.allows(getattr(cast, name)):
            continue
        if route.path == "/standing-still":  # always of a school
            paths.append(f"/standing-still?school={cast.school_a}")
            continue
        if route.path == "/data-quality/tests":  # always of somebody's day at a school
            whose = f"on=2026-11-23&school_id={cast.school_a}&assessor_id={cast.teacher.person_id}&subject=language"
            paths.append(f"/data-quality/tests?{whose}")
            continue
        if route.path == "/schools/{id}/reset-practice":  # only of a practice school
            paths.append(f"/schools/{cast.practice_school}/reset-practice")
            continue
        if (
            parts[1] in ("imports", "verification") and "{" in route.path
        ):  # there is no import and no re-test to show
            continue
        if any(
            part.startswith("{") and part != "{subject}" and before not in ids
            for before, part in itertools.pairwise(parts)
        ):
            continue  # the cast has none of these; their rooms' own tests open them
        for at, part in enumerate(parts):
            if part.startswith("{"):
                parts[at] = "language" if part == "{subject}" else str(ids[parts[at - 1]])
        paths.append("/".join(parts))
    return paths


NO_KHMER = """<fontconfig><include>/etc/fonts/fonts.conf</include><selectfont><rejectfont><glob>*[Kk]hmer*</glob>
<pattern><patelt name="lang"><string>km</string></patelt></pattern></rejectfont></selectfont></fontconfig>"""
"""What a machine says of its fonts when none has Khmer letters."""


def test_a_device_without_khmer_letters_is_given_them_once(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    fonts = tmp_path / "fonts.conf"
    fonts.write_text(NO_KHMER)
    own = {**os.environ, "FONTCONFIG_FILE": str(fonts)}
    bare = browser.browser_type.launch(executable_path=browser_path(), args=FLAGS, env=own)
    try:
        opened = Device(bare, site)
        page = opened.open(language="km")
        came: list[int] = []
        for path in ("/sign-in", "/code"):
            page.goto(path)
            expect(page.locator("html")).to_have_attribute("lang", "km")
            assert page.evaluate("document.fonts.ready.then(all => [...all].map(each => each.status))") == [
                "loaded"
            ]
            came += page.evaluate(
                "performance.getEntriesByType('resource').filter(each => each.name.includes('khmer')).map(each => each.transferSize)"
            )
        assert came[0] > 20_000
        assert came[1:] == [0], "it is kept for good"
        opened.close()
        assert opened.complaints == []
    finally:
        bare.close()


@pytest.mark.walk
@pytest.mark.parametrize("language", ["en", "km"])
@pytest.mark.parametrize("name", ["coordinator", "teacher", "viewer"])
def test_pages_fit_and_can_be_read(device: Device, site: Site, name: str, language: str) -> None:
    page = device.open_as(name)
    if page.locator("html").get_attribute("lang") != language:
        page.locator(f"button[name=code][value={language}]").click()
    faults: list[str] = []
    for path in every_page(site, name):
        answer = page.goto(path)
        assert answer is not None
        # Nothing is published there.
        assert answer.status == (404 if path in ("/nowhere", "/public") else 200), path
        page.emulate_media(color_scheme="light")
        if language == "en":
            faults += rules_broken_on(page, path)
            faults += faults_of(page, path)
        else:  # another language has other widths and the same colours
            faults += rules_broken_on(page, path, COLOURS)
            faults += out_of_shape(page, path)
    assert faults == []


@pytest.mark.parametrize("width", [718, 1045])
def test_a_printed_page_takes_the_whole_sheet_upright_and_across(
    device: Device, site: Site, width: int
) -> None:
    """A4 within its margins, 96 dots an inch. Across it is as wide as a desk, whose column of ways is not printed."""
    page = device.open_as("coordinator")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/figures")
    page.emulate_media(media="print")
    assert page.evaluate("document.querySelector('main').getBoundingClientRect().width") > width * 0.95


@pytest.mark.parametrize("language", ["en", "km"])
def test_signed_out_pages_fit_and_can_be_read(device: Device, language: str) -> None:
    page = device.open(language=language)
    page.goto("/sign-in")
    page.fill("#f-username", "nobody.at.all")
    page.fill("#f-password", "wrong")
    page.click("main form .button:not([data-reveal])")
    assert faults_of(page, "/sign-in") == []
    assert rules_broken_on(page, "/sign-in") == []


@pytest.mark.walk
@pytest.mark.parametrize("name", ["coordinator", "teacher", "viewer"])
def test_longer_texts_from_right_to_left_fit(
    device: Device, site: Site, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """German is a third longer than English, Urdu runs the other way: a page that holds both holds any."""
    page = device.open_as(name)
    monkeypatch.setitem(LANGUAGES, "km", Pseudo(longer=1, direction="rtl"))
    page.locator("button[name=code][value=km]").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    wide: list[str] = []
    for path in every_page(site, name):
        page.goto(path)
        if page.evaluate(OVERFLOW) > 0:
            wide.append(path)
    assert wide == []
