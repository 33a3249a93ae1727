"""Test tools: what a child is shown in the guided test, four a subject in each language of teaching, in versions that never change.

Public: `list_tools`, `read_tool`, `list_tool_versions`, `add_tool_version`, `ensure_first_tools`, `change_guided_rules`; `Tool`, `NewTool`, `ToolVersion`, `ToolItem`,
`ToolSearch`, `ToolFollowed`; `TASKS_OF`, `ANSWERED`, `items_of`.
"""

from rightlevel.programme.tools.actions import (
    ToolFollowed,
    add_tool_version,
    change_guided_rules,
    ensure_first_tools,
    list_tool_versions,
    list_tools,
    read_tool,
)
from rightlevel.programme.tools.model import (
    ANSWERED,
    TASKS_OF,
    TOOL_NUMBERS,
    NewTool,
    Tool,
    ToolItem,
    ToolSearch,
    ToolVersion,
    items_of,
)

__all__ = [
    "ANSWERED",
    "TASKS_OF",
    "TOOL_NUMBERS",
    "NewTool",
    "Tool",
    "ToolFollowed",
    "ToolItem",
    "ToolSearch",
    "ToolVersion",
    "add_tool_version",
    "change_guided_rules",
    "ensure_first_tools",
    "items_of",
    "list_tool_versions",
    "list_tools",
    "read_tool",
]
