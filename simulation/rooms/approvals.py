"""A school's results of a round approved by steps, or returned; and the steps that a round asks for."""

from __future__ import annotations

from typing import Any

from simulation.deeds import EVERYTHING, Deed, World, kind
from simulation.model.things import LADDER, Approval

STEPS = ((), ("school",), ("programme",), ("school", "programme"), ("school", "district"), LADDER)


def _round(w: World, *, with_steps: bool = True) -> Any:
    return w.pick(
        each
        for each in w.p.rounds.values()
        if not each.is_deleted and (bool(each.steps) or not with_steps) and each.state != "planned"
    )


def _path(w: World, d: Deed, *, api: bool = True) -> str:
    g = d.given
    return f"{'/api/v1' if api else ''}/rounds/{w.ids[g['round']]}/approvals/{w.ids[g['school']]}"


async def _version(go: Any, w: World, d: Deed) -> int:
    told = await go.read_as("coordinator1", _path(w, d))
    return int(told.data["approval"]["version"]) if told.is_done else 0


@kind(
    "set_approval_steps",
    "PUT /api/v1/rounds/{id}/approval-steps",
    "POST /rounds/{id}/approval-steps",
    weight=0.3,
    audit=("change", "round"),
)
class SetApprovalSteps:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        held = w.pick(each for each in w.p.rounds.values() if not each.is_deleted)
        if held is None:
            return None
        return w.leader(), {"round": held.id, "steps": list(w.pick(STEPS))}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return w.p.why_no_steps(d.given["round"], tuple(d.given["steps"]))

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        number, steps = w.ids[d.given["round"]], d.given["steps"]
        if d.way == "page":
            page = f"/rounds/{number}"
            return await go.form(f"{page}/approvals", f"{page}/approval-steps", steps=steps)
        path = f"/api/v1/rounds/{number}"
        version = await go.version(d.given["round"], path)
        return await go.write("PUT", f"{path}/approval-steps", {"version": version, "steps": steps})

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.versions[d.given["round"]] = answer["version"] if d.way == "api" else None
        w.p.set_steps(d.given["round"], tuple(d.given["steps"]))

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind(
    "approve_school",
    "POST /api/v1/rounds/{id}/approvals/{school_id}/approve",
    "POST /rounds/{id}/approvals/{school_id}/approve",
    weight=0.8,
    audit=("approve", "approval"),
)
class ApproveSchool:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        held, school = _round(w, with_steps=w.chance(0.95)), w.school()
        if held is None or school is None:
            return None
        begun = sorted(held.approvals)
        if begun and w.chance(0.4):
            school = w.pick(begun)
        # Mostly somebody whose step it is: of those who work there few may, and hardly a ladder came to its end.
        who = w.anybody_for(school)
        if w.chance(0.6):
            who = w.pick(w.p.approvers(w.today, held.id, school)) or who
        return who, {"round": held.id, "school": school}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return w.p.why_not_approved(d.who, w.today, d.given["round"], d.given["school"])

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        if d.way == "page":
            page = _path(w, d, api=False)
            return await go.form(page, f"{page}/approve", words="as it should be")
        body = {"version": await _version(go, w, d), "words": ""}
        return await go.write("POST", f"{_path(w, d)}/approve", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        w.p.approve(d.who, d.given["round"], d.given["school"])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]


@kind(
    "return_school",
    "POST /api/v1/rounds/{id}/approvals/{school_id}/return",
    "POST /rounds/{id}/approvals/{school_id}/return",
    weight=0.4,
    audit=("return", "approval"),
)
class ReturnSchool:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        held = _round(w)
        if held is None:
            return None
        approved = sorted(school for school, each in held.approvals.items() if each.last_by)
        school = w.pick(approved) if approved and w.chance(0.9) else w.school()
        if school is None:
            return None
        return w.anybody_for(school), {"round": held.id, "school": school}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return w.p.why_not_returned(d.who, w.today, d.given["round"], d.given["school"])

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        if d.way == "page":
            page = _path(w, d, api=False)
            return await go.form(page, f"{page}/return", reason="two are missing")
        body = {"version": await _version(go, w, d), "reason": "two are missing"}
        return await go.write("POST", f"{_path(w, d)}/return", body)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        held = w.p.rounds[d.given["round"]]
        found = held.approvals[d.given["school"]]
        w.p.tick()
        if found.holds_lock:
            held.locked.discard(d.given["school"])
        held.approvals[d.given["school"]] = Approval(held.steps[0])

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]
