"""Children: find them, add one in four fields, look at one, change, left and returned, take away; what was changed."""

from __future__ import annotations

from rightlevel.web.routes import Routes
from rightlevel.web.students import api, pages, record_changes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
routes.include(record_changes.routes)
