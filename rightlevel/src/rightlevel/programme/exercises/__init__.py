"""Exercises for testers: readings that are judged and compared with the right answers, in versions that never change.

Who tests takes one before a round; how far they agree with the right answers is kept. A programme may ask for a passed one before a tester's
results are taken (the write guards of results and verification ask for it).

Public: `list_exercises`, `read_exercise`, `read_exercise_key`, `add_exercise_version`, `ensure_first_exercises`, `take_exercise`, `read_attempt`,
`list_testers`, `list_requirements`, `change_requirement`, `exercises_due`; `Exercise`, `ExerciseKey`, `ExerciseRow`, `NewExercise`, `Case`,
`ShownCase`, `NewAttempt`, `Attempt`, `Difference`, `Tester`, `Requirement`, `RequirementChange`, `ExerciseFollowed`, `AttemptsUsedUp`.
"""

from rightlevel.programme.exercises.actions import (
    AttemptsUsedUp,
    ExerciseFollowed,
    add_exercise_version,
    change_requirement,
    ensure_first_exercises,
    exercises_due,
    list_exercises,
    list_requirements,
    list_testers,
    read_attempt,
    read_exercise,
    read_exercise_key,
    take_exercise,
)
from rightlevel.programme.exercises.model import (
    LEVEL,
    MOST_CASES,
    Attempt,
    Case,
    Difference,
    Exercise,
    ExerciseKey,
    ExerciseRow,
    NewAttempt,
    NewExercise,
    Requirement,
    RequirementChange,
    ShownCase,
    Tester,
    choices_of,
    tasks_of,
)

__all__ = [
    "LEVEL",
    "MOST_CASES",
    "Attempt",
    "AttemptsUsedUp",
    "Case",
    "Difference",
    "Exercise",
    "ExerciseFollowed",
    "ExerciseKey",
    "ExerciseRow",
    "NewAttempt",
    "NewExercise",
    "Requirement",
    "RequirementChange",
    "ShownCase",
    "Tester",
    "add_exercise_version",
    "change_requirement",
    "choices_of",
    "ensure_first_exercises",
    "exercises_due",
    "list_exercises",
    "list_requirements",
    "list_testers",
    "read_attempt",
    "read_exercise",
    "read_exercise_key",
    "take_exercise",
    "tasks_of",
]
