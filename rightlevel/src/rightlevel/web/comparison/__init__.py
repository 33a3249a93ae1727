"""Comparison: one indicator of many places beside each other, as JSON, page and file."""

from __future__ import annotations

from rightlevel.programme.comparison import ComparisonQuery, compare
from rightlevel.web.comparison import pages
from rightlevel.web.feature import Deeds

routes = Deeds("figures", "figure")
routes.answers(
    "compare_places",
    "GET /api/v1/comparison",
    compare,
    ComparisonQuery,
    says="One indicator of each place and school that hangs on a place, the highest first, with intervals.",
)
routes.include(pages.routes)
