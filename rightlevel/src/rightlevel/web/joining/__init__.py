"""Asking to join, and what coordinators decide."""

from __future__ import annotations

from rightlevel.web.joining import pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(pages.routes)
