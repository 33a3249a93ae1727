"""What arrives together is done together, each with its own outcome; nobody waits for others without need."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import msgspec
import pytest
from network import Onlooker, query

from flatwater.asgi import ContractApp, WebApplication
from flatwater.clock import Clock, SystemClock
from flatwater.contract import Call, Created, Registry, SharedWork, SignedIn, Together
from flatwater.errors import CommitUnknown, DatabaseUnavailable, DeadlineExceeded, LockTimeout, PoolFull
from flatwater.group_commit import GroupCommit
from flatwater.guards import Guards
from flatwater.memory_budget import MemoryBudgets, RequestBudget
from flatwater.pool import Database
from flatwater.rate_limit import RateClass
from flatwater.transaction import Session

pytestmark = pytest.mark.anyio

LONG_S = 30.0


class Works:
    """Does the items of a group when it is let, and keeps which groups there were."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self, items: Sequence[str], _within_s: float) -> Sequence[str | None]:
        self.groups.append(list(items))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [None if each.startswith("odd") else each.upper() for each in items]


@pytest.fixture
def works() -> Works:
    return Works()


async def send(
    group: GroupCommit[str, str], item: str, *, lane: str | None = None, within_s: float = LONG_S
) -> str:
    until_s = asyncio.get_running_loop().time() + within_s
    async with group.seat(item, lane=lane or item, until_s=until_s) as outcome:
        return f"{item} alone" if outcome is None else outcome


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_one_by_itself_is_done_at_once(works: Works) -> None:
    group = GroupCommit(works, groups=1)
    assert await send(group, "a") == "A"
    assert works.groups == [["a"]]


async def test_who_comes_while_all_groups_are_under_way_goes_with_the_others_who_do(works: Works) -> None:
    group = GroupCommit(works, groups=2)
    works.gate.clear()
    sent = [asyncio.create_task(send(group, "a"))]
    await turns()
    sent.append(asyncio.create_task(send(group, "b")))
    await turns()
    assert works.groups == [["a"], ["b"]], "a second one begins at once, and waits for nobody"
    sent += [asyncio.create_task(send(group, each)) for each in "cdef"]
    await turns()
    assert works.groups == [["a"], ["b"]], "no more groups than may are under way"
    works.gate.set()
    assert await asyncio.gather(*sent) == ["A", "B", "C", "D", "E", "F"]
    assert works.groups == [["a"], ["b"], ["c", "d", "e", "f"]]
    assert (group.statistics().groups, group.statistics().members, group.statistics().largest) == (3, 6, 4)


async def test_a_group_has_no_more_members_than_it_may(works: Works) -> None:
    group = GroupCommit(works, groups=1, most=3)
    sent = await asyncio.gather(*(send(group, str(number)) for number in range(8)))
    assert sent == [str(number) for number in range(8)]
    assert works.groups == [["0", "1", "2"], ["3", "4", "5"], ["6", "7"]]


async def test_one_without_an_outcome_is_done_alone_and_holds_up_nobody(works: Works) -> None:
    group = GroupCommit(works, groups=1)
    sent = await asyncio.gather(*(send(group, each) for each in ("a", "odd", "b")))
    assert sent == ["A", "odd alone", "B"]
    assert (group.statistics().alone, group.statistics().dissolved) == (1, 0)


async def test_a_group_that_comes_to_nothing_is_done_one_by_one(works: Works) -> None:
    group, works.error = GroupCommit(works, groups=1), LockTimeout()
    assert await asyncio.gather(send(group, "a"), send(group, "b")) == ["a alone", "b alone"]
    assert (group.statistics().alone, group.statistics().dissolved) == (2, 1)
    works.error = None
    assert await send(group, "c") == "C"


@pytest.mark.parametrize("error", [DatabaseUnavailable(retry_after_s=7.0), PoolFull(), CommitUnknown()])
async def test_what_would_end_each_alone_too_is_told_to_each(works: Works, error: Exception) -> None:
    group, works.error = GroupCommit(works, groups=1), error
    told = await asyncio.gather(send(group, "a"), send(group, "b"), return_exceptions=True)
    assert [type(each) for each in told] == [type(error)] * 2
    assert [str(each) for each in told] == [str(error)] * 2
    assert told[0] is not told[1]
    assert {getattr(each, "retry_after_s", None) for each in told} == {error.retry_after_s}  # type: ignore[attr-defined]


async def test_who_leaves_while_waiting_is_not_begun_and_who_leaves_later_ends_no_group(works: Works) -> None:
    group = GroupCommit(works, groups=1)
    works.gate.clear()
    first, second = (asyncio.create_task(send(group, each)) for each in "ab")
    await turns()
    third = asyncio.create_task(send(group, "c"))
    fourth = asyncio.create_task(send(group, "d"))
    await turns()
    first.cancel()
    third.cancel()
    await turns()
    works.gate.set()
    assert await second == "B"
    assert await fourth == "D"
    assert works.groups == [["a", "b"], ["d"]]
    assert first.cancelled()
    assert third.cancelled()


async def test_the_deadline_of_one_ends_nobody_else_and_says_what_is_known(works: Works) -> None:
    group = GroupCommit(works, groups=1)
    works.gate.clear()
    begun = asyncio.create_task(send(group, "a", within_s=1.1))
    other = asyncio.create_task(send(group, "b"))
    await turns()
    waiting = asyncio.create_task(send(group, "c", within_s=0.05))
    with pytest.raises(DeadlineExceeded):
        await waiting
    with pytest.raises(CommitUnknown):
        await begun
    works.gate.set()
    assert await other == "B"
    assert works.groups == [["a", "b"]]


async def test_who_has_little_time_left_goes_alone_instead_of_cutting_a_group_short(works: Works) -> None:
    group = GroupCommit(works, groups=1)
    assert await asyncio.gather(send(group, "a", within_s=0.5), send(group, "b")) == ["a alone", "B"]
    assert works.groups == [["b"]]


async def test_two_of_one_phone_are_never_under_way_at_once_and_keep_their_order(works: Works) -> None:
    group = GroupCommit(works, groups=3)
    under_way: list[str] = []
    order: list[str] = []

    async def from_phone(item: str) -> None:
        async with group.seat(item, lane="phone", until_s=asyncio.get_running_loop().time() + LONG_S):
            under_way.append(item)
            assert len(under_way) == 1
            await turns()
            order.append(under_way.pop())

    items = ["a", "odd one", "b", "odd two", "c"]
    await asyncio.gather(*(from_phone(each) for each in items), send(group, "of another"))
    assert order == items
    assert ["a", "of another"] in works.groups


async def test_no_more_wait_than_may(works: Works) -> None:
    group = GroupCommit(works, groups=1, most=1, waiting=2)
    works.gate.clear()
    sent = [asyncio.create_task(send(group, "a"))]
    await turns()
    sent += [asyncio.create_task(send(group, each)) for each in "bc"]
    await turns()
    with pytest.raises(PoolFull):
        await send(group, "d")
    works.gate.set()
    assert await asyncio.gather(*sent) == ["A", "B", "C"]


async def test_nothing_is_left_behind(works: Works) -> None:
    group = GroupCommit(works, groups=2)
    await asyncio.gather(
        *(send(group, f"{'odd ' if n % 7 == 0 else ''}{n}", lane=str(n % 5)) for n in range(100))
    )
    assert (group._running, len(group._queue), group._lanes) == (0, 0, set())  # pyright: ignore[reportPrivateUsage]


# --- routes whose requests share a transaction

ADD = query("insert into note (author, words) values (%(author)s, %(words)s) returning id")
ADD_ALL = query(
    "insert into note (author, words) select author, words from unnest(%(authors)s::text[], %(words)s::text[]) w (author, words) returning id"
)


class NewNote(msgspec.Struct):
    words: str


class Note(msgspec.Struct):
    id: int
    words: str


class Made(msgspec.Struct):
    id: int


class Things(msgspec.Struct):
    database: Database
    clock: Clock


class ByName(WebApplication[str, Things]):
    """Knows everybody by the name they say; of those who come together all but the new."""

    async def authenticate(self, call: Call[str, Things]) -> str | None:
        return call.headers.get("x-name")

    async def authenticate_together(
        self, session: Session, calls: Sequence[Call[str, Things]]
    ) -> list[str | None]:
        names = [call.headers.get("x-name") for call in calls]
        return [None if name == "new" else name for name in names]

    def identity(self, call: Call[str, Things]) -> str:
        return call.headers.get("x-name", "nobody")


async def add_together(
    session: Session, asked: Sequence[tuple[str, NewNote]], _clock: Clock
) -> list[int | None]:
    plain = [(name, note.words) for name, note in asked if note.words != "alone"]
    values = {"authors": [name for name, _ in plain], "words": [words for _, words in plain]}
    made = iter(await session.fetch_all(ADD_ALL, values, into=Made))
    return [None if note.words == "alone" else next(made).id for _, note in asked]


routes = Registry()


@routes.endpoint(
    "POST",
    "/notes",
    who=SignedIn(),
    rate=RateClass("any", per_s=1_000, burst=1_000),
    deadline_s=5.0,
    work="write",
    body_bytes=1_000,
    budget=RequestBudget(rows=20),
    together=Together(
        SharedWork("notes_together", add_together),
        lambda _call, *, body: None if body.words == "not shared" else body,
        lambda _call, note, made: Created(Note(made, note.words), f"/notes/{made}"),
    ),
)
async def add_note(call: Call[str, Things], *, body: NewNote) -> Created[Note]:
    """Adds a note."""
    made = await call.session.fetch_value(ADD, {"author": call.actor, "words": body.words})
    return Created(Note(made, body.words), f"/notes/{made}")


class Notes(msgspec.Struct):
    database: Database
    client: httpx.AsyncClient

    async def add(self, name: str | None, body: dict[str, Any]) -> httpx.Response:
        return await self.client.post("/notes", json=body, headers={"x-name": name} if name else {})


@pytest.fixture
async def notes(database: Database) -> AsyncIterator[Notes]:
    things = Things(database, SystemClock())

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[Things]:
        yield things

    app = ContractApp(routes, ByName(), lifespan, guards=lambda _: Guards(budgets=MemoryBudgets()))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.running(), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Notes(database, client)


async def test_requests_that_arrive_together_are_one_transaction_and_each_is_answered(
    notes: Notes, onlooker: Onlooker
) -> None:
    answers = await asyncio.gather(*(notes.add(f"n{n}", {"words": f"w{n}"}) for n in range(12)))
    assert [each.status_code for each in answers] == [201] * 12
    assert [each.json()["words"] for each in answers] == [f"w{n}" for n in range(12)]
    assert all(each.headers["location"] == f"/notes/{each.json()['id']}" for each in answers)
    cursor = await onlooker.connection.execute(
        "select count(*), count(distinct xmin::text), count(*) filter (where 'w' || substr(author, 2) = words) from note"
    )
    total, transactions, matching = (await cursor.fetchone()) or (0, 0, 0)
    assert (total, matching) == (12, 12)
    assert transactions <= 4


async def test_who_can_not_share_is_answered_as_if_there_were_no_groups(
    notes: Notes, onlooker: Onlooker
) -> None:
    answers = await asyncio.gather(
        notes.add("a", {"words": "x"}),
        notes.add(None, {"words": "x"}),
        notes.add("new", {"words": "x"}),
        notes.add("b", {"words": "alone"}),
        notes.add("c", {"words": "not shared"}),
        notes.add("d", {"wrong": "x"}),
        notes.add("e", {"words": "y"}),
    )
    assert [each.status_code for each in answers] == [201, 401, 201, 201, 201, 422, 201]
    cursor = await onlooker.connection.execute("select author from note order by author")
    assert [row[0] for row in await cursor.fetchall()] == ["a", "b", "c", "e", "new"]


async def test_one_that_the_database_refuses_leaves_the_others_theirs(notes: Notes) -> None:
    answers = await asyncio.gather(
        notes.add("a", {"words": "x"}), notes.add("b", {"words": "y" * 200}), notes.add("c", {"words": "z"})
    )
    assert [each.status_code for each in answers] == [201, 500, 201]
    assert notes.database.statistics().groups_dissolved == 1


async def test_a_group_may_read_what_its_members_may(notes: Notes) -> None:
    answers = await asyncio.gather(*(notes.add(f"n{n}", {"words": f"w{n}"}) for n in range(64)))
    assert {each.status_code for each in answers} == {201}
    (group,) = notes.database.groups
    assert group.statistics().largest > 20
    stood = notes.database.statistics()
    assert (stood.group_members, stood.group_members_alone, stood.groups_dissolved) == (64, 0, 0)
