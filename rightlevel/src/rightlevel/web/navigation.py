"""Where one can go: the main pages, each for those whom the permission table lets read it, under few headings for each role."""

from __future__ import annotations

import msgspec

from rightlevel.programme.permissions import Actor, Role, may
from rightlevel.web.language import N_


class Way(msgspec.Struct, frozen=True):
    """One entry: its address, its English name, its symbol in static/icons.svg, and the permission it needs.

    `also` are addresses of pages that belong to it and stand elsewhere.
    """

    href: str
    name: str
    icon: str
    action: str = "manage"
    resource: str = "self"
    also: tuple[str, ...] = ()

    def is_here(self, path: str) -> bool:
        """Whether a page stands under this entry."""
        if self.href == "/":
            return path == "/"
        return any(path == each or path.startswith(each + "/") for each in (self.href, *self.also))


class Heading(msgspec.Struct, frozen=True):
    """What stands in the bar: one entry, or several under a name. `is_rest`: what the role uses less, opened in place."""

    name: str
    icon: str
    ways: tuple[Way, ...]
    is_rest: bool = False

    def is_here(self, path: str) -> bool:
        """Whether a page stands under one of its entries."""
        return any(way.is_here(path) for way in self.ways)


WAYS = (
    Way("/", N_("Home"), "home"),
    Way("/schools", N_("Schools"), "school", "read", "school"),
    Way(
        "/students",
        N_("Children"),
        "child",
        "read",
        "student",
        also=("/duplicates", "/renames", "/enrolments"),
    ),
    Way("/visits", N_("Visits"), "visit", "read", "visit", also=("/follow-ups", "/left-behind", "/forms")),
    Way(
        "/figures",
        N_("Figures"),
        "figures",
        "read",
        "figure",
        also=("/movement", "/standing-still", "/comparison", "/trials", "/data-quality", "/review-pack"),
    ),
    Way(
        "/groups",
        N_("Groups"),
        "people",
        "read",
        "group",
        also=("/interventions", "/groupings", "/teaching-sessions"),
    ),
    Way("/resources", N_("Library"), "book", "read", "resource"),
    Way("/rounds", N_("Rounds"), "round", "read", "round"),
    Way(
        "/verification",
        N_("Re-tests"),
        "retest",
        "read",
        "verification",
        also=("/agreement", "/verification-samples"),
    ),
    Way("/next-week", N_("Next week"), "week", "read", "planned_visit"),
    Way("/tools", N_("Test tools"), "test", "read", "tool"),
    Way("/scales", N_("Scales"), "scale", "change", "scale"),
    Way("/exercises", N_("Exercises"), "exercise", "read", "exercise"),
    Way("/imports", N_("Imports"), "import", "run", "import"),
    Way("/exports", N_("Exports"), "export", "export", "file"),
    Way("/places", N_("Places"), "place", "create", "place", also=("/boundary-changes",)),
    Way("/years", N_("School years"), "year", "create", "school_year"),
    Way(
        "/settings",
        N_("Settings"),
        "settings",
        "change",
        "time_zone",
        also=("/public-page", "/webhooks", "/languages", "/design"),
    ),
    Way("/people", N_("People"), "badge", "read", "person", also=("/requests", "/assignments")),
    Way("/deleted", N_("Deleted things"), "bin", "restore", "student"),
    Way("/audit", N_("Audit log"), "audit", "read", "audit"),
    Way("/operations", N_("Operations"), "pulse", "read", "metric"),
    Way("/account", N_("My account"), "account"),
)
"""All there are; whoever uses few finds the rest in this order."""
_BY_HREF = {way.href: way for way in WAYS}

FIRST: dict[Role, tuple[str, ...]] = {
    "teacher": ("/", "/students", "/groups", "/figures"),
    "mentor": ("/", "/next-week", "/verification", "/figures"),
    "viewer": ("/", "/figures", "/schools"),
}
"""What a role uses all day, in its order: headings of their own. The rest is under “More”."""
MOST_HEADINGS = 5

LEADING: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (N_("Home"), "home", ("/", "/account")),
    (N_("Schools"), "school", ("/schools", "/students", "/places", "/imports", "/deleted")),
    (
        N_("Teaching"),
        "board",
        (
            "/rounds",
            "/verification",
            "/visits",
            "/next-week",
            "/groups",
            "/resources",
            "/tools",
            "/scales",
            "/exercises",
        ),
    ),
    (N_("Figures"), "figures", ("/figures", "/exports")),
    (N_("Setup"), "flag", ("/people", "/years", "/settings", "/audit", "/operations")),
)
"""The headings of whoever leads, with what is inside each; every entry is in exactly one."""


def headings_of(actor: Actor | None) -> list[Heading]:
    """The headings of this person's bar, at most five, with the entries that they may open; none for a stranger."""
    if actor is None:
        return []
    if actor.role not in FIRST:
        groups = [(name, icon, _open(actor, hrefs)) for name, icon, hrefs in LEADING]
        return [Heading(name, icon, ways) for name, icon, ways in groups if ways]
    first = FIRST[actor.role]
    rest = _open(actor, tuple(way.href for way in WAYS if way.href not in first))
    headings = [Heading(way.name, way.icon, (way,)) for way in _open(actor, first)]
    if len(headings) + len(rest) <= MOST_HEADINGS:
        return [*headings, *(Heading(way.name, way.icon, (way,)) for way in rest)]
    return [*headings, Heading(N_("More"), "more", rest, is_rest=True)]


def _open(actor: Actor, hrefs: tuple[str, ...]) -> tuple[Way, ...]:
    ways = (_BY_HREF[href] for href in hrefs)
    return tuple(way for way in ways if may(actor, way.action, way.resource))
