"""Uploads and bodies read whole."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module, called, shown

_FORM: Final = re.compile(r"(?:form|files|\.form\(\)|\.files)\b", re.IGNORECASE)
_CEILING: Final = re.compile(
    r"content[_-]length|max_[a-z_]*(?:size|bytes|length)|(?:size|bytes|length)_limit|\.size\b", re.IGNORECASE
)

_ROW: Final = re.compile(r"\.objects\b|get_object|\b(?:session|db|conn(?:ection)?)\b")


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        function = module.function_of(call)
        if function is None or not isinstance(call.func, ast.Attribute) or call.args or call.keywords:
            continue
        receiver = call.func.value
        if called(call) == "read" and _is_upload(module, function, receiver) and not _has_ceiling(function):
            yield Hit(call, f"`{shown(call)}` reads the upload whole, however large it is.")
        elif called(call) in {"body", "get_data"} and _is_request(receiver) and not _has_ceiling(function):
            # A framework reads each JSON body whole as well; what stands before the service mostly has a ceiling for it.
            yield Hit(call, f"`{shown(call)}` reads the body whole, with no ceiling in sight.", "P3")


def _is_request(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and shown(node).rpartition(".")[2] in {"request", "req"}


def _is_upload(module: Module, function: Function, node: ast.expr) -> bool:
    text = module.dotted(node)
    if _FORM.search(text) and "?" not in text:
        return True
    if not isinstance(node, ast.Name):
        return text.endswith((".file", ".upload")) and not _is_stored(module, function, node)
    for each in (parameter for outer in function.chain() for parameter in outer.parameters()):
        if each.arg == node.id and each.annotation is not None and "Upload" in ast.unparse(each.annotation):
            return True
    return any(_FORM.search(module.dotted(each)) for each in module.local_values(function, node.id))


def _is_stored(module: Module, function: Function, node: ast.expr) -> bool:
    """Whether it hangs on a row of the database: `row.file.read()` reads what was taken in before."""
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    values = module.local_values(function, root.id) if isinstance(root, ast.Name) else []
    return any(_ROW.search(ast.unparse(each)) for each in values)


def _has_ceiling(function: Function) -> bool:
    """Whether the function speaks of a size at all; whether it is the right one is for its reader."""
    return bool(_CEILING.search(ast.unparse(function.node)))


RULE = Rule(
    name="whole-upload",
    priority="P1",
    reason="The sender decides how much memory the process takes; a few large files at once end it.",
    change="Read in pieces (read(65536)) up to a ceiling, straight to a file or into the next step.",
    in_requests=True,
    hurts_requests_only=True,
    seek=_seek,
    bad="""
from fastapi import UploadFile

@app.post("/import")
async def take(file: UploadFile):
    content = await file.read()
    return len(content)
""",
    good="""
from fastapi import UploadFile

@app.post("/import")
async def take(file: UploadFile):
    total = 0
    while piece := await file.read(65536):
        total += len(piece)
    return total
""",
)
