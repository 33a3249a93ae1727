"""Two processes that serve one database as two hosts would: a photo is everywhere, what one says the others know, a killed one is followed."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from opening_everything import Running, free_port, running
from people import make_cast
from PIL import Image
from serving import NewDatabase
from visiting import WHOLE

from flatwater.pool import Database

pytestmark = pytest.mark.anyio


class TwoHosts(msgspec.Struct, frozen=True):
    """Two services with data folders of their own, a folder that they share, and their database."""

    hosts: tuple[Running, Running]
    conninfo: str
    shared: Path
    school: int

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []


LET_IN = """
update person_session set expires_at = now() + interval '80 days', created_at = now(), last_seen_at = now();
update setting set value = 'false' where key = 'admins_need_second_factor';
"""


async def _make_cast(conninfo: str) -> int:
    async with Database(conninfo) as database, database.transaction(deadline_s=30) as session:
        cast = await make_cast(session)
        await session.connection.execute(LET_IN.encode())
        return cast.school_a


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[TwoHosts]:
    folder = tmp_path_factory.mktemp("two")
    conninfo = new_database().conninfo
    with ThreadPoolExecutor(1) as beside:  # this thread has a loop of its own
        school = beside.submit(asyncio.run, _make_cast(conninfo)).result()
    environment = {"DATABASE_URL": conninfo, "RIGHTLEVEL_FILES_FOLDER": str(folder / "shared")}
    with ExitStack() as opened:
        hosts: list[Running] = []
        for number in range(2):
            own = folder / f"host{number}"
            own.mkdir()
            hosts.append(
                opened.enter_context(running(own, free_port(), environment=environment, is_prepared=True))
            )
        yield TwoHosts((hosts[0], hosts[1]), conninfo, folder / "shared", school)


def a_photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), (20, 120, 60)).save(out, "JPEG")
    return out.getvalue()


async def test_a_photo_put_on_one_host_is_had_from_another_and_gone_from_all_when_it_is_swept(
    two: TwoHosts,
) -> None:
    a, b = two.hosts
    visit, photo = str(uuid4()), str(uuid4())
    async with a.client("mentor") as on_a, b.client("mentor") as on_b:
        body = {
            "write_id": str(uuid4()),
            "school_id": two.school,
            "subject": "math",
            "visited_on": time.strftime("%Y-%m-%d", time.gmtime()),
            "answers": WHOLE,
        }
        made = await on_a.put(f"/api/v1/visits/{visit}", json=body)
        assert made.status_code in (200, 201), made.text
        sent = await on_a.post(
            f"/api/v1/visits/{visit}/photos",
            data={"id": photo},
            files={"file": ("board.jpg", a_photo(), "image/jpeg")},
        )
        assert sent.status_code in (200, 201), sent.text
        answers = [await each.get(f"/api/v1/photos/{photo}") for each in (on_a, on_b)]
        assert [each.status_code for each in answers] == [200, 200]
        assert len({each.content for each in answers}) == 1
        assert (await on_b.delete(f"/api/v1/photos/{photo}")).status_code < 300
        assert (await on_a.get(f"/api/v1/photos/{photo}")).status_code == 404
    assert [each.name for each in two.shared.rglob("*.jpg")] == [f"{photo}.jpg"], "kept for a month"
    two.rows(f"update photo set removed_at = now() - interval '40 days' where id = '{photo}'")

    def sweeps(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rightlevel", "clean-up", "--data", str(a.folder)],
            env={**os.environ, "DATABASE_URL": two.conninfo, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    elsewhere = sweeps()
    assert (elsewhere.returncode, "RIGHTLEVEL_FILES_FOLDER" in elsewhere.stderr) == (1, True), (
        elsewhere.stderr
    )
    swept = sweeps(RIGHTLEVEL_FILES_FOLDER=str(two.shared))
    assert swept.returncode == 0, swept.stderr
    assert list(two.shared.rglob("*.jpg")) == []
    assert two.rows("select count(*) from photo") == [(0,)]


async def test_a_host_whose_files_lie_elsewhere_says_so_and_ends(two: TwoHosts, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "rightlevel", "serve", "--data", str(tmp_path), "--port", str(free_port())],
        env={**os.environ, "DATABASE_URL": two.conninfo},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "RIGHTLEVEL_FILES_FOLDER" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert two.rows("select count(*) from host_standing") == [(2,)]


async def test_every_page_of_operations_shows_all_hosts_and_the_elected_one_is_followed_when_it_is_killed(
    two: TwoHosts,
) -> None:
    names = {name for (name,) in two.rows("select name from host_standing")}
    assert len(names) == 2
    for host in two.hosts:
        async with host.client("admin") as client:
            text = (await client.get("/operations")).text
        assert all(name in text for name in names)
        assert (text.count("Tells alerts"), text.count("This host")) == (1, 1)
        async with host.client() as client:
            health = (await client.get("/healthz")).json()
        assert (health["status"], health["hosts"]) == ("ok", 2), health["notes"]
    ((process_id,),) = two.rows(
        "select process_id from host_standing h join election e on e.host_id = h.id where e.name = 'cluster'"
    )
    os.kill(process_id, signal.SIGKILL)
    # What a minute would do: its time is over.
    two.rows("update election set until_at = now() - interval '1 second'")
    until = time.monotonic() + 40
    while True:
        ((now_elected,),) = two.rows(
            "select coalesce((select process_id from host_standing h join election e on e.host_id = h.id where e.until_at > now()), 0)"
        )
        if now_elected not in (0, process_id):
            break
        assert time.monotonic() < until, "nobody followed"
        await asyncio.sleep(0.2)
    left = [each for each in two.hosts if each.process.pid != process_id]
    assert now_elected in {each.process.pid for each in left}
    for host in left:
        async with host.client("admin") as client:
            assert (await client.get("/version")).status_code == 200


OF_THE_IMPORT = "from import_run where id = '{}'"


async def test_an_import_whose_host_is_killed_goes_on_on_another_and_is_saved_once(
    two: TwoHosts, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": two.conninfo, "RIGHTLEVEL_FILES_FOLDER": str(two.shared)}
    with running(tmp_path, free_port(), environment=environment, is_prepared=True) as third:
        alive = [each for each in (*two.hosts, third) if each.process.poll() is None]
        first, second = alive[-2:]
        async with first.client("coordinator") as client:
            rows = "school_code,code,name,sex,grade\n" + "".join(f"A,KH{n},x,f,3\n" for n in range(500))
            files = {"file": ("killed.csv", rows.encode(), "text/csv")}
            sent = await client.post(
                "/api/v1/imports", data={"kind": "students", "dry_run": "true"}, files=files
            )
            assert sent.status_code == 202, sent.text
            looked_at = await _ended(two, sent.json()["id"])
        assert looked_at == ("done", 500)
        with psycopg.connect(two.conninfo) as holding:
            holding.execute("lock table student in share row exclusive mode")
            async with second.client("coordinator") as client:  # not who took the file
                applied = await client.post(f"/api/v1/imports/{sent.json()['id']}/apply", json={})
                assert applied.status_code in (200, 202), applied.text
                run_id = applied.json()["id"]
            of_it = OF_THE_IMPORT.format(run_id)
            until = time.monotonic() + 30
            while two.rows(f"select state::text {of_it}") != [("saving",)]:
                assert time.monotonic() < until
                await asyncio.sleep(0.05)
            ((process_id,),) = two.rows(
                f"select h.process_id from host_standing h where h.id = (select owner {of_it})"
            )
            os.kill(process_id, signal.SIGKILL)
        # What a minute would do: nobody has heard of it for long.
        two.rows(f"update import_run set seen_at = seen_at - interval '2 minutes' where id = '{run_id}'")
        assert await _ended(two, run_id) == ("done", 500)
        assert two.rows("select count(*) from student where code like 'KH%'") == [(500,)]
        assert two.rows(f"select attempts::int {of_it}") == [(2,)]
        ((took_over,),) = two.rows(
            f"select h.process_id from host_standing h where h.id = (select owner {of_it})"
        )
        assert took_over in {each.process.pid for each in alive} - {process_id}
        assert [each.name for each in (two.shared / "imports" / "files").iterdir()] == []


async def _ended(two: TwoHosts, run_id: str) -> tuple[str, int]:
    """How an import ended: its state and how much it added."""
    until = time.monotonic() + 40
    while True:
        ((state, added, ended_at),) = two.rows(
            "select state::text, added, ended_at " + OF_THE_IMPORT.format(run_id)
        )
        if ended_at is not None:
            return state, added
        assert time.monotonic() < until, state
        await asyncio.sleep(0.1)
