"""Mentors' visits: the form filled in, drafts, follow-up actions, the plan, next week, calendars, locks, the export.

Public: visits (`save_visit`, `read_visit`, `list_visits`, `delete_visit`, `lock_visits`, `lock_visits_of_school`), follow-ups
(`raise_follow_up`, `close_follow_up`, `list_follow_ups`), the plan (`plan_visit`, `move_planned_visit`, `cancel_planned_visit`,
`list_planned_visits`, `rank_next_week`, `list_left_behind`, `hand_over_visit`, `hand_over_planned_visit`, `set_week_rules`, `to_do_of`), calendars, `visits_csv`, `visits_per_school_month`.
"""

from rightlevel.programme.visits.actions import (
    answers_as_typed,
    answers_of_page,
    as_written,
    blank_visit,
    changeable_visit,
    delete_visit,
    questions_of_visit,
    save_visit,
    standing_otherwise,
    subjects_of,
    teachers_of_school,
    visit_in_print,
)
from rightlevel.programme.visits.calendars import (
    CalendarLink,
    CalendarMade,
    list_calendar_links,
    make_calendar_link,
    read_calendar,
    revoke_calendar_link,
    sweep_calendar_links,
)
from rightlevel.programme.visits.export import forms_in_use, question_columns, rows_of_visits
from rightlevel.programme.visits.follow_ups import (
    close_follow_up,
    is_above,
    list_follow_ups,
    owners_of_school,
    raise_follow_up,
)
from rightlevel.programme.visits.icalendar import calendar_of
from rightlevel.programme.visits.left_behind import (
    HandOver,
    LeftBehind,
    hand_over_planned_visit,
    hand_over_visit,
    list_left_behind,
    mentors_of_school,
)
from rightlevel.programme.visits.locks import lock_visits, lock_visits_of_school
from rightlevel.programme.visits.model import (
    FollowUp,
    MonthOfVisits,
    NewFollowUp,
    NewPlannedVisit,
    PlannedVisit,
    SavedVisit,
    Visit,
    VisitRow,
    VisitSearch,
    VisitWrite,
)
from rightlevel.programme.visits.next_week import DueSchool, NextWeek, WeekRules
from rightlevel.programme.visits.plan_store import ToDo
from rightlevel.programme.visits.planning import (
    cancel_planned_visit,
    list_planned_visits,
    move_planned_visit,
    plan_visit,
    rank_next_week,
    set_week_rules,
    to_do_of,
)
from rightlevel.programme.visits.reading import (
    check_search,
    list_visits,
    read_visit,
    visible_visit,
    visits_per_school_month,
)
from rightlevel.programme.visits.store import Choice

__all__ = [
    "check_search",
    "forms_in_use",
    "question_columns",
    "rows_of_visits",
    "CalendarLink",
    "CalendarMade",
    "Choice",
    "DueSchool",
    "FollowUp",
    "HandOver",
    "LeftBehind",
    "MonthOfVisits",
    "NewFollowUp",
    "NewPlannedVisit",
    "NextWeek",
    "PlannedVisit",
    "SavedVisit",
    "ToDo",
    "Visit",
    "VisitRow",
    "VisitSearch",
    "VisitWrite",
    "WeekRules",
    "answers_as_typed",
    "answers_of_page",
    "as_written",
    "blank_visit",
    "calendar_of",
    "cancel_planned_visit",
    "changeable_visit",
    "close_follow_up",
    "delete_visit",
    "hand_over_planned_visit",
    "hand_over_visit",
    "is_above",
    "list_calendar_links",
    "list_follow_ups",
    "list_left_behind",
    "list_planned_visits",
    "list_visits",
    "lock_visits",
    "lock_visits_of_school",
    "make_calendar_link",
    "mentors_of_school",
    "move_planned_visit",
    "owners_of_school",
    "plan_visit",
    "questions_of_visit",
    "raise_follow_up",
    "rank_next_week",
    "read_calendar",
    "read_visit",
    "revoke_calendar_link",
    "save_visit",
    "set_week_rules",
    "standing_otherwise",
    "subjects_of",
    "sweep_calendar_links",
    "teachers_of_school",
    "to_do_of",
    "visible_visit",
    "visit_in_print",
    "visits_per_school_month",
]
