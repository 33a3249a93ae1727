"""What takes a connection out of a pool, in the source: sessions, `acquire()`, `getconn()`, `engine.connect()`; and who is called over the network."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from flatwater.audit.app import App, module_name
from flatwater.audit.source import Function, Module, called

_FACTORY: Final = re.compile(r"^(?:async_?|db_?|scoped_?)*session_?(?:local|maker|factory)$", re.IGNORECASE)
_MAKERS: Final = frozenset({"sessionmaker", "async_sessionmaker", "scoped_session", "async_scoped_session"})
_SESSIONS: Final = frozenset(
    {
        "sqlalchemy.orm.Session",
        "sqlalchemy.ext.asyncio.AsyncSession",
        "sqlmodel.Session",
        "sqlmodel.ext.asyncio.session.AsyncSession",
    }
)
_POOLS: Final = re.compile(r"pool$|^(?:db|database|threads)$", re.IGNORECASE)
_ENGINES: Final = re.compile(r"engine$", re.IGNORECASE)
_POOL_TYPES: Final = ("psycopg_pool.", "asyncpg.", "psycopg2.pool.")
NETWORK: Final = ("httpx", "requests", "aiohttp", "urllib.request", "smtplib", "boto3", "grpc")
SENDS: Final = frozenset(
    {
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "request",
        "send",
        "stream",
        "urlopen",
        "sendmail",
        "send_message",
    }
)
_CLIENTS: Final = (
    "http_client",
    "httpx_client",
    "http_session",
    "http",
    "smtp",
    "mailer",
    "webhook_client",
)


class Held(NamedTuple):
    """A `with` that holds a connection: the call that takes it, and under which name.

    *Shape*: `is_lazy` for a session, which takes its connection with its first statement.
    """

    call: ast.Call
    name: str
    is_lazy: bool


def takes_connection(module: Module, app: App, node: ast.AST) -> bool:
    """Whether a call takes a connection for its caller to give back, at once or with its first statement."""
    return isinstance(node, ast.Call) and (is_session(module, app, node) or _is_taken(module, app, node))


def is_session(module: Module, app: App, call: ast.Call) -> bool:
    """Whether it makes a SQLAlchemy session."""
    name = module.dotted(call.func)
    if name in _SESSIONS:
        return True
    if not isinstance(call.func, ast.Name | ast.Attribute):
        return False
    value = app.resolve(module, module_name(call.func))
    if isinstance(value, ast.Call):
        return called(value) in _MAKERS
    return value is None and bool(_FACTORY.match(name.rpartition(".")[2]))


def _is_taken(module: Module, app: App, call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    name, holder = called(call), module_name(call.func.value)
    word = holder.rpartition(".")[2]
    if name in {"getconn", "acquire", "connection"}:
        return bool(_POOLS.search(word)) or _made_by(module, app, holder).startswith(_POOL_TYPES)
    if name in {"connect", "begin"}:
        return bool(_ENGINES.search(word)) or _made_by(module, app, holder).endswith("create_engine")
    return False


def _made_by(module: Module, app: App, name: str) -> str:
    value = app.resolve(module, name) if name else None
    return module.dotted(value.func) if isinstance(value, ast.Call) else ""


def held_by(module: Module, app: App, node: ast.With | ast.AsyncWith) -> Iterator[Held]:
    """The connections that a `with` holds for as long as its block takes."""
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and takes_connection(module, app, call):
            name = item.optional_vars.id if isinstance(item.optional_vars, ast.Name) else ""
            yield Held(call, name, is_session(module, app, call))


def is_used_before(node: ast.With | ast.AsyncWith, held: Held, line: int) -> bool:
    """Whether a session was asked for something above a line of its block, so that it has its connection there."""
    if not held.is_lazy:
        return True
    return any(
        isinstance(each, ast.Call)
        and each.lineno < line
        and (
            (isinstance(each.func, ast.Attribute) and module_name(each.func).partition(".")[0] == held.name)
            or any(isinstance(given, ast.Name) and given.id == held.name for given in each.args)
        )
        for statement in node.body
        for each in ast.walk(statement)
    )


def calls_network(module: Module, app: App, call: ast.Call) -> bool:
    """Whether a call waits for another service, as far as its name, or the name of what it is called on, tells."""
    if called(call) not in SENDS:
        return False
    name = module.dotted(call.func)
    holder = name.rpartition(".")[0]
    if name.startswith(NETWORK) or holder.rpartition(".")[2].lower() in _CLIENTS:
        return True
    root = module_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    function = module.function_of(call)
    return bool(root) and _kind_of(module, app, function, root).startswith(NETWORK)


def _kind_of(module: Module, app: App, function: Function | None, name: str) -> str:
    """What a name was made by, or is annotated as."""
    for each in function.chain() if function else ():
        for value in module.local_values(each, name):
            return module.dotted(value.func if isinstance(value, ast.Call) else value)
        for parameter in each.parameters():
            if parameter.arg == name:
                return module.dotted(parameter.annotation) if parameter.annotation else ""
    return _made_by(module, app, name)
