"""What is done about exercises for testers: they are taken, added to, and asked for."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.days import HAPPENED
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound
from rightlevel.programme.exercises import store
from rightlevel.programme.exercises.model import (
    MOST_ATTEMPTS,
    Attempt,
    Case,
    Exercise,
    ExerciseKey,
    ExerciseRow,
    NewAttempt,
    NewExercise,
    Requirement,
    RequirementChange,
    Tester,
    agreed_of,
    answer_faults,
    exercise_faults,
    no_recording,
)
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject, may, require
from rightlevel.programme.results import TESTERS


class ExerciseFollowed(Conflict):
    """There is a newer version of this exercise. Look at that one."""

    code = "exercise_followed"


class AttemptsUsedUp(Conflict):
    """You have taken this version as often as it can be taken. Ask your coordinator for help, or for another version."""

    code = "attempts_used_up"


class FirstExercise(msgspec.Struct, frozen=True):
    """An exercise that comes with the program. All texts were written for this project."""

    subject: Subject
    language: str
    needed: int
    cases: list[Case]


def first_exercises() -> tuple[FirstExercise, ...]:
    """The exercises that come with the program: one a subject, in English and Khmer."""
    text = files("rightlevel.programme.exercises").joinpath("first_exercises.json").read_bytes()
    return tuple(msgspec.json.decode(text, type=list[FirstExercise]))


async def ensure_first_exercises(session: Session) -> int:
    """Publishes the exercises that come with the program where there are none yet; how many it did. *Cost*: one statement."""
    return await store.publish_first(session, first_exercises())


async def list_exercises(session: Session, actor: Actor) -> list[ExerciseRow]:
    """The newest version of each exercise, and how it went for whoever asks. *Cost*: one statement, at most 100 rows."""
    require(actor, "read", "exercise")
    return await store.newest_exercises(session, actor.person_id)


async def read_exercise(session: Session, actor: Actor, exercise_id: int) -> Exercise:
    """One version of an exercise, to be taken: nothing of it tells an answer. *Errors*: NotFound. *Cost*: one statement."""
    require(actor, "read", "exercise")
    return (await _key(session, exercise_id)).to_take


async def read_exercise_key(session: Session, actor: Actor, exercise_id: int) -> ExerciseKey:
    """One version of an exercise with its answers. *Errors*: Forbidden, NotFound. *Cost*: one statement."""
    require(actor, "create", "exercise")
    return await _key(session, exercise_id)


async def _key(session: Session, exercise_id: int) -> ExerciseKey:
    found = await store.find_exercise(session, exercise_id)
    if found is None:
        raise NotFound
    return found


async def add_exercise_version(session: Session, actor: Actor, new: NewExercise) -> ExerciseKey:
    """A new version of an exercise, which follows the newest; the first in its language where there is none. Earlier ones stay as they are.

    *Errors*: Forbidden; Invalid with every fault; ExerciseFollowed when a newer one than it follows is there. *Cost*: four statements.
    """
    require(actor, "create", "exercise")
    if faults := exercise_faults(new):
        raise Invalid(faults=tuple(faults))
    if faults := await _recording_faults(session, new):
        raise Invalid(faults=tuple(faults))
    newest = await store.newest_version(session, new)
    if newest != new.follows:
        raise ExerciseFollowed
    try:
        exercise_id = await store.insert_exercise(session, new, newest + 1)
    except ConstraintViolated as error:
        # Two add one at the same moment: the second has not seen the first.
        if error.constraint == "exercise_is_unique":
            raise ExerciseFollowed from error
        raise
    added = await _key(session, exercise_id)
    told = {"subject": added.subject, "language": added.language, "version": added.version}
    await write_audit(session, actor, "create", "exercise", added.id, after=told)
    return added


async def _recording_faults(session: Session, new: NewExercise) -> list[Fault]:
    """The cases whose recording is not there. *Cost*: one statement where there are recordings."""
    asked = {each.recording for each in new.cases if each.recording}
    there = await store.recordings_there(session, sorted(asked)) if asked else frozenset[int]()
    lost = (
        (at, each) for at, each in enumerate(new.cases, 1) if each.recording and each.recording not in there
    )
    return [no_recording(at, each) for at, each in lost]


async def take_exercise(
    session: Session, actor: Actor, exercise_id: int, new: NewAttempt, clock: Clock
) -> Attempt:
    """Keeps what somebody answered, compared with the right answers, and tells them which differ.

    *Errors*: NotFound; ExerciseFollowed for a version that is no longer the newest; Invalid for a case without an answer; AttemptsUsedUp.
    *Cost*: five statements.
    """
    require(actor, "take", "exercise")
    exercise = await _key(session, exercise_id)
    if faults := answer_faults(exercise, new.answers):
        raise Invalid(faults=tuple(faults))
    if await store.newest_version(session, exercise) != exercise.version:
        raise ExerciseFollowed
    agreed = agreed_of(exercise.cases, new.answers)
    attempt_id = await store.insert_attempt(
        session,
        exercise,
        person_id=actor.person_id,
        answers=new.answers,
        agreed=agreed,
        day=today(clock),
        most=MOST_ATTEMPTS,
    )
    if attempt_id is None:
        raise AttemptsUsedUp
    told = {
        "exercise_id": exercise.id,
        "agreed": agreed,
        "cases": len(exercise.cases),
        "is_passed": agreed >= exercise.needed,
    }
    await write_audit(session, actor, "take", "exercise", attempt_id, after=told)
    return await read_attempt(session, actor, attempt_id)


async def read_attempt(session: Session, actor: Actor, attempt_id: int) -> Attempt:
    """One's own try, or anybody's for whoever may read how testers did. *Errors*: NotFound, also for another's. *Cost*: one statement."""
    require(actor, "read", "exercise")
    found = await store.find_attempt(session, attempt_id)
    if found is None:
        raise NotFound
    person_id, attempt = found
    if person_id != actor.person_id and not may(actor, "read", "certification"):
        raise NotFound
    return attempt


async def list_testers(
    session: Session,
    actor: Actor,
    page: PageRequest,
    clock: Clock,
    *,
    subject: Subject | None = None,
    only_lacking: bool = False,
) -> Page[Tester]:
    """Who tests which subject today, by name, with how its exercise went; with `only_lacking` those alone who have not passed it.

    *Cost*: one statement.
    """
    require(actor, "read", "certification")
    return await store.page_of_testers(
        session, page, subject=subject, only_lacking=only_lacking, today=today(clock)
    )


async def list_requirements(session: Session, actor: Actor) -> list[Requirement]:
    """In which subjects a passed exercise is asked for; none from the beginning. *Cost*: one statement."""
    require(actor, "read", "exercise")
    return await store.requirements(session)


async def change_requirement(
    session: Session, actor: Actor, change: RequirementChange, clock: Clock
) -> list[Requirement]:
    """Asks testers of a subject for a passed exercise before their results are taken, or no longer does: from the next write on.

    Results that are there stay. *Errors*: Forbidden; Invalid for a day to come, on which nobody can have passed yet. *Cost*: four statements.
    """
    require(actor, "change", "certification")
    if change.is_required and (faults := HAPPENED.faults("since", change.since, today(clock))):
        raise Invalid(faults=tuple(faults))
    before = {each.subject: each for each in await store.requirements(session)}.get(change.subject)
    await store.save_requirement(session, change)
    after = Requirement(change.subject, change.since) if change.is_required else None
    await write_audit(
        session,
        actor,
        "change",
        "certification",
        change.subject,
        before={"is_required": before is not None, "since": None if before is None else before.since},
        after={"is_required": after is not None, "since": None if after is None else after.since},
    )
    return await store.requirements(session)


async def exercises_due(session: Session, actor: Actor) -> list[Subject]:
    """The subjects in which results are not taken from the actor before they have passed the exercise; none for whoever leads.

    *Cost*: one statement, none for whoever leads.
    """
    if actor.role not in TESTERS:
        return []
    held = [each for each in SUBJECTS if any(each == held.subject for held in actor.scope.held)]
    due = await store.exercises_due(session, actor.person_id)
    return [each for each in due if each in held]
