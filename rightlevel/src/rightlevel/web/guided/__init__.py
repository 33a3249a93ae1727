"""The guided test as a page: it shows what the child reads, asks what the child did, and proposes the level. Also the tools it shows.

Where a test stands is in the address, so that it works without any script and the browser's own button goes one step back. With a script
the same test runs in the page without a word to the server until the level is confirmed.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.levels import SCALES, Scale, scale_of_round
from rightlevel.programme.permissions import May
from rightlevel.programme.results import (
    TASKS,
    GuidedRules,
    ResultAnswer,
    ResultWrite,
    Standing,
    Step,
    class_sheet,
    enter_results,
    next_in_guided_test,
    read_guided_rules,
)
from rightlevel.programme.schools import read_school
from rightlevel.programme.tools import TOOL_NUMBERS, Tool, ToolSearch, items_of, list_tools
from rightlevel.web.language import N_, Language, name_in
from rightlevel.web.request import Request, actor_of
from rightlevel.web.results.entry import Entry, ResultPath, entry_of, refusal_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.words import level_name, word
from rightlevel.web.work import day_in_round, grid_address, group_of, is_exercise_due

routes = Routes("pages")

CLASS_ROWS = PageRequest(100)
LONGEST_STEPS = 4_000
_encoder = msgspec.json.Encoder()


class TestWanted(msgspec.Struct, frozen=True):
    """Where a test stands: tool, language, assent and the steps so far; with `task`, what the child did at it just now."""

    tool: int | None = None
    language: str = ""
    assent: str = ""
    steps: str = ""
    task: str = ""
    fluent: str = ""
    mistakes: int | None = None
    right: list[int] = []


class LevelForm(msgspec.Struct, frozen=True):
    """The level that was proposed and is confirmed, with the steps that lead to it; or that the child did not want to be tested."""

    tested_on: date
    steps: str = ""
    level: str = ""
    tool: int | None = None
    language: str = ""
    assent: str = ""
    version: int | None = None
    rules: int | None = None
    tool_id: int | None = None
    write_id: str = ""


class Test(Entry, frozen=True):
    """Whose test it is, with which tool."""

    tool: Tool
    tools: list[Tool]
    rules: GuidedRules

    @property
    def scale(self) -> Scale:
        """What the round is measured by."""
        return scale_of_round(self.round.id, self.subject)

    @property
    def test_address(self) -> str:
        """Where it is run on the screen."""
        return f"{self.address}/test"


class Tools(msgspec.Struct, frozen=True):
    """The newest version of each tool."""

    tools: list[Tool]


@routes.get("/api/v1/tools", May("read", "tool"), tags=("results",))
async def list_test_tools(request: Request, *, query: ToolSearch) -> Tools:
    """What the guided test shows: the newest version of each tool, of a subject and language if told."""
    return Tools(await list_tools(request.session, actor_of(request), query))


@routes.get("/api/v1/guided-tests/rules", May("enter", "result"), tags=("results",))
async def read_rules_of_guided_test(request: Request) -> GuidedRules:
    """The guided test as data, for a device that runs it by itself: what comes first and next, and what passes each task."""
    return await read_guided_rules(request.session, actor_of(request))


async def _test(request: Request, path: ResultPath, number: int | None, language: str) -> Test:
    """*Errors*: NotFound, OutOfScope, Invalid for a tool that there is none of. *Cost*: six statements."""
    actor = actor_of(request)
    entry = await entry_of(request, path)
    tools = await list_tools(request.session, actor, ToolSearch(entry.subject))
    wanted = [each for each in tools if each.language == (language or language_of(request).code)]
    tool = next((each for each in wanted or tools if each.number == (number or 1)), None)
    if tool is None:
        raise Invalid(faults=(Fault("tool", N_("Please choose one of these"), str(number)[:20]),))
    rules = await read_guided_rules(request.session, actor, round_id=entry.round.id)
    return Test(**msgspec.structs.asdict(entry), tool=tool, tools=tools, rules=rules)


def _steps_of(text: str) -> list[Step]:
    """The steps in an address or form. *Errors*: Invalid."""
    if not text:
        return []
    try:
        if len(text) > LONGEST_STEPS:
            raise ValueError(len(text))
        return msgspec.json.decode(text, type=list[Step])
    except (ValueError, msgspec.DecodeError) as error:
        text = N_("The steps of this test can’t be read. Please begin again")
        raise Invalid(faults=(Fault("steps", text),)) from error


def _steps_text(steps: list[Step]) -> str:
    kept = [
        {name: value for name, value in msgspec.structs.asdict(each).items() if value is not None}
        for each in steps
    ]
    return _encoder.encode(kept).decode() if kept else ""


def _step_done(asked: TestWanted, rules: GuidedRules) -> Step | None:
    """What the address says that the child did just now."""
    threshold = rules.thresholds.get(asked.task)
    if threshold is None:
        return None
    if threshold.most_mistakes is not None:
        return Step(asked.task, mistakes=asked.mistakes or 0, is_fluent=asked.fluent == "yes")
    items = [number in asked.right for number in range(threshold.items)]
    return Step(asked.task, right=sum(items), items=items)


@routes.get("/students/{id}/results/{round_id}/{subject}/test", May("enter", "result"))
async def guided_test_page(request: Request, *, path: ResultPath, query: TestWanted) -> Html:
    """The next task of a child's test, or the level it leads to; before anything else whether the child agrees."""
    test = await _test(request, path, query.tool, query.language)
    steps = _steps_of(query.steps)
    step = _step_done(query, test.rules)
    steps = [*steps, step] if step is not None else steps
    standing = await next_in_guided_test(
        request.session, actor_of(request), test.subject, steps, round_id=test.round.id
    )
    return render(request, "guided/test.html", **await _values(request, test, query, steps, standing))


async def _values(
    request: Request, test: Test, asked: TestWanted, steps: list[Step], standing: Standing
) -> dict[str, Any]:
    actor = actor_of(request)
    task = standing.next_task
    school = await read_school(request.session, actor, test.student.school_id)
    chosen = {"tool": test.tool.number, "language": test.tool.language, "assent": asked.assent}
    return {
        "test": test,
        "student": test.student,
        "school": school,
        "exercise_is_due": await is_exercise_due(request, school, test.subject),
        "scale": test.scale,
        "may_enter": not test.is_held,
        "tool_numbers": [(each, language_of(request).number(each)) for each in TOOL_NUMBERS],
        "tool_languages": _languages(request, test.tools),
        "chosen": chosen,
        "assent": asked.assent,
        "steps": steps,
        "steps_text": _steps_text(steps),
        "standing": standing,
        "task": task,
        "tested_level": test.rules.after[task].tests if task is not None else None,
        "items": items_of(test.tool, task, test.rules.thresholds) if task is not None else [],
        "back": _address(test, {**chosen, "steps": _steps_text(steps[:-1])}) if steps else None,
        "on": day_in_round(request, test.round),
        "grid": _grid_of(test),
        "was": test.was,
        "script": _encoder.encode(_for_script(request, test, asked, steps)).decode().replace("<", "\\u003c"),
    }


def _languages(request: Request, tools: list[Tool]) -> list[tuple[str, str]]:
    codes = dict.fromkeys(each.language for each in tools)
    return [(code, name_in(request.app.languages, code)) for code in codes]


def _address(test: Test, query: dict[str, Any]) -> str:
    return f"{test.test_address}?{urlencode({name: value for name, value in query.items() if value})}"


def _for_script(request: Request, test: Test, asked: TestWanted, steps: list[Step]) -> dict[str, Any]:
    """What the page's script runs the test with, from where it stands."""
    return {
        "address": test.test_address,
        "assent": asked.assent == "yes",
        "steps": steps,
        "subject": test.subject,
        "tools": test.tools,
        "tool": test.tool.number,
        "language": test.tool.language,
        "languages": dict(_languages(request, test.tools)),
        "rules": test.rules,
        "words": guided_words(language_of(request), test.scale),
        "levels": [[each.rank, each.code] for each in test.scale],
    }


def guided_words(language: Language, *scales: Scale) -> dict[str, Any]:
    """The texts that a script of the guided test shows, in one language; levels are named as these scales do, else as the program's own."""
    _ = language.gettext
    return {
        "task": {each: _(word("task", each)) for each in TASKS},
        "asks": {each: _(word("task_asks", each)) for each in TASKS},
        "level": {
            each.code: level_name(language, each) for scale in (*SCALES.values(), *scales) for each in scale
        },
        "agrees": _("Does the child agree to be tested?"),
        "yes": _("Yes"),
        "refuses": _("No, the child does not want to"),
        "tool": _("Tool"),
        "tool_language": _("Language of the tool"),
        "mistakes": _("Mistakes"),
        "fewer": _("One mistake less"),
        "more": _("One mistake more"),
        "fluent": _("Reads it like sentences"),
        "not_yet": _("Not yet"),
        "needed": _("{needed} of {items} are needed"),
        "most": _("At most {most} mistakes"),
        "right_so_far": _("{right} of {items} right"),
        "timed": _("{needed} right in {seconds} seconds are needed"),
        "start": _("Start"),
        "stop": _("Everything is read"),
        "time_over": _("The time is over. Tap what the child read last."),
        "tap_wrong": _("Tap each one that is wrong."),
        "seconds_left": _("{n} s"),
        "next": _("Next"),
        "back": _("Back one step"),
        "step": _("Step {number}"),
        "level_is": _("The level is: {level}"),
        "save": _("Save this level"),
        "save_refused": _("Save: the child refused"),
        "answer": _("Answer: {answer}"),
    }


@routes.post("/students/{id}/results/{round_id}/{subject}/test", May("enter", "result"))
async def save_guided_test(request: Request, *, path: ResultPath, form: LevelForm) -> Redirect:
    """Saves the level that the steps lead to, and goes on to the next child of the class that was not tested yet."""
    test = await _test(request, path, form.tool, form.language)
    is_refused = form.assent == "no"
    write = ResultWrite(
        form.write_id or time_ordered_id(),
        path.id,
        test.round.id,
        test.subject,
        form.tested_on,
        outcome="refused" if is_refused else "assessed",
        level=None if is_refused else form.level,
        tool=None if is_refused else test.tool.number,
        assent=not is_refused,
        method="guided",
        version=form.version,
        steps=[] if is_refused else _steps_of(form.steps),
        tool_id=None if is_refused else form.tool_id,
        rules_version=None if is_refused else form.rules,
    )
    (answer,) = await enter_results(request.session, actor_of(request), [write], request.clock)
    if not answer.is_saved:
        raise refusal_of(answer)
    return done(request, await _next_address(request, test), _told(request, test, form, answer))


def _told(request: Request, test: Test, form: LevelForm, answer: ResultAnswer) -> str:
    _ = language_of(request).gettext
    if form.assent == "no":
        return _("Saved: {name} did not want to be tested.", name=test.student.name)
    level = level_name(language_of(request), form.level, test.scale)
    if "no_baseline" in answer.warnings:
        return _("Saved: {name}, {level}. This child has no baseline.", name=test.student.name, level=level)
    return _("Saved: {name}, {level}.", name=test.student.name, level=level)


def _grid_of(test: Test) -> str:
    """The grid of the child's class."""
    return grid_address(test.student.school_id, test.round.id, test.subject, group_of(test.student))


async def _next_address(request: Request, test: Test) -> str:
    """The test of the next child of the class without a result; the class grid when there is none. *Cost*: one statement."""
    student = test.student
    sheet = await class_sheet(
        request.session,
        actor_of(request),
        CLASS_ROWS,
        school_id=student.school_id,
        round_id=test.round.id,
        subject=test.subject,
        class_id=student.class_id,
        grade=None if student.class_id is not None else student.grade,
    )
    to_do = [row.student_id for row in sheet.items if row.outcome is None and row.student_id != student.id]
    if not to_do:
        return _grid_of(test)
    ids = [row.student_id for row in sheet.items]
    here = ids.index(student.id) if student.id in ids else -1
    following = next((each for each in ids[here + 1 :] if each in to_do), to_do[0])
    address = f"/students/{following}/results/{test.round.id}/{test.subject}/test"
    return f"{address}?{urlencode({'tool': test.tool.number, 'language': test.tool.language})}"
