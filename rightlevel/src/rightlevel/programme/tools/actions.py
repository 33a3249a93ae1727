"""What is asked about tools, and how a version is added; the first ones are published when the platform starts."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.results import GuidedRules, NewRules, add_guided_rules, read_guided_rules
from rightlevel.programme.scales import needed_items
from rightlevel.programme.tools import store
from rightlevel.programme.tools.model import (
    Content,
    NewTool,
    Tool,
    ToolItem,
    ToolSearch,
    ToolVersion,
    tool_faults,
)

MOST_FAULTS = 20


class ToolFollowed(Conflict):
    """There is a newer version of this tool than the one that this follows. Look at it first."""

    code = "tool_followed"


class FirstTool(msgspec.Struct, frozen=True):
    """A tool that comes with the program. All texts were written for this project."""

    subject: str
    number: int
    language: str
    version: int
    content: Content


@cache
def first_tools() -> tuple[FirstTool, ...]:
    """The tools that come with the program: four a subject, in English and Khmer."""
    text = files("rightlevel.programme.tools").joinpath("first_tools.json").read_bytes()
    return tuple(msgspec.json.decode(text, type=list[FirstTool]))


async def ensure_first_tools(session: Session) -> int:
    """Publishes the tools that come with the program where they are not there yet; how many it did. *Cost*: one statement."""
    return await store.publish_first(session, first_tools())


async def list_tools(session: Session, actor: Actor, asked: ToolSearch) -> list[Tool]:
    """The newest version of each tool, by subject, language and number. *Cost*: one statement, at most 200 rows."""
    require(actor, "read", "tool")
    return await store.newest_tools(session, asked)


async def read_tool(session: Session, actor: Actor, tool_id: int) -> Tool:
    """One version of a tool, also one that a newer has followed. *Errors*: NotFound. *Cost*: one statement."""
    require(actor, "read", "tool")
    found = await store.find_tool(session, tool_id)
    if found is None:
        raise NotFound
    return found


async def list_tool_versions(session: Session, actor: Actor, tool_id: int) -> list[ToolVersion]:
    """The versions of the tool that this is one of, the newest first, at most 100. *Errors*: NotFound. *Cost*: two statements."""
    tool = await read_tool(session, actor, tool_id)
    return await store.versions_of(session, tool)


async def add_tool_version(session: Session, actor: Actor, new: NewTool) -> Tool:
    """A new version of a tool, which follows the newest; the first one of a tool that there is none of yet. Earlier versions stay as they are.

    *Errors*: Invalid with every fault; ToolFollowed when a newer one than it follows is there. *Cost*: five statements.
    """
    require(actor, "create", "tool")
    others = await list_tools(session, actor, ToolSearch(new.subject, new.language))
    rules = await read_guided_rules(session, actor, is_general=True)
    if faults := tool_faults(new, needed_items(new.subject, rules.thresholds), others):
        raise Invalid(faults=tuple(faults))
    newest = max((each.version for each in others if each.number == new.number), default=0)
    if newest != new.follows:
        raise ToolFollowed
    try:
        tool_id = await store.insert_tool(session, new, newest + 1, _trimmed(new.content))
    except ConstraintViolated as error:
        # Two add one at the same moment: the second has not seen the first.
        if error.constraint == "test_tool_is_unique":
            raise ToolFollowed from error
        raise
    tool = await read_tool(session, actor, tool_id)
    told = {
        "subject": tool.subject,
        "number": tool.number,
        "language": tool.language,
        "version": tool.version,
    }
    await write_audit(session, actor, "create", "tool", tool.id, after=told)
    return tool


def _trimmed(content: Content) -> Content:
    return {
        task: [ToolItem(item.text.strip(), item.answer.strip()) for item in items]
        for task, items in content.items()
    }


async def change_guided_rules(session: Session, actor: Actor, new: NewRules) -> GuidedRules:
    """A new version of what passes each task, for which the newest version of every tool has enough to show.

    *Errors*: those of `add_guided_rules`; Invalid naming the tools that show too little: add a version of each first. *Cost*: five statements.
    """
    require(actor, "create", "tool")
    faults: list[Fault] = []
    for tool in await list_tools(session, actor, ToolSearch()):
        for task, items in tool.content.items():
            threshold = new.thresholds.get(task)
            if threshold is not None and threshold.most_mistakes is None and len(items) < threshold.items:
                called = f"{tool.subject} {tool.language} {tool.number}"
                faults.append(Fault(task, f"Tool {called} shows {len(items)}: add a version of it first"))
    if faults:
        raise Invalid(faults=tuple(faults[:MOST_FAULTS]))
    return await add_guided_rules(session, actor, new)
