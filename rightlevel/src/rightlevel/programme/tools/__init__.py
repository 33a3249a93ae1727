"""Test tools: what a child is shown in the guided test, four a subject in each language of teaching, in versions that never change.

Public: `list_tools`, `read_tool`, `ensure_first_tools`; `Tool`, `ToolItem`, `ToolSearch`.
"""

from rightlevel.programme.tools.actions import ensure_first_tools, list_tools, read_tool
from rightlevel.programme.tools.model import TOOL_NUMBERS, Tool, ToolItem, ToolSearch, items_of

__all__ = [
    "TOOL_NUMBERS",
    "Tool",
    "ToolItem",
    "ToolSearch",
    "ensure_first_tools",
    "items_of",
    "list_tools",
    "read_tool",
]
