"""Re-tests: drawn, made blind, agreed or not, resolved, returned, answered, withdrawn."""

from __future__ import annotations

from typing import Any

from simulation.deeds import EVERYTHING, Deed, World, kind
from simulation.model.things import LEADERS, LEVELS, SUBJECTS, NothingThere, Result, Retest


def _result(w: World, d: Deed) -> Result:
    return w.p.results[d.given["result"]]


def _touches(w: World, d: Deed) -> Any:
    return [_result(w, d).child]


def _with(w: World, *states: str) -> Result | None:
    return w.pick(
        each
        for each in (w.p.results[one] for one in w.p.live.values())
        if each.retest is not None and each.retest.state in states
    )


def _is_live(w: World, result: Result) -> bool:
    return (
        w.p.live.get((result.child, result.round, result.subject)) == result.id
        and w.p.children[result.child].is_live
    )


@kind(
    "retest",
    "POST /api/v1/verifications/retests",
    "POST /verification/results/{id}",
    weight=1.4,
    audit=("verify", "result"),
)
class MakeRetest:
    has_page = True

    @staticmethod
    def make(w: World) -> Any:
        found = w.pick(
            each
            for each in (w.p.results[one] for one in w.p.live.values())
            if each.outcome == "assessed" and not each.is_verified
        )
        if found is None:
            return None
        level = found.level if w.chance(0.5) else w.pick(LEVELS[found.subject])
        who = w.person("mentor", "mentor", "coordinator")
        if w.chance(0.6):
            who = w.anybody_for(found.school, found.subject, found.klass)
        return who, {"result": found.id, "level": level}

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        result = _result(w, d)
        role = w.p.people[d.who].role
        if role not in ("admin", "coordinator", "mentor"):
            return "forbidden"
        if not _is_live(w, result) or result.outcome != "assessed":
            return "not_found?"
        child = w.p.children[result.child]
        reaches_cell = w.p.covers(d.who, w.today, result.school, result.klass, result.subject)
        reaches_now = w.p.covers(d.who, w.today, child.record.school, child.record.klass, result.subject)
        if not reaches_cell and not reaches_now:
            return "out_of_scope"
        if result.assessor == d.who:
            return "own_result"
        held = w.p.rounds[result.round]
        if held.state == "frozen":
            return "round_frozen"
        if result.is_verified or (
            result.retest is not None and result.retest.state in ("agreed", "resolved")
        ):
            return "verified?"
        return "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        result = _result(w, d)
        if d.way == "page":
            page = f"/verification/results/{w.ids[result.id]}"
            return await go.form(page, page, choice=d.given["level"], tool=2)
        body = {
            "id": d.uuid(),
            "result_id": w.ids[result.id],
            "tested_on": w.day(),
            "level": d.given["level"],
            "tool": 2,
        }
        told = await go.write("POST", "/api/v1/verifications/retests", {"retests": [body]})
        if told.is_done and told.data["answers"][0]["code"] not in ("agreed", "disagreed"):
            told.status, told.code = 409, told.data["answers"][0]["code"]
            told.data = None
        return told

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        result = _result(w, d)
        agrees = d.given["level"] == result.level
        retest = Retest("agreed" if agrees else "disagreed", d.who, d.given["level"])
        if d.way == "api":
            told = answer["answers"][0]
            retest.id, retest.version = told["verification_id"], told["version"]
        retest.first_rank = result.rank
        retest.rank = LEVELS[result.subject].index(d.given["level"]) + 1
        result.retest = retest
        w.p.retests.append((result.id, retest))
        if agrees:
            result.is_verified, result.version = True, None

    touches = staticmethod(_touches)


@kind(
    "resolve",
    "POST /api/v1/verifications/{id}/resolve",
    "POST /api/v1/verifications/decisions",
    "POST /verification/{id}/resolve",
    weight=0.8,
    audit=("resolve", "verification"),
)
class Resolve:
    @staticmethod
    def make(w: World) -> Any:
        found = _with(w, "disagreed", "overtaken")
        return (
            None
            if found is None or not found.retest or not found.retest.id
            else (
                w.leader(),
                {"result": found.id, "stands": w.pick(("first", "second")), "many": w.chance(0.3)},
            )
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        result = _result(w, d)
        if (
            result.retest is None
            or not result.retest.id
            or result.retest.state not in ("disagreed", "overtaken")
        ):
            return "no_such_step?"
        if w.p.people[d.who].role not in LEADERS:
            return "forbidden"
        if not _is_live(w, result):
            return "not_found?"
        if result.retest.state == "overtaken":
            return "result_changed_since"
        if w.p.rounds[result.round].state == "frozen":
            return "round_frozen?"
        return ""

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        retest = _result(w, d).retest
        if retest is None:
            raise NothingThere(d.key)
        if retest.version is None:
            told = await go.read("GET", f"/api/v1/verifications/{retest.id}")
            retest.version = told.data["version"] if told.is_done else 1
        more = {"version": retest.version, "stands": d.given["stands"], "reason": "looked at both"}
        if d.given["many"]:
            told = await go.write(
                "POST", "/api/v1/verifications/decisions", {"decisions": [{"id": retest.id, **more}]}
            )
            if told.is_done and told.data["answers"][0]["code"] != "resolved":
                told.status, told.code, told.data = 409, told.data["answers"][0]["code"], None
            return told
        return await go.write("POST", f"/api/v1/verifications/{retest.id}/resolve", more)

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        result = _result(w, d)
        if result.retest is None:
            return
        result.retest.state, result.retest.version = "resolved", None
        result.retest.is_compared = True
        level = result.retest.level
        if d.given["stands"] == "second" and level is not None and result.level != level:
            result.rank = LEVELS[result.subject].index(level) + 1
        result.is_verified, result.version = True, None

    touches = staticmethod(_touches)


@kind(
    "return_result",
    "POST /api/v1/verifications/{id}/return",
    "POST /verification/{id}/return",
    weight=0.3,
    audit=("return", "verification"),
)
class ReturnResult:
    @staticmethod
    def make(w: World) -> Any:
        found = _with(w, "disagreed")
        return (
            None
            if found is None or not found.retest or not found.retest.id
            else (w.leader(), {"result": found.id})
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        retest = _result(w, d).retest
        return "?" if retest is not None and retest.id else "no_such_step?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await _step(go, w, d, "return")

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        _moved(w, d, "returned")

    touches = staticmethod(_touches)


@kind(
    "answer_result",
    "POST /api/v1/verifications/{id}/answer",
    "POST /verification/{id}/answer",
    weight=0.3,
    audit=("answer", "verification"),
)
class AnswerResult:
    @staticmethod
    def make(w: World) -> Any:
        found = _with(w, "returned")
        return (
            None
            if found is None or not found.retest or not found.retest.id
            else (found.assessor, {"result": found.id})
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        retest = _result(w, d).retest
        return "?" if retest is not None and retest.id else "no_such_step?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await _step(go, w, d, "answer")

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        _moved(w, d, "pending")

    touches = staticmethod(_touches)


@kind(
    "withdraw_retest",
    "POST /api/v1/verifications/{id}/withdraw",
    "POST /verification/{id}/withdraw",
    weight=0.3,
    audit=("withdraw", "verification"),
)
class WithdrawRetest:
    @staticmethod
    def make(w: World) -> Any:
        found = _with(w, "agreed", "disagreed", "resolved")
        return (
            None
            if found is None or not found.retest or not found.retest.id
            else (w.leader(), {"result": found.id})
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        retest = _result(w, d).retest
        return "?" if retest is not None and retest.id else "no_such_step?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await _step(go, w, d, "withdraw")

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        _moved(w, d, "withdrawn")
        _result(w, d).is_verified, _result(w, d).version = False, None

    touches = staticmethod(_touches)


async def _step(go: Any, w: World, d: Deed, step: str) -> Any:
    retest = _result(w, d).retest
    if retest is None:
        raise NothingThere(d.key)
    if retest.version is None:
        retest.version = await go.verification_version(retest.id)
    return await go.write(
        "POST",
        f"/api/v1/verifications/{retest.id}/{step}",
        {"version": retest.version, "reason": "looked again"},
    )


def _moved(w: World, d: Deed, state: str) -> None:
    retest = _result(w, d).retest
    if retest is not None:
        retest.state, retest.version = state, None
        retest.is_compared = False


@kind(
    "draw",
    "POST /api/v1/verification-draws",
    "POST /api/v1/verification-draws/plan",
    weight=0.1,
    audit=("draw", "verification"),
)
class Draw:
    @staticmethod
    def make(w: World) -> Any:
        held = w.pick(each.id for each in w.p.rounds.values() if each.state == "open" and not each.is_deleted)
        return (
            None
            if held is None
            else (w.leader(), {"round": held, "subject": w.pick(SUBJECTS), "seed": w.rng.randrange(1000)})
        )

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "?"

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        body = {
            "round_id": w.ids[d.given["round"]],
            "subject": d.given["subject"],
            "margin": 0.3,
            "confidence": 0.9,
            "expected": 0.8,
            "seed": d.given["seed"],
            "place_id": w.ids[next(iter(w.p.places), "")],
        }
        await go.read("POST", "/api/v1/verification-draws/plan", body)
        return await go.write("POST", "/api/v1/verification-draws", body)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        return [EVERYTHING]
