"""Places and schools moved, split and merged; what was written of a past year amended; what others left behind handed over."""

from __future__ import annotations

from typing import Any

from simulation.deeds import EVERYTHING, KINDS, Deed, World, kind
from simulation.forms import form_to
from simulation.model.things import GRADES, LEADERS, Place, School
from simulation.rooms.pages import by_page, reading, why
from simulation.rooms.places import leaders_only
from simulation.rooms.plain import MENTORS, at, one, plain, thing, version_of

REASON = "the districts were drawn anew"
RANK = {"country": 0, "province": 1, "district": 2, "commune": 3, "village": 4}


def _open_places(w: World, *kinds: str) -> list[Place]:
    return [
        each
        for each in w.p.places.values()
        if not each.is_deleted
        and not each.is_closed
        and (not kinds or each.kind in kinds)
        and each.id in w.ids
    ]


def _everything(_w: World, _d: Deed) -> Any:
    return [EVERYTHING]


async def _twice(go: Any, page: str, action: str, **typed: Any) -> Any:
    """Fills a form in, sees what it would do, and presses the button that does it."""
    seen = await go.form(page, action, **typed)
    if not seen.is_done or seen.status != 200:
        return seen
    form = form_to(seen.text, action)
    if form is None or "do" not in form.names:
        seen.status, seen.code = 409, "not_offered"
        return seen
    told = await go.fill(page, form, (), {"do": "yes"})
    if told.status == 200:  # the form again, with what is wrong
        told.status, told.code = 409, "shown_again"
    told.data["id"] = dict(form.fields).get("id")
    return told


# Places ---------------------------------------------------------------------------------------------------------------------


@kind(
    "change_boundaries",
    "POST /api/v1/boundary-changes",
    "POST /api/v1/boundary-changes/preview",
    "POST /places/{id}/move",
    "POST /places/{id}/merge",
    "POST /places/{id}/split",
    weight=0.35,
)
class ChangeBoundaries:
    """A district or province goes below another place, into another one, or falls in two."""

    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        place = w.pick(_open_places(w, "province", "district"))
        if place is None:
            return None
        given: dict[str, Any] = {"change": w.pick(("move", "merge", "split")), "place": place.id}
        if given["change"] == "move":
            above = [each for each in _open_places(w) if RANK[each.kind] < RANK[place.kind]]
            other = w.pick(each.id for each in above if each.id != place.parent)
        elif given["change"] == "merge":
            other = w.pick(each.id for each in _open_places(w, place.kind) if each.id != place.id)
        else:
            other = ""
            there = [each.id for each in w.p.schools.values() if each.stood[-1][1] == place.id]
            below = [each.id for each in _open_places(w) if each.parent == place.id]
            given["schools"] = sorted(each for each in there if w.chance(0.5))
            given["places"] = sorted(each for each in below if w.chance(0.5))
        return None if other is None else (w.leader(), given | {"other": other})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        place = w.p.places[d.given["place"]]
        if place.is_closed or place.is_deleted:
            return "invalid"
        other = w.p.places[d.given["other"]] if d.given["other"] else None
        if other is not None and (other.is_closed or other.is_deleted):
            return "invalid"
        if other is not None and place.id in w.p.lineage(other.id):
            return "invalid"
        return leaders_only(w, d) or "?"

    @staticmethod
    def plan(w: World, d: Deed) -> dict[str, Any]:
        """What the API is told."""
        g = d.given
        body: dict[str, Any] = {
            "id": d.uuid(),
            "kind": g["change"],
            "place_ids": [w.ids[g["place"]]],
            "reason": REASON,
        }
        if g["change"] == "move":
            return body | {"to_parent_id": w.ids[g["other"]], "code": f"M{d.key}"}
        if g["change"] == "merge":
            return body | {"into_place_id": w.ids[g["other"]]}
        going = {
            "code": f"N{d.key}",
            "name_local": f"New {d.key}",
            "school_ids": [w.ids[each] for each in g["schools"] if each in w.ids],
            "place_ids": [w.ids[each] for each in g["places"] if each in w.ids],
        }
        return body | {"parts": [{"goes_on": True}, going]}

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        if d.way == "page":
            page = f"/places/{w.ids[g['place']]}/{g['change']}"
            if g["change"] == "move":
                typed: dict[str, Any] = {"to_parent_id": w.ids[g["other"]], "code": f"M{d.key}"}
            elif g["change"] == "merge":
                typed = {"into_place_id": w.ids[g["other"]]}
            else:
                part = ChangeBoundaries.plan(w, d)["parts"][1]
                typed = {
                    "code_2": part["code"],
                    "name_2": part["name_local"],
                    "schools": part["school_ids"],
                    "places": part["place_ids"],
                }
                typed = {name: value for name, value in typed.items() if value != []}
            told = await _twice(go, page, page, reason=REASON, **typed)
        else:
            body = ChangeBoundaries.plan(w, d)
            seen = await go.read("POST", "/api/v1/boundary-changes/preview", body)
            told = await go.write("POST", "/api/v1/boundary-changes", body)
            if seen.is_done != told.is_done:
                w.keys_made.setdefault("verdicts", []).append(
                    ("the preview of a boundary change", "preview differs", told.is_done, told.code)
                )
        if told.is_done:
            changes = await go.read("GET", "/api/v1/boundary-changes?limit=1000")
            made = next(each for each in changes.data["items"] if each["id"] == told.data["id"])
            places = [
                await go.read("GET", f"/api/v1/places/{each['successor_id']}") for each in made["followed"]
            ]
            told.data = {**made, "places": [each.data for each in places]}
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g, now = d.given, w.p.tick()
        known = {each["id"]: each for each in answer["places"]}
        after = {w.word("place", each["place_id"]) or "": each["successor_id"] for each in answer["followed"]}
        fresh: list[str] = []
        for number, place in known.items():
            if ("place", number) in w.words:
                continue
            word = f"place {d.key} {len(fresh)}"
            w.call(word, "place", number)
            w.p.places[word] = Place(word, place["kind"], None, place["name_local"])
            fresh.append(word)
        for word in fresh:
            w.p.places[word].parent = w.word("place", known[w.ids[word]]["parent_id"])
        to = {old: w.word("place", number) or "" for old, number in after.items()}
        moved: dict[str, tuple[str, str]] = {}
        for school in w.p.schools.values():
            stands = school.stood[-1][1]
            goes = stands in to and (
                stands != g["place"] or g["change"] != "split" or school.id in g["schools"]
            )
            if goes:
                moved[school.id] = (stands, to[stands])
                school.stood.append((now, to[stands]))
                w.versions[school.id] = None
        closed = [old for old in to if old != g["place"] or g["change"] != "split"]
        for old in closed:
            w.p.places[old].is_closed = True
        for word in w.p.places:
            w.versions[word] = None
        known_change = {"id": answer["id"], "moved": moved, "closed": closed, "fresh": fresh}
        w.things.setdefault("boundary", {})[f"boundary {d.key}"] = known_change

    touches = staticmethod(_everything)


@kind(
    "undo_boundaries",
    "POST /api/v1/boundary-changes/{id}/undo",
    "POST /boundary-changes/{id}/undo",
    weight=0.2,
)
class UndoBoundaries:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        chosen = one("boundary")(w)
        return None if chosen is None else (w.leader(), chosen)

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        known = w.things["boundary"][d.given["of"]]
        if any(w.p.schools[each].stood[-1][1] != to for each, (_, to) in known["moved"].items()):
            return "boundary_stands"
        return leaders_only(w, d) or "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        number = w.things["boundary"][d.given["of"]]["id"]
        if d.way == "page":
            page = "/boundary-changes?limit=20"
            return await go.form(page, f"/boundary-changes/{number}/undo", reason="drawn wrongly")
        return await go.write("POST", f"/api/v1/boundary-changes/{number}/undo", {"reason": "drawn wrongly"})

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        known, now = w.things["boundary"].pop(d.given["of"]), w.p.tick()
        for school, (was, _) in known["moved"].items():
            w.p.schools[school].stood.append((now, was))
            w.versions[school] = None
        for word in known["closed"]:
            w.p.places[word].is_closed = False
        for word in known["fresh"]:
            w.p.places[word].is_closed = True
        for word in w.p.places:
            w.versions[word] = None

    touches = staticmethod(_everything)


@kind(
    "close_place",
    "POST /api/v1/places/{id}/close",
    "POST /places/{id}/close",
    weight=0.1,
    audit=("close", "place"),
)
class ClosePlace:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        found = _open_places(w, "district", "province")
        held = {each.stood[-1][1] for each in w.p.schools.values()} | {
            each.parent for each in _open_places(w)
        }
        place = w.pick([each for each in found if each.id not in held] if w.chance(0.8) else found)
        return None if place is None else (w.leader(), {"place": place.id})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        place = w.p.places[d.given["place"]]
        if place.is_deleted or place.is_closed:
            return "not_found"
        holds = any(each.stood[-1][1] == place.id and not each.is_deleted for each in w.p.schools.values())
        holds = holds or any(each.parent == place.id for each in _open_places(w))
        return "in_use" if holds else leaders_only(w, d) or "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        number = w.ids[d.given["place"]]
        if d.way == "page":
            return await go.form(f"/places?below={number}", f"/places/{number}/close", reason=REASON)
        return await go.write("POST", f"/api/v1/places/{number}/close", {"reason": REASON})

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.tick()
        w.p.places[d.given["place"]].is_closed = True
        w.versions[d.given["place"]] = None

    touches = staticmethod(_everything)


@kind(
    "reopen_place",
    "POST /api/v1/places/{id}/reopen",
    "POST /places/{id}/reopen",
    weight=0.1,
    audit=("reopen", "place"),
)
class ReopenPlace:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        place = w.pick(each.id for each in w.p.places.values() if each.is_closed and each.id in w.ids)
        return None if place is None else (w.leader(), {"place": place})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        place = w.p.places[d.given["place"]]
        if not place.is_closed or place.is_deleted:
            return "not_found"
        return leaders_only(w, d) or "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        number = w.ids[d.given["place"]]
        if d.way == "page":
            return await go.form(f"/places?below={number}", f"/places/{number}/reopen")
        return await go.write("POST", f"/api/v1/places/{number}/reopen", None)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.tick()
        w.p.places[d.given["place"]].is_closed = False
        w.versions[d.given["place"]] = None

    touches = staticmethod(_everything)


# Schools --------------------------------------------------------------------------------------------------------------------


def _school(w: World, d: Deed) -> str:
    return str(w.ids[d.given["school"]])


by_page(
    "move_school",
    "POST /schools/{id}/move",
    page=lambda w, d: f"/schools/{_school(w, d)}/move?place={w.ids[d.given['place']]}",
    action=lambda w, d: f"/schools/{_school(w, d)}/move",
    typed=why,
    then=reading(lambda w, d: f"/api/v1/schools/{_school(w, d)}"),
)
plain(
    "preview_move",
    "POST /api/v1/schools/{id}/move/preview",
    weight=0.05,
    given=lambda w: (
        {"school": school, "place": place.id}
        if (school := w.school()) and (place := w.pick(_open_places(w, "district")))
        else None
    ),
    path=lambda _go, w, d: f"/api/v1/schools/{_school(w, d)}/move/preview",
    body=lambda _go, w, d: {"place_id": w.ids[d.given["place"]]},
)


async def _where_they_are(go: Any, w: World, *schools: str) -> dict[str, dict[str, Any]]:
    """Children of some schools as the program has them, by the model's word, after its classes were learned."""
    found: dict[str, dict[str, Any]] = {}
    classes: dict[str, Any] = {}
    for school in schools:
        await go.learn_classes(school)
        classes |= w.keys_made.pop("classes")
        rows = await go.read("GET", f"/api/v1/students?school_id={w.ids[school]}&limit=1000")
        for row in rows.data["items"]:
            found[w.word("child", row["id"]) or ""] = row
    w.keys_made["classes"] = classes
    return found


def _learned(w: World) -> None:
    """The classes that were learned, with what the model needs of them."""
    from simulation.model.things import Class

    for word, number in w.keys_made.pop("classes", {}).items():
        w.call(word, "class", number)
        if word not in w.p.classes:
            *_, tail = word.split(" ")
            school, year = word[6 : -len(tail) - 1].rsplit(" year ", 1)
            w.p.classes[word] = Class(word, school, f"year {year}", int(tail[0]), tail[1:])
        w.p.classes[word].is_deleted = False
        w.versions[word] = None


def _gone_to(w: World, child: Any, school: str, rows: dict[str, dict[str, Any]]) -> None:
    """A child goes to another school; which class and code it has there the program chooses."""
    row = rows.get(child.id, {})
    w.p.move(child, "moved", school=school, klass=w.word("class", row.get("class_id")))
    child.version, child.code = None, row.get("code", child.code)


def _going(w: World, school: str, classes: list[str] | None = None) -> list[str]:
    return [
        each.id
        for each in w.p.children.values()
        if each.is_live
        and each.status == "active"
        and not each.is_erased
        and each.record.school == school
        and (classes is None or each.record.klass in classes)
    ]


def _keep_change(
    w: World, d: Deed, number: str, into: str, change: str, before: dict[str, tuple[Any, ...]]
) -> None:
    w.things.setdefault("school_change", {})[f"school change {d.key}"] = {
        "id": number,
        "change": change,
        "school": d.given["school"],
        "into": into,
        "children": before,
    }
    w.versions[d.given["school"]] = w.versions[into] = None


def _take(
    w: World, going: list[str], into: str, rows: dict[str, dict[str, Any]]
) -> dict[str, tuple[Any, ...]]:
    """Takes the children there; what each was before, to be taken back."""
    was: dict[str, tuple[Any, ...]] = {}
    for each in going:
        child = w.p.children[each]
        before = child.record.klass, child.code
        _gone_to(w, child, into, rows)
        was[each] = (*before, child.record.klass, child.record.grade)
    return was


@kind(
    "merge_schools",
    "POST /api/v1/schools/{id}/merge",
    "POST /api/v1/schools/{id}/merge/preview",
    "POST /schools/{id}/merge/{school}",
    weight=0.15,
    audit=("merge", "school"),
)
class MergeSchools:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        school, into = w.school(), w.school()
        if school is None or into is None or (school == into and not w.chance(0.1)):
            return None
        return w.leader(), {"school": school, "into": into}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        school, into = w.p.schools[d.given["school"]], w.p.schools[d.given["into"]]
        if school.is_deleted:
            return "not_found"
        if (
            into.is_deleted
            or into is school
            or not into.is_open
            or into.is_practice
            or school.is_practice
            or school.is_merged
        ):
            return "invalid"
        return leaders_only(w, d) or "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        number, into = w.ids[d.given["school"]], w.ids[d.given["into"]]
        if d.way == "page":
            page = f"/schools/{number}/merge/{into}"
            told = await _twice(go, page, page, moved_on=w.day(), reason=REASON)
        else:
            body = {"id": d.uuid(), "into_school_id": into, "moved_on": w.day(), "reason": REASON}
            await go.read("POST", f"/api/v1/schools/{number}/merge/preview", body)
            told = await go.write("POST", f"/api/v1/schools/{number}/merge", body)
        if told.is_done:
            told.data["rows"] = await _where_they_are(go, w, d.given["into"])
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        _learned(w)
        was = _take(w, _going(w, d.given["school"]), d.given["into"], answer["rows"])
        w.p.schools[d.given["school"]].is_open = False
        w.p.schools[d.given["school"]].is_merged = True
        _keep_change(w, d, answer["id"], d.given["into"], "merge", was)

    touches = staticmethod(_everything)


@kind(
    "split_school",
    "POST /api/v1/schools/{id}/split",
    "POST /api/v1/schools/{id}/split/preview",
    "POST /schools/{id}/split",
    weight=0.12,
    audit=("split", "school"),
)
class SplitSchool:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        school = w.school()
        klass = w.pick(
            each.id
            for each in w.p.classes.values()
            if each.school == school
            and not each.is_deleted
            and each.id in w.ids
            and each.year == w.p.current_year()
        )
        return None if klass is None else (w.leader(), {"school": school, "class": klass})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        school = w.p.schools[d.given["school"]]
        if school.is_deleted:
            return "not_found"
        if school.is_practice or w.p.classes[d.given["class"]].is_deleted:
            return "invalid"
        return leaders_only(w, d) or "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        number, klass = w.ids[d.given["school"]], w.ids[d.given["class"]]
        code, name = f"S{d.key}", f"School {d.key}"
        if d.way == "page":
            page = f"/schools/{number}/split"
            told = await _twice(
                go, page, page, classes=klass, code=code, name_local=name, moved_on=w.day(), reason=REASON
            )
        else:
            body = {
                "id": d.uuid(),
                "class_ids": [klass],
                "moved_on": w.day(),
                "code": code,
                "name_local": name,
                "reason": REASON,
            }
            await go.read("POST", f"/api/v1/schools/{number}/split/preview", body)
            told = await go.write("POST", f"/api/v1/schools/{number}/split", body)
        if told.is_done:
            changes = await go.read("GET", f"/api/v1/schools/{number}/changes?limit=1000")
            made = next(each for each in changes.data["items"] if each["id"] == told.data["id"])
            w.call(name.lower(), "school", made["to_school_id"])
            told.data = {**made, "rows": await _where_they_are(go, w, name.lower())}
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        word = f"school {d.key}"
        w.call(word, "school", answer["to_school_id"])
        place = w.p.schools[d.given["school"]].stood[-1][1]
        w.p.schools[word] = School(word, f"School {d.key}", [(w.p.tick(), place)])
        _learned(w)
        was = _take(w, _going(w, d.given["school"], [d.given["class"]]), word, answer["rows"])
        _keep_change(w, d, answer["id"], word, "split", was)

    touches = staticmethod(_everything)


@kind(
    "undo_school_change",
    "POST /api/v1/school-changes/{id}/undo",
    "POST /school-changes/{id}/undo",
    weight=0.15,
    audit=("undo", "school"),
)
class UndoSchoolChange:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        chosen = one("school_change")(w)
        return None if chosen is None else (w.leader(), chosen)

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        known = w.things["school_change"][d.given["of"]]
        if w.p.schools[known["school"]].is_deleted or w.p.schools[known["into"]].is_deleted:
            return "school_change_stands"
        return leaders_only(w, d) or "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        known = w.things["school_change"][d.given["of"]]
        path = f"/school-changes/{known['id']}/undo"
        if d.way == "page":
            told = await go.form(f"/schools/{w.ids[known['school']]}", path, reason="too early")
        else:
            told = await go.write("POST", f"/api/v1{path}", {"reason": "too early"})
        if told.is_done:
            told.data["rows"] = await _where_they_are(go, w, known["school"])
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        known = w.things["school_change"].pop(d.given["of"])
        _learned(w)
        for each, (_, _, klass, grade) in known["children"].items():
            child = w.p.children[each]
            here = child.record
            is_there = (here.school, here.klass, here.grade) == (known["into"], klass, grade)
            if child.is_live and child.status == "active" and not child.is_erased and is_there:
                _gone_to(w, child, known["school"], answer["rows"])
        if known["change"] == "merge":
            w.p.schools[known["school"]].is_open = True
            w.p.schools[known["school"]].is_merged = False
        w.versions[known["school"]] = w.versions[known["into"]] = None

    touches = staticmethod(_everything)


# What was written of a past year ---------------------------------------------------------------------------------------------


def _cell(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("school_year_id", "school_id", "class_id", "grade", "sex"))


@kind(
    "amend_past",
    "PATCH /api/v1/students/{id}/past-enrolments/{enrolment_id}",
    "POST /students/{id}/past/{enrolment_id}",
    weight=0.8,
)
class AmendPast:
    """A former stint was otherwise: its class, grade or sex, and with it the results of that year."""

    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        child = w.pick(
            each
            for each in w.p.children.values()
            if each.is_live and len(each.stints) > 1 and not each.is_erased
        )
        if child is None:
            return None
        who = w.anybody_for(child.record.school) if w.chance(0.15) else w.leader()
        return who, {
            "child": child.id,
            "sex": w.pick((None, 1, 2)),
            "grade": w.pick((None, *GRADES)),
            "which": w.rng.randrange(4),
        }

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        child = w.p.children[d.given["child"]]
        if w.p.people[d.who].role not in LEADERS:
            return "forbidden"
        return "?" if child.is_live else "not_found"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        child, g = w.p.children[d.given["child"]], d.given
        number = w.ids[child.id]
        past = await go.read("GET", f"/api/v1/students/{number}/past-enrolments?limit=1000")
        if not past.is_done or not past.data["items"]:
            # Who may not read it is told so by the write, too.
            body = {"version": await go.child_version(child), "reason": "was written wrongly", "sex": 1}
            return await go.write("PATCH", f"/api/v1/students/{number}/past-enrolments/0", body)
        row = past.data["items"][g["which"] % len(past.data["items"])]
        sex = row["sex"] if g["sex"] is None else g["sex"]
        grade = row["grade"] if g["grade"] is None else g["grade"]
        klass = row["class_id"] if grade == row["grade"] else None
        if d.way == "page":
            page = f"/students/{number}/past/{row['id']}"
            typed = {
                "sex": sex,
                "grade": grade,
                "class_id": "" if klass is None else klass,
                "reason": "was written wrongly",
            }
            told = await go.form(page, page, optional=("class_id",), **typed)
        else:
            body = {
                "version": await go.child_version(child),
                "reason": "was written wrongly",
                "sex": sex,
                "grade": grade,
                "class_id": klass,
            }
            told = await go.write("PATCH", f"/api/v1/students/{number}/past-enrolments/{row['id']}", body)
        if told.is_done:
            alike = [each["id"] for each in past.data["items"] if _cell(each) == _cell(row)]
            told.data = {
                "nth": alike.index(row["id"]),
                "was": row,
                "sex": sex,
                "grade": grade,
                "class_id": klass,
            }
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        child, row = w.p.children[d.given["child"]], answer["was"]
        child.version = None
        year, school = w.word("year", row["school_year_id"]) or "", w.word("school", row["school_id"]) or ""
        was = (year, school, w.word("class", row["class_id"]), row["grade"], row["sex"])
        now = (w.word("class", answer["class_id"]), answer["grade"], answer["sex"])
        w.p.amend_past(child, was, now, answer["nth"])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [d.given["child"]]


def _renamed(name: str, tail: str, route: str, page_route: str, body: dict[str, Any] | None) -> None:
    """What is said of a name that became quite another one: the latest of the list, or one of the first."""

    async def send(go: Any, w: World, d: Deed) -> Any:
        listed = await go.read("GET", "/api/v1/renames?limit=20")
        if not listed.is_done or not listed.data["items"]:
            return await go.write(
                "POST", f"/api/v1/renames/0/{tail}", None if body is None else {**body, "version": 1}
            )
        row = listed.data["items"][d.key % len(listed.data["items"])]
        if d.way == "page":
            typed = {} if body is None else body
            told = await go.form("/renames?limit=20", f"/renames/{row['id']}/{tail}", **typed)
        else:
            full = None if body is None else {**body, "version": row["version"]}
            told = await go.write("POST", f"/api/v1/renames/{row['id']}/{tail}", full)
        if told.is_done:
            child = await go.read("GET", f"/api/v1/students/{row['student_id']}")
            told.data = child.data if child.is_done else None
        return told

    def apply(w: World, _d: Deed, answer: Any) -> None:
        if answer is None:  # removed meanwhile
            return
        child = w.p.children[w.word("child", answer["id"]) or ""]
        child.version = answer["version"]
        if body is None:
            return
        child.former_names.append(child.name)
        child.name = answer["name"]
        child.code = answer["code"]
        w.p.correct(
            child, sex=answer["sex"], grade=answer["grade"], klass=w.word("class", answer["class_id"])
        )

    plain(name, route, weight=0.08, more=(page_route,))
    found = KINDS[name]
    found.send, found.apply, found.touches, found.has_page = send, apply, _everything, True


_renamed("same_child", "same", "POST /api/v1/renames/{id}/same", "POST /renames/{id}/same", None)
_renamed(
    "put_name_back",
    "put-back",
    "POST /api/v1/renames/{id}/put-back",
    "POST /renames/{id}/put-back",
    {"reason": "it was another child"},
)

# What was left behind, and the time zone -------------------------------------------------------------------------------------


def _a_mentor(w: World, d: Deed) -> str:
    """Mostly a mentor who works at the thing's school in its subject."""
    held = thing(w, d)
    there = sorted(
        each.person
        for each in w.p.assignments.values()
        if (each.school, each.subject) == (held.get("school"), held.get("subject"))
        and each.holds_on(w.today)
        and w.p.people[each.person].role == "mentor"
    )
    return there[d.key % len(there)] if there else f"mentor{d.key % 3 + 1}"


for name, sort, path in (
    ("hand_over_visit", "visit", "/api/v1/visits/{id}/hand-over"),
    ("hand_over_plan", "planned", "/api/v1/planned-visits/{id}/hand-over"),
):
    plain(
        name,
        f"POST {path}",
        roles=MENTORS,
        given=one(sort),
        weight=0.15,
        path=at(path),
        body=lambda go, w, d: {
            "version": version_of(w, d),
            "mentor_id": go.person_id(_a_mentor(w, d)),
        },
    )


def _left_behind(w: World) -> dict[str, Any] | None:
    """A draft or plan of a mentor who does not work there any more, at a school where another does."""
    open_ones = [
        *(each for each in w.things.get("visit", {}).values() if each.get("state") == "draft"),
        *w.things.get("planned", {}).values(),
    ]
    mentors: dict[tuple[str, str], set[str]] = {}
    for each in w.p.assignments.values():
        if each.holds_on(w.today) and w.p.people[each.person].role == "mentor":
            mentors.setdefault((each.school, each.subject), set()).add(each.person)
    left = [
        {"school": each["school"], "subject": each["subject"]}
        for each in open_ones
        if each.get("school") in w.ids
        and w.p.people[each["who"]].role == "mentor"
        and each["who"] not in mentors.get((each["school"], each["subject"]), {each["who"]})
    ]
    return w.pick(left)


plain("post_hand_over", "POST /left-behind/{kind}/{id}", roles=MENTORS, weight=0.1, given=_left_behind)


async def _hand_over_here(go: Any, _w: World, _d: Deed) -> Any:
    pattern = r"/left-behind/(visit|planned_visit)/[^/]+"
    return await go.form_like("/left-behind?limit=50", pattern, choose=("mentor_id",))


KINDS["post_hand_over"].send = _hand_over_here
KINDS["post_hand_over"].touches = _everything
ZONES = ("Asia/Phnom_Penh", "Asia/Bangkok")
"""Zones of one offset: the programme's days stay where they are."""
plain(
    "time_zone",
    "PUT /api/v1/settings/time-zone",
    roles=("admin", "coordinator"),
    weight=0.03,
    body=lambda _go, _w, d: {"time_zone": ZONES[d.key % 2]},
)
by_page(
    "time_zone",
    "POST /settings/time-zone",
    page=lambda *_: "/settings",
    action=lambda *_: "/settings/time-zone",
    typed=lambda _w, d: {"time_zone": ZONES[d.key % 2]},
)
