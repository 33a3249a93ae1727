"""Addresses that give a list without a page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App, module_name
from flatwater.audit.model import Priority
from flatwater.audit.query_builder import no_request_adds_to
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module, called, keyword
from flatwater.audit.statements import SELDOM, Read, is_bounded, is_seldom_added_to, reads_of_all

_PAGES: Final = re.compile(
    r"limit|page|offset|cursor|after|first|per_|take|top|batch|pagina|size|_n\b|filter|count|recent|latest",
    re.IGNORECASE,
)
_LISTS: Final = frozenset({"list", "List", "Sequence", "Iterable", "tuple", "Tuple", "set"})
_REDUCES: Final = frozenset({"sum", "len", "max", "min", "any", "all", "next"})
_COUNTS: Final = re.compile(r"^(?:total|count|number|size)$|_count$|^total_", re.IGNORECASE)


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for function, route in app.handler_functions.items():
        if function.module is not module or route.method not in {"GET", "ANY"}:
            continue
        if _is_list(module, app, function) and not _is_paged(function):
            priority = _priority(app, function)
            if priority is not None and "{" in route.path and priority == "P1":
                priority = (
                    "P3"  # what belongs to one row of another: how many they are, the source doesn't say
                )
            if priority is not None:
                if (
                    SELDOM.search(f"{route.path} {function.name}")
                    or "admin" in ast.unparse(function.node).lower()
                ):
                    priority = "P3"  # few ask for it, or few add to it
                yield Hit(function.node, f"{route.name} answers with a list and takes no page.", priority)


def _priority(app: App, function: Function) -> Priority | None:
    """How grave it is: a whole table most; None where what fills the list is not in sight and may be bounded there."""
    own = list(_unbounded(function))
    if own:
        return "P3" if all(each.is_part or _is_still(app, each) for each in own) else "P1"
    if _asks(function):
        return "P3"  # it asks in a way that isn't followed, and may ask for a few
    # What belongs to one owner is told where it is read; of a whole table the address itself is the fault.
    whole = [read for each in app.called_by(function) for read in _unbounded(each) if not read.is_part]
    if not whole:
        return None
    return "P3" if all(_is_still(app, each) for each in whole) else "P1"


def _is_still(app: App, read: Read) -> bool:
    """Whether what is read is a table that few add to, as far as the source shows it."""
    return is_seldom_added_to(read) or no_request_adds_to(app, read.function, read.node)


def _unbounded(function: Function) -> Iterator[Read]:
    for read in reads_of_all(function.module):
        if read.function is function and (read.text is None or not is_bounded(read.text)):
            yield read


def _is_list(module: Module, app: App, function: Function) -> bool:
    """Whether it says that it gives many: by its annotation, its `response_model`, or a fetchall that it returns."""
    told = [function.node.returns] if function.node.returns else []
    for each in function.node.decorator_list:
        model = keyword(each, "response_model") if isinstance(each, ast.Call) else None
        told += [model] if model is not None else []
    if any(_gives_many(each) or _is_envelope(module, app, each) for each in told):
        return True
    return any(_returned(module, read.node) for read in _unbounded(function))


def _gives_many(annotation: ast.expr) -> bool:
    return (
        isinstance(annotation, ast.Subscript) and module_name(annotation.value).rpartition(".")[2] in _LISTS
    )


def _is_envelope(module: Module, app: App, annotation: ast.expr) -> bool:
    """Whether it is a class around one list (`items: list[Pupil]`) that has nothing else but how many there are."""
    name = module_name(annotation)
    found = app.resolve(module, name) if name else None
    if not isinstance(found, ast.ClassDef):
        return False
    fields = [each for each in found.body if isinstance(each, ast.AnnAssign)]
    others = [each for each in fields if not _gives_many(each.annotation)]
    return len(fields) == len(others) + 1 and all(
        isinstance(each.target, ast.Name) and _COUNTS.search(each.target.id) for each in others
    )


def _returned(module: Module, node: ast.AST) -> bool:
    if any(isinstance(each, ast.Call) and called(each) in _REDUCES for each in module.ancestors(node)):
        return False
    if isinstance(module.statement_of(node), ast.Return):
        return True
    statement = module.statement_of(node)
    names = (
        {each.id for each in statement.targets if isinstance(each, ast.Name)}
        if isinstance(statement, ast.Assign)
        else set[str]()
    )
    function = module.function_of(node)
    returns = [each for each in function.body() if isinstance(each, ast.Return)] if function else []
    return any(isinstance(each, ast.Name) and each.id in names for told in returns for each in ast.walk(told))


def _asks(function: Function) -> bool:
    """Whether it asks the database itself."""
    asks = {"execute", "scalars", "query", "exec", "fetch", "fetch_all", "fetchall", "all", "find", "select"}
    return any(isinstance(each, ast.Call) and called(each) in asks for each in function.body())


def _is_paged(function: Function) -> bool:
    text = [
        each.arg + (ast.unparse(each.annotation) if each.annotation else "") for each in function.parameters()
    ]
    text.append(ast.unparse(function.node.returns) if function.node.returns else "")
    if any(_PAGES.search(each) for each in text):
        return True
    words = [called(each) for each in function.body() if isinstance(each, ast.Call)]
    names = [
        each.value
        for each in function.body()
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    return any(_PAGES.search(each) for each in (*words, *names))


RULE = Rule(
    name="unpaged-list",
    priority="P1",
    reason="The answer is as long as the table. It is the first address that falls over when the data has grown.",
    change="Make a page part of the contract: a default of 20, a ceiling, and a cursor by key (flatwater.paging).",
    seek=_seek,
    bad="""
@app.get("/pupils", response_model=list[Pupil])
async def pupils(session):
    return (await session.execute(select(Pupil))).scalars().all()
""",
    good="""
@app.get("/pupils", response_model=list[Pupil])
async def pupils(session, after: int, limit: int = 20):
    return (await session.execute(select(Pupil).where(Pupil.id > after).limit(min(limit, 100)))).scalars().all()

@app.get("/levels")
async def levels() -> list[str]:
    return ["a", "b"]
""",
)
