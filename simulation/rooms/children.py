"""Children: enrolled, corrected, moved, gone and back, removed and brought back, made one with another, going on to the next year."""

from __future__ import annotations

from typing import Any

from simulation.deeds import EVERYTHING, Deed, World, kind, name_of
from simulation.model.things import GRADES, LEADERS, Child, Stint


def _child(w: World, d: Deed) -> Child:
    return w.p.children[d.given["child"]]


def _touches_child(w: World, d: Deed) -> Any:
    return [d.given["child"]]


def _may_stand(w: World, child: Child) -> bool:
    """Whether a child can be back where it stood: not at a closed school, nor in a class or year that is gone."""
    now = child.record
    school, year, klass = w.p.schools[now.school], w.p.years[now.year], w.p.classes.get(now.klass or "")
    is_gone = school.is_deleted or year.is_deleted or (klass is not None and klass.is_deleted)
    return school.is_open and not is_gone


def _reached(w: World, d: Deed, *roles: str) -> str:
    """Whether somebody in the field (or of these roles) reaches the child; what is removed or not theirs is not there for them."""
    child = _child(w, d)
    role = w.p.people[d.who].role
    if role not in (roles or ("admin", "coordinator", "mentor", "teacher")):
        return "forbidden"
    if not child.is_live:
        return "not_found"
    return "" if w.p.reaches_child(d.who, w.today, child) else "out_of_scope"


@kind(
    "enrol",
    "POST /api/v1/students",
    "POST /schools/{id}/students/new",
    weight=2.0,
    audit=("create", "student"),
    is_setup=True,
)
class Enrol:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        school, year = w.school(), w.p.current_year()
        if school is None or year is None:
            return None
        klass = w.pick(
            each.id
            for each in w.p.classes.values()
            if each.school == school and each.year == year and not each.is_deleted and each.id in w.ids
        )
        grade = w.p.classes[klass].grade if klass is not None else w.pick(GRADES)
        return w.anybody_for(school, klass=klass), {
            "school": school,
            "year": year,
            "class": klass,
            "grade": grade,
            "sex": w.pick((1, 2)),
        }

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        g = d.given
        school = w.p.schools[g["school"]]
        if w.p.people[d.who].role == "viewer":
            return "forbidden"
        if school.is_deleted:
            return "no_school"
        if not w.p.covers(d.who, w.today, g["school"], g["class"]):
            return "out_of_scope"
        if not school.is_open:
            return "school_closed?"
        if g["class"] is not None and w.p.classes.get(g["class"]) is None:
            return "no_class"
        if g["class"] is not None and w.p.classes[g["class"]].is_deleted:
            return "no_class"
        return "" if g["year"] == w.p.current_year() or d.way == "api" else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        code, name = f"C{d.key}", f"{name_of(d.key)} Sok"
        if d.way == "page":
            page = f"/schools/{w.ids[g['school']]}/students/new"
            class_id = w.ids.get(g["class"], "")
            return await go.form(
                page,
                page,
                optional=("class_id",),
                code=code,
                name=name,
                sex=g["sex"],
                grade=g["grade"],
                class_id=class_id,
            )
        body = {
            "school_id": w.ids[g["school"]],
            "code": code,
            "name": name,
            "sex": g["sex"],
            "grade": g["grade"],
            "class_id": w.ids.get(g["class"]),
            "id": d.uuid(),
            "school_year_id": w.ids[g["year"]],
        }
        return await go.write("POST", "/api/v1/students", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g = d.given
        year = g["year"] if d.way == "api" else (w.p.current_year() or g["year"])
        number = answer["id"] if d.way == "api" else answer["location"].split("?")[0].rsplit("/", 1)[-1]
        word = d.uuid()
        w.call(word, "child", number)
        w.p.enrol(
            word,
            f"C{d.key}",
            f"{name_of(d.key)} Sok",
            Stint(year, g["school"], g["class"], g["grade"], g["sex"], 0),
        )
        w.p.children[word].version = 1 if d.way == "page" else answer["version"]

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [d.uuid(), d.given["class"] or d.given["school"] + " without class"]


@kind(
    "correct",
    "PATCH /api/v1/students/{id}",
    "POST /students/{id}/edit",
    weight=2.0,
    audit=("change", "student"),
)
class Correct:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        child = w.child(active=True)
        if child is None:
            return None
        now = child.record
        sex, grade, klass = now.sex, now.grade, now.klass
        name = child.name
        what = w.pick(("sex", "grade", "class", "name", "grade and class"))
        if what == "sex":
            sex = 3 - now.sex
        elif what == "name":
            name = f"{name_of(w.next_key, 'new')} Chan"
        elif what == "grade" and klass is None:
            grade = w.pick(GRADES)
        else:
            klass = w.pick(
                each.id
                for each in w.p.classes.values()
                if each.school == now.school
                and each.year == now.year
                and not each.is_deleted
                and each.id in w.ids
                and (what == "grade and class" or each.grade == now.grade)
            )
            grade = w.p.classes[klass].grade if klass is not None else grade
        return w.anybody_for(now.school, klass=now.klass), {
            "child": child.id,
            "sex": sex,
            "grade": grade,
            "class": klass,
            "name": name,
        }

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        g, why = d.given, _reached(w, d)
        child = _child(w, d)
        if why:
            return why
        if child.is_erased:
            return "identity_erased"
        if child.status == "left":
            return "?"
        now = child.record
        klass = None if g["class"] is None else w.p.classes.get(g["class"])
        if g["class"] is not None and (
            klass is None or klass.is_deleted or klass.school != now.school or klass.grade != g["grade"]
        ):
            return "no_class"
        if klass is not None and klass.year != now.year:
            return "class_of_another_year"
        if not w.p.covers(d.who, w.today, now.school, g["class"]):
            return "out_of_scope"
        return ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        child = _child(w, d)
        number = w.ids[child.id]
        if d.way == "page":
            page = f"/students/{number}/edit"
            typed = {
                "name": g["name"],
                "sex": g["sex"],
                "grade": g["grade"],
                "class_id": w.ids.get(g["class"], ""),
            }
            return await go.form(
                page, page, optional=("class_id", "reason"), reason="it was written down wrongly", **typed
            )
        body: dict[str, Any] = {
            "version": await go.child_version(child),
            "name": g["name"],
            "sex": g["sex"],
            "grade": g["grade"],
            "class_id": w.ids.get(g["class"]),
        }
        if go.knows("PATCH", "/api/v1/students/{id}", "reason"):
            body["reason"] = "it was written down wrongly"
        return await go.write("PATCH", f"/api/v1/students/{number}", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g, child = d.given, _child(w, d)
        child.version = answer["version"] if d.way == "api" else None
        if child.name != g["name"]:
            child.former_names.append(child.name)
            child.name = g["name"]
        w.p.correct(child, sex=g["sex"], grade=g["grade"], klass=g["class"])

    touches = staticmethod(_touches_child)


@kind("patch_across", "PATCH /api/v1/students/{id}", weight=0.4, audit=("change", "student"))
class PatchAcross:
    """A plain change of a child's record that names another school or year: that is a move, and has rules of its own."""

    @staticmethod
    def make(w: World) -> Any:
        child = w.child(active=True)
        if child is None:
            return None
        if w.chance(0.5):
            school = w.school()
            if school is None or school == child.record.school:
                return None
            return w.leader(), {"child": child.id, "school": school, "year": None}
        year = w.pick(each.id for each in w.p.years.values() if each.id != child.record.year)
        return None if year is None else (w.leader(), {"child": child.id, "school": None, "year": year})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return _reached(w, d) or ("moved_without_transfer" if d.given["school"] else "year_without_roll_over")

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        child = _child(w, d)
        body: dict[str, Any] = {"version": await go.child_version(child), "class_id": None}
        if d.given["school"]:
            body["school_id"] = w.ids[d.given["school"]]
        else:
            body["school_year_id"] = w.ids[d.given["year"]]
        if go.knows("PATCH", "/api/v1/students/{id}", "reason"):
            body["reason"] = "wrongly put"
        return await go.write("PATCH", f"/api/v1/students/{w.ids[child.id]}", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        child = _child(w, d)
        child.version = answer["version"]
        if d.given["school"]:
            w.p.move(child, "moved", school=d.given["school"], klass=None)
        else:
            w.p.move(child, "moved", year=d.given["year"], klass=None)

    touches = staticmethod(_touches_child)  # it is never done


@kind(
    "transfer",
    "POST /api/v1/students/{id}/transfer",
    "POST /students/{id}/move/{school}",
    weight=1.2,
    audit=("transfer", "student"),
)
class TransferChild:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        child = w.child(active=True)
        school = w.school()
        if child is None or school is None:
            return None
        now = child.record
        klass = w.pick(
            each.id
            for each in w.p.classes.values()
            if each.school == school
            and each.year == now.year
            and not each.is_deleted
            and each.id in w.ids
            and each.grade == now.grade
        )
        who = w.leader() if w.chance(0.7) else w.anybody_for(now.school, klass=now.klass)
        return who, {"child": child.id, "school": school, "class": klass, "grade": now.grade}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        g, why = d.given, _reached(w, d)
        child = _child(w, d)
        if why:
            return why
        school, now = w.p.schools[g["school"]], child.record
        if not w.p.covers(d.who, w.today, g["school"], g["class"]):
            return "out_of_scope"
        if child.is_erased:
            return "identity_erased"
        if school.is_deleted:
            return "no_school"
        klass = None if g["class"] is None else w.p.classes.get(g["class"])
        if g["class"] is not None and (klass is None or klass.is_deleted or klass.grade != g["grade"]):
            return "no_class"
        if (now.school, now.klass, now.grade) == (g["school"], g["class"], g["grade"]):
            return "there_already"
        if now.school != g["school"]:
            if not school.is_open:
                return "school_closed"
            if school.is_practice != w.p.schools[now.school].is_practice:
                return "between_practice_and_real"
        if child.status == "left":
            return "?"
        if klass is not None and klass.year != now.year:
            return "?"
        if not w.p.code_is_free(g["school"], child.code, child.id):
            return "code_taken"
        return "?" if w.p.schools[now.school].is_deleted else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        child = _child(w, d)
        path = f"/students/{w.ids[child.id]}"
        if d.way == "page":
            page = f"{path}/move/{w.ids[g['school']]}"
            return await go.form(
                page,
                page,
                optional=("class_id",),
                class_id=w.ids.get(g["class"], ""),
                grade=g["grade"],
                reason="moved house",
            )
        body = {
            "version": await go.child_version(child),
            "school_id": w.ids[g["school"]],
            "grade": g["grade"],
            "moved_on": w.day(),
            "reason": "moved house",
            "class_id": w.ids.get(g["class"]),
        }
        return await go.write("POST", f"/api/v1{path}/transfer", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g, child = d.given, _child(w, d)
        child.version = answer["version"] if d.way == "api" else None
        year = child.record.year
        if g["class"] is not None:
            year = w.p.classes[g["class"]].year
        w.p.move(child, "moved", school=g["school"], klass=g["class"], grade=g["grade"], year=year)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [d.given["child"], f"codes of {d.given['school']}"]


@kind(
    "leave",
    "POST /api/v1/students/{id}/leave",
    "POST /students/{id}/left",
    weight=1.0,
    audit=("leave", "student"),
)
class Leave:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        child = w.child(active=True)
        return (
            None
            if child is None
            else (w.anybody_for(child.record.school, klass=child.record.klass), {"child": child.id})
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return _reached(w, d) or ("" if _child(w, d).status == "active" else "?")

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        child = _child(w, d)
        path = f"/students/{w.ids[child.id]}"
        if d.way == "page":
            return await go.form(path, f"{path}/left", left_on=w.day(), reason="moved away")
        body = {"version": await go.child_version(child), "left_on": w.day(), "reason": "moved away"}
        return await go.write("POST", f"/api/v1{path}/leave", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        child = _child(w, d)
        child.version = answer["version"] if d.way == "api" else None
        if child.status == "active":
            w.p.leave(child, w.today)

    touches = staticmethod(_touches_child)


@kind(
    "come_back",
    "POST /api/v1/students/{id}/return",
    "POST /students/{id}/returned",
    weight=0.7,
    audit=("return", "student"),
)
class ComeBack:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        child = w.child(active=False)
        return (
            None
            if child is None
            else (w.anybody_for(child.record.school, klass=child.record.klass), {"child": child.id})
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        child = _child(w, d)
        is_plain = child.status == "left" and child.record.ended == "left"
        return _reached(w, d) or ("" if is_plain and _may_stand(w, child) else "?")

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        child = _child(w, d)
        path = f"/students/{w.ids[child.id]}"
        if d.way == "page":
            return await go.form(path, f"{path}/returned")
        return await go.write("POST", f"/api/v1{path}/return", {"version": await go.child_version(child)})

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        child = _child(w, d)
        child.version = answer["version"] if d.way == "api" else None
        if child.status == "left":
            w.p.come_back(child)

    touches = staticmethod(_touches_child)


@kind(
    "delete_child",
    "DELETE /api/v1/students/{id}",
    "POST /students/{id}/delete",
    weight=0.8,
    audit=("delete", "student"),
)
class DeleteChild:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        child = w.child()
        if child is None:
            return None
        reason = "" if w.chance(0.2) else "entered by mistake"
        return w.anybody_for(child.record.school, klass=child.record.klass), {
            "child": child.id,
            "reason": reason,
        }

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        why = _reached(w, d, "admin", "coordinator", "teacher")
        if why:
            return why
        may_override = w.p.people[d.who].role in LEADERS and d.given["reason"]
        is_settled = any(
            each.is_verified
            or each.is_locked
            or w.p.rounds[each.round].state != "open"
            or each.school in w.p.rounds[each.round].locked
            for each in w.p.results_of(d.given["child"])
        )
        if is_settled and not may_override:
            return "results_settled"
        if d.way == "page" and not d.given["reason"]:
            return "?"
        return ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        path = f"/students/{w.ids[d.given['child']]}"
        if d.way == "page":
            return await go.form(path, f"{path}/delete", reason=d.given["reason"])
        return await go.write("DELETE", f"/api/v1{path}?reason={d.given['reason'].replace(' ', '+')}", None)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.tick()
        _child(w, d).is_deleted = True
        _child(w, d).version = None

    touches = staticmethod(_touches_child)


@kind(
    "restore_child",
    "POST /api/v1/students/{id}/restore",
    "POST /students/{id}/restore",
    weight=0.6,
    audit=("restore", "student"),
)
class RestoreChild:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        child = w.pick(each for each in w.p.children.values() if each.is_deleted)
        return None if child is None else (w.leader(), {"child": child.id})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        child = _child(w, d)
        if not child.is_deleted or child.merged_into is not None:
            return "not_found"
        if not w.p.code_is_free(child.record.school, child.code, child.id):
            return "already_taken"
        return "?" if child.is_erased or not _may_stand(w, child) else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        path = f"/students/{w.ids[d.given['child']]}"
        if d.way == "page":
            return await go.form(path, f"{path}/restore")
        return await go.write("POST", f"/api/v1{path}/restore", None)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.tick()
        _child(w, d).is_deleted = False
        _child(w, d).version = None

    touches = staticmethod(_touches_child)


@kind(
    "roll_over",
    "POST /api/v1/schools/{id}/roll-over",
    "POST /api/v1/schools/{id}/roll-over/preview",
    weight=0.5,
    audit=("roll_over", "school"),
)
class RollOver:
    @staticmethod
    def make(w: World) -> Any:
        school, year = w.school(), w.p.current_year()
        if school is None or year is None:
            return None
        if w.p.next_year(year) is None:
            year = next((each for each in w.p.years if w.p.next_year(each) == year), None)
        children = [each.id for each in w.p.rolling(school, year)] if year else []
        if not children:
            return None
        repeaters = sorted(each for each in children if w.chance(0.1))
        return w.leader(), {"school": school, "year": year, "repeaters": repeaters, "carry": w.chance(0.6)}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        g = d.given
        if w.p.schools[g["school"]].is_deleted or w.p.next_year(g["year"]) is None:
            return "not_found"
        moving = {each.id for each in w.p.rolling(g["school"], g["year"])}
        if not moving:
            return "nothing_to_roll_over"
        if any(
            known.get("school") == g["school"] and known.get("year") == g["year"]
            for known in w.things.get("roll", {}).values()
        ):
            return "?"
        if not w.p.schools[g["school"]].is_open:
            return "school_closed"
        if not set(g["repeaters"]) <= moving:
            return "preview_outdated"
        if w.p.unfinished_rounds(g["school"], g["year"]) and not g["carry"]:
            return "round_is_open"
        return ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        path = f"/api/v1/schools/{w.ids[g['school']]}/roll-over"
        body: dict[str, Any] = {
            "id": d.uuid(),
            "rolled_on": w.day(),
            "to_year_id": w.ids[w.p.next_year(g["year"]) or ""],
            "repeaters": [w.ids[each] for each in g["repeaters"] if each in w.ids],
        }
        seen = await go.read("POST", f"{path}/preview", body)
        if not seen.is_done:
            return seen
        body["children"] = seen.data["children"]
        if g["carry"] and go.knows("POST", "/api/v1/schools/{id}/roll-over", "carry_open_rounds"):
            body["carry_open_rounds"] = True
        answer = await go.write("POST", path, body)
        if answer.is_done:
            await go.learn_classes(g["school"])
        return answer

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g = d.given
        if answer["id"] != d.uuid():
            # This school has left this year already: the roll-over of then is told, and nothing is done.
            w.keys_made["was done already"] = True
            w.keys_made.pop("classes", None)
            return
        for child in w.p.rolling(g["school"], g["year"]):
            child.version = None
        w.things.setdefault("roll", {})[d.uuid()] = {"school": g["school"], "year": g["year"]}
        w.things.setdefault("roll_done", {})[w.ids.get(d.uuid(), d.uuid())] = {}
        w.p.roll_over(d.uuid(), g["school"], g["year"], g["repeaters"])
        go_on = w.keys_made.pop("classes", {})
        for word, number in go_on.items():
            w.call(word, "class", number)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("undo_roll_over", "POST /api/v1/roll-overs/{id}/undo", weight=0.3, audit=("undo", "school"))
class UndoRollOver:
    @staticmethod
    def make(w: World) -> Any:
        roll = w.pick(sorted(w.p.rolled))
        return None if roll is None else (w.leader(), {"roll": roll})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        roll = d.given["roll"]
        if roll not in w.p.rolled:
            return "already_undone"
        known = w.things["roll"][roll]
        into = w.p.rolled_into[roll]
        has_results = any(
            each.school == known["school"] and w.p.rounds[each.round].year == into and not each.is_deleted
            for each in w.p.results.values()
        )
        return "roll_over_stands" if has_results else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.write(
            "POST",
            f"/api/v1/roll-overs/{w.ids.get(d.given['roll'], d.given['roll'])}/undo",
            {"reason": "too early"},
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        for child_id in w.p.rolled[d.given["roll"]]:
            w.p.children[child_id].version = None
        w.p.undo_roll_over(d.given["roll"])
        school = w.things["roll"].pop(d.given["roll"])["school"]
        # Classes that it made and that nothing ever stood in are gone again; those that it brought back are put away again.
        there = w.keys_made.pop("classes", None)
        made = w.p.made_by_roll_over.pop(d.given["roll"], set())
        for each in [each for each in w.p.classes.values() if each.school == school]:
            if there is not None and each.id not in there:
                each.is_deleted = True
                if each.id in made and not w.p.was_used(each.id):
                    del w.p.classes[each.id]

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("merge", "POST /api/v1/merges", weight=0.6, audit=("merge", "student"))
class Merge:
    @staticmethod
    def make(w: World) -> Any:
        kept = w.child()
        gone = w.child(school=kept.record.school) if kept is not None else None
        if kept is None or gone is None or kept.id == gone.id:
            return None
        return w.leader(), {"kept": kept.id, "gone": gone.id}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        kept, gone = w.p.children[d.given["kept"]], w.p.children[d.given["gone"]]
        if not kept.is_live or not gone.is_live:
            return "not_found"
        if kept.is_erased or gone.is_erased:
            return "not_mergeable"
        if w.p.schools[kept.record.school].is_practice != w.p.schools[gone.record.school].is_practice:
            return "across_practice"
        results = [*w.p.results_of(kept.id), *w.p.results_of(gone.id)]
        is_held = any(each.is_locked or each.school in w.p.rounds[each.round].locked for each in results)
        return "merge_held" if is_held else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        kept, gone = w.p.children[d.given["kept"]], w.p.children[d.given["gone"]]
        body = {
            "kept_id": w.ids[kept.id],
            "kept_version": await go.child_version(kept),
            "gone_id": w.ids[gone.id],
            "gone_version": await go.child_version(gone),
            "reason": "the same child twice",
        }
        told = await go.write("POST", "/api/v1/merges", body)
        if told.is_done:
            rows = await go.read("GET", f"/api/v1/students/{w.ids[kept.id]}/results?limit=1000")
            told.data["standing"] = [row["id"] for row in rows.data["items"]] if rows.is_done else []
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        word = f"merge {d.key}"
        w.call(word, "merge", answer["id"])
        kept, gone = w.p.children[d.given["kept"]], w.p.children[d.given["gone"]]
        kept.version = gone.version = None
        standing = {w.word("result", each) or "" for each in answer["standing"]}
        w.p.merge(word, kept, gone, standing)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [d.given["kept"], d.given["gone"]]


@kind("unmerge", "POST /api/v1/merges/{id}/undo", weight=0.4, audit=("unmerge", "student"))
class Unmerge:
    @staticmethod
    def make(w: World) -> Any:
        merge = w.pick(sorted(w.p.merges))
        return None if merge is None else (w.leader(), {"merge": merge})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "?" if d.given["merge"] in w.p.merges else "merge_already_undone"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.write(
            "POST", f"/api/v1/merges/{w.ids[d.given['merge']]}/undo", {"reason": "two children after all"}
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        known = w.p.merges[d.given["merge"]]
        for each in ("kept", "gone"):
            w.p.children[str(known[each])].version = None
        w.p.unmerge(d.given["merge"])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("erase", "POST /api/v1/students/{id}/erase", weight=0.15, audit=("erase", "student"))
class Erase:
    @staticmethod
    def make(w: World) -> Any:
        child = w.child()
        return None if child is None else ("admin", {"child": child.id})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        child = _child(w, d)
        if not child.is_live:
            return "?"
        return "?" if child.is_erased or w.p.merges else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        child = _child(w, d)
        return await go.write(
            "POST",
            f"/api/v1/students/{w.ids[child.id]}/erase",
            {"confirmation": child.code, "reason": "the family asked"},
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        child = _child(w, d)
        w.p.tick()
        child.is_erased = True
        child.former_names.append(child.name)
        child.code = f"x-{w.ids[child.id]}"
        child.version = None

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]
