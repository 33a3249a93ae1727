"""Phones that are offline for days: what was tapped there comes back over a bad line, in its order, after whatever happened meanwhile."""

from __future__ import annotations

import contextlib
from datetime import date
from typing import Any

from simulation.client import Lost
from simulation.deeds import Deed, World, kind
from simulation.model.things import LEVELS, SUBJECTS
from simulation.rooms.away import ORDER, SORTS, Entry, Phone, Sent, version_in

MOST_TAPS = 8
MOST_ADDED = 2
MOST_RETESTS = 3
AWAY_FROM_DAYS = 1
BATCH = 50
"""As phone_outbox.js sends them."""


def _phones(w: World) -> dict[str, Phone]:
    return w.keys_made.setdefault("phones", {})


@kind("phone_leaves", weight=1.5)
class PhoneLeaves:
    """Somebody fetches their work, walks up a valley, and works there: tests, tests again, adds children, takes attendance, visits. From here
    on the phone knows what it knew that morning."""

    @staticmethod
    def make(w: World) -> Any:
        school = w.school()
        if school is None:
            return None
        who = w.anybody_for(school, w.pick(SUBJECTS))
        children = [
            each.id for each in w.p.children.values() if each.is_live and each.record.school == school
        ]
        if not children or w.p.people[who].role == "viewer" or who in _phones(w):
            return None
        return who, {
            "taps": [_a_tap(w, w.pick(children)) for _ in range(w.rng.randint(1, MOST_TAPS))],
            "added": [
                _a_child(w, school, children) for _ in range(w.rng.randint(1, MOST_ADDED)) if w.chance(0.5)
            ],
            "retests": [[w.chance(0.5), w.rng.randrange(100)] for _ in range(MOST_RETESTS)],
            "sessions": [w.rng.randrange(100)] if w.chance(0.7) else [],
            "visits": [{"school": school, "subject": w.pick(SUBJECTS), "submit": w.chance(0.7)}],
        }

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.read("GET", "/api/v1/pack")

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        phone = Phone(w.today)
        _add_children(w, d, answer, phone)
        held = w.word("round", answer["round"]["id"]) if answer["round"] else None
        if held in w.p.rounds and answer["round"]["state"] == "open":
            _tap(w, d, answer, phone, str(held))
        _test_again(w, d, answer, phone)
        _take_attendance(w, d, answer, phone)
        _visit(w, d, answer, phone)
        if phone.entries:
            _phones(w)[d.who] = phone

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [f"phone of {d.who}"]


def _a_tap(w: World, child: str) -> dict[str, Any]:
    subject = w.pick(SUBJECTS)
    if w.chance(0.1):
        return {"child": child, "subject": subject, "outcome": w.pick(("absent", "refused")), "level": None}
    return {"child": child, "subject": subject, "outcome": "assessed", "level": w.pick(LEVELS[subject])}


def _a_child(w: World, school: str, children: list[str]) -> dict[str, Any]:
    """A child that came to the school that day, with what it was tested at; now and then under a code that another has by then."""
    klass = w.pick(
        each.id
        for each in w.p.classes.values()
        if each.school == school and not each.is_deleted and each.id in w.ids
    )
    klass = klass if w.chance(0.6) else None
    taps = [_a_tap(w, "") for _ in range(w.rng.randrange(3))]
    return {
        "school": school,
        "class": klass,
        "grade": w.p.classes[klass].grade if klass else w.pick((3, 4, 5)),
        "sex": w.pick((1, 2)),
        "taken": w.pick(children) if w.chance(0.15) else None,
        "taps": taps,
    }


def _schools_in(pack: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {each["id"]: each for each in pack["schools"]}


def _add_children(w: World, d: Deed, pack: dict[str, Any], phone: Phone) -> None:
    """Children who are added here; their results come behind them."""
    for number, added in enumerate(d.given.get("added", [])):
        taken = w.p.children.get(added["taken"] or "")
        if not pack["may"]["child"] or w.ids.get(added["school"]) not in _schools_in(pack):
            continue
        word = d.uuid(("child", number))
        code = taken.code if taken else f"T{d.key}x{number}"
        given = {**added, "class": w.ids.get(added["class"]), "code": code, "key": d.key}
        phone.entries.append(Entry(word, word, given, sort="student"))


def _tap(w: World, d: Deed, pack: dict[str, Any], phone: Phone, held: str) -> None:
    """Levels that are tapped: of children in the pack, and of those who were added here."""
    first, last = (date.fromisoformat(pack["round"][each]) for each in ("starts_on", "ends_on"))
    tested_on = min(max(w.today, first), last).isoformat()
    known = {each["id"]: each for each in pack["children"]}
    here = [each for each in phone.entries if each.sort == "student"]
    own = [{**tap, "child": each.word} for each in here for tap in each.given["taps"]]
    subjects = {each.word: _schools_in(pack)[w.ids[each.given["school"]]]["subjects"] for each in here}
    for number, tap in enumerate([*d.given["taps"], *own]):
        there: dict[str, Any] = {}
        if tap["child"] in subjects:
            if tap["subject"] not in subjects[tap["child"]]:
                continue
        else:
            child = known.get(str(w.ids.get(tap["child"])))
            if child is None or tap["subject"] not in child["subjects"]:
                continue
            there = child.get("results", {}).get(tap["subject"], {})
        if there.get("is_held") or there.get("is_blind"):
            continue  # the page offers nothing to tap
        before = [
            each.id
            for each in phone.entries
            if each.sort == "result"
            and (each.given["child"], each.given["subject"]) == (tap["child"], tap["subject"])
        ]
        phone.entries.append(
            Entry(
                d.uuid(number),
                d.uuid(number),
                {**tap, "round": held, "tested_on": tested_on, "reason": None},
                there.get("version"),
                before[-1] if before else None,
                needs=tap["child"] if tap["child"] in subjects else None,
            )
        )


def _test_again(w: World, d: Deed, pack: dict[str, Any], phone: Phone) -> None:
    """Those whom its owner is asked to test again. What the first test said lies nowhere in a mentor's pack."""
    rows = {str(w.word("result", each["result_id"])): each for each in pack["retests"]}
    known = {each["id"]: each for each in pack["children"]}
    verdicts = w.keys_made.setdefault("verdicts", [])
    for word, row in rows.items() if pack["role"] == "mentor" else []:
        if word not in w.p.results or w.p.results[word].assessor == d.who:
            continue  # what they found themselves is no secret to them
        there = known.get(row["student_id"], {}).get("results", {}).get(row["subject"], {})
        in_groups = [
            member["level"]
            for group in pack["groups"]
            for member in group["members"]
            if (member["student_id"], group["subject"]) == (row["student_id"], row["subject"])
        ]
        shown = [each for each in (there.get("level"), *in_groups) if each is not None]
        verdicts.append(("a pack with a level that is to be found again", "", not shown, str(shown)))
    for number, (word, (agrees, level)) in enumerate(
        zip(sorted(rows), d.given.get("retests", []), strict=False)
    ):
        result = w.p.results.get(word)
        if result is None or not pack["may"]["retest"]:
            continue
        row, levels = rows[word], LEVELS[result.subject]
        given = {
            "result": word,
            "level": result.level if agrees and result.level else levels[level % len(levels)],
            "tool": next(each for each in (2, 3) if each != row["first_tool"]),
            "tested_on": w.day(),
        }
        phone.entries.append(Entry(d.uuid(("retest", number)), word, given, sort="retest"))


def _take_attendance(w: World, d: Deed, pack: dict[str, Any], phone: Phone) -> None:
    led = sorted((each for each in pack["groups"] if each["is_led"]), key=lambda each: each["id"])
    for number, which in enumerate(d.given.get("sessions", []) if led else []):
        group = led[which % len(led)]
        given = {
            "group": group["id"],
            "school": w.word("school", group["school_id"]),
            "subject": group["subject"],
            "held_on": w.day(),
            "members": [each["student_id"] for each in group["members"]],
        }
        phone.entries.append(
            Entry(d.uuid(("session", number)), d.uuid(("session", number)), given, sort="session")
        )


def _visit(w: World, d: Deed, pack: dict[str, Any], phone: Phone) -> None:
    for number, visit in enumerate(d.given.get("visits", [])):
        school = _schools_in(pack).get(w.ids.get(visit["school"]))
        if not pack["may"]["visit"] or school is None or visit["subject"] not in school["subjects"]:
            continue
        given = {**visit, "visited_on": w.day(), "form": pack["forms"][0]["id"]}
        phone.entries.append(Entry(d.uuid(("visit", number)), d.uuid(("write", number)), given, sort="visit"))


@kind(
    "phone_returns",
    "POST /api/v1/results/batch",
    "POST /api/v1/verifications/retests",
    "POST /api/v1/students",
    "POST /api/v1/teaching-sessions",
    "PUT /api/v1/visits/{id}",
    weight=3.0,
)
class PhoneReturns:
    """The phone has a network again, at least a day later. What is ready goes many at once, and once more as if no answer had come; what
    waited behind it goes as an update of what it became. Days, rounds, rights and records are the server's of today, not the phone's."""

    @staticmethod
    def make(w: World) -> Any:
        away = [
            who
            for who, phone in _phones(w).items()
            if (w.today - phone.since).days >= AWAY_FROM_DAYS
            and w.p.people[who].is_active
            and not w.p.people[who].is_deleted
        ]
        who = w.pick(sorted(away))
        return (who, {"since": _phones(w)[who].since.isoformat()}) if who else None

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        phone = _phones(w).get(d.who)
        entries = list(phone.entries) if phone else []
        done: list[Sent] = []
        versions: dict[str, int | None] = {}
        lacking: set[str] = set()
        told: Any = None
        while ready := _ready(entries, versions, lacking):
            for each in ready:
                each.version = versions[each.after] if each.after is not None else each.version
                await _learn_version(go, w, each)
            told = await _sent(go, w, ready, done)
            if told is not None:
                return told
            entries = [each for each in entries if each not in ready]
            sent = done[-len(ready) :]
            versions |= {
                each.entry.id: version_in(each.entry.sort, each.answer) for each in sent if each.is_saved
            }
            lacking |= {
                each.entry.word for each in sent if each.entry.sort == "student" and not each.is_saved
            }
        told = await go.read("GET", "/api/v1/me")
        if told.is_done:
            told.data = {"sent": done}
        return told

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "forbidden?" if w.p.people[d.who].role == "viewer" else ""

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        verdicts = w.keys_made.setdefault("verdicts", [])
        for each in answer.get("sent", []):
            sort = SORTS[each.entry.sort]
            verdicts.append((sort.name, sort.why(w, d, each.entry), each.is_saved, each.code))
            if each.is_saved:
                sort.done(w, d, each.entry, each.answer)
                # The very same once more is the very same answer.
                verdicts.append((f"{sort.name}, sent twice", "", each.is_same, each.code))
        _phones(w).pop(d.who, None)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        phone = _phones(w).get(d.who)
        entries = phone.entries if phone else []
        return [f"phone of {d.who}", *(one for each in entries for one in SORTS[each.sort].touches(w, each))]


def _ready(entries: list[Entry], versions: dict[str, int | None], lacking: set[str]) -> list[Entry]:
    """What the next request holds: many of what goes together, one of everything else; children before what was entered about them."""
    adding = {each.word for each in entries if each.sort == "student"}
    free = [
        each
        for each in entries
        if (each.after is None or each.after in versions) and each.needs not in adding | lacking
    ]
    for name in ORDER:
        found = [each for each in free if each.sort == name]
        if found:
            return found[:BATCH] if SORTS[name].many else found[:1]
    return []


async def _learn_version(go: Any, w: World, entry: Entry) -> None:
    """The version of what an entry changes, which the model may have lost from sight: its verdict needs it."""
    given = entry.given
    present = (
        w.p.live_result(given["child"], given["round"], given["subject"]) if entry.sort == "result" else None
    )
    if present is not None and present.version is None:
        present.version = await go.result_version(w.ids[present.id])


async def _sent(go: Any, w: World, ready: list[Entry], done: list[Sent]) -> Any:
    """Sends entries twice, and adds what became of them. None, or the answer where none of them was looked at."""
    sort = SORTS[ready[0].sort]
    bodies = [sort.body(w, each) for each in ready]
    path, body = sort.path(ready[0]), {sort.many: bodies} if sort.many else bodies[0]
    told = await go.write(sort.method, path, body)
    if not sort.many:
        again = await go.write(sort.method, path, body)
        answer = told.data if isinstance(told.data, dict) else {}
        version = version_in(ready[0].sort, answer) if told.is_done else None
        is_same = again.is_done and version_in(ready[0].sort, again.data) == version
        done.append(Sent(ready[0], told.is_done, "saved" if told.is_done else told.code, answer, is_same))
        return None
    if not told.is_done:
        return told
    again = await go.write(sort.method, path, body)
    first = told.data["answers"]
    second = again.data["answers"] if again.is_done else [{"code": again.code}] * len(first)
    for entry, one, other in zip(ready, first, second, strict=True):
        is_same = other["code"] in sort.saved and other.get("version") == one.get("version")
        done.append(Sent(entry, one["code"] in sort.saved, one["code"], one, is_same))
    return None


@kind(
    "end_phones",
    "PUT /api/v1/me/phones/{id}",
    "DELETE /api/v1/me/phones/{id}",
    "POST /account/phones/{id}/end",
    "DELETE /api/v1/people/{id}/phones/{phone}",
    "POST /people/{id}/phones/{phone}/end",
    weight=0.6,
)
class EndPhones:
    """Somebody loses two phones: one is ended by themselves, the other by a leader; each by a program or by the page."""

    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        owner = w.person("teacher", "mentor")
        return (w.person("coordinator"), {"owner": owner}) if owner and w.person("coordinator") else None

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        phone, owner = d.uuid(), go.person_id(d.given["owner"])
        with contextlib.suppress(Lost):
            await go.run.api(d.given["owner"], "PUT", f"/api/v1/me/phones/{phone}", None, which=d.which)
        if d.way == "page":
            told = await go.form(f"/people/{owner}", f"/people/{owner}/phones/{phone}/end")
        else:
            told = await go.write("DELETE", f"/api/v1/people/{owner}/phones/{phone}", None)
        own = d.uuid("own")
        await go.write("PUT", f"/api/v1/me/phones/{own}", None)
        if d.way == "page":
            await go.form("/account", f"/account/phones/{own}/end")
        else:
            await go.write("DELETE", f"/api/v1/me/phones/{own}", None)
        states = [await go.read("GET", f"/api/v1/phones/{each}") for each in (phone, own)]
        told.data = {"states": [each.data["state"] for each in states if each.is_done]}
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        verdicts = w.keys_made.setdefault("verdicts", [])
        for state in answer["states"]:
            verdicts.append(("a phone that was ended", "", state == "ended", state))

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [f"phones of {d.given['owner']}", f"phones of {d.who}"]
