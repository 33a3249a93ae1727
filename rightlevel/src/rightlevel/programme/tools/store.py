"""The only file that knows the columns of test_tool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.permissions import Subject
from rightlevel.programme.tools.model import Content, NewTool, Tool, ToolSearch, ToolVersion

_queries = load_queries(__package__ or "")
MOST_TOOLS = 200
MOST_VERSIONS = 100
"""Of one tool's history are shown, the newest."""


class _Row(msgspec.Struct, frozen=True):
    id: int
    subject: Subject
    number: int
    language: str
    version: int
    content: Any

    @property
    def tool(self) -> Tool:
        content = msgspec.convert(self.content, Content)
        return Tool(self.id, self.subject, self.number, self.language, self.version, content=content)


class ToPublish(Protocol):
    """What is published of a tool."""

    @property
    def subject(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def language(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def content(self) -> Content: ...


async def publish_first(session: Session, tools: Sequence[ToPublish]) -> int:
    values = {
        "subjects": [each.subject for each in tools],
        "numbers": [each.number for each in tools],
        "languages": [each.language for each in tools],
        "versions": [each.version for each in tools],
        "contents": [msgspec.json.encode(each.content).decode() for each in tools],
    }
    return await session.execute(_queries["publish_first_tools"], values)


async def newest_tools(session: Session, asked: ToolSearch) -> list[Tool]:
    values = {"subject": asked.subject, "language": asked.language, "rows": MOST_TOOLS}
    return [row.tool for row in await session.fetch_all(_queries["newest_tools"], values, into=_Row)]


async def find_tool(session: Session, tool_id: int) -> Tool | None:
    found = await session.fetch_one(_queries["find_tool"], {"tool_id": tool_id}, into=_Row)
    return None if found is None else found.tool


async def versions_of(session: Session, tool: Tool) -> list[ToolVersion]:
    values = {
        "subject": tool.subject,
        "language": tool.language,
        "number": tool.number,
        "rows": MOST_VERSIONS,
    }
    return await session.fetch_all(_queries["list_tool_versions"], values, into=ToolVersion)


async def insert_tool(session: Session, new: NewTool, version: int, content: Content) -> int:
    values = {
        "subject": new.subject,
        "number": new.number,
        "language": new.language,
        "version": version,
        "content": msgspec.json.encode(content).decode(),
    }
    return cast("int", await session.fetch_value(_queries["insert_tool"], values))
