"""What a write is judged by is read in the write's own transaction, past every cache: seen for each route, statement by statement."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import psycopg
import pytest
from asking import ask, own
from people import NOW
from PIL import Image
from serving import OneDatabase, Served, serving
from visiting import sent_visit

from flatwater.clock import StandingClock
from flatwater.contract import UNSAFE, Endpoint
from flatwater.queries import Query
from flatwater.transaction import Session
from rightlevel.programme.permissions import ROLES, May, Role, allowed
from rightlevel.web.app import all_routes

pytestmark = pytest.mark.anyio

CHANGES = re.compile(
    r"\b(insert\s+into|update|delete\s+from|truncate|for\s+update|merge\s+into)\b", re.IGNORECASE
)
AUTHORITY = {"actor_by_session", "actor_by_token", "actors_together"}
HOUSEKEEPING = {"take_rate", "notify", "count_denied", "end_export"}
"""What the service writes for itself, whoever asks; what was denied is counted after its own transaction was taken back, and how a file that was
sent ended is kept whoever lost what meanwhile."""
ASKED = ContextVar("asked", default=False)
"""Whether this is the work of the request that is looked at; what runs in the background began before it."""
OF_ONESELF = {"self", "sign_in"}
"""One's own password, PIN and two-step verification: they are judged by what was typed, with the account's row held, and by no assignment."""
AFTER_A_DEED = {
    "/operations/cure",
    "/audit/export",
    "/api/v1/audit/export",
    "/imports",
    "/api/v1/imports",
    "/imports/{id}/left-rows",
}
"""Notes of what was done already, which must be kept whoever lost what since; an import's rows are written by a job of its own."""

WRITES = [
    each
    for each in all_routes()
    if each.method in UNSAFE
    and isinstance(each.who, May)
    and each.who.resource not in OF_ONESELF
    and each.path not in AFTER_A_DEED
]


class Watched:
    """Which statements each transaction ran."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.by_session: list[tuple[Session, list[Query]]] = []
        for name in ("fetch_one", "fetch_value", "execute", "_run"):
            patch.setattr(Session, name, self._watching(getattr(Session, name)))

    def _watching(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def watched(session: Session, query: Query, *words: Any, **more: Any) -> Any:
            if not ASKED.get():
                return await real(session, query, *words, **more)
            for known, queries in self.by_session:
                if known is session:
                    queries.append(query)
                    break
            else:
                self.by_session.append((session, [query]))
            return await real(session, query, *words, **more)

        return watched

    def writers(self) -> list[set[str]]:
        """The names of what each transaction ran that changed something for whoever asked."""
        found: list[set[str]] = []
        for session, queries in self.by_session:
            names = {each.name for each in queries}
            changes = {each.name for each in queries if CHANGES.search(each.text)} - HOUSEKEEPING
            if (
                session.is_writing and changes and changes != {"write_audit"}
            ):  # a denied attempt is noted alone
                found.append(names)
        return found


@pytest.fixture(scope="module")
async def scene(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("authority")) as opened:
        yield opened


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def lowest(endpoint: Endpoint) -> Role:
    """Who has the least of those whom the table lets in: a teacher before a mentor, a mentor before a leader."""
    assert isinstance(endpoint.who, May)
    return next(
        each
        for each in ("teacher", "mentor", "viewer", "coordinator", "admin")
        if allowed(each, endpoint.who.action, endpoint.who.resource)
    )


wrote: set[str] = set()


@pytest.mark.parametrize("endpoint", WRITES, ids=named)
async def test_every_transaction_that_writes_reads_whose_it_is_itself(
    scene: Served, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {
        **own(scene.cast),
        "class_id": scene.cast.class_3a,
        "place_id": scene.cast.district_1,
        "places": scene.cast.district_1,
        "person_id": scene.cast.stranger.person_id,
        "classes": scene.cast.class_3a,
        "rounds": scene.cast.round,
    }
    if "results" in endpoint.path and "{" not in endpoint.path:
        ids |= {"id": str(uuid.uuid4()), "outcome": "absent"}
    watched = Watched(monkeypatch)
    asked = ASKED.set(True)
    try:
        async with scene.client(lowest(endpoint)) as client:
            answer = await ask(client, endpoint, ids)
    finally:
        ASKED.reset(asked)
    assert answer.status_code != 500, answer.text
    for names in watched.writers():
        wrote.add(named(endpoint))
        assert names & AUTHORITY, (
            f"{named(endpoint)} writes in a transaction that did not ask who may: {sorted(names)}"
        )


def test_the_walk_saw_many_routes_write() -> None:
    assert len(WRITES) > 80
    assert len(wrote) >= 30, sorted(wrote)
    assert set(ROLES) >= {"teacher", "mentor"}


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (1, 120, 60)).save(out, "JPEG")
    return out.getvalue()


def rows(scene: Served, table: str) -> int:
    with psycopg.connect(scene.server.conninfo) as connection:
        found = connection.execute(f"select count(*) from {table}".encode()).fetchone()
    assert found is not None
    return int(found[0])


async def test_a_school_lost_while_a_photo_is_made_small_takes_no_photo(
    scene: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightlevel.programme.photos.shrinking import Shrinker

    async with scene.client("mentor") as client:
        async with scene.database.transaction(deadline_s=10) as session:
            visit = await sent_visit(session, scene.cast, StandingClock(NOW))
        path = f"/api/v1/visits/{visit.visit.id}/photos"
        form = {"id": str(uuid.uuid4())}
        files = {"file": ("p.jpg", picture(), "image/jpeg")}
        real = Shrinker.shrink

        async def while_it_shrinks(self: Shrinker, content: bytes, **more: Any) -> Any:
            small = await real(self, content, **more)
            async with scene.database.transaction(deadline_s=10) as session:
                await session.command("update assignment set ended_at = now()")
            return small

        with monkeypatch.context() as patch:
            patch.setattr(Shrinker, "shrink", while_it_shrinks)
            answer = await client.post(path, data=form, files=files)
        assert answer.status_code in (403, 404), answer.text
        assert rows(scene, "photo") == 0
        async with scene.database.transaction(deadline_s=10) as session:
            await session.command("update assignment set ended_at = null")
        answer = await client.post(path, data=form, files=files)
        assert answer.status_code in (200, 201), answer.text
        assert rows(scene, "photo") == 1


@pytest.mark.parametrize("lost", ["role", "session"])
async def test_a_right_lost_while_a_password_is_hashed_makes_no_account(
    scene: Served, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    from rightlevel.programme.accounts import PasswordHasher

    real = PasswordHasher.hash
    undo = {
        "role": "update person set role = 'coordinator' where username = 'coordinator'",
        "session": "update api_token set revoked_at = null",
    }
    take = {
        "role": "update person set role = 'viewer' where username = 'coordinator'",
        "session": "update api_token set revoked_at = now()",
    }

    async def while_it_hashes(self: PasswordHasher, password: str) -> str:
        found = await real(self, password)
        async with scene.database.transaction(deadline_s=10) as session:
            await session.command(take[lost])  # type: ignore[arg-type]
        return found

    before = rows(scene, "person")
    body = {"username": f"new.{lost}", "display_name": "New", "role": "teacher"}
    async with scene.client("coordinator") as client:
        with monkeypatch.context() as patch:
            patch.setattr(PasswordHasher, "hash", while_it_hashes)
            answer = await client.post("/api/v1/people", json=body)
        async with scene.database.transaction(deadline_s=10) as session:
            await session.command(undo[lost])  # type: ignore[arg-type]
        assert answer.status_code == (403 if lost == "role" else 401), answer.text
        assert rows(scene, "person") == before
        assert (await client.post("/api/v1/people", json=body)).status_code == 201
