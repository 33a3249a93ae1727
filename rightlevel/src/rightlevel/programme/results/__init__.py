"""Results: what a child could do in a round, in a subject. One write guard for every way in.

Public: `enter_results` (one, a class, a device's batch), `class_sheet`, `read_result`, `delete_result`, `results_of_student`,
`history_of_student`, `list_results`, `read_moved_child`, `list_without_baseline`; the guided test (`next_in_guided_test`, `read_guided_rules`,
`read_guided_tests`); locks (`lock_results`,
`unlock_results`, `lock_results_of_school`); how far testing is (`TestingStatus`, `sum_of`); `ResultWrite`, `ResultAnswer`, `SheetRow`, `StudentResult`, `ResultChange`.
"""

from rightlevel.programme.results.actions import (
    MAX_WRITES,
    class_sheet,
    delete_result,
    enter_results,
    history_of_student,
    list_results,
    list_without_baseline,
    next_in_guided_test,
    read_guided_rules,
    read_guided_tests,
    read_moved_child,
    read_result,
    results_of_student,
)
from rightlevel.programme.results.guided import MAX_STEPS, TESTED, GuidedRules, Standing, Step, Threshold
from rightlevel.programme.results.locks import (
    MAX_LOCKS,
    lock_results,
    lock_results_of_school,
    unlock_results,
)
from rightlevel.programme.results.model import (
    CurrentResult,
    GuidedTest,
    LockAnswer,
    MovedChild,
    ResultAnswer,
    ResultChange,
    ResultWrite,
    SheetRow,
    StudentResult,
    WithoutBaseline,
)
from rightlevel.programme.results.testing_status import TestingStatus, sum_of

__all__ = [
    "MAX_STEPS",
    "TESTED",
    "MAX_LOCKS",
    "MAX_WRITES",
    "CurrentResult",
    "GuidedRules",
    "GuidedTest",
    "LockAnswer",
    "MovedChild",
    "ResultAnswer",
    "ResultChange",
    "ResultWrite",
    "SheetRow",
    "Standing",
    "Step",
    "StudentResult",
    "TestingStatus",
    "Threshold",
    "WithoutBaseline",
    "class_sheet",
    "delete_result",
    "enter_results",
    "history_of_student",
    "list_results",
    "list_without_baseline",
    "lock_results",
    "lock_results_of_school",
    "next_in_guided_test",
    "read_guided_rules",
    "read_guided_tests",
    "read_moved_child",
    "read_result",
    "results_of_student",
    "sum_of",
    "unlock_results",
]
