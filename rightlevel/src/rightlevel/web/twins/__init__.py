"""Children entered twice: made one, kept apart, and back."""

from __future__ import annotations

from rightlevel.web.routes import Routes
from rightlevel.web.twins import api, pages

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
