"""For pytest: what a test may ask of the database, by any driver, and N+1 named by the line that asks.

    @pytest.mark.database_budget(statements=3, rows=200, repeats=2, connections=1, memory_bytes=5_000_000)
    def test_a_page_of_notes(client): ...

    def test_a_list_costs_the_same_for_one_and_fifty_rows(client, database_use):
        with database_use() as few: ...

Over its budget a test fails, with each statement that was repeated and its line. `--database-repeats N` holds every test to one number.
Counted are psycopg, psycopg2 and asyncpg, and so SQLAlchemy and Django; a test with a budget where none of them is loaded fails rather
than pass unseen.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false
# The classes here are made of a base that is known only when its library is loaded.

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final

import pytest

from flatwater.ledger import line_of_caller

MARK: Final = "database_budget"
_DRIVERS: Final = ("psycopg", "psycopg2", "asyncpg")
_MOST_TOLD: Final = 5
_MOST_KINDS: Final = 1_000


class Use:
    """What was asked in a block so far."""

    def __init__(self) -> None:
        self.statements = 0
        self.rows = 0
        self.connections = 0
        self.peak_bytes = 0
        """The most memory that Python's allocator gave at once; 0 where the block was not asked to trace it."""
        self.repeats: dict[tuple[str, str], int] = {}

    def asked(self, text: str) -> None:
        """One statement more, from the line that called."""
        self.statements += 1
        key = (" ".join(text.split())[:200], line_of_caller())
        if key in self.repeats or len(self.repeats) < _MOST_KINDS:
            self.repeats[key] = self.repeats.get(key, 0) + 1

    def repeated(self, more_than: int) -> list[str]:
        """The statements that one line asked more often than so, the most first, each in words."""
        found = sorted(self.repeats.items(), key=lambda each: -each[1])
        return [f"{times} times from {line}: {text}" for (text, line), times in found if times > more_than]


_standing: list[ExitStack] = []
_everywhere: list[Use] = []
"""Blocks that count what other threads ask too: the server that a test drives runs in one of its own."""


@contextmanager
def counting(*, memory: bool = False) -> Iterator[Use]:
    """Counts what this process asks of databases while the block runs."""
    use = Use()
    _everywhere.append(use)
    traced = memory and not tracemalloc.is_tracing()
    if traced:
        tracemalloc.start(1)
    before = tracemalloc.get_traced_memory()[0] if memory else 0
    if memory:
        tracemalloc.reset_peak()
    try:
        yield use
    finally:
        _everywhere.remove(use)
        if memory:
            use.peak_bytes = tracemalloc.get_traced_memory()[1] - before
        if traced:
            tracemalloc.stop()


def _asked(text: object) -> None:
    for use in _everywhere:
        use.asked(_text(text))


def _answered(rows: int) -> None:
    for use in _everywhere:
        use.rows += rows


def _connected() -> None:
    for use in _everywhere:
        use.connections += 1


def _text(query: object) -> str:
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    as_string: Callable[[], str] | None = getattr(query, "as_string", None)
    return as_string() if as_string is not None and not isinstance(query, str) else str(query)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--database-repeats N`: every test may ask one statement from one line so often."""
    parser.getgroup("flatwater").addoption(
        "--database-repeats",
        type=int,
        metavar="N",
        help="fail any test in which one line asks one statement more than N times (N+1)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(statements=, rows=, repeats=, connections=, memory_bytes=): what a test may ask of the database at most",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Counts what a test asks that has a budget, and fails it when that is more."""
    mark = item.get_closest_marker(MARK)
    repeats: int | None = item.config.getoption("--database-repeats")
    if mark is None and repeats is None:
        yield
        return
    budget = {
        **({"repeats": repeats} if repeats is not None else {}),
        **(mark.kwargs if mark is not None else {}),
    }
    unknown = budget.keys() - {"statements", "rows", "repeats", "connections", "memory_bytes"}
    if unknown or (mark is not None and mark.args):
        raise pytest.UsageError(
            f"{MARK} takes statements, rows, repeats, connections and memory_bytes by name"
        )
    with _in_place(), counting(memory="memory_bytes" in budget) as use:
        outcome: Any = yield
    if outcome.excinfo is None and (why := _why_over(use, budget, is_marked=mark is not None)):
        outcome.force_exception(pytest.fail.Exception(why, pytrace=False))


@pytest.fixture
def database_use() -> Iterator[Callable[[], AbstractContextManager[Use]]]:
    """A function that counts what is asked in a block: `with database_use() as use: ...`, then `use.statements`."""
    with _in_place():
        yield counting


def _why_over(use: Use, budget: dict[str, int], *, is_marked: bool) -> str:
    if is_marked and not any(each in sys.modules for each in _DRIVERS):
        return f"This test has a budget, and no driver is loaded whose statements could be counted ({', '.join(_DRIVERS)})."
    had = {
        "statements": use.statements,
        "rows": use.rows,
        "connections": use.connections,
        "memory_bytes": use.peak_bytes,
    }
    over = [
        f"{had[name]:,} {name}, and {most:,} are allowed"
        for name, most in budget.items()
        if had.get(name, 0) > most
    ]
    again = use.repeated(budget.get("repeats", sys.maxsize))
    if again:
        over.append(f"one statement again and again (at most {budget['repeats']} times is allowed)")
    if not over:
        return ""
    told = again or use.repeated(1)
    return "\n  ".join(["Over its database budget: " + "; ".join(over), *told[:_MOST_TOLD]])


@contextmanager
def _in_place() -> Iterator[None]:
    """Stands between the loaded drivers and their callers; what is loaded while it stands is seen at the next test."""
    if _standing:  # a fixture's already does
        yield
        return
    with ExitStack() as stack:
        _standing.append(stack)
        stack.callback(_standing.clear)
        if (psycopg := sys.modules.get("psycopg")) is not None:
            _on_psycopg(stack, psycopg)
        if (psycopg2 := sys.modules.get("psycopg2")) is not None:
            _on_psycopg2(stack, psycopg2)
        if (asyncpg := sys.modules.get("asyncpg")) is not None:
            _on_asyncpg(stack, asyncpg)
        yield


def _put(stack: ExitStack, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Puts something around an attribute until the stack ends."""
    instead = make(getattr(owner, name))
    if name in vars(owner):
        stack.callback(setattr, owner, name, vars(owner)[name])
    else:
        stack.callback(delattr, owner, name)
    setattr(owner, name, instead)


def _rows_of(cursor: Any) -> int:
    return max(cursor.rowcount, 0) if cursor.description is not None else 0


def _called(original: Any) -> Any:
    def execute(cursor: Any, query: Any, *more: Any, **named: Any) -> Any:
        _asked(query)
        result = original(cursor, query, *more, **named)
        _answered(_rows_of(cursor))
        return result

    return execute


def _awaited(original: Any) -> Any:
    async def execute(cursor: Any, query: Any, *more: Any, **named: Any) -> Any:
        _asked(query)
        result = await original(cursor, query, *more, **named)
        _answered(_rows_of(cursor))
        return result

    return execute


def _on_psycopg(stack: ExitStack, psycopg: Any) -> None:
    for name in ("execute", "executemany"):
        _put(stack, psycopg.Cursor, name, _called)
        _put(stack, psycopg.AsyncCursor, name, _awaited)
    # One that SQLAlchemy or Django makes of it overrides nothing of these. Pools connect through the class as well.
    for kind in (psycopg.Connection, psycopg.AsyncConnection):
        original = vars(kind)["connect"]

        def connect(owner: Any, *more: Any, _original: Any = original.__func__, **named: Any) -> Any:
            _connected()
            return _original(owner, *more, **named)

        stack.callback(setattr, kind, "connect", original)
        kind.connect = classmethod(connect)
    # The module's own name for it was bound to the class when it was imported.
    _put(stack, psycopg, "connect", lambda _original: psycopg.Connection.connect)


def _on_psycopg2(stack: ExitStack, psycopg2: Any) -> None:
    kinds: dict[Any, Any] = {}

    def cursors(kind: Any) -> Any:
        if kind not in kinds:
            kinds[kind] = type(
                "Counted",
                (kind,),
                {name: _called(getattr(kind, name)) for name in ("execute", "executemany")},
            )
        return kinds[kind]

    def connections(base: Any) -> Any:
        class Counted(base):
            def cursor(self, *more: Any, cursor_factory: Any = None, **named: Any) -> Any:
                kind = cursor_factory or self.cursor_factory or psycopg2.extensions.cursor
                return super().cursor(*more, cursor_factory=cursors(kind), **named)

        return Counted

    def around(original: Any) -> Any:
        def connect(*more: Any, connection_factory: Any = None, **named: Any) -> Any:
            _connected()
            kind = connections(connection_factory or psycopg2.extensions.connection)
            return original(*more, connection_factory=kind, **named)

        return connect

    _put(stack, psycopg2, "connect", around)


def _on_asyncpg(stack: ExitStack, asyncpg: Any) -> None:
    def around(original: Any) -> Any:
        async def ask(owner: Any, *more: Any, **named: Any) -> Any:
            _asked(owner.get_query() if hasattr(owner, "get_query") else (more or tuple(named.values()))[0])
            result = await original(owner, *more, **named)
            _answered(
                len(result)
                if isinstance(result, list)
                else int(result is not None and not isinstance(result, str))
            )
            return result

        return ask

    for owner in (asyncpg.Connection, asyncpg.prepared_stmt.PreparedStatement):
        for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
            if hasattr(owner, name):
                _put(stack, owner, name, around)
