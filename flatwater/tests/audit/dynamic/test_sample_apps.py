"""The audit finds every leak planted in the sample application, by endpoint and rule, and none in its clean twin."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from running_server import RunningServer

from flatwater.audit.dynamic import Driven, drive_application

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).parents[2] / "sample_apps"
CALLS = 40
PLANTED = {
    ("GET /ping", "growing-container"),
    ("GET /visits", "growing-container"),
    ("GET /search", "unbounded-cache"),
    ("GET /hello", "label-from-input"),
    ("GET /report", "connection-not-returned"),
    ("GET /authors", "query-per-row"),
    ("GET /authors", "offset-paging"),
    ("GET /authors", "error-on-bad-input"),
    ("GET /authors/{id}", "exception-kept"),
    ("GET /authors/{id}", "client-per-request"),
    ("GET /notes", "unpaged-list"),
    ("POST /notes", "unowned-task"),
    ("POST /notes", "body-without-ceiling"),
    ("GET /totals", "rows-read-and-dropped"),
    ("GET /export", "response-built-whole"),
}


def loaded(name: str) -> Any:
    path = SAMPLES / name / f"{name}_app.py"
    spec = importlib.util.spec_from_file_location(f"{name}_app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.app


@pytest.fixture(scope="module")
def conninfo_of_samples(server: RunningServer) -> str:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute((SAMPLES / "tables.sql").read_text())
    return server.conninfo


@pytest.fixture(scope="module")
async def driven(conninfo_of_samples: str) -> dict[str, Driven]:
    found: dict[str, Driven] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SAMPLE_CONNINFO", conninfo_of_samples)
        for name in ("leaking", "clean"):
            found[name] = await drive_application(
                loaded(name), calls=CALLS, seed=1, writes=True, root=SAMPLES
            )
    return found


async def test_every_planted_leak_is_found_by_endpoint_and_rule(driven: dict[str, Driven]) -> None:
    found = {(each.route, each.rule) for each in driven["leaking"].findings}
    assert found == PLANTED


async def test_each_leak_is_laid_to_a_line_of_the_application(driven: dict[str, Driven]) -> None:
    source = (SAMPLES / "leaking" / "leaking_app.py").read_text().splitlines()
    lines = {
        each.route: source[each.where.line - 1].strip()
        for each in driven["leaking"].findings
        if each.rule != "error-on-bad-input"
    }
    assert {each.where.path for each in driven["leaking"].findings} == {"leaking/leaking_app.py"}
    assert lines["GET /ping"] == "self.kept.append(bytes(27))"
    assert lines["GET /visits"].startswith("VISITS.append")
    assert lines["GET /hello"].startswith("GREETINGS.labels")
    assert lines["GET /report"].startswith("async def report")


async def test_nothing_is_found_in_the_clean_twin(driven: dict[str, Driven]) -> None:
    assert [f"{each.route} {each.rule}: {each.saw}" for each in driven["clean"].findings] == []
    assert driven["clean"].unseen == ()
    assert {each.verdict for each in driven["clean"].readings} == {"flat"}
