"""Interventions: programmes that children are enrolled in, with dates, outcome and history.

Public: `list_interventions`, `read_intervention`, `create_intervention`, `change_intervention`, `delete_intervention`,
`restore_intervention`; `enrol_children`, `list_enrolments`, `read_enrolment`, `change_enrolment`, `list_enrolment_changes`; their values.
"""

from rightlevel.programme.interventions.actions import (
    change_enrolment,
    change_intervention,
    create_intervention,
    delete_intervention,
    enrol_children,
    list_enrolment_changes,
    list_enrolments,
    list_interventions,
    read_enrolment,
    read_intervention,
    restore_intervention,
)
from rightlevel.programme.interventions.model import (
    OUTCOMES,
    Enrolment,
    EnrolmentAnswer,
    EnrolmentChange,
    EnrolmentPast,
    EnrolmentWrite,
    Intervention,
    InterventionWrite,
)

__all__ = [
    "OUTCOMES",
    "Enrolment",
    "EnrolmentAnswer",
    "EnrolmentChange",
    "EnrolmentPast",
    "EnrolmentWrite",
    "Intervention",
    "InterventionWrite",
    "change_enrolment",
    "change_intervention",
    "create_intervention",
    "delete_intervention",
    "enrol_children",
    "list_enrolment_changes",
    "list_enrolments",
    "list_interventions",
    "read_enrolment",
    "read_intervention",
    "restore_intervention",
]
