"""Three processes that serve one database as three hosts would: a photo is everywhere, what one says the others know, a killed one is followed."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from opening_everything import Running, free_port, prepare, running
from PIL import Image
from visiting import WHOLE

from rightlevel.database.server import PrivateServer

pytestmark = pytest.mark.anyio
MEMORY = 150_000_000


class ThreeHosts(msgspec.Struct, frozen=True):
    """Three services with data folders of their own, a folder that they share, and their database."""

    hosts: tuple[Running, Running, Running]
    conninfo: str
    shared: Path
    school: int

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeHosts]:
    folder = tmp_path_factory.mktemp("three")
    (ids, *_) = prepare(folder / "data")
    server = PrivateServer(folder / "data", MEMORY)
    conninfo = server.start()
    environment = {"DATABASE_URL": conninfo, "RIGHTLEVEL_FILES_FOLDER": str(folder / "shared")}
    try:
        with ExitStack() as opened:
            hosts: list[Running] = []
            for number in range(3):
                own = folder / f"host{number}"
                own.mkdir()
                hosts.append(
                    opened.enter_context(running(own, free_port(), environment=environment, is_prepared=True))
                )
            first, second, third = hosts
            yield ThreeHosts((first, second, third), conninfo, folder / "shared", ids["school"])
    finally:
        server.stop()


def a_photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), (20, 120, 60)).save(out, "JPEG")
    return out.getvalue()


async def test_a_photo_put_on_one_host_is_had_from_another_and_gone_from_all_when_it_is_swept(
    three: ThreeHosts,
) -> None:
    a, b, c = three.hosts
    visit, photo = str(uuid4()), str(uuid4())
    async with a.client("mentor") as on_a, b.client("mentor") as on_b, c.client("mentor") as on_c:
        body = {
            "write_id": str(uuid4()),
            "school_id": three.school,
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
        answers = [await each.get(f"/api/v1/photos/{photo}") for each in (on_a, on_b, on_c)]
        assert [each.status_code for each in answers] == [200, 200, 200]
        assert len({each.content for each in answers}) == 1
        assert (await on_b.delete(f"/api/v1/photos/{photo}")).status_code < 300
        assert (await on_a.get(f"/api/v1/photos/{photo}")).status_code == 404
    assert [each.name for each in three.shared.rglob("*.jpg")] == [f"{photo}.jpg"], "kept for a month"
    three.rows(f"update photo set removed_at = now() - interval '40 days' where id = '{photo}'")
    swept = subprocess.run(
        [sys.executable, "-m", "rightlevel", "clean-up", "--data", str(c.folder)],
        env={
            **os.environ,
            "DATABASE_URL": three.conninfo,
            "RIGHTLEVEL_FILES_FOLDER": str(three.shared),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert swept.returncode == 0, swept.stderr
    assert list(three.shared.rglob("*.jpg")) == []


async def test_a_host_whose_files_lie_elsewhere_says_so_and_ends(three: ThreeHosts, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "rightlevel", "serve", "--data", str(tmp_path), "--port", str(free_port())],
        env={**os.environ, "DATABASE_URL": three.conninfo},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "RIGHTLEVEL_FILES_FOLDER" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert three.rows("select count(*) from host_standing") == [(3,)]


async def test_every_page_of_operations_shows_all_hosts_and_the_elected_one_is_followed_when_it_is_killed(
    three: ThreeHosts,
) -> None:
    names = {name for (name,) in three.rows("select name from host_standing")}
    assert len(names) == 3
    for host in three.hosts:
        async with host.client("admin") as client:
            text = (await client.get("/operations")).text
        assert all(name in text for name in names)
        assert (text.count("Tells alerts"), text.count("This host")) == (1, 1)
        async with host.client() as client:
            health = (await client.get("/healthz")).json()
        assert (health["status"], health["hosts"]) == ("ok", 3), health["notes"]
    ((process_id,),) = three.rows(
        "select process_id from host_standing h join election e on e.host_id = h.id where e.name = 'cluster'"
    )
    os.kill(process_id, signal.SIGKILL)
    # What a minute would do: its time is over.
    three.rows("update election set until_at = now() - interval '1 second'")
    until = time.monotonic() + 40
    while True:
        ((now_elected,),) = three.rows(
            "select coalesce((select process_id from host_standing h join election e on e.host_id = h.id where e.until_at > now()), 0)"
        )
        if now_elected not in (0, process_id):
            break
        assert time.monotonic() < until, "nobody followed"
        await asyncio.sleep(0.2)
    left = [each for each in three.hosts if each.process.pid != process_id]
    assert now_elected in {each.process.pid for each in left}
    for host in left:
        async with host.client("admin") as client:
            assert (await client.get("/version")).status_code == 200
