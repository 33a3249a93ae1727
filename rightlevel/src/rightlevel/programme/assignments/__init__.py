"""Assignments: who works at which school, in which subject, with which class, from when to when. One table for mentors and teachers.

Public: `list_assignments`, `create_assignment`, `end_assignment`, `assigned_schools`; `Assignment`, `NewAssignment`.
"""

from rightlevel.programme.assignments.actions import (
    assigned_schools,
    create_assignment,
    end_assignment,
    list_assignments,
)
from rightlevel.programme.assignments.model import Assignment, NewAssignment

__all__ = [
    "Assignment",
    "NewAssignment",
    "assigned_schools",
    "create_assignment",
    "end_assignment",
    "list_assignments",
]
