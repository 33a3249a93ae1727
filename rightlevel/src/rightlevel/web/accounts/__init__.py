"""Signing in and out, one's own account, and the devices of a school."""

from __future__ import annotations

from rightlevel.web.accounts import own, phones, school_sign_in, second_factor, sign_in
from rightlevel.web.routes import Routes

routes = Routes("pages")
for each in (own, phones, sign_in, school_sign_in, second_factor):
    routes.include(each.routes)
