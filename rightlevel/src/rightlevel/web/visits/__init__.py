"""Visits: drafts, sending, locks, photos, follow-ups, the plan, next week, and what was left behind."""

from __future__ import annotations

from rightlevel.web.routes import Routes
from rightlevel.web.visits import api, left_behind, left_behind_api, pages, plan

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
routes.include(plan.routes)
routes.include(left_behind.routes)
routes.include(left_behind_api.routes)
