"""Connections, pools and clients made for one request."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Function, Module, shown

_MADE: Final = frozenset(
    {
        "httpx.AsyncClient",
        "httpx.Client",
        "aiohttp.ClientSession",
        "requests.Session",
        "requests.session",
        "psycopg.connect",
        "psycopg.AsyncConnection.connect",
        "psycopg.Connection.connect",
        "psycopg2.connect",
        "asyncpg.connect",
        "asyncpg.create_pool",
        "psycopg_pool.AsyncConnectionPool",
        "psycopg_pool.ConnectionPool",
        "aiomysql.connect",
        "pymysql.connect",
        "sqlalchemy.create_engine",
        "sqlalchemy.ext.asyncio.create_async_engine",
        "sqlmodel.create_engine",
        "redis.Redis",
        "redis.from_url",
        "redis.asyncio.Redis",
        "redis.asyncio.from_url",
        "redis.Redis.from_url",
        "redis.asyncio.Redis.from_url",
        "pymongo.MongoClient",
        "boto3.client",
        "boto3.resource",
        "boto3.Session",
        "motor.motor_asyncio.AsyncIOMotorClient",
        "openai.OpenAI",
        "openai.AsyncOpenAI",
        "concurrent.futures.ThreadPoolExecutor",
        "concurrent.futures.ProcessPoolExecutor",
        "grpc.insecure_channel",
        "elasticsearch.Elasticsearch",
    }
)
_CHEAP: Final = ("aiohttp.", "requests.")
"""Made in microseconds, without reading certificates; what is lost is a connection kept alive, where the same host is asked again."""
_SPEAKS_HTTP: Final = ("httpx.", "aiohttp.", "requests.", "openai.", "boto3.", "elasticsearch.")
_ONCE: Final = ("lru_cache", "cache", "cached_property", "on_event", "on_startup", "alru_cache")


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for call in module.calls:
        name = module.dotted(call.func)
        function = module.function_of(call)
        if (
            name in _MADE
            and function is not None
            and not (_is_kept(module, function, call) or _is_kept_by_callers(app, function))
        ):
            # Without a connection to the database each is a handshake too many, and ends nothing.
            yield Hit(
                call,
                f"`{shown(call)}` is made anew each time.",
                "P3"
                if name.startswith(_CHEAP) or _serves_many(module, call)
                else "P2"
                if name.startswith(_SPEAKS_HTTP)
                else None,
            )


def _serves_many(module: Module, call: ast.Call) -> bool:
    """Whether one client asks many times before it is closed: a loop runs inside its block."""
    parent = module.parents.get(call)
    block = module.parents.get(parent) if isinstance(parent, ast.withitem) else None
    return isinstance(block, ast.With | ast.AsyncWith) and any(
        isinstance(each, ast.For | ast.AsyncFor | ast.While) for each in block.body
    )


def _is_kept_by_callers(app: App, function: Function) -> bool:
    """Whether each caller keeps what it makes under a global name or on an object."""
    calls = app.calls_named(function.name)
    for call, caller in calls:
        statement = caller.module.statement_of(call)
        if not isinstance(statement, ast.Assign):
            return False
        names = {each.id for each in statement.targets if isinstance(each, ast.Name)}
        is_global = any(isinstance(each, ast.Global) and names & set(each.names) for each in caller.body())
        if not is_global and not any(isinstance(each, ast.Attribute) for each in statement.targets):
            return False
    return bool(calls)


def _is_kept(module: Module, function: Function, call: ast.Call) -> bool:
    """Whether what is made outlives the request: kept on an object or a global, or made by a function that runs once."""
    for each in function.chain():
        if any(word in ast.unparse(decorator) for decorator in each.node.decorator_list for word in _ONCE):
            return True
        if (
            each.name in {"lifespan", "startup", "__init__", "__aenter__", "__enter__"}
            or "lifespan" in each.name
        ):
            return True
    statement = module.statement_of(call)
    if isinstance(statement, ast.Return):
        return not _is_dependency(module, function)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if any(isinstance(each, ast.Attribute | ast.Subscript) for each in targets):
            return True
        names = {each.id for each in targets if isinstance(each, ast.Name)}
        if _gives(function, names):
            return not _is_dependency(module, function)
        if any(_puts_away(node, names) for node in function.body()):
            return True
        return any(
            isinstance(node, ast.Global | ast.Nonlocal) and names & set(node.names)
            for node in function.body()
        )
    return False


def _puts_away(node: ast.AST, names: set[str]) -> bool:
    """Whether a statement keeps what was made: `ENGINES[dsn] = engine`, `self.engine = engine`."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        and any(isinstance(each, ast.Attribute | ast.Subscript) for each in node.targets)
    )


def _gives(function: Function, names: set[str]) -> bool:
    """Whether it gives what it made to its caller, who may keep it."""
    return any(
        isinstance(node, ast.Return) and isinstance(node.value, ast.Name) and node.value.id in names
        for node in function.body()
    )


def _is_dependency(module: Module, function: Function) -> bool:
    """Whether a framework calls it anew for each request."""
    return re.search(rf"\bDepends\(\s*{function.name}\s*\)", module.text) is not None


RULE = Rule(
    name="client-per-request",
    priority="P1",
    reason="Each one is a handshake, a socket and, on PostgreSQL, a process of megabytes; under load they run out together.",
    change="Make one in the application's lifespan, close it there, and hand it to the handlers.",
    in_requests=True,
    hurts_requests_only=True,
    seek=_seek,
    bad="""
import httpx

@app.get("/weather")
async def weather():
    async with httpx.AsyncClient() as client:
        return (await client.get("https://weather.example")).json()
""",
    good="""
import httpx
from contextlib import asynccontextmanager

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as client:
        app.state.client = client
        yield

@app.get("/weather")
async def weather(request):
    return (await request.app.state.client.get("https://weather.example")).json()
""",
)
