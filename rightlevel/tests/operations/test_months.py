"""The audit by months: never a failed write, never a lost row, and the same denied attempt is one row a minute."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from people import Cast, make_cast
from serving import OneDatabase, Served

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.database import migrations
from rightlevel.database.migrations import known_migrations, migrate
from rightlevel.database.server import PrivateServer, with_database
from rightlevel.operations.months import Months
from rightlevel.programme.audit import AuditFilter, audit_csv, list_audit, write_audit
from rightlevel.programme.audit.store import MOST_ADDRESSES, MOST_KINDS

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ADD = """
insert into audit_entry (at, action, resource, resource_id, outcome, after, reason)
select %(at)s::timestamptz + make_interval(secs => n), 'create', %(resource)s, n, 'done', '{"name": "Bopha"}', 'why'
from generate_series(1, %(rows)s) n
"""


class Ward:
    """A database with months that a test owns."""

    def __init__(self, conninfo: str, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder / "archive"
        self.clock = StandingClock(NOW)
        self.connection = psycopg.connect(conninfo, autocommit=True)

    def months(self, *, audit_months: int = 24, is_archived: bool = True) -> Months:
        return Months(
            self.database, self.clock, self.folder, audit_months=audit_months, is_archived=is_archived
        )

    def add(self, at: datetime, rows: int, resource: str = "place") -> None:
        self.connection.execute(ADD, {"at": at, "rows": rows, "resource": resource})

    def rows(self, table: str = "audit_entry") -> int:
        found = self.connection.execute(f"select count(*) from {table}").fetchone()  # type: ignore[arg-type]
        assert found is not None
        return found[0]

    def partitions(self, table: str = "audit_entry") -> set[str]:
        return {
            name
            for (name,) in self.connection.execute(
                "select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass", [table]
            ).fetchall()
        }

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl.gz"))


@pytest.fixture
async def ward(new_database: Callable[[], OneDatabase], tmp_path: Path) -> AsyncIterator[Ward]:
    conninfo = new_database().conninfo
    async with Database(conninfo) as database:
        made = Ward(conninfo, database, tmp_path)
        yield made
        made.connection.close()


async def test_months_are_made_ahead_once_and_rows_go_to_theirs(ward: Ward) -> None:
    await ward.months().turn()
    await ward.months().turn()
    names = {f"audit_entry_{month}" for month in ("2026_11", "2026_12", "2027_01")}
    assert ward.partitions() == {"audit_entry_rest"} | names
    assert ward.partitions("reading_history") == {
        "reading_history_rest",
        "reading_history_2026_11",
        "reading_history_2026_12",
        "reading_history_2027_01",
    }
    ward.add(datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 120)
    assert (
        ward.rows("audit_entry_2026_12"),
        ward.rows("audit_entry_2027_01"),
        ward.rows("audit_entry_rest"),
    ) == (59, 61, 0)


async def test_after_months_without_upkeep_nothing_fails_and_the_rows_stay_where_they_are(ward: Ward) -> None:
    await ward.months().turn()
    later = datetime(2027, 6, 10, tzinfo=UTC)
    ward.add(later, 50)
    assert ward.rows("audit_entry_rest") == 50, "no month was made, and no write failed"
    ward.clock.advance((later - NOW).total_seconds())
    await ward.months().turn()
    assert "audit_entry_2027_06" not in ward.partitions(), "its rows lie in the default partition already"
    assert {"audit_entry_2027_07", "audit_entry_2027_08"} <= ward.partitions()
    ward.add(later + timedelta(hours=1), 5)
    assert (ward.rows(), ward.rows("audit_entry_rest")) == (55, 55)


async def test_an_old_month_is_written_to_a_file_with_its_sum_and_only_then_taken_out(ward: Ward) -> None:
    ward.add(datetime(2024, 10, 31, 23, 59, 50, tzinfo=UTC), 20)
    ward.add(datetime(2024, 11, 5, tzinfo=UTC), 30)
    ward.connection.execute("select make_month('audit_entry', '2024-09-01')")
    ward.add(datetime(2024, 9, 5, tzinfo=UTC), 5_000)
    ward.add(datetime(2024, 9, 6, tzinfo=UTC), 7, "student")
    await ward.months().turn()
    assert "audit_entry_2024_09" not in ward.partitions()
    await ward.months().turn()
    assert [path.name for path in ward.files()] == ["audit-2024-09.jsonl.gz", "audit-2024-10.jsonl.gz"]
    september, october = ward.files()
    for path in (september, october):
        digest, name = (path.parent / f"{path.name}.sha256").read_text().split()
        assert (digest, name) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.name)
        assert path.stat().st_mode & 0o077 == 0
    lines = [json.loads(line) for line in gzip.decompress(september.read_bytes()).splitlines()]
    assert len(lines) == len({each["id"] for each in lines}) == 5_007
    assert {each["after"] is None for each in lines if each["resource"] == "student"} == {True}, (
        "an erasure could not reach it"
    )
    assert {each["after"]["name"] for each in lines if each["resource"] == "place"} == {"Bopha"}
    assert len(gzip.decompress(october.read_bytes()).splitlines()) == 9, (
        "of the default partition only that month's"
    )
    left = ward.connection.execute("select min(at) from audit_entry where action = 'create'").fetchone()
    assert left == (datetime(2024, 11, 1, 0, 0, 0, tzinfo=UTC),)
    said = ward.connection.execute(
        "select after from audit_entry where action = 'archive' order by id"
    ).fetchall()
    assert [(each[0]["month"], each[0]["rows"]) for each in said] == [("2024-09", 5_007), ("2024-10", 9)]


async def test_a_month_whose_file_cannot_be_written_stays(ward: Ward) -> None:
    ward.connection.execute("select make_month('audit_entry', '2024-09-01')")
    ward.add(datetime(2024, 9, 5, tzinfo=UTC), 500)
    ward.folder.write_text("no folder")
    with pytest.raises(FileExistsError):
        await ward.months().turn()
    assert ward.rows("audit_entry_2024_09") == 500
    ward.folder.unlink()
    ward.folder.mkdir()
    part = next(iter([ward.folder / f".audit-2024-09.{__import__('os').getpid()}.part"]))
    part.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        await ward.months().turn()
    assert ward.rows("audit_entry_2024_09") == 500
    assert list(ward.folder.iterdir()) == [], "nothing half-written is left"
    await ward.months().turn()
    assert len(ward.files()) == 1
    assert "audit_entry_2024_09" not in ward.partitions()


async def test_a_row_that_comes_while_the_month_is_written_keeps_the_month(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.connection.execute("select make_month('audit_entry', '2024-09-01')")
    ward.add(datetime(2024, 9, 5, tzinfo=UTC), 500)
    months = ward.months()
    write = months._write

    async def late(*given: object) -> object:
        written = await write(*given)  # type: ignore[arg-type]
        ward.add(datetime(2024, 9, 6, tzinfo=UTC), 1)
        return written

    monkeypatch.setattr(months, "_write", late)
    await months.turn()
    assert ward.rows("audit_entry_2024_09") == 501
    monkeypatch.undo()
    await months.turn()
    assert [path.name for path in ward.files()] == ["audit-2024-09.2.jsonl.gz", "audit-2024-09.jsonl.gz"], (
        "never written over"
    )
    assert "audit_entry_2024_09" not in ward.partitions()


async def test_settings_keep_it_for_ever_or_without_a_file(ward: Ward) -> None:
    ward.add(datetime(2020, 1, 5, tzinfo=UTC), 10)
    await ward.months(audit_months=0).turn()
    assert ward.rows() == 10
    await ward.months(is_archived=False).turn()
    assert (ward.rows("audit_entry_rest"), ward.files()) == (0, [])


async def test_old_months_of_readings_go_and_their_present_ones_stay(ward: Ward) -> None:
    for month in ("2026-08-01", "2026-09-01", "2026-10-01"):
        ward.connection.execute("select make_month('reading_history', %s)", [month])
    await ward.months().turn()
    assert ward.partitions("reading_history") == {
        "reading_history_rest",
        "reading_history_2026_10",
        "reading_history_2026_11",
        "reading_history_2026_12",
        "reading_history_2027_01",
    }


async def test_a_month_is_not_waited_for_longer_than_a_second_and_holds_up_nobody_else(ward: Ward) -> None:
    """Somebody reads the audit for long: the month is made the next time, and meanwhile nobody's write waits."""
    with psycopg.connect(ward.connection.info.dsn + f" password={ward.connection.info.password}") as reader:
        reader.execute("select count(*) from audit_entry")
        making = asyncio.create_task(ward.months().turn())
        await asyncio.sleep(0.3)
        began = asyncio.get_running_loop().time()
        await asyncio.to_thread(ward.add, NOW, 1)
        assert asyncio.get_running_loop().time() - began < 1.5
        await asyncio.wait([making])
        reader.rollback()
    making.exception()
    await ward.months().turn()
    assert len(ward.partitions()) == 4 - (ward.rows("audit_entry_rest") > 0)


# Reading it.


def calls(ward: Ward) -> int:
    return sum(each.calls for each in ward.database.statements.costliest(1_000))


async def test_the_search_goes_through_all_months_in_one_order_and_one_statement_a_page(
    ward: Ward, clock: StandingClock
) -> None:
    await ward.months().turn()
    for month in (6, 11, 12):
        ward.add(datetime(2026, month, 10, tzinfo=UTC), 40)
    seen: list[int] = []
    page = PageRequest(25)
    async with ward.database.read(deadline_s=30) as session:
        while True:
            before = calls(ward)
            found = await list_audit(session, page, AuditFilter())
            assert calls(ward) - before == 1
            seen += [entry.id for entry in found.items]
            if found.next is None:
                break
            page = PageRequest(25, found.next)
    assert len(seen) == 120
    assert seen == sorted(seen, reverse=True)
    saved = b"".join([chunk async for chunk in audit_csv(ward.database, AuditFilter())]).decode()
    assert saved.count("\n") == 121


# What is denied again.


async def times_of(session: Session, **wanted: object) -> list[tuple[str, str | None, int]]:
    page = await list_audit(session, PageRequest(1_000), AuditFilter(**wanted))  # type: ignore[arg-type]
    return [(entry.action, entry.resource_id, entry.times) for entry in page.items]


async def test_the_same_denied_attempt_is_one_row_a_minute_with_a_count(session: Session, cast: Cast) -> None:
    for _ in range(200):
        await write_audit(
            session, cast.teacher, "read", "route", "/x", outcome="denied", reason="out_of_scope"
        )
    await write_audit(session, cast.teacher, "read", "route", "/y", outcome="denied", reason="out_of_scope")
    await write_audit(session, cast.mentor, "read", "route", "/x", outcome="denied", reason="out_of_scope")
    await write_audit(session, cast.teacher, "create", "student", "s1")
    await write_audit(session, cast.teacher, "create", "student", "s1")
    assert await times_of(session, username="teacher") == [
        ("create", "s1", 1),
        ("create", "s1", 1),
        ("read", "/y", 1),
        ("read", "/x", 200),
    ]
    assert await times_of(session, username="mentor") == [("read", "/x", 1)]


async def test_a_device_that_loops_over_ids_makes_thirty_one_rows_a_minute(
    session: Session, cast: Cast
) -> None:
    for number in range(500):
        await write_audit(session, cast.teacher, "read", "route", f"/students/{number}", outcome="denied")
    await write_audit(session, cast.teacher, "read", "route", "/students/3", outcome="denied")
    found = await times_of(session, username="teacher")
    assert len(found) == MOST_KINDS + 1
    assert ("various", None, 500 - MOST_KINDS) in found
    assert ("read", "/students/3", 2) in found, "what has a row of its own keeps it"
    assert sum(times for *_, times in found) == 501


async def test_strangers_failures_of_one_address_are_one_row_whatever_name_they_try(session: Session) -> None:
    for number in range(100):
        await write_audit(
            session, None, "sign_in", "session", f"name {number}", outcome="denied", address="10.9.8.7"
        )
    assert await times_of(session, outcome="denied") == [("sign_in", "name 0", 100)]
    for number in range(MOST_ADDRESSES + 50):
        await write_audit(
            session, None, "sign_in", "session", "x", outcome="denied", address=f"10.0.{number}"
        )
    found = await times_of(session, outcome="denied")
    assert len(found) == MOST_ADDRESSES + 1
    assert sum(times for *_, times in found) == MOST_ADDRESSES + 150


async def test_at_the_same_time_none_is_lost_and_none_is_twice(
    new_database: Callable[[], OneDatabase],
) -> None:
    async with Database(new_database().conninfo) as database:
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)

        async def deny(session: Session) -> None:
            await write_audit(session, cast.teacher, "read", "route", "/x", outcome="denied")

        await asyncio.gather(*(database.run(deny, deadline_s=30) for _ in range(60)))
        async with database.read(deadline_s=30) as session:
            found = await times_of(session, username="teacher")
    assert sum(times for *_, times in found) == 60
    assert len(found) <= 2, "one a minute; the test may have been at a minute's end"


async def test_the_page_and_the_table_show_how_often(served: Served) -> None:
    async with served.client("teacher", by="cookie") as client:
        for _ in range(7):
            assert (await client.get("/audit?resource_id=shown-how-often")).status_code == 403
    async with served.client("admin", by="cookie") as client:
        page = (await client.get("/audit?username=teacher&outcome=denied")).text
        saved = (await client.post("/audit/export", data={"username": "teacher", "csrf_token": "csrf"})).text
    assert "times in this minute" in page
    assert "times,last_at" in saved.splitlines()[0]


# The database of today.


async def test_the_audit_of_today_stays_whole_and_its_numbers_go_on(server: PrivateServer) -> None:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("create database before_months")
    conninfo = with_database(server.conninfo, "before_months")
    known = known_migrations()
    steps = next(each.number for each in known if each.name.endswith("loops")) - 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "known_migrations", lambda: known[:steps])
        migrations.migrate(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(ADD, {"at": NOW, "rows": 100_000, "resource": "place"})
        connection.execute("insert into reading_history (at, worst) values (now(), 'ok')")
        before = connection.execute(
            "select sum(hashtext(t::text)) from (select id, at, action, after from audit_entry) t"
        ).fetchone()
    assert steps + 1 in migrate(conninfo)
    async with Database(conninfo) as database:
        async with database.transaction(deadline_s=30) as session:
            await write_audit(session, None, "sign_in", "session", "x", outcome="denied", address="a")
            found = await list_audit(session, PageRequest(2), AuditFilter())
        assert [entry.id for entry in found.items] == [100_001, 100_000]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        after = connection.execute(
            "select sum(hashtext(t::text)) from (select id, at, action, after from audit_entry where id <= 100000) t"
        ).fetchone()
        assert after == before
        assert connection.execute("select count(*) from reading_history").fetchone() == (1,)
        (indexes,) = connection.execute(
            "select count(*) filter (where tablename = 'audit_entry_rest') - count(*) filter (where tablename = 'audit_entry') from pg_indexes"
        ).fetchone() or (None,)
        assert indexes == 1, (
            "beside its own key the old table has the new one's indexes; none was built a second time"
        )
