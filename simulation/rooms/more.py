"""Deeds that need a look first (a list, a code shown once), that come with a file, or that go through several pages."""

from __future__ import annotations

import base64
import hmac
import io
import re
import struct
import zipfile
from datetime import date
from typing import Any

from simulation.deeds import EVERYTHING, KINDS, Deed, World, kind, name_of
from simulation.model.things import Child, Class, NothingThere, Round, School, Stint
from simulation.rooms.pages import by_page, given, no_fields, why
from simulation.rooms.places import leaders_only
from simulation.rooms.plain import (
    A_PNG,
    ALL,
    FIELDS,
    MENTORS,
    TEXT_FILE,
    a_school,
    one,
    one_where,
    plain,
    thing,
)

SPARE = "spare1"
"""An account of which nothing else is wanted: its passwords and sessions come and go."""


# Test tools ---------------------------------------------------------------------------------------------------------------


@kind("add_tool", "POST /api/v1/tools", "POST /tools/new", weight=0.04, audit=("create", "tool"))
class AddTool:
    """The next version of a tool, as the newest one is: nothing that is tested with it becomes another."""

    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        who = w.person(*ALL) if w.chance(0.1) else w.leader()
        return who, {"subject": w.rng.choice(("language", "math")), "number": w.rng.randrange(1, 5)}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return leaders_only(w, d)

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        subject, number = d.given["subject"], d.given["number"]
        told = await go.read("GET", f"/api/v1/tools?subject={subject}&language=en")
        if not told.is_done:
            return told
        newest = next(each for each in told.data["tools"] if each["number"] == number)
        if d.way == "page":
            made = await go.form(f"/tools/new?version_of={newest['id']}", "/tools/new")
            if made.is_done:
                made.data["version"] = newest["version"] + 1
            return made
        sent = {name: newest[name] for name in ("subject", "number", "language", "content")}
        return await go.write("POST", "/api/v1/tools", {**sent, "follows": newest["version"]})

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.things.setdefault("tool", {})[f"tool {d.key}"] = {**d.given, "version": answer["version"]}

    @staticmethod
    def touches(_w: World, d: Deed) -> Any:
        return [f"tool {d.given['subject']} {d.given['number']}"]


# Rounds that nobody works in -------------------------------------------------------------------------------------------------


def _spare_rounds(w: World, *, deleted: bool = False) -> list[Round]:
    return [
        each for each in w.p.rounds.values() if each.starts_on.year >= 2030 and each.is_deleted == deleted
    ]


@kind("spare_round", "POST /api/v1/rounds", "POST /rounds/new", weight=0.05, audit=("create", "round"))
class SpareRound:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        taken = {each.year for each in w.p.rounds.values()}
        year = w.pick(
            each
            for each in w.p.years.values()
            if each.starts_on.year >= 2030 and each.id not in taken and not each.is_deleted
        )
        if year is None or len(_spare_rounds(w)) >= 2:
            return None
        return w.leader(), {"year": year.id, "start": year.starts_on.year}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        if w.p.years[d.given["year"]].is_deleted:
            return "?"
        return leaders_only(w, d)

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        days = {"starts_on": f"{d.given['start']}-02-01", "ends_on": f"{d.given['start']}-02-09"}
        number = w.ids[d.given["year"]]
        if d.way == "page":
            told = await go.form("/rounds/new", "/rounds/new", kind="baseline", school_year_id=number, **days)
            if told.is_done:
                rows = (await go.read("GET", f"/api/v1/rounds?school_year_id={number}&limit=10")).data[
                    "items"
                ]
                told.data = rows[0]
            return told
        return await go.write(
            "POST", "/api/v1/rounds", {"kind": "baseline", "school_year_id": number, **days}
        )

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        word, start = f"round {d.key}", d.given["start"]
        w.call(word, "round", answer["id"])
        w.p.rounds[word] = Round(word, d.given["year"], "baseline", date(start, 2, 1), date(start, 2, 9))
        w.p.fix_rolls(w.p.tick())
        w.versions[word] = answer["version"]

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


def _spare_round(w: World) -> Any:
    held = w.pick(each.id for each in _spare_rounds(w))
    return None if held is None else {"round": held}


def _deleted_round(w: World) -> Any:
    held = w.pick(each.id for each in _spare_rounds(w, deleted=True))
    return None if held is None else {"round": held}


def _alone(*names: str) -> None:
    for name in names:
        KINDS[name].touches = lambda _w, _d: [EVERYTHING]


def _round_deleted(w: World, d: Deed, *, is_deleted: bool) -> None:
    w.p.rounds[d.given["round"]].is_deleted = is_deleted
    w.versions[d.given["round"]] = None


def _new_days(w: World, d: Deed, _answer: Any) -> None:
    held = w.p.rounds[d.given["round"]]
    held.ends_on = date(held.starts_on.year, 2, 12)
    w.versions[held.id] = None


plain(
    "move_round",
    "PATCH /api/v1/rounds/{id}",
    given=_spare_round,
    weight=0.06,
    after=_new_days,
    audit=("change", "round"),
)


async def _move_round(go: Any, w: World, d: Deed) -> Any:
    word = d.given["round"]
    path = f"/api/v1/rounds/{w.ids[word]}"
    version = await go.version(word, path)
    return await go.write(
        "PATCH", path, {"version": version, "ends_on": f"{w.p.rounds[word].starts_on.year}-02-12"}
    )


KINDS["move_round"].send = _move_round
by_page(
    "move_round",
    "POST /rounds/{id}/edit",
    page=given("round", "/rounds/", "/edit"),
    action=given("round", "/rounds/", "/edit"),
    typed=lambda w, d: {"ends_on": f"{w.p.rounds[d.given['round']].starts_on.year}-02-12"},
)
plain(
    "delete_round",
    "DELETE /api/v1/rounds/{id}",
    given=_spare_round,
    weight=0.04,
    audit=("delete", "round"),
    path=lambda _go, w, d: f"/api/v1/rounds/{w.ids[d.given['round']]}?reason=not+held",
    after=lambda w, d, _a: _round_deleted(w, d, is_deleted=True),
)
by_page(
    "delete_round",
    "POST /rounds/{id}/delete",
    page=given("round", "/rounds/"),
    action=given("round", "/rounds/", "/delete"),
    typed=why,
)
plain(
    "restore_round",
    "POST /api/v1/rounds/{id}/restore",
    given=_deleted_round,
    weight=0.04,
    audit=("restore", "round"),
    path=lambda _go, w, d: f"/api/v1/rounds/{w.ids[d.given['round']]}/restore",
    after=lambda w, d, _a: _round_deleted(w, d, is_deleted=False),
)
by_page(
    "restore_round",
    "POST /rounds/{id}/restore",
    page=lambda *_: "/deleted?kind=rounds&limit=50",
    action=given("round", "/rounds/", "/restore"),
    typed=no_fields,
)
plain(
    "days_of_place",
    "POST /rounds/{id}/places/days",
    given=_spare_round,
    weight=0.04,
    form=(
        given("round", "/rounds/"),
        given("round", "/rounds/", "/places/days"),
        lambda w, d: {
            "place": str(w.ids[next(iter(w.p.places), "")]),
            "ends_on": f"{w.p.rounds[d.given['round']].starts_on.year}-02-08",
        },
    ),
)
_alone("move_round", "delete_round", "restore_round", "days_of_place")


# A practice school starts again --------------------------------------------------------------------------------------------


@kind(
    "reset_practice",
    "POST /api/v1/schools/{id}/reset-practice",
    "POST /schools/{id}/reset-practice",
    weight=0.15,
    audit=("reset", "school"),
)
class ResetPractice:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        school = w.school(real=w.chance(0.1))
        return None if school is None else (w.leader(), {"school": school})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        school = w.p.schools[d.given["school"]]
        if school.is_deleted:
            return "not_found"
        return "?" if school.is_practice else "not_practice"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        number = w.ids[d.given["school"]]
        if d.way == "page":
            told = await go.form(f"/schools/{number}/reset-practice", f"/schools/{number}/reset-practice")
        else:
            told = await go.write("POST", f"/api/v1/schools/{number}/reset-practice", None)
        if told.is_done and w.p.schools[d.given["school"]].is_practice:
            await go.learn_classes(d.given["school"])
            rows = await go.read("GET", f"/api/v1/students?school_id={number}&limit=1000")
            told.data = rows.data["items"]
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        p, school = w.p, d.given["school"]
        now, year = p.tick(), p.current_year() or ""
        for held in w.things.get("visit", {}).values():
            held["state"] = "deleted" if held.get("school") == school else held["state"]
        for sort in ("session", "grouping"):
            gone_with_it = w.things.get(sort, {})
            for word in [word for word, held in gone_with_it.items() if held.get("school") == school]:
                del gone_with_it[word]
        for each in p.rounds.values():
            each.locked.discard(school)
            each.approvals.pop(school, None)
            each.own_days.pop(school, None)
        # The children that stand there, and what was done there by whomever; who has moved on to another practice school stays.
        gone = {each.id for each in p.children.values() if each.record.school == school}
        for word in [each.id for each in p.results.values() if each.child in gone or each.school == school]:
            p.results.pop(word)
        for key in [key for key, word in p.live.items() if word not in p.results]:
            del p.live[key]
        for word in [word for word, known in w.things.get("roll", {}).items() if known["school"] == school]:
            for child, stint in p.rolled.pop(word, {}).items():
                if child not in gone and p.children[child].record is not stint:
                    p.children[child].stints.remove(stint)
            del w.things["roll"][word]
        for word in [
            word for word, known in p.merges.items() if known["kept"] in gone or known["gone"] in gone
        ]:
            p.merges.pop(word)
        for word in [word for word, moved in p.rolled.items() if set(moved) & gone]:
            p.rolled.pop(word)
        for each in gone:
            p.children.pop(each)
        # Its classes are put away, and can be restored; the practice class stands there, and those to which somebody is assigned.
        there = w.keys_made.pop("classes", {})
        for each in p.classes.values():
            if each.school == school:
                each.is_deleted = each.id not in there
        for word, number in there.items():
            w.call(word, "class", number)
            w.versions[word] = None
        for row in answer:
            klass = w.word("class", row["class_id"])
            if klass is not None and klass not in p.classes:
                section = klass.removeprefix(p.class_id(school, year, row["grade"], ""))
                p.classes[klass] = Class(klass, school, year, row["grade"], section)
            word = f"practice {d.key} {row['code']}"
            w.call(word, "child", row["id"])
            p.children[word] = Child(
                word,
                row["code"],
                row["name"],
                [Stint(year, school, klass, row["grade"], row["sex"], now)],
                row["version"],
            )

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


# Roll-over by the page -------------------------------------------------------------------------------------------------------


def _rolled(w: World, d: Deed) -> str:
    return f"/api/v1/schools/{w.ids[d.given['school']]}/roll-overs?limit=1"


async def _newest(go: Any, w: World, d: Deed) -> Any:
    await go.learn_classes(d.given["school"])
    newest = (await go.read("GET", _rolled(w, d))).data["items"][0]
    if newest["id"] in w.things.get("roll_done", {}):
        return {"id": newest["id"]}  # the page tells of the roll-over of then, too
    w.ids[d.uuid()] = newest["id"]
    return {"id": d.uuid()}


by_page(
    "roll_over",
    "POST /schools/{id}/roll-over",
    page=given("school", "/schools/", "/roll-over"),
    action=given("school", "/schools/", "/roll-over"),
    typed=lambda w, d: {
        "rolled_on": w.day(),
        "stay": [w.ids[each] for each in d.given["repeaters"] if each in w.ids],
        "do": "yes",
        "carry_open_rounds": "true" if d.given["carry"] else None,
    },
    optional=("carry_open_rounds", "do", "stay"),
    then=_newest,
)

_undo = KINDS["undo_roll_over"].send


async def _undo_roll_over(go: Any, w: World, d: Deed) -> Any:
    """Which classes the school has afterwards is learned."""
    told = await _undo(go, w, d)
    if told.is_done:
        await go.learn_classes(w.things["roll"][d.given["roll"]]["school"])
    return told


KINDS["undo_roll_over"].send = _undo_roll_over

# Requests to join, codes, devices --------------------------------------------------------------------------------------------


def _waiting(name: str, step: str, body: Any) -> None:
    plain(
        name,
        f"POST /api/v1/join-requests/{{id}}/{step}",
        weight=0.06,
        more=(f"POST /requests/{{id}}/{step}",),
        given=a_school,
    )

    async def send(go: Any, w: World, d: Deed) -> Any:
        told = await go.read("GET", "/api/v1/join-requests?state=waiting&limit=5")
        number = told.data["items"][0]["id"] if told.is_done and told.data["items"] else 999_999
        if d.key % 2:
            query = f"?school_id={w.ids[d.given['school']]}&subject=math" if step == "approve" else ""
            page = await go.form(
                f"/requests/{number}{query}", f"/requests/{number}/{step}", **body(w, d, page=True)
            )
            return page
        return await go.write("POST", f"/api/v1/join-requests/{number}/{step}", body(w, d, page=False))

    KINDS[name].send = send


def _approval(w: World, d: Deed, *, page: bool) -> dict[str, Any]:
    school = w.ids[d.given["school"]]
    told: dict[str, Any] = {
        "username": f"joined{d.key}",
        "display_name": f"Joined {d.key}",
        "role": "teacher",
        "school_id": school,
    }
    return told | ({"subject": "math"} if page else {"subjects": ["math"]})


_waiting("approve_request", "approve", _approval)
_waiting("decline_request", "decline", lambda *_given, **_named: {"reason": "not known here"})

plain(
    "use_a_device",
    "POST /api/v1/schools/{id}/devices",
    roles=FIELDS,
    given=a_school,
    school_of=lambda _w, given: given["school"],
    weight=0.04,
    more=(
        "POST /link-device",
        "POST /sign-in/school",
        "DELETE /api/v1/devices/{id}",
        "POST /devices/{id}/revoke",
    ),
)


async def _use_a_device(go: Any, w: World, d: Deed) -> Any:
    """A code is made, a device is linked with it, somebody tries a PIN there, and the device is taken away again."""
    school = w.ids[d.given["school"]]
    told = await go.write("POST", f"/api/v1/schools/{school}/devices", None)
    if not told.is_done:
        return told
    linked, cookie = await go.stranger("/link-device", "/link-device", code=told.data["code"])
    if linked.is_done and cookie:
        await go.stranger(
            "/sign-in/school",
            "/sign-in/school",
            cookie=cookie,
            person=str(go.person_id("teacher1")),
            pin="000000",
        )
    rows = await go.read("GET", f"/api/v1/schools/{school}/devices?limit=100")
    if rows.is_done and rows.data["items"]:
        number = rows.data["items"][0]["id"]
        if d.key % 2:
            return await go.form(f"/schools/{school}/devices", f"/devices/{number}/revoke")
        return await go.write("DELETE", f"/api/v1/devices/{number}", None)
    return told


KINDS["use_a_device"].send = _use_a_device
plain(
    "code_for_a_password",
    "POST /api/v1/people/{id}/password",
    given=one("account"),
    weight=0.04,
    more=("POST /code",),
)


async def _code(go: Any, w: World, d: Deed) -> Any:
    told = await go.write("POST", f"/api/v1/people/{thing(w, d)['id']}/password", None)
    if told.is_done:
        typed = {
            "username": told.data["person"]["username"],
            "code": told.data["code"],
            "password": "another-horse-battery-9",
        }
        await go.stranger("/code", "/code", **typed)
    return told


KINDS["code_for_a_password"].send = _code


# One's own account, from signing in to a second factor ------------------------------------------------------------------------


def one_time(secret: str, at_s: float) -> str:
    """A six-digit code of RFC 6238."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(at_s // 30)), "sha1").digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


@kind(
    "own_account",
    "POST /sign-in",
    "POST /account/password",
    "POST /api/v1/me/password",
    "POST /account/sessions/end-others",
    "POST /api/v1/me/sessions/end-others",
    "POST /account/sessions/{id}/end",
    "DELETE /api/v1/me/sessions/{id}",
    "POST /account/tokens/{id}/revoke",
    "POST /people/{id}/tokens/{token}/revoke",
    "POST /account/second-factor/confirm",
    "POST /account/second-factor/codes",
    "POST /account/second-factor/remove",
    weight=0.03,
)
class OwnAccount:
    """Somebody signs in, changes the password and back, ends sessions, takes a token away, adds and removes a second factor."""

    @staticmethod
    def make(w: World) -> Any:
        return SPARE, {"part": w.rng.randrange(3)}

    @staticmethod
    def judge(_w: World, _d: Deed) -> str:
        return "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        told = await go.sign_in(SPARE)
        if told is not None:
            return told
        if d.given["part"] == 0:
            old, new = go.player.stage.password, "yet-another-horse-8"
            await go.form("/account", "/account/password", old=old, password=new)
            told = await go.write("POST", "/api/v1/me/password", {"old": new, "new": old})
            await go.sign_in(SPARE)
            await go.form("/account", "/account/sessions/end-others")
            await go.write("POST", "/api/v1/me/sessions/end-others", None)
            return told
        if d.given["part"] == 1:
            rows = await go.read("GET", "/api/v1/me/sessions?limit=5")
            if not rows.is_done:
                return rows
            for row in rows.data["items"][1:3]:
                await go.write("DELETE", f"/api/v1/me/sessions/{row['id']}", None)
            await go.form_like("/account", r"/account/sessions/[^/]+/end")
            await go.form("/account/tokens", "/account/tokens", label="page", days="2")
            rows = await go.read("GET", "/api/v1/me/tokens?limit=10")
            if not rows.is_done:
                return rows
            spare = [
                row["id"] for row in rows.data["items"] if not row["is_revoked"] and row["label"] == "page"
            ]
            return await go.form("/account/tokens", f"/account/tokens/{spare[0]}/revoke") if spare else rows
        return await OwnAccount.second_factor(go)

    @staticmethod
    async def second_factor(go: Any) -> Any:
        """Enrols, shows new codes, and removes it again."""
        begun = await go.form(
            "/account/second-factor", "/account/second-factor", password=go.player.stage.password
        )
        page = await go.page("/account/second-factor")
        found = re.search(r"[A-Z2-7]{16,}", (begun.text or "") + page.text)
        if found is None:
            return begun
        now = go.now_s()
        await go.form(
            "/account/second-factor", "/account/second-factor/confirm", code=one_time(found.group(), now)
        )
        await go.form(
            "/account/second-factor", "/account/second-factor/codes", code=one_time(found.group(), now + 30)
        )
        return await go.form(
            "/account/second-factor", "/account/second-factor/remove", code=one_time(found.group(), now - 30)
        )

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


plain("post_revoke_token", "POST /people/{id}/tokens/{token}/revoke", roles=("admin",), weight=0.02)


async def _revoke_here(go: Any, _w: World, _d: Deed) -> Any:
    number = go.person_id(SPARE)
    return await go.form_like(f"/people/{number}/tokens", rf"/people/{number}/tokens/[^/]+/revoke", last=True)


KINDS["post_revoke_token"].send = _revoke_here
# A scheduler does it with its secret, whoever is signed in.
plain("clean_up", "POST /api/cron/cleanup-rate-limits", roles=ALL, weight=0.01)


async def _clean_up(go: Any, _w: World, _d: Deed) -> Any:
    return await go.with_secret("POST", "/api/cron/cleanup-rate-limits")


KINDS["clean_up"].send = _clean_up

CSV = "school code,code,name,sex,grade\n"

# Children by a file -----------------------------------------------------------------------------------------------------------


@kind("import_children", "POST /api/v1/imports", weight=0.1)
class ImportChildren:
    """A file with a child that is there and has another sex now, and a new one: all of it or nothing.

    The roster of the current year takes a child of an earlier one on into it, as a roll-over does.
    """

    @staticmethod
    def make(w: World) -> Any:
        child = w.child(active=True)
        year = w.p.current_year()
        if child is None or child.is_erased or year is None:
            return None
        if w.chance(0.5):
            # Rather one of an earlier year: it goes on into the current one.
            behind = [
                each
                for each in w.p.children.values()
                if each.is_live
                and each.status == "active"
                and not each.is_erased
                and w.p.years[each.record.year].starts_on < w.p.years[year].starts_on
            ]
            child = w.pick(behind) or child
        who = w.person("teacher", "mentor") if w.chance(0.1) else w.leader()
        return who, {"child": child.id, "sex": w.pick((1, 2))}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        child = w.p.children[d.given["child"]]
        year = w.p.current_year()
        if not child.is_live or child.is_erased or child.status != "active" or year is None:
            raise NothingThere(child.id)
        if why := leaders_only(w, d):
            return why
        if w.p.schools[child.record.school].is_deleted:
            return "import faulty?"
        # A closed school takes no new child, and the file has one.
        if not w.p.schools[child.record.school].is_open:
            return "import faulty"
        # Back into an earlier year goes nobody of whom a later one has something.
        return "?" if w.p.years[year].starts_on < w.p.years[child.record.year].starts_on else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        child = w.p.children[d.given["child"]]
        here = child.record
        school = await go.read("GET", f"/api/v1/schools/{w.ids[here.school]}")
        if not school.is_done:
            return school
        number = school.data["code"]
        rows = (
            (number, child.code, child.name, d.given["sex"], here.grade),
            (number, f"C{d.key}", f"{name_of(d.key)} Sok", 1, 3),
        )
        text = CSV + "".join(",".join(map(str, row)) + "\n" for row in rows)
        fields = {"kind": "students", "dry_run": "false"}
        told = await go.bring_in(fields, "children.csv", text)
        if not told.is_done:
            return told
        run = told.data
        found = await go.read("GET", f"/api/v1/students?school_id={w.ids[here.school]}&limit=1000")
        made = next(each["id"] for each in found.data["items"] if each["code"] == f"C{d.key}")
        record = await go.read("GET", f"/api/v1/students/{made}")
        told.data = {**run, "row": record.data}
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        child, row = w.p.children[d.given["child"]], answer["row"]
        here = child.record
        year = w.p.current_year() or ""
        goes_on = here.year != year
        is_changed = here.sex != d.given["sex"] or goes_on
        counted = (answer["added"], answer["changed"], answer["unchanged"], answer["faults"])
        if counted != (1, int(is_changed), int(not is_changed), 0):
            w.keys_made.setdefault("verdicts", []).append(
                ("counts of an import", f"added 1, changed {int(is_changed)}", True, str(counted))
            )
        child.version = None
        if goes_on:
            w.p.go_on(child, year, sex=d.given["sex"], grade=here.grade)
        else:
            w.p.correct(child, sex=d.given["sex"], grade=here.grade, klass=here.klass)
        w.call(d.uuid(), "child", row["id"])
        year = w.word("year", row["school_year_id"]) or ""
        stint = Stint(year, here.school, w.word("class", row["class_id"]), row["grade"], row["sex"], 0)
        w.p.enrol(d.uuid(), row["code"], row["name"], stint)
        w.p.children[d.uuid()].version = row["version"]

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


@kind(
    "undo_import",
    "POST /api/v1/imports/{id}/undo",
    "POST /imports/{id}/undo",
    "POST /api/v1/imports/{id}/apply",
    "POST /imports/{id}/apply",
    weight=0.06,
)
class UndoImport:
    """A file with a new child, looked at, applied and undone at once: afterwards everything is as before, and the child is nowhere."""

    @staticmethod
    def make(w: World) -> Any:
        school = w.pick(
            sorted(key for key, each in w.p.schools.items() if not each.is_deleted and each.is_open)
        )
        return None if school is None or w.p.current_year() is None else (w.leader(), {"school": school})

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        school = w.p.schools[d.given["school"]]
        if school.is_deleted or not school.is_open:
            return "import faulty?"
        return leaders_only(w, d)

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        here = f"/api/v1/schools/{w.ids[d.given['school']]}"
        school = await go.read("GET", here)
        if not school.is_done:
            return school
        text = CSV + f"{school.data['code']},U{d.key},{name_of(d.key)} Gone,1,3\n"
        fields = {"kind": "students", "dry_run": "true"}
        told = await go.bring_in(fields, "undone.csv", text)
        if not told.is_done:
            return told
        run = told.data
        page = f"/imports/{run['id']}"
        if d.key % 2:
            applied = await go.form(page, f"{page}/apply")
            made = applied.data["location"].split("?")[0].rsplit("/", 1)[-1] if applied.is_done else None
        else:
            applied = await go.write("POST", f"/api/v1{page}/apply", {})
            made = applied.data["id"] if applied.is_done else None
        if made is None:
            return applied
        run = await go.until_ended(f"/api/v1/imports/{made}")
        if run["state"] != "done":
            applied.status, applied.code, applied.data = 409, f"import {run['state']}", None
            return applied
        page = f"/imports/{run['id']}"
        if d.key % 2:
            undone = await go.form(page, f"{page}/undo")
            last = undone.data["location"].split("?")[0].rsplit("/", 1)[-1] if undone.is_done else None
        else:
            undone = await go.write("POST", f"/api/v1{page}/undo", None)
            last = undone.data["id"] if undone.is_done else None
        if last is None:
            return undone
        ended = await go.until_ended(f"/api/v1/imports/{last}")
        found = await go.read("GET", f"/api/v1/students?school_id={w.ids[d.given['school']]}&search=U{d.key}")
        undone.data = {**ended, "left": len(found.data["items"])}
        return undone

    @staticmethod
    def apply(w: World, _d: Deed, answer: Any) -> None:
        told = (answer["state"], answer["added"], answer["left"])
        if told != ("done", 1, 0):
            w.keys_made.setdefault("verdicts", []).append(
                ("the undoing of an import", "done, 1 removed, none left", True, str(told))
            )

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


@kind("stop_import", "POST /api/v1/imports/{id}/stop", "POST /imports/{id}/stop", weight=0.05)
class StopImport:
    """A file with a new child is sent and stopped at once: it was saved, and is undone, or nothing of it was; then the child is nowhere."""

    make = UndoImport.make
    judge = UndoImport.judge

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        school = await go.read("GET", f"/api/v1/schools/{w.ids[d.given['school']]}")
        if not school.is_done:
            return school
        text = CSV + f"{school.data['code']},U{d.key},{name_of(d.key)} Gone,1,3\n"
        fields = {"kind": "students", "dry_run": "false"}
        told = await go.upload("/api/v1/imports", fields, "stopped.csv", text.encode(), "text/csv")
        if not told.is_done:
            return told
        page = f"/imports/{told.data['id']}"
        if d.key % 2:
            await go.form(page, f"{page}/stop")
        else:
            await go.write("POST", f"/api/v1{page}/stop", None)
        run = await go.until_ended(f"/api/v1{page}")
        if run["state"] == "done":
            undone = await go.write("POST", f"/api/v1{page}/undo", None)
            if undone.is_done:
                await go.until_ended(f"/api/v1/imports/{undone.data['id']}")
        elif run["state"] == "faulty":
            told.status, told.code, told.data = 409, "import faulty", None
            return told
        found = await go.read("GET", f"/api/v1/students?school_id={w.ids[d.given['school']]}&search=U{d.key}")
        told.data = {**run, "left": len(found.data["items"])}
        return told

    @staticmethod
    def apply(w: World, _d: Deed, answer: Any) -> None:
        if answer["state"] not in ("done", "interrupted") or answer["left"]:
            w.keys_made.setdefault("verdicts", []).append(
                ("the stopping of an import", "done or interrupted, none left", True, str(answer))
            )

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


# Schools by a file ------------------------------------------------------------------------------------------------------------


@kind("import_schools", "POST /api/v1/imports", weight=0.08)
class ImportSchools:
    """A file with a school that is there, in the same district or another, and a new one: all of it or nothing."""

    @staticmethod
    def make(w: World) -> Any:
        school = w.school()
        place = w.pick(
            each.id
            for each in w.p.places.values()
            if each.kind == "district" and not each.is_deleted and not each.is_closed
        )
        if school is None or place is None:
            return None
        if w.chance(0.4):
            place = w.p.schools[school].stood[-1][1]
        who = w.person("teacher", "mentor") if w.chance(0.1) else w.leader()
        return who, {"school": school, "place": place}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        if why := leaders_only(w, d):
            return why
        if w.p.schools[d.given["school"]].is_deleted:
            return "import faulty"
        over = [w.p.places[each] for each in w.p.lineage(d.given["place"])]
        return "?" if any(each.is_deleted or each.is_closed for each in over) else ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        school = await go.read("GET", f"/api/v1/schools/{w.ids[d.given['school']]}")
        columns, path = [], []
        for word in reversed(list(w.p.lineage(d.given["place"]))):
            place = await go.read("GET", f"/api/v1/places/{w.ids[word]}")
            if not place.is_done:
                return place
            columns += [place.data["kind"], f"{place.data['kind']}_code"]
            path += [place.data["name_local"], place.data["code"]]
        if not school.is_done:
            return school
        rows = (
            ("code", "name_local", "reason", *columns),
            (school.data["code"], school.data["name_local"], "the registry says so", *path),
            (f"S{d.key}", f"School {d.key}", "", *path),
        )
        text = "".join(",".join(map(str, row)) + "\n" for row in rows)
        fields = {"kind": "schools", "dry_run": "false"}
        told = await go.bring_in(fields, "schools.csv", text)
        if not told.is_done:
            return told
        run = told.data
        found = await go.read("GET", f"/api/v1/schools?search=S{d.key}&limit=1000")
        made = next(each for each in found.data["items"] if each["code"] == f"S{d.key}")
        told.data = {**run, "made": made}
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        school, place, made = w.p.schools[d.given["school"]], d.given["place"], answer["made"]
        has_moved = school.stood[-1][1] != place
        counted = (answer["added"], answer["changed"], answer["unchanged"], answer["faults"])
        if counted != (1, int(has_moved), int(not has_moved), 0):
            w.keys_made.setdefault("verdicts", []).append(
                ("counts of an import of schools", f"added 1, changed {int(has_moved)}", True, str(counted))
            )
        if has_moved:
            school.stood.append((w.p.tick(), place))
        w.versions[school.id] = None
        word = f"school {d.key}"
        w.call(word, "school", made["id"])
        w.versions[word] = made["version"]
        w.p.schools[word] = School(word, f"School {d.key}", [(w.p.tick(), place)])

    @staticmethod
    def touches(_w: World, _d: Deed) -> Any:
        return [EVERYTHING]


def a_workbook() -> bytes:
    """An XLSForm with one question, as small as a workbook can be."""
    sheets = {
        "survey": (
            ("type", "name", "label::English (en)", "label::Khmer (km)"),
            ("text", "why", "Why?", "ហេតុអ្វី?"),
        ),
        "choices": (("list_name", "name", "label::English (en)", "label::Khmer (km)"),),
        "settings": (("form_title", "form_id"), ("Sheet", "sheet")),
    }
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    linked = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packed = "http://schemas.openxmlformats.org/package/2006"
    made = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    kept, names, links, types = io.BytesIO(), "", "", ""
    with zipfile.ZipFile(kept, "w") as book:
        for number, (name, rows) in enumerate(sheets.items(), 1):
            cells = "".join(
                "<row>" + "".join(f'<c t="inlineStr"><is><t>{each}</t></is></c>' for each in row) + "</row>"
                for row in rows
            )
            sheet = f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
            book.writestr(f"xl/worksheets/sheet{number}.xml", sheet)
            names += f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>'
            links += f'<Relationship Id="rId{number}" Type="{linked}/worksheet" Target="worksheets/sheet{number}.xml"/>'
            types += (
                f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{made}.worksheet+xml"/>'
            )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{linked}"><sheets>{names}</sheets></workbook>',
        )
        relations = f'<Relationships xmlns="{packed}/relationships">'
        book.writestr("xl/_rels/workbook.xml.rels", f"{relations}{links}</Relationships>")
        top = f'<Relationship Id="rId1" Type="{linked}/officeDocument" Target="xl/workbook.xml"/>'
        book.writestr("_rels/.rels", f"{relations}{top}</Relationships>")
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{packed}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{made}.sheet.main+xml"/>{types}</Types>',
        )
    return kept.getvalue()


# Forms that come with a file, and buttons found on the page ---------------------------------------------------------------------


def _with_file(
    name: str, route: str, page: Any, action: Any, file: tuple[str, bytes, str], typed: Any, **more: Any
) -> None:
    plain(name, route, weight=0.03, **more)

    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.form_with_file(page(w, d), action(w, d), file, **typed(w, d))

    KINDS[name].send = send


_with_file(
    "post_import",
    "POST /imports",
    lambda *_: "/imports",
    lambda *_: "/imports",
    ("x.csv", CSV.encode(), "text/csv"),
    lambda *_: {"kind": "students"},
)
_with_file(
    "post_resource",
    "POST /resources/new",
    lambda *_: "/resources/new",
    lambda *_: "/resources/new",
    ("a.pdf", TEXT_FILE, "application/pdf"),
    lambda _w, d: {"kind": "file", "title": f"Paper {d.key}", "subject": "math"},
)
plain("post_form_import", "POST /forms/import", weight=0.03)


async def _form_import_here(go: Any, _w: World, d: Deed) -> Any:
    """A workbook with one question, kept as the draft of a new form."""
    file = ("form.xlsx", a_workbook(), "application/octet-stream")
    typed = {"new_code": f"sheet{d.key}", "keep": "yes"}
    return await go.form_with_file("/forms/import", "/forms/import", file, **typed)


KINDS["post_form_import"].send = _form_import_here
_with_file(
    "post_photo",
    "POST /visits/{id}/photos",
    lambda w, d: f"/visits/{thing(w, d)['id']}",
    lambda w, d: f"/visits/{thing(w, d)['id']}/photos",
    ("p.png", A_PNG, "image/png"),
    lambda *_: {},
    roles=MENTORS,
    is_own=True,
    given=one_where("visit", state="draft"),
)


def _with_photo(w: World) -> Any:
    """A visit of which a photo was taken."""
    there = {each.get("of") for each in w.things.get("photo", {}).values()}
    of = w.pick(sorted(each for each in w.things.get("visit", {}) if each in there))
    return None if of is None else {"of": of, "sort": "visit"}


def _button(name: str, route: str, page: Any, pattern: str, **more: Any) -> None:
    plain(name, route, weight=0.03, **more)

    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.form_like(page(w, d), pattern)

    KINDS[name].send = send


_button(
    "post_remove_photo",
    "POST /photos/{id}/remove",
    lambda w, d: f"/visits/{thing(w, d)['id']}",
    r"/photos/[^/]+/remove",
    roles=MENTORS,
    is_own=True,
    given=_with_photo,
)
_button(
    "revoke_calendar_link",
    "POST /calendar-links/{id}/revoke",
    lambda *_: "/next-week",
    r"/calendar-links/[^/]+/revoke",
    roles=MENTORS,
)
_button(
    "form_move",
    "POST /forms/{code}/move",
    lambda w, d: f"/forms/{thing(w, d)['code']}",
    r"/forms/[^/]+/move",
    given=one("form"),
)


plain("take_left_rows", "POST /imports/{id}/left-rows", weight=0.02)


async def _take_left_rows(go: Any, _w: World, d: Deed) -> Any:
    """A file whose only row names a school that is not there is imported without it, and the row is taken away as a file."""
    text = CSV + f"NOWHERE,C{d.key},{name_of(d.key)},1,3\n"
    fields = {"kind": "students", "dry_run": "false", "leaves_bad_rows": "true"}
    told = await go.upload("/api/v1/imports", fields, "children.csv", text.encode(), "text/csv")
    if not told.is_done:
        return told
    run = await go.until_ended(f"/api/v1/imports/{told.data['id']}")
    page = f"/imports/{run['id']}"
    return await go.form(page, f"{page}/left-rows")


KINDS["take_left_rows"].send = _take_left_rows
