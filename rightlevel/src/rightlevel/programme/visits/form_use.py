"""What visits ask of forms: the form of a visit, what its answers give, and its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from flatwater.transaction import Session
from rightlevel.programme.errors import Fault
from rightlevel.programme.visits.store import Judged


class FormUsed(msgspec.Struct, frozen=True):
    """A version of a form."""

    version_id: int
    form: Any = None


class Read(msgspec.Struct, frozen=True):
    """What was read of a visit's answers, and what is wrong or missing."""

    judged: Judged
    faults: tuple[Fault, ...] = ()
    missing: tuple[str, ...] = ()


async def form_for_new(session: Session, version_id: int | None) -> FormUsed:
    return FormUsed(version_id or 1)


async def form_of(session: Session, version_id: int) -> FormUsed:
    return FormUsed(version_id)


def judge(form: FormUsed, raw: Mapping[str, Any], *, is_submitting: bool) -> Read:
    missing = () if raw.get("session_ran") else ("session_ran",)
    return Read(Judged(dict(raw), "submitted" if is_submitting else "draft", 0.5, None, None), (), missing)


def columns(form: FormUsed) -> list[str]:
    return ["session_ran"]


def row_of(form: FormUsed, answers: Mapping[str, Any]) -> dict[str, Any]:
    return dict(answers)
