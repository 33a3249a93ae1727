"""Visits: drafts, sending, locks, follow-ups, the plan, next week, photos, and what mentors left behind."""

from __future__ import annotations

from datetime import date
from types import NoneType

import msgspec

from flatwater.paging import PageLimit
from rightlevel.programme import photos, visits
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import May
from rightlevel.web.feature import REMOVED, Deeds, Filters
from rightlevel.web.request import CLASS_BODY, VersionAndReason
from rightlevel.web.results import LockAnswers
from rightlevel.web.visits import files, pages, plan


class VisitDeletion(msgspec.Struct, frozen=True):
    """Which version is taken away, and why."""

    version: int
    reason: str = ""


class Locks(msgspec.Struct, frozen=True):
    """Up to 1,000 visits to lock or unlock, and why."""

    visit_ids: list[str]
    reason: str
    is_lock: bool = msgspec.field(name="lock", default=True)


class SchoolLock(msgspec.Struct, frozen=True):
    """A school's submitted visits of a time to lock or unlock, and why."""

    school_id: int
    from_on: date
    to_on: date
    reason: str
    is_lock: bool = msgspec.field(name="lock", default=True)


class Changed(msgspec.Struct, frozen=True):
    """How many visits changed."""

    changed: int


class FollowUpSearch(msgspec.Struct, frozen=True):
    """Which follow-ups are asked for: `open`, `overdue` or `closed`; one's own; of a school or place; of a visit, all."""

    which: str = "open"
    own: bool = False
    school_id: int | None = None
    place_id: int | None = None
    visit_id: str | None = None


class FollowUpForm(msgspec.Struct, frozen=True):
    """Follow-up actions."""

    due_on: date
    owner_id: int
    words: str

    def meant(self) -> visits.NewFollowUp:
        return visits.NewFollowUp(time_ordered_id(), self.owner_id, self.due_on, self.words)


class Ending(msgspec.Struct, frozen=True):
    """How a follow-up ended, `done` or `cancelled`, in words."""

    version: int
    state: str
    words: str


class PlanSearch(msgspec.Struct, frozen=True):
    """Which planned visits are asked for: `planned`, `overdue` or `all`."""

    which: str = "planned"
    mentor_id: int | None = None
    school_id: int | None = None


class PlanForm(msgspec.Struct, frozen=True):
    """A visit to plan."""

    school_id: int
    planned_on: date
    subject: str = ""
    mentor_id: int | None = None

    def meant(self) -> visits.NewPlannedVisit:
        new = time_ordered_id()
        return visits.NewPlannedVisit(new, self.school_id, self.subject, self.planned_on, self.mentor_id)


class NewDay(msgspec.Struct, frozen=True):
    """Another day for a planned visit."""

    version: int
    planned_on: date


class Months(msgspec.Struct, frozen=True):
    """Visits by whole months, those of both days included. Visits per school-month are visits over schools."""

    months: list[visits.MonthOfVisits]


class Photos(msgspec.Struct, frozen=True):
    """At most five photos."""

    photos: list[photos.Photo]


routes = Deeds("visits", "visit")
routes.answers(
    "list_all_visits",
    "GET /api/v1/visits",
    visits.list_visits,
    visits.VisitSearch,
    says="Visits that the caller may look at, the latest first.",
)
routes.answers("read_one_visit", "GET /api/v1/visits/{id}", visits.read_visit, says="One visit, whole.")
routes.does(
    visits.delete_visit,
    VisitDeletion,
    json=("delete_one_visit", "DELETE /api/v1/visits/{id}"),
    html=("post_delete_visit", "/visits/{id}/delete"),
    then="/visits",
    word=REMOVED,
)
routes.answers(
    "lock_many_visits",
    "POST /api/v1/visits/locks",
    visits.lock_visits,
    Locks,
    may="lock",
    gives=LockAnswers,
    body_bytes=CLASS_BODY,
    says="Locks or unlocks up to 1,000 submitted visits; each is answered by itself.",
)
routes.answers(
    "lock_school_visits",
    "POST /api/v1/visits/locks-of-school",
    visits.lock_visits_of_school,
    SchoolLock,
    may="lock",
    gives=Changed,
)
routes.answers(
    "months_of_all_visits",
    "GET /api/v1/visits-per-school-month",
    visits.visits_per_school_month,
    Filters,
    may=May("read", "figure"),
    gives=Months,
)
routes.answers(
    "list_visit_photos",
    "GET /api/v1/visits/{id}/photos",
    photos.list_photos,
    gives=Photos,
    says="The photos of a visit.",
)
routes.does(
    photos.remove_photo,
    json=("remove_one_photo", "DELETE /api/v1/photos/{id}"),
    html=("post_remove_photo", "/photos/{id}/remove"),
    may="change",
    gives=NoneType,
    then="/visits/{made}",
    word=REMOVED,
    says="Takes a photo off its visit.",
)

follow_ups = Deeds("visits", "follow_up")
follow_ups.answers(
    "list_all_follow_ups",
    "GET /api/v1/follow-ups",
    visits.list_follow_ups,
    FollowUpSearch,
    says="Follow-up actions, the most urgent first.",
)
follow_ups.does(
    visits.raise_follow_up,
    visits.NewFollowUp,
    json=("raise_one_follow_up", "POST /api/v1/visits/{id}/follow-ups"),
    html=("post_raise_follow_up", "/visits/{id}/follow-ups"),
    form=FollowUpForm,
    may="raise",
    made="/api/v1/follow-ups?visit_id={made.visit_id}",
    made_is="raised",
    then="/visits/{path.id}",
    says="Keeps a follow-up action of a visit: who does what until when.",
)
follow_ups.does(
    visits.close_follow_up,
    Ending,
    json=("close_one_follow_up", "POST /api/v1/follow-ups/{id}/close"),
    html=("post_close_follow_up", "/follow-ups/{id}/close"),
    may="settle",
    then="/follow-ups",
    says="Ends a follow-up action, `done` or `cancelled`, in words.",
)

planned = Deeds("visits", "planned_visit")
PLANS = May("plan", "visit")
planned.answers(
    "list_all_planned",
    "GET /api/v1/planned-visits",
    visits.list_planned_visits,
    PlanSearch,
    says="Planned visits in scope by day.",
)
planned.does(
    visits.plan_visit,
    visits.NewPlannedVisit,
    json=("plan_one_visit", "POST /api/v1/planned-visits"),
    html=("post_plan_visit", "/next-week/plan"),
    form=PlanForm,
    may=PLANS,
    made="/api/v1/planned-visits?school_id={made.school_id}",
    made_is="planned",
    then="/next-week",
    says="Plans a visit; mentors their own, leaders anybody's.",
)
planned.answers(
    "move_one_planned",
    "POST /api/v1/planned-visits/{id}/move",
    visits.move_planned_visit,
    NewDay,
    may=PLANS,
)
planned.does(
    visits.cancel_planned_visit,
    VersionAndReason,
    json=("cancel_one_planned", "POST /api/v1/planned-visits/{id}/cancel"),
    html=("post_cancel_planned", "/planned-visits/{id}/cancel"),
    may=PLANS,
    then="/next-week",
    says="Cancels a planned visit, and says why.",
)
planned.answers(
    "read_next_week",
    "GET /api/v1/next-week",
    visits.rank_next_week,
    plan.WeekWanted,
    says="A mentor's schools by how much a visit is called for, with what the rank was made of.",
)
planned.answers(
    "set_next_week_rules",
    "PUT /api/v1/next-week/rules",
    visits.set_week_rules,
    visits.WeekRules,
    may=May("change", "week_rules"),
    says="Sets the weights of the reasons, and what each is measured against.",
)
planned.sends(
    "post_revoke_calendar",
    "/calendar-links/{id}/revoke",
    visits.revoke_calendar_link,
    may="read",
    then="/next-week",
)
planned.answers(
    "list_all_left_behind",
    "GET /api/v1/left-behind",
    visits.list_left_behind,
    may=PLANS,
    page=PageLimit(50),
    says="Drafts and plans whose mentor does not work there any more: for leaders all, for a mentor those at the schools they hold.",
)
planned.answers(
    "hand_over_one_visit",
    "POST /api/v1/visits/{id}/hand-over",
    visits.hand_over_visit,
    visits.HandOver,
    may=PLANS,
    says="Gives a draft to a mentor of its school; a mentor takes over one that was left there.",
)
planned.answers(
    "hand_over_one_planned",
    "POST /api/v1/planned-visits/{id}/hand-over",
    visits.hand_over_planned_visit,
    visits.HandOver,
    may=PLANS,
    says="Gives a planned visit to a mentor of its school; a mentor takes over one that was left there.",
)
for each in (follow_ups, planned, files.routes, pages.routes, plan.routes):
    routes.include(each)
