"""Search: children, schools and people by any part of a name or code, from everywhere.

Public: `search`; `Found`, `FoundStudents`, `FoundSchools`, `FoundPeople`; `MOST_FOUND`.
"""

from rightlevel.programme.search.actions import search
from rightlevel.programme.search.model import (
    LONGEST_SEARCH,
    MOST_FOUND,
    Found,
    FoundPeople,
    FoundPerson,
    FoundSchool,
    FoundSchools,
    FoundStudent,
    FoundStudents,
)

__all__ = [
    "LONGEST_SEARCH",
    "MOST_FOUND",
    "Found",
    "FoundPeople",
    "FoundPerson",
    "FoundSchool",
    "FoundSchools",
    "FoundStudent",
    "FoundStudents",
    "search",
]
