"""Search: children, schools and people by any part of a name or code, from everywhere.

Public: `search`; `Found`, `FoundStudents`, `FoundSchools`, `FoundPeople`; `MOST_FOUND`; `names_of`, `FIELDS`, `Named`.
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
    Named,
)
from rightlevel.programme.search.naming import FIELDS, names_of

__all__ = [
    "FIELDS",
    "LONGEST_SEARCH",
    "MOST_FOUND",
    "Found",
    "FoundPeople",
    "FoundPerson",
    "FoundSchool",
    "FoundSchools",
    "FoundStudent",
    "FoundStudents",
    "Named",
    "names_of",
    "search",
]
