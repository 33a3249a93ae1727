"""Answers built whole in memory before the first byte leaves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called, shown
from flatwater.audit.statements import reads_of_all

_BUFFERS: Final = frozenset({"io.StringIO", "io.BytesIO", "StringIO", "BytesIO"})
_FILLS: Final = re.compile(
    r"csv\.|writer|writerow|\.to_csv|\.to_excel|\.save\(|zipfile|ZipFile|tarfile|openpyxl|xlsxwriter",
    re.IGNORECASE,
)
_SENDS: Final = re.compile(r"Response$|^make_response$|^send_file$|^Raw$|^File$|^Stream$")


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        function = module.function_of(call)
        if function is None:
            continue
        name = called(call)
        if (
            name == "getvalue"
            and isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
        ):
            values = module.local_values(function, call.func.value.id)
            made = any(isinstance(each, ast.Call) and module.dotted(each.func) in _BUFFERS for each in values)
            if (
                made
                and not isinstance(module.parents[call], ast.Yield)
                and _FILLS.search(ast.unparse(function.node))
                and _loops(function.body())
            ):
                yield Hit(call, f"`{shown(call)}` gives an answer that was collected row by row.")
        elif _SENDS.search(name):
            for given in (
                *call.args[:1],
                *(each.value for each in call.keywords if each.arg in {"content", "body"}),
            ):
                if isinstance(given, ast.Call) and called(given) in {"read_bytes", "read_text"}:
                    yield Hit(given, f"`{shown(given)}` is read whole to be sent.")
                elif any(read.node in ast.walk(given) for read in reads_of_all(module)):
                    yield Hit(given, f"`{shown(given)}` is fetched whole to be sent.")


def _loops(body: tuple[ast.AST, ...]) -> bool:
    return any(isinstance(each, ast.For | ast.AsyncFor | ast.comprehension) for each in body)


RULE = Rule(
    name="response-built-whole",
    priority="P3",
    reason="The longest answer decides the memory of the process, and the caller waits for all of it before the first byte.",
    change="Send it in pieces while it is made (StreamingResponse over a generator that reads in batches), or from a file.",
    in_requests=True,
    seek=_seek,
    bad="""
import csv
import io

@app.get("/export")
async def export(rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow(row)
    return Response(buffer.getvalue())
""",
    good="""
import csv
import io

@app.get("/export")
async def export(rows):
    async def lines():
        async for row in rows:
            yield ",".join(row)
    return StreamingResponse(lines())

@app.get("/pieces")
def pieces(rows):
    def lines():
        for row in rows:
            line = io.StringIO()
            csv.writer(line).writerow(row)
            yield line.getvalue()
    return StreamingResponse(lines())
""",
)
