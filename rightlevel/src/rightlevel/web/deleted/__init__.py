"""What was deleted, and the button that brings it back."""

from __future__ import annotations

from rightlevel.web.deleted import pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(pages.routes)
