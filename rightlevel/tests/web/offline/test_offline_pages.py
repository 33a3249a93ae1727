"""The page that is kept on phones and the worker that keeps it: the same for everybody, whole, and with nothing of anybody in it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from people import NOW
from serving import OneDatabase, Served, serving

from rightlevel import web
from rightlevel.web import offline
from rightlevel.web.language import LANGUAGES
from rightlevel.web.templating import static_address

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def house(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("offline")) as opened:
        yield opened


async def test_the_page_is_the_same_for_everybody_and_names_nobody(house: Served) -> None:
    for language in LANGUAGES:
        texts: list[str] = []
        for name in (None, "teacher", "admin"):
            async with house.client(name, by="cookie") as client:
                answer = await client.get(f"/phone/{language}")
                assert answer.status_code == 200
                assert "set-cookie" not in answer.headers
                texts.append(answer.text)
        assert len(set(texts)) == 1
        assert "csrf" not in texts[0]
        assert "Teacher" not in re.sub(r'<script type="application/json".*?</script>', "", texts[0])
    async with house.client() as client:
        assert (await client.get("/phone/xx")).status_code == 404
        assert (await client.get("/phone", headers={"accept-language": "km"})).headers[
            "location"
        ] == "/phone/km"


async def test_the_worker_keeps_everything_that_the_page_asks_for(house: Served) -> None:
    async with house.client() as client:
        page, worker = (await client.get("/phone/en")).text, (await client.get("/worker.js")).text
        kept = json.loads(worker.split("\n", 1)[0].removeprefix("const KEPT = ").removesuffix(";"))
        asked = set(re.findall(r'(?:src|href|data-icons)="(/static/[^"#]+)', page))
        beside = {static_address(each) for each in ("icon-192.png", "manifest.webmanifest")}
        assert asked - beside == set(kept["files"])
        for each in (*kept["files"], *kept["pages"].values(), *beside):
            assert (await client.get(each)).status_code == 200, each
        manifest = (await client.get(static_address("manifest.webmanifest"))).json()
        for icon in manifest["icons"]:
            assert (await client.get(icon["src"])).headers["content-type"] == "image/png"
        assert (await client.get(manifest["start_url"], follow_redirects=True)).status_code == 200


LANGUAGES_NOW = tuple(LANGUAGES.values())


def as_another_process() -> None:
    """What is made once for a process is made anew."""
    for each in vars(offline).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()


async def test_another_page_or_program_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = offline.shell_version(LANGUAGES_NOW)
    assert offline.shell_version(LANGUAGES_NOW) == before
    monkeypatch.setattr(offline, "__version__", "9.9.9")
    as_another_process()
    other = offline.shell_version(LANGUAGES_NOW)
    assert other != before
    monkeypatch.setattr(offline, "phone_words", lambda _language, _languages: {"title": "another"})
    as_another_process()
    assert offline.shell_version(LANGUAGES_NOW) not in (before, other)
    monkeypatch.undo()
    as_another_process()  # what comes after in this process gets the real page
    assert offline.shell_version(LANGUAGES_NOW) == before


async def test_a_file_with_its_own_mark_is_kept_for_good_and_another_for_an_hour(house: Served) -> None:
    address = static_address("app.css")
    async with house.client() as client:
        for asked, age in (
            (address, "public, max-age=31536000, immutable"),
            ("/static/app.css", "public, max-age=3600"),
            ("/static/app.css?v=0000000000", "public, max-age=3600"),
        ):
            assert (await client.get(asked)).headers["cache-control"] == age


async def test_who_is_signed_in_is_told_with_the_token_that_their_writes_carry(house: Served) -> None:
    async with house.client("teacher", by="cookie") as client:
        told = (await client.get("/api/v1/me/connection")).json()
    assert (told["person_id"], told["csrf_token"]) == (house.cast.teacher.person_id, "csrf")
    async with house.client() as client:
        assert (await client.get("/api/v1/me/connection")).status_code == 401


async def test_a_pack_comes_to_whom_may_enter_results_and_to_nobody_else(house: Served) -> None:
    async with house.client("teacher", by="cookie") as client:
        pack = (await client.get("/api/v1/pack", params={"school_id": house.cast.school_a})).json()
    assert len(pack["children"]) == len(house.cast.students_a)
    assert len(pack["tools"]) == 16
    async with house.client("viewer", by="cookie") as client:
        assert (await client.get("/api/v1/pack")).status_code == 403


async def _group_in(house: Served, subject: str, level: str) -> int:
    """A group of one child that is in use; its number."""
    cast = house.cast
    async with house.client("coordinator") as client:
        entered = await client.post(
            "/api/v1/results",
            json={
                "id": str(uuid4()),
                "student_id": cast.students_a[0],
                "round_id": cast.round,
                "subject": subject,
                "tested_on": NOW.date().isoformat(),
                "level": level,
            },
        )
        assert entered.status_code == 201, entered.text
        wish = {"school_id": cast.school_a, "subject": subject, "grade_from": 3, "grade_to": 5}
        proposal = (await client.post("/api/v1/groupings", json=wish)).json()
        address = f"/api/v1/groupings/{proposal['id']}/accept"
        accepted = await client.post(address, json={"version": proposal["version"]})
        assert accepted.status_code == 200, accepted.text
        shown = await client.get("/api/v1/groups", params={"school_id": cast.school_a, "subject": subject})
    return shown.json()["groups"][0]["id"]


async def test_what_is_removed_while_a_pack_is_made_is_in_it_as_it_was(house: Served) -> None:
    first = await _group_in(house, "language", "beginner")
    second = await _group_in(house, "math", "beginner")
    async with (
        await psycopg.AsyncConnection.connect(house.server.conninfo) as other,
        house.client("teacher") as client,
    ):
        # Reading the children of the first group waits here; the list of groups was read before it, the second group comes after.
        await other.execute("lock table level_check in access exclusive mode")
        asked = asyncio.create_task(client.get("/api/v1/pack"))
        waits = "select count(*) from pg_locks where not granted and relation = 'level_check'::regclass"
        async with asyncio.timeout(10):
            while not (await (await other.execute(waits)).fetchone() or (0,))[0]:
                await asyncio.sleep(0.02)
        await other.execute("delete from group_member where group_id = %s", (second,))
        await other.execute("delete from teaching_group where id = %s", (second,))
        await other.commit()
        answer = await asked
    assert answer.status_code == 200, answer.text
    assert [each["id"] for each in answer.json()["groups"]] == [first, second]


def test_every_word_that_the_phones_scripts_say_is_sent_to_them() -> None:
    """A word that is missing is shown as `undefined`; a renaming took two once."""
    said = {
        word
        for path in (Path(web.__file__).parent / "static").glob("phone*.js")
        for word in re.findall(r"\bwords\.([a-z_]\w*)", path.read_text("utf-8"))
    }
    assert len(said) > 150
    assert said - offline.phone_words(LANGUAGES["en"], tuple(LANGUAGES.values())).keys() == set()
