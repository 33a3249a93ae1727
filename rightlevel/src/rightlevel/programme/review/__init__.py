"""The review pack: what a district's meeting has on the table, last meeting's actions first; and one school on one page.

Public: `read_review_pack`, `read_school_overview`; `ReviewQuery`, `ReviewPack`, `ReviewSubject`, `OverviewQuery`, `SchoolOverview`, `SubjectOverview`.
"""

from rightlevel.programme.review.actions import read_review_pack
from rightlevel.programme.review.model import ReviewPack, ReviewQuery, ReviewSubject
from rightlevel.programme.review.school import (
    OverviewQuery,
    SchoolOverview,
    SubjectOverview,
    read_school_overview,
)

__all__ = [
    "OverviewQuery",
    "ReviewPack",
    "ReviewQuery",
    "ReviewSubject",
    "SchoolOverview",
    "SubjectOverview",
    "read_review_pack",
    "read_school_overview",
]
