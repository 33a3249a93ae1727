"""Imports in a running platform: one after another, watched from outside, and nothing of one that was stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from people import NOW, Cast, make_cast

from flatwater.clock import StandingClock
from flatwater.errors import CommitUnknown, DatabaseUnavailable, RetriesExhausted
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from rightlevel.operations import import_runner
from rightlevel.operations.import_runner import (
    ImportRequest,
    ImportRunner,
    ImportStopped,
    begin_import,
    perform_import,
)
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.errors import Forbidden
from rightlevel.programme.exchange import (
    ImportCollided,
    ImportEndedBefore,
    ImportRun,
    ImportsBusy,
    NewRun,
    Progress,
    fail_run,
    list_faults,
    list_runs,
    read_run,
    stop_run,
    store,
)
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import read_student

pytestmark = pytest.mark.anyio
HEADER = "school_code,code,name,sex,grade\n"
KILLED = Path(__file__).parent.parent / "killed_import.py"
QUERIES = read_queries(
    """
-- name: count
-- How many children have this code.
select count(*) as n from student where code = %(code)s
-- name: lock
-- Holds the whole table.
lock table student in share row exclusive mode
-- name: add
-- Adds a child.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
values (%(school)s, %(year)s, %(code)s, 'x', 'x', 1, 3)
-- name: waiting
-- Whether anybody waits for this transaction.
select exists (
    select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))
) as is_waited_for
-- name: hold
-- Holds a child's record.
update student set changed_at = changed_at where id = %(id)s::uuid
-- name: ids
-- The children with these codes, in the order in which they are held.
select id::text as id from student where code = any(%(codes)s::text[]) order by id limit 3
-- name: key
-- A child's code.
select code from student where id = %(id)s::uuid
-- name: leave
-- A run that nobody ended.
insert into import_run (kind, filename, state, started_at, owner, seen_at)
values ('schools', 'left.csv', 'saving', '2020-01-01', %(owner)s::uuid, clock_timestamp() - make_interval(secs => %(unseen_s)s))
returning id::text as id
-- name: lock_years
-- Holds what is read before a file is.
lock table school_year in access exclusive mode
-- name: try_often
-- Several processes ended over this run.
update import_run set attempts = 3, owner = gen_random_uuid(), file = %(file)s::uuid, kind = 'students', person_id = %(person)s where id = %(id)s::uuid
-- name: interrupt
-- What another process writes down of a run of which it heard nothing.
update import_run set state = 'interrupted', ended_at = now() where id = %(id)s::uuid
-- name: forget
-- Nobody has said for long that this run is alive.
update import_run set seen_at = '2020-01-01' where id = %(id)s::uuid
-- name: some_seconds
-- Nobody has said for some seconds that this run is alive.
update import_run set seen_at = clock_timestamp() - interval '10 seconds' where id = %(id)s::uuid
-- name: attempts
-- How often a run was begun.
select attempts from import_run where id = %(id)s::uuid
-- name: take
-- Another host has it in hand.
update import_run set owner = gen_random_uuid(), state = 'reading' where id = %(id)s::uuid
-- name: held
-- Somebody is at work on it.
select pg_advisory_xact_lock(hashtextextended('import ' || %(id)s, 0)) is null as held
""",
    origin="test_import_runner",
)


class Running(msgspec.Struct, frozen=True):
    conninfo: str
    database: Database
    cast: Cast
    clock: StandingClock
    folder: Path

    def request(
        self, text: str, *, kind: Any = "students", dry: bool = False, name: str = "up.csv"
    ) -> ImportRequest:
        path = self.folder / name
        path.write_text(HEADER + text)
        return ImportRequest(NewRun(kind, name, dry, path.stat().st_size), path, None, self.cast.coordinator)

    async def run_of(self, run_id: str) -> ImportRun:
        async with self.database.read(deadline_s=5) as session:
            return await read_run(session, self.cast.coordinator, run_id)

    async def lets_be_forgotten(self, *run_ids: str) -> None:
        """What a minute does: nobody has heard of them for long."""
        async with self.database.transaction(deadline_s=5) as session:
            for run_id in run_ids:
                await session.execute(QUERIES["forget"], {"id": run_id})

    async def count(self, code: str) -> int:
        async with self.database.read(deadline_s=5) as session:
            return await session.fetch_value(QUERIES["count"], {"code": code})


def files_in(root: Path) -> list[str]:
    return [each.name for each in root.rglob("*") if each.is_file() and each.name != "lock"]


@pytest.fixture(scope="module")
async def running(
    new_database: Callable[[], Any], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Running]:
    conninfo = new_database().conninfo
    async with Database(conninfo) as database:
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)
        yield Running(conninfo, database, cast, StandingClock(NOW), tmp_path_factory.mktemp("uploads"))


@pytest.fixture
async def runner(running: Running, tmp_path: Path) -> AsyncIterator[ImportRunner]:
    made = ImportRunner(running.database, running.clock, tmp_path / "imports")
    await made.start()
    yield made
    await made.stop()


async def test_a_file_waits_is_imported_and_goes(
    running: Running, runner: ImportRunner, tmp_path: Path
) -> None:
    request = running.request("A,R1,One,f,3\nA,R2,Two,m,4\n")
    run = await runner.submit(request)
    assert (run.state, run.username, run.filename) == ("waiting", "coordinator", "up.csv")
    assert not request.path.exists(), "the file was taken over"
    await runner.wait_until_idle()
    done = await running.run_of(run.id)
    assert (done.state, done.added, done.rows_read, done.bytes_done) == ("done", 2, 2, done.bytes_total)
    assert done.ended_at is not None
    assert files_in(tmp_path / "imports") == []
    assert await running.count("R1") == 1


async def test_a_faulty_file_keeps_its_faults_and_saves_nothing(
    running: Running, runner: ImportRunner
) -> None:
    run = await runner.submit(running.request("A,F1,Good,f,3\nA,F2,,f,3\n"))
    await runner.wait_until_idle()
    assert (await running.run_of(run.id)).state == "faulty"
    async with running.database.read(deadline_s=5) as session:
        page = await list_faults(session, running.cast.admin, run.id, PageRequest(10))
    assert [(fault.row_number, fault.column_name) for fault in page.items] == [(3, "name")]
    assert await running.count("F1") == 0


async def test_what_is_no_sheet_is_a_faulty_run(running: Running, runner: ImportRunner) -> None:
    request = running.request("")
    request.path.write_bytes(b"%PDF-1.7 and so on")
    run = await runner.submit(request)
    await runner.wait_until_idle()
    ended = await running.run_of(run.id)
    assert (ended.state, ended.faults) == ("faulty", 1)


async def test_files_wait_in_a_short_queue_and_come_in_their_order(
    running: Running, runner: ImportRunner
) -> None:
    runs: list[ImportRun] = []
    async with running.database.transaction(deadline_s=30) as blocking:
        await blocking.execute(QUERIES["lock"], {})
        runs.append(await runner.submit(running.request("A,Q0,x,f,3\n")))
        while (await running.run_of(runs[0].id)).state == "waiting":
            await asyncio.sleep(0.02)
        requests = [running.request(f"A,Q{n},x,f,3\n", name=f"{n}.csv") for n in range(1, 5)]
        runs += [await runner.submit(request) for request in requests]
        with pytest.raises(ImportsBusy):
            await runner.submit(running.request("A,Q9,x,f,3\n"))
    await runner.wait_until_idle()
    ended = [await running.run_of(run.id) for run in runs]
    assert [run.state for run in ended] == ["done"] * 5
    assert (await running.count("Q4"), await running.count("Q9")) == (1, 0)


async def test_progress_is_seen_while_a_file_is_saved(
    running: Running, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "NOTE_EVERY_S", 0.02)
    async with running.database.transaction(deadline_s=30) as blocking:
        await blocking.execute(QUERIES["lock"], {})
        run = await runner.submit(running.request("".join(f"A,P{n},x,f,3\n" for n in range(2500))))
        seen = run
        while (seen.state, seen.rows_read) != ("saving", 2500):
            await asyncio.sleep(0.02)
            seen = await running.run_of(run.id)
        assert seen.bytes_done == seen.bytes_total
        assert await running.count("P1") == 0, "nothing is seen before everything is saved"
    await runner.wait_until_idle()
    assert (await running.run_of(run.id)).state == "done"


async def test_a_stopped_platform_saves_nothing_of_the_file_and_the_next_one_begins_it_again(
    running: Running, tmp_path: Path
) -> None:
    runner = ImportRunner(running.database, running.clock, tmp_path / "imports")
    await runner.start()
    running.clock.advance(1)
    async with running.database.transaction(deadline_s=30) as blocking:
        await blocking.execute(QUERIES["lock"], {})
        first = await runner.submit(running.request("A,S1,x,f,3\n"))
        second = await runner.submit(running.request("A,S2,x,f,3\n"))
        while (await running.run_of(first.id)).state == "waiting":
            await asyncio.sleep(0.02)
        running.clock.advance(1)
        await runner.stop()
    assert (await running.count("S1"), await running.count("S2")) == (0, 0)
    assert [(await running.run_of(run.id)).state for run in (first, second)] == ["waiting"] * 2
    following = ImportRunner(running.database, running.clock, tmp_path / "imports")
    await following.start()
    await following.wait_until_idle()
    assert [(await running.run_of(run.id)).state for run in (first, second)] == ["done"] * 2
    assert (await running.count("S1"), await running.count("S2")) == (1, 1)
    await following.stop()
    assert files_in(tmp_path / "imports") == []


@pytest.mark.parametrize("phase", ["waiting", "working", "saving"])
async def test_an_import_whose_process_is_killed_is_begun_again_and_saved_once(
    running: Running, tmp_path: Path, phase: str
) -> None:
    # Progress is told every second, in which a fast machine has read everything: one is killed wherever it stands then.
    reached = {"working": ("reading", "saving"), "saving": ("saving",)}
    prefix, rows = f"K{phase[:2]}", 60_000 if phase == "working" else 500
    request = running.request("".join(f"A,{prefix}{n},x,f,3\n" for n in range(rows)), name=f"{phase}.csv")
    actor = msgspec.json.encode(running.cast.coordinator).decode()
    words = (running.conninfo, str(tmp_path / "imports"), str(request.path), actor)
    async with running.database.transaction(deadline_s=60) as blocking:
        if phase != "working":
            await blocking.execute(QUERIES["lock" if phase == "saving" else "lock_years"], {})
        killed = await asyncio.create_subprocess_exec(
            sys.executable, str(KILLED), *words, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert killed.stdout is not None
            async with asyncio.timeout(30):
                run_id = (await killed.stdout.readline()).decode().strip()
                while phase != "waiting" and (await running.run_of(run_id)).state not in reached[phase]:
                    await asyncio.sleep(0.01)
        finally:
            killed.kill()
            await killed.wait()
    assert await running.count(f"{prefix}0") == 0, "nothing of it is seen"
    await running.lets_be_forgotten(run_id)
    following = ImportRunner(running.database, running.clock, tmp_path / "imports")
    await following.start()
    async with asyncio.timeout(30):  # what the killed one's last statement still does is waited for
        while (await running.run_of(run_id)).ended_at is None:
            await following.wait_until_idle()
    await following.stop()
    done = await running.run_of(run_id)
    assert (done.state, done.added, done.faults) == ("done", rows, 0), done
    assert await running.count(f"{prefix}0") == 1
    assert files_in(tmp_path / "imports") == []


async def test_a_file_over_which_every_process_ends_is_not_begun_for_ever(
    running: Running, runner: ImportRunner
) -> None:
    left = await leave(running, owner=None, unseen_s=1)
    async with running.database.transaction(deadline_s=30) as session:
        values = {"id": left, "file": str(uuid.uuid4()), "person": running.cast.coordinator.person_id}
        await session.execute(QUERIES["try_often"], values)
    await running.lets_be_forgotten(left)
    await cast("Any", runner)._keep_marks()  # its turn, which comes every 15 seconds
    ended = await running.run_of(left)
    assert (ended.state, "several times" in (ended.message or "")) == ("interrupted", True)


async def leave(running: Running, *, owner: str | None, unseen_s: float) -> str:
    async with running.database.transaction(deadline_s=30) as session:
        return await session.fetch_value(QUERIES["leave"], {"owner": owner, "unseen_s": unseen_s})


async def test_runs_that_nobody_goes_on_with_are_marked_and_files_of_nobody_go(
    running: Running, runner: ImportRunner, tmp_path: Path
) -> None:
    elsewhere = await leave(running, owner=str(uuid.uuid4()), unseen_s=import_runner.UNSEEN_S + 60)
    by_command = await leave(running, owner=None, unseen_s=import_runner.UNSEEN_S + 60)
    under_way = [
        await leave(running, owner=owner, unseen_s=import_runner.UNSEEN_S - 60)
        for owner in (str(uuid.uuid4()), None)
    ]
    files = tmp_path / "imports" / "files"
    for name in (str(uuid.uuid4()), f"{uuid.uuid4()}.part"):
        (files / name).write_text("of nobody")
        os.utime(files / name, (0, 0))
    (files / str(uuid.uuid4())).write_text("on its way")
    await cast("Any", runner)._keep_marks()  # its turn, which comes every 15 seconds
    assert len(files_in(tmp_path / "imports")) == 1
    states = [(await running.run_of(each)).state for each in (elsewhere, by_command, *under_way)]
    assert states == ["interrupted"] * 2 + ["saving"] * 2


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Imports begin when it is set."""
    opened, really = asyncio.Event(), import_runner.perform_import

    async def later(*arguments: Any, **named: Any) -> Any:
        await opened.wait()
        return await really(*arguments, **named)

    monkeypatch.setattr(import_runner, "perform_import", later)
    return opened


async def test_a_process_that_starts_or_stops_leaves_what_the_others_have_in_hand_alone(
    running: Running, runner: ImportRunner, gate: asyncio.Event, tmp_path: Path
) -> None:
    runs = [await runner.submit(running.request(f"A,T{n},x,f,3\n", name=f"t{n}.csv")) for n in range(2)]
    second = ImportRunner(running.database, running.clock, tmp_path / "imports")
    await second.start()
    runs.append(await second.submit(running.request("A,T2,x,f,3\n", name="t2.csv")))
    third = ImportRunner(running.database, running.clock, tmp_path / "imports")
    await third.start()
    await third.stop()
    assert {(await running.run_of(run.id)).ended_at for run in runs} == {None}
    gate.set()
    await runner.wait_until_idle()
    await second.wait_until_idle()
    await second.stop()
    assert [(await running.run_of(run.id)).state for run in runs] == ["done"] * 3
    assert [await running.count(f"T{n}") for n in range(3)] == [1] * 3


async def test_any_host_takes_what_waits_and_what_one_person_sent_comes_in_its_order(
    running: Running, gate: asyncio.Event, tmp_path: Path
) -> None:
    hosts = [ImportRunner(running.database, running.clock, tmp_path / "imports") for _ in range(2)]
    first, second = hosts
    (tmp_path / "imports" / "files").mkdir(parents=True)
    mine = [await first.submit(running.request(f"A,O{n},x,f,3\n", name=f"o{n}.csv")) for n in range(2)]
    other = running.request("A,O2,x,f,3\n", name="o2.csv")
    other = msgspec.structs.replace(other, actor=running.cast.admin)
    theirs = await first.submit(other)
    await second.start()  # the first only took them, and takes nothing from here
    claimed = await cast("Any", first)._claim()
    assert {claimed.id} <= {mine[0].id, theirs.id}
    gate.set()
    await second.wait_until_idle()
    states = {each.id: (await running.run_of(each.id)).state for each in (*mine, theirs)}
    assert states[mine[1].id] == ("waiting" if claimed.id == mine[0].id else "done")
    await running.lets_be_forgotten(claimed.id)
    await second.wait_until_idle()
    await second.stop()
    assert [(await running.run_of(each.id)).state for each in (*mine, theirs)] == ["done"] * 3


async def test_who_comes_in_a_killed_hosts_place_goes_on_with_its_import_soon(
    running: Running, tmp_path: Path
) -> None:
    killed = ImportRunner(running.database, running.clock, tmp_path / "imports")
    (tmp_path / "imports" / "files").mkdir(parents=True)
    run = await killed.submit(running.request("A,G1,x,f,3\n"))
    assert await cast("Any", killed)._claim() is not None
    async with running.database.transaction(deadline_s=5) as session:
        await session.execute(QUERIES["some_seconds"], {"id": run.id})
    for gone, state in ((), "reading"), ((killed.owner,), "done"):
        host = ImportRunner(
            running.database, running.clock, tmp_path / "imports", gone=lambda gone=gone: gone
        )
        await host.start()
        await host.wait_until_idle()
        await host.stop()
        assert (await running.run_of(run.id)).state == state


async def test_many_hosts_that_look_at_once_take_an_import_once(running: Running, tmp_path: Path) -> None:
    hosts = [ImportRunner(running.database, running.clock, tmp_path / "imports") for _ in range(4)]
    (tmp_path / "imports" / "files").mkdir(parents=True)
    run = await hosts[0].submit(running.request("A,M1,x,f,3\n"))
    async with contextlib.AsyncExitStack() as opened:
        own = [await opened.enter_async_context(Database(running.conninfo)) for _ in range(4)]
        for host, database in zip(hosts, own, strict=True):
            cast("Any", host)._database = database
        found = await asyncio.gather(*(cast("Any", host)._claim() for host in hosts))
        assert [each.id for each in found if each is not None] == [run.id]
        assert found.count(None) == 3
    await running.lets_be_forgotten(run.id)
    following = ImportRunner(running.database, running.clock, tmp_path / "imports")
    await following.start()
    await following.wait_until_idle()
    await following.stop()
    assert (await running.run_of(run.id)).state == "done"


async def test_what_somebody_is_at_work_on_is_not_taken_over_however_long_nobody_heard_of_it(
    running: Running, runner: ImportRunner, tmp_path: Path
) -> None:
    lost = ImportRunner(running.database, running.clock, tmp_path / "imports")
    async with running.database.transaction(deadline_s=30) as holding:
        run = await lost.submit(running.request("A,N1,x,f,3\n"))
        await holding.fetch_value(QUERIES["held"], {"id": run.id})
        async with running.database.transaction(deadline_s=5) as session:
            await session.execute(QUERIES["take"], {"id": run.id})
        await running.lets_be_forgotten(run.id)
        await runner.wait_until_idle()
        assert (await running.run_of(run.id)).state == "reading"
    await runner.wait_until_idle()
    assert (await running.run_of(run.id)).state == "done"


async def test_a_run_whose_answer_was_lost_is_done_and_one_whose_file_is_gone_says_so(
    running: Running, runner: ImportRunner, tmp_path: Path
) -> None:
    """The connection ended between the commit and its answer: the file is kept, and whoever looks takes it."""
    host = ImportRunner(running.database, running.clock, tmp_path / "imports")
    really, request = running.database.run, running.request("A,V1,x,f,3\n")

    async def loses(*arguments: Any, **named: Any) -> Any:
        await really(*arguments, **named)
        raise CommitUnknown

    running.database.run = cast("Any", loses)
    try:
        with pytest.raises(CommitUnknown):
            await host.submit(request)
    finally:
        del cast("Any", running.database).run
    await runner.wait_until_idle()
    assert await running.count("V1") == 1
    await runner.stop()
    run = await host.submit(running.request("A,V2,x,f,3\n"))
    for file in (tmp_path / "imports" / "files").iterdir():
        file.unlink()
    await runner.start()
    await runner.wait_until_idle()
    ended = await running.run_of(run.id)
    assert (ended.state, "send it again" in (ended.message or "")) == ("failed", True)


async def test_an_import_whose_database_went_away_waits_again_and_is_saved_once(
    running: Running, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, tries = import_runner.import_sheet, 0

    async def breaks(*arguments: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        outcome = await really(*arguments, **named)
        if tries < 3:
            raise DatabaseUnavailable
        return outcome

    monkeypatch.setattr(import_runner, "import_sheet", breaks)
    run = await runner.submit(running.request("A,X1,x,f,3\n"))
    await runner.wait_until_idle()
    done = await running.run_of(run.id)
    assert (done.state, done.added, tries, await running.count("X1")) == ("done", 1, 3, 1)
    tries = -10
    run = await runner.submit(running.request("A,X2,x,f,3\n"))
    await runner.wait_until_idle()
    assert ((await running.run_of(run.id)).state, tries, await running.count("X2")) == ("failed", -7, 0)


async def test_any_host_stops_an_import_that_waits_or_is_at_work(
    running: Running, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "NOTE_EVERY_S", 0.02)

    async def stops(run: ImportRun) -> ImportRun:
        async with running.database.transaction(deadline_s=5) as session:
            return await stop_run(session, running.cast.admin, run.id, running.clock)

    async with running.database.transaction(deadline_s=30) as blocking:
        await blocking.execute(QUERIES["lock"], {})
        runs = [await runner.submit(running.request(f"A,E{n},x,f,3\n", name=f"e{n}.csv")) for n in range(2)]
        while (await running.run_of(runs[0].id)).state != "saving":
            await asyncio.sleep(0.02)
        assert [(await stops(run)).state for run in reversed(runs)] == ["interrupted", "saving"]
        while (await running.run_of(runs[0].id)).ended_at is None:
            await asyncio.sleep(0.02)
    await runner.wait_until_idle()
    ended = [await running.run_of(run.id) for run in runs]
    assert [(run.state, "somebody asked" in (run.message or "")) for run in ended] == [
        ("interrupted", True)
    ] * 2
    assert [await running.count(f"E{n}") for n in range(2)] == [0, 0]
    with pytest.raises(ImportEndedBefore):
        await stops(runs[0])


async def test_what_was_to_stop_does_not_wait_again_when_its_host_stops(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "NOTE_EVERY_S", 60)
    runner = ImportRunner(running.database, running.clock, tmp_path / "imports")
    await runner.start()
    async with running.database.transaction(deadline_s=30) as blocking:
        await blocking.execute(QUERIES["lock"], {})
        run = await runner.submit(running.request("A,J1,x,f,3\n"))
        while (await running.run_of(run.id)).state == "waiting":
            await asyncio.sleep(0.02)
        async with running.database.transaction(deadline_s=5) as session:
            await stop_run(session, running.cast.admin, run.id, running.clock)
        await runner.stop()
    ended = await running.run_of(run.id)
    assert (ended.state, "somebody asked" in (ended.message or "")) == ("interrupted", True)
    assert await running.count("J1") == 0


async def test_somebody_stops_an_import_of_the_command_line_too(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "NOTE_EVERY_S", 0.02)
    request = msgspec.structs.replace(running.request("A,H1,x,f,3\n"), actor=None)
    run_id = await begin_import(running.database, running.clock, request)
    async with running.database.transaction(deadline_s=30) as blocking:
        await blocking.execute(QUERIES["lock"], {})
        importing = asyncio.create_task(
            perform_import(running.database, running.clock, run_id, request, Progress())
        )
        while (await running.run_of(run_id)).state != "saving":
            await asyncio.sleep(0.02)
        async with running.database.transaction(deadline_s=5) as session:
            await stop_run(session, running.cast.admin, run_id, running.clock)
        with pytest.raises(ImportStopped):
            await importing
    assert ((await running.run_of(run_id)).state, await running.count("H1")) == ("interrupted", 0)


async def test_what_was_told_to_be_interrupted_is_not_saved_later(
    running: Running, runner: ImportRunner, gate: asyncio.Event
) -> None:
    run = await runner.submit(running.request("A,I1,x,f,3\n"))
    async with running.database.transaction(deadline_s=30) as session:
        await session.execute(QUERIES["interrupt"], {"id": run.id})
    gate.set()
    await runner.wait_until_idle()
    assert (await running.run_of(run.id)).state == "interrupted"
    assert await running.count("I1") == 0


async def test_an_import_whose_answer_was_lost_after_it_was_saved_stays_done(running: Running) -> None:
    request = running.request("A,D1,x,f,3\n")
    run_id = await begin_import(running.database, running.clock, request)
    await perform_import(running.database, running.clock, run_id, request, Progress())
    async with running.database.transaction(deadline_s=30) as session:
        await fail_run(
            session,
            request.actor,
            run_id=run_id,
            new=request.new,
            rows=1,
            message="the connection is gone",
            clock=running.clock,
        )
    done = await running.run_of(run_id)
    assert (done.state, done.added, done.message) == ("done", 1, None)


async def test_somebody_adding_the_same_child_meanwhile_ends_the_import_with_words(running: Running) -> None:
    request = running.request("A,C1,x,f,3\n")
    run_id = await begin_import(running.database, running.clock, request)
    async with running.database.transaction(deadline_s=30) as other:
        values = {"school": running.cast.school_a, "year": running.cast.school_year, "code": "C1"}
        await other.execute(QUERIES["add"], values)
        importing = asyncio.create_task(
            perform_import(running.database, running.clock, run_id, request, Progress())
        )
        await asyncio.sleep(0.5)
        assert not importing.done(), "it waits for the other to say whether the child is there"
    with pytest.raises(ImportCollided):
        await importing
    ended = await running.run_of(run_id)
    assert (ended.state, "Import it again" in (ended.message or "")) == ("failed", True)
    assert await running.count("C1") == 1


@asynccontextmanager
async def held_up(
    running: Running, text: str, hold: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """An import that has saved its first rows and waits for somebody else, while the block lasts; then it goes on and is done."""
    monkeypatch.setattr(store, "ROWS_PER_STATEMENT", 2)
    request = running.request(text)
    run_id = await begin_import(running.database, running.clock, request)
    with contextlib.suppress(GoOn):
        async with running.database.transaction(deadline_s=30) as other:
            await other.execute(QUERIES[hold], values)
            importing = asyncio.create_task(
                perform_import(running.database, running.clock, run_id, request, Progress())
            )
            async with asyncio.timeout(10):
                while not await other.fetch_value(QUERIES["waiting"], {}):
                    await asyncio.sleep(0.02)
            yield
            assert not importing.done()
            raise GoOn
    await importing
    async with running.database.transaction(deadline_s=10) as session:
        found = await reconcile(session)
    assert (found.different, found.differences) == (0, [])


class GoOn(Exception):
    """Ends what holds the import up, without a trace."""


async def test_who_adds_a_child_waits_for_no_import_at_the_same_school(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = running.cast
    held = {"school": cast.school_b, "year": cast.school_year, "code": "W9"}
    rows = "".join(f"A,W{n},x,m,3\n" for n in range(4)) + "B,W9,x,m,3\n"
    async with (
        held_up(running, rows, "add", held, monkeypatch),
        running.database.transaction(deadline_s=1) as session,
    ):
        await session.execute(QUERIES["add"], held | {"school": cast.school_a, "code": "W5"})
    assert [await running.count(f"W{n}") for n in (0, 3, 5, 9)] == [1, 1, 1, 1]


async def test_who_enters_a_result_waits_for_no_import_that_corrects_others_of_the_class(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = running.cast
    corrected, tapped, *_ = cast.students_a

    async def tap(child: str, deadline_s: float) -> None:
        write = ResultWrite(str(uuid.uuid4()), child, cast.round, "math", NOW.date(), level="division")
        async with running.database.transaction(deadline_s=deadline_s) as session:
            (answer,) = await enter_results(session, cast.coordinator, [write], running.clock)
        assert answer.code == "saved"

    await tap(corrected, 10)
    async with running.database.read(deadline_s=5) as session:
        first = await read_student(session, cast.coordinator, corrected)
        second = await read_student(session, cast.coordinator, tapped)
        third = await session.fetch_value(QUERIES["key"], {"id": cast.students_b[0]})
    # Their sexes are each other's: the result that is there goes over into the cell of the one that is entered.
    rows = (
        f"A,{first.code},{first.name},{'m' if second.sex == 1 else 'f'},{second.grade}\n"
        f"A,Z1,x,m,3\nB,{third},Changed,m,3\n"
    )
    async with held_up(running, rows, "hold", {"id": cast.students_b[0]}, monkeypatch):
        await tap(tapped, 1)


async def undo_in_a_deadlock(running: Running, *codes: str) -> str:
    """Undoes an import of these three children while somebody else saves them the other way round, so that the undoing is the one to be given back."""
    request = running.request("".join(f"A,{code},x,f,3\n" for code in codes))
    run_id = await begin_import(running.database, running.clock, request)
    await perform_import(running.database, running.clock, run_id, request, Progress())
    new = NewRun("students", "up.csv", is_dry_run=False, bytes_total=0, undoes=run_id)
    undo = ImportRequest(new, None, None, running.cast.coordinator)
    undo_id = await begin_import(running.database, running.clock, undo)
    undoing: asyncio.Task[Any] | None = None
    with contextlib.suppress(GoOn):
        async with running.database.transaction(deadline_s=30) as other:
            first, middle, last = await other.fetch_all(QUERIES["ids"], {"codes": list(codes)}, into=Held)
            await other.execute(QUERIES["hold"], {"id": last.id})
            with contextlib.suppress(GoOn):
                async with running.database.transaction(deadline_s=30) as third:
                    await third.execute(QUERIES["hold"], {"id": middle.id})
                    undoing = asyncio.create_task(
                        perform_import(running.database, running.clock, undo_id, undo, Progress())
                    )
                    async with asyncio.timeout(10):
                        while not await third.fetch_value(QUERIES["waiting"], {}):
                            await asyncio.sleep(0.02)
                    saving = asyncio.create_task(other.execute(QUERIES["hold"], {"id": first.id}))
                    # Each looks for a deadlock once, after waiting for 0.2 s: the other does while there is none, the undoing when there is.
                    await asyncio.sleep(0.5)
                    raise GoOn
            await saving
            raise GoOn
    assert undoing is not None
    await asyncio.wait((undoing,), timeout=30)
    if (error := undoing.exception()) is not None:
        raise error
    return undo_id


class Held(msgspec.Struct, frozen=True):
    id: str


async def test_an_undoing_that_collides_with_what_others_save_begins_again_and_is_done_once(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    undo_id = await undo_in_a_deadlock(running, "U1", "U2", "U3")
    done = await running.run_of(undo_id)
    assert (done.state, done.added, done.message) == ("done", 3, None)
    assert [await running.count(code) for code in ("U1", "U2", "U3")] == [0, 0, 0]
    assert "collided and begins again" in caplog.text, "without a deadlock nothing was shown"
    async with running.database.transaction(deadline_s=10) as session:
        found = await reconcile(session)
    assert (found.different, found.differences) == (0, [])


async def test_an_undoing_that_collides_too_often_fails_whole(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "MOST_COLLISIONS", 1)
    with pytest.raises(RetriesExhausted):
        await undo_in_a_deadlock(running, "U4", "U5", "U6")
    assert [await running.count(code) for code in ("U4", "U5", "U6")] == [1, 1, 1]


async def test_only_leaders_send_files(running: Running, runner: ImportRunner) -> None:
    request = msgspec.structs.replace(running.request("A,L1,x,f,3\n"), actor=running.cast.teacher)
    with pytest.raises(Forbidden):
        await runner.submit(request)
    assert request.path.exists()


async def test_runs_are_listed_newest_first_page_by_page(running: Running) -> None:
    async with running.database.read(deadline_s=5) as session:
        everything = await list_runs(session, running.cast.admin, PageRequest(1000))
        first = await list_runs(session, running.cast.admin, PageRequest(2))
        rest = await list_runs(session, running.cast.admin, PageRequest(1000, first.next))
    assert [*first.items, *rest.items] == everything.items
    assert [run.started_at for run in everything.items] == sorted(
        (run.started_at for run in everything.items), reverse=True
    )
