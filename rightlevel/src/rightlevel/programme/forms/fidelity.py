"""How faithful a lesson was to the method: points over what applied.

*Source*: product.md section 6: ran, on time, grouped, involved, plan, followed, suits level, materials (at least one), and the mean over
activities of (clear, followed). What was not asked, not answered or not known counts neither way: never as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from rightlevel.programme.forms.definition import Form

PARTS: Final = (
    "ran",
    "on_time",
    "grouped",
    "involved",
    "plan",
    "followed",
    "suits_level",
    "materials",
    "activities",
    "activity_clear",
    "activity_followed",
)
"""What a form's `fidelity` may name: each the key of a question; the last two are asked within `activities`."""
PLAIN: Final = PARTS[:7]
NONE: Final = "none"
"""The choice that says that there was no material at all, which is an answer and counts as zero."""


class Fidelity(msgspec.Struct, frozen=True):
    """Points over what applied; `score` None when nothing did. `parts` is what each part gave, None where it did not apply."""

    points: float
    applicable: int
    score: float | None
    parts: dict[str, float | None]


def fidelity_of(form: Form, answers: Mapping[str, Any]) -> Fidelity:
    """The score of examined answers. Parts that the form does not ask about do not apply."""
    keys = form.fidelity
    parts: dict[str, float | None] = {part: _truth(answers.get(keys.get(part, ""))) for part in PLAIN}
    parts["materials"] = _materials(answers.get(keys.get("materials", "")))
    parts["activities"] = _activities(keys, answers.get(keys.get("activities", "")))
    given = [each for each in parts.values() if each is not None]
    points = sum(given)
    return Fidelity(points, len(given), points / len(given) if given else None, parts)


def _truth(answer: Any) -> float | None:
    return float(answer) if isinstance(answer, bool) else None


def _materials(answer: Any) -> float | None:
    if not isinstance(answer, list) or not answer:
        return _truth(answer)
    return 0.0 if answer == [NONE] else 1.0


def _activities(keys: Mapping[str, str], rows: Any) -> float | None:
    """The mean over activities, each the mean of what is known of it."""
    means: list[float] = []
    for row in cast("list[dict[str, Any]]", rows or []):
        found = [_truth(row.get(keys.get(part, ""))) for part in ("activity_clear", "activity_followed")]
        known = [each for each in found if each is not None]
        if known:
            means.append(sum(known) / len(known))
    return sum(means) / len(means) if means else None
