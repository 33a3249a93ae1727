"""The book of connections and requests, by itself: who holds what, budgets, repeats by line, and its bounds."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from flatwater.clock import StandingClock
from flatwater.deadlines import Deadlines
from flatwater.errors import DeadlineExceeded
from flatwater.ledger import MOST_REPEATS, MOST_ROUTES, OTHER, Budget, Ledger, OverBudget
from flatwater.metrics.registry import Metrics
from flatwater.metrics.sources import ledger


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(datetime(2026, 11, 30, tzinfo=UTC))


def ask(
    ledger: Ledger, connection: object, statement: str = "select 1", rows: int = 1, *, sits: bool = False
) -> None:
    ledger.end(connection, ledger.begin(connection, statement), rows=rows, in_transaction=sits)


def test_who_holds_a_connection_is_told_with_route_line_state_and_since_when(clock: StandingClock) -> None:
    ledger, connection = Ledger(clock=clock), object()
    with ledger.request("GET /notes"):
        ledger.taken(connection, "driver")
        clock.advance(2)
        ask(ledger, connection, "update note set words = 'a'", sits=True)
        clock.advance(3)
        (holder,) = ledger.holders()
        assert (holder.route, holder.driver, holder.held_s) == ("GET /notes", "driver", 5)
        assert (holder.state, holder.in_state_s) == ("idle in transaction", 3)
        assert "test_ledger.py" in holder.line
        assert "in test_who_holds" in holder.line
        assert ledger.idle_in_transaction(over_s=2.5) == [holder]
        assert ledger.idle_in_transaction(over_s=3.5) == []
        ledger.rests(connection, in_transaction=False)
        assert ledger.holders()[0].state == "idle"
        ledger.given(connection)
    assert ledger.holders() == []


def test_a_statement_over_its_budget_is_refused_where_that_was_asked_for() -> None:
    ledger, connection = Ledger(Budget(statements=2), enforces=True), object()
    with ledger.request("GET /"):
        ask(ledger, connection)
        ask(ledger, connection)
        with pytest.raises(OverBudget):
            ask(ledger, connection)
    assert ledger.routes()["GET /"].over_budget == 1


def test_without_enforcing_it_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    ledger, connection = Ledger(Budget(statements=2)), object()
    with ledger.request("GET /"):
        for _ in range(5):
            ask(ledger, connection)
    assert [each.getMessage() for each in caplog.records] == [
        "GET / went over its budget: 3 statements, and 2 are allowed"
    ]
    totals = ledger.routes()["GET /"]
    assert (totals.requests, totals.statements, totals.most_statements, totals.over_budget) == (1, 5, 5, 1)


def test_rows_have_a_budget_too() -> None:
    ledger = Ledger(Budget(rows=10), enforces=True)
    with ledger.request("GET /"), pytest.raises(OverBudget):
        ask(ledger, object(), rows=11)


def test_one_statement_for_each_row_is_named_by_its_line() -> None:
    ledger, connection = Ledger(Budget(repeats=3)), object()
    with ledger.request("GET /") as request:
        for _ in range(5):
            ledger.begin(connection, "select * from author where id = %s")
        ledger.begin(connection, "select * from author where id = %s")
    repeat = request.most_repeated
    assert repeat is not None
    assert (repeat.times, repeat.statement) == (5, "select * from author where id = %s")
    assert "one statement 4 times from " in request.over
    assert "test_ledger.py" in request.over


def test_a_request_that_is_late_asks_nothing_more_and_what_it_does_is_cancelled() -> None:
    ledger, connection, resting = Ledger(), object(), object()
    cancelled: list[str] = []
    with ledger.request("GET /") as request:
        ledger.taken(connection, "driver", lambda: cancelled.append("active"))
        ledger.taken(resting, "driver", lambda: cancelled.append("resting"))
        ledger.begin(connection, "select pg_sleep(30)")
        assert ledger.cancel(request) == 1
        assert cancelled == ["active"]
        with pytest.raises(DeadlineExceeded):
            ledger.begin(connection, "select 1")
    assert ledger.routes()["GET /"].late == 1


def test_a_driver_that_fails_to_cancel_keeps_nobody_else_from_it(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    first, second, told = object(), object(), []
    with ledger.request("GET /") as request:
        ledger.taken(first, "driver", lambda: 1 / 0)
        ledger.taken(second, "driver", lambda: told.append("second"))
        ledger.begin(first, "a")
        ledger.begin(second, "b")
        ledger.cancel(request)
    assert told == ["second"]
    assert "ZeroDivisionError" in caplog.text


def test_what_it_keeps_is_bounded_whatever_the_callers_choose() -> None:
    ledger, connection = Ledger(), object()
    for number in range(MOST_ROUTES + 50):
        with ledger.request(f"GET /{number}"):
            pass
    assert len(ledger.routes()) == MOST_ROUTES + 1
    assert ledger.routes()[OTHER].requests == 50
    with ledger.request("GET /") as request:
        for number in range(MOST_REPEATS * 2):
            ask(ledger, connection, f"select {number}")
    assert len(request.repeats) == MOST_REPEATS


def test_a_route_in_a_comment_can_neither_end_it_nor_begin_a_parameter() -> None:
    ledger = Ledger(tags_statements=True)
    with ledger.request("GET /a*/;drop table note;--%s:name'"):
        tagged = ledger.tagged("select 1")
    assert tagged == "select 1 /*route='GET /a_/_drop table note_--_s_name_'*/"
    assert Ledger().tagged("select 1") == "select 1"


def test_a_deadline_strikes_once_and_never_after_its_end() -> None:
    deadlines, struck = Deadlines(), threading.Event()
    with deadlines.within(0.02, struck.set):
        assert struck.wait(5)
    late = threading.Event()
    with deadlines.within(0.2, late.set):
        pass
    again = threading.Event()
    with deadlines.within(10, late.set), deadlines.within(0.3, again.set):
        assert again.wait(5), "a later one with an earlier end strikes at its own time"
    assert not late.is_set()
    deadlines.close()


def test_a_strike_that_fails_ends_no_other_deadline(caplog: pytest.LogCaptureFixture) -> None:
    deadlines, struck = Deadlines(), threading.Event()
    with deadlines.within(0.01, lambda: 1 / 0), deadlines.within(0.05, struck.set):
        assert struck.wait(5)
    assert "could not end" in caplog.text
    deadlines.close()


def test_its_numbers_stand_among_the_metrics(clock: StandingClock) -> None:
    book, connection = Ledger(Budget(statements=1), clock=clock), object()
    with book.request("GET /notes"):
        book.taken(connection, "driver")
        ask(book, connection, rows=4, sits=True)
        ask(book, connection, rows=4, sits=True)
        clock.advance(3)
        metrics = Metrics()
        ledger(metrics, book)
        text = metrics.exposition().decode()
    assert 'flatwater_held_connections{state="idle in transaction"} 1.0' in text
    assert "flatwater_idle_in_transaction_seconds 3.0" in text
    later = Metrics()
    ledger(later, book)
    text = later.exposition().decode()
    assert 'flatwater_route_rows_total{route="GET /notes"} 8.0' in text
    assert 'flatwater_route_over_budget_total{route="GET /notes"} 1.0' in text
