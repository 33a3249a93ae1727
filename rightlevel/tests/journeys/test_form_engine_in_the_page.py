"""The form's engine in the page says what the server's says, and asks on without a signal."""

from __future__ import annotations

import json
from datetime import date
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import pytest
from journey import Device, Site
from playwright.sync_api import Locator, Page, Route, expect

from rightlevel.programme.forms.definition import Field, Form, Option, Section
from rightlevel.programme.forms.engine import examine
from rightlevel.programme.forms.expressions import is_true
from rightlevel.programme.forms.first_form import first_visit_form
from rightlevel.programme.forms.page_rules import rules_of

pytestmark = pytest.mark.browser

KEYS = ("a", "b", "c", "constructor", "e", "f", "g", "h")
VALUES: dict[str, tuple[Any, ...]] = {
    "yes_no": (True, False),
    "yes_no_unknown": (True, False, "unknown"),
    "choice": ("x", "y", "unknown"),
    "note": ("x",),
    "choices": (["x"], ["x", "y"], ["y"], []),
    "number": (0, 1, 2, 2.5),
    "text": ("", "x", "1", "ខ្មែរ"),
    "gps": ({"lat": 1.0, "lon": 2}, {"lat": 1.5, "lon": 2}),
}
ASKED_TYPES = (*VALUES, "choices")
CASES = 900
DAY = date(2026, 3, 2)


class Dice:
    """Forms and answers of every shape, the same every time."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def condition(self, depth: int = 0) -> Any:
        pick, key = self.random.random(), self.random.choice(KEYS)
        if depth < 3 and pick < 0.3:
            joint = self.random.choice(("and", "or"))
            return [joint, *(self.condition(depth + 1) for _ in range(self.random.randint(1, 3)))]
        if depth < 3 and pick < 0.4:
            return ["not", self.condition(depth + 1)]
        if pick < 0.5:
            return self.random.choice((True, False))
        if pick < 0.55:
            return ["answered", key]
        if pick < 0.75:
            return ["has", key, self.random.choice(("x", "y"))]
        operator = self.random.choice(("eq", "ne", "lt", "le", "gt", "ge"))
        value: Any = self.random.choice((True, False, 0, 1, 2, 2.5, "x", "1", "ខ្មែរ"))
        if self.random.random() < 0.3 or (operator not in ("eq", "ne") and isinstance(value, bool | str)):
            value = ["answer", self.random.choice(KEYS)]
        return [operator, key, value]

    def maybe(self) -> Any:
        return self.condition() if self.random.random() < 0.6 else None

    def field(self, key: str, *, may_repeat: bool) -> Field:
        kind: Any = "group" if may_repeat and self.random.random() < 0.25 else self.random.choice(ASKED_TYPES)
        inner = tuple(self.field(each, may_repeat=False) for each in KEYS[4:7]) if kind == "group" else ()
        options = tuple(Option(each, {}, self.maybe()) for each in ("x", "y")) if kind == "choices" else ()
        return Field(
            key,
            kind,
            {},
            {},
            options,
            self.maybe(),
            self.maybe(),
            repeat=3 if inner else 1,
            is_given=not inner and self.random.random() < 0.1,
            fields=inner,
        )

    def form(self) -> Form:
        sections = (
            Section(
                f"s{number}",
                {},
                tuple(self.field(each, may_repeat=True) for each in KEYS[number * 4 :][:4]),
                self.maybe(),
            )
            for number in range(2)
        )
        return Form("any", 1, ("en",), tuple(sections))

    def answers(self, form: Form) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in form.fields():
            if field.fields:
                rows = range(self.random.randint(0, 3))
                found[field.key] = [
                    {each.key: self.random.choice(VALUES[each.type]) for each in field.fields} for _ in rows
                ]
            elif self.random.random() < 0.8:
                found[field.key] = self.random.choice(VALUES[field.type])
        return found


def by_the_server(form: Form, answers: dict[str, Any]) -> dict[str, list[str]]:
    found = examine(form, answers)
    return {
        "shown": sorted(found.shown),
        "required": sorted(found.required),
        "missing": sorted(found.missing),
    }


def by_the_page(page: Page, cases: list[tuple[Form, dict[str, Any]]]) -> list[dict[str, list[str]]]:
    page.add_script_tag(content=files("rightlevel.web").joinpath("static/form_engine.js").read_text("utf-8"))
    return page.evaluate(
        """(cases) => cases.map(([rules, answers]) => {
            const found = formEngine.examine(rules, answers);
            return Object.fromEntries(["shown", "required", "missing"].map((each) => [each, [...found[each]].sort()]));
        })""",
        [[rules_of(form, answers, DAY), answers] for form, answers in cases],
    )


def test_both_engines_agree_on_forms_of_every_shape(device: Device) -> None:
    dice = Dice(23)
    cases = [(form, dice.answers(form)) for form in (dice.form() for _ in range(CASES))]
    expected = [by_the_server(form, answers) for form, answers in cases]
    assert sum(bool(each["missing"]) for each in expected) > CASES / 10
    page = device.open()
    page.goto("about:blank")
    for (form, answers), server, there in zip(cases, expected, by_the_page(page, cases), strict=True):
        assert there == server, (form, answers)


def test_both_engines_calculate_the_same(device: Device) -> None:
    cases = json.loads((Path(__file__).parents[1] / "programme/forms/calculations.json").read_text("utf-8"))
    page = device.open()
    page.goto("about:blank")
    page.add_script_tag(content=files("rightlevel.web").joinpath("static/form_engine.js").read_text("utf-8"))
    there = page.evaluate(
        """(cases) => cases.map(({ calculation, answers }) => {
            const given = Object.keys(answers).map((key) => ({ key, type: "text" }));
            const fields = [...given, { key: "made", type: "calculated", calculation }];
            return formEngine.examine({ sections: [{ key: "s", fields }] }, answers).calculated.get("made") ?? null;
        })""",
        cases,
    )
    assert there == [case["value"] for case in cases]


def test_the_page_tells_what_does_not_fit_by_day_and_by_simple_patterns(device: Device) -> None:
    fields = (
        Field("day", "date", {"en": "Day"}, valid_when=["le", "day", ["today"]]),
        Field("code", "text", {"en": "Code"}, pattern="^[A-Z]{2}[0-9]+$"),
        Field("hard", "text", {"en": "Hard"}, pattern="^(a+)+$"),
    )
    form = Form("any", 1, ("en",), (Section("s", {"en": "S"}, fields),))
    page = device.open()
    page.goto("about:blank")
    page.add_script_tag(content=files("rightlevel.web").joinpath("static/form_engine.js").read_text("utf-8"))
    for answers, wrong in (
        ({"day": "2026-03-02", "code": "AB1", "hard": "b"}, []),
        ({"day": "2026-03-03", "code": "AB"}, ["code", "day"]),
    ):
        there = page.evaluate(
            "([rules, answers]) => [...formEngine.examine(rules, answers).invalid].sort()",
            [rules_of(form, answers, DAY), answers],
        )
        assert there == wrong


def test_both_engines_agree_on_which_choices_are_offered(device: Device) -> None:
    form = first_visit_form()
    answers: dict[str, Any] = {"subject": "math", "session_ran": True, "activities": [{}]}
    page = device.open()
    page.goto("about:blank")
    page.add_script_tag(content=files("rightlevel.web").joinpath("static/form_engine.js").read_text("utf-8"))
    there = page.evaluate(
        "([rules, answers]) => [...formEngine.examine(rules, answers).hidden].sort()",
        [rules_of(form, answers, DAY), answers],
    )
    asked = {field.key: field for field in form.fields()}
    inside = {f"activities.0.{field.key}": field for field in asked["activities"].fields}
    assert there == sorted(
        f"{path}={option.value}"
        for path, field in {**asked, **inside}.items()
        for option in field.options
        if not is_true(option.shown_when, answers)
    )
    assert len(there) > 20


def begin_visit(device: Device, site: Site) -> Page:
    """A draft of a visit, open on a mentor's phone."""
    page = device.open_as("mentor", f"/visits/new?school_id={site.cast.school_a}")
    page.locator("#f-subject label.chip").filter(has_text="Math").click()
    page.get_by_role("button", name="Begin").click()
    expect(question(page, "session_ran")).to_be_visible()
    return page


def question(page: Page, path: str) -> Locator:
    return page.locator(f'[data-asked="{path}"]')


def answer(page: Page, path: str, value: str) -> None:
    question(page, path).locator(f'label.chip:has(input[value="{value}"])').click()


def without_signal(device: Device) -> None:
    """What a browser says of requests that found no network is no complaint here."""
    lost = ("net::ERR_INTERNET_DISCONNECTED", "net::ERR_FAILED", "htmx:sendError", "htmx:afterRequest")
    device.complaints[:] = [each for each in device.complaints if not any(word in each for word in lost)]


def test_a_form_asks_on_without_a_signal_and_is_saved_when_there_is_one(device: Device, site: Site) -> None:
    page = begin_visit(device, site)
    page.context.set_offline(True)
    answer(page, "session_ran", "no")
    expect(question(page, "not_ran_reason")).to_be_visible()
    expect(question(page, "enrolled")).to_be_hidden()
    expect(page.locator("#saved")).to_contain_text("Not saved yet")
    answer(page, "session_ran", "yes")
    expect(question(page, "not_ran_reason")).to_be_hidden()
    expect(question(page, "activities.0")).to_be_visible()
    expect(question(page, "activities.1")).to_be_hidden()
    question(page, "activities.0.minutes").locator("input").fill("២០")
    expect(question(page, "activities.1")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#saved")).to_contain_text("Saved.")
    page.reload()
    assert question(page, "activities.0.minutes").locator("input").input_value() == "20"
    without_signal(device)


def test_what_arrived_though_no_answer_came_is_gone_on_from(device: Device, site: Site) -> None:
    page = begin_visit(device, site)
    reached: list[str] = []

    def lose_the_answer(route: Route) -> None:
        reached.append(route.request.post_data or "")
        route.fetch()
        route.abort()

    page.route("**/visits/*", lose_the_answer, times=1)
    answer(page, "session_ran", "no")
    expect(page.locator("#saved")).to_contain_text("Not saved yet")
    question(page, "not_ran_reason").locator("input, textarea, select").last.fill("Holiday")
    with page.expect_navigation():
        page.get_by_role("button", name="Send the visit").click()
    expect(page.get_by_role("status").first).to_contain_text("The visit is sent.")
    assert len(reached) == 1
    without_signal(device)


def test_what_is_answered_before_the_scripts_have_come_is_saved(device: Device, site: Site) -> None:
    page = begin_visit(device, site)
    held: list[Route] = []
    page.route("**/htmx.min*", lambda route: held.append(route))
    page.goto(page.url, wait_until="commit")
    answer(page, "session_ran", "no")
    expect(question(page, "session_ran")).to_be_visible()
    held[0].continue_()
    expect(page.locator("#saved")).to_contain_text("Saved.")
    expect(question(page, "not_ran_reason")).to_be_visible()
    page.unroute("**/htmx.min*")
    page.reload()
    expect(question(page, "not_ran_reason")).to_be_visible()
    expect(page.locator("#saved")).not_to_contain_text("Saved.")  # nothing was touched, so nothing is sent
