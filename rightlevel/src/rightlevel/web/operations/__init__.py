"""The operator's page, and what a scheduler may set off."""

from __future__ import annotations

from rightlevel.web.operations import cron, pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(pages.routes)
routes.include(cron.routes)
