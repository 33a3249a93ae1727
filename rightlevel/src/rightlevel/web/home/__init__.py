"""The first page after signing in, and the form that is kept for whoever has to sign in anew."""

from __future__ import annotations

from rightlevel.web.home import held_form, pages
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(pages.routes)
routes.include(held_form.routes)
