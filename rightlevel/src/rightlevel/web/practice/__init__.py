"""Practice schools start again."""

from __future__ import annotations

from rightlevel.web.practice import api, pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
