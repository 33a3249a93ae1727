"""Who holds which connection since when, from which route and line of code; and what each request asks: statements, rows, repeats.

    ledger = Ledger()
    watch_engine(engine, ledger)          # or flatwater.adapters.asyncpg, .psycopg, .psycopg2; flatwater.django does it by itself
    app = Watched(app, ledger, Budget(statements=20))

Adapters write into it what their driver tells; no pool of flatwater's is needed. What it keeps is bounded: by the connections that are held,
by a request's life, and by `MOST_ROUTES`.
"""

from __future__ import annotations

import inspect
import logging
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import msgspec

from flatwater.clock import Clock, SystemClock
from flatwater.errors import DeadlineExceeded, Refused

log = logging.getLogger("flatwater.ledger")

MOST_ROUTES: Final = 500
MOST_REPEATS: Final = 200
"""Different statements of one request that are told apart; more than that is a finding by itself."""
MOST_HELD: Final = 10_000
LONGEST_STATEMENT: Final = 300
OTHER: Final = "(other)"
_LIBRARIES: Final = tuple(
    {
        f"{Path(path).resolve()}/"
        for name, path in sysconfig.get_paths().items()
        if name in {"stdlib", "purelib", "platlib"}
    }
)
_OWN: Final = f"{Path(__file__).resolve().parent}/"


class OverBudget(Refused):
    """This asked the database for more than it may. Please tell whoever runs this service."""

    code = "over_budget"
    retry_after_s = None


class Budget(msgspec.Struct, frozen=True):
    """What one request may ask of the database; None for as much as it likes."""

    statements: int | None = None
    rows: int | None = None
    repeats: int | None = None
    """The same statement from the same line: one for each row of another is the N+1 that everybody knows."""


class Repeat(msgspec.Struct, frozen=True):
    """A statement that one line of the application asked again and again."""

    statement: str
    line: str
    times: int


class Request:
    """What one request has asked so far. Times in seconds, by a clock that only goes on."""

    __slots__ = (
        "_name",
        "began_s",
        "budget",
        "is_late",
        "over",
        "repeats",
        "rows",
        "statement_s",
        "statements",
    )

    def __init__(self, name: str | Callable[[], str], budget: Budget, began_s: float) -> None:
        self._name = name
        self.budget = budget
        self.began_s = began_s
        self.statements = 0
        self.rows = 0
        self.statement_s = 0.0
        self.repeats: dict[tuple[str, str], int] = {}
        self.is_late = False
        self.over = ""
        """What of its budget it went over first; empty while it kept to it."""

    @property
    def name(self) -> str:
        """The route, as far as it is known by now."""
        return self._name if isinstance(self._name, str) else self._name()

    @property
    def most_repeated(self) -> Repeat | None:
        """The statement that was asked most often from one line; None where none was asked twice."""
        (statement, line), times = max(self.repeats.items(), key=lambda each: each[1], default=(("", ""), 0))
        return Repeat(statement, line, times) if times > 1 else None


class Holder(msgspec.Struct, frozen=True):
    """One connection that is held now. *Units*: seconds."""

    route: str
    line: str
    driver: str
    held_s: float
    state: str
    """`idle`, `active` or `idle in transaction`, as the server calls them."""
    in_state_s: float
    statement: str


class RouteTotals(msgspec.Struct):
    """What a route's requests asked since the start. Times in seconds."""

    requests: int = 0
    statements: int = 0
    rows: int = 0
    seconds: float = 0.0
    most_statements: int = 0
    most_rows: int = 0
    over_budget: int = 0
    late: int = 0


class _Held:
    __slots__ = (
        "cancel",
        "driver",
        "in_transaction",
        "is_active",
        "line",
        "request",
        "since_s",
        "sits",
        "state_s",
        "statement",
    )

    def __init__(
        self,
        driver: str,
        line: str,
        request: Request | None,
        now_s: float,
        cancel: Callable[[], object] | None,
    ) -> None:
        self.driver = driver
        self.line = line
        self.request = request
        self.since_s = self.state_s = now_s
        self.cancel = cancel
        self.is_active = self.in_transaction = False
        self.statement = ""
        self.sits: Callable[[], bool] | None = None


current: ContextVar[Request | None] = ContextVar("flatwater_request", default=None)
"""The request that this context works for."""


@contextmanager
def apart() -> Iterator[None]:
    """What is asked in this block is no request's: what a pool asks for itself when it makes or takes back a connection."""
    token = current.set(None)
    try:
        yield
    finally:
        current.reset(token)


class Ledger:
    """The book of one process. With `enforces`, a statement over the budget is refused; without, it is counted and logged once a request.

    With `tags_statements`, each statement carries its route in a comment that the server shows (`pg_stat_activity`, its log), so that whoever
    looks there sees which route sits in a transaction. *Cost*: 5 µs a statement, 4 µs a connection taken and given (measured 2026-11-30, `benchmarks/parts.py`).
    """

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        enforces: bool = False,
        tags_statements: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.budget = budget or Budget()
        self.enforces = enforces
        self.tags_statements = tags_statements
        self.taken_total = 0
        self.limits_refused = 0
        self._now = (clock or SystemClock()).monotonic
        self._held: dict[int, _Held] = {}
        self._routes: dict[str, RouteTotals] = {}
        self._lock = threading.Lock()

    @contextmanager
    def request(self, name: str | Callable[[], str], budget: Budget | None = None) -> Iterator[Request]:
        """Everything that is asked in this block, and in the tasks and threads it starts, is this request's."""
        request = Request(name, budget or self.budget, self._now())
        token = current.set(request)
        try:
            yield request
        finally:
            current.reset(token)
            self._close(request)

    def _close(self, request: Request) -> None:
        name, took_s = request.name, self._now() - request.began_s
        with self._lock:
            totals = self._routes.get(name)
            if totals is None:
                name = name if len(self._routes) < MOST_ROUTES else OTHER
                totals = self._routes.setdefault(name, RouteTotals())
            totals.requests += 1
            totals.statements += request.statements
            totals.rows += request.rows
            totals.seconds += took_s
            totals.most_statements = max(totals.most_statements, request.statements)
            totals.most_rows = max(totals.most_rows, request.rows)
            totals.over_budget += bool(request.over)
            totals.late += request.is_late
        if request.over:
            log.warning("%s went over its budget: %s", name, request.over)

    def taken(
        self,
        connection: object,
        driver: str,
        cancel: Callable[[], object] | None = None,
        sits: Callable[[], bool] | None = None,
    ) -> None:
        """A connection was taken from its pool, or opened. `cancel` ends on the server what it does; called from another thread.

        `sits` says whether it is in a transaction, for a driver that ends one without telling.
        """
        self.taken_total += 1
        if len(self._held) < MOST_HELD:
            held = _Held(driver, line_of_caller(), current.get(), self._now(), cancel)
            held.sits = sits
            self._held[id(connection)] = held

    def given(self, connection: object) -> None:
        """It was given back, or closed. One that is not known is none of this book's."""
        self._held.pop(id(connection), None)

    def begin(self, connection: object, statement: object) -> float:
        """A statement is about to be asked; what `end` is to be given. *Errors*: DeadlineExceeded, OverBudget."""
        now = self._now()
        held = self._held.get(id(connection))
        text = statement if isinstance(statement, str) else str(statement)
        if held is not None:
            held.is_active, held.state_s, held.statement = True, now, text[:LONGEST_STATEMENT]
        request = current.get()
        if request is not None:
            if request.is_late:
                self._rest(held, now)
                raise DeadlineExceeded("This took longer than it may, so nothing more is asked.")
            request.statements += 1
            key = (text[:LONGEST_STATEMENT], line_of_caller())
            if key in request.repeats or len(request.repeats) < MOST_REPEATS:
                request.repeats[key] = request.repeats.get(key, 0) + 1
            if not request.over and (over := _over(request, request.repeats.get(key, 0), key[1])):
                request.over = over
                if self.enforces:
                    self._rest(held, now)
                    raise OverBudget
        return now

    def end(self, connection: object, began_s: float, *, rows: int, in_transaction: bool) -> None:
        """The statement was answered, with so many rows. *Errors*: OverBudget."""
        now = self._now()
        held = self._held.get(id(connection))
        if held is not None:
            held.in_transaction = in_transaction
            self._rest(held, now)
        request = current.get()
        if request is not None:
            request.statement_s += now - began_s
            self.rows(rows)

    def rows(self, rows: int) -> None:
        """So many rows came. *Errors*: OverBudget."""
        request = current.get()
        if request is None or rows <= 0:
            return
        request.rows += rows
        most = request.budget.rows
        if most is not None and request.rows > most and not request.over:
            request.over = f"{request.rows} rows, and {most} are allowed"
            if self.enforces:
                raise OverBudget

    def rests(self, connection: object, *, in_transaction: bool) -> None:
        """A transaction was ended or begun without a statement that was told."""
        held = self._held.get(id(connection))
        if held is not None and held.in_transaction != in_transaction:
            held.in_transaction = in_transaction
            self._rest(held, self._now())

    @staticmethod
    def _rest(held: _Held | None, now: float) -> None:
        if held is not None:
            held.is_active, held.state_s = False, now

    def holders(self) -> list[Holder]:
        """Who holds a connection now, the longest first. *Cost*: a step for each."""
        now = self._now()
        for each in list(self._held.values()):
            if each.sits is not None and not each.is_active:
                each.in_transaction = each.sits()
        found = [
            Holder(
                route=each.request.name if each.request is not None else "",
                line=each.line,
                driver=each.driver,
                held_s=now - each.since_s,
                state="active"
                if each.is_active
                else "idle in transaction"
                if each.in_transaction
                else "idle",
                in_state_s=now - each.state_s,
                statement=each.statement,
            )
            for each in list(self._held.values())
        ]
        return sorted(found, key=lambda each: -each.held_s)

    def idle_in_transaction(self, over_s: float = 1.0) -> list[Holder]:
        """Who sits in a transaction and asks nothing, for at least so long; named by route and line."""
        return [
            each
            for each in self.holders()
            if each.state == "idle in transaction" and each.in_state_s >= over_s
        ]

    def routes(self) -> dict[str, RouteTotals]:
        """Each route's totals, by name; those beyond `MOST_ROUTES` together."""
        with self._lock:
            return {name: msgspec.structs.replace(each) for name, each in self._routes.items()}

    def cancel(self, request: Request) -> int:
        """Ends on the server what this request does there, and lets it ask no more; how many connections were told. From any thread."""
        request.is_late = True
        told = 0
        for each in list(self._held.values()):
            if each.request is request and each.is_active and each.cancel is not None:
                told += 1
                try:
                    each.cancel()
                except Exception as error:  # noqa: BLE001  drivers raise kinds of their own; the others are to be told all the same
                    log.warning(
                        "a statement of %s could not be cancelled: %s", request.name, type(error).__name__
                    )
        return told

    def tagged(self, statement: str) -> str:
        """The statement with its route in a comment, where that was asked for. *Source*: sqlcommenter's form."""
        request = current.get()
        if not self.tags_statements or request is None:
            return statement
        return f"{statement} /*route='{_plain(request.name)}'*/"


def _over(request: Request, repeats: int, line: str) -> str:
    budget = request.budget
    if budget.statements is not None and request.statements > budget.statements:
        return f"{request.statements} statements, and {budget.statements} are allowed"
    if budget.repeats is not None and repeats > budget.repeats:
        return f"one statement {repeats} times from {line}, and {budget.repeats} are allowed"
    return ""


def _plain(name: str) -> str:
    """A route's name as it may stand in a comment: nothing in it can end the comment, or begin a parameter (`%`, `:name`)."""
    return "".join(each if each.isalnum() or each in "_-./ " else "_" for each in name)[:80]


def line_of_caller() -> str:
    """The innermost line that belongs to the application: `views.py:12 in notes`; empty where all is libraries' own."""
    frame = inspect.currentframe()
    greenlet: Any = sys.modules.get("greenlet")
    below: Any = greenlet.getcurrent().parent if greenlet is not None else None
    while frame is not None or below is not None:
        if frame is None:  # SQLAlchemy asks in a greenlet of its own: the caller's frames are the parent's
            frame, below = below.gr_frame, below.parent
            continue
        shown = _shown.get(frame.f_code.co_filename)
        if shown is None:
            shown = _show(frame.f_code.co_filename)
        if shown:
            return f"{shown}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


_shown: dict[str, str] = {}
"""The application's files as they are shown, and nothing for libraries' and our own. Asked once a file; there are as many as the program has."""


def _show(name: str) -> str:
    """How a file is shown where it is the application's; empty where it is Python's own, was installed, or is no file."""
    own = name.startswith(("<", _OWN)) or "site-packages" in name
    path = Path(name)
    is_library = own or str(path.resolve()).startswith(_LIBRARIES)
    shown = _shown[name] = "" if is_library else "/".join(path.parts[-3:])
    return shown
