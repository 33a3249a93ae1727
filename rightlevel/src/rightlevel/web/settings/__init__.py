"""What coordinators set for the whole programme."""

from __future__ import annotations

from rightlevel.web.routes import Routes
from rightlevel.web.settings import api, pages

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
