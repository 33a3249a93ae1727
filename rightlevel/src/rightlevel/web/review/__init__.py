"""The review pack of a place: as JSON, page, and PDF."""

from __future__ import annotations

from rightlevel.programme import review
from rightlevel.web.feature import Deeds
from rightlevel.web.review import pages

routes = Deeds("figures", "review_pack")
routes.answers(
    "read_review_pack",
    "GET /api/v1/review-pack",
    review.read_review_pack,
    review.ReviewQuery,
    work="snapshot",
    says="What a review meeting of a place needs: open actions, coverage, levels, the same children, schools, visits, re-tests.",
)
routes.answers(
    "read_school_overview",
    "GET /api/v1/schools/{id}/overview",
    review.read_school_overview,
    review.OverviewQuery,
    may=pages.FIELD,
    work="snapshot",
    says="One school on one page: roll, tested, levels by round, the same children, attendance, last visits, open actions.",
)
routes.include(pages.routes)
