"""A fresh demonstration passes its own doctor: both are run for real, as somebody would who tries the program out."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rightlevel.database.server import AttachedServer

COMMAND = str(Path(sys.executable).parent / "rightlevel")
CANT_BE_DONE = (
    "alter system",
    "pg_reload_conf",
    "create extension",
    "shared_preload_libraries",
    "postgresql.conf",
    "pg_ctl",
)
"""What a private server has no file, no extension or no right for."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A demonstration that has just been made and runs."""
    folder = tmp_path_factory.mktemp("demo")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [COMMAND, "demo", "--data", str(folder), "--port", str(port)], stdout=said, stderr=said
        )
    until = time.monotonic() + 180
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/version", timeout=5)
            break
        except httpx.TransportError:
            assert process.poll() is None, (folder / "said").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
    yield folder, port
    process.send_signal(signal.SIGTERM)
    process.wait(60)


@pytest.fixture(scope="module")
def told(demo: tuple[Path, int]) -> dict[str, Any]:
    folder, port = demo
    for _ in range(30):
        httpx.get(f"http://127.0.0.1:{port}/sign-in", timeout=20)
    done = subprocess.run(
        [COMMAND, "doctor", "--data", str(folder), "--json", "--healthz", f"http://127.0.0.1:{port}/healthz"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = json.loads(done.stdout)
    if is_disk_full(folder):  # this machine's own illness, and rightly told
        assert done.returncode == 1, done.stderr
        found["findings"] = [each for each in found["findings"] if each["check"] != "disk_space"]
    else:
        assert done.returncode == 0, done.stderr
    loud = [each for each in found["findings"] if each["severity"] in ("warning", "critical")]
    assert loud == [], done.stderr
    return found


def is_disk_full(folder: Path) -> bool:
    room = shutil.disk_usage(folder)
    return room.used / (room.used + room.free) >= 0.9


def by_check(told: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [each for each in told["findings"] if each["check"] == check]


def test_nothing_is_a_warning(told: dict[str, Any]) -> None:
    assert {each["severity"] for each in told["findings"]} <= {"ok", "notice", "not_examined"}


def test_the_service_is_connected_and_as_no_superuser(demo: tuple[Path, int], told: dict[str, Any]) -> None:
    assert [each["severity"] for each in by_check(told, "superuser_use")] == ["ok"]
    import psycopg

    with psycopg.connect(AttachedServer(demo[0]).conninfo) as connection:
        roles = connection.execute(
            "select distinct usename::text from pg_stat_activity where split_part(application_name, '/', 1) = 'rightlevel'"
        ).fetchall()
    assert roles == [("rightlevel_service",)]


def test_foreign_keys_that_deserve_an_index_have_one(told: dict[str, Any]) -> None:
    assert {each["key"] for each in by_check(told, "missing_indexes")} == {
        "missing_indexes/all",
        "missing_indexes/at rest",
    }


def test_statements_are_judged_by_the_services_own_times_where_the_server_keeps_none(
    told: dict[str, Any],
) -> None:
    said = by_check(told, "slow_statements")
    assert [each["severity"] for each in said] == ["ok"], said
    assert "the application itself took" in said[0]["saw"]
    assert "no pg_stat_statements to switch on" in said[0]["saw"]


def test_the_services_own_memory_and_time_outs_are_examined(told: dict[str, Any]) -> None:
    assert [each["severity"] for each in by_check(told, "application_memory")] == ["ok"]
    assert [each["severity"] for each in by_check(told, "timeouts_unset")] == ["ok"]
    assert [each["severity"] for each in by_check(told, "trust_authentication")] == ["ok"]


def test_nothing_is_advised_that_can_not_be_done_here(told: dict[str, Any]) -> None:
    advised = [
        f"{each['key']}: {cure}"
        for each in told["findings"]
        for cure in each["cures"]
        if any(word in json.dumps(cure).lower() for word in CANT_BE_DONE)
    ]
    assert advised == []
    assert not [each["saw"] for each in told["findings"] if "shared_preload_libraries" in each["saw"]]
