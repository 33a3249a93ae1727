"""Not examined is never ok: in the exit code, in the share, and in the reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running_server import RunningServer

from flatwater.audit.model import Endpoint, Finding, Place, Report, Unseen, Verdict

HERE = Path(__file__).parent
APP = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def well(request):
    return JSONResponse({})

async def refuses(request):
    return JSONResponse({}, 403)

async def slow(request):
    await asyncio.sleep(0.05)
    return JSONResponse({})

app = Starlette(routes=[Route("/well", well), Route("/refuses", refuses), Route("/slow", slow)])
"""
OK = {"responses": {"200": {"description": "ok"}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sample.py").write_text(APP)
    return tmp_path


def start(folder: Path, *paths: str, more: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    (folder / "openapi.json").write_text(json.dumps({"paths": {path: {"get": OK} for path in paths}}))
    command = [sys.executable, "-m", "flatwater", "audit", "sample:app", "--drive", "--openapi"]
    return subprocess.Popen(
        [*command, "openapi.json", "--format", "json", *more],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, dict, str]:
    out, err = process.communicate(timeout=110)
    return process.returncode, json.loads(out) if out else {}, err


def test_all_examined_is_well(folder: Path) -> None:
    code, told, err = finish(start(folder, "/well", more=("--calls", "40")))
    assert (code, told["examined"]) == (0, 1.0), told
    assert "[1/1] GET /well" in err


def test_a_part_that_was_not_examined_is_exit_3_with_the_share(folder: Path) -> None:
    code, told, _ = finish(start(folder, "/well", "/refuses", more=("--calls", "40")))
    assert code == 3
    assert told["examined"] == 0.5
    assert [each["what"] for each in told["unseen"]] == ["GET /refuses"]
    code, _, _ = finish(start(folder, "/well", "/refuses", more=("--calls", "40", "--at-least", "50")))
    assert code == 0


@pytest.mark.parametrize("calls", ["20", "39"])
def test_calls_too_few_to_show_anything_are_refused(folder: Path, calls: str) -> None:
    code, _, err = finish(start(folder, "/well", more=("--calls", calls)))
    assert code == 2
    assert "40" in err


def test_when_its_time_is_over_what_was_driven_is_told(folder: Path) -> None:
    began = time.monotonic()
    code, told, _ = finish(start(folder, "/well", "/slow", more=("--calls", "4000", "--within", "5")))
    assert time.monotonic() - began < 40
    assert code == 3
    by_route = {each["what"]: each["why"] for each in told["unseen"]}
    assert "time that driving may take was over" in by_route["GET /slow"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_audit_tells_what_it_has(folder: Path, sign: signal.Signals) -> None:
    process = start(folder, "/well", "/slow", more=("--calls", "400"))
    assert process.stderr is not None
    for line in process.stderr:
        if "/slow" in line:
            break
    time.sleep(1)
    process.send_signal(sign)
    out = process.communicate(timeout=60)[0]
    told = json.loads(out)
    assert process.returncode == 3
    assert {each["route"]: each["verdict"] for each in told["endpoints"]} == {
        "GET /well": "flat",
        "GET /slow": "not_examined",
    }
    assert "stopped" in told["unseen"][0]["why"]


def report(**more: object) -> Report:
    whole = {"subject": "s", "findings": (), "verdicts": (Verdict("GET /", "clean"),), "files": 1}
    return Report(**{**whole, **more})  # type: ignore[arg-type]


def endpoint(verdict: str) -> Endpoint:
    return Endpoint(route="GET /", verdict=verdict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "code", "share"),
    [
        (report(), 0, 1.0),
        (report(verdicts=()), 3, 0.0),
        (report(verdicts=(), unseen=(Unseen("app", "no route"),)), 3, 0.0),
        (report(unseen=(Unseen("a.py", "broken"),)), 3, 0.99),
        (report(verdicts=(Verdict("a", "clean"), Verdict("b", "not_examined"))), 3, 0.5),
        (report(endpoints=(endpoint("not_examined"),) * 442), 3, 0.0),
        (report(endpoints=(endpoint("flat"), endpoint("cannot_tell"))), 3, 0.5),
        (report(endpoints=(endpoint("flat"), endpoint("grows"))), 0, 1.0),
        (report(endpoints=(endpoint("flat"), endpoint("not_examined")), at_least=0.5), 0, 0.5),
        (report(verdicts=(), at_least=0.0), 3, 0.0),
    ],
)
def test_the_exit_code_follows_the_share(given: Report, code: int, share: float) -> None:
    assert (given.exit_code, given.examined) == (code, share)


def test_what_was_found_is_graver_than_what_was_not_looked_at() -> None:
    grave = Finding(
        key="k",
        rule="r",
        priority="P1",
        where=Place("a", 1, "b"),
        route=None,
        saw="",
        why="",
        change="",
    )
    assert report(verdicts=(), findings=(grave,)).exit_code == 2


ROUTES_OF_THE_PROJECT = {
    "ANY /",
    "ANY /api/v1/notes/",
    "GET /api/v1/notes/<int:number>/",
    "DELETE /api/v1/notes/<int:number>/",
    "ANY /api/v1/notes/each/",
    "ANY /api/v1/notes/held/",
    "ANY /old/(?P<number>[0-9]+)/",
    "ANY /more/deep/",
}


def test_every_address_of_a_django_project_is_seen_with_what_it_includes(server: RunningServer) -> None:
    command = [sys.executable, "-m", "flatwater", "audit", "noticeboard.asgi:application", "--format", "json"]
    done = subprocess.run(
        command,
        cwd=HERE / "django_project",
        env={**os.environ, "SAMPLE_CONNINFO": server.conninfo},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = json.loads(done.stdout)
    assert {each["route"] for each in told["verdicts"]} == ROUTES_OF_THE_PROJECT
    assert told["examined"] == 1.0
    assert "growing-container" in {each["rule"] for each in told["findings"]}
    assert done.returncode == 2


def test_an_application_without_a_route_is_not_well(folder: Path) -> None:
    (folder / "sample.py").write_text("async def app(scope, receive, send): ...\n")
    command = [sys.executable, "-m", "flatwater", "audit", "sample:app"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "no route of it was found" in " ".join(done.stdout.split())
    assert "0% was" in " ".join(done.stdout.split())
