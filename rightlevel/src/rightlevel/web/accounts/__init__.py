"""Signing in and out, one's own account, and the devices of a school."""

from __future__ import annotations

from rightlevel.web.accounts import api, own, school_sign_in, second_factor, sign_in
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(own.routes)
routes.include(sign_in.routes)
routes.include(school_sign_in.routes)
routes.include(second_factor.routes)
