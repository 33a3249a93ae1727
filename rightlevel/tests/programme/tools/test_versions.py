"""A version of a test tool is added by whoever leads, checked whole, follows the newest, and never changes."""

from __future__ import annotations

import msgspec
import pytest
from people import Cast

from flatwater.queries import read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound
from rightlevel.programme.tools import (
    NewTool,
    Tool,
    ToolFollowed,
    ToolItem,
    ToolSearch,
    add_tool_version,
    ensure_first_tools,
    list_tool_versions,
    list_tools,
    read_tool,
)

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: change
-- Somebody writes over a version.
update test_tool set content = '{}' where id = %(id)s
-- name: audit
-- What the audit says of tools.
select action, person_id, outcome from audit_entry where resource = 'tool' and resource_id = %(id)s::text
""",
    origin="test_versions.py",
)


class Said(msgspec.Struct, frozen=True):
    action: str
    person_id: int
    outcome: str


async def first(session: Session, cast: Cast, subject: str = "math", language: str = "en") -> Tool:
    await ensure_first_tools(session)
    tools = await list_tools(session, cast.coordinator, ToolSearch(subject, language))  # type: ignore[arg-type]
    return next(each for each in tools if each.number == 1)


def following(tool: Tool, **changed: list[ToolItem]) -> NewTool:
    content = {**tool.content, **changed}
    return NewTool(tool.subject, tool.number, tool.language, content, follows=tool.version)


async def test_a_version_follows_the_newest_and_is_what_is_tested_with_next(
    session: Session, cast: Cast
) -> None:
    tool = await first(session, cast)
    sums = [ToolItem("71 − 25", "46"), ToolItem("83 − 47", "36")]
    added = await add_tool_version(session, cast.coordinator, following(tool, subtractions=sums))
    assert (added.version, added.content["subtractions"]) == (tool.version + 1, sums)
    newest = await first(session, cast)
    assert newest == added
    assert await read_tool(session, cast.teacher, tool.id) == tool, "the earlier one stays as it was"
    versions = await list_tool_versions(session, cast.teacher, tool.id)
    assert [each.id for each in versions] == [added.id, tool.id]
    said = await session.fetch_all(QUERIES["audit"], {"id": added.id}, into=Said)
    assert said == [Said("create", cast.coordinator.person_id, "done")]


async def test_a_tool_in_a_language_of_its_own_begins_with_version_one(session: Session, cast: Cast) -> None:
    tool = await first(session, cast)
    added = await add_tool_version(
        session, cast.admin, msgspec.structs.replace(following(tool), language="vi", follows=0)
    )
    assert (added.language, added.version) == ("vi", 1)


async def test_only_whoever_leads_adds_a_version(session: Session, cast: Cast) -> None:
    tool = await first(session, cast)
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await add_tool_version(session, actor, following(tool))


@pytest.mark.parametrize(
    ("changed", "field", "rule"),
    [
        ({"subtractions": [ToolItem("71 − 25", "46")]}, "subtractions", "Between 2 and 20 items"),
        ({"subtractions": []}, "subtractions", "Between 2 and 20 items"),
        ({"subtractions": [ToolItem("7 − 2", "5")] * 2}, "subtractions", "The same text stands here twice"),
        (
            {"numbers_1digit": [ToolItem(each) for each in ("1", "2", "3", "4", " 4 ")]},
            "numbers_1digit",
            "The same text stands here twice",
        ),
        ({"division": [ToolItem("96 ÷ 4")]}, "division", "Each needs its answer"),
        ({"division": [ToolItem("x" * 1_001, "24")]}, "division", "Between 1 and 1000 characters"),
        (
            {"division": [ToolItem("96 ÷ 4", "2" * 201)]},
            "division",
            "An answer has at most 200 characters",
        ),
        ({"dance": [ToolItem("x")]}, "dance", "There is no such task"),
    ],
)
async def test_what_can_not_be_tested_with_is_refused(
    session: Session, cast: Cast, changed: dict[str, list[ToolItem]], field: str, rule: str
) -> None:
    tool = await first(session, cast)
    with pytest.raises(Invalid) as refused:
        await add_tool_version(session, cast.coordinator, following(tool, **changed))
    assert (field, rule) in [(each.field, each.rule) for each in refused.value.faults]


async def test_two_tools_do_not_share_a_paragraph_or_story(session: Session, cast: Cast) -> None:
    tool = await first(session, cast, "language")
    others = await list_tools(session, cast.coordinator, ToolSearch("language", "en"))
    other = next(each for each in others if each.number == 2)
    with pytest.raises(Invalid) as refused:
        await add_tool_version(session, cast.coordinator, following(tool, story=other.content["story"]))
    assert [each.field for each in refused.value.faults] == ["story"]
    two = [ToolItem("One text."), ToolItem("Another text.")]
    with pytest.raises(Invalid):
        await add_tool_version(session, cast.coordinator, following(tool, paragraph=two))
    again = await add_tool_version(session, cast.coordinator, following(tool))
    assert again.version == tool.version + 1, "its own text it keeps"


@pytest.mark.parametrize(
    "other", [{"number": 5}, {"number": 0}, {"language": "Khmer"}, {"language": "k"}], ids=str
)
async def test_number_and_language_are_as_tools_have_them(
    session: Session, cast: Cast, other: dict[str, object]
) -> None:
    tool = await first(session, cast)
    with pytest.raises(Invalid) as refused:
        await add_tool_version(
            session, cast.coordinator, msgspec.structs.replace(following(tool), follows=0, **other)
        )
    assert [each.field for each in refused.value.faults] == list(other)


async def test_a_version_that_somebody_followed_meanwhile_is_not_followed_again(
    session: Session, cast: Cast
) -> None:
    tool = await first(session, cast)
    await add_tool_version(session, cast.coordinator, following(tool))
    with pytest.raises(ToolFollowed):
        await add_tool_version(session, cast.admin, following(tool))


async def test_a_version_never_changes(session: Session, cast: Cast) -> None:
    tool = await first(session, cast)
    with pytest.raises(ConstraintViolated) as refused:
        await session.execute(QUERIES["change"], {"id": tool.id})
    assert refused.value.constraint == "test_tool_is_kept"


async def test_a_tool_that_is_not_there_is_not_found(session: Session, cast: Cast) -> None:
    with pytest.raises(NotFound):
        await list_tool_versions(session, cast.teacher, 999_999)
