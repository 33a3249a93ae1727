"""Exercises for testers: taking one, what it says afterwards, who has passed, and the editor in which a version is added."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from flatwater.contract import Html
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.exercises import (
    LEVEL,
    MOST_CASES,
    Case,
    ExerciseRow,
    NewAttempt,
    NewExercise,
    Requirement,
    RequirementChange,
    add_exercise_version,
    change_requirement,
    exercises_due,
    list_exercises,
    list_requirements,
    list_testers,
    read_attempt,
    read_exercise,
    read_exercise_key,
    take_exercise,
    tasks_of,
)
from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import SUBJECTS, May, Subject
from rightlevel.web.feature import IN_PAGES, Deeds, Filters
from rightlevel.web.language import N_, languages_in, name_in
from rightlevel.web.request import CLASS_BODY, ById, Request, actor_of
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import WORDS

BETWEEN: Final = " | "
"""Between the parts of a case, on one line of the editor."""
PARTS: Final = 5
RECORDING: Final = re.compile(r"#(\d{1,9})(?:\s+|$)")
"""How what a child did begins where it was recorded: with a number of the library, in any digits."""
WHOLE_TEXTS: Final = frozenset({"paragraph", "story"})
"""Tasks at which it is judged how a text was read."""
READS_TESTERS: Final = May("read", "certification")
TESTERS: Final = PageLimit(50)


class Exercises(msgspec.Struct, frozen=True):
    """The newest version of each exercise, and how it went for whoever asks."""

    exercises: list[ExerciseRow]


class Requirements(msgspec.Struct, frozen=True):
    """In which subjects a passed exercise is asked for."""

    requirements: list[Requirement]


class ExerciseForm(msgspec.Struct, frozen=True):
    """What the editor sends: each case on a line, its parts between upright strokes."""

    subject: Subject
    language: str
    needed: int
    cases: str = ""
    follows: int = 0

    def meant(self) -> NewExercise:
        cases = [_case(line) for line in self.cases.splitlines() if line.strip()]
        return NewExercise(
            self.subject, self.language.strip().lower(), self.needed, cases, follows=self.follows
        )


class ExerciseBegun(msgspec.Struct, frozen=True):
    """What the editor begins with: a version of an exercise, or an empty one of a subject."""

    version_of: int | None = None
    subject: Subject = "language"


class TestersWanted(msgspec.Struct, frozen=True):
    """Which testers the list shows."""

    subject: Subject | None = None
    only_lacking: bool = False


def _case(line: str) -> Case:
    """One case as it is typed: task, what is shown, what the child did, the right answer, why. What it did may begin with a recording's number."""
    task, shown, heard, answer, why = [*(each.strip() for each in line.split("|", PARTS - 1)), *[""] * PARTS][
        :PARTS
    ]
    recorded = RECORDING.match(heard)
    if recorded:
        heard = heard[recorded.end() :]
    return Case(task, shown, answer, heard=heard, why=why, recording=int(recorded[1]) if recorded else 0)


def _typed(case: Case) -> str:
    heard = f"#{case.recording} {case.heard}".strip() if case.recording else case.heard
    return BETWEEN.join((case.task, case.shown, heard, case.answer, case.why))


def _answered(form: Any) -> NewAttempt:
    """The answers in the order of the cases, up to the last one that was given."""
    answers = [getattr(form, f"case_{number}") for number in range(1, MOST_CASES + 1)]
    while answers and not answers[-1]:
        answers.pop()
    return NewAttempt(answers)


_answered.__annotations__ = {"form": Any, "return": NewAttempt}
AttemptForm: Final = msgspec.defstruct(
    "AttemptForm",
    [(f"case_{number}", str, "") for number in range(1, MOST_CASES + 1)],
    namespace={"meant": _answered, "__doc__": "An answer to each case, as it was tapped."},
    frozen=True,
)

routes = Deeds("exercises", "exercise")
routes.answers("list_all_exercises", "GET /api/v1/exercises", list_exercises, gives=Exercises)
routes.answers("read_one_exercise", "GET /api/v1/exercises/{id}", read_exercise)
routes.answers("read_key_of_exercise", "GET /api/v1/exercises/{id}/key", read_exercise_key, may="create")
routes.answers(
    "create_one_exercise",
    "POST /api/v1/exercises",
    add_exercise_version,
    NewExercise,
    may="create",
    made="/api/v1/exercises/{made.id}",
    body_bytes=CLASS_BODY,
)
routes.answers(
    "take_one_exercise",
    "POST /api/v1/exercises/{id}/attempts",
    take_exercise,
    NewAttempt,
    may="take",
    made="/api/v1/exercise-attempts/{made.id}",
)
routes.answers("read_one_exercise_attempt", "GET /api/v1/exercise-attempts/{id}", read_attempt)
routes.answers(
    "list_all_testers", "GET /api/v1/testers", list_testers, Filters, may=READS_TESTERS, page=TESTERS
)
routes.answers(
    "list_exercise_requirements",
    "GET /api/v1/exercise-requirements",
    list_requirements,
    gives=Requirements,
)
routes.answers(
    "change_exercise_requirement",
    "PUT /api/v1/exercise-requirements",
    change_requirement,
    RequirementChange,
    may=May("change", "certification"),
    gives=Requirements,
)
routes.sends(
    "post_change_exercise_requirement",
    "/exercises/testers",
    change_requirement,
    RequirementChange,
    then="/exercises/testers",
    may=May("change", "certification"),
)
routes.sends(
    "post_create_exercise",
    "/exercises/new",
    add_exercise_version,
    ExerciseForm,
    then="/exercises/{made.id}/key",
    may="create",
    query=ExerciseBegun,
    body_bytes=CLASS_BODY,
)
routes.sends(
    "post_take_exercise",
    "/exercises/{id}",
    take_exercise,
    AttemptForm,
    then="/exercises/attempts/{made.id}",
    word=N_("Your answers are saved."),
    may="take",
)


@routes.get("/exercises", May("read", "exercise"), **IN_PAGES)
async def exercises_page(request: Request) -> Html:
    """The exercises, each with how it went, and in which subject one has to be passed first."""
    actor = actor_of(request)
    rows = await list_exercises(request.session, actor)
    return render(
        request,
        "exercises/list.html",
        rows=[(each, name_in(request.app.languages, each.language)) for each in rows],
        due=await exercises_due(request.session, actor),
    )


@routes.get("/exercises/new", May("create", "exercise"), **IN_PAGES)
async def new_exercise_page(request: Request, *, query: ExerciseBegun) -> Html:
    """The editor: a new version, filled with the one that it follows; or the first of a language."""
    begun = None
    if query.version_of is not None:
        begun = await read_exercise_key(request.session, actor_of(request), query.version_of)
    subject = begun.subject if begun is not None else query.subject
    return render(
        request,
        "exercises/form.html",
        begun=begun,
        subject=subject,
        tasks=tasks_of(subject),
        levels=SCALES[subject],
        typed="\n".join(map(_typed, begun.cases)) if begun is not None else "",
        needed=begun.needed if begun is not None else None,
        exercise_languages=[
            (code, name_in(request.app.languages, code)) for code in languages_in(request.app.languages)
        ],
    )


@routes.get("/exercises/testers", READS_TESTERS, page=TESTERS, **IN_PAGES)
async def testers_page(request: Request, *, query: TestersWanted, page: PageRequest) -> Html:
    """Who tests which subject, how far they agreed, and whether a passed exercise is asked for."""
    actor = actor_of(request)
    testers = await list_testers(
        request.session,
        actor,
        page,
        request.clock,
        subject=query.subject,
        only_lacking=query.only_lacking,
    )
    asked = {each.subject: each for each in await list_requirements(request.session, actor)}
    return render(
        request,
        "exercises/testers.html",
        page=testers,
        query=query,
        subjects=SUBJECTS,
        asked=[(each, asked.get(each)) for each in SUBJECTS],
    )


@routes.get("/exercises/{id}", May("take", "exercise"), **IN_PAGES)
async def exercise_page(request: Request, *, path: ById) -> Html:
    """An exercise to take: each case with what may be answered to it, and no answer."""
    exercise = await read_exercise(request.session, actor_of(request), path.id)
    cases = [
        (each, [(choice, _choice(request, each.task, choice)) for choice in each.choices])
        for each in exercise.cases
    ]
    return render(
        request,
        "exercises/one.html",
        exercise=exercise,
        cases=cases,
        name=name_in(request.app.languages, exercise.language),
    )


@routes.get("/exercises/{id}/key", May("create", "exercise"), **IN_PAGES)
async def exercise_key_page(request: Request, *, path: ById) -> Html:
    """The cases of an exercise with their answers, for whoever leads."""
    exercise = await read_exercise_key(request.session, actor_of(request), path.id)
    cases = [(each, _choice(request, each.task, each.answer)) for each in exercise.cases]
    return render(
        request,
        "exercises/key.html",
        exercise=exercise,
        cases=cases,
        name=name_in(request.app.languages, exercise.language),
    )


@routes.get("/exercises/attempts/{id}", May("read", "exercise"), **IN_PAGES)
async def exercise_attempt_page(request: Request, *, path: ById) -> Html:
    """How one try went: how many cases were judged as they should be, and each that was not, with why."""
    attempt = await read_attempt(request.session, actor_of(request), path.id)
    rows = [
        (each, _choice(request, each.task, each.answered), _choice(request, each.task, each.answer))
        for each in attempt.differences
    ]
    return render(
        request,
        "exercises/attempt.html",
        attempt=attempt,
        rows=rows,
        name=name_in(request.app.languages, attempt.language),
    )


def _choice(request: Request, task: str, choice: str) -> str:
    """What an answer is called: a level, or how one thing or a whole text was read."""
    _, words = language_of(request).gettext, _choice_words(task)
    return _(words[choice]) if choice in words else choice


def _choice_words(task: str) -> dict[str, str]:
    if task == LEVEL:
        return WORDS["level"]
    return WORDS["text_judged" if task in WHOLE_TEXTS else "judged"]
