"""The guards around a Flask service in threads, under a real server and a real PostgreSQL: each bound is pushed past."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flask
import httpx
import psycopg2
import psycopg2.pool
import pytest
from werkzeug.serving import make_server

from flatwater.adapters.psycopg2 import watched_pool
from flatwater.adapters.session_limits import SessionLimits
from flatwater.guard import GuardLimits
from flatwater.ledger import Budget, Ledger
from flatwater.rate_limit import RateClass
from flatwater.wsgi import WsgiGuard

LIMITS = GuardLimits(body_bytes=1_000, response_bytes=10_000, deadline_s=0.5, in_flight=4)


def service(conninfo: str, ledger: Ledger) -> flask.Flask:
    app = flask.Flask("notes")
    pool = watched_pool(psycopg2.pool.ThreadedConnectionPool, ledger, SessionLimits())(1, 4, conninfo)

    def ask(text: str) -> list[Any]:
        connection = pool.getconn()
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall()
        finally:
            connection.rollback()
            pool.putconn(connection)

    @app.get("/notes")
    def notes() -> Any:
        return flask.jsonify(ask("select n from generate_series(1, 5) n"))

    @app.get("/sleep")
    def sleep() -> Any:
        return flask.jsonify(ask("select pg_sleep(20)::text"))

    @app.get("/many")
    def many() -> Any:
        for _ in range(6):
            ask("select 1")
        return "done"

    @app.get("/elsewhere")
    def elsewhere() -> Any:
        time.sleep(0.8)
        return flask.jsonify(ask("select 1"))

    @app.post("/body")
    def body() -> Any:
        return str(len(flask.request.get_data()))

    @app.get("/large")
    def large() -> Any:
        return "x" * 50_000

    @app.get("/stream")
    def stream() -> Any:
        pieces = int(flask.request.args["pieces"])

        def give() -> Iterator[bytes]:
            for _ in range(pieces):
                yield b"x" * 1_000
                time.sleep(0.07)

        return flask.Response(give())

    app.register_error_handler(Exception, lambda error: (str(type(error).__name__), 500))
    return app


@contextmanager
def served(
    conninfo: str, limits: GuardLimits = LIMITS, **more: Any
) -> Iterator[tuple[httpx.Client, WsgiGuard]]:
    ledger = more.pop("ledger", None) or Ledger()
    guard = WsgiGuard(service(conninfo, ledger), limits, ledger=ledger, **more)
    server = make_server("127.0.0.1", 0, guard, threaded=True)
    server.daemon_threads = False  # what is closed has no request left that is still being written down
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", timeout=30) as client:
        try:
            yield client, guard
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            guard.close()


def until_left(guard: WsgiGuard) -> None:
    """A client has its answer before the answer's thread has left the guard."""
    until = time.monotonic() + 5
    while guard.in_flight:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_request_passes_and_is_written_down_with_its_route(conninfo: str) -> None:
    seen: list[tuple[str, str, int]] = []
    with served(conninfo, observe=lambda name, method, status, _: seen.append((name, method, status))) as (
        client,
        guard,
    ):
        assert len(client.get("/notes").json()) == 5
        until_left(guard)
        totals = guard.ledger.routes()["GET /notes"]
        assert (totals.statements, totals.rows) == (1, 5)
        assert guard.ledger.holders() == []
    assert seen == [("GET /notes", "GET", 200)]


def test_at_the_deadline_the_query_ends_on_the_server_and_the_answer_promises_nothing(
    conninfo: str,
) -> None:
    with served(conninfo) as (client, guard):
        began = time.monotonic()
        answer = client.get("/sleep")
        assert time.monotonic() - began < 3
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
        assert "stays done" in answer.json()["detail"]
        with psycopg2.connect(conninfo) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where query like '%pg_sleep(20)%' and state = 'active' and pid <> pg_backend_pid()"
            )
            assert cursor.fetchone() == (0,)
        until_left(guard)
        assert guard.ledger.routes()["GET /sleep"].late == 1


def test_after_the_deadline_a_request_asks_nothing_more(conninfo: str) -> None:
    with served(conninfo) as (client, _):
        answer = client.get("/elsewhere")
    assert answer.status_code == 504


def test_a_stream_outlives_the_deadline_and_is_cut_at_its_bytes(conninfo: str) -> None:
    with served(conninfo) as (client, _):
        assert len(client.get("/stream", params={"pieces": 10}).content) == 10_000
        got = 0
        with (
            pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)),
            client.stream("GET", "/stream", params={"pieces": 15}, headers={"connection": "close"}) as answer,
        ):
            for piece in answer.iter_raw():
                got += len(piece)
            raise httpx.ReadError("it looked whole") if got > 10_000 else httpx.RemoteProtocolError("cut")
    assert got <= 10_000


def test_an_answer_that_is_known_to_be_too_large_is_refused(conninfo: str) -> None:
    with served(conninfo) as (client, _):
        answer = client.get("/large")
    assert answer.status_code == 503
    assert "10,000 bytes" in answer.json()["detail"]


def test_a_body_over_the_ceiling_is_refused(conninfo: str) -> None:
    with served(conninfo) as (client, _):
        assert client.post("/body", content=b"x" * 1_000).text == "1000"
        answer = client.post("/body", content=b"x" * 1_001)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_big")


def test_a_body_that_is_longer_than_it_says_is_read_no_further(conninfo: str) -> None:
    guard = WsgiGuard(lambda environ, start: [environ["wsgi.input"].read()], LIMITS)
    told: list[str] = []

    class Endless:
        def read(self, size: int = -1) -> bytes:
            assert 0 < size <= 1_001
            return b"x" * size

        readline = read

    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": Endless()}
    list(guard(environ, lambda status, headers, exc=None: told.append(status)))
    guard.close()
    assert told == ["413 Request Entity Too Large"]


def test_who_asks_too_often_is_refused(conninfo: str) -> None:
    with served(conninfo, rate=RateClass("notes", per_s=0.1, burst=2)) as (client, _):
        statuses = [client.get("/notes").status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]


def test_more_at_once_than_may_be_are_turned_away_and_it_opens_again(conninfo: str) -> None:
    with served(conninfo, GuardLimits(in_flight=2, deadline_s=1)) as (client, guard):
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(client.get("/sleep").status_code))
            for _ in range(6)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(statuses) == [503] * 4 + [504] * 2
        assert client.get("/notes").status_code == 200
        until_left(guard)


def test_a_budget_is_enforced_and_named(conninfo: str) -> None:
    ledger = Ledger(Budget(repeats=3), enforces=True)
    with served(conninfo, ledger=ledger) as (client, _):
        answer = client.get("/many")
    assert answer.status_code == 500
    assert answer.text == "OverBudget", "the application's own handler came first"
    assert ledger.routes()["GET /many"].over_budget == 1


def test_a_client_that_leaves_in_the_middle_of_a_stream_leaves_nothing_behind(conninfo: str) -> None:
    with served(conninfo) as (client, guard):
        connection = http.client.HTTPConnection("127.0.0.1", client.base_url.port or 0)
        connection.request("GET", "/stream?pieces=9")
        connection.getresponse().read(10)
        connection.close()
        until_left(guard)
