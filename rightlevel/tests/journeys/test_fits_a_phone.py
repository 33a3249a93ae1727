"""Every page stands upright on the smallest phone and on a desk, in every language, light and dark."""

from __future__ import annotations

import pytest
from journey import Device, Site
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PAGES = ("/", "/account", "/account/tokens", "/people", "/people/new", "/audit", "/nowhere")
SMALL_TARGETS = """
() => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary')]
  .filter(each => each.checkVisibility())
  .map(each => [each, (each.closest('label') || each).getBoundingClientRect()])
  .filter(([each, box]) => box.width && box.height && (box.height < 44 || box.width < 44))
  .filter(([each]) => !each.closest('p, .skip, .notice') && !each.matches('li > div > a, th a'))
  .map(([each, box]) => `${each.outerHTML.slice(0, 90)} is ${Math.round(box.width)} x ${Math.round(box.height)}`)
"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRASTS = """
() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true})
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data] }
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
    """What is too wide, too small to hit, unlabelled or too faint on a page."""
    faults: list[str] = []
    if page.evaluate(OVERFLOW) > 0:
        faults.append(f"{path} is wider than the screen")
    faults += [f"{path}: {each}" for each in (*page.evaluate(SMALL_TARGETS), *page.evaluate(CONTRASTS))]
    if page.locator("h1").count() != 1:
        faults.append(f"{path} has {page.locator('h1').count()} headings of the first rank")
    return faults


@pytest.mark.parametrize("language", ["en", "km"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_and_can_be_read(device: Device, site: Site, language: str, dark: bool) -> None:
    page = device.open_as("coordinator", dark=dark)
    if page.locator("html").get_attribute("lang") != language:
        page.locator(f"button[name=code][value={language}]").click()
    faults: list[str] = []
    paths = (
        *PAGES,
        f"/people/{site.cast.teacher.person_id}",
        f"/people/{site.cast.teacher.person_id}/assign/{site.cast.school_a}",
    )
    for path in paths:
        page.goto(path)
        faults += faults_of(page, path)
    assert faults == []


@pytest.mark.parametrize("language", ["en", "km"])
def test_signed_out_pages_fit_and_can_be_read(device: Device, language: str) -> None:
    page = device.open(language=language)
    page.goto("/sign-in")
    page.fill("#f-username", "nobody.at.all")
    page.fill("#f-password", "wrong")
    page.click("main form .button:not([data-reveal])")
    assert faults_of(page, "/sign-in") == []
