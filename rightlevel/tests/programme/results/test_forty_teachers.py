"""Forty teachers of one school enter, correct and re-enter a round at once, while mentors test again and a coordinator locks and unlocks.

A trigger of this test stands beside the rules: whatever changes a level while a lock holds it is written down there, by the database.
"""

import random
from asyncio import gather, sleep
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from people import NOW, token_of
from psycopg.rows import dict_row
from serving import DEADLINE_S, NewDatabase, Served, serving

from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.accounts.store import digest

pytestmark = pytest.mark.anyio

TEACHERS = 40
OWN = 3
"""Children that only one teacher writes."""
SHARED = 16
"""Children that everybody writes."""
TURNS = 12
LEVELS = ("beginner", "number_1digit", "number_2digit", "subtraction", "division")
PASSING = {"conflict", "stale", "school_locked", "result_locked", "verified"}
"""What a teacher may be told here; anything else is a mistake."""

SET_UP = """
create table broken_lock (result_id uuid, why text);
create function note_broken_lock() returns trigger language plpgsql as $$
begin
    insert into broken_lock
    select n.id, case when o.locked_at is not null then 'result' when o.is_verified then 'verified' else 'school' end
    from new_rows n join old_rows o on o.id = n.id
    where (o.rank, o.outcome) is distinct from (n.rank, n.outcome)
        and (o.locked_at is not null or o.is_verified
            or exists (select 1 from round_school s where s.round_id = n.round_id and s.school_id = n.school_id and s.locked_at is not null));
    return null;
end $$;
create trigger note_broken_lock after update on result referencing old table as old_rows new table as new_rows
    for each statement execute function note_broken_lock();
create function note_added_under_lock() returns trigger language plpgsql as $$
begin
    insert into broken_lock
    select n.id, 'added to a locked school'
    from new_rows n
    where exists (select 1 from round_school s where s.round_id = n.round_id and s.school_id = n.school_id and s.locked_at is not null);
    return null;
end $$;
create trigger note_added_under_lock after insert on result referencing new table as new_rows
    for each statement execute function note_added_under_lock();
"""


class Crowd:
    """The school, whoever works in it, and everything that they were told was saved."""

    def __init__(self, served: Served, children: list[str], mentors: list[str], teachers: list[str]) -> None:
        self.served = served
        self.children = children
        self.mentors = mentors
        self.teachers = teachers
        self.told: dict[str, dict[str, Any]] = {}
        self.refused: Counter[str] = Counter()
        self.retested: list[str] = []
        self.is_over = False

    def client(self, token: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.served.app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(
            transport=transport, base_url="http://test", headers=headers, timeout=DEADLINE_S
        )


@pytest.fixture
async def crowd(new_database: NewDatabase, tmp_path: Any) -> AsyncIterator[Crowd]:
    database = new_database()
    async with serving(database, tmp_path) as served:
        cast = served.cast
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            connection.execute("set default_transaction_read_only = off")
            connection.execute(SET_UP)

            def person(role: str, number: int) -> str:
                row = connection.execute(
                    "insert into person (username, display_name, role) values (%s, %s, %s::role) returning id",
                    [f"{role}.{number}", f"{role} {number}", role],
                ).fetchone()
                assert row is not None
                token = f"token-of-{role}-{number}"
                connection.execute(
                    "insert into api_token (person_id, token_hash, expires_at) values (%s, %s, %s::timestamptz + interval '9 days')",
                    [row[0], digest(token), NOW],
                )
                connection.execute(
                    "insert into assignment (person_id, school_id, subject, from_on) values (%s, %s, 'math', '2026-01-01')",
                    [row[0], cast.school_a],
                )
                return token

            teachers = [person("teacher", number) for number in range(TEACHERS)]
            mentors = [person("mentor", number) for number in range(3)]
            children = [
                str(row[0])
                for row in connection.execute(
                    "insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade) "
                    "select %s, %s, %s, 'F' || n, 'Child ' || n, 'child ' || n, 1 + n %% 2, 3 from generate_series(1, %s) n returning id",
                    [cast.school_a, cast.school_year, cast.class_3a, TEACHERS * OWN + SHARED],
                ).fetchall()
            ]
        yield Crowd(served, children, mentors, teachers)


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> httpx.Response:
    """The answer; whoever is told that the queue is full comes again, as the pages and phones do."""
    for turn in range(200):
        answer = await client.post(path, json=body)
        if answer.status_code != 503:
            return answer
        assert answer.headers["retry-after"]
        await sleep(0.01 * (1 + turn % 5))
    raise AssertionError("nobody came through for 200 turns")


async def send(crowd: Crowd, client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """One write, sent twice at the same moment as a phone with one bar does, and once more where one of the two met a lock."""
    answers = [*await gather(*(post(client, "/api/v1/results", body) for _ in range(2)))]
    if len({answer.status_code < 300 for answer in answers}) == 2:
        answers.append(await post(client, "/api/v1/results", body))
        assert answers[-1].status_code < 300, "what was saved is said to be, however often it is asked"
    saved_as = [answer.json() for answer in answers if answer.status_code < 300]
    for answer in answers:
        if answer.status_code >= 300:
            assert answer.json()["code"] in PASSING, answer.text
            crowd.refused[answer.json()["code"]] += 1
    if saved_as:
        saved = saved_as[0]
        assert {(each["result_id"], each["version"]) for each in saved_as} == {
            (saved["result_id"], saved["version"])
        }
        assert body["id"] not in crowd.told
        crowd.told[body["id"]] = {**body, "result_id": saved["result_id"], "version": saved["version"]}
        return saved
    refused: dict[str, Any] = answers[0].json()
    return refused


async def teach(crowd: Crowd, number: int) -> None:
    """A teacher's round: own children and shared ones, entered, corrected, and entered again without having looked."""
    chance = random.Random(number)
    own = crowd.children[number * OWN : (number + 1) * OWN]
    known: dict[str, int] = {}
    async with crowd.client(crowd.teachers[number]) as client:
        for _ in range(TURNS):
            child = chance.choice(own if chance.random() < 0.5 else crowd.children[TEACHERS * OWN :])
            version = known.get(child) if chance.random() < 0.8 else None
            body = {
                "id": str(uuid4()),
                "student_id": child,
                "round_id": crowd.served.cast.round,
                "subject": "math",
                "level": chance.choice(LEVELS),
                "tested_on": NOW.date().isoformat(),
                "tool": 1,
                "version": version,
            }
            answer = await send(crowd, client, body)
            there = answer if "result_id" in answer and answer.get("version") else answer.get("current")
            if there:
                known[child] = there["version"]


async def retest(crowd: Crowd, token: str, seed: int) -> None:
    """A mentor who tests children again, with another tool, for as long as teachers write."""
    chance = random.Random(seed)
    async with crowd.client(token) as client:
        while not crowd.is_over:
            if crowd.told:
                result_id = chance.choice([each["result_id"] for each in crowd.told.values()])
                body = {
                    "id": str(uuid4()),
                    "result_id": result_id,
                    "tested_on": NOW.date().isoformat(),
                    "level": chance.choice(LEVELS),
                    "tool": 2,
                }
                answer = await post(client, "/api/v1/verifications/retests", {"retests": [body]})
                assert answer.status_code == 200, answer.text
                code = answer.json()["answers"][0]["code"]
                if code in ("agreed", "disagreed"):
                    crowd.retested.append(result_id)
            await sleep(0.02)


async def lock_and_unlock(crowd: Crowd) -> None:
    """A coordinator who locks single results, all of the school, and the school in the round, and lets go again."""
    chance = random.Random(1)
    cast = crowd.served.cast
    school = {"school_id": cast.school_a, "round_id": cast.round, "reason": "being looked at"}
    in_round = f"/api/v1/rounds/{cast.round}/schools/{cast.school_a}"
    async with crowd.client(token_of("coordinator")) as client:

        async def do(path: str, body: dict[str, Any]) -> None:
            answer = await post(client, path, body)
            assert answer.status_code == 200, (path, answer.status_code, answer.text)

        while not crowd.is_over:
            some = [each["result_id"] for each in crowd.told.values()]
            picked = list(dict.fromkeys(chance.sample(some, min(10, len(some)))))
            if picked:
                await do("/api/v1/result-locks", {"result_ids": picked, "reason": "asked about"})
            await sleep(0.02)
            await do(f"{in_round}/lock", {"reason": "being looked at"})
            await sleep(0.02)
            await do(f"{in_round}/unlock", {"reason": "looked at"})
            await do("/api/v1/school-result-locks", school)
            await sleep(0.02)
            await do("/api/v1/school-result-locks", {**school, "is_lock": False})
            await sleep(0.05)


async def test_forty_teachers_at_once_lose_double_and_overwrite_nothing_while_mentors_verify_and_a_coordinator_locks(
    crowd: Crowd,
) -> None:
    async def work() -> None:
        try:
            await gather(*(teach(crowd, number) for number in range(TEACHERS)))
        finally:
            crowd.is_over = True

    await gather(
        work(),
        lock_and_unlock(crowd),
        *(retest(crowd, token, seed) for seed, token in enumerate(crowd.mentors)),
    )
    with psycopg.connect(crowd.served.server.conninfo, row_factory=dict_row) as connection:
        results = {
            str(row["id"]): row
            for row in connection.execute(
                "select r.*, l.code as level from result r left join scale c on c.subject = r.subject and c.is_default left join scale_level l on l.scale_id = c.id and l.rank = r.rank"
            )
        }
        changes = {str(row["write_id"]): row for row in connection.execute("select * from result_change")}
        broken = connection.execute("select why, count(*) as times from broken_lock group by why").fetchall()
        audited = connection.execute(
            "select after from audit_entry where action = 'enter' and resource = 'result' and outcome = 'done'"
        ).fetchall()
    # There was something to get wrong: everybody wrote, and every lock was met.
    assert len(crowd.told) > TEACHERS * 3
    assert {"conflict", "stale", "school_locked", "result_locked"} <= set(crowd.refused)
    assert crowd.retested
    # Nothing lost: what a teacher was told is there, under its id, with its level.
    for write_id, told in crowd.told.items():
        if told["version"] == 1:
            assert str(results[told["result_id"]]["id"]) == write_id
        else:
            change = changes[write_id]
            assert (str(change["result_id"]), change["version"], change["after"]["level"]) == (
                told["result_id"],
                told["version"],
                told["level"],
            )
    # Nothing doubled: one result a child, a version a change, and nothing there that nobody was told of.
    assert len({(row["student_id"], row["subject"]) for row in results.values()}) == len(results)
    assert set(results) | set(changes) == set(crowd.told)
    assert not set(results) & set(changes)
    for result_id, row in results.items():
        mine = sorted(
            (told for told in crowd.told.values() if told["result_id"] == result_id),
            key=lambda told: told["version"],
        )
        versions = [told["version"] for told in mine]  # a lock and a re-test make versions too
        assert versions[0] == 1
        assert versions[-1] <= row["version"]
        assert len(set(versions)) == len(versions)
        assert row["level"] == mine[-1]["level"]
    # Nothing written through a lock.
    assert broken == []
    # One audit row for each saved write, and the figures agree with the rows.
    assert Counter(result for row in audited for result in row["after"]["results"]) == Counter(
        told["result_id"] for told in crowd.told.values()
    )
    async with crowd.served.database.transaction(deadline_s=DEADLINE_S) as session:
        assert (await reconcile(session)).different == 0
