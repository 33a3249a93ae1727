"""Teaching: sessions that groups were held, who was there, and what that comes to beside how children moved.

Public: `record_session`, `read_session`, `list_sessions`, `dose_of_children`, `dose_of_groups`, `dose_of_schools`; `SessionWrite`, `Mark`,
`SessionAnswer`, `SessionRow`, `ChildDose`, `GroupDose`, `SchoolDose`, `attendance_share`.
"""

from rightlevel.programme.teaching.actions import (
    dose_of_children,
    dose_of_groups,
    dose_of_schools,
    list_sessions,
    read_session,
    record_session,
)
from rightlevel.programme.teaching.model import (
    PRESENCES,
    ChildDose,
    GroupDose,
    Mark,
    MarkAnswer,
    SchoolDose,
    SessionAnswer,
    SessionRow,
    SessionWrite,
    SheetMark,
    attendance_share,
)

__all__ = [
    "PRESENCES",
    "ChildDose",
    "GroupDose",
    "Mark",
    "MarkAnswer",
    "SchoolDose",
    "SessionAnswer",
    "SessionRow",
    "SessionWrite",
    "SheetMark",
    "attendance_share",
    "dose_of_children",
    "dose_of_groups",
    "dose_of_schools",
    "list_sessions",
    "read_session",
    "record_session",
]
