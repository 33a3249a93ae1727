"""Imports: a file sent, watched, and what is wrong in it."""

from __future__ import annotations

from rightlevel.web.imports import api, pages, templates
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
routes.include(templates.routes)
