"""Troubles made for real, on the run's own server, by connections that are ended after the test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from running_server import RunningServer

from flatwater.doctor.check import Check
from flatwater.doctor.look import Look
from flatwater.doctor.model import Finding, NotExamined

Connection = psycopg.Connection[Any]


class Others:
    """Opens connections under a name and lets them run, wait or forget; all are ended at the end."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._opened: list[Connection] = []
        self.onlooker = psycopg.connect(conninfo, autocommit=True, application_name="onlooker")

    def open(self, name: str = "shop", **more: Any) -> Connection:
        opened = psycopg.connect(
            **{"conninfo": self._conninfo, "autocommit": True, "application_name": name, **more}
        )
        self._opened.append(opened)
        return opened

    def forget(self, name: str = "shop", statement: str = "select 1") -> Connection:
        opened = self.open(name)
        opened.execute("begin")
        opened.execute(statement)
        return opened

    def begin(self, statement: str, name: str = "shop") -> Connection:
        """Sends a statement without waiting for it."""
        opened = self.open(name)
        opened.pgconn.send_query(statement.encode())
        opened.pgconn.flush()
        return opened

    def wait_until(self, condition: str) -> None:
        until = time.monotonic() + 10
        while True:
            row = self.onlooker.execute(f"select {condition}").fetchone()
            assert row is not None
            if row[0]:
                return
            assert time.monotonic() < until, f"never came true: {condition}"
            time.sleep(0.01)

    def count(self, name: str) -> int:
        row = self.onlooker.execute(
            "select count(*) from pg_stat_activity where split_part(application_name, '/', 1) = %s", [name]
        ).fetchone()
        assert row is not None
        return row[0]

    def end(self) -> None:
        pids = [each.info.backend_pid for each in self._opened]
        self.onlooker.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid = any(%s)", [pids]
        )
        for each in self._opened:
            each.close()
        self.wait_until(
            f"not exists (select 1 from pg_stat_activity where pid = any('{{{','.join(map(str, pids))}}}'))"
        )
        self.onlooker.close()


@pytest.fixture
def others(conninfo: str) -> Iterator[Others]:
    opened = Others(conninfo)
    yield opened
    opened.end()


@pytest.fixture
def see(server: RunningServer) -> Callable[..., list[Finding]]:
    """What one check finds now; `application` names whose sessions may be cured."""

    def look_once(check: Check, application: str | None = "shop") -> list[Finding]:
        with Look(server.conninfo, application=application) as look:
            found: list[Finding] = []
            try:
                found.extend(check.look(look))
            except NotExamined as reason:
                found.append(
                    Finding(check.name, f"{check.name}/not examined", "not_examined", str(reason), "")
                )
            return found

    return look_once
