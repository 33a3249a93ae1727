"""What an exercise for testers is made of, and how what somebody answered is compared with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import Role, Subject
from rightlevel.programme.tools import TASKS_OF

LEVEL: Final = "level"
"""A case that asks which level a child reached by all that it did."""
JUDGED: Final = ("right", "wrong")
"""What is answered of one thing that a child read, worked out or was asked."""
LEAST_CASES: Final = 5
MOST_CASES: Final = 30
MOST_ATTEMPTS: Final = 20
"""Of one person at one version. Who needs more is helped in another way."""
LONGEST_TEXT: Final = 600
MOST_RECORDED_BYTES: Final = 2_000_000
"""Of a recording: two minutes of speech, 40 seconds over 400 kbit/s."""
MOST_NUMBER: Final = 999_999_999
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to judge: what a child is shown at a task of the guided test, what it said or did (`heard`), and the right answer.

    `recording` is the number of a recording in the library that is listened to, with what it did in writing or without; 0 where there is none.
    Of the task `level`, `shown` is all that a child did and `answer` a level's code; else it is `right` or `wrong`. `why` is told afterwards.
    """

    task: str
    shown: str
    answer: str
    heard: str = ""
    why: str = ""
    recording: int = 0


class ShownCase(msgspec.Struct, frozen=True):
    """A case as whoever takes the exercise sees it: without the answer, with what may be answered."""

    task: str
    shown: str
    heard: str
    choices: list[str]
    recording: int = 0


class Exercise(msgspec.Struct, frozen=True):
    """One version of an exercise without its answers. It is passed with `needed` of its cases as they should be."""

    id: int
    subject: Subject
    language: str
    version: int
    needed: int
    cases: list[ShownCase]


class ExerciseKey(msgspec.Struct, frozen=True):
    """One version of an exercise with its answers, for whoever leads."""

    id: int
    subject: Subject
    language: str
    version: int
    needed: int
    cases: list[Case]

    @property
    def to_take(self) -> Exercise:
        """What a tester sees of it."""
        shown = [
            ShownCase(
                each.task,
                each.shown,
                each.heard,
                choices_of(self.subject, each.task),
                recording=each.recording,
            )
            for each in self.cases
        ]
        return Exercise(self.id, self.subject, self.language, self.version, self.needed, cases=shown)


class NewExercise(msgspec.Struct, frozen=True):
    """A version of an exercise to be added. `follows` is the version that it was made from, the newest; 0 where there is none yet."""

    subject: Subject
    language: str
    needed: int
    cases: list[Case]
    follows: int = 0


class ExerciseRow(msgspec.Struct, frozen=True):
    """The newest version of an exercise, and how it went for whoever asks: tries at this version, the most that agreed, when it was passed."""

    id: int
    subject: Subject
    language: str
    version: int
    needed: int
    cases: int
    attempts: int
    agreed: int | None
    passed_on: date | None


class NewAttempt(msgspec.Struct, frozen=True):
    """What somebody answered to each case, in order."""

    answers: list[str]


class Difference(msgspec.Struct, frozen=True):
    """A case that was judged otherwise than it should be: its number from 1, what was answered, the right answer, and why."""

    number: int
    task: str
    shown: str
    heard: str
    answered: str
    answer: str
    why: str
    recording: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """One try at an exercise: how many of its cases were judged as they should be, and which were not."""

    id: int
    exercise_id: int
    subject: Subject
    language: str
    version: int
    agreed: int
    cases: int
    needed: int
    is_passed: bool
    taken_on: date
    differences: list[Difference]


class Requirement(msgspec.Struct, frozen=True):
    """Results of a subject are taken only from testers who passed its exercise; with `since`, on that day or later."""

    subject: Subject
    since: date | None = None


class RequirementChange(msgspec.Struct, frozen=True):
    """Whether a passed exercise is asked for in a subject, and since which day it must have been passed."""

    subject: Subject
    is_required: bool
    since: date | None = None


class Tester(msgspec.Struct, frozen=True):
    """Somebody who tests a subject today, and how its exercise went: the first try, the latest, how many, and when one was passed last.

    `counts` says whether results would be taken from them if the exercise were asked for as it is set.
    """

    person_id: int
    display_name: str
    role: Role
    subject: Subject
    attempts: int
    first_agreed: int | None
    first_cases: int | None
    last_agreed: int | None
    last_cases: int | None
    last_on: date | None
    passed_on: date | None
    counts: bool


def tasks_of(subject: Subject) -> tuple[str, ...]:
    """What a case may be about: the tasks of a subject, and the level at the end."""
    return (*TASKS_OF[subject], LEVEL)


def choices_of(subject: Subject, task: str) -> list[str]:
    """What may be answered to a case."""
    return list(SCALES[subject].codes) if task == LEVEL else list(JUDGED)


def exercise_faults(new: NewExercise) -> list[Fault]:
    """Everything wrong with a version that is to be added."""
    faults: list[Fault] = []
    if not _LANGUAGE.fullmatch(new.language):
        faults.append(Fault("language", "A language code, for example km", new.language[:20]))
    if not LEAST_CASES <= len(new.cases) <= MOST_CASES:
        faults.append(Fault("cases", f"Between {LEAST_CASES} and {MOST_CASES} cases", str(len(new.cases))))
    if not 1 <= new.needed <= len(new.cases):
        faults.append(Fault("needed", "Between 1 and the number of cases", str(new.needed)))
    for number, case in enumerate(new.cases[:MOST_CASES], 1):
        faults += _case_faults(new.subject, number, case)
    if len({(each.task, each.shown, each.heard, each.recording) for each in new.cases}) < len(new.cases):
        faults.append(Fault("cases", "The same case stands here twice"))
    return faults


def _case_faults(subject: Subject, number: int, case: Case) -> list[Fault]:
    if case.task not in tasks_of(subject):
        return [Fault("cases", f"Case {number}: there is no such task", case.task[:40])]
    faults: list[Fault] = []
    if case.answer not in choices_of(subject, case.task):
        faults.append(Fault("cases", f"Case {number}: there is no such answer", case.answer[:40]))
    if not case.shown.strip() or (case.task != LEVEL and not case.heard.strip() and not case.recording):
        faults.append(Fault("cases", f"Case {number}: what is shown or what the child did is missing"))
    if not 0 <= case.recording <= MOST_NUMBER:
        faults.append(no_recording(number, case))
    texts = (case.shown, case.heard, case.why)
    if any(len(each) > LONGEST_TEXT for each in texts):
        faults.append(Fault("cases", f"Case {number}: at most {LONGEST_TEXT} characters"))
    if any("\0" in each for each in texts):
        faults.append(Fault("cases", "This holds a character that is no text"))
    return faults


def no_recording(number: int, case: Case) -> Fault:
    """What is told where the recording of a case is not in the library, is none, or is too large."""
    text = f"Case {number}: there is no such recording of at most 2 MB in the library"
    return Fault("cases", text, str(case.recording))


def field_of(number: int) -> str:
    """The field of a case's answer, by its number from 1."""
    return f"case_{number}"


def answer_faults(exercise: ExerciseKey, answers: Sequence[str]) -> list[Fault]:
    """What is wrong with answers: each case has one, out of its choices."""
    if len(answers) > len(exercise.cases):
        return [Fault("answers", "There are more answers than cases", str(len(answers)))]
    given = [*answers, *[""] * (len(exercise.cases) - len(answers))]
    return [
        Fault(field_of(number), "Please choose one of these", answered[:40])
        for number, (case, answered) in enumerate(zip(exercise.cases, given, strict=True), 1)
        if answered not in choices_of(exercise.subject, case.task)
    ]


def agreed_of(cases: Sequence[Case], answers: Sequence[str]) -> int:
    """How many cases were judged as they should be."""
    return sum(case.answer == answered for case, answered in zip(cases, answers, strict=True))


def differences_of(cases: Sequence[Case], answers: Sequence[str]) -> list[Difference]:
    """The cases that were judged otherwise than they should be."""
    return [
        Difference(
            number=number,
            task=case.task,
            shown=case.shown,
            heard=case.heard,
            answered=answered,
            answer=case.answer,
            why=case.why,
            recording=case.recording,
        )
        for number, (case, answered) in enumerate(zip(cases, answers, strict=True), 1)
        if case.answer != answered
    ]
