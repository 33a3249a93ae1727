"""Test tools: the sheets to print, and the editor in which a version is added. What is in use is never changed, only followed."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from flatwater.contract import Html
from rightlevel.programme.permissions import May, Subject
from rightlevel.programme.results import (
    TASKS,
    THRESHOLDS,
    TIMED,
    NewRules,
    Threshold,
    read_guided_rules,
)
from rightlevel.programme.tools import (
    ANSWERED,
    TASKS_OF,
    TOOL_NUMBERS,
    NewTool,
    Tool,
    ToolItem,
    ToolSearch,
    add_tool_version,
    change_guided_rules,
    items_of,
    list_tool_versions,
    list_tools,
    read_tool,
)
from rightlevel.web.feature import Deeds
from rightlevel.web.language import languages_in, name_in
from rightlevel.web.request import CLASS_BODY, ById, Request, actor_of
from rightlevel.web.templating import language_of, render

routes = Deeds("results", "tool")
routes.answers("read_one_tool", "GET /api/v1/tools/{id}", read_tool)
routes.answers(
    "create_one_tool",
    "POST /api/v1/tools",
    add_tool_version,
    NewTool,
    may="create",
    made="/api/v1/tools/{made.id}",
)

IS = " = "
"""Between what a child is shown and its answer, on one line of the editor."""
WHOLE_TEXTS = frozenset({"paragraph", "story"})
"""Tasks that show one text: what is typed is not read line by line."""

LONG = frozenset({"fact_questions", "inference_questions", "word_problem"})
"""Tasks whose items are sentences."""


class ToolForm(msgspec.Struct, frozen=True):
    """What the editor sends: for each task its texts, one a line, with the answer after an equals sign where there is one."""

    subject: Subject
    number: int
    language: str
    follows: int = 0
    paragraph: str = ""
    story: str = ""
    fact_questions: str = ""
    inference_questions: str = ""
    words: str = ""
    letters: str = ""
    subtractions: str = ""
    division: str = ""
    word_problem: str = ""
    numbers_2digit: str = ""
    numbers_1digit: str = ""

    def meant(self) -> NewTool:
        content = {task: _items(task, getattr(self, task)) for task in TASKS_OF[self.subject]}
        return NewTool(
            self.subject, self.number, self.language.strip().lower(), content, follows=self.follows
        )


class ToolBegun(msgspec.Struct, frozen=True):
    """What the editor begins with: a version of a tool, or an empty one of a subject."""

    version_of: int | None = None
    subject: Subject = "language"
    number: int = 1
    language: str = ""


def _items(task: str, text: str) -> list[ToolItem]:
    if task in WHOLE_TEXTS:
        return [ToolItem(text.strip())] if text.strip() else []
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [_item(line) if task in ANSWERED else ToolItem(line) for line in lines]


def _item(line: str) -> ToolItem:
    text, is_, answer = line.rpartition("=")
    return ToolItem(text.strip(), answer.strip()) if is_ else ToolItem(line)


def _typed(items: list[ToolItem]) -> str:
    return "\n".join(f"{item.text}{IS}{item.answer}" if item.answer else item.text for item in items)


@routes.get("/tools", May("read", "tool"), tags=("pages",))
async def tools_page(request: Request) -> Html:
    """The newest version of every tool, by subject and language."""
    tools = await list_tools(request.session, actor_of(request), ToolSearch())
    sets: dict[tuple[str, str], list[Tool]] = {}
    for tool in tools:
        sets.setdefault((tool.subject, tool.language), []).append(tool)
    rows = [
        (subject, language, name_in(request.app.languages, language), found)
        for (subject, language), found in sets.items()
    ]
    return render(request, "tools/list.html", sets=rows)


@routes.get("/tools/new", May("create", "tool"), tags=("pages",))
async def new_tool_page(request: Request, *, query: ToolBegun) -> Html:
    """The editor: a new version, filled with the one that it follows."""
    begun = None
    if query.version_of is not None:
        begun = await read_tool(request.session, actor_of(request), query.version_of)
        query = ToolBegun(begun.id, begun.subject, begun.number, begun.language)
    newest = await list_tools(
        request.session, actor_of(request), ToolSearch(query.subject, query.language or None)
    )
    follows = next((each.version for each in newest if each.number == query.number and query.language), 0)
    rules = await read_guided_rules(request.session, actor_of(request))
    tasks: list[dict[str, Any]] = [
        {
            "name": task,
            "is_text": task in WHOLE_TEXTS,
            "has_answers": task in ANSWERED,
            "needed": rules.thresholds[task].items,
            "value": _typed(begun.content.get(task, [])) if begun is not None else "",
        }
        for task in TASKS_OF[query.subject]
    ]
    known = dict.fromkeys([*languages_in(request.app.languages), *(each.language for each in newest)])
    return render(
        request,
        "tools/form.html",
        begun=begun,
        asked=query,
        follows=follows,
        tasks=tasks,
        numbers=[(each, language_of(request).number(each)) for each in TOOL_NUMBERS],
        tool_languages=[(code, name_in(request.app.languages, code)) for code in known],
    )


routes.sends(
    "post_create_tool",
    "/tools/new",
    add_tool_version,
    ToolForm,
    then="/tools/{made.id}",
    may="create",
    query=ToolBegun,
    body_bytes=CLASS_BODY,
)


ITEMS: Final = tuple(task for task in TASKS if THRESHOLDS[task].most_mistakes is None)
TEXTS: Final = tuple(task for task in TASKS if task not in ITEMS)


def _meant(form: Any) -> NewRules:
    """What a form of the editor means: of a text the mistakes, of everything else how many of how many, and in which time if it is timed."""
    thresholds = {task: Threshold(most_mistakes=getattr(form, f"{task}_mistakes")) for task in TEXTS}
    for task in ITEMS:
        items, needed = getattr(form, f"{task}_items"), getattr(form, f"{task}_needed")
        seconds = getattr(form, f"{task}_seconds") if task in TIMED else None
        thresholds[task] = Threshold(items, needed, seconds=seconds)
    return NewRules(thresholds, form.follows)


_meant.__annotations__ = {"form": Any, "return": NewRules}
RulesForm: Final = msgspec.defstruct(
    "RulesForm",
    [
        ("follows", int),
        *((f"{task}_mistakes", int) for task in TEXTS),
        *((f"{task}_{each}", int) for task in ITEMS for each in ("items", "needed")),
        *((f"{task}_seconds", int | None, None) for task in ITEMS if task in TIMED),
    ],
    namespace={
        "meant": _meant,
        "__doc__": "What passes each task, as people type it: a field for each number.",
    },
    frozen=True,
)
routes.does(
    change_guided_rules,
    NewRules,
    json=("change_rules_of_guided_test", "POST /api/v1/guided-tests/rules"),
    html=("post_change_guided_rules", "/tools/rules"),
    form=RulesForm,
    then="/tools/rules",
    may="create",
    says="A new version of what passes each task of the guided test; a task with `seconds` is a timed subtest.",
)


@routes.get("/tools/rules", May("create", "tool"), tags=("pages",))
async def guided_rules_page(request: Request) -> Html:
    """What passes each task of the guided test, to be changed by a new version."""
    rules = await read_guided_rules(request.session, actor_of(request))
    return render(request, "tools/rules.html", rules=rules, texts=TEXTS, items=ITEMS, timed=TIMED)


@routes.get("/tools/{id}", May("read", "tool"), tags=("pages",))
async def tool_page(request: Request, *, path: ById) -> Html:
    """One version of a tool as a sheet: what the child reads, in large type, and on a page of its own what the tester is told."""
    actor = actor_of(request)
    tool = await read_tool(request.session, actor, path.id)
    rules = await read_guided_rules(request.session, actor)
    versions = await list_tool_versions(request.session, actor, path.id)
    # Just what the screen asks stands on paper too, so that one is as hard as the other.
    parts = [(task, items_of(tool, task, rules.thresholds)) for task in TASKS_OF[tool.subject]]
    return render(
        request,
        "tools/one.html",
        tool=tool,
        language_name=name_in(request.app.languages, tool.language),
        parts=parts,
        thresholds=rules.thresholds,
        versions=versions,
        newest=versions[0],
        long_tasks=LONG,
        whole_texts=WHOLE_TEXTS,
        for_tester=[(task, items) for task, items in parts if task in ANSWERED],
    )
