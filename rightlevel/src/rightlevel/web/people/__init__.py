"""People: find, make, change, their keys, switch off, remove and bring back."""

from __future__ import annotations

from rightlevel.web.people import access, api, pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
routes.include(access.routes)
