"""The one seam between visits and forms: a visit's form, what its answers give, and its columns.

Until the room of forms is there this asks the four questions that every visit answers; visits keep the version they were made with, so
those made now stay readable. Fidelity is None until a form gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.visits.store import Judged

FIRST_VERSION: Final = 1
QUESTIONS: Final = ("session_ran", "not_ran_reason", "feedback", "recommendations")
MAX_TEXT: Final = 2_000


class FormUsed(msgspec.Struct, frozen=True):
    """A version of a form."""

    version_id: int


class Read(msgspec.Struct, frozen=True):
    """What was read of a visit's answers, and what is wrong or missing."""

    judged: Judged
    faults: tuple[Fault, ...] = ()
    missing: tuple[str, ...] = ()


async def form_for_new(session: Session, version_id: int | None) -> FormUsed:
    """The form for a new visit: the present one. *Errors*: Invalid for one that there is not."""
    if version_id not in (None, FIRST_VERSION):
        raise Invalid(faults=(Fault("form_version_id", "This form is not there", str(version_id)),))
    return FormUsed(FIRST_VERSION)


async def form_of(session: Session, version_id: int) -> FormUsed:
    """The form that a visit was made with."""
    return FormUsed(version_id)


def judge(form: FormUsed, raw: Mapping[str, Any], *, is_submitting: bool) -> Read:
    """What the answers give. Answers to what was not asked are not kept."""
    given = {name: str(raw[name]).strip() for name in QUESTIONS if raw.get(name) not in (None, "")}
    answers = {name: text for name, text in given.items() if text}
    faults = [
        Fault(name, f"At most {MAX_TEXT} characters")
        for name, text in answers.items()
        if len(text) > MAX_TEXT
    ]
    ran = answers.get("session_ran")
    if ran not in (None, "yes", "no"):
        faults.append(Fault("session_ran", "One of: yes, no", ran[:60]))
    if ran != "no":
        answers.pop("not_ran_reason", None)
    needed = ("session_ran", "not_ran_reason") if ran == "no" else ("session_ran",)
    missing = tuple(name for name in needed if name not in answers)
    shown = 4 if ran == "no" else 3
    state = "submitted" if is_submitting else "draft"
    return Read(Judged(answers, state, min(1.0, len(answers) / shown), None, None), tuple(faults), missing)


def columns(form: FormUsed) -> list[str]:
    """The names of a form's columns in an export."""
    return list(QUESTIONS)


def row_of(form: FormUsed, answers: Mapping[str, Any]) -> dict[str, Any]:
    """A visit's answers by column."""
    return {name: answers.get(name) for name in QUESTIONS}
