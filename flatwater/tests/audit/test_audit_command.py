"""`flatwater audit --drive` from the command line: what it sends, what it may write to, and how it tells what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from running_server import RunningServer

from flatwater.audit.model import Report
from flatwater.audit.rules import RULES
from flatwater.audit.sarif import as_sarif

SAMPLES = Path(__file__).parents[1] / "sample_apps"
DISPOSABLE = "made_for_the_audit"
SECRET = "s3cret-and-never-printed"

SMALL = """
import os
import psycopg
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def read(request):
    if request.headers.get("x-key") != "s3cret-and-never-printed":
        return JSONResponse({}, 401)
    return JSONResponse({"items": []})

def shelf(request):
    with psycopg.connect(os.environ["SAMPLE_CONNINFO"], autocommit=True) as connection:
        if request.method == "POST":
            connection.execute("insert into written values (1)")
        return JSONResponse(connection.execute("select count(*) from written").fetchone()[0])

app = Starlette(routes=[Route("/read", read), Route("/shelf", shelf, methods=["GET", "POST"])])
"""
OK = {"responses": {"200": {"description": "ok"}}}


@pytest.fixture(scope="module")
def made(server: RunningServer) -> Iterator[str]:
    """A database of its own on the server, and how to reach it."""
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("drop database if exists made_for_the_audit")
        connection.execute("create database made_for_the_audit")
    conninfo = make_conninfo(server.conninfo, dbname=DISPOSABLE)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute((SAMPLES / "tables.sql").read_bytes())
        connection.execute("create table written (n integer)")
    yield conninfo
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("drop database made_for_the_audit with (force)")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small_app.py").write_text(SMALL)
    document = {"openapi": "3.1.0", "paths": {"/read": {"get": OK}, "/shelf": {"get": OK, "post": OK}}}
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "read.json").write_text(json.dumps({"paths": {"/read": {"get": OK}}}))
    return tmp_path


def audit(folder: Path, *words: str, conninfo: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flatwater.commands", "audit", *words]
    environment = {**os.environ, "SAMPLE_CONNINFO": conninfo}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def drive(folder: Path, *words: str, conninfo: str = "") -> subprocess.CompletedProcess[str]:
    return audit(folder, "small_app:app", "--drive", "--calls", "40", *words, conninfo=conninfo)


def test_a_header_reaches_the_application_and_is_never_printed(small: Path) -> None:
    document = ("--openapi", "read.json", "--rule", "whole-upload")
    for form in ("table", "json", "sarif", "html"):
        done = drive(
            small, *document, "--header", f"X-Key: {SECRET}", "--header", "Accept: */*", "--format", form
        )
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr
        assert "GET /read" in done.stdout
    assert "not examined" in drive(small, *document).stdout


def test_a_header_that_is_none_is_refused_without_repeating_it(small: Path) -> None:
    for wrong in (SECRET, f"X Key: {SECRET}", f"X-Key: {SECRET}\r\nX-Other: 1"):
        done = drive(small, "--openapi", "read.json", "--header", wrong)
        assert done.returncode == 2
        assert "Header 1 is not of the form" in done.stderr
        assert SECRET not in done.stdout + done.stderr


def test_the_openapi_document_is_read_from_a_file_where_none_is_served(small: Path) -> None:
    assert drive(small).returncode == 3
    (small / "broken.json").write_text("{")
    (small / "other.json").write_text('{"name": "package"}')
    for wrong in ("broken.json", "other.json"):
        assert drive(small, "--openapi", wrong).returncode == 2


def test_options_of_driving_without_driving_are_refused(small: Path) -> None:
    for words in (("--header", "a: b"), ("--openapi", "read.json"), ("--writes", DISPOSABLE)):
        assert audit(small, "small_app:app", *words).returncode == 2


@pytest.mark.parametrize("name", ["postgres", "template1", ""])
def test_writes_without_a_database_made_for_it_are_refused(small: Path, name: str) -> None:
    done = drive(small, "--openapi", "openapi.json", "--writes", name)
    assert done.returncode == 2
    assert "made for this" in done.stderr


def test_changes_are_sent_to_the_database_that_was_named_and_to_no_other(small: Path, made: str) -> None:
    document = ("--openapi", "openapi.json", "--header", f"X-Key: {SECRET}", "--format", "json")
    other = drive(small, *document, "--writes", "some_other", conninfo=made)
    assert other.returncode == 3
    assert f"asked the database {DISPOSABLE}, not some_other" in other.stderr
    assert written(made) == 0

    untold = json.loads(drive(small, *document, conninfo=made).stdout)
    assert verdicts(untold)["POST /shelf"] == "not_examined"
    assert written(made) == 0

    told = json.loads(drive(small, *document, "--writes", DISPOSABLE, conninfo=made).stdout)
    assert verdicts(told)["POST /shelf"] != "not_examined"
    assert written(made) > 40


def test_changes_are_not_sent_where_no_statement_shows_where_they_go(small: Path) -> None:
    text = SMALL.replace('methods=["GET", "POST"]', 'methods=["POST"]')
    (small / "small_app.py").write_text(text)
    done = drive(small, "--openapi", "openapi.json", "--writes", DISPOSABLE, "--format", "json")
    told = json.loads(done.stdout)
    assert verdicts(told)["POST /shelf"] == "not_examined"
    reason = next(each["why"] for each in told["unseen"] if each["what"] == "POST /shelf")
    assert "where it writes is not known" in reason


@pytest.fixture(scope="module")
def reports(made: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The leaking sample and its clean twin, by source and by driving, as JSON; and the leaking one as SARIF."""
    options = ("--drive", "--calls", "40", "--writes", DISPOSABLE, "--format", "json")
    with ThreadPoolExecutor(2) as both:
        done = {
            name: both.submit(audit, SAMPLES / name, f"{name}_app:app", *options, conninfo=made)
            for name in ("leaking", "clean")
        }
    found: dict[str, Any] = {name: json.loads(each.result().stdout) for name, each in done.items()}
    found |= {f"{name} exit": each.result().returncode for name, each in done.items()}
    report = msgspec.json.decode(done["leaking"].result().stdout, type=Report)
    found["sarif"] = json.loads(as_sarif(report, RULES))
    return found


def test_every_endpoint_has_a_verdict_with_its_interval(reports: dict[str, Any]) -> None:
    leaking = {each["route"]: each for each in reports["leaking"]["endpoints"]}
    assert leaking["GET /ping"]["verdict"] == "grows"
    assert leaking["GET /ping"]["grows_low"] <= 1.0 <= leaking["GET /ping"]["grows_high"]
    assert leaking["GET /notes"]["rows"] >= 1_500
    assert leaking["GET /authors"]["statements"] >= 20
    clean = reports["clean"]["endpoints"]
    assert {each["route"] for each in clean} == set(leaking)
    assert {each["verdict"] for each in clean} == {"flat"}
    assert all(each["grows_high"] < 0.2 for each in clean)


def test_the_leaking_sample_fails_and_its_clean_twin_passes(reports: dict[str, Any]) -> None:
    assert (reports["leaking exit"], reports["clean exit"]) == (2, 0)
    assert [each["key"] for each in reports["clean"]["findings"] if each["priority"] != "P3"] == []
    by = {each["by"] for each in reports["leaking"]["findings"]}
    assert {"driving", "both"} <= by
    assert SECRET not in json.dumps(reports)


def test_sarif_has_the_shape_that_version_2_1_0_asks_for(reports: dict[str, Any]) -> None:
    sarif = reports["sarif"]
    assert sarif["version"] == "2.1.0"
    assert sarif["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = sarif["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "flatwater"
    assert len({each["id"] for each in rules}) == len(rules)
    assert run["results"]
    for each in run["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
        assert each["level"] in {"none", "note", "warning", "error"}
        assert each["message"]["text"]
        assert all(isinstance(value, str) for value in each["partialFingerprints"].values())
        for place in each.get("locations", ()):
            file = place["physicalLocation"]["artifactLocation"]
            assert file["uriBaseId"] in run["originalUriBaseIds"]
            assert (SAMPLES / "leaking" / unquote(file["uri"])).is_file()
            assert place["physicalLocation"].get("region", {"startLine": 1})["startLine"] >= 1
    for each in run["invocations"]:
        assert each["executionSuccessful"] is True
        assert all(note["message"]["text"] for note in each["toolExecutionNotifications"])
    assert {each["route"] for each in run["properties"]["endpoints"]} >= {"GET /ping", "GET /notes"}


def written(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("select count(*) from written").fetchone()
        assert row is not None
        return row[0]


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {each["route"]: each["verdict"] for each in report["endpoints"]}
