"""Results: one, many, by the grid and by the page; removed, locked and unlocked."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from simulation.deeds import EVERYTHING, Deed, World, kind
from simulation.model.things import LEADERS, LEVELS, SUBJECTS, NothingThere, Round
from simulation.rooms.places import leaders_only


def _a_round(w: World) -> Round | None:
    """Mostly an open round, now and then any other."""
    rounds = [each for each in w.p.rounds.values() if not each.is_deleted]
    opened = [each for each in rounds if each.state == "open"]
    return (
        w.pick(opened)
        if opened and w.chance(0.88)
        else w.pick(each for each in rounds if each.state != "planned" or w.chance(0.2))
    )


def _what(w: World, subject: str) -> dict[str, Any]:
    if w.chance(0.12):
        return {"outcome": w.pick(("absent", "refused", "left")), "level": None}
    return {"outcome": "assessed", "level": w.pick(LEVELS[subject])}


def _write(w: World) -> dict[str, Any] | None:
    child, held = w.child(active=None if w.chance(0.1) else True), _a_round(w)
    if child is None or held is None:
        return None
    subject = w.pick(SUBJECTS)
    day = min(max(w.today, held.starts_on), held.ends_on)
    if w.chance(0.04):
        day = w.today + timedelta(days=w.pick((-30, 1)))
    return {
        "child": child.id,
        "round": held.id,
        "subject": subject,
        "stale": w.chance(0.04),
        "tested_on": day.isoformat(),
        **_what(w, subject),
    }


async def _version(go: Any, w: World, given: dict[str, Any]) -> int | None:
    """The version that fits what stands there by now, or one that does not."""
    present = w.p.live_result(given["child"], given["round"], given["subject"])
    if given.get("stale"):
        return 7 if present is None else None
    if present is not None and present.version is None:
        present.version = await go.result_version(w.ids[present.id])
    return None if present is None else present.version


def _why(w: World, d: Deed, given: dict[str, Any], *, has_reason: bool) -> str:
    tested_on = date.fromisoformat(given["tested_on"])
    return w.p.why_no_result(
        d.who,
        w.p.children[given["child"]],
        w.p.rounds[given["round"]],
        given["subject"],
        tested_on=tested_on,
        today=w.today,
        has_reason=has_reason,
        fits=not given.get("stale"),
    )


async def _body(go: Any, w: World, d: Deed, given: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return {
        "id": d.uuid(number),
        "student_id": w.ids[given["child"]],
        "round_id": w.ids[given["round"]],
        "subject": given["subject"],
        "tested_on": given["tested_on"],
        "outcome": given["outcome"],
        "level": given["level"],
        "version": await _version(go, w, given),
        "reason": d.given.get("reason"),
    }


def _done(w: World, d: Deed, given: dict[str, Any], number: int = 0, result_id: str | None = None) -> None:
    word = d.uuid(number)
    child, held = w.p.children[given["child"]], w.p.rounds[given["round"]]
    if w.p.live_result(child.id, held.id, given["subject"]) is None:
        w.call(word, "result", result_id or word)
    if w.p.live_result(child.id, held.id, given["subject"]) is None and w.p.cell_for(child, held) is None:
        return
    w.p.enter(
        word,
        d.who,
        child,
        held,
        given["subject"],
        outcome=given["outcome"],
        level=given["level"],
        tested_on=date.fromisoformat(given["tested_on"]),
    )


def _key(given: dict[str, Any]) -> list[str]:
    return [given["child"]]


def _proposed_day(w: World, d: Deed) -> str:
    """The day that the page of one result proposes: the one that stands there, else today, or the round's nearest day."""
    held = w.p.rounds[d.given["round"]]
    present = w.p.live_result(d.given["child"], held.id, d.given["subject"])
    day = present.tested_on if present else min(max(w.today, held.starts_on), held.ends_on)
    return day.isoformat()


def _is_elsewhere(w: World, d: Deed) -> bool:
    """Whether somebody works where the child sat and not where it is now: they enter it on the class sheet, its own page is not theirs."""
    now = w.p.children[d.given["child"]].record
    return not w.p.covers(d.who, w.today, now.school, now.klass, d.given["subject"])


@kind("test", "POST /api/v1/results", "POST /students/{id}/results/{round_id}/{subject}", weight=14.0)
class Test:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        write = _write(w)
        if write is None:
            return None
        now = w.p.children[write["child"]].record
        who = w.anybody_for(now.school, write["subject"], now.klass)
        reason = "it was overlooked" if w.chance(0.5 if w.p.people[who].role in LEADERS else 0.05) else None
        return who, {**write, "reason": reason}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        given = d.given
        if d.way == "page":
            given = {**given, "stale": False, "tested_on": _proposed_day(w, d)}
        why = _why(w, d, given, has_reason=bool(d.given["reason"]))
        if d.way == "page" and why == "date_in_future":
            return "?"
        if d.way == "page" and not why:
            if _is_elsewhere(w, d):
                return "out_of_scope"
            present = w.p.live_result(d.given["child"], d.given["round"], d.given["subject"])
            return "?" if present or w.p.rounds[d.given["round"]].state != "open" else ""
        return why

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        if d.way == "page":
            page = f"/students/{w.ids[g['child']]}/results/{w.ids[g['round']]}/{g['subject']}"
            typed: dict[str, Any] = {"choice": g["level"] or g["outcome"]}
            if g["reason"]:
                typed["reason"] = g["reason"]
            return await go.form(page, page, optional=("reason",), **typed)
        return await go.write("POST", "/api/v1/results", await _body(go, w, d, g))

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        given = d.given
        if d.way == "page":
            _done(w, d, {**given, "tested_on": _proposed_day(w, d)}, 0, answer.get("write_id"))
            return
        _done(w, d, given)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return _key(d.given)


RESULTS_CSV = "school_code,code,school_year,round,language_level,language_outcome,math_level,math_outcome,tested_on,reason\n"


@kind("import_result", "POST /api/v1/imports", weight=0.3)
class ImportResult:
    """A file with one result: judged as one that is entered, saved or refused whole; one that is new is now and then undone at once."""

    @staticmethod
    def make(w: World) -> Any:
        write = _write(w)
        if write is None:
            return None
        who = w.person("teacher", "mentor") if w.chance(0.1) else w.leader()
        reason = "it came on paper" if w.chance(0.4) else None
        return who, {**write, "stale": False, "reason": reason, "undo": w.chance(0.4)}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        child, held = w.p.children[d.given["child"]], w.p.rounds[d.given["round"]]
        if child.is_erased:
            raise NothingThere(child.id)
        if why := leaders_only(w, d):
            return why
        if not child.is_live or w.p.schools[child.record.school].is_deleted:
            return "import faulty?"
        if ImportResult.says_what_is_there(w, d):
            return ""
        if held.state == "frozen":
            return "import faulty"
        why = _why(w, d, d.given, has_reason=bool(d.given["reason"]))
        return f"import faulty{'?' if why.endswith('?') else ''}" if why else ""

    @staticmethod
    def says_what_is_there(w: World, d: Deed) -> bool:
        """Whether the file says what stands there already, so that nobody judges it."""
        present = w.p.live_result(d.given["child"], d.given["round"], d.given["subject"])
        if present is None:
            return False
        said = (d.given["outcome"], d.given["level"], d.given["tested_on"])
        return (present.outcome, present.level, present.tested_on.isoformat()) == said

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g, child = d.given, w.p.children[d.given["child"]]
        school = await go.read("GET", f"/api/v1/schools/{w.ids[child.record.school]}")
        held = await go.read("GET", f"/api/v1/rounds/{w.ids[g['round']]}")
        if not school.is_done or not held.is_done:
            return held if school.is_done else school
        year = await go.read("GET", f"/api/v1/school-years/{held.data['school_year_id']}")
        if not year.is_done:
            return year
        told = {f"{g['subject']}_level": g["level"] or "", f"{g['subject']}_outcome": g["outcome"]}
        cells = [told.get(name, "") for name in RESULTS_CSV.split(",")[4:8]]
        start = [school.data["code"], child.code, year.data["name"], held.data["kind"]]
        text = RESULTS_CSV + ",".join([*start, *cells, g["tested_on"], g["reason"] or ""]) + "\n"
        fields = {"kind": "results", "dry_run": "false"}
        told = await go.bring_in(fields, "results.csv", text)
        if not told.is_done:
            return told
        run = told.data
        results = f"/api/v1/students/{w.ids[child.id]}/results"
        found = await go.read("GET", f"{results}?limit=1000")
        is_this = (w.ids[g["round"]], g["subject"])
        ids = [each["id"] for each in found.data["items"] if (each["round_id"], each["subject"]) == is_this]
        told.data = {**run, "result": ids[0] if ids else None, "left": None}
        if g["undo"] and run["added"]:
            undone = await go.write("POST", f"/api/v1/imports/{run['id']}/undo", None)
            if not undone.is_done:
                return undone
            ended = await go.until_ended(f"/api/v1/imports/{undone.data['id']}")
            found = await go.read("GET", f"{results}?limit=1000")
            left = [each for each in found.data["items"] if (each["round_id"], each["subject"]) == is_this]
            told.data["left"] = (ended["state"], ended["added"], len(left))
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        is_new = w.p.live_result(d.given["child"], d.given["round"], d.given["subject"]) is None
        is_same = ImportResult.says_what_is_there(w, d)
        expected = (int(is_new), int(not is_new and not is_same), int(is_same))
        counted = (answer["added"], answer["changed"], answer["unchanged"])
        verdicts = w.keys_made.setdefault("verdicts", [])
        if counted != expected:
            verdicts.append(("counts of an import of results", str(expected), True, str(counted)))
        child, held = w.p.children[d.given["child"]], w.p.rounds[d.given["round"]]
        cell = w.p.cell_for(child, held)
        # The file went past the lock with its reason; its undoing has none to give.
        is_locked = cell is not None and cell.school in held.locked
        is_undone = answer["left"] is not None and not is_locked
        if answer["left"] is not None:
            due = ("faulty", 0, 1) if is_locked else ("done", 1, 0)
            if answer["left"] != due:
                verdicts.append(("the undoing of results", str(due), True, str(answer["left"])))
        if not is_same and not is_undone:
            _done(w, d, d.given, 0, answer["result"])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


WAYS: dict[str, dict[str | None, list[dict[str, Any]]]] = {
    "language": {
        "beginner": [
            {"task": "paragraph", "is_fluent": False},
            {"task": "words", "right": 0, "items": [False] * 5},
            {"task": "letters", "right": 3},
        ],
        "paragraph": [
            {"task": "paragraph", "is_fluent": True, "mistakes": 2},
            {"task": "story", "is_fluent": False},
        ],
        None: [],
    },
    "math": {
        "division": [
            {"task": "subtractions", "right": 2, "items": [True, True]},
            {"task": "division", "right": 1, "took_s": 40},
            {"task": "word_problem", "right": 0},
        ],
        None: [],
    },
}
"""Some ways through the guided test, by the level that each leads to; None is a child that does not want to be tested."""


@kind("test_on_screen", "POST /students/{id}/results/{round_id}/{subject}/test", weight=1.0)
class TestOnScreen:
    """The guided test as a page, from its last step on: what comes before it is in the address."""

    @staticmethod
    def make(w: World) -> Any:
        write = _write(w)
        if write is None:
            return None
        level = w.pick(list(WAYS[write["subject"]]))
        now = w.p.children[write["child"]].record
        told = {"outcome": "assessed" if level else "refused", "level": level, "stale": False, "reason": None}
        return w.anybody_for(now.school, write["subject"], now.klass), {**write, **told}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        held = w.p.rounds[d.given["round"]]
        day = min(max(w.today, held.starts_on), held.ends_on)
        why = _why(w, d, {**d.given, "tested_on": day.isoformat()}, has_reason=False)
        present = w.p.live_result(d.given["child"], held.id, d.given["subject"])
        if not why and _is_elsewhere(w, d):
            return "out_of_scope"
        if why == "date_in_future" or (not why and (present or held.state != "open")):
            return "?"
        return why

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        address = f"/students/{w.ids[g['child']]}/results/{w.ids[g['round']]}/{g['subject']}/test"
        query = {"assent": "yes" if g["level"] else "no", "tool": "2"}
        if g["level"]:
            query["steps"] = json.dumps(WAYS[g["subject"]][g["level"]])
        return await go.form(f"{address}?{urlencode(query)}", address)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        held = w.p.rounds[d.given["round"]]
        day = min(max(w.today, held.starts_on), held.ends_on)
        _done(w, d, {**d.given, "tested_on": day.isoformat()}, 0, answer.get("write_id"))

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return _key(d.given)


@kind("test_many", "POST /api/v1/results/batch", weight=1.5)
class TestMany:
    @staticmethod
    def make(w: World) -> Any:
        school = w.school()
        held = _a_round(w)
        if school is None or held is None:
            return None
        subject = w.pick(SUBJECTS)
        writes: list[dict[str, Any]] = []
        for child in [
            each for each in w.p.children.values() if each.is_live and each.record.school == school
        ][:12]:
            day = min(max(w.today, held.starts_on), held.ends_on)
            writes.append(
                {
                    "child": child.id,
                    "round": held.id,
                    "subject": subject,
                    "tested_on": day.isoformat(),
                    **_what(w, subject),
                }
            )
        return (w.anybody_for(school, subject), {"writes": writes, "reason": None}) if writes else None

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        writes = [
            await _body(go, w, d, each, number)
            for number, each in enumerate(d.given["writes"])
            if each["child"] in w.ids
        ]
        return await go.write("POST", "/api/v1/results/batch", {"writes": writes})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "forbidden" if w.p.people[d.who].role == "viewer" else ""

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        by_id = {each["id"]: each for each in answer["answers"]}
        for number, given in enumerate(d.given["writes"]):
            told = by_id.get(d.uuid(number))
            if told is None or given["child"] not in w.p.children:
                continue
            why = _why(w, d, given, has_reason=False)
            is_saved = told["code"] in ("saved", "changed")
            w.keys_made.setdefault("verdicts", []).append(
                (f"{d.kind} one of many", why, is_saved, told["code"])
            )
            if is_saved:
                _done(w, d, given, number)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [each["child"] for each in d.given["writes"]]


@kind("grid", "POST /schools/{id}/grid", "POST /schools/{id}/grid/row", weight=1.0)
class Grid:
    """The whole-class grid as a page: every row of the form goes back, those that were tapped with another choice."""

    @staticmethod
    def make(w: World) -> Any:
        school = w.school()
        opened = w.pick(each for each in w.p.rounds.values() if each.state == "open" and not each.is_deleted)
        if school is None or opened is None:
            return None
        subject = w.pick(SUBJECTS)
        taps = {
            each.id: w.pick((*LEVELS[subject], "absent"))
            for each in w.p.children.values()
            if each.is_live and each.record.school == school and w.chance(0.4)
        }
        row = w.chance(0.4)
        if row:
            taps = dict(list(taps.items())[:1])
        return (
            (
                w.anybody_for(school, subject),
                {"school": school, "round": opened.id, "subject": subject, "taps": taps, "row": row},
            )
            if taps
            else None
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "forbidden" if w.p.people[d.who].role == "viewer" else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        address = f"/schools/{w.ids[g['school']]}/grid"
        query = f"?round={w.ids[g['round']]}&subject={g['subject']}"
        taps = {w.ids[each]: choice for each, choice in g["taps"].items() if each in w.ids}
        told = await go.grid(address, query, taps, is_row=g["row"])
        if told.data and told.data.get("status") == 409:
            # Some rows were refused and others saved: which, the sheet tells.
            sheet = f"/api/v1/class-sheet?school_id={w.ids[g['school']]}&round_id={w.ids[g['round']]}&subject={g['subject']}&limit=1000"
            rows = (await go.read_as("coordinator1", sheet)).data["items"]
            told.data["stands"] = {row["student_id"]: row["level"] or row["outcome"] for row in rows}
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        held = w.p.rounds[d.given["round"]]
        day = min(max(w.today, held.starts_on), held.ends_on)
        sent: dict[str, tuple[str, str, str]] = answer.get("sent", {})
        for child_id, choice in d.given["taps"].items():
            number = w.ids.get(child_id)
            if number not in sent or child_id not in w.p.children:
                continue
            write_id, _, on = sent[number]
            is_level = choice in LEVELS[d.given["subject"]]
            given = {
                "child": child_id,
                "round": held.id,
                "subject": d.given["subject"],
                "tested_on": on or day.isoformat(),
                "outcome": "assessed" if is_level else choice,
                "level": choice if is_level else None,
            }
            why = _why(w, d, given, has_reason=False)
            present = w.p.live_result(child_id, held.id, d.given["subject"])
            is_same = present is not None and (present.level or present.outcome) == choice
            if present is not None and is_same:
                present.version = None  # written again or left alone: either may be
            if answer["status"] == 200 or answer["status"] == 303:
                w.keys_made.setdefault("verdicts", []).append(
                    ("grid row", "?" if is_same else why, True, "saved")
                )
                if not is_same:
                    _done(w, d, given, child_id, write_id)
            elif not is_same and (not why or (why.endswith("?") and answer["stands"].get(number) == choice)):
                _done(w, d, given, child_id, write_id)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [each.id for each in w.p.children.values() if each.record.school == d.given["school"]] or [
            d.given["school"]
        ]


@kind(
    "delete_result",
    "DELETE /api/v1/results/{id}",
    "POST /students/{id}/results/{round_id}/{subject}/delete",
    weight=0.8,
    audit=("delete", "result"),
)
class DeleteResult:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        result = w.pick(w.p.results[each] for each in w.p.live.values())
        if result is None:
            return None
        return w.anybody_for(result.school, result.subject, result.klass), {
            "result": result.id,
            "reason": w.pick(("", "tested by mistake")),
        }

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        result = w.p.results[d.given["result"]]
        child, held = w.p.children[result.child], w.p.rounds[result.round]
        role = w.p.people[d.who].role
        if role not in ("admin", "coordinator", "teacher"):
            return "forbidden"
        if (
            result.is_deleted
            or w.p.live.get((result.child, result.round, result.subject)) != result.id
            or not child.is_live
        ):
            return "not_found?"
        now = child.record
        reaches_cell = w.p.covers(d.who, w.today, result.school, result.klass, result.subject)
        reaches_now = w.p.covers(d.who, w.today, now.school, now.klass, result.subject)
        if not (reaches_cell or reaches_now):
            return "out_of_scope"
        is_held = (
            result.is_locked or result.is_verified or result.school in held.locked or held.state != "open"
        )
        if is_held and not (role in LEADERS and d.given["reason"]):
            return "result_held"
        if d.way == "page" and (
            not d.given["reason"] or (now.school, now.klass) != (result.school, result.klass)
        ):
            return "?"
        return "" if reaches_cell and reaches_now else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        result = w.p.results[d.given["result"]]
        if result.version is None:
            result.version = await go.result_version(w.ids[result.id])
        reason = d.given["reason"]
        if d.way == "page":
            page = f"/students/{w.ids[result.child]}/results/{w.ids[result.round]}/{result.subject}"
            return await go.form(page, f"{page}/delete", reason=reason)
        return await go.write(
            "DELETE",
            f"/api/v1/results/{w.ids[result.id]}?version={result.version}&reason={reason.replace(' ', '+')}",
            None,
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.take_out(w.p.results[d.given["result"]])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [w.p.results[d.given["result"]].child]


@kind("lock_results", "POST /api/v1/result-locks", "POST /api/v1/result-unlocks", weight=0.6)
class LockResults:
    @staticmethod
    def make(w: World) -> Any:
        lock = w.chance(0.6)
        found = w.pick(w.p.results[each] for each in w.p.live.values() if w.p.results[each].is_locked != lock)
        return None if found is None else (w.leader(), {"result": found.id, "lock": lock})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        result = w.p.results[d.given["result"]]
        return (
            "?"
            if result.is_deleted
            or w.p.rounds[result.round].state == "frozen"
            or not w.p.children[result.child].is_live
            else ""
        )

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        path = "/api/v1/result-locks" if d.given["lock"] else "/api/v1/result-unlocks"
        return await go.write(
            "POST", path, {"result_ids": [w.ids[d.given["result"]]], "reason": "it was checked"}
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        if answer["answers"][0]["code"] in ("locked", "unlocked"):
            w.p.results[d.given["result"]].is_locked = d.given["lock"]
            w.p.results[d.given["result"]].version = None

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [w.p.results[d.given["result"]].child]
