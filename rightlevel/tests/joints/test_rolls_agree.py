"""Whatever is done in whatever order, three agree on every seat: the kept counts, a recount of the rows, and a model in plain Python."""

from __future__ import annotations

import random
from datetime import date
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast
from roll_model import Cell, Model, ModelChild, ModelRound, Stint

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.duplicates import Merge, merge_duplicates, undo_merge_of_duplicates
from rightlevel.programme.enrolments import RollOverPlan, RollOverStands, roll_over_school, undo_roll_over
from rightlevel.programme.errors import ProgrammeError
from rightlevel.programme.results import ResultWrite, delete_result, enter_results
from rightlevel.programme.rounds import read_round, seal_round, seal_some_schools, set_round_state
from rightlevel.programme.students import read_student

pytestmark = pytest.mark.anyio
CLOCK = StandingClock(NOW)
LEVELS = {"language": ("beginner", "letter", "word"), "math": ("number_1digit", "subtraction", "division")}

QUERIES = read_queries(
    """
-- name: next_year
-- Makes the year after the cast's.
insert into school_year (name, starts_on, ends_on) values ('2027', '2027-01-01', '2027-12-31') returning id
-- name: round
-- Makes a planned round.
insert into round (school_year_id, kind, starts_on, ends_on) values (%(year)s, %(kind)s::round_kind, %(starts_on)s, %(ends_on)s) returning id
-- name: class
-- Makes a class.
insert into class (school_id, school_year_id, grade, section) values (%(school)s, %(year)s, %(grade)s, %(section)s) returning id
-- name: enrol
-- Enrols a child.
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
values (%(school)s, %(year)s, %(class)s, %(code)s, 'Child', 'child', %(sex)s, %(grade)s) returning id::text as id
-- name: say
-- Says that what comes next is a move.
select say_stint('transfer', '', '2026-11-23', null)::text
-- name: stand
-- Puts a child elsewhere, or corrects where it is.
update student set school_id = %(school)s, school_year_id = %(year)s, class_id = %(class)s, grade = %(grade)s, sex = %(sex)s
where id = %(id)s::uuid
-- name: leave
-- A child leaves.
update student set status = 'left', left_on = '2026-11-23', left_reason = 'moved' where id = %(id)s::uuid
-- name: return
-- A child comes back.
update student set status = 'active', left_on = null, left_reason = null where id = %(id)s::uuid
-- name: remove
-- A child is removed.
update student set deleted_at = now(), deleted_by = %(by)s, delete_reason = 'test' where id = %(id)s::uuid
-- name: restore
-- A child is brought back.
update student set deleted_at = null, deleted_by = null, delete_reason = null where id = %(id)s::uuid
-- name: kept
-- The seats that are kept, by round, subject, school, grade and sex.
select round_id, subject::text as subject, school_id, grade, sex, sum(children)::integer as children
from (
    select round_id, subject, school_id, grade, sex, children from school_roll
    union all
    select rd.id, sub.subject, e.school_id, e.grade, e.sex, e.children
    from school_enrolled e
    join round rd on rd.school_year_id = e.school_year_id and rd.roll_number is null
    cross join unnest(enum_range(null::subject)) sub (subject)) each
group by round_id, subject, school_id, grade, sex
having sum(children) <> 0
-- name: counted
-- Seats by sheets: the same from the rows of each school.
select rd.id as round_id, sub.subject::text as subject, s.id as school_id, seat.grade, seat.sex, count(*)::integer as children
from round rd
cross join unnest(enum_range(null::subject)) sub (subject)
cross join school s
cross join seats_of_school(rd.id, sub.subject, s.id) seat
where not s.is_practice
group by 1, 2, 3, 4, 5
-- name: over_full
-- Cells with more results than seats.
select count(*) as cells
from school_count c
where c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 > (
    select coalesce(sum(children), 0)
    from (
        select children from school_roll k
        where (k.round_id, k.subject, k.school_id, k.grade, k.sex) = (c.round_id, c.subject, c.school_id, c.grade, c.sex)
        union all
        select children from school_enrolled e join round rd on rd.school_year_id = e.school_year_id and rd.roll_number is null
        where rd.id = c.round_id and (e.school_id, e.grade, e.sex) = (c.school_id, c.grade, c.sex)) each)
""",
    origin="test_rolls_agree.py",
)


class Counted(msgspec.Struct, frozen=True):
    round_id: int
    subject: str
    school_id: int
    grade: int
    sex: int
    children: int


class World:
    """A small programme, and the model beside it."""

    def __init__(self, session: Session, cast: Cast, seed: int) -> None:
        self.session, self.cast = session, cast
        self.chance = random.Random(seed)
        self.model = Model()
        self.classes: dict[tuple[int, int, int], list[int | None]] = {}
        self.result_ids: dict[tuple[str, int, str], str] = {}
        self.rolled: list[tuple[str, int]] = []
        self.merged: list[tuple[str, ModelChild]] = []
        self.codes = 0
        self.log: list[str] = []

    async def make(self, name: str, **values: Any) -> Any:
        return await self.session.fetch_value(QUERIES[name], values)

    async def do(self, name: str, **values: Any) -> None:
        await self.session.execute(QUERIES[name], values)

    async def begin(self) -> None:
        cast, session = self.cast, self.session
        for child_id in [*cast.students_a, *cast.students_b]:
            await session.execute(QUERIES["remove"], {"id": child_id, "by": cast.coordinator.person_id})
        self.years = [cast.school_year, await self.make("next_year")]
        self.schools = [cast.school_a, cast.school_b]
        spans = [
            ("midline", 0, date(2026, 12, 1), date(2026, 12, 10)),
            ("endline", 0, date(2026, 12, 15), date(2026, 12, 20)),
            ("baseline", 1, date(2027, 1, 10), date(2027, 1, 20)),
        ]
        rounds = [cast.round]
        for kind, year, starts_on, ends_on in spans:
            rounds.append(
                await self.make(
                    "round", year=self.years[year], kind=kind, starts_on=starts_on, ends_on=ends_on
                )
            )
        for at, round_id in enumerate(rounds):
            self.model.rounds[round_id] = ModelRound(self.years[at // 3], at)
        first = self.model.rounds[cast.round]
        first.state, first.was_opened = "open", True
        for school in self.schools:
            for year in self.years:
                for grade in (3, 4, 5):
                    made = [
                        await self.make("class", school=school, year=year, grade=grade, section=s)
                        for s in ("X", "Y")
                    ]
                    self.classes[school, year, grade] = [None, *made]

    def a_cell(self, year: int, *, school: int | None = None, sex: int | None = None) -> Cell:
        school = school or self.chance.choice(self.schools)
        grade = self.chance.choice((3, 4, 5))
        return (
            school,
            self.chance.choice(self.classes[school, year, grade]),
            grade,
            sex or self.chance.choice((1, 2)),
        )

    def pick(self, *, active: bool | None = None, deleted: bool = False) -> tuple[str, ModelChild] | None:
        found = [
            (each, child)
            for each, child in self.model.children.items()
            if child.is_deleted == deleted and active in (None, child.is_active)
        ]
        return self.chance.choice(found) if found else None

    async def enrol(self) -> None:
        year = self.chance.choice(self.years)
        school, class_id, grade, sex = cell = self.a_cell(year)
        self.codes += 1
        values = {
            "school": school,
            "year": year,
            "class": class_id,
            "code": f"M{self.codes}",
            "sex": sex,
            "grade": grade,
        }
        child_id = await self.make("enrol", **values)
        self.model.children[child_id] = ModelChild(
            [Stint(year, cell, self.model.tick())], year=year, cell=cell
        )

    async def _stand(self, child_id: str, year: int, cell: Cell) -> None:
        school, class_id, grade, sex = cell
        await self.do(
            "stand",
            **{"id": child_id, "school": school, "year": year, "class": class_id, "grade": grade, "sex": sex},
        )

    async def transfer(self) -> None:
        if (found := self.pick(active=True)) is None:
            return
        child_id, child = found
        year = self.chance.choice([child.year, child.year, child.year, *self.years])
        cell = self.a_cell(year, sex=child.cell[3])
        if (year, cell) == (child.year, child.cell):
            return
        await self.session.fetch_value(QUERIES["say"], {})
        await self._stand(child_id, year, cell)
        self.model.move(child, year, cell)

    async def correct(self) -> None:
        if (found := self.pick(active=True)) is None:
            return
        child_id, child = found
        cell = self.a_cell(child.year, school=child.cell[0])
        if cell == child.cell:
            return
        await self._stand(child_id, child.year, cell)
        self.model.correct(child_id, cell)

    async def leave(self) -> None:
        if (found := self.pick(active=True)) is not None:
            await self.do("leave", id=found[0])
            self.model.leave(found[1], "moved")

    async def come_back(self) -> None:
        if (found := self.pick(active=False)) is not None:
            await self.do("return", id=found[0])
            self.model.move(found[1], found[1].year, found[1].cell)

    async def remove(self) -> None:
        if (found := self.pick()) is not None:
            await self.do("remove", id=found[0], by=self.cast.coordinator.person_id)
            found[1].is_deleted = True

    async def restore(self) -> None:
        if (found := self.pick(deleted=True)) is not None:
            await self.do("restore", id=found[0])
            found[1].is_deleted = False

    async def test(self) -> None:
        if (found := self.pick()) is None:
            return
        child_id, child = found
        round_id, subject = (
            self.chance.choice(list(self.model.rounds)),
            self.chance.choice(("language", "math")),
        )
        key = (child_id, round_id, subject)
        if key in self.model.results:
            return
        write = self.a_result(child_id, round_id, subject)
        answer = (await enter_results(self.session, self.cast.coordinator, [write], CLOCK))[0]
        cell = self.model.cell_for(child, self.model.rounds[round_id])
        assert answer.code == ("saved" if cell else "not_enrolled_in_year")
        if cell:
            self.model.results[key] = cell
            self.result_ids[key] = write.id

    def a_result(self, child_id: str, round_id: int, subject: str) -> ResultWrite:
        """Mostly a level, so that children move between rounds."""
        level = self.chance.choice([*LEVELS[subject], None])
        outcome = "assessed" if level else "absent"
        return ResultWrite(
            str(uuid4()), child_id, round_id, subject, NOW.date(), outcome, level=level, reason="test"
        )

    async def take_away(self) -> None:
        keys = [key for key in self.model.results if not self.model.children[key[0]].is_deleted]
        if keys:
            key = self.chance.choice(keys)
            await delete_result(
                self.session,
                self.cast.coordinator,
                self.result_ids.pop(key),
                version=1,
                reason="test",
                clock=CLOCK,
            )
            del self.model.results[key]

    async def turn_round(self) -> None:
        round_id = self.chance.choice(list(self.model.rounds))
        round_ = await read_round(self.session, self.cast.coordinator, round_id)
        steps = {"planned": ["open"], "open": ["closed"], "closed": ["open", "open", "frozen"], "frozen": []}[
            round_.state
        ]
        if not steps:
            return
        state = self.chance.choice(steps)
        await set_round_state(
            self.session,
            self.cast.coordinator,
            round_id,
            version=round_.version,
            state=state,
            clock=CLOCK,
            reason="test",
        )
        if state == "frozen":
            last = 0
            while last := await seal_some_schools(self.session, round_id, after_id=last):
                pass
            await seal_round(self.session, round_id, CLOCK)
        self.model.set_state(round_id, state, loosens=NOW.date() <= round_.ends_on)

    async def roll_over(self) -> None:
        school = self.chance.choice(self.schools)
        first, second = self.years
        going = [
            (each, child)
            for each, child in self.model.children.items()
            if child.is_active and not child.is_deleted and child.year == first and child.cell[0] == school
        ]
        if not going or any(each[1] == school for each in self.rolled):
            return
        repeaters = tuple(each for each, _ in going if self.chance.random() < 0.2)
        plan = RollOverPlan(str(uuid4()), NOW.date(), second, repeaters, carry_open_rounds=True)
        await roll_over_school(self.session, self.cast.coordinator, school, plan, CLOCK)
        self.rolled.append((plan.id, school))
        at = self.model.tick()
        for child_id, child in going:
            child.present.until, child.present.closes_year, child.present.rolled = at, True, plan.id
            grade = child.cell[2] + (child_id not in repeaters)
            if grade == 6:
                child.is_active, child.left_reason = False, "finished"
                continue
            stands = await self._standing(child_id)
            child.cell, child.year = (school, stands, grade, child.cell[3]), second
            child.stints.append(Stint(second, child.cell, at))

    async def _standing(self, child_id: str) -> int | None:
        query = read_queries(
            "-- name: class_of\n-- A child's class.\nselect class_id from student where id = %(id)s::uuid",
            origin="here",
        )
        return await self.session.fetch_value(query["class_of"], {"id": child_id})

    async def undo(self) -> None:
        if not self.rolled:
            return
        roll_over_id, school = self.rolled[-1]
        try:
            async with self.session.savepoint():
                await undo_roll_over(
                    self.session, self.cast.coordinator, roll_over_id, reason="test", clock=CLOCK
                )
        except RollOverStands:
            return
        self.rolled.pop()
        at, second = self.model.tick(), self.years[1]
        for child in self.model.children.values():
            rolled = next((s for s in child.stints if s.rolled == roll_over_id), None)
            if rolled is None or child.is_deleted or child.cell[0] != school:
                continue
            later = [s for s in child.stints if s.year == rolled.year and s.since > rolled.since]
            is_there = child.is_active and child.year == second
            is_finished = child.left_reason == "finished" and child.year == rolled.year
            if later or not (is_there or is_finished):
                continue
            sex = child.cell[3]
            if sex == rolled.cell[3]:
                rolled.until, rolled.closes_year, rolled.rolled = None, False, ""
                if is_there:
                    child.stints.remove(child.present)
                child.stints.remove(rolled)
                child.stints.append(rolled)
                child.cell = rolled.cell
            else:
                rolled.until, rolled.closes_year, rolled.rolled = at, False, ""
                if is_there:
                    child.present.until = at
                child.cell = (*rolled.cell[:3], sex)
                child.stints.append(Stint(rolled.year, child.cell, at))
            child.year, child.is_active, child.left_reason = rolled.year, True, ""

    async def merge(self) -> None:
        one, other = self.pick(), self.pick()
        if one is None or other is None or one[0] == other[0]:
            return
        kept, gone = [
            await read_student(self.session, self.cast.coordinator, each[0]) for each in (one, other)
        ]
        asked = Merge(
            kept_id=kept.id,
            gone_id=gone.id,
            kept_version=kept.version,
            gone_version=gone.version,
            reason="twice",
        )
        try:
            async with self.session.savepoint():
                merged = await merge_duplicates(self.session, self.cast.coordinator, asked, CLOCK)
        except ProgrammeError:
            return
        other[1].is_deleted = True
        self.merged.append((merged.id, other[1]))

    async def unmerge(self) -> None:
        if self.merged:
            merge_id, gone = self.merged.pop()
            try:
                async with self.session.savepoint():
                    await undo_merge_of_duplicates(
                        self.session, self.cast.coordinator, merge_id, reason="two after all", clock=CLOCK
                    )
                gone.is_deleted = False
            except ProgrammeError:
                pass

    async def step(self, **more: int) -> None:
        weights = {
            "enrol": 6,
            "transfer": 5,
            "correct": 6,
            "leave": 3,
            "come_back": 3,
            "remove": 3,
            "restore": 4,
            "test": 14,
            "take_away": 3,
            "turn_round": 3,
            "roll_over": 1,
            "undo": 2,
            **more,
        }
        name = self.chance.choices(list(weights), list(weights.values()))[0]
        self.log.append(name)
        await getattr(self, name)()

    async def test_anybody(self) -> None:
        """A result of whoever it may be, of which the model knows nothing."""
        if (found := self.pick()) is not None:
            round_id, subject = (
                self.chance.choice(list(self.model.rounds)),
                self.chance.choice(("language", "math")),
            )
            write = self.a_result(found[0], round_id, subject)
            await enter_results(self.session, self.cast.coordinator, [write], CLOCK)

    async def seats(self, query: str) -> dict[tuple[int, str, int, int, int], int]:
        rows = await self.session.fetch_all(QUERIES[query], {}, into=Counted)
        return {(r.round_id, r.subject, r.school_id, r.grade, r.sex): r.children for r in rows}

    async def agree_with_the_rows(self) -> None:
        assert await self.seats("kept") == await self.seats("counted"), self.log
        assert await self.session.fetch_value(QUERIES["over_full"], {}) == 0, self.log
        recounted = await reconcile(self.session)
        assert recounted.different == 0, (recounted.differences, self.log)

    async def agree(self) -> None:
        expected = self.model.seats()
        for query in ("kept", "counted"):
            assert await self.seats(query) == expected, (query, self.log)
        await self.agree_with_the_rows()


@pytest.mark.parametrize("seed", range(1, 9))
async def test_kept_counts_a_recount_and_a_model_agree_after_every_deed(
    session: Session, cast: Cast, seed: int
) -> None:
    world = World(session, cast, seed)
    await world.begin()
    for _ in range(120):
        await world.step()
        await world.agree()


@pytest.mark.parametrize("seed", range(1, 5))
async def test_kept_counts_and_a_recount_agree_when_records_are_merged_too(
    session: Session, cast: Cast, seed: int
) -> None:
    world = World(session, cast, seed)
    await world.begin()
    for _ in range(120):
        await world.step(merge=4, unmerge=3, test=0, take_away=0, restore=0, undo=0, roll_over=2)
        await world.test_anybody()
        await world.agree_with_the_rows()
