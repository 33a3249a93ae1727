"""What is asked about tools; the first ones are published when the platform starts."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.tools import store
from rightlevel.programme.tools.model import Content, Tool, ToolSearch


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
