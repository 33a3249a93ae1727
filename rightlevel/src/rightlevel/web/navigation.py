"""Where one can go: the main pages in order, each for those whom the permission table lets read it."""

from __future__ import annotations

import msgspec

from rightlevel.programme.permissions import Actor, Role, may
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
    Way("/verification", N_("Re-tests"), "test", "read", "verification"),
    Way("/next-week", N_("Next week"), "round", "read", "planned_visit"),
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
"""In order of use for whoever leads."""

FIRST: dict[Role, tuple[str, ...]] = {
    "teacher": ("/", "/students", "/groups", "/figures"),
    "mentor": ("/", "/next-week", "/verification", "/figures"),
    "viewer": ("/", "/figures", "/schools"),
}
"""What a role uses most, in its order: a phone shows the first four below and the rest under “More”."""


def ways_of(actor: Actor | None) -> list[Way]:
    """The entries this person may open, those used most first; none for a stranger."""
    if actor is None:
        return []
    first = FIRST.get(actor.role, ())
    order = {href: number for number, href in enumerate(first)}
    open_to = [way for way in WAYS if may(actor, way.action, way.resource)]
    return sorted(open_to, key=lambda way: order.get(way.href, len(order)))
