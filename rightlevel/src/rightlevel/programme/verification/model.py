"""Re-tests: frozen values, the states they go through, and the one guard of what may be tested again by whom. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Literal, get_args

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.levels import Scale, scale_of_round
from rightlevel.programme.permissions import Actor, Subject, allowed
from rightlevel.programme.results import TESTERS
from rightlevel.programme.verification.agreement import Agreement

State = Literal["pending", "agreed", "disagreed", "resolved", "returned", "withdrawn", "ended"]
STATES: tuple[State, ...] = get_args(State)
MAX_NOTES = 500
MAX_REASON = 200
MAX_RETESTS = 200
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

STEPS: dict[tuple[str, str], str] = {
    ("pending", "agreed"): "retest",
    ("pending", "disagreed"): "retest",
    ("pending", "withdrawn"): "withdraw",
    ("disagreed", "resolved"): "resolve",
    ("disagreed", "returned"): "return",
    ("disagreed", "withdrawn"): "withdraw",
    ("returned", "ended"): "answer",
    ("returned", "withdrawn"): "withdraw",
    ("agreed", "withdrawn"): "withdraw",
    ("resolved", "withdrawn"): "withdraw",
}
"""(from, to) → the deed that leads there. What is not here can't happen; withdrawn and ended are the end.

A change of the result ends what its re-tests said, by itself and whoever makes it (trigger result_ends_its_retests)."""

REFUSALS: dict[str, str] = {
    "invalid": "Some of what was entered can't be right. Please look at the marked fields.",
    "write_id_reused": "This write id was already used for something else. Make a new one for every new write.",
    "not_found": "This result is not there, or not yours to see.",
    "out_of_scope": "This school or subject is not assigned to you.",
    "nothing_to_verify": "This child was not assessed, so there is no level to verify.",
    "own_result": "Somebody else tests again: you entered this result yourself.",
    "already_verified": "This result is verified already.",
    "awaits_decision": "This result was tested again, and the two levels differ. A coordinator decides.",
    "returned": "This result was returned to its teacher, who looks at it first.",
    "not_yet": "This re-test is planned for a later day.",
    "same_tool": "The re-test is done with another tool than the first test.",
    "date_in_future": "The day of the test is in the future.",
    "before_first": "The re-test can't be before the first test.",
    "round_planned": "This round is not open.",
    "round_frozen": "This round is frozen. A coordinator can amend it, with a reason.",
    "school_locked": "This school is locked in this round.",
    "exercise_due": "Pass the exercise for testers of this subject first. It stands under Exercises.",
}
"""Each code that a re-test can be refused with, and its sentence (a catalogue key)."""
FORBIDDING = frozenset({"out_of_scope", "own_result"})


class Retest(msgspec.Struct, frozen=True):
    """One re-test to save. `id` is made by the sender for this one write. A child that was not there is `absent` or `refused`.

    `reason` is a coordinator's, for testing past a school's lock.
    """

    id: str
    result_id: str
    tested_on: date
    outcome: str = "assessed"
    level: str | None = None
    tool: int | None = None
    notes: str | None = None
    reason: str | None = None


class RetestAnswer(msgspec.Struct, frozen=True):
    """What became of one re-test: `agreed`, `disagreed`, `missed`, or a refusal's code and sentence.

    The first level is told only now that the second is saved.
    """

    id: str
    code: str
    verification_id: str | None = None
    version: int | None = None
    first_level: str | None = None
    level: str | None = None
    message: str = ""
    faults: list[Fault] = []

    @property
    def is_saved(self) -> bool:
        return self.code in ("agreed", "disagreed", "missed")


class RetestFacts(msgspec.Struct, frozen=True):
    """What one re-test is judged by, read and locked in the write's own transaction."""

    number: int
    result_id: str | None
    student_id: str | None
    school_id: int | None
    child_school_id: int | None
    child_class_id: int | None
    round_id: int | None
    subject: Subject | None
    outcome: str | None
    rank: int | None
    tool: int | None
    tested_on: date | None
    assessor_id: int | None
    is_verified: bool
    round_state: str | None
    school_is_locked: bool
    verification_id: str | None
    verification_version: int | None
    state: str | None
    visible_on: date | None
    done_state: str | None
    done_result_id: str | None
    done_verification_id: str | None
    done_version: int | None
    done_first_rank: int | None
    done_rank: int | None
    exercise_is_due: bool = False
    """Whether the programme asks for an exercise in this subject that whoever tests again has yet to pass."""


class QueueRow(msgspec.Struct, frozen=True):
    """One re-test to do or to decide. While it is pending nobody is told the first level here; afterwards both stand side by side."""

    id: str
    result_id: str
    student_id: str
    code: str
    name: str
    grade: int
    round_id: int
    subject: Subject
    school_id: int
    school_name: str
    state: str
    visible_on: date
    first_tested_on: date
    first_tool: int | None
    first_by: str
    missed: int
    version: int
    tested_on: date | None
    verifier_name: str | None
    first_rank: int | None
    rank: int | None
    reason: str | None
    ended_from: str | None
    ended_at: datetime | None
    ended_why: str | None
    """Of one that no longer concerns its result: what it was, since when, and why."""
    first_level: str | None = None
    level: str | None = None


class Returned(msgspec.Struct, frozen=True):
    """A result that its teacher is asked to look at again. The re-test's level is not told."""

    id: str
    result_id: str
    student_id: str
    code: str
    name: str
    school_id: int
    school_name: str
    round_id: int
    subject: str
    reason: str
    settled_at: datetime
    version: int


class Verification(msgspec.Struct, frozen=True):
    """One re-test as it stands."""

    id: str
    result_id: str
    round_id: int
    subject: Subject
    school_id: int
    state: str
    version: int
    verifier_id: int | None
    first_assessor_id: int | None
    first_level: str | None
    level: str | None
    stands: str | None
    reason: str | None
    ended_from: str | None = None
    ended_at: datetime | None = None
    ended_why: str | None = None
    """Of one that no longer concerns its result: what it was, since when, and why."""


class NewDraw(msgspec.Struct, frozen=True):
    """What a sample needs: a round, a subject, a school or a place, how precise it is to be, and the day on which mentors see it.

    The same seed draws the same children; without one it is made up and kept.
    """

    round_id: int
    subject: str
    school_id: int | None = None
    place_id: int | None = None
    margin: float = 0.05
    confidence: float = 0.95
    expected: float = 0.5
    seed: int | None = None
    visible_on: date | None = None


class Plan(msgspec.Struct, frozen=True):
    """How many results could be drawn, and how many would be."""

    population: int
    size: int
    schools: int


class Draw(msgspec.Struct, frozen=True):
    """A sample that was drawn. `added` are those that were not under re-test already."""

    id: int
    round_id: int
    subject: str
    school_id: int | None
    place_id: int | None
    seed: int
    margin: float
    confidence: float
    expected: float
    population: int
    size: int
    added: int
    visible_on: date
    drawn_at: datetime
    drawn_by: str


class AgreementOf(msgspec.Struct, frozen=True):
    """The agreement of one group: everybody's, or a teacher's, a school's, a tool's."""

    key: int | None
    name: str
    agreement: Agreement


class Decision(msgspec.Struct, frozen=True):
    """Which of two levels stands, and why."""

    id: str
    version: int
    stands: str
    reason: str


class DecisionAnswer(msgspec.Struct, frozen=True):
    """What became of one decision: `resolved`, or `not_found`, `stale`, `wrong_state`, `invalid` and the like, with a sentence."""

    id: str
    code: str
    version: int | None = None
    message: str = ""


def scale_of_facts(facts: RetestFacts) -> Scale | None:
    """What the round of a result is measured by; None for a result that is not there."""
    if facts.subject is None or facts.round_id is None:
        return None
    return scale_of_round(facts.round_id, facts.subject)


def rank_of_level(scale: Scale | None, level: str | None) -> int | None:
    """The rank of a level's code on a scale."""
    return None if scale is None else scale.ranks.get(level or "")


def retest_faults(write: Retest) -> list[Fault]:
    """Everything wrong with a re-test by itself; its level is looked at with the subject."""
    faults = [
        Fault(field, "A UUID", given[:60])
        for field, given in (("id", write.id), ("result_id", write.result_id))
        if _UUID.fullmatch(given) is None
    ]
    if write.outcome not in ("assessed", "absent", "refused"):
        faults.append(Fault("outcome", "One of: assessed, absent, refused", write.outcome[:60]))
    if write.outcome == "assessed" and write.tool is None:
        faults.append(Fault("tool", "Please fill this in"))
    if write.tool is not None and not 1 <= write.tool <= 4:
        faults.append(Fault("tool", "Between 1 and 4", str(write.tool)[:20]))
    if write.outcome != "assessed" and write.level is not None:
        faults.append(Fault("level", "Only an assessed child has a level", write.level[:60]))
    for field, text, longest in (("notes", write.notes, MAX_NOTES), ("reason", write.reason, MAX_REASON)):
        if text and (len(text) > longest or "\0" in text):
            faults.append(Fault(field, f"At most {longest} characters"))
    return faults


def level_faults(write: Retest, facts: RetestFacts) -> list[Fault]:
    """What is wrong with a re-test's level on the scale of the result's subject."""
    scale = scale_of_facts(facts)
    if write.outcome != "assessed" or scale is None or rank_of_level(scale, write.level):
        return []
    codes = ", ".join(scale.codes)
    return [Fault("level", f"One of: {codes}", (write.level or "")[:60])]


def judge_retest(actor: Actor, write: Retest, facts: RetestFacts, today: date) -> str:
    """`agreed`, `disagreed`, `missed`, `repeated`, or the code of the first rule that the re-test breaks."""
    if facts.done_state is not None:
        return "repeated" if facts.done_result_id == facts.result_id else "write_id_reused"
    if facts.result_id is None or facts.child_school_id is None or facts.subject is None:
        return "not_found"
    if not actor.scope.covers(facts.child_school_id, class_id=facts.child_class_id):
        return "not_found"
    if not actor.scope.covers(facts.child_school_id, subject=facts.subject, class_id=facts.child_class_id):
        return "out_of_scope"
    broken = next((code for code, is_broken in _rules(actor, write, facts, today) if is_broken), None)
    if broken is not None:
        return broken
    if write.outcome != "assessed":
        return "missed"
    if level_faults(write, facts):
        return "invalid"
    return "agreed" if rank_of_level(scale_of_facts(facts), write.level) == facts.rank else "disagreed"


def _rules(actor: Actor, write: Retest, facts: RetestFacts, today: date) -> list[tuple[str, bool]]:
    """The rules of a re-test, in the order in which a person can mend them."""
    may_override = allowed(actor.role, "override", "result") and bool(write.reason and write.reason.strip())
    return [
        ("nothing_to_verify", facts.outcome != "assessed"),
        ("own_result", facts.assessor_id == actor.person_id),
        ("already_verified", facts.is_verified),
        ("awaits_decision", facts.state == "disagreed"),
        ("returned", facts.state == "returned"),
        ("round_frozen", facts.round_state == "frozen"),
        ("round_planned", facts.round_state == "planned"),
        ("school_locked", facts.school_is_locked and not may_override),
        (
            "not_yet",
            facts.visible_on is not None and facts.visible_on > today and actor.role == "mentor",
        ),
        ("date_in_future", write.tested_on > today),
        ("before_first", facts.tested_on is not None and write.tested_on < facts.tested_on),
        (
            "same_tool",
            write.outcome == "assessed" and facts.tool is not None and write.tool == facts.tool,
        ),
        (
            "exercise_due",
            facts.exercise_is_due and actor.role in TESTERS and write.outcome == "assessed",
        ),
    ]


def with_levels(row: QueueRow) -> QueueRow:
    """A row with its levels' codes once the re-test is saved; a pending one says neither."""
    if "pending" in (row.state, row.ended_from):
        return msgspec.structs.replace(row, first_rank=None, rank=None)
    scale = scale_of_round(row.round_id, row.subject)
    return msgspec.structs.replace(
        row, first_level=scale.code_at(row.first_rank), level=scale.code_at(row.rank)
    )
