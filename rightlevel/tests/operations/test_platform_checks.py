"""The platform's own checks of the doctor: each trouble is made for real, found, and gone once it is mended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from serving import OneDatabase, Served, serving

from flatwater.doctor.check import Check
from flatwater.doctor.look import Look
from flatwater.doctor.model import Finding
from rightlevel.operations.doctor_desk import DoctorDesk
from rightlevel.operations.platform_checks import (
    PLATFORM_CHECKS,
    AdminsSecondFactor,
    BackupsFresh,
    CleanUpLate,
    HostsAgree,
    ImportsStuck,
    RoundsOverlap,
    SchemaUpToDate,
    finding_of,
)
from rightlevel.operations.reconcile import reconcile

pytestmark = pytest.mark.anyio


class Ward:
    """A platform's database, what is done to it, and what a check says of it."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.connection = psycopg.connect(conninfo, autocommit=True)

    def do(self, *statements: str) -> None:
        for each in statements:
            self.connection.execute(each)  # type: ignore[arg-type]

    def says(self, check: Check) -> list[Finding]:
        with Look(self.conninfo, application="rightlevel") as look:
            return list(check.look(look))

    def severities(self, check: Check) -> list[str]:
        return [each.severity for each in self.says(check)]


@pytest.fixture
async def platform(new_database: Callable[[], OneDatabase], tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


@pytest.fixture
def ward(platform: Served) -> Iterator[Ward]:
    made = Ward(platform.server.conninfo)
    yield made
    made.connection.close()


async def test_every_check_is_well_on_a_fresh_platform_but_for_admins_without_a_second_factor(
    ward: Ward,
) -> None:
    said = {
        check.name: ward.severities(check) for check in PLATFORM_CHECKS if check.name != "background_loops"
    }
    assert said.pop("admins_second_factor") == ["notice"]
    assert set(map(tuple, said.values())) == {("ok",)}, said


async def test_hosts_of_two_versions_and_one_whose_files_nobody_could_see_are_told(ward: Ward) -> None:
    check = HostsAgree()
    ward.do("update host_standing set has_sign = true")
    copied = "select gen_random_uuid(), 'two:8000', 1, version, began_at, now(), verdict, levels, 3, hears_by, true from host_standing"
    ward.do(f"insert into host_standing {copied}")
    (found,) = ward.says(check)
    assert (found.severity, found.numbers["hosts"]) == ("ok", 2)
    ward.do("update host_standing set version = '0.0.1', has_sign = false where name = 'two:8000'")
    assert [(each.key, each.severity) for each in ward.says(check)] == [
        ("hosts_agree/versions", "warning"),
        ("hosts_agree/files", "warning"),
    ]
    assert "two:8000 is 0.0.1" in ward.says(check)[0].saw
    ward.do("update host_standing set told_at = now() - interval '2 minutes' where name = 'two:8000'")
    assert ward.severities(check) == ["ok"], "one that is gone disagrees with nobody"


async def test_a_schema_of_another_program_is_critical(ward: Ward) -> None:
    ward.do("delete from schema_migration where number = (select max(number) from schema_migration)")
    found = ward.says(SchemaUpToDate())[0]
    assert (found.severity, found.numbers["known"] - found.numbers["there"]) == ("critical", 1)  # type: ignore[operator]
    assert found.cures[0].command == "rightlevel serve"


async def test_an_admin_without_a_second_factor_is_told_and_loudly_where_none_is_needed(ward: Ward) -> None:
    check = AdminsSecondFactor()
    assert "1 of 1 admins have no second factor" in ward.says(check)[0].saw
    ward.do("update setting set value = 'false' where key = 'admins_need_second_factor'")
    assert ward.severities(check) == ["warning"]
    ward.do(
        "insert into second_factor (person_id, sealed_secret, made_at, confirmed_at)"
        " select id, decode(repeat('00', 60), 'hex'), now(), now() from person where role = 'admin'"
    )
    assert ward.severities(check) == ["notice"]
    ward.do("update setting set value = 'true' where key = 'admins_need_second_factor'")
    assert ward.severities(check) == ["ok"]
    ward.do("update person set is_active = false where role = 'admin'")
    assert [each.key for each in ward.says(check)] == ["admins_second_factor/none"]


async def test_a_schools_own_dates_that_reach_into_another_round_are_told(
    platform: Served, ward: Ward
) -> None:
    other = "insert into round (school_year_id, kind, starts_on, ends_on) select school_year_id, 'endline', ends_on + 20, ends_on + 40 from round limit 1"
    own = (
        f"insert into round_school (round_id, school_id, ends_on) select id, {platform.cast.school_a}, ends_on + 25 from round"
        " where kind <> 'endline' limit 1"
    )
    ward.do(other, own)
    found = ward.says(RoundsOverlap())
    assert [each.severity for each in found] == ["warning"]
    assert f"At school {platform.cast.school_a} the" in found[0].saw
    ward.do("update round_school set ends_on = null")
    assert ward.severities(RoundsOverlap()) == ["ok"]


async def test_a_clean_up_that_is_late_or_did_not_end_is_told(ward: Ward) -> None:
    check = CleanUpLate()
    ward.do(
        "update schema_migration set applied_at = applied_at - interval '27 hours'", "delete from clean_up"
    )
    assert [each.key for each in ward.says(check)] == ["clean_up_late/late"]
    ward.do("insert into clean_up (name, started_at) values ('rate_limits', now() - interval '2 hours')")
    assert [each.key for each in ward.says(check)] == ["clean_up_late/unfinished"]
    ward.do("update clean_up set ended_at = now() - interval '1 hour'")
    assert ward.severities(check) == ["ok"]


async def test_an_import_that_has_been_running_for_an_hour_is_told(platform: Served, ward: Ward) -> None:
    ward.do(
        "insert into import_run (id, kind, filename, state, person_id, started_at, bytes_total)"
        " select gen_random_uuid(), 'students', 'children.csv', 'reading', id, now() - interval '2 hours', 10 from person limit 1"
    )
    assert ward.severities(ImportsStuck()) == ["warning"]
    ward.do("update import_run set state = 'failed', ended_at = now()")
    assert ward.severities(ImportsStuck()) == ["ok"]


async def test_a_backup_that_is_old_or_was_never_made_is_told_and_a_new_one_is_well(ward: Ward) -> None:
    check = BackupsFresh()
    assert ward.severities(check) == ["ok"], "none was due on the first day"
    ward.do("update schema_migration set applied_at = applied_at - interval '3 days'")
    assert "There was no backup in 3.0 days." in ward.says(check)[0].saw
    assert (ward.says(check)[0].cures[0].command or "").startswith("rightlevel backup")
    ward.do(
        "insert into backup (made_at, name, size_bytes, took_s) values (now() - interval '8 days', 'rightlevel-1', 1, 1)"
    )
    assert ward.severities(check) == ["critical"]
    ward.do(
        "insert into backup (made_at, name, size_bytes, took_s) values (now() - interval '1 hour', 'rightlevel-2', 1, 1)"
    )
    assert ward.severities(check) == ["ok"]


async def test_a_count_that_drifted_is_critical_and_repaired(platform: Served, ward: Ward) -> None:
    async with platform.database.snapshot(deadline_s=20) as session:
        assert finding_of(await reconcile(session)).severity == "ok"
    ward.do("set session_replication_role = replica")  # a row that no trigger counts
    ward.do(
        "insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)"
        " select gen_random_uuid(), s.id, r.id, s.school_id, s.class_id, p.id, r.starts_on, 'math', 'assessed', 'grid', 2, s.grade, s.sex"
        " from student s join round r on r.school_year_id = s.school_year_id, person p where p.role = 'teacher' limit 1"
    )
    async with platform.database.snapshot(deadline_s=20) as session:
        found = finding_of(await reconcile(session))
    assert (found.severity, found.cures[0].command) == ("critical", "rightlevel reconcile --repair")
    async with platform.database.operations(deadline_s=20, writes=True) as session:
        await reconcile(session, repair=True)
    async with platform.database.snapshot(deadline_s=20) as session:
        assert finding_of(await reconcile(session)).severity == "ok"


async def test_the_platform_tells_its_own_doctor_who_waits_in_its_pool(platform: Served) -> None:
    seen = await DoctorDesk(platform.server.conninfo, platform.database.statistics).examine()
    assert not [each for each in seen.findings if each.key.startswith("pool_waits")], (
        "nobody waits, and that was seen"
    )
