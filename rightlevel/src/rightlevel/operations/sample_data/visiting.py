"""A mentor's visits in the demonstration: some weeks of them on the first form, follow-up actions, a draft, and next week's plan."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from flatwater.clock import Clock, StandingClock, today
from flatwater.transaction import Session
from rightlevel.operations.sample_data.building import a_uuid
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject
from rightlevel.programme.visits import (
    NewFollowUp,
    NewPlannedVisit,
    VisitWrite,
    close_follow_up,
    plan_visit,
    raise_follow_up,
    save_visit,
)

WEEKS: Final = 8
A_WEEK: Final = 4
RAN: Final = 0.9
GOOD: Final = 0.8
"""How often a part of the lesson is as it should be; it gets better week by week."""
MATERIALS: Final[dict[Subject, tuple[str, ...]]] = {
    "language": ("syllable_chart", "picture_cards", "word_cards", "story_cards", "language_manual"),
    "math": ("number_chart", "place_value_cards", "play_money", "counting_sticks", "math_manual"),
}
ACTIVITIES: Final[dict[Subject, tuple[str, ...]]] = {
    "language": (
        "free_talk",
        "read_paragraph",
        "basket_game",
        "letter_jump",
        "build_words",
        "continue_story",
    ),
    "math": ("bundles", "number_jump", "place_value", "numbers_money", "word_problem", "subtract_bundles"),
}
LEVELS: Final[dict[Subject, tuple[str, ...]]] = {
    "language": ("beginner", "letter", "word"),
    "math": ("beginner", "number_2digit", "subtraction"),
}
AGREED: Final = (
    "Put the children of the two lowest groups nearer to the board",
    "Write the plan of the week before Monday",
    "Ask the head for more counting sticks",
    "Let every child practise before going on",
)
NOT_RAN: Final = ("The teacher was ill", "School holiday", "The room was used for a meeting")


async def add_visits(
    session: Session,
    mentor: Actor,
    school_ids: list[int],
    taught: tuple[int, int],
    chance: random.Random,
    clock: Clock,
) -> None:
    """Visits of the last weeks at the mentor's schools, and `taught` (a school and its teacher) among them. *Cost*: about 250 statements."""
    day = today(clock)
    agreed: list[tuple[str, int]] = []
    for week in range(WEEKS):
        for number in range(A_WEEK):
            visited_on = day - timedelta(days=7 * (WEEKS - week) - number)
            subject = SUBJECTS[(week + number) % 2]
            school_id, teacher_id = taught if number == 0 else (chance.choice(school_ids), None)
            at = _at(visited_on)
            write = VisitWrite(
                id=_uuid(at, chance),
                write_id=_uuid(at, chance),
                school_id=school_id,
                subject=subject,
                visited_on=visited_on,
                answers=_answers(subject, week / WEEKS, chance),
                teacher_id=teacher_id,
            )
            visit = (await save_visit(session, mentor, write, at, is_submitting=True)).visit
            if number == 0:
                new = NewFollowUp(
                    _uuid(at, chance), taught[1], visited_on + timedelta(14), AGREED[week % len(AGREED)]
                )
                raised = await raise_follow_up(session, mentor, visit.id, new, at)
                agreed.append((raised.id, raised.version))
    for follow_up_id, version in agreed[:-3]:
        await close_follow_up(
            session,
            mentor,
            follow_up_id,
            state="done",
            words="Seen at the next visit",
            version=version,
            clock=_at(day - timedelta(3)),
        )
    await _draft(session, mentor, taught, day - timedelta(1), chance)
    for number, school_id in enumerate(school_ids[:3]):
        planned_on = day + timedelta(7 - day.weekday() + number)
        await plan_visit(
            session,
            mentor,
            NewPlannedVisit(_uuid(clock, chance), school_id, SUBJECTS[number % 2], planned_on),
            clock,
        )


async def _draft(
    session: Session, mentor: Actor, taught: tuple[int, int], visited_on: date, chance: random.Random
) -> None:
    at = _at(visited_on)
    begun = {"session_ran": True, "full_session": True, "grades": ["4"], "enrolled": 24}
    write = VisitWrite(
        id=_uuid(at, chance),
        write_id=_uuid(at, chance),
        school_id=taught[0],
        subject="math",
        visited_on=visited_on,
        answers=begun,
        teacher_id=taught[1],
    )
    await save_visit(session, mentor, write, at)


def _answers(subject: Subject, progress: float, chance: random.Random) -> dict[str, Any]:
    """What a mentor fills in after a lesson; the later, the better it went."""
    if chance.random() > RAN:
        return {"session_ran": False, "not_ran_reason": chance.choice(NOT_RAN)}

    def good() -> bool:
        return chance.random() < GOOD - 0.2 + 0.35 * progress

    enrolled = chance.randint(18, 30)
    present = enrolled - chance.randint(0, 5)
    answers: dict[str, Any] = {
        "session_ran": True,
        "full_session": good(),
        "grades": [chance.choice(("3", "4", "5"))],
        "levels": list(LEVELS[subject]),
        "enrolled": enrolled,
        "present": present,
        "improved": chance.randint(0, present // 3),
        "classes_before": 4 + round(30 * progress),
        "started_on_time": good(),
        "materials": chance.sample(MATERIALS[subject], 3),
        "grouped_by_level": good(),
        "all_involved": good(),
        "has_plan": good(),
    }
    if not answers["started_on_time"]:
        answers["late_reason"] = "The children came late"
    if answers["has_plan"]:
        answers |= {"plan_followed": good(), "plan_suits": good()}
        if not answers["plan_followed"]:
            answers["not_followed_reason"] = "There was no time for the last part"
    else:
        answers["no_plan_reason"] = "Not written yet"
    answers["activities"] = [
        {
            "name": each,
            "minutes": chance.choice((10, 15, 20)),
            "clear": good(),
            "followed": good(),
            "demonstrated": good(),
            "practised": chance.choice(("all", "some")),
        }
        for each in chance.sample(ACTIVITIES[subject], 2)
    ]
    answers["feedback"] = "The games went well; give slower children more time."
    return answers


def _at(day: date) -> StandingClock:
    return StandingClock(datetime.combine(day, time(15), UTC))


def _uuid(clock: Clock, chance: random.Random) -> str:
    return a_uuid(int(clock.now().timestamp() * 1000), chance)
