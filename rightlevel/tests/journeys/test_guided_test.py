"""The guided test in its page: with a script it runs there, and every way through it leads to the level that the server says."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import msgspec
import pytest
from journey import Device, Site
from phone_in_village import Phone, nobody_tested, open_grid
from playwright.sync_api import Browser, Page, Route, expect
from serving import Served

from rightlevel.programme.results.guided import THRESHOLDS, Step, rules_with, stand_after

pytestmark = pytest.mark.browser
LONGEST_WAY = 5


def _step(task: str, *, passed: bool) -> Step:
    threshold = THRESHOLDS[task]
    if threshold.most_mistakes is not None:
        return Step(task, is_fluent=passed, mistakes=threshold.most_mistakes)
    return Step(task, right=threshold.needed if passed else threshold.needed - 1)


def _ways() -> list[tuple[str, list[Step], str | None, str | None]]:
    """Every way through both tests, with each stop on it: the steps, and what the server says comes next or was reached."""
    ways: list[tuple[str, list[Step], str | None, str | None]] = []
    for subject in ("language", "math"):
        for passes in product((True, False), repeat=LONGEST_WAY):
            steps: list[Step] = []
            for passed in (*passes, True):
                standing, faults = stand_after(subject, steps, THRESHOLDS)
                assert not faults
                ways.append((subject, list(steps), standing.next_task, standing.level))
                if standing.next_task is None:
                    break
                steps.append(_step(standing.next_task, passed=passed))
    return ways


def test_every_way_through_the_test_leads_to_the_same_level_in_the_page(device: Device, site: Site) -> None:
    page = device.open(desk=True)
    page.goto("/phone/en")
    ways = _ways()
    assert {each[3] for each in ways} > {"beginner", "comprehension2", "word_problems"}
    asked: Any = msgspec.to_builtins([[subject, steps] for subject, steps, _, _ in ways])
    found = page.evaluate(
        "([rules, ways]) => ways.map(([subject, steps]) => guidedTest.standAfter(subject, steps, rules))",
        [msgspec.to_builtins(rules_with(THRESHOLDS)), asked],
    )
    assert [(each["task"], each["level"]) for each in found] == [(task, level) for _, _, task, level in ways]


def test_a_child_is_tested_on_the_screen_and_the_next_child_follows(device: Device, site: Site) -> None:
    cast = site.cast
    page = device.open_as("mentor", f"/students/{cast.students_a[3]}/results/{cast.round}/math")
    page.get_by_role("link", name="Run the test on this screen").click()
    page.locator("select[name=tool]").select_option("3")
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".shown-items")).to_contain_text("65 − 38")
    page.locator(".shown-item").first.click()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("h2")).to_have_text("2-digit numbers")
    page.get_by_role("button", name="Back one step").click()
    expect(page.locator(".shown-item input").first).to_be_checked()  # what was tapped is still there
    page.get_by_role("button", name="Next").click()
    for number in page.locator(".shown-item").all()[:4]:
        number.click()
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".level-is")).to_have_text("The level is: 2-digit numbers")
    page.get_by_role("button", name="Save this level").click()
    expect(page.get_by_role("status")).to_contain_text("Saved: Kosal, 2-digit numbers.")
    page.wait_for_url(re.compile(r"/students/.+/test\?tool=3"))


def test_what_was_chosen_before_the_script_came_stays_chosen(device: Device, site: Site) -> None:
    cast = site.cast
    page = device.open_as("mentor", f"/students/{cast.students_a[2]}/results/{cast.round}/math")
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**/static/guided_page.js*", hold)
    page.goto(f"/students/{cast.students_a[2]}/results/{cast.round}/math/test", wait_until="commit")
    page.locator("form select[name=tool]").select_option("3")
    page.locator("form select[name=language]").select_option("km")
    expect(page.locator("form button[name=assent]").first).to_be_visible()
    # A script that is deferred runs when it is there; until then the page is the server's.
    page.wait_for_function("() => typeof guidedTest !== 'undefined' || document.readyState !== 'loading'")
    assert len(waiting) == 1
    waiting[0].continue_()
    expect(page.locator(".guided form")).to_have_count(0)
    expect(page.locator("select[name=tool]")).to_have_value("3")
    expect(page.locator("select[name=language]")).to_have_value("km")
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".shown-items")).to_contain_text("៦៥ − ៣៨")


def letters_in_ten_seconds(site: Site) -> None:
    """Five letters in ten seconds, of which three must be right."""

    async def change(served: Served) -> None:
        async with served.client("coordinator") as client:
            rules = (await client.get("/api/v1/guided-tests/rules")).json()
            letters = {"items": 5, "needed": 3, "seconds": 10}
            body = {"thresholds": {**rules["thresholds"], "letters": letters}, "follows": rules["version"]}
            answer = await client.post("/api/v1/guided-tests/rules", json=body)
            assert answer.status_code < 300, answer.text

    site.run(change)


def to_the_letters(page: Page) -> None:
    page.get_by_role("button", name="Yes", exact=True).click()
    page.get_by_role("button", name="Not yet").click()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("h2")).to_have_text("Letters")
    expect(page.locator(".guided")).to_contain_text("3 right in 10 seconds are needed")


def test_letters_are_read_against_the_clock_and_what_came_last_is_tapped(device: Device, site: Site) -> None:
    letters_in_ten_seconds(site)
    cast = site.cast
    page = device.open_as(
        "mentor", f"/students/{cast.students_a[4]}/results/{cast.round}/language/test?language=en"
    )
    page.clock.install()
    to_the_letters(page)
    items = page.locator(".timed-item")
    expect(items).to_have_count(5)
    expect(items.first).to_be_disabled()
    page.get_by_role("button", name="Start").click()
    items.nth(1).click()
    expect(items.nth(1)).to_have_attribute("aria-pressed", "true")
    items.nth(2).click()
    items.nth(2).click()  # a slip, taken back
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.clock.run_for(10_500)
    expect(page.locator(".guided")).to_contain_text("The time is over. Tap what the child read last.")
    items.nth(3).click()
    expect(items.nth(4)).to_have_class(re.compile("is-after"))
    page.get_by_role("button", name="Next").click()
    # Four were read and one of them was wrong: three right are enough.
    expect(page.locator(".level-is")).to_have_text("The level is: Letters")
    page.get_by_role("button", name="Save this level").click()
    expect(page.get_by_role("status")).to_contain_text("Letters.")


def test_a_timed_subtest_works_without_a_network_and_tells_its_tool_and_rules(
    browser: Browser, site: Site
) -> None:
    letters_in_ten_seconds(site)
    site.run(nobody_tested)
    phone = Phone(browser, site)
    try:
        page = phone.set_up()
        phone.cut()
        open_grid(page)
        child = page.locator(".grid-row").first.get_attribute("aria-label") or ""
        page.get_by_role("link", name=f"Test {child}").or_(page.get_by_label(f"Test {child}")).first.click()
        page.locator("select[name=language]").select_option("en")
        to_the_letters(page)
        page.get_by_role("button", name="Start").click()
        page.get_by_role("button", name="Everything is read").click()
        page.get_by_role("button", name="Next").click()
        expect(page.locator(".level-is")).to_have_text("The level is: Letters")
        page.get_by_role("button", name="Save this level").click()
        expect(page.locator("#line")).to_contain_text("1 on this phone")
        phone.mend()
        expect(page.locator("#line")).to_contain_text("Everything is on the server", timeout=30_000)
        assert not phone.complaints
    finally:
        phone.close()

    async def kept(served: Served) -> list[dict[str, Any]]:
        async with served.client("teacher") as client:
            found = (await client.get("/api/v1/students", params={"search": child})).json()["items"][0]
            rows = (await client.get(f"/api/v1/students/{found['id']}/results")).json()["items"]
            result = next(
                each for each in rows if each["subject"] == "language" and each["level"] == "letter"
            )
            return (await client.get(f"/api/v1/results/{result['id']}/guided-tests")).json()["tests"]

    (test,) = site.run(kept)[-1:]
    assert test["rules_version"] >= 1
    assert test["tool_version"] >= 1
    assert test["steps"][-1]["items"] == [True] * 5
    assert test["steps"][-1]["took_s"] <= 10
