"""Figures: rounds beside each other, indicators with their definitions, and down to the child."""

from __future__ import annotations

from rightlevel.web.figures import api, pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
