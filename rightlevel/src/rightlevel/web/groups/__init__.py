"""Groups: proposed, accepted, children moved; quick re-tests and what they suggest."""

from __future__ import annotations

from rightlevel.web.groups import api, checks, pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
routes.include(checks.routes)
