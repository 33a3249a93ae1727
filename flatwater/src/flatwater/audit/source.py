"""One file of Python, parsed and never run: its functions, what its names mean, and which function a line stands in."""

from __future__ import annotations

import ast
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 1024 * 1024
"""A larger file is generated; it is told as not examined."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_BY_HAND: Final = frozenset(
    {
        "cli",
        "commands",
        "scripts",
        "script",
        "management",
        "__main__",
        "bin",
        "tools",
        "manage",
        "seed",
        "seeds",
    }
)
_OF_WORKERS: Final = frozenset({"tasks", "tasking", "task", "workers", "worker", "celery", "jobs"})
_MAKES: Final = re.compile(
    r"\b(?:FastAPI|Starlette|Flask|Litestar|APIRouter|Sanic|Bottle|Application)\(|@\w+\.(?:get|post|put|delete|patch|route|websocket)\("
)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class SourceBroken(Exception):
    """A file can't be read as Python."""


class Function:
    """One function or method, by the name that findings give it."""

    __slots__ = ("_body", "module", "name", "node", "outer", "owner", "qualname")

    def __init__(
        self,
        module: Module,
        node: FunctionNode,
        qualname: str,
        owner: str | None,
        outer: Function | None,
    ) -> None:
        self.module = module
        self.node = node
        self.name = node.name
        self.qualname = qualname
        self.owner = owner
        self.outer = outer
        self._body: tuple[ast.AST, ...] | None = None

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def first_line(self) -> int:
        """Where its code object says it begins: at the first decorator."""
        return min([self.node.lineno, *(each.lineno for each in self.node.decorator_list)])

    def parameters(self) -> list[ast.arg]:
        """Its parameters, without self and cls."""
        given = self.node.args
        named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        return [each for each in named if each.arg not in {"self", "cls"}]

    def body(self) -> tuple[ast.AST, ...]:
        """Every node that runs when it is called: without functions and classes defined inside."""
        if self._body is None:
            self._body = tuple(node for statement in self.node.body for node in within(statement))
        return self._body

    def chain(self) -> Iterator[Function]:
        """It, and the functions it is defined in, inside out."""
        here: Function | None = self
        while here is not None:
            yield here
            here = here.outer


class Module:
    """One parsed file. *Shape*: `path` as findings tell it, `name` dotted, `file` where it lies."""

    def __init__(self, file: Path, path: str, name: str, text: str) -> None:
        self.file = file
        self.path = path
        self.name = name
        self.text = text
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise SourceBroken(
                f"it is not Python that this interpreter reads ({type(error).__name__})"
            ) from error
        self.parents: dict[ast.AST, ast.AST] = {}
        self.functions: dict[str, Function] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.imports: dict[str, str] = {}
        self.assigned: dict[str, ast.expr] = {}
        self.calls: list[ast.Call] = []
        self._of_node: dict[ast.AST, Function] = {}
        self._inner: dict[Function, list[Function]] = {}
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, ast.Call):
                self.calls.append(node)
            self._note_imports(node)
        self._note_scopes(self.tree, "", None, None)
        for statement in self.tree.body:
            for name, value in assignments(statement):
                self.assigned[name] = value

    def _note_imports(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.asname:
                    self.imports[each.asname] = each.name
                else:
                    self.imports[each.name.split(".")[0]] = each.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            source = self._absolute(node)
            for each in node.names:
                self.imports[each.asname or each.name] = f"{source}.{each.name}" if source else each.name

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        up = node.level - (1 if self.file.name == "__init__.py" else 0)
        base = parts[: len(parts) - up] if up else parts
        return ".".join([*base, *([node.module] if node.module else [])])

    def _note_scopes(self, node: ast.AST, prefix: str, owner: str | None, outer: Function | None) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                function = Function(self, child, prefix + child.name, owner, outer)
                # The last of several with one name (overloads, properties) is the one that runs.
                self.functions[function.qualname] = function
                self._of_node[child] = function
                if outer is not None:
                    self._inner.setdefault(outer, []).append(function)
                self._note_scopes(child, f"{function.qualname}.", None, function)
            elif isinstance(child, ast.ClassDef):
                self.classes[prefix + child.name] = child
                self._note_scopes(child, f"{prefix}{child.name}.", prefix + child.name, outer)
            else:
                self._note_scopes(child, prefix, owner, outer)

    @property
    def _starts_itself(self) -> bool:
        """Whether it is a program to be started, and no part of an application: it ends with `if __name__ == "__main__"` and makes no application."""
        return '__name__ == "__main__"' in self.text.replace("'", '"') and not _MAKES.search(self.text)

    @property
    def is_run_by_hand(self) -> bool:
        """Whether it lies in a room of what a person runs and watches: commands, scripts, bots."""
        rooms = self.path.removesuffix(".py").split("/")
        return self._starts_itself or any(
            each in _BY_HAND or each.endswith(("-bots", "_bots", "_cli", "_script")) for each in rooms
        )

    @property
    def is_of_workers(self) -> bool:
        """Whether it lies in a room of work that a queue's workers do, one at a time, and no request waits for."""
        rooms = self.path.removesuffix(".py").split("/")
        return any(each in _OF_WORKERS for each in rooms)

    def nodes(self) -> Iterable[ast.AST]:
        """Every node of the file."""
        return self.parents

    def all_functions(self) -> Iterable[Function]:
        return self._of_node.values()

    def inner_of(self, function: Function) -> list[Function]:
        """The functions that are defined directly in this one."""
        return self._inner.get(function, [])

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function that a node stands in; a function's own node stands in itself."""
        here: ast.AST | None = node
        while here is not None:
            if here in self._of_node:
                return self._of_node[here]
            here = self.parents.get(here)
        return None

    def symbol_of(self, node: ast.AST) -> str:
        """The name under which a finding tells where a node stands."""
        names: list[str] = []
        here: ast.AST | None = node
        while here is not None:
            if isinstance(here, _SCOPES):
                names.append(here.name)
            here = self.parents.get(here)
        return ".".join(reversed(names)) or "(module)"

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, inside out, up to its function or class."""
        here = self.parents.get(node)
        while here is not None and not isinstance(here, (*_SCOPES, ast.Lambda)):
            yield here
            here = self.parents.get(here)

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        here: ast.AST | None = node
        while here is not None and not isinstance(here, ast.stmt):
            here = self.parents.get(here)
        return here

    def dotted(self, node: ast.AST) -> str:
        """What an expression names, imports followed: `requests.get`, `db.execute`; a call in it is written `()`."""
        match node:
            case ast.Name(id=name):
                return self.imports.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                return f"{self.dotted(value)}.{attr}"
            case ast.Call(func=func):
                return f"{self.dotted(func)}()"
            case ast.Await(value=value):
                return self.dotted(value)
            case ast.Subscript(value=value):
                return f"{self.dotted(value)}[]"
            case _:
                return "?"

    def local_values(self, function: Function, name: str) -> list[ast.expr]:
        """What a function assigns to one of its names."""
        return [
            value
            for node in function.body()
            if isinstance(node, ast.stmt)
            for target, value in assignments(node)
            if target == name
        ]


def within(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all in it that runs with it: not the bodies of functions, lambdas and classes defined there."""
    yield node
    if isinstance(node, (*_SCOPES, ast.Lambda)):
        return
    for child in ast.iter_child_nodes(node):
        yield from within(child)


def assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The plain names that a statement binds, each with its expression (`with … as x` and `x := …` too)."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((each.id, value) for each in targets if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.AugAssign(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for each in items:
                if isinstance(each.optional_vars, ast.Name):
                    yield each.optional_vars.id, each.context_expr
        case _:
            pass
    if isinstance(node, ast.stmt):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                for each in within(child):
                    if isinstance(each, ast.NamedExpr):
                        yield each.target.id, each.value


def last_name(node: ast.AST) -> str:
    """The last word of what is named: `secret` of `settings.secret`, `key` of `row["key"]`; empty for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(name)), *_]):
            return name
        case ast.Await(value=value):
            return last_name(value)
        case _:
            return ""


def called(node: ast.Call) -> str:
    """The bare name of what is called: `fetchall` of `cursor.fetchall()`."""
    match node.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def shown(node: ast.AST, *, most: int = 80) -> str:
    """The expression as written, on one line, cut where it is long."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def read_module(file: Path, root: Path, name: str | None = None) -> Module:
    """The file, parsed. *Errors*: SourceBroken, saying why it can't be examined."""
    path = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
    try:
        # Opened without waiting: a FIFO has nobody at its other end. And judged by what was opened, not by what a link may name meanwhile.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise SourceBroken("it is no plain file")
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SourceBroken(f"it is larger than {MAX_FILE_BYTES // 1024} KB")
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceBroken(f"it can't be read ({type(error).__name__})") from error
    return Module(file, path, name or dotted_name(path), text)


def dotted_name(path: str) -> str:
    """The module name of a path under its root: `shop/orders/__init__.py` is `shop.orders`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
