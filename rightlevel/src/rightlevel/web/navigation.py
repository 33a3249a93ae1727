"""Where one can go: the main pages in order, each for those whom the permission table lets read it."""

from __future__ import annotations

import msgspec

from rightlevel.programme.permissions import Actor, may
from rightlevel.web.language import N_


class Way(msgspec.Struct, frozen=True):
    """One entry: its address, its English name, its symbol in static/icons.svg, and the permission it needs."""

    href: str
    name: str
    icon: str
    action: str = "manage"
    resource: str = "self"

    def is_here(self, path: str) -> bool:
        """Whether a page stands under this entry."""
        return path == "/" if self.href == "/" else path == self.href or path.startswith(self.href + "/")


WAYS = (
    Way("/", N_("Home"), "home"),
    Way("/schools", N_("Schools"), "school", "read", "school"),
    Way("/students", N_("Children"), "child", "read", "student"),
    Way("/visits", N_("Visits"), "round", "read", "visit"),
    Way("/figures", N_("Figures"), "figures", "read", "figure"),
    Way("/groups", N_("Groups"), "people", "read", "group"),
    Way("/resources", N_("Library"), "test", "read", "resource"),
    Way("/rounds", N_("Rounds"), "round", "read", "round"),
    Way("/verification", N_("Verification"), "out", "read", "verification"),
    Way("/imports", N_("Imports"), "import", "run", "import"),
    Way("/places", N_("Places"), "place", "create", "place"),
    Way("/years", N_("School years"), "round", "create", "school_year"),
    Way("/settings", N_("Settings"), "round", "change", "time_zone"),
    Way("/people", N_("People"), "people", "read", "person"),
    Way("/deleted", N_("Deleted things"), "out", "restore", "student"),
    Way("/audit", N_("Audit log"), "audit", "read", "audit"),
    Way("/operations", N_("Operations"), "figures", "read", "metric"),
    Way("/account", N_("My account"), "account"),
)
"""In order of use: a phone shows the first four below and the rest under “More”."""


def ways_of(actor: Actor | None) -> list[Way]:
    """The entries this person may open; none for a stranger."""
    if actor is None:
        return []
    return [way for way in WAYS if may(actor, way.action, way.resource)]
