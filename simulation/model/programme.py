"""The programme as it must be: every deed that was acknowledged is done here too, and what is asked is answered from it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date

from simulation.model.things import (
    GRADES,
    KINDS,
    LEADERS,
    LEVELS,
    RETURNED,
    ROLLED,
    Approval,
    Assignment,
    Child,
    Class,
    Person,
    Place,
    Result,
    Retest,
    Round,
    School,
    Seat,
    Stint,
    Things,
    Year,
)


@dataclass
class Counts:
    """One cell of the figures."""

    enrolled: int = 0
    assessed: int = 0
    absent: int = 0
    refused: int = 0
    left: int = 0
    ranks: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, other: Counts) -> None:
        """Adds another cell's counts to these."""
        for name in ("enrolled", "assessed", "absent", "refused", "left"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for rank, count in other.ranks.items():
            self.ranks[rank] += count

    def flat(self) -> dict[str, int]:
        """The counts by name, for comparing."""
        named = {name: getattr(self, name) for name in ("enrolled", "assessed", "absent", "refused", "left")}
        return named | {f"rank {rank}": count for rank, count in sorted(self.ranks.items()) if count}


class Programme:
    """Places, schools, people, children, rounds and results, and the rules between them."""

    def __init__(self) -> None:
        self.instant = 0
        self.people: Things[Person] = Things()
        self.places: Things[Place] = Things()
        self.schools: Things[School] = Things()
        self.years: Things[Year] = Things()
        self.classes: Things[Class] = Things()
        self.children: Things[Child] = Things()
        self.rounds: Things[Round] = Things()
        self.results: Things[Result] = Things()
        self.assignments: Things[Assignment] = Things()
        self.live: dict[tuple[str, str, str], str] = {}
        self.rolled: Things[dict[str, Stint]] = Things()
        self.rolled_into: Things[str] = Things()
        self.made_by_roll_over: dict[str, set[str]] = {}
        self.merges: Things[dict[str, object]] = Things()
        self.retests: list[tuple[str, Retest]] = []
        self.frozen: dict[str, dict[str, list[str]]] = {}

    def tick(self) -> int:
        """The next instant."""
        self.instant += 1
        return self.instant

    # Who reaches what ------------------------------------------------------------------------------------------------

    def holds(self, person: str, day: date) -> Iterator[Assignment]:
        """The assignments that give somebody access on this day."""
        return (each for each in self.assignments.values() if each.person == person and each.holds_on(day))

    def covers(
        self, person: str, day: date, school: str, klass: str | None, subject: str | None = None
    ) -> bool:
        """Whether a child of this school (and class) is within somebody's reach."""
        if self.people[person].role in LEADERS:
            return True
        return any(
            each.school == school and each.klass in (None, klass) and subject in (None, each.subject)
            for each in self.holds(person, day)
        )

    def reaches_child(self, person: str, day: date, child: Child) -> bool:
        """Whether a child as it stands now is within somebody's reach."""
        if self.people[person].role == "viewer":
            return False
        return self.covers(person, day, child.record.school, child.record.klass)

    def may_ever_name(self, person: str, day: date, child: Child) -> bool:
        """Whether somebody may be shown this child's name: it is, or it was, in their reach (sheets of old rounds stay)."""
        role = self.people[person].role
        if role in LEADERS:
            return True
        if role == "viewer":
            return False
        if child.merged_into is not None and self.may_ever_name(
            person, day, self.children[child.merged_into]
        ):
            # Its name is one of those of the child that it was made one with.
            return True
        stood = [*child.stints, child.record]
        if any(self.covers(person, day, stint.school, stint.klass) for stint in stood):
            return True
        results = (each for each in self.results.values() if each.child == child.id)
        return any(self.covers(person, day, each.school, each.klass) for each in results)

    def end_assignments(self, *, school: str = "", klass: str = "") -> None:
        """What is deleted ends its own assignments in the same deed."""
        for each in self.assignments.values():
            if each.school == school or (klass and each.klass == klass):
                each.is_ended = True

    # Seats and cells -------------------------------------------------------------------------------------------------

    def live_result(self, child: str, round_id: str, subject: str) -> Result | None:
        """The result that stands, if there is one."""
        found = self.live.get((child, round_id, subject))
        return None if found is None else self.results[found]

    def seat(self, child: Child, held: Round, subject: str) -> Seat | None:
        """Where a child counts in a round and subject, if it does."""
        if not child.is_live:
            return None
        result = self.live_result(child.id, held.id, subject)
        if result is not None:
            return Seat(result.school, result.klass, result.grade, result.sex)
        stint = self.stint_at(child, held.year, held.roll_at)
        return None if stint is None else Seat(stint.school, stint.klass, stint.grade, stint.sex)

    def stint_at(self, child: Child, year: str, at: int | None) -> Stint | None:
        """The stint of a year that covers an instant (now for None), or that ended because the school went on."""
        found: Stint | None = None
        for stint in sorted(child.stints, key=lambda each: each.since):
            if stint.year != year or stint.is_aside or (at is not None and stint.since > at):
                continue
            covers = stint.until is None or (at is not None and stint.until > at)
            found = stint if covers or stint.ended in ROLLED else None
        return found

    def cell_for(self, child: Child, held: Round) -> Seat | None:
        """The cell that a new result counts in, None when the child was never enrolled in the round's year."""
        of_year = [stint for stint in child.stints if stint.year == held.year and not stint.is_aside]
        if not of_year:
            return None
        if held.roll_at is not None:
            stint = next(
                (
                    each
                    for each in of_year
                    if each.since <= held.roll_at and (each.until is None or each.until > held.roll_at)
                ),
                None,
            )
            stint = (
                stint
                or next((each for each in of_year if each.since > held.roll_at), None)
                or _last_of(child, of_year)
            )
        else:
            stint = _last_of(child, of_year)
        return Seat(stint.school, stint.klass, stint.grade, stint.sex)

    def school_place(self, school: School, at: int | None) -> str:
        """The place where a school stood at an instant, or stands."""
        if at is None:
            return school.stood[-1][1]
        stood = [place for since, place in school.stood if since <= at]
        return stood[-1] if stood else school.stood[0][1]

    def lineage(self, place: str) -> Iterator[str]:
        """A place and all above it."""
        found: str | None = place
        while found is not None:
            yield found
            found = self.places[found].parent

    def cells(self, held: Round, subject: str) -> dict[str, dict[tuple[int, int], Counts]]:
        """For every school: its counts by grade and sex, in one round and subject."""
        counted: dict[str, dict[tuple[int, int], Counts]] = defaultdict(lambda: defaultdict(Counts))
        for child in self.children.values():
            seat = self.seat(child, held, subject)
            if seat is None or self.schools[seat.school].is_practice:
                continue
            counts = counted[seat.school][seat.grade, seat.sex]
            counts.enrolled += 1
            result = self.live_result(child.id, held.id, subject)
            if result is None:
                continue
            setattr(counts, result.outcome, getattr(counts, result.outcome) + 1)
            if result.rank is not None:
                counts.ranks[result.rank] += 1
        return counted

    def movement(self, held: Round, later: Round, subject: str) -> dict[str, dict[str, int]]:
        """For every school: what came, in a later round, of the children assessed at each level in a round, where they sat in that one."""
        moved: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for child in self.children.values():
            first = self.live_result(child.id, held.id, subject)
            if (
                not child.is_live
                or first is None
                or first.rank is None
                or self.schools[first.school].is_practice
            ):
                continue
            second = self.live_result(child.id, later.id, subject)
            if second is None or self.schools[second.school].is_practice:
                fate = "without a result"
            else:
                fate = second.outcome if second.rank is None else str(second.rank)
            moved[first.school][f"{first.rank} to {fate}"] += 1
        return moved

    def sheet(self, school: str, held: Round, subject: str) -> dict[str, Seat]:
        """The children on a school's sheet in a round, with their seats."""
        found: dict[str, Seat] = {}
        for child in self.children.values():
            seat = self.seat(child, held, subject)
            if seat is not None and seat.school == school:
                found[child.id] = seat
        return found

    # Rounds ----------------------------------------------------------------------------------------------------------

    def fix_rolls(self, now: int) -> None:
        """Fixes the roll of every round that is closed, or that a later round has followed."""
        opened = [
            each.starts_on for each in self.rounds.values() if not each.is_deleted and each.state != "planned"
        ]
        for each in self.rounds.values():
            if each.roll_at is None and not each.is_deleted:
                is_followed = any(starts > each.ends_on for starts in opened)
                if each.state in ("closed", "frozen") or is_followed:
                    each.roll_at = now

    def set_state(self, round_id: str, state: str, today: date) -> None:
        """Opens, closes, reopens or freezes a round."""
        now, held = self.tick(), self.rounds[round_id]
        if held.state == "closed" and state == "open":
            later = any(
                each.starts_on > held.ends_on and each.state != "planned"
                for each in self.rounds.values()
                if not each.is_deleted
            )
            if today <= held.ends_on and not later:
                held.roll_at = None
        held.state = state
        self.fix_rolls(now)
        if state == "frozen":
            self.frozen[round_id] = self.results_as_frozen(round_id)

    def results_as_frozen(self, round_id: str) -> dict[str, list[str]]:
        """What is frozen of a round: for each real school its results, also those of children that were removed or merged, a line each."""
        found: dict[str, list[str]] = defaultdict(list)
        for result in self.results.values():
            is_real = not self.schools[result.school].is_practice
            if result.round == round_id and not result.is_deleted and is_real:
                found[result.school].append(result.line)
        return {school: sorted(lines) for school, lines in found.items()}

    def pairs(self, round_id: str, subject: str) -> list[tuple[int, int]]:
        """First and second rank of every re-test in the agreement of a round and subject."""
        found: list[tuple[int, int]] = []
        for word, retest in self.retests:
            result = self.results.get(word)
            if result is None or not retest.is_compared or retest.first_rank is None or retest.rank is None:
                continue
            key = (result.child, result.round, result.subject)
            is_there = self.live.get(key) == word and self.children[result.child].is_live
            if key[1:] == (round_id, subject) and is_there and not self.schools[result.school].is_practice:
                found.append((retest.first_rank, retest.rank))
        return found

    def end_retests(self, round_id: str) -> None:
        """Nobody is tested again in a frozen round; what lay with a teacher is to be decided again."""
        for result in self.results.values():
            if result.round == round_id and result.retest is not None:
                after = {"pending": "ended", "returned": "disagreed"}.get(result.retest.state)
                if after is not None:
                    result.retest.state, result.retest.version = after, None
                    result.retest.is_compared = after == "disagreed"

    def days_of(self, held: Round, school: str) -> tuple[date, date]:
        """The days of a round for one school."""
        starts, ends = held.own_days.get(school, (None, None))
        return starts or held.starts_on, ends or held.ends_on

    def why_no_step(self, round_id: str, state: str, reason: str) -> str:
        """Why a round can't go to this state; empty when it can."""
        steps = {
            ("planned", "open"): False,
            ("open", "closed"): False,
            ("closed", "open"): True,
            ("closed", "frozen"): True,
        }
        held = self.rounds[round_id]
        if held.is_deleted:
            return "not_found"
        if (held.state, state) not in steps:
            return "no_such_step"
        return "reason_missing" if steps[held.state, state] and not reason else ""

    # Approval by steps -----------------------------------------------------------------------------------------------

    def why_no_steps(self, round_id: str, steps: tuple[str, ...]) -> str:
        """Why a round can't ask for these steps; empty when it can."""
        held = self.rounds[round_id]
        if held.is_deleted:
            return "not_found"
        if held.state == "frozen":
            return "round_is_frozen"
        is_begun = any(each.last_by for each in held.approvals.values())
        return "approval_under_way" if steps and steps != held.steps and is_begun else ""

    def set_steps(self, round_id: str, steps: tuple[str, ...]) -> None:
        """A round asks for other steps: what was approved is forgotten, and what is locked stays so."""
        self.tick()
        held = self.rounds[round_id]
        if steps != held.steps:
            held.steps, held.approvals = steps, {}

    def _may_do_step(self, person: str, today: date, step: str, school: str) -> bool:
        role = self.people[person].role
        if role in LEADERS:
            return True
        is_whole = any(each.school == school and each.klass is None for each in self.holds(person, today))
        return is_whole and (step == "school" or (step == "district" and role == "mentor"))

    def _why_no_approval(self, person: str, today: date, round_id: str, school: str) -> str:
        held = self.rounds[round_id]
        role = self.people[person].role
        if role == "viewer":
            return "forbidden"
        if role not in LEADERS and not any(each.school == school for each in self.holds(person, today)):
            return "out_of_scope"
        if held.is_deleted or self.schools[school].is_deleted or not self.schools[school].is_open:
            return "not_found"
        if held.state == "frozen":
            return "round_is_frozen"
        if not held.steps:
            return "no_approval"
        return "round_not_begun" if held.state == "planned" else ""

    def why_not_approved(self, person: str, today: date, round_id: str, school: str) -> str:
        """Why somebody can't approve a school's results at the step that they wait for; empty when they can."""
        held = self.rounds[round_id]
        why = self._why_no_approval(person, today, round_id, school)
        if why:
            return why
        found = held.approvals.get(school) or Approval(held.steps[0])
        if found.waits_for is None:
            return "approved_already"
        if not self._may_do_step(person, today, found.waits_for, school):
            return "forbidden"
        return "same_person" if found.last_by == person else ""

    def approvers(self, today: date, round_id: str, school: str) -> list[str]:
        """Who can approve a school's results at the step that they wait for."""
        working = [each.id for each in self.people.values() if each.is_active and not each.is_deleted]
        return [each for each in working if not self.why_not_approved(each, today, round_id, school)]

    def approve(self, person: str, round_id: str, school: str) -> None:
        """A school's results go on to the next step; at the first one they are locked, where they are not already."""
        self.tick()
        held = self.rounds[round_id]
        found = held.approvals.get(school) or Approval(held.steps[0])
        holds_lock = found.holds_lock
        if not found.last_by and school not in held.locked:
            holds_lock = True
            held.locked.add(school)
        later = held.steps[held.steps.index(found.waits_for or held.steps[0]) + 1 :]
        held.approvals[school] = Approval(later[0] if later else None, person, holds_lock)

    def why_not_returned(self, person: str, today: date, round_id: str, school: str) -> str:
        """Why somebody can't return a school's results; empty when they can."""
        held = self.rounds[round_id]
        why = self._why_no_approval(person, today, round_id, school)
        if why:
            return why
        found = held.approvals.get(school)
        if found is None or not found.last_by:
            return "nothing_to_return"
        if self.people[person].role in LEADERS:
            return ""
        may = found.waits_for is not None and self._may_do_step(person, today, found.waits_for, school)
        return "" if may else "forbidden"

    # Children --------------------------------------------------------------------------------------------------------

    def current_year(self) -> str | None:
        """The year that is current, if one is."""
        return next(
            (each.id for each in self.years.values() if each.is_current and not each.is_deleted), None
        )

    def enrol(self, child_id: str, code: str, name: str, stint: Stint) -> None:
        """A new child."""
        self.children[child_id] = Child(child_id, code, name, [replace(stint, since=self.tick())])

    def move(self, child: Child, ended: str, **changed: object) -> None:
        """Ends the present stint and begins another that differs in what is given."""
        now = self.tick()
        before = child.present
        after = replace(before, since=now, until=None, ended="", **changed)  # type: ignore[arg-type]
        if before.until is None:
            before.until, before.ended = now, ended
        child.stints.append(after)

    def correct(self, child: Child, *, sex: int, grade: int, klass: str | None) -> None:
        """Corrects the present enrolment: it follows into results of rounds whose roll is not fixed, never into others."""
        before = child.present
        if (before.sex, before.grade, before.klass) == (sex, grade, klass):
            return
        held = any(
            each.year == before.year
            and each.roll_at is not None
            and (
                each.roll_at >= before.since or any(one.round == each.id for one in self.results_of(child.id))
            )
            for each in self.rounds.values()
        )
        was = replace(before)
        if held:
            self.move(child, "corrected", sex=sex, grade=grade, klass=klass)
        else:
            # No fixed roll holds the child as it was: the whole stint was otherwise.
            self.tick()
            before.sex, before.grade, before.klass = sex, grade, klass
        before = was
        for result in self.results_of(child.id):
            held = self.rounds[result.round]
            if held.year != before.year or held.roll_at is not None:
                continue
            result.sex = sex if result.sex == before.sex else result.sex
            # What was made where the child stood before a transfer stays as it was made.
            if (result.school, result.klass, result.grade) == (before.school, before.klass, before.grade):
                result.grade, result.klass = grade, klass

    def go_on(self, child: Child, year: str, *, sex: int, grade: int) -> None:
        """The roster of another year has the child: into a later one it goes on as with its school, and keeps its seat in the year it leaves."""
        is_later = self.years[year].starts_on > self.years[child.record.year].starts_on
        self.move(child, "rolled" if is_later else "moved", year=year, sex=sex, grade=grade, klass=None)

    def amend_past(
        self,
        child: Child,
        was: tuple[str, str, str | None, int, int],
        now: tuple[str | None, int, int],
        nth: int = 0,
    ) -> None:
        """A former stint was otherwise. The results made there follow in class and grade, and in sex all of its year but those made where the child stands."""
        year, school, klass, grade, sex = was
        self.tick()
        past = [each for each in child.stints if each.year == year and each.until is not None]
        same = [each for each in past if (each.school, each.klass, each.grade, each.sex) == was[1:]]
        named = same[nth : nth + 1]
        for stint in past:
            if stint in named or (stint.sex == sex and now[2] != sex):
                self._amend_set_aside(
                    child.id, stint, was, now, is_named=any(stint is each for each in named)
                )
        for each in named:
            each.klass, each.grade = now[0], now[1]
        for each in past:
            each.sex = now[2] if each.sex == sex else each.sex
        for result in self.results_of(child.id):
            if self.rounds[result.round].year != year:
                continue
            result.version = None
            gone = [each for each in self.children.values() if each.merged_into == child.id]
            is_of_gone = any(_made_where_it_stands(result, each, year) for each in gone)
            stands_here = is_of_gone or _made_where_it_stands(result, child, year)
            is_there = (result.school, result.klass, result.grade) == (school, klass, grade)
            if is_there and not is_of_gone:
                result.klass, result.grade = now[0], now[1]
            if result.sex == sex and not stands_here:
                result.sex = now[2]

    def _amend_set_aside(
        self,
        child_id: str,
        stint: Stint,
        was: tuple[str, str, str | None, int, int],
        now: tuple[str | None, int, int],
        *,
        is_named: bool,
    ) -> None:
        """What merges set aside follows too, where it lies with the record that the stint is of: it is right when the merge is undone."""
        year, school, klass, grade, sex = was
        for known in [each for each in self.merges.values() if each["kept"] == child_id]:
            past: list[Stint] = known["past"]  # type: ignore[assignment]
            before: dict[tuple[str, str, str], str] = known["before"]  # type: ignore[assignment]
            came_along = any(each is stint for each in past)
            owner = known["gone"] if came_along else child_id
            for (holder, round_id, _), word in before.items():
                result = self.results.get(word)
                if result is None or result.is_deleted or result.child != known["gone"]:
                    continue
                if holder != owner or self.rounds[round_id].year != year:
                    continue
                result.version = None
                stands_here = _made_where_it_stands(result, self.children[str(owner)], year)
                if is_named and (result.school, result.klass, result.grade) == (school, klass, grade):
                    result.klass, result.grade = now[0], now[1]
                if result.sex == sex and not stands_here:
                    result.sex = now[2]
            if came_along:
                self._amend_set_aside(str(known["gone"]), stint, was, now, is_named=is_named)

    def results_of(self, child_id: str) -> list[Result]:
        """The live results of one child."""
        return [self.results[each] for key, each in self.live.items() if key[0] == child_id]

    def leave(self, child: Child, day: date) -> None:
        """A child leaves its school."""
        child.status, child.left_on = "left", day
        child.present.until, child.present.ended = self.tick(), "left"
        child.left_as = replace(child.present)

    def come_back(self, child: Child) -> None:
        """A child that left is back."""
        child.status, child.left_on = "active", None
        record, child.left_as = child.record, None
        before = child.present
        if before.ended == "finished":
            # It kept its seat of that year until now, where it is told that it finished, and comes back as its record says.
            before.until, before.ended = self.tick(), RETURNED
            child.stints.append(replace(record, since=self.instant, until=None, ended=""))
        elif child.present.until is not None:
            self.move(child, "", klass=record.klass, grade=record.grade, sex=record.sex)

    def code_is_free(self, school: str, code: str, but: str = "") -> bool:
        """Whether no other child of the school has this code, in whatever case."""
        return not any(
            each.record.school == school and each.code.lower() == code.lower() and not each.is_deleted
            for each in self.children.values()
            if each.id != but
        )

    # Roll-over -------------------------------------------------------------------------------------------------------

    def next_year(self, year: str) -> str | None:
        """The year that follows another."""
        order = sorted(
            (each for each in self.years.values() if not each.is_deleted), key=lambda each: each.starts_on
        )
        for before, after in itertools.pairwise(order):
            if before.id == year:
                return after.id
        return None

    def class_id(self, school: str, year: str, grade: int, section: str) -> str:
        """The model's word for a class: there is one of each kind."""
        return f"class {school} {year} {grade}{section}"

    def rolling(self, school: str, year: str) -> list[Child]:
        """The children whom a roll-over of a school out of a year moves."""
        return [
            each
            for each in self.children.values()
            if each.is_live
            and each.status == "active"
            and each.present.school == school
            and each.present.year == year
        ]

    def unfinished_rounds(self, school: str, year: str) -> list[str]:
        """Rounds of a year that a roll-over would leave behind: open, planned with results of this school, or closed with children to do."""
        found: list[str] = []
        for held in self.rounds.values():
            if held.year != year or held.is_deleted or held.state == "frozen":
                continue
            is_done = {
                self.live_result(child, held.id, subject) is not None
                for subject in ("language", "math")
                for child in self.sheet(school, held, subject)
            }
            if (
                held.state == "open"
                or (held.state == "planned" and True in is_done)
                or (held.state == "closed" and False in is_done)
            ):
                found.append(held.id)
        return found

    def roll_over(self, roll_id: str, school: str, year: str, repeaters: list[str]) -> None:
        """A whole school goes on to the next year."""
        into = self.next_year(year)
        if into is None:
            raise ValueError("there is no next year")
        now = self.tick()
        moved: dict[str, Stint] = {}
        for child in self.rolling(school, year):
            before = child.present
            stays = child.id in repeaters
            grade = before.grade if stays else before.grade + 1
            moved[child.id] = before
            before.until = now
            if grade > GRADES[-1]:
                before.ended = "finished"
                child.status, child.left_on = "left", None
                child.left_as = replace(before)
                continue
            before.ended = "rolled"
            klass = None
            if before.klass is not None:
                section = self.classes[before.klass].section
                klass = self.class_id(school, into, grade, section)
                if klass not in self.classes:
                    self.made_by_roll_over.setdefault(roll_id, set()).add(klass)
                known = self.classes.setdefault(klass, Class(klass, school, into, grade, section))
                known.is_deleted = False
            child.stints.append(Stint(into, school, klass, grade, before.sex, now))
        self.rolled[roll_id] = moved
        self.rolled_into[roll_id] = into

    def was_used(self, klass: str) -> bool:
        """Whether a child ever stood in a class, or somebody was assigned to it."""
        stood = any(
            each.klass == klass for child in self.children.values() for each in (*child.stints, child.record)
        )
        return stood or any(each.klass == klass for each in self.assignments.values())

    def undo_roll_over(self, roll_id: str) -> None:
        """Takes a school back into the year that it left, as it is written there; who has gone on from it since stays."""
        now = self.tick()
        for child_id, stint in self.rolled.pop(roll_id).items():
            child = self.children[child_id]
            if not child.is_live:
                continue
            here, into = child.record, self.rolled_into[roll_id]
            is_there = (
                child.present is stint and child.status == "left"
                if stint.ended == "finished"
                else child.status == "active" and (here.school, here.year) == (stint.school, into)
            )
            if not is_there:
                continue
            child.status, child.left_on, child.left_as = "active", None, None
            if child.present is not stint:
                # What was corrected in the new year stays known as it stood there until now.
                child.stints.pop()
                child.stints.remove(stint)
                child.stints.append(stint)
            if here.sex == stint.sex:
                stint.until, stint.ended = None, ""
            else:
                stint.until, stint.ended = now, "corrected"
                child.stints.append(replace(stint, sex=here.sex, since=now, until=None, ended=""))

    # Results ---------------------------------------------------------------------------------------------------------

    def why_no_result(
        self,
        person: str,
        child: Child,
        held: Round,
        subject: str,
        *,
        tested_on: date,
        today: date,
        has_reason: bool,
        fits: bool,
    ) -> str:
        """Why a result may not be written; empty when it may; a word ending in ? where the rules leave it open."""
        role = self.people[person].role
        if role == "viewer":
            return "forbidden"
        if not child.is_live or held.is_deleted:
            return "not_found"
        present = self.live_result(child.id, held.id, subject)
        sits = self.cell_for(child, held)
        # Days and locks are those of the school where the result counts, or would count.
        cell = Seat(present.school, present.klass, present.grade, present.sex) if present else sits
        if cell is None:
            return "not_enrolled_in_year"
        now = child.record
        there = [(each.school, each.klass) for each in (cell, now, sits) if each is not None]
        if not any(self.covers(person, today, school, klass, subject) for school, klass in there):
            return "out_of_scope"
        overrides = has_reason and role in LEADERS
        if tested_on > today:
            return "date_in_future"
        if child.left_on is not None and tested_on > child.left_on:
            return "student_left?"
        held_by = "" if overrides else self._why_held(held, cell, present, tested_on)
        if held_by:
            return held_by
        if present is None:
            return "" if fits else "stale"
        if not fits:
            return "conflict"
        if role == "mentor" and present.assessor != person:
            return "not_yours"
        return ""

    def _why_held(self, held: Round, cell: Seat, present: Result | None, tested_on: date) -> str:
        """What of time and locks holds a result that counts in a cell; empty when nothing does. A leader with a reason goes past it."""
        first, last = self.days_of(held, cell.school)
        if held.state != "open":
            return "round_not_open"
        if cell.school in held.locked:
            return "school_locked"
        if not first <= tested_on <= last:
            return "date_outside_round"
        if present and present.is_verified:
            return "verified"
        return "result_locked" if present and present.is_locked else ""

    def enter(
        self,
        result_id: str,
        person: str,
        child: Child,
        held: Round,
        subject: str,
        *,
        outcome: str,
        level: str | None,
        tested_on: date,
    ) -> None:
        """A result is written, for the first time or over the one that stood."""
        rank = None if level is None else LEVELS[subject].index(level) + 1
        present = self.live_result(child.id, held.id, subject)
        self.tick()
        if present is not None:
            if (present.outcome, present.rank, present.tested_on) != (outcome, rank, tested_on):
                # What was verified is verified at that level and on that day only.
                present.is_verified = False
                if present.retest is not None:
                    present.retest.state = "overtaken"
            present.outcome, present.rank, present.tested_on = outcome, rank, tested_on
            present.version = None if present.version is None else present.version + 1
            return
        cell = self.cell_for(child, held)
        if cell is None:
            raise ValueError("never enrolled in that year")
        self.results[result_id] = Result(
            result_id,
            child.id,
            held.id,
            subject,
            outcome,
            rank,
            tested_on,
            person,
            cell.school,
            cell.klass,
            cell.grade,
            cell.sex,
        )
        self.live[child.id, held.id, subject] = result_id

    def take_out(self, result: Result) -> None:
        """A result is deleted."""
        self.tick()
        result.is_deleted = True
        del self.live[result.child, result.round, result.subject]

    # Merging ---------------------------------------------------------------------------------------------------------

    def merge(self, merge_id: str, kept: Child, gone: Child, standing: set[str]) -> None:
        """Two records of one child become one: every result is carried over, of two the verified, the assessed, the later stands.

        Where that leaves it open (two of one day), the one that stands is told.
        """
        self.tick()
        before = {key: value for key, value in self.live.items() if key[0] in (kept.id, gone.id)}
        for key, result_id in before.items():
            if key[0] != gone.id:
                continue
            del self.live[key]
            target = (kept.id, key[1], key[2])
            there = self.live.get(target)
            if there is None or _stands(self.results[result_id], self.results[there], standing):
                self.live[target] = result_id
                set_aside = there
            else:
                set_aside = result_id
            if set_aside is not None:
                self.results[set_aside].child = gone.id
        for key, result_id in self.live.items():
            if key[0] == kept.id:
                self.results[result_id].child = kept.id
                self._asked_anew(self.results[result_id])
        gone.is_deleted = True
        gone.merged_into = kept.id
        past = _past_to_pass_on(gone, kept)
        aside = [each for each in past if each.is_aside]
        moved = _pass_on(gone, kept, past)
        told = self.stints_to_tell(
            gone, kept, [each for each in moved if each.is_aside and each not in aside]
        )
        kept.stints = [*sorted([*kept.stints[:-1], *told], key=lambda each: each.since), kept.stints[-1]]
        self.merges[merge_id] = {
            "past": moved,
            "aside": aside,
            "told": told,
            "kept": kept.id,
            "gone": gone.id,
            "before": before,
            "after": {k: v for k, v in self.live.items() if k[0] == kept.id},
        }

    @staticmethod
    def _asked_anew(result: Result) -> None:
        """What was known of the versions of a result and of its re-test holds no longer."""
        result.version = None
        if result.retest is not None:
            result.retest.version = None

    def stints_to_tell(self, gone: Child, kept: Child, set_aside: list[Stint]) -> list[Stint]:
        """Where the record that goes stands, and stood where it is set aside now, for as long as the other has no seat of that year and a fixed roll holds it."""
        sources = [(each, self.instant if each.seat_until is None else each.seat_until) for each in set_aside]
        if gone.status == "active":  # else where it stood to the last is past already, and has gone over
            sources.append((gone.present, self.instant))
        return [told for stint, end in sources for told in self._told_of(stint, end, kept)]

    def _told_of(self, stint: Stint, end: int, kept: Child) -> list[Stint]:
        own = [each for each in kept.stints if each.year == stint.year and not each.is_aside]
        seats = [(each.since, self.instant if each.seat_until is None else each.seat_until) for each in own]
        rolls = {each.roll_at for each in self.rounds.values() if each.year == stint.year}
        told: list[Stint] = []
        start = stint.since
        for since, until in [*sorted(seats), (end, end)]:
            stop = min(since, end)
            if any(each is not None and start <= each < stop for each in rolls):
                told.append(replace(stint, since=start, until=stop, ended="merged", is_aside=False))
            start = max(start, until)
        return told

    def unmerge(self, merge_id: str) -> None:
        """Two of one again, each with what it had."""
        self.tick()
        known = self.merges.pop(merge_id)
        kept, gone = self.children[str(known["kept"])], self.children[str(known["gone"])]
        before: dict[tuple[str, str, str], str] = known["before"]  # type: ignore[assignment]
        for key in [key for key in self.live if key[0] == kept.id]:
            if self.live[key] in before.values():
                del self.live[key]
        for key, result_id in before.items():
            if not self.results[result_id].is_deleted:
                self.live[key] = result_id
                self.results[result_id].child = key[0]
                self._asked_anew(self.results[result_id])
        gone.is_deleted = False
        gone.merged_into = None
        told: list[Stint] = known["told"]  # type: ignore[assignment]
        kept.stints = [each for each in kept.stints if not any(each is one for one in told)]
        back: list[Stint] = [each for each in known["past"] if each in kept.stints]  # type: ignore[attr-defined]
        _pass_on(kept, gone, back)
        aside: list[Stint] = known["aside"]  # type: ignore[assignment]
        for stint in back:
            # Each has what it had: also what an earlier merge had set aside, and no more.
            stint.is_aside = any(stint is each for each in aside)


def _made_where_it_stands(result: Result, child: Child, year: str) -> bool:
    """Whether a result of a year says what the child's record says now."""
    here = child.record
    return (
        child.status == "active"
        and here.year == year
        and (here.school, here.klass, here.grade, here.sex)
        == (result.school, result.klass, result.grade, result.sex)
    )


def _last_of(child: Child, of_year: list[Stint]) -> Stint:
    """The present stint where it is of the year, else the one that began last."""
    if child.status == "active" and child.present is of_year[-1]:
        return child.present
    return max(of_year, key=lambda each: each.since)


def _past_to_pass_on(gone: Child, kept: Child) -> list[Stint]:
    """Where one child was, that goes over to the other: all but a year that both have gone out of with their school."""
    closing = (*ROLLED, RETURNED)
    closed = {each.year for each in kept.stints if each.ended in closing}
    return [
        each
        for each in gone.stints
        if each.until is not None and not (each.ended in closing and each.year in closed)
    ]


def _pass_on(giver: Child, taker: Child, past: list[Stint]) -> list[Stint]:
    """Gives former stints to another child; what lies beside one that it has of the same year is set aside: one child sits once."""
    own = [each for each in taker.stints if not each.is_aside]
    for stint in past:
        stint.is_aside = stint.is_aside or any(
            each.year == stint.year and _begins_within(each, stint) and _begins_within(stint, each)
            for each in own
        )
    giver.stints = [each for each in giver.stints if not any(each is one for one in past)]
    former = sorted([*taker.stints[:-1], *past], key=lambda each: each.since)
    taker.stints = [*former, *taker.stints[-1:]]
    return past


def _begins_within(one: Stint, other: Stint) -> bool:
    """Whether a stint begins before the other's seat ends."""
    return other.seat_until is None or one.since < other.seat_until


def _stands(one: Result, other: Result, standing: set[str]) -> bool:
    """Whether the first of two results of one round and subject stands before the other."""
    first, second = ((each.is_verified, each.outcome == "assessed", each.tested_on) for each in (one, other))
    return first > second or (first == second and one.id in standing)


__all__ = ["KINDS", "Counts", "Programme"]
