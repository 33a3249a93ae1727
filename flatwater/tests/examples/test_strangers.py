"""Three strangers' services, fetched as source packages from PyPI when this is asked, put under flatwater in some ten lines each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from running_server import RunningServer

pytestmark = pytest.mark.walk

ROOT = Path(__file__).parents[3]
EXAMPLES = Path(__file__).parents[2] / "examples" / "strangers"
UV = ROOT / ".tools/uv/bin/uv"


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Installs one into a folder of its own, from its source; skips where that can't be had."""

    def fetch(name: str, wanted: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        if not UV.exists():
            pytest.skip(f"{name} was not fetched: uv is not here (make fetches it)")
        words = [
            UV,
            "pip",
            "install",
            "-q",
            "--python",
            sys.executable,
            "--target",
            folder,
            "--no-binary",
            name,
        ]
        try:
            done = subprocess.run(
                [*map(str, words), wanted], capture_output=True, text=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{name} was not fetched within two minutes")
        if done.returncode != 0:
            pytest.skip(
                f"{name} could not be fetched from PyPI as a source package: {done.stderr.strip()[-200:]}"
            )
        return folder

    return fetch


def asked(folder: Path, code: str, **settings: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{folder}:{EXAMPLES}", **settings},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_each_example_is_some_ten_lines() -> None:
    for file in EXAMPLES.glob("*.py"):
        lines = [line for line in file.read_text().splitlines()[1:] if line.strip()]
        assert len(lines) <= 16, file.name


def test_a_package_index_takes_no_upload_over_its_bound_and_no_caller_over_its_rate(
    fetched: Any, tmp_path: Path
) -> None:
    told = asked(
        fetched("pypiserver", "pypiserver"),
        """
import json, httpx
from pypiserver_guarded import app
with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://x") as client:
    home = client.get("/simple/").status_code
    large = client.post("/", content=b"x" * 200_000).status_code
    often = [client.get("/simple/").status_code for _ in range(30)]
print(json.dumps([home, large, often.count(429) > 0]))
""",
        PACKAGES=str(tmp_path),
    )
    assert told == [200, 413, True]


def test_a_service_that_answers_any_sql_ends_at_its_deadline_and_its_answers_are_bounded(
    fetched: Any, tmp_path: Path
) -> None:
    told = asked(
        fetched("datasette", "datasette"),
        """
import asyncio, json, os, sqlite3, time, httpx
with sqlite3.connect(os.environ["DATABASE_FILE"]) as file:
    file.execute("create table note (words text)")
    file.execute("insert into note values (?)", ["x" * 300_000])
from datasette_guarded import app
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n where i < 0"
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x", follow_redirects=True) as client:
        home = (await client.get("/")).status_code
        began = time.monotonic()
        late = (await client.get("/notes.json", params={"sql": ENDLESS})).status_code
        took = time.monotonic() - began
        print(json.dumps([home, late, took < 5]), flush=True)
        os._exit(0)  # datasette's thread would count on
asyncio.run(main())
""",
        DATABASE_FILE=str(tmp_path / "notes.db"),
    )
    assert told == [200, 504, True]


def test_a_store_on_postgresql_is_seen_statement_by_statement_with_its_limits_held(
    fetched: Any, server: RunningServer
) -> None:
    host = conninfo_to_dict(server.conninfo)["host"]
    told = asked(
        fetched("kinto", "kinto[postgresql]"),
        """
import json, warnings, httpx
warnings.simplefilter("ignore")
from kinto_guarded import app, ledger, served
for part in ("storage", "permission", "cache"):
    getattr(served.registry, part).initialize_schema()
with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://x") as client:
    made = client.put("/v1/buckets/notes").status_code
    read = client.get("/v1/buckets/notes").status_code
engine = served.registry.storage.client.session_factory.get_bind()
with engine.connect() as connection:
    limit = connection.exec_driver_sql("show statement_timeout").scalar()
totals = ledger.routes()
print(json.dumps([made, read, limit, all(each.statements > 0 for each in totals.values()), len(ledger.holders())]))
""",
        DATABASE_URL=f"postgresql://postgres@/postgres?host={host}",
    )
    assert told[:4] == [201, 200, "10s", True]
    assert told[4] == 0
