"""Places, classes, people and assignments brought in by a file: judged row by row as by hand, told again by the file that is taken out, and undone."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

from simulation.deeds import Deed, World, kind
from simulation.model.things import Assignment
from simulation.rooms.places import BELOW, Assign, leaders_only

ASSIGNMENTS_CSV = "username,school_code,subject,grade,section,class_year,to_on\n"


async def _undo(go: Any, run: dict[str, Any]) -> Any:
    """How the undoing of an import ended, or the answer that refused it."""
    undone = await go.write("POST", f"/api/v1/imports/{run['id']}/undo", None)
    if not undone.is_done:
        return undone
    undone.data = await go.until_ended(f"/api/v1/imports/{undone.data['id']}")
    return undone


@kind("import_assignment", "POST /api/v1/imports", weight=0.15)
class ImportAssignment:
    """A file with one assignment: judged as one by hand; now and then undone at once, and nothing is left of it."""

    @staticmethod
    def make(w: World) -> Any:
        made: tuple[str, dict[str, Any]] | None = Assign.make(w)
        if made is None:
            return None
        _leader, given = made
        who = w.person("teacher", "mentor") if w.chance(0.1) else w.leader()
        return who, {**given, "undo": w.chance(0.4)}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        if why := leaders_only(w, d):
            return why
        g = d.given
        if g["class"] is not None and w.p.classes[g["class"]].is_deleted:
            return "import faulty"
        why: str = Assign.judge(w, d)
        if why != "already_taken":
            return "import faulty" if why else ""
        # A row that names what is there already says nothing new, or gives it its last day.
        return "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        school = await go.read("GET", f"/api/v1/schools/{w.ids[g['school']]}")
        person = await go.read("GET", f"/api/v1/people/{go.person_id(g['person'])}")
        if not school.is_done or not person.is_done:
            return person if school.is_done else school
        cells = ["", "", ""]
        if g["class"] is not None:
            held = await go.read("GET", f"/api/v1/classes/{w.ids[g['class']]}")
            if not held.is_done:
                return held
            year = await go.read("GET", f"/api/v1/school-years/{held.data['school_year_id']}")
            cells = [str(held.data["grade"]), held.data["section"], year.data["name"]]
        row = [person.data["username"], school.data["code"], g["subject"], *cells, g["to_on"] or ""]
        fields = {"kind": "assignments", "dry_run": "false"}
        told = await go.bring_in(fields, "assignments.csv", ASSIGNMENTS_CSV + ",".join(row) + "\n")
        if not told.is_done:
            return told
        told.data = {**told.data, "undone": None, "assignment": None}
        if g["undo"] and told.data["added"]:
            undone = await _undo(go, told.data)
            if not undone.is_done:
                return undone
            told.data["undone"] = undone.data["state"]
        asked = f"/api/v1/assignments?person_id={go.person_id(g['person'])}&school_id={w.ids[g['school']]}&limit=1000"
        found = await go.read("GET", asked)
        mine = [
            each["id"]
            for each in found.data["items"]
            if (each["subject"], each["class_id"]) == (g["subject"], w.ids.get(g["class"]))
            and each["ended_at"] is None
        ]
        told.data["assignment"] = max(mine, default=None)
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g = d.given
        to_on = None if g["to_on"] is None else date.fromisoformat(g["to_on"])
        if answer["changed"]:
            for each in w.p.assignments.values():
                if w.ids.get(each.id) == answer["assignment"]:
                    each.to_on = to_on
            return
        verdicts = w.keys_made.setdefault("verdicts", [])
        if answer["undone"] not in (None, "done"):
            verdicts.append(("the undoing of assignments", "done", True, str(answer["undone"])))
        if answer["added"] and answer["undone"] is None:
            word = f"assignment {d.key}"
            w.call(word, "assignment", answer["assignment"])
            w.p.assignments[word] = Assignment(
                word, g["person"], g["school"], g["subject"], g["class"], w.today, to_on
            )

    @staticmethod
    def touches(_w: World, d: Deed) -> Any:
        return [d.given["person"], d.given["school"]]


@kind("import_round_trip", "POST /api/v1/imports", weight=0.06)
class ImportRoundTrip:
    """A new place, class or account comes by a file, stands in the file that is taken out, comes back with it unchanged, and is undone."""

    @staticmethod
    def make(w: World) -> Any:
        what = w.pick(("places", "classes", "people"))
        place = w.pick(
            each.id
            for each in w.p.places.values()
            if each.kind in BELOW and not each.is_deleted and not each.is_closed
        )
        school = w.school(real=True)
        if place is None or school is None:
            return None
        who = w.person("teacher", "mentor") if w.chance(0.1) else w.leader()
        return who, {"what": what, "place": place, "school": school}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        if why := leaders_only(w, d):
            return why
        over = [w.p.places[each] for each in w.p.lineage(d.given["place"])]
        if d.given["what"] == "places" and any(each.is_deleted or each.is_closed for each in over):
            return "import faulty?"
        school = w.p.schools[d.given["school"]]
        is_unsure = school.is_deleted or not school.is_open or w.p.current_year() is None
        return "import faulty?" if is_unsure and d.given["what"] == "classes" else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        what = d.given["what"]
        rows, refused = await _rows(go, w, d)
        if refused is not None:
            return refused
        fields = {"kind": what, "dry_run": "false"}
        text = "".join(",".join(each) + "\n" for each in rows)
        told = await go.bring_in(fields, f"{what}.csv", text)
        if not told.is_done:
            return told
        taken = await go.write("POST", "/api/v1/exports", {"what": what, "format": "csv"})
        found = _row_of(taken, d)
        back = None
        if found is not None:
            cells = io.StringIO()
            csv.writer(cells).writerows([list(found), list(found.values())])
            again = await go.upload(
                "/api/v1/imports", fields, f"{what}-back.csv", cells.getvalue().encode(), "text/csv"
            )
            if not again.is_done:
                return again
            run = await go.until_ended(f"/api/v1/imports/{again.data['id']}")
            back = (run["state"], run["added"], run["changed"], run["unchanged"])
        undone = await _undo(go, told.data)
        if not undone.is_done:
            return undone
        left = _row_of(await go.write("POST", "/api/v1/exports", {"what": what, "format": "csv"}), d)
        told.data = {**told.data, "back": back, "undone": undone.data["state"], "left": left}
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        due = (("done", 0, 0, 1), "done", None)
        got = (answer["back"], answer["undone"], answer["left"])
        if got != due:
            told = (f"a file of {d.given['what']} and back", str(due), True, str(got))
            w.keys_made.setdefault("verdicts", []).append(told)

    @staticmethod
    def touches(_w: World, d: Deed) -> Any:
        return [d.given["place"], d.given["school"]]


async def _rows(go: Any, w: World, d: Deed) -> tuple[list[tuple[str, ...]], Any]:
    """The rows of the file, or none and the answer that says why."""
    what = d.given["what"]
    if what == "people":
        name = f"brought{d.key}"
        return [("username", "display_name", "role"), (name, f"Brought {d.key}", "teacher")], None
    if what == "classes":
        school = await go.read("GET", f"/api/v1/schools/{w.ids[d.given['school']]}")
        if not school.is_done:
            return [], school
        return [("school_code", "grade", "section"), (school.data["code"], "4", f"B{d.key}")], None
    codes: list[str] = []
    for word in reversed(list(w.p.lineage(d.given["place"]))):
        place = await go.read("GET", f"/api/v1/places/{w.ids[word]}")
        if not place.is_done:
            return [], place
        codes.append(place.data["code"])
    below = BELOW[w.p.places[d.given["place"]].kind]
    header = ("kind", "code", "name_local", "parent")
    return [header, (below, f"B{d.key}", f"Brought {d.key}", "/".join(codes))], None


def _row_of(taken: Any, d: Deed) -> dict[str, str] | None:
    """The row that this deed brought, in the file that was taken out."""
    names = {f"brought{d.key}", f"B{d.key}"}
    for row in csv.DictReader(io.StringIO(taken.text.removeprefix("\ufeff"))):
        if names & {row.get("username"), row.get("code"), row.get("section")}:
            return row
    return None
