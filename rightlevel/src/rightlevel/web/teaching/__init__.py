"""Sessions held, attendance, and what children were taught."""

from __future__ import annotations

from rightlevel.web.routes import Routes
from rightlevel.web.teaching import api, pages

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
