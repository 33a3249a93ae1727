"""The write guard by itself: every role, and every rule with nothing else broken."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from rightlevel.programme.permissions import Actor, Held, Role, Scope
from rightlevel.programme.results.model import (
    OVERRIDABLE,
    REFUSALS,
    Facts,
    ResultWrite,
    judge,
    was_overridden,
    write_faults,
)

TODAY = date(2026, 11, 23)
ID, CHILD, RESULT = (f"00000000-0000-7000-8000-00000000000{n}" for n in range(3))
ME, SOMEBODY = 7, 8
SCHOOL, ELSEWHERE, CLASS, OTHER_CLASS = 10, 11, 20, 21

FREE = Facts(
    number=0,
    school_id=SCHOOL,
    class_id=CLASS,
    grade=3,
    sex=2,
    now_school_id=SCHOOL,
    now_class_id=CLASS,
    is_certain=True,
    student_left_on=None,
    student_is_deleted=False,
    round_kind="baseline",
    round_state="open",
    round_is_sealing=False,
    starts_on=date(2026, 11, 1),
    ends_on=date(2026, 11, 30),
    school_is_locked=False,
    has_baseline=False,
    result_id=None,
    result_school_id=None,
    result_class_id=None,
    result_version=None,
    result_outcome=None,
    result_rank=None,
    result_tested_on=None,
    result_assessor_id=None,
    result_notes=None,
    result_tool=None,
    result_assent=None,
    result_is_selected=None,
    result_method=None,
    result_is_locked=False,
    result_is_verified=False,
    verification_state=None,
    done_as=None,
    done_result_id=None,
    done_version=None,
)
THERE = msgspec.structs.replace(
    FREE,
    result_id=RESULT,
    result_school_id=SCHOOL,
    result_class_id=CLASS,
    result_version=2,
    result_outcome="assessed",
    result_rank=4,
    result_tested_on=TODAY,
    result_assessor_id=ME,
)

NEW: dict[str, Any] = {}
CHANGE: dict[str, Any] = {"version": 2}


def an_actor(role: Role, *held: Held) -> Actor:
    scope = Scope(is_everything=role in ("admin", "coordinator"), held=held or (Held(SCHOOL, "math"),))
    return Actor(ME, role, role, role.title(), "en", scope)


def a_write(**more: Any) -> ResultWrite:
    values = {"subject": "math", "level": "division", "tested_on": TODAY, **more}
    return ResultWrite(id=ID, student_id=CHILD, round_id=1, **values)


CONDITIONS: list[tuple[str, Facts, dict[str, Any], dict[str, Any], str]] = [
    ("nothing there", FREE, NEW, {}, "saved"),
    ("one there, its version given", THERE, CHANGE, {}, "changed"),
    ("one there, no version given", THERE, NEW, {}, "conflict"),
    ("one there, another version given", THERE, {"version": 1}, {}, "stale"),
    ("none there, a version given", FREE, CHANGE, {}, "stale"),
    (
        "no such child",
        FREE,
        NEW,
        {"school_id": None, "class_id": None, "now_school_id": None, "now_class_id": None},
        "not_found",
    ),
    (
        "never enrolled in the round's year",
        FREE,
        NEW,
        {"school_id": None, "class_id": None},
        "not_enrolled_in_year",
    ),
    (
        "never enrolled, but tested before there was this rule",
        THERE,
        CHANGE,
        {"school_id": None, "class_id": None},
        "changed",
    ),
    ("a removed child", FREE, NEW, {"student_is_deleted": True}, "not_found"),
    ("no such round", FREE, NEW, {"round_state": None, "starts_on": None, "ends_on": None}, "no_round"),
    ("a planned round", FREE, NEW, {"round_state": "planned"}, "round_not_open"),
    ("a closed round", FREE, NEW, {"round_state": "closed"}, "round_not_open"),
    ("a frozen round", FREE, NEW, {"round_state": "frozen"}, "round_frozen"),
    ("a round being frozen", FREE, NEW, {"round_state": "frozen", "round_is_sealing": True}, "round_sealing"),
    ("a locked school", FREE, NEW, {"school_is_locked": True}, "school_locked"),
    ("a locked school, a change", THERE, CHANGE, {"school_is_locked": True}, "school_locked"),
    ("a locked result", THERE, CHANGE, {"result_is_locked": True}, "result_locked"),
    ("a verified result", THERE, CHANGE, {"result_is_verified": True}, "verified"),
    ("tomorrow", FREE, {"tested_on": TODAY + timedelta(1)}, {}, "date_in_future"),
    ("the day before the round", FREE, {"tested_on": date(2026, 10, 31)}, {}, "date_outside_round"),
    ("the round's first day", FREE, {"tested_on": date(2026, 11, 1)}, {}, "saved"),
    ("after the child left", FREE, NEW, {"student_left_on": date(2026, 11, 10)}, "student_left"),
    (
        "the day the child left",
        FREE,
        {"tested_on": date(2026, 11, 10)},
        {"student_left_on": date(2026, 11, 10)},
        "saved",
    ),
    (
        "that the child left",
        FREE,
        {"outcome": "left", "level": None},
        {"student_left_on": date(2026, 11, 10)},
        "saved",
    ),
    ("done before", FREE, NEW, {"done_as": "saved"}, "repeated"),
    (
        "done before, locked since",
        THERE,
        NEW,
        {"done_as": "saved", "result_is_locked": True, "round_state": "closed"},
        "repeated",
    ),
    ("the id of another write", FREE, NEW, {"done_as": "other"}, "write_id_reused"),
    (
        "a child that was merged",
        FREE,
        NEW,
        {"student_is_deleted": True, "merged_into": "kept", "kept_school_id": SCHOOL},
        "merged",
    ),
]
ROLES: tuple[Role, ...] = ("admin", "coordinator", "mentor", "teacher")


@pytest.mark.parametrize("role", ROLES)
def test_an_exercise_is_asked_of_who_tests_and_for_levels_alone(role: Role) -> None:
    facts = msgspec.structs.replace(FREE, exercise_is_due=True)
    is_asked = role in ("mentor", "teacher")
    assert judge(an_actor(role), a_write(), facts, TODAY) == ("exercise_due" if is_asked else "saved")
    away = a_write(outcome="absent", level=None)
    assert judge(an_actor(role), away, facts, TODAY) == "saved"
    done = msgspec.structs.replace(facts, done_as="saved")
    assert judge(an_actor(role), a_write(), done, TODAY) == "repeated", "what was saved before stays so"
    closed = msgspec.structs.replace(facts, round_state="closed")
    assert judge(an_actor(role), a_write(), closed, TODAY) == "round_not_open", "no use in an exercise then"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("facts", "write", "known", "code"),
    [each[1:] for each in CONDITIONS],
    ids=[each[0].replace(" ", "_") for each in CONDITIONS],
)
def test_every_role_meets_every_rule(
    role: Role, facts: Facts, write: dict[str, Any], known: dict[str, Any], code: str
) -> None:
    assert judge(an_actor(role), a_write(**write), msgspec.structs.replace(facts, **known), TODAY) == code


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("reason", [None, "", "  ", "the paper sheet was found"])
@pytest.mark.parametrize(
    ("facts", "write", "known", "code"),
    [each[1:] for each in CONDITIONS if each[4] in OVERRIDABLE],
    ids=[each[0].replace(" ", "_") for each in CONDITIONS if each[4] in OVERRIDABLE],
)
def test_only_leaders_with_a_reason_go_past_a_lock(
    role: Role, reason: str | None, facts: Facts, write: dict[str, Any], known: dict[str, Any], code: str
) -> None:
    found = msgspec.structs.replace(facts, **known)
    asked = a_write(**write, reason=reason)
    verdict = judge(an_actor(role), asked, found, TODAY)
    if role in ("admin", "coordinator") and reason and reason.strip():
        assert verdict == ("changed" if facts is THERE else "saved")
        assert was_overridden(asked, found, TODAY) == [code]
    else:
        assert verdict == code


@pytest.mark.parametrize(
    "code",
    ["date_in_future", "student_left", "no_round", "not_found", "not_enrolled_in_year", "stale", "conflict"],
)
def test_no_reason_goes_past_what_can_not_be(code: str) -> None:
    _, facts, write, known, _ = next(each for each in CONDITIONS if each[4] == code)
    found = msgspec.structs.replace(facts, **known)
    assert judge(an_actor("admin"), a_write(**write, reason="because"), found, TODAY) == code


@pytest.mark.parametrize(
    ("held", "subject", "code"),
    [
        ((Held(SCHOOL, "math"),), "math", "saved"),
        ((Held(SCHOOL, "math", CLASS),), "math", "saved"),
        ((Held(SCHOOL, "math", OTHER_CLASS),), "math", "not_found"),
        ((Held(SCHOOL, "math"),), "language", "out_of_scope"),
        ((Held(SCHOOL, "math", CLASS), Held(SCHOOL, "language", OTHER_CLASS)), "language", "out_of_scope"),
        ((Held(ELSEWHERE, "math"), Held(ELSEWHERE, "language")), "math", "not_found"),
    ],
)
@pytest.mark.parametrize("role", ["mentor", "teacher"])
def test_field_staff_write_in_their_schools_classes_and_subjects(
    role: Role, held: tuple[Held, ...], subject: str, code: str
) -> None:
    write = a_write(subject=subject, level="beginner")
    assert judge(an_actor(role, *held), write, FREE, TODAY) == code


@pytest.mark.parametrize(
    ("held", "subject", "code"),
    [
        ((Held(ELSEWHERE, "math"),), "math", "saved"),
        ((Held(ELSEWHERE, "math", OTHER_CLASS),), "math", "saved"),
        ((Held(ELSEWHERE, "math", CLASS),), "math", "not_found"),
        ((Held(ELSEWHERE, "language"),), "math", "out_of_scope"),
        ((Held(SCHOOL, "math"),), "math", "saved"),
    ],
)
@pytest.mark.parametrize("role", ["mentor", "teacher"])
def test_those_write_who_teach_a_child_where_it_sits_in_the_round_and_where_it_is_now(
    role: Role, held: tuple[Held, ...], subject: str, code: str
) -> None:
    moved = msgspec.structs.replace(FREE, now_school_id=ELSEWHERE, now_class_id=OTHER_CLASS)
    assert judge(an_actor(role, *held), a_write(subject=subject, level="beginner"), moved, TODAY) == code


@pytest.mark.parametrize("role", ROLES)
def test_only_a_mentor_is_kept_from_what_others_entered(role: Role) -> None:
    found = msgspec.structs.replace(THERE, result_assessor_id=SOMEBODY)
    expected = "not_yours" if role == "mentor" else "changed"
    assert judge(an_actor(role), a_write(version=2), found, TODAY) == expected


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"notes": "a\0b"}, "notes"),
        ({"reason": "a\0b"}, "reason"),
        ({"notes": "n" * 501}, "notes"),
        ({"reason": "r" * 201}, "reason"),
        ({"round_id": 2**63}, "round_id"),
        ({"round_id": 0}, "round_id"),
        ({"version": 2**31}, "version"),
        ({"version": -1}, "version"),
        ({"tool": 0}, "tool"),
        ({"tool": 5}, "tool"),
        ({"level": "story"}, "level"),
        ({"level": None}, "level"),
        ({"outcome": "absent"}, "level"),
        ({"method": "import"}, "method"),
        ({"id": "not-a-uuid"}, "id"),
    ],
)
def test_what_is_wrong_with_a_write_by_itself_is_found_before_the_database_sees_it(
    given: dict[str, Any], field: str
) -> None:
    assert [fault.field for fault in write_faults(msgspec.structs.replace(a_write(), **given))] == [field]


def test_a_write_at_its_bounds_is_whole() -> None:
    at_bounds = {
        "notes": "n" * 500,
        "reason": "r" * 200,
        "round_id": 2**63 - 1,
        "version": 2**31 - 1,
        "tool": 4,
    }
    assert write_faults(msgspec.structs.replace(a_write(), **at_bounds)) == []


def test_every_refusal_has_a_sentence() -> None:
    codes = {each[4] for each in CONDITIONS} | {"out_of_scope", "not_yours", "invalid", "exercise_due"}
    assert codes - {"saved", "changed", "repeated"} == set(REFUSALS)


def test_only_who_may_see_the_kept_child_is_told_of_it() -> None:
    gone = msgspec.structs.replace(FREE, student_is_deleted=True, merged_into=CHILD, kept_school_id=ELSEWHERE)
    assert judge(an_actor("teacher"), a_write(), gone, TODAY) == "not_found"
    assert judge(an_actor("coordinator"), a_write(), gone, TODAY) == "merged"
    assert judge(an_actor("teacher", Held(ELSEWHERE, "math")), a_write(), gone, TODAY) == "merged"
