"""What is entered on a phone while it is away, by sorts, as `phone_outbox.js` sends it: the body, how the answer is known, and what the model makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from simulation.deeds import KINDS, Deed, World, name_of
from simulation.model.things import LEADERS, Stint

MENTORS = ("mentor", *LEADERS)
PRESENCES = ("present", "late", "absent")
AGREED = ("agreed", "disagreed")


@dataclass
class Entry:
    """What was entered once, under the id that it keeps until it is answered. `needs`: the child that is made known before it."""

    id: str
    word: str
    given: dict[str, Any]
    version: int | None = None
    after: str | None = None
    sort: str = "result"
    needs: str | None = None


@dataclass
class Phone:
    """A phone as its owner carries it: since when it has no network, and what waits on it."""

    since: date
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Sent:
    """What became of an entry: as it was sent first, and once more as if no answer had come."""

    entry: Entry
    is_saved: bool
    code: str
    answer: dict[str, Any]
    is_same: bool


@dataclass(frozen=True)
class Sort:
    """How a sort of entry is sent and followed. `many` is the name under which several go in one request; empty for one by itself."""

    name: str
    body: Callable[[World, Entry], dict[str, Any]]
    path: Callable[[Entry], str]
    why: Callable[[World, Deed, Entry], str]
    done: Callable[[World, Deed, Entry, dict[str, Any]], None]
    touches: Callable[[World, Entry], list[object]]
    many: str = ""
    saved: tuple[str, ...] = ()
    method: str = "POST"


def id_of(w: World, child: str) -> str:
    """A child's number; one that was added on this phone has the id that it was given there."""
    return str(w.ids.get(child, child))


# Results -------------------------------------------------------------------------------------------------------------------


def _result_body(w: World, entry: Entry) -> dict[str, Any]:
    given = entry.given
    return {
        "id": entry.id,
        "student_id": id_of(w, given["child"]),
        "round_id": w.ids[given["round"]],
        "subject": given["subject"],
        "tested_on": given["tested_on"],
        "outcome": given["outcome"],
        "level": given["level"],
        "version": entry.version,
    }


def _why_no_result(w: World, d: Deed, entry: Entry) -> str:
    given = entry.given
    child, held = w.p.children.get(given["child"]), w.p.rounds.get(given["round"])
    if child is None or held is None:
        return "not_found"  # an import that was undone, a practice school that began anew
    present = w.p.live_result(child.id, held.id, given["subject"])
    return w.p.why_no_result(
        d.who,
        child,
        held,
        given["subject"],
        tested_on=date.fromisoformat(given["tested_on"]),
        today=w.today,
        has_reason=False,
        fits=entry.version == (present.version if present else None),
    )


def _result_done(w: World, d: Deed, entry: Entry, _answer: dict[str, Any]) -> None:
    given = entry.given
    child, held = w.p.children[given["child"]], w.p.rounds[given["round"]]
    if w.p.live_result(child.id, held.id, given["subject"]) is None:
        w.call(entry.word, "result", entry.id)
        if w.p.cell_for(child, held) is None:
            return
    w.p.enter(
        entry.word,
        d.who,
        child,
        held,
        given["subject"],
        outcome=given["outcome"],
        level=given["level"],
        tested_on=date.fromisoformat(given["tested_on"]),
    )


# Children ------------------------------------------------------------------------------------------------------------------


def _child_body(w: World, entry: Entry) -> dict[str, Any]:
    given = entry.given
    return {
        "id": entry.id,
        "school_id": w.ids[given["school"]],
        "code": given["code"],
        "name": name_of(given["key"], entry.id),
        "sex": given["sex"],
        "grade": given["grade"],
        "class_id": given["class"],
    }


def _class_of(w: World, entry: Entry) -> str | None:
    """The class by the number that the phone left with, whatever it is called by now: one that is put in another grade has another name."""
    return w.word("class", entry.given["class"])


def _why_no_child(w: World, d: Deed, entry: Entry) -> str:
    given, named = entry.given, _class_of(w, entry)
    school, year = w.p.schools[given["school"]], w.p.current_year()
    if school.is_deleted:
        return "no_school"
    if not w.p.covers(d.who, w.today, school.id, named):
        return "out_of_scope"
    if year is None:
        return "no_year"
    klass = w.p.classes.get(named or "")
    if named is not None and (klass is None or klass.is_deleted or klass.year != year):
        return "no_class"
    if klass is not None and klass.grade != given["grade"]:
        return "no_class"
    if not w.p.code_is_free(school.id, given["code"]):
        return "code_taken"
    return "" if school.is_open else "school_closed?"


def _child_done(w: World, d: Deed, entry: Entry, answer: dict[str, Any]) -> None:
    given, year = entry.given, w.p.current_year()
    if year is None:
        return
    w.call(entry.word, "child", answer["id"])
    stint = Stint(year, given["school"], _class_of(w, entry), given["grade"], given["sex"], 0)
    w.p.enrol(entry.word, given["code"], name_of(given["key"], entry.id), stint)
    w.p.children[entry.word].version = answer["version"]


# Re-tests ------------------------------------------------------------------------------------------------------------------


def _retest_deed(d: Deed, entry: Entry) -> Deed:
    return Deed(d.key, "retest", d.who, entry.given)


def _retest_body(w: World, entry: Entry) -> dict[str, Any]:
    given = entry.given
    return {
        "id": entry.id,
        "result_id": w.ids[given["result"]],
        "tested_on": given["tested_on"],
        "outcome": "assessed",
        "level": given["level"],
        "tool": given["tool"],
    }


def _why_no_retest(w: World, d: Deed, entry: Entry) -> str:
    if entry.given["result"] not in w.p.results:
        return "not_found"
    return KINDS["retest"].judge(w, _retest_deed(d, entry))


def _retest_done(w: World, d: Deed, entry: Entry, answer: dict[str, Any]) -> None:
    agrees = entry.given["level"] == w.p.results[entry.given["result"]].level
    KINDS["retest"].apply(w, _retest_deed(d, entry), {"answers": [answer]})
    is_so = answer["code"] == AGREED[0 if agrees else 1]
    told = (f"a re-test of a phone that {AGREED[0 if agrees else 1]}", "", is_so, answer["code"])
    w.keys_made.setdefault("verdicts", []).append(told)


# Attendance ----------------------------------------------------------------------------------------------------------------


def _session_body(_w: World, entry: Entry) -> dict[str, Any]:
    given = entry.given
    marks = [
        {"student_id": each, "presence": PRESENCES[number % 3]}
        for number, each in enumerate(given["members"])
    ]
    return {
        "id": entry.id,
        "group_id": given["group"],
        "held_on": given["held_on"],
        "minutes": 50,
        "activity": "barakhadi",
        "marks": marks,
        "version": None,
    }


def _why_no_session(w: World, d: Deed, entry: Entry) -> str:
    given, person = entry.given, w.p.people[d.who]
    is_there = person.role in LEADERS or any(
        (each.school, each.subject) == (given["school"], given["subject"])
        for each in w.p.holds(d.who, w.today)
    )
    return "?" if is_there else "out_of_scope"


def _session_done(w: World, d: Deed, entry: Entry, answer: dict[str, Any]) -> None:
    """Who is in the group no more when it is sent is not marked."""
    marked = [number for number, each in enumerate(answer["marks"]) if each["code"] == "saved"]
    w.things.setdefault("session", {})[answer["session_id"]] = {
        "school": entry.given["school"],
        "subject": entry.given["subject"],
        "held_on": entry.given["held_on"],
        "minutes": 50,
        "there": sum(PRESENCES[number % 3] != "absent" for number in marked),
        "marked": len(marked),
    }


# Visits --------------------------------------------------------------------------------------------------------------------


def _visit_body(w: World, entry: Entry) -> dict[str, Any]:
    given = entry.given
    return {
        "write_id": entry.word,
        "school_id": w.ids[given["school"]],
        "subject": given["subject"],
        "visited_on": given["visited_on"],
        "answers": {"session_ran": "no", "not_ran_reason": "holiday"},
        "teacher_id": None,
        "version": 0,
        "submit": given["submit"],
        "form_version_id": given["form"],
        "after": [],
    }


def _why_no_visit(w: World, d: Deed, entry: Entry) -> str:
    given, role = entry.given, w.p.people[d.who].role
    if role not in MENTORS:
        return "forbidden"
    is_there = role in LEADERS or any(
        (each.school, each.subject) == (given["school"], given["subject"])
        for each in w.p.holds(d.who, w.today)
    )
    if not is_there:
        return "out_of_scope"
    return "?" if w.p.schools[given["school"]].is_deleted else ""


def _visit_done(w: World, d: Deed, entry: Entry, answer: dict[str, Any]) -> None:
    visit = answer["visit"]
    w.things.setdefault("visit", {})[f"visit {entry.id}"] = {
        "id": visit["id"],
        "version": visit["version"],
        "state": visit["state"],
        "who": d.who,
        "school": entry.given["school"],
        "subject": entry.given["subject"],
        "submit": entry.given["submit"],
    }


SORTS = {
    "student": Sort(
        "a child that was added on a phone",
        _child_body,
        lambda _: "/api/v1/students",
        _why_no_child,
        _child_done,
        lambda w, entry: [
            entry.word,
            _class_of(w, entry) or entry.given["school"] + " without class",
            *([entry.given["taken"]] if entry.given["taken"] else []),
        ],
    ),
    "result": Sort(
        "an entry of a phone that was away",
        _result_body,
        lambda _: "/api/v1/results/batch",
        _why_no_result,
        _result_done,
        lambda _w, entry: [entry.given["child"]],
        many="writes",
        saved=("saved", "changed"),
    ),
    "retest": Sort(
        "a re-test of a phone that was away",
        _retest_body,
        lambda _: "/api/v1/verifications/retests",
        _why_no_retest,
        _retest_done,
        lambda w, entry: [
            w.p.results[entry.given["result"]].child if entry.given["result"] in w.p.results else entry.id
        ],
        many="retests",
        saved=AGREED,
    ),
    "session": Sort(
        "attendance of a phone that was away",
        _session_body,
        lambda _: "/api/v1/teaching-sessions",
        _why_no_session,
        _session_done,
        lambda _w, entry: [entry.given["school"]],
    ),
    "visit": Sort(
        "a visit of a phone that was away",
        _visit_body,
        lambda entry: f"/api/v1/visits/{entry.id}",
        _why_no_visit,
        _visit_done,
        lambda _w, entry: [f"visit {entry.id}"],
        method="PUT",
    ),
}
ORDER = tuple(SORTS)
"""A child goes before what was entered about it."""


def version_in(sort: str, answer: dict[str, Any]) -> int | None:
    """The version of what an answer says is saved."""
    return answer["visit"]["version"] if sort == "visit" else answer.get("version")
