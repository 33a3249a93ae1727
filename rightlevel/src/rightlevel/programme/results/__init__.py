"""Results: what a child could do in a round, in a subject. One write guard for every way in.

Public: `enter_results` (one, a class, a device's batch), `class_sheet`, `read_result`, `delete_result`, `results_of_student`,
`history_of_student`; `ResultWrite`, `ResultAnswer`, `SheetRow`, `StudentResult`, `ResultChange`.
"""

from rightlevel.programme.results.actions import (
    MAX_WRITES,
    class_sheet,
    delete_result,
    enter_results,
    history_of_student,
    read_result,
    results_of_student,
)
from rightlevel.programme.results.model import (
    CurrentResult,
    ResultAnswer,
    ResultChange,
    ResultWrite,
    SheetRow,
    StudentResult,
)

__all__ = [
    "MAX_WRITES", "CurrentResult", "ResultAnswer", "ResultChange", "ResultWrite", "SheetRow", "StudentResult", "class_sheet",
    "delete_result", "enter_results", "history_of_student", "read_result", "results_of_student",
]  # fmt: skip
