"""Who works where: assigned, ended, and which schools lack somebody."""

from __future__ import annotations

from rightlevel.web.assignments import api, pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
