"""Data quality: what to look at about a day's tests, by school, by who tested and by subject.

Public: `assessors_of_day`, `tests_of_assessor` (the deeds), `last_day_of_tests`; `QualityQuery`, `AssessorTestsQuery`, `AssessorDay`, `LookedAtTest`, `LOOKS`.
"""

from rightlevel.programme.quality.actions import assessors_of_day, last_day_of_tests, tests_of_assessor
from rightlevel.programme.quality.model import (
    LOOKS,
    AssessorDay,
    AssessorTestsQuery,
    LookedAtTest,
    QualityQuery,
)

__all__ = [
    "LOOKS",
    "AssessorDay",
    "AssessorTestsQuery",
    "LookedAtTest",
    "QualityQuery",
    "assessors_of_day",
    "last_day_of_tests",
    "tests_of_assessor",
]
