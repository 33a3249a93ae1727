"""To another school or class, a guardian's consent, where a child was, who it was erased, a school into the next year."""

from __future__ import annotations

from rightlevel.web.lives import api, pages, past
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(pages.routes)
routes.include(past.routes)
