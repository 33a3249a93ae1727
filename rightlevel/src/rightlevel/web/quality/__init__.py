"""Data quality: what to look at about a day's tests by who tested, as JSON and page; files come through the exports."""

from __future__ import annotations

from flatwater.paging import PageLimit
from rightlevel.programme import quality
from rightlevel.web.feature import Deeds
from rightlevel.web.quality import pages

routes = Deeds("results", "data_quality")
routes.answers(
    "list_assessors_of_day",
    "GET /api/v1/data-quality/assessors",
    quality.assessors_of_day,
    quality.QualityQuery,
    page=PageLimit(50),
    says="Who tested on a day, by school and subject, with what to look into.",
)
routes.answers(
    "list_tests_of_assessor",
    "GET /api/v1/data-quality/tests",
    quality.tests_of_assessor,
    quality.AssessorTestsQuery,
    page=PageLimit(50),
    says="The tests of one person on a day at a school in a subject.",
)
routes.include(pages.routes)
