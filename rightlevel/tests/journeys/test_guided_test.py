"""The guided test in its page: with a script it runs there, and every way through it leads to the level that the server says."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import msgspec
import pytest
from journey import Device, Site
from playwright.sync_api import Route, expect

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
