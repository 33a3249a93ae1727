"""Rounds: planned, opened, closed, opened again, frozen; locks and days of single schools."""

from __future__ import annotations

from datetime import date
from typing import Any

from simulation.deeds import EVERYTHING, Deed, World, kind
from simulation.model.things import Round


@kind("make_round", "POST /api/v1/rounds", weight=0.0, audit=("create", "round"), is_setup=True)
class MakeRound:
    @staticmethod
    def make(w: World) -> Any:
        return None

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        body = {
            "kind": g["kind"],
            "starts_on": g["starts_on"],
            "ends_on": g["ends_on"],
            "school_year_id": w.ids[g["year"]],
        }
        return await go.write("POST", "/api/v1/rounds", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        g = d.given
        word = f"round {d.key}"
        w.call(word, "round", answer["id"])
        w.p.rounds[word] = Round(
            word, g["year"], g["kind"], date.fromisoformat(g["starts_on"]), date.fromisoformat(g["ends_on"])
        )
        w.p.fix_rolls(w.p.tick())

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


NEXT = {"planned": ("open",), "open": ("closed",), "closed": ("open", "frozen"), "frozen": ("open",)}


@kind(
    "step_round",
    "POST /api/v1/rounds/{id}/state",
    "POST /rounds/{id}/state/{state}",
    weight=0.8,
    audit=("change_state", "round"),
)
class StepRound:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        due = [each for each in w.p.rounds.values() if not each.is_deleted]
        held = w.pick(due)
        if held is None or (held.state == "planned" and held.starts_on > w.today):
            return None
        if held.state == "open" and w.today < held.ends_on and not w.chance(0.2):
            return None
        state = w.pick(NEXT[held.state])
        reason = "" if w.chance(0.1) else "as was agreed"
        given = {"round": held.id, "state": state, "reason": reason, "confirmed": w.chance(0.7)}
        return w.leader(), given

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        why = w.p.why_no_step(d.given["round"], d.given["state"], d.given["reason"])
        if why or d.given["state"] != "frozen":
            return why
        # What was drawn for a re-test the model does not keep: without a word on it either may be.
        return "" if d.given.get("confirmed") and d.way == "api" else "retests_open?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        path = f"/api/v1/rounds/{w.ids[g['round']]}"
        if d.way == "page":
            page = f"/rounds/{w.ids[g['round']]}"
            return await go.form(page, f"{page}/state/{g['state']}", reason=g["reason"])
        version = await go.version(g["round"], path)
        body = {"version": version, "state": g["state"], "reason": g["reason"]}
        if g["state"] == "frozen" and g.get("confirmed"):
            body["with_open_retests"] = True
        return await go.write("POST", f"{path}/state", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.versions[d.given["round"]] = answer["version"] if d.way == "api" else None
        w.p.set_state(d.given["round"], d.given["state"], w.today)
        if d.given["state"] == "frozen":
            w.p.end_retests(d.given["round"])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind(
    "lock_school",
    "POST /api/v1/rounds/{id}/schools/{school_id}/lock",
    "POST /api/v1/rounds/{id}/schools/{school_id}/unlock",
    "POST /rounds/{id}/schools/{school_id}/lock",
    "POST /rounds/{id}/schools/{school_id}/unlock",
    weight=0.8,
)
class LockSchool:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        held = w.pick(each for each in w.p.rounds.values() if not each.is_deleted)
        school = w.school()
        if held is None or school is None:
            return None
        if held.locked and w.chance(0.7):
            school = w.pick(sorted(held.locked))
        return w.leader(), {"round": held.id, "school": school, "lock": school not in held.locked}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        held = w.p.rounds[d.given["round"]]
        if held.state == "frozen":
            return "round_is_frozen"
        if w.p.schools[d.given["school"]].is_deleted:
            return "?"
        is_locked = d.given["school"] in held.locked
        if d.given["lock"]:
            return "?" if is_locked else ""
        found = held.approvals.get(d.given["school"])
        if found is not None and found.last_by:
            return "approval_holds"
        return "" if is_locked else "not_found"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        g = d.given
        deed = "lock" if g["lock"] else "unlock"
        tail = f"rounds/{w.ids[g['round']]}/schools/{w.ids[g['school']]}"
        if d.way == "page":
            return await go.form(f"/{tail}", f"/{tail}/{deed}", reason="the week is over")
        return await go.write("POST", f"/api/v1/{tail}/{deed}", {"reason": "the week is over"})

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.tick()
        locked = w.p.rounds[d.given["round"]].locked
        if d.given["lock"]:
            locked.add(d.given["school"])
            found = w.p.rounds[d.given["round"]].approvals.get(d.given["school"])
            if found is not None:
                found.holds_lock = False
        else:
            locked.discard(d.given["school"])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind("own_days", "PUT /api/v1/rounds/{id}/schools/{school_id}", weight=0.3, audit=("change", "round"))
class OwnDays:
    @staticmethod
    def make(w: World) -> Any:
        held = w.pick(each for each in w.p.rounds.values() if not each.is_deleted)
        school = w.school()
        if held is None or school is None:
            return None
        return w.leader(), {
            "round": held.id,
            "school": school,
            "ends_on": w.pick((None, held.ends_on.isoformat(), w.day(-3))),
        }

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        held = w.p.rounds[d.given["round"]]
        if held.state == "frozen":
            return "round_is_frozen"
        ends = d.given["ends_on"]
        return "ends_before_start" if ends is not None and date.fromisoformat(ends) < held.starts_on else "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        path = f"/api/v1/rounds/{w.ids[d.given['round']]}/schools/{w.ids[d.given['school']]}"
        return await go.write("PUT", path, {"starts_on": None, "ends_on": d.given["ends_on"]})

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        ends = d.given["ends_on"]
        w.p.rounds[d.given["round"]].own_days[d.given["school"]] = (
            None,
            None if ends is None else date.fromisoformat(ends),
        )

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]
