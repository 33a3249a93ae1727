"""Places and schools moved, split and merged, and back."""

from __future__ import annotations

from rightlevel.web.boundaries import api, pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
