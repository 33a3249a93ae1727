"""Places, schools, years, classes and who works where."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from simulation.deeds import EVERYTHING, Deed, World, kind
from simulation.model.things import GRADES, LEADERS, SUBJECTS, Assignment, Class, Place, School, Year

BELOW = {"country": "province", "province": "district"}


def leaders_only(w: World, d: Deed) -> str:
    """What only coordinators and admins do."""
    return "" if w.p.people[d.who].role in LEADERS else "forbidden"


@kind("make_place", "POST /api/v1/places", weight=0.2, audit=("create", "place"), is_setup=True)
class MakePlace:
    @staticmethod
    def make(w: World) -> Any:
        parent = w.pick(
            each
            for each in w.p.places.values()
            if each.kind in BELOW and not each.is_deleted and not each.is_closed
        )
        return None if parent is None else (w.leader(), {"parent": parent.id, "kind": BELOW[parent.kind]})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        parent = d.given["parent"]
        if parent is None:
            return ""
        return "no_parent" if w.p.places[parent].is_deleted or w.p.places[parent].is_closed else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        body = {
            "kind": d.given["kind"],
            # The country is Cambodia: its one time zone is that of the programme.
            "code": "KH" if d.given["parent"] is None else f"P{d.key}",
            "name_local": f"Place {d.key}",
            "parent_id": w.ids.get(d.given["parent"]),
        }
        return await go.write("POST", "/api/v1/places", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        word = f"place {d.key}"
        w.call(word, "place", answer["id"])
        w.versions[word] = answer["version"]
        w.p.places[word] = Place(word, d.given["kind"], d.given["parent"], f"Place {d.key}")

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [d.given["parent"] or EVERYTHING]


@kind("make_school", "POST /api/v1/schools", weight=0.2, audit=("create", "school"), is_setup=True)
class MakeSchool:
    @staticmethod
    def make(w: World) -> Any:
        place = w.pick(
            each
            for each in w.p.places.values()
            if each.kind == "district" and not each.is_deleted and not each.is_closed
        )
        return None if place is None else (w.leader(), {"place": place.id, "is_practice": w.chance(0.15)})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        place = w.p.places[d.given["place"]]
        return "no_place" if place.is_deleted or place.is_closed else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        body = {
            "place_id": w.ids[d.given["place"]],
            "code": f"S{d.key}",
            "name_local": f"School {d.key}",
            "is_practice": d.given["is_practice"],
        }
        return await go.write("POST", "/api/v1/schools", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        word = f"school {d.key}"
        w.call(word, "school", answer["id"])
        w.versions[word] = answer["version"]
        w.p.schools[word] = School(
            word, f"School {d.key}", [(w.p.tick(), d.given["place"])], d.given["is_practice"]
        )

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [d.given["place"]]


@kind("move_school", "PATCH /api/v1/schools/{id}", weight=0.5, audit=("change", "school"))
class MoveSchool:
    @staticmethod
    def make(w: World) -> Any:
        school = w.school()
        place = w.pick(
            each.id
            for each in w.p.places.values()
            if each.kind == "district" and not each.is_deleted and not each.is_closed
        )
        if school is None or place is None or w.p.schools[school].stood[-1][1] == place:
            return None
        return w.leader(), {"school": school, "place": place}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        if w.p.schools[d.given["school"]].is_deleted:
            return "not_found"
        place = w.p.places[d.given["place"]]
        if w.p.schools[d.given["school"]].stood[-1][1] == place.id:
            return "?"
        return "no_place" if place.is_deleted or place.is_closed else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        word = d.given["school"]
        body: dict[str, Any] = {
            "version": await go.version(word, f"/api/v1/schools/{w.ids[word]}"),
            "place_id": w.ids[d.given["place"]],
        }
        if go.knows("PATCH", "/api/v1/schools/{id}", "reason"):
            body["reason"] = "the districts were drawn anew"
        return await go.write("PATCH", f"/api/v1/schools/{w.ids[word]}", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.versions[d.given["school"]] = answer["version"]
        w.p.schools[d.given["school"]].stood.append((w.p.tick(), d.given["place"]))

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


def _was_worked_at(w: World, school: str) -> bool:
    """Whether visits, sessions, groups or roll-overs of a school are known: the program judges what of that is a past."""
    sorts = ("visit", "begun_visit", "session", "grouping", "roll")
    return any(each.get("school") == school for sort in sorts for each in w.things.get(sort, {}).values())


@kind("switch_practice", "PATCH /api/v1/schools/{id}", weight=0.25, audit=("change", "school"))
class SwitchPractice:
    @staticmethod
    def make(w: World) -> Any:
        school = w.school()
        return (
            None
            if school is None
            else (w.leader(), {"school": school, "is_practice": not w.p.schools[school].is_practice})
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        school = w.p.schools[d.given["school"]]
        if school.is_deleted:
            return "not_found"
        has_results = any(each.school == school.id for each in w.p.results.values())
        has_children = any(
            stint.school == school.id for each in w.p.children.values() for stint in each.stints
        )
        if has_results:
            return "practice_with_results"
        if has_children:
            # Also those that were removed, or that have gone on to another school.
            return "practice_with_children"
        if not school.is_open or school.is_merged or _was_worked_at(w, school.id):
            return "?"
        return leaders_only(w, d)

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        word = d.given["school"]
        version = await go.version(word, f"/api/v1/schools/{w.ids[word]}")
        return await go.write(
            "PATCH",
            f"/api/v1/schools/{w.ids[word]}",
            {"version": version, "is_practice": d.given["is_practice"]},
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.versions[d.given["school"]] = answer["version"]
        w.p.tick()
        w.p.schools[d.given["school"]].is_practice = answer["is_practice"]

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("close_school", "PATCH /api/v1/schools/{id}", weight=0.2, audit=("change", "school"))
class CloseSchool:
    @staticmethod
    def make(w: World) -> Any:
        school = w.school()
        return (
            None
            if school is None
            else (w.leader(), {"school": school, "is_open": not w.p.schools[school].is_open})
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        school = d.given["school"]
        if w.p.schools[school].is_deleted:
            return "not_found"
        taught = any(
            each.is_live and each.status == "active" and not each.is_erased and each.present.school == school
            for each in w.p.children.values()
        )
        return "school_has_children" if taught and not d.given["is_open"] else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        word = d.given["school"]
        version = await go.version(word, f"/api/v1/schools/{w.ids[word]}")
        status = "open" if d.given["is_open"] else "closed"
        return await go.write(
            "PATCH", f"/api/v1/schools/{w.ids[word]}", {"version": version, "status": status}
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.versions[d.given["school"]] = answer["version"]
        w.p.schools[d.given["school"]].is_open = answer["status"] == "open"

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("delete_school", "DELETE /api/v1/schools/{id}", weight=0.25, audit=("delete", "school"))
class DeleteSchool:
    @staticmethod
    def make(w: World) -> Any:
        used = {stint.school for each in w.p.children.values() for stint in each.stints}
        used |= {each.school for each in w.p.assignments.values()}
        free = [each.id for each in w.p.schools.values() if not each.is_deleted and each.id not in used]
        school = w.pick(free) if free and w.chance(0.7) else w.school()
        return None if school is None else (w.leader(), {"school": school})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        school = d.given["school"]
        if w.p.schools[school].is_deleted:
            return "not_found"
        if any(
            each.is_live and any(stint.school == school for stint in each.stints)
            for each in w.p.children.values()
        ):
            return "in_use"
        if any(not each.is_deleted and each.school == school for each in w.p.results.values()):
            return "in_use"
        return "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.write(
            "DELETE", f"/api/v1/schools/{w.ids[d.given['school']]}?reason=closed+for+good", None
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.tick()
        w.p.schools[d.given["school"]].is_deleted = True
        w.p.end_assignments(school=d.given["school"])
        w.versions[d.given["school"]] = None

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("restore_school", "POST /api/v1/schools/{id}/restore", weight=0.2, audit=("restore", "school"))
class RestoreSchool:
    @staticmethod
    def make(w: World) -> Any:
        school = w.pick(each.id for each in w.p.schools.values() if each.is_deleted)
        return None if school is None else (w.leader(), {"school": school})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "?" if w.p.schools[d.given["school"]].is_deleted else "not_found"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.write("POST", f"/api/v1/schools/{w.ids[d.given['school']]}/restore", None)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.tick()
        w.p.schools[d.given["school"]].is_deleted = False
        w.versions[d.given["school"]] = answer["version"]

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("make_year", "POST /api/v1/school-years", weight=0.0, audit=("create", "school_year"), is_setup=True)
class MakeYear:
    @staticmethod
    def make(w: World) -> Any:
        return None

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        body = {
            "name": f"Year {d.key}",
            "starts_on": g["starts_on"],
            "ends_on": g["ends_on"],
            "is_current": g["is_current"],
        }
        return await go.write("POST", "/api/v1/school-years", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        word = f"year {d.key}"
        w.call(word, "year", answer["id"])
        w.versions[word] = answer["version"]
        g = d.given
        w.p.years[word] = Year(
            word, f"Year {d.key}", date.fromisoformat(g["starts_on"]), date.fromisoformat(g["ends_on"])
        )
        if g["is_current"]:
            _make_current(w, word)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


def _make_current(w: World, word: str) -> None:
    for each in w.p.years.values():
        each.is_current = each.id == word
        if each.id != word:
            w.versions[each.id] = None


@kind("make_year_current", "PATCH /api/v1/school-years/{id}", weight=0.3, audit=("change", "school_year"))
class MakeYearCurrent:
    @staticmethod
    def make(w: World) -> Any:
        year = w.pick(each.id for each in w.p.years.values() if not each.is_current and not each.is_deleted)
        return None if year is None else (w.leader(), {"year": year})

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        word = d.given["year"]
        version = await go.version(word, f"/api/v1/school-years/{w.ids[word]}")
        return await go.write(
            "PATCH", f"/api/v1/school-years/{w.ids[word]}", {"version": version, "is_current": True}
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.tick()
        w.versions[d.given["year"]] = answer["version"]
        _make_current(w, d.given["year"])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("end_current_year", "PATCH /api/v1/school-years/{id}", weight=0.05)
class EndCurrentYear:
    """The current year is to be one no more, with no other in its place."""

    @staticmethod
    def make(w: World) -> Any:
        year = w.p.current_year()
        return None if year is None else (w.leader(), {"year": year})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "year_is_current" if w.p.years[d.given["year"]].is_current else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        word = d.given["year"]
        version = await go.version(word, f"/api/v1/school-years/{w.ids[word]}")
        body = {"version": version, "is_current": False}
        return await go.write("PATCH", f"/api/v1/school-years/{w.ids[word]}", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.versions[d.given["year"]] = answer["version"]

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [d.given["year"]]  # which is never done


@kind("make_class", "POST /api/v1/classes", weight=0.5, audit=("create", "class"), is_setup=True)
class MakeClass:
    @staticmethod
    def make(w: World) -> Any:
        school, year = w.school(), w.p.current_year()
        if school is None or year is None:
            return None
        return w.leader(), {"school": school, "year": year, "grade": w.pick(GRADES), "section": w.pick("ABC")}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        g = d.given
        if w.p.schools[g["school"]].is_deleted:
            return "not_found"
        if not w.p.schools[g["school"]].is_open:
            return "school_closed"
        return (
            "already_taken"
            if w.p.class_id(g["school"], g["year"], g["grade"], g["section"]) in w.p.classes
            else ""
        )

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        body = {
            "school_id": w.ids[g["school"]],
            "grade": g["grade"],
            "section": g["section"],
            "school_year_id": w.ids[g["year"]],
        }
        return await go.write("POST", "/api/v1/classes", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g = d.given
        word = w.p.class_id(g["school"], g["year"], g["grade"], g["section"])
        w.call(word, "class", answer["id"])
        w.versions[word] = answer["version"]
        w.p.classes[word] = Class(word, g["school"], g["year"], g["grade"], g["section"])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        g = d.given
        return [g["school"], w.p.class_id(g["school"], g["year"], g["grade"], g["section"])]


@kind("regrade_class", "PATCH /api/v1/classes/{id}", weight=0.3, audit=("change", "class"))
class RegradeClass:
    """A class with children never changes its grade: its children would stand in a grade that is not theirs."""

    @staticmethod
    def make(w: World) -> Any:
        klass = w.pick(each.id for each in w.p.classes.values() if not each.is_deleted and each.id in w.ids)
        return None if klass is None else (w.leader(), {"class": klass, "grade": w.pick(GRADES)})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        klass = w.p.classes[d.given["class"]]
        if klass.is_deleted:
            return "not_found"
        if klass.grade == d.given["grade"]:
            return "?"
        holds = any(stint.klass == klass.id for each in w.p.children.values() for stint in each.stints)
        other = w.p.class_id(klass.school, klass.year, d.given["grade"], klass.section)
        if holds:
            return "class_has_children"
        return "already_taken" if other in w.p.classes else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        word = d.given["class"]
        version = await go.version(word, f"/api/v1/classes/{w.ids[word]}")
        return await go.write(
            "PATCH", f"/api/v1/classes/{w.ids[word]}", {"version": version, "grade": d.given["grade"]}
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        word = d.given["class"]
        w.p.tick()
        w.versions[word] = answer["version"]
        klass = w.p.classes[word]
        if klass.grade == answer["grade"]:
            return
        del w.p.classes[word]
        klass.grade = answer["grade"]
        klass.id = w.p.class_id(klass.school, klass.year, klass.grade, klass.section)
        w.p.classes[klass.id] = klass
        w.call(klass.id, "class", w.ids.pop(word))
        w.versions[klass.id] = w.versions.pop(word)
        for each in w.p.assignments.values():
            each.klass = klass.id if each.klass == word else each.klass

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("delete_class", "DELETE /api/v1/classes/{id}", weight=0.15, audit=("delete", "class"))
class DeleteClass:
    @staticmethod
    def make(w: World) -> Any:
        held = {each.record.klass for each in w.p.children.values() if each.is_live}
        held |= {each.klass for each in w.p.assignments.values() if not each.is_ended}
        there = [each.id for each in w.p.classes.values() if not each.is_deleted and each.id in w.ids]
        free = [each for each in there if each not in held]
        klass = w.pick(free if free and w.chance(0.7) else there)
        return None if klass is None else (w.leader(), {"class": klass})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        klass = w.p.classes[d.given["class"]]
        if klass.is_deleted:
            return "not_found"
        if any(each.is_live and each.record.klass == klass.id for each in w.p.children.values()):
            return "in_use"
        if any(w.p.results[each].klass == klass.id for each in w.p.live.values()):
            return "class_has_past"
        stints = [stint for each in w.p.children.values() for stint in each.stints]
        named = any(each.klass == klass.id for each in (*w.p.results.values(), *stints))
        # A removed child's own record is no past; a former stint is one.
        return "class_has_past?" if named else leaders_only(w, d)

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.write("DELETE", f"/api/v1/classes/{w.ids[d.given['class']]}?reason=not+needed", None)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.classes[d.given["class"]].is_deleted = True
        w.p.end_assignments(klass=d.given["class"])
        w.versions[d.given["class"]] = None

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("restore_class", "POST /api/v1/classes/{id}/restore", weight=0.15, audit=("restore", "class"))
class RestoreClass:
    @staticmethod
    def make(w: World) -> Any:
        klass = w.pick(each.id for each in w.p.classes.values() if each.is_deleted and each.id in w.ids)
        return None if klass is None else (w.leader(), {"class": klass})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "?" if w.p.classes[d.given["class"]].is_deleted else "not_found"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.write("POST", f"/api/v1/classes/{w.ids[d.given['class']]}/restore", None)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.classes[d.given["class"]].is_deleted = False
        w.versions[d.given["class"]] = answer["version"]

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("assign", "POST /api/v1/assignments", weight=0.8, audit=("create", "assignment"), is_setup=True)
class Assign:
    @staticmethod
    def make(w: World) -> Any:
        person, school = w.person("mentor", "teacher"), w.school()
        if person is None or school is None:
            return None
        klass = None
        if w.p.people[person].role == "teacher" and w.chance(0.4):
            klass = w.pick(
                each.id
                for each in w.p.classes.values()
                if each.school == school and not each.is_deleted and each.id in w.ids
            )
        to_on = (w.today + timedelta(days=w.rng.randrange(20))).isoformat() if w.chance(0.3) else None
        return w.leader(), {
            "person": person,
            "school": school,
            "subject": w.pick(("language", "math")),
            "class": klass,
            "to_on": to_on,
        }

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        g = d.given
        if w.p.schools[g["school"]].is_deleted:
            return "no_school"
        same = [
            each
            for each in w.p.assignments.values()
            if (each.person, each.school, each.subject, each.klass)
            == (g["person"], g["school"], g["subject"], g["class"])
            and not each.is_ended
        ]
        if any(each.to_on is None or each.to_on >= w.today for each in same):
            return "already_taken"
        return "" if g["to_on"] is None or g["to_on"] >= w.today.isoformat() else "ends_before_start"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        body = {
            "person_id": go.person_id(g["person"]),
            "school_id": w.ids[g["school"]],
            "subject": g["subject"],
            "class_id": w.ids.get(g["class"]),
            "to_on": g["to_on"],
        }
        return await go.write("POST", "/api/v1/assignments", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g = d.given
        word = f"assignment {d.key}"
        w.call(word, "assignment", answer["id"])
        to_on = None if g["to_on"] is None else date.fromisoformat(g["to_on"])
        w.p.assignments[word] = Assignment(
            word, g["person"], g["school"], g["subject"], g["class"], w.today, to_on
        )

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [d.given["person"], d.given["school"]]


@kind("fill_gaps", "POST /assignments/gaps", weight=0.05)
class FillGaps:
    """A school that lacks a mentor or a teacher is given to somebody, by the page that lists such schools."""

    @staticmethod
    def make(w: World) -> Any:
        role, subject = w.pick(("mentor", "teacher")), w.pick(("language", "math"))
        roles = {each.id: each.role for each in w.p.people.values()}
        served = {
            each.school
            for each in w.p.assignments.values()
            if each.subject == subject and each.holds_on(w.today) and roles.get(each.person) == role
        }
        school = w.pick(
            each.id
            for each in w.p.schools.values()
            if not each.is_deleted and each.is_open and not each.is_practice and each.id not in served
        )
        person = w.person(role)
        if school is None or person is None:
            return None
        return w.leader(), {"school": school, "person": person, "role": role, "subject": subject}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return leaders_only(w, d) or "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        person, school = w.ids[f"person {g['person']}"], w.ids[g["school"]]
        page = f"/assignments/gaps?role={g['role']}&subject={g['subject']}&limit=50"
        told = await go.form(page, "/assignments/gaps", person=person, school=[school])
        if told.is_done:
            listed = f"/api/v1/assignments?person_id={person}&school_id={school}&active=true&limit=100"
            rows = (await go.read("GET", listed)).data["items"]
            told.data = next(
                row for row in rows if row["subject"] == g["subject"] and row["class_id"] is None
            )
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g, word = d.given, f"assignment {d.key}"
        w.call(word, "assignment", answer["id"])
        w.p.assignments[word] = Assignment(word, g["person"], g["school"], g["subject"], None, w.today, None)

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


@kind("assign_many", "POST /api/v1/assignments/batch", weight=0.1)
class AssignMany:
    """Somebody gets several schools in one step, all or none."""

    @staticmethod
    def make(w: World) -> Any:
        person, school = w.person("mentor", "teacher"), w.school()
        if person is None or school is None:
            return None
        return w.leader(), {"person": person, "school": school}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        g = d.given
        if w.p.schools[g["school"]].is_deleted:
            return "no_school"
        is_taken = any(
            (each.person, each.school, each.klass) == (g["person"], g["school"], None)
            and not each.is_ended
            and (each.to_on is None or each.to_on >= w.today)
            for each in w.p.assignments.values()
        )
        return "already_taken" if is_taken else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        person, school = go.person_id(d.given["person"]), w.ids[d.given["school"]]
        rows = [{"person_id": person, "school_id": school, "subject": each} for each in SUBJECTS]
        return await go.write("POST", "/api/v1/assignments/batch", {"assignments": rows})

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        for subject, row in zip(SUBJECTS, answer["assignments"], strict=True):
            word = f"assignment {d.key} {subject}"
            w.call(word, "assignment", row["id"])
            w.p.assignments[word] = Assignment(
                word, d.given["person"], d.given["school"], subject, None, w.today
            )

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


@kind(
    "end_assignment",
    "POST /api/v1/assignments/{id}/end",
    "POST /api/v1/assignments/end",
    weight=0.4,
    audit=("end", "assignment"),
)
class EndAssignment:
    @staticmethod
    def make(w: World) -> Any:
        word = w.pick(each.id for each in w.p.assignments.values() if not each.is_ended)
        if w.chance(0.25):
            # Rather somebody's who has a draft or a plan there: it is left behind.
            own = {
                (each.get("who"), each.get("school"), each.get("subject"))
                for sort in ("visit", "planned")
                for each in w.things.get(sort, {}).values()
                if sort == "planned" or each.get("state") == "draft"
            }
            busy = [
                each.id
                for each in w.p.assignments.values()
                if not each.is_ended and (each.person, each.school, each.subject) in own
            ]
            word = w.pick(busy) or word
        return None if word is None else (w.leader(), {"assignment": word, "many": w.chance(0.3)})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        found = w.p.assignments[d.given["assignment"]]
        if found.is_ended:
            return "?" if d.given["many"] else "already_ended?"
        return "" if found.holds_on(w.today) else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        number = w.ids[d.given["assignment"]]
        if d.given["many"]:
            return await go.write("POST", "/api/v1/assignments/end", {"assignment_ids": [number]})
        return await go.write("POST", f"/api/v1/assignments/{number}/end", None)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.assignments[d.given["assignment"]].is_ended = True

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        found = w.p.assignments[d.given["assignment"]]
        return [found.person, found.school]
