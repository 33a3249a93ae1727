"""The only file that knows the columns of exercise, exercise_attempt and exercise_requirement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.exercises.model import (
    MOST_RECORDED_BYTES,
    Attempt,
    Case,
    ExerciseKey,
    ExerciseRow,
    NewExercise,
    Requirement,
    RequirementChange,
    Tester,
    differences_of,
)
from rightlevel.programme.permissions import Subject

_queries = load_queries(__package__ or "")
MOST_EXERCISES = 100


class _Row(msgspec.Struct, frozen=True):
    id: int
    subject: Subject
    language: str
    version: int
    needed: int
    cases: Any

    @property
    def key(self) -> ExerciseKey:
        cases = msgspec.convert(self.cases, list[Case])
        return ExerciseKey(self.id, self.subject, self.language, self.version, self.needed, cases=cases)


class _Recording(msgspec.Struct, frozen=True):
    id: int


class _Attempt(msgspec.Struct, frozen=True):
    id: int
    person_id: int
    exercise_id: int
    subject: Subject
    language: str
    version: int
    needed: int
    cases: Any
    answers: list[str]
    agreed: int
    is_passed: bool
    taken_on: date


class _Due(msgspec.Struct, frozen=True):
    subject: Subject


class _Made(msgspec.Struct, frozen=True):
    id: int


class ToPublish(Protocol):
    """What is published of an exercise."""

    @property
    def subject(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def needed(self) -> int: ...
    @property
    def cases(self) -> list[Case]: ...


def _text(cases: Sequence[Case]) -> str:
    return msgspec.json.encode(cases).decode()


async def publish_first(session: Session, exercises: Sequence[ToPublish]) -> int:
    values = {
        "subjects": [each.subject for each in exercises],
        "languages": [each.language for each in exercises],
        "needed": [each.needed for each in exercises],
        "cases": [_text(each.cases) for each in exercises],
    }
    return await session.execute(_queries["publish_first_exercises"], values)


async def newest_exercises(session: Session, person_id: int) -> list[ExerciseRow]:
    values = {"person_id": person_id, "rows": MOST_EXERCISES}
    return await session.fetch_all(_queries["newest_exercises"], values, into=ExerciseRow)


async def find_exercise(session: Session, exercise_id: int) -> ExerciseKey | None:
    found = await session.fetch_one(_queries["find_exercise"], {"exercise_id": exercise_id}, into=_Row)
    return None if found is None else found.key


async def newest_version(session: Session, exercise: ExerciseKey | NewExercise) -> int:
    """The newest version of what this is one of; 0 where there is none yet."""
    values = {"subject": exercise.subject, "language": exercise.language}
    return cast("int", await session.fetch_value(_queries["newest_version"], values))


async def recordings_there(session: Session, asked: Sequence[int]) -> frozenset[int]:
    """Those of the numbers that are recordings in the library, small enough for a phone. *Cost*: one statement."""
    values = {"asked": list(asked), "most_bytes": MOST_RECORDED_BYTES, "rows": len(asked)}
    rows = await session.fetch_all(_queries["recordings_there"], values, into=_Recording)
    return frozenset(each.id for each in rows)


async def insert_exercise(session: Session, new: NewExercise, version: int) -> int:
    trimmed = [
        msgspec.structs.replace(
            each, shown=each.shown.strip(), heard=each.heard.strip(), why=each.why.strip()
        )
        for each in new.cases
    ]
    values = {
        "subject": new.subject,
        "language": new.language,
        "needed": new.needed,
        "cases": _text(trimmed),
        "version": version,
    }
    return cast("int", await session.fetch_value(_queries["insert_exercise"], values))


async def insert_attempt(
    session: Session,
    exercise: ExerciseKey,
    *,
    person_id: int,
    answers: Sequence[str],
    agreed: int,
    day: date,
    most: int,
) -> int | None:
    """The try's id; None when somebody has as many as there may be."""
    values = {
        "exercise_id": exercise.id,
        "subject": exercise.subject,
        "person_id": person_id,
        "answers": list(answers),
        "agreed": agreed,
        "is_passed": agreed >= exercise.needed,
        "day": day,
        "most": most,
    }
    made = await session.fetch_one(_queries["insert_attempt"], values, into=_Made)
    return None if made is None else made.id


async def find_attempt(session: Session, attempt_id: int) -> tuple[int, Attempt] | None:
    """Whose it is, and the try."""
    row = await session.fetch_one(_queries["find_attempt"], {"attempt_id": attempt_id}, into=_Attempt)
    if row is None:
        return None
    cases = msgspec.convert(row.cases, list[Case])
    return row.person_id, Attempt(
        id=row.id,
        exercise_id=row.exercise_id,
        subject=row.subject,
        language=row.language,
        version=row.version,
        agreed=row.agreed,
        cases=len(cases),
        needed=row.needed,
        is_passed=row.is_passed,
        taken_on=row.taken_on,
        differences=differences_of(cases, row.answers),
    )


async def page_of_testers(
    session: Session, page: PageRequest, *, subject: Subject | None, only_lacking: bool, today: date
) -> Page[Tester]:
    after = page.key(tuple[str, int, str])
    values = {
        "today": today,
        "subject": subject,
        "only_lacking": only_lacking,
        "after_name": after[0] if after else None,
        "after_id": after[1] if after else None,
        "after_subject": after[2] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_testers"], values, into=Tester)
    return page_of(rows, page, lambda row: (row.display_name.lower(), row.person_id, row.subject))


async def requirements(session: Session) -> list[Requirement]:
    return await session.fetch_all(_queries["list_requirements"], {}, into=Requirement)


async def save_requirement(session: Session, change: RequirementChange) -> None:
    values = {"subject": change.subject, "since": change.since}
    await session.execute(_queries["save_requirement" if change.is_required else "drop_requirement"], values)


async def exercises_due(session: Session, person_id: int) -> list[Subject]:
    rows = await session.fetch_all(_queries["exercises_due"], {"person_id": person_id}, into=_Due)
    return [row.subject for row in rows]
