"""The audit is searched by who, what, when and text, and saved as a table that no spreadsheet computes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from people import NOW, Cast, make_cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.audit import AuditFilter, audit_csv, dated, export, list_audit, store, write_audit
from rightlevel.programme.audit.export import defused
from rightlevel.programme.audit.store import span_of

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: long_ago
-- Something that was done long ago.
insert into audit_entry (at, action, resource, outcome, reason) values (%(at)s, 'create', 'place', 'done', 'long ago')
""",
    origin="test_audit_search.py",
)


async def found(session: Session, **wanted: object) -> list[str | None]:
    page = await list_audit(session, PageRequest(50), AuditFilter(**wanted))  # type: ignore[arg-type]
    return [entry.reason for entry in page.items]


async def test_who_what_outcome_days_and_text_narrow_the_search(session: Session, cast: Cast) -> None:
    await write_audit(
        session, cast.teacher, "create", "student", "s1", reason="first", after={"name": "Bopha 100%"}
    )
    await write_audit(session, cast.mentor, "change", "school", 7, reason="second")
    await write_audit(session, cast.teacher, "read", "route", "/x", reason="third", outcome="denied")
    await session.execute(QUERIES["long_ago"], {"at": NOW - timedelta(days=90)})
    assert await found(session, username="teacher") == ["third", "first"]
    assert await found(session, outcome="denied") == ["third"]
    assert await found(session, resource="school", resource_id="7") == ["second"]
    assert await found(session, username="teacher", action="create") == ["first"]
    long_ago = (NOW - timedelta(days=90)).date()
    assert await found(session, from_on=long_ago, to_on=long_ago) == ["long ago"]
    soon = date.today() + timedelta(days=1)
    assert await found(session, text="bopha 100%", to_on=soon) == ["first"]
    assert await found(session, text="%", to_on=soon) == ["first"], "a sign of LIKE means itself"


async def test_what_no_index_finds_is_looked_for_among_so_many_entries_and_the_page_goes_on(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_THROUGH", 10)
    await write_audit(session, cast.teacher, "erase", "student", "s0", reason="the rare one")
    for number in range(34):
        await write_audit(session, cast.teacher, "change", "student", f"s{number + 1}")
    for wanted in (
        AuditFilter(action="erase"),
        AuditFilter(text="rare one", to_on=date.today() + timedelta(days=1)),
        AuditFilter(resource_id="s0"),
        AuditFilter(action="erase", username="teacher", resource="student", outcome="done"),
    ):
        found: list[str | None] = []
        pages = 0
        cursor: str | None = None
        while True:
            page = await list_audit(session, PageRequest(5, cursor), wanted)
            found += [entry.reason for entry in page.items]
            pages += 1
            cursor = page.next
            if cursor is None:
                break
        assert found == ["the rare one"], wanted
        assert pages == 4, wanted
    paired = await list_audit(session, PageRequest(5), AuditFilter(resource="student", resource_id="s0"))
    assert [entry.reason for entry in paired.items] == ["the rare one"], "an index finds it at once"
    assert paired.next is None


async def test_whoever_is_not_there_did_nothing(session: Session, cast: Cast) -> None:
    await write_audit(session, cast.teacher, "create", "student", "s1", reason="first")
    assert (await list_audit(session, PageRequest(5), AuditFilter(username="nobody"))).items == []
    assert await found(session, person_id=cast.teacher.person_id, action="create") == ["first"]
    assert await found(session, person_id=cast.mentor.person_id) == []


def test_a_text_is_looked_for_within_a_month_at_most() -> None:
    day = date(2026, 11, 23)
    since, until = span_of(AuditFilter(text="x", from_on=date(2020, 1, 1), to_on=day))
    assert since is not None
    assert until is not None
    assert until - since == timedelta(days=31)
    there = StandingClock(datetime(2026, 11, 22, 18, tzinfo=UTC), ZoneInfo("Asia/Phnom_Penh"))
    assert dated(AuditFilter(text="x"), there).to_on == day
    assert dated(AuditFilter(), there).to_on is None


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Phnom_Penh", date(2026, 11, 23), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
    ],
)
def test_a_day_of_the_audit_is_the_programmes(zone: str, day: date, hours: int) -> None:
    there = StandingClock(NOW, ZoneInfo(zone))
    since, until = span_of(dated(AuditFilter(from_on=day, to_on=day), there))
    assert since == datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    assert until is not None
    assert since is not None
    assert until - since == timedelta(hours=hours)


async def rows_of(database: Database, wanted: AuditFilter) -> list[list[str]]:
    content = b"".join([chunk async for chunk in audit_csv(database, wanted)])
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


async def test_the_export_has_every_row_denied_ones_too_and_computes_nothing(
    new_database: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 7)
    async with Database(new_database().conninfo) as database:  # type: ignore[attr-defined]
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)
            for number in range(40):
                outcome = "denied" if number % 2 else "done"
                await write_audit(
                    session,
                    cast.teacher,
                    "create",
                    "student",
                    number,
                    reason='=HYPERLINK("x")',
                    outcome=outcome,
                )
        rows = await rows_of(database, AuditFilter(username="teacher"))
        assert rows[0][:2] == ["at", "username"]
        assert [row[5] for row in rows[1:]] == [str(n) for n in range(39, -1, -1)]
        assert {row[6] for row in rows[1:]} == {"done", "denied"}
        assert {row[7] for row in rows[1:]} == {'\'=HYPERLINK("x")'}


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "＝1"])
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert defused(text) == "'" + text
    assert defused("plain = text") == "plain = text"
