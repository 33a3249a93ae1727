"""Who did what, denied attempts included."""

from __future__ import annotations

from rightlevel.web.audit import pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(pages.routes)
