"""Assignments: who works at which school, in which subject, with which class, from when to when. One table for mentors and teachers.

Public: `list_assignments`, `create_assignment`, `change_last_day`, `end_assignment`, many at once (`create_assignments`, `end_assignments`), `schools_without`,
`assigned_schools`; `Assignment`, `NewAssignment`.
"""

from rightlevel.programme.assignments.actions import (
    assigned_schools,
    change_last_day,
    create_assignment,
    create_assignments,
    end_assignment,
    end_assignments,
    list_assignments,
    schools_without,
)
from rightlevel.programme.assignments.model import Assignment, NewAssignment, SchoolWithout

__all__ = [
    "Assignment",
    "NewAssignment",
    "SchoolWithout",
    "assigned_schools",
    "change_last_day",
    "create_assignment",
    "create_assignments",
    "end_assignment",
    "end_assignments",
    "list_assignments",
    "schools_without",
]
