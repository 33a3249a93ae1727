"""Results: frozen values and the one write guard, pure: what may be written is decided here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, Literal, get_args

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.levels import SCALES, Scale, known_scales, scale_at
from rightlevel.programme.permissions import SUBJECTS, Actor, Role, Subject, allowed
from rightlevel.programme.results.guided import MAX_STEPS, THRESHOLDS, Step, Thresholds, guided_faults

Outcome = Literal["assessed", "absent", "refused", "left"]
Method = Literal["guided", "direct", "grid", "device"]
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
METHODS: tuple[Method, ...] = get_args(Method)
BY_FILE: tuple[str, ...] = ("import",)
"""How a result came by a file; nobody says it of what they enter."""
MAX_NOTES = 500
MAX_REASON = 200
MAX_ID = 2**63 - 1
MAX_VERSION = 2**31 - 1

REFUSALS: dict[str, str] = {
    "invalid": "Some of what was entered can't be right. Please look at the marked fields.",
    "write_id_reused": "This write id was already used for something else. Make a new one for every new write.",
    "not_found": "This child is not there, or not yours to see.",
    "merged": "This child was entered twice and is one record now. Enter it for the one that was kept.",
    "out_of_scope": "This school or subject is not assigned to you.",
    "no_round": "There is no such round.",
    "not_enrolled_in_year": "This child was not enrolled in the school year of this round.",
    "student_left": "This child had left the school by that day.",
    "date_in_future": "The day of the test is in the future.",
    "date_outside_round": "The day of the test is outside the round's days.",
    "round_not_open": "This round is not open.",
    "round_frozen": "This round is frozen. A coordinator can amend it, with a reason.",
    "round_sealing": "This round is being frozen at this moment. Please try again in a minute.",
    "school_locked": "This school is locked in this round.",
    "result_locked": "This result is locked.",
    "verified": "This result is verified, so it can't be changed.",
    "exercise_due": "Pass the exercise for testers of this subject first. It stands under Exercises.",
    "not_yours": "A mentor changes only what they entered themselves.",
    "conflict": "There is a result already. Look at both and decide.",
    "stale": "Somebody changed this in the meantime. Look at both and decide.",
}
"""Each code a write can be refused with, and its sentence (a catalogue key)."""

OVERRIDABLE = frozenset(
    {"date_outside_round", "round_not_open", "round_frozen", "school_locked", "result_locked", "verified"}
)
FORBIDDING = frozenset({"out_of_scope", "not_yours"})
TESTERS: frozenset[Role] = frozenset({"mentor", "teacher"})
"""Of whom a passed exercise may be asked."""


class ResultWrite(msgspec.Struct, frozen=True):
    """One result to save. `id` is made by the sender for this one write; `version` is that of the result it changes.

    `reason` is a coordinator's, for writing past a closed round or a lock.
    """

    id: str
    student_id: str
    round_id: int
    subject: str
    tested_on: date
    outcome: str = "assessed"
    level: str | None = None
    tool: int | None = None
    assent: bool | None = None
    is_selected: bool = False
    method: str = "direct"
    notes: str | None = None
    version: int | None = None
    reason: str | None = None
    steps: list[Step] = []
    """What a guided test consisted of; the level must follow from it."""
    tool_id: int | None = None
    """The version of the tool that the child was shown in a guided test."""
    rules_version: int | None = None
    """By which version of its rules a guided test was run; the newest where it is not told."""


class CurrentResult(msgspec.Struct, frozen=True):
    """A result as it stands on the server."""

    id: str
    version: int
    outcome: str
    level: str | None
    tested_on: date
    assessor_id: int
    notes: str | None
    tool: int | None = None
    assent: bool | None = None
    is_selected: bool = False
    method: str = "direct"
    is_blind: bool = False
    """Its level is hidden from whoever may have to test this child again."""


class ResultAnswer(msgspec.Struct, frozen=True):
    """What became of one write: `saved` or `changed`, else a refusal's code and sentence.

    The same write again gets the same answer. `current` is what is there when two must be looked at.
    """

    id: str
    code: str
    result_id: str | None = None
    version: int | None = None
    message: str = ""
    current: CurrentResult | None = None
    warnings: list[str] = []
    faults: list[Fault] = []
    merged_into: str | None = None
    """With `merged`: the id of the child's record that was kept."""

    @property
    def is_saved(self) -> bool:
        return self.code in ("saved", "changed")


class Facts(msgspec.Struct, frozen=True):
    """What one write is judged by, read and locked in the write's own transaction."""

    number: int
    school_id: int | None
    """With class, grade and sex where the child sits in the round; None when it was never enrolled in the round's year."""
    class_id: int | None
    grade: int | None
    sex: int | None
    now_school_id: int | None
    """With the class where the child is now; None when there is no such child."""
    now_class_id: int | None
    is_certain: bool | None
    """Whether the cell is told from what is locked; else somebody may have moved the child since the statement began."""
    student_left_on: date | None
    student_is_deleted: bool
    round_kind: str | None
    round_state: str | None
    round_is_sealing: bool | None
    starts_on: date | None
    ends_on: date | None
    school_is_locked: bool
    has_baseline: bool
    result_id: str | None
    result_school_id: int | None
    result_class_id: int | None
    result_version: int | None
    result_outcome: str | None
    result_rank: int | None
    result_tested_on: date | None
    result_assessor_id: int | None
    result_notes: str | None
    result_tool: int | None
    result_assent: bool | None
    result_is_selected: bool | None
    result_method: str | None
    result_is_locked: bool
    result_is_verified: bool
    verification_state: str | None
    """`pending`, `disagreed` or `returned` while a re-test of the present result is under way."""
    done_as: str | None
    """`saved` or `changed` when this very write id was done before, `other` when it was somebody's for something else."""
    done_result_id: str | None
    done_version: int | None
    merged_into: str | None = None
    """The child whose record this one went into, with where that one is."""
    kept_school_id: int | None = None
    kept_class_id: int | None = None
    exercise_is_due: bool = False
    """Whether the programme asks for an exercise in this subject that the writer has yet to pass."""
    scale: str | None = None
    """The key of the scale that the round is measured by; None without a round."""


class SheetRow(msgspec.Struct, frozen=True):
    """One child on a class sheet, with the result of the round and subject where there is one."""

    student_id: str
    code: str
    name: str
    sex: int
    grade: int
    class_id: int | None
    result_id: str | None
    version: int | None
    outcome: str | None
    level: str | None
    tested_on: date | None
    is_locked: bool
    is_verified: bool
    assessor_id: int | None = None
    is_blind: bool = False


class RoundResult(msgspec.Struct, frozen=True):
    """What came of one child's test in one round and subject; no rank where it is hidden from somebody who is to test again."""

    student_id: str
    round_id: int
    subject: Subject
    outcome: str
    rank: int | None
    assessor_id: int
    is_blind: bool = False


class SatThere(msgspec.Struct, frozen=True):
    """Where a child sat before, until which day."""

    school_name: str
    year_name: str
    grade: int
    section: str | None
    until_on: date


class MovedChild(msgspec.Struct, frozen=True):
    """A child that is elsewhere now, as those see it who work where it sat."""

    id: str
    name: str
    sat: list[SatThere]


class StudentResult(msgspec.Struct, frozen=True):
    """One result of a child, with the words that a history shows."""

    id: str
    student_id: str
    round_id: int
    round_kind: str
    year_name: str
    school_id: int
    subject: str
    outcome: str
    rank: int | None
    level: str | None
    tested_on: date
    tool: int | None
    assent: bool | None
    is_selected: bool
    method: str
    notes: str | None
    assessor_name: str
    assessor_id: int
    version: int
    is_locked: bool
    lock_reason: str | None
    is_verified: bool
    changed_at: datetime
    is_blind: bool = False


class GuidedTest(msgspec.Struct, frozen=True):
    """What one guided test of a result consisted of, by the write that brought it: the version of the tool that was shown, and of the rules."""

    write_id: str
    steps: list[Step]
    tool_id: int | None
    tool_version: int | None
    rules_version: int


class WithoutBaseline(msgspec.Struct, frozen=True):
    """A result of a later round whose child was not assessed at the baseline."""

    id: str
    student_id: str
    code: str
    name: str
    school_id: int
    school_name: str
    subject: str
    level: str | None
    tested_on: date


class LockAnswer(msgspec.Struct, frozen=True):
    """What became of one lock or unlocking: `locked`, `unlocked`, `already`, or `not_found`."""

    id: str
    code: str


class ResultChange(msgspec.Struct, frozen=True):
    """One change of a result: what it was and became, by whom and when."""

    write_id: str
    result_id: str
    version: int
    at: datetime
    person_name: str
    before: Any
    after: Any
    reason: str | None


def scale_of(subject: str, key: str | None) -> Scale:
    """The scale of a key; without one the program's own of the subject."""
    return scale_at(key) if key is not None else SCALES[_subject_named(subject)]


def rank_of_write(write: ResultWrite, key: str | None = None) -> int | None:
    """The rank that a write gives, by the scale that its round is measured by."""
    if write.outcome != "assessed":
        return None
    return scale_of(write.subject, key).ranks.get(write.level or "")


def level_code(subject: str, rank: int | None, key: str | None = None) -> str | None:
    """A level's code by its rank in the scale of its round."""
    return None if rank is None else scale_of(subject, key).code_at(rank)


def with_details_of(write: ResultWrite, facts: Facts) -> ResultWrite:
    """The write with what it does not say taken from the result that is there."""
    if facts.result_id is None:
        return write
    return msgspec.structs.replace(
        write,
        tool=facts.result_tool if write.tool is None else write.tool,
        assent=facts.result_assent if write.assent is None else write.assent,
        is_selected=bool(facts.result_is_selected) or write.is_selected,
        notes=facts.result_notes if write.notes is None else write.notes,
    )


def write_faults(
    write: ResultWrite,
    thresholds: Thresholds | None = THRESHOLDS,
    *,
    tools: Collection[tuple[int, str, int]] = (),
    methods: Sequence[str] = METHODS,
) -> list[Fault]:
    """Everything wrong with a write by itself. `thresholds` are None for a version of them that there is not; `tools` are those there are, of
    which the write names one, as (id, subject, number).

    *Cost*: half a microsecond for one without faults; a class has forty.
    """
    faults: list[Fault] = []
    if not _is_uuid(write.id):
        faults.append(Fault("id", "A UUID", write.id[:60]))
    if not _is_uuid(write.student_id):
        faults.append(Fault("student_id", "A UUID", write.student_id[:60]))
    if write.subject not in SUBJECTS:
        faults.append(_one_of("subject", SUBJECTS, write.subject))
    if write.outcome not in OUTCOMES:
        faults.append(_one_of("outcome", OUTCOMES, write.outcome))
    if write.method not in methods:
        faults.append(_one_of("method", METHODS, write.method))
    if write.outcome == "assessed" and write.subject in SUBJECTS:
        faults += _level_faults(write, known_scales(_subject(write)))
    if write.outcome != "assessed" and write.level is not None:
        faults.append(Fault("level", "Only an assessed child has a level", write.level[:60]))
    if write.tool is not None and not 1 <= write.tool <= 4:
        faults.append(Fault("tool", "Between 1 and 4", str(write.tool)))
    if not 1 <= write.round_id <= MAX_ID:
        faults.append(Fault("round_id", f"A whole number from 1 to {MAX_ID}", str(write.round_id)[:60]))
    if write.version is not None and not 1 <= write.version <= MAX_VERSION:
        faults.append(Fault("version", f"A whole number from 1 to {MAX_VERSION}", str(write.version)[:60]))
    if write.method == "guided" or write.steps:
        faults += _guided_faults(write, thresholds)
    if write.tool_id is not None or write.rules_version is not None:
        faults += _shown_faults(write, tools, is_known=thresholds is not None)
    if write.notes:
        faults += _text_faults("notes", write.notes, MAX_NOTES)
    if write.reason:
        faults += _text_faults("reason", write.reason, MAX_REASON)
    return faults


def _one_of(field: str, known: Sequence[str], given: str) -> Fault:
    return Fault(field, f"One of: {', '.join(known)}", given[:60])


def _shown_faults(
    write: ResultWrite, tools: Collection[tuple[int, str, int]], *, is_known: bool
) -> list[Fault]:
    """What is wrong with what is said to have been shown in a guided test."""
    if write.method != "guided":
        name = "tool_id" if write.tool_id is not None else "rules_version"
        return [Fault(name, "Only a guided test tells this")]
    if write.tool_id is not None and (write.tool_id, write.subject, write.tool) not in tools:
        return [Fault("tool_id", "A version of the tool and subject that are told", str(write.tool_id)[:20])]
    if not is_known:
        return [Fault("rules_version", "There is no such version", str(write.rules_version)[:20])]
    return []


def _guided_faults(write: ResultWrite, thresholds: Thresholds | None) -> list[Fault]:
    """What is wrong with a guided test's steps: its level follows from them, and no other kind of entry has any."""
    if write.method != "guided":
        return [Fault("steps", "Only a guided test has steps")] if write.steps else []
    if len(write.steps) > MAX_STEPS:
        return [Fault("steps", f"At most {MAX_STEPS} steps", str(len(write.steps)))]
    if write.outcome != "assessed" or write.subject not in SUBJECTS:
        return []
    known = known_scales(_subject(write))
    # By which of several scales it is judged, its round says; `faults_by_round` looks then.
    return _faults_of_steps(write, thresholds, known[0]) if len(known) == 1 else []


def _faults_of_steps(write: ResultWrite, thresholds: Thresholds | None, scale: Scale) -> list[Fault]:
    return list(guided_faults(_subject(write), write.level, write.steps, thresholds or THRESHOLDS, scale))


def _level_faults(write: ResultWrite, scales: Sequence[Scale]) -> list[Fault]:
    """What is wrong with a level that stands in none of some scales."""
    if any(write.level in scale.ranks for scale in scales):
        return []
    codes = dict.fromkeys(code for scale in scales for code in scale.codes)
    return [Fault("level", f"One of: {', '.join(codes)}", (write.level or "")[:60])]


def faults_by_round(
    write: ResultWrite, facts: Facts, thresholds: Thresholds | None = THRESHOLDS
) -> list[Fault]:
    """What is wrong with a write by the scale that its round is measured by: a level of another one, or steps that lead elsewhere.

    *Cost*: nothing while there is one scale of the subject; `write_faults` has looked.
    """
    if facts.scale is None or write.outcome != "assessed":
        return []
    scale = scale_of(write.subject, facts.scale)
    if not scale.is_own and len(known_scales(scale.subject)) == 1:
        return []
    faults = _level_faults(write, [scale])
    return faults or (_faults_of_steps(write, thresholds, scale) if write.method == "guided" else [])


def _text_faults(field: str, text: str, longest: int) -> list[Fault]:
    """What is wrong with free text. A NUL is found here, because the database would refuse the whole batch for it."""
    faults = [Fault(field, f"At most {longest} characters")] if len(text) > longest else []
    if "\0" in text:
        faults.append(Fault(field, "This holds a character that is no text"))
    return faults


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def judge(actor: Actor, write: ResultWrite, facts: Facts, today: date) -> str:
    """The one write guard: `saved`, `changed`, `repeated`, or the code of the first rule that the write breaks."""
    if facts.done_as == "other":
        return "write_id_reused"
    if facts.done_as is not None:
        return "repeated"
    if facts.now_school_id is None or facts.student_is_deleted:
        return "merged" if _may_know_kept(actor, facts) else "not_found"
    # Those who teach it now, those who taught it where it sits in the round, and those where its result was made.
    sits = [(facts.now_school_id, facts.now_class_id)]
    sits += [(facts.school_id, facts.class_id)] if facts.school_id is not None else []
    sits += [(facts.result_school_id, facts.result_class_id)] if facts.result_school_id is not None else []
    if not any(actor.scope.covers(school_id, class_id=class_id) for school_id, class_id in sits):
        return "not_found"
    subject = _subject(write)
    if not any(
        actor.scope.covers(school_id, subject=subject, class_id=class_id) for school_id, class_id in sits
    ):
        return "out_of_scope"
    if facts.round_state is not None and facts.school_id is None and facts.result_id is None:
        return "not_enrolled_in_year"
    broken = _broken(write, facts, today, may_override=_overrides(actor, write))
    if broken:
        return broken[0]
    # Who leads enters what others measured; that a child was away takes no skill to say.
    if facts.exercise_is_due and actor.role in TESTERS and write.outcome == "assessed":
        return "exercise_due"
    return _judge_against_present(actor, write, facts)


def _may_know_kept(actor: Actor, facts: Facts) -> bool:
    return (
        facts.merged_into is not None
        and facts.kept_school_id is not None
        and actor.scope.covers(facts.kept_school_id, class_id=facts.kept_class_id)
    )


def _subject(write: ResultWrite) -> Subject:
    return _subject_named(write.subject)


def _subject_named(text: str) -> Subject:
    return "math" if text == "math" else "language"


def _overrides(actor: Actor, write: ResultWrite) -> bool:
    return bool(write.reason and write.reason.strip()) and allowed(actor.role, "override", "result")


def _broken(write: ResultWrite, facts: Facts, today: date, *, may_override: bool) -> list[str]:
    """The rules of time and locks that the write breaks, in the order in which a person can mend them."""
    if facts.round_state is None or facts.starts_on is None or facts.ends_on is None:
        return ["no_round"]
    left_on = facts.student_left_on
    broken: list[str] = []
    if facts.round_is_sealing:
        broken.append("round_sealing")
    if facts.round_state == "frozen":
        broken.append("round_frozen")
    elif facts.round_state != "open":
        broken.append("round_not_open")
    if facts.school_is_locked:
        broken.append("school_locked")
    if write.tested_on > today:
        broken.append("date_in_future")
    if not facts.starts_on <= write.tested_on <= facts.ends_on:
        broken.append("date_outside_round")
    if left_on is not None and write.tested_on > left_on and write.outcome != "left":
        broken.append("student_left")
    if facts.result_is_verified:
        broken.append("verified")
    if facts.result_is_locked:
        broken.append("result_locked")
    return [code for code in broken if code not in OVERRIDABLE] if broken and may_override else broken


def _judge_against_present(actor: Actor, write: ResultWrite, facts: Facts) -> str:
    if facts.result_id is None:
        return "saved" if write.version is None else "stale"
    if write.version is None:
        return "conflict"
    if actor.role == "mentor" and facts.result_assessor_id != actor.person_id:
        return "not_yours"
    return "changed" if write.version == facts.result_version else "stale"


def was_overridden(write: ResultWrite, facts: Facts, today: date) -> list[str]:
    """The rules that a saved write went past with a reason, for the audit."""
    if not write.reason:
        return []  # without one it went past none
    return [code for code in _broken(write, facts, today, may_override=False) if code in OVERRIDABLE]


def warnings_of(write: ResultWrite, facts: Facts) -> list[str]:
    """What a person should know about a write that was saved nevertheless."""
    if facts.round_kind in ("midline", "endline") and write.outcome == "assessed" and not facts.has_baseline:
        return ["no_baseline"]
    return []


def is_blind_to(actor: Actor, assessor_id: int | None, *, is_pending: bool) -> bool:
    """Whether a result's level is hidden from somebody: a mentor, who may have to test the child again without knowing it."""
    return is_pending and actor.role == "mentor" and assessor_id != actor.person_id


def current_of(actor: Actor, write: ResultWrite, facts: Facts) -> CurrentResult | None:
    """The result that is there; without its level for whom that is hidden from."""
    if facts.result_id is None or facts.result_tested_on is None:
        return None
    is_blind = is_blind_to(actor, facts.result_assessor_id, is_pending=facts.verification_state == "pending")
    return CurrentResult(
        id=facts.result_id,
        version=facts.result_version or 1,
        outcome=facts.result_outcome or "",
        level=None if is_blind else level_code(write.subject, facts.result_rank, facts.scale),
        tested_on=facts.result_tested_on,
        assessor_id=facts.result_assessor_id or 0,
        notes=None if is_blind else facts.result_notes,
        tool=facts.result_tool,
        assent=facts.result_assent,
        is_selected=bool(facts.result_is_selected),
        method=facts.result_method or "",
        is_blind=is_blind,
    )
