"""Re-tests: what waits, the re-test itself, decisions, samples, and how well tests agree."""

from __future__ import annotations

from rightlevel.web.routes import Routes
from rightlevel.web.verification import api, pages

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
