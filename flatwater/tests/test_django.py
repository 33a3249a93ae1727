"""Django in a process of its own: the middleware, the limits, who holds a connection, and the commands of manage.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running_server import RunningServer

PROJECT = Path(__file__).parent / "audit" / "django_project"
PREAMBLE = """
import os, json, threading, time
os.environ["DJANGO_SETTINGS_MODULE"] = "noticeboard.settings"
import django
django.setup()
from django.test import Client
from flatwater.django import ledger
told = {}
def totals(name):
    found = ledger.routes()[name]
    return [found.requests, found.statements, found.rows, found.over_budget]
"""


def run(server: RunningServer, text: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + text + "\nprint(json.dumps(told))"],
        cwd=PROJECT,
        env={**os.environ, "SAMPLE_CONNINFO": server.conninfo},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]) | {"log": done.stderr}


def manage(server: RunningServer, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env={**os.environ, "SAMPLE_CONNINFO": server.conninfo},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_each_view_is_written_down_with_what_it_asks(server: RunningServer) -> None:
    told = run(
        server,
        """
client = Client()
assert client.get("/api/v1/notes/").status_code == 200
assert client.get("/api/v1/notes/7/").status_code == 200
told["notes"] = totals("GET /api/v1/notes/")
told["note"] = totals("GET /api/v1/notes/<int:number>/")
told["held"] = len(ledger.holders())
""",
    )
    assert told["notes"] == [1, 1, 20, 0]
    assert told["note"] == [1, 0, 0, 0]
    assert told["held"] == 0


def test_one_statement_for_each_row_goes_over_its_budget_and_is_said(server: RunningServer) -> None:
    told = run(
        server,
        'assert Client().get("/api/v1/notes/each/").status_code == 200\ntold["each"] = totals("GET /api/v1/notes/each/")',
    )
    assert told["each"] == [1, 20, 20, 1]
    assert "GET /api/v1/notes/each/ went over its budget: 9 statements, and 8 are allowed" in told["log"]


def test_who_sits_in_a_transaction_is_named_by_route_and_line(server: RunningServer) -> None:
    told = run(
        server,
        """
asking = threading.Thread(target=lambda: Client().get("/api/v1/notes/held/?seconds=2"))
asking.start()
until = time.monotonic() + 8
while not ledger.idle_in_transaction(over_s=0.2) and time.monotonic() < until:
    time.sleep(0.02)
told["sits"] = [[each.route, each.line, each.driver] for each in ledger.idle_in_transaction(over_s=0.2)]
asking.join()
told["after"] = len(ledger.holders())
""",
    )
    ((route, line, driver),) = told["sits"]
    assert route == "GET /api/v1/notes/held/"
    assert "notes/views.py" in line
    assert line.endswith("in held")
    assert driver.startswith("django+psycopg")
    assert told["after"] == 0


def test_its_connections_hold_the_limits_of_the_settings(server: RunningServer) -> None:
    told = run(
        server,
        """
from django.db import connection
Client().get("/")
with connection.cursor() as cursor:
    cursor.execute("select current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')")
    told["limits"] = list(cursor.fetchone())
""",
    )
    assert told["limits"] == ["5s", "2s", "7s"]


def test_asynchronous_views_are_written_down_alike(server: RunningServer) -> None:
    told = run(
        server,
        """
import asyncio
from django.test import AsyncClient
async def ask():
    answer = await AsyncClient().get("/api/v1/notes/")
    assert answer.status_code == 200
asyncio.run(ask())
told["notes"] = totals("GET /api/v1/notes/")
told["held"] = len(ledger.holders())
""",
    )
    assert told["notes"] == [1, 1, 20, 0]
    assert told["held"] == 0


def test_a_setting_that_is_misspelt_is_refused(server: RunningServer) -> None:
    told = run(
        server,
        """
from django.conf import settings
settings.FLATWATER = {"statments": 3}
try:
    Client().get("/")
except Exception as error:
    told["error"] = str(error)
""",
    )
    assert "statments" in told["error"]


@pytest.mark.parametrize("words", [["doctor", "--all"], ["audit"]])
def test_its_commands_look_at_the_projects_own(
    server: RunningServer, words: list[str], tmp_path: Path
) -> None:
    os.environ["XDG_STATE_HOME"] = str(tmp_path)
    done = manage(server, "flatwater", *words)
    said = " ".join(done.stdout.split())
    assert done.returncode == 2, done.stdout + done.stderr
    if words[0] == "doctor":
        assert "postgres" in said
        assert "fsync" in said
    else:
        assert "growing-container" in said
        assert "noticeboard.asgi:application" in said


def test_without_a_word_the_command_says_what_there_is(server: RunningServer) -> None:
    done = manage(server, "flatwater")
    assert done.returncode == 2
    assert "doctor | watch | audit" in done.stderr
