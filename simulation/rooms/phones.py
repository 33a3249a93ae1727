"""Phones that are offline for days: what was tapped there comes back over a bad line, in its order, after whatever happened meanwhile."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from simulation.client import Lost
from simulation.deeds import Deed, World, kind
from simulation.model.things import LEVELS, SUBJECTS

MOST_TAPS = 8
AWAY_FROM_DAYS = 1


@dataclass
class Entry:
    """What was tapped once, under the id that it keeps until it is answered."""

    id: str
    word: str
    given: dict[str, Any]
    version: int | None
    after: str | None = None
    is_refused: bool = False


@dataclass
class Phone:
    """A phone as its owner carries it: since when it has no network, and what waits on it."""

    since: date
    entries: list[Entry] = field(default_factory=list)


def _phones(w: World) -> dict[str, Phone]:
    return w.keys_made.setdefault("phones", {})


@kind("phone_leaves", weight=1.5)
class PhoneLeaves:
    """Somebody fetches their work, walks up a valley, and tests there. From here on the phone knows what it knew that morning."""

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
        taps = [_a_tap(w, w.pick(children)) for _ in range(w.rng.randint(1, MOST_TAPS))]
        return who, {"taps": taps}

    @staticmethod
    async def send(go: Any, w: World, d: Deed) -> Any:
        return await go.read("GET", "/api/v1/pack")

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        held = w.word("round", answer["round"]["id"]) if answer["round"] else None
        if held not in w.p.rounds or answer["round"]["state"] != "open":
            return
        known = {each["id"]: each for each in answer["children"]}
        first, last = (date.fromisoformat(answer["round"][each]) for each in ("starts_on", "ends_on"))
        phone = Phone(w.today)
        for number, tap in enumerate(d.given["taps"]):
            child = known.get(str(w.ids.get(tap["child"])))
            if child is None or tap["subject"] not in child["subjects"]:
                continue
            there = child.get("results", {}).get(tap["subject"], {})
            if there.get("is_held") or there.get("is_blind"):
                continue  # the page offers nothing to tap
            given = {
                **tap,
                "round": held,
                "tested_on": min(max(w.today, first), last).isoformat(),
                "reason": None,
            }
            before = [
                each.id
                for each in phone.entries
                if (each.given["child"], each.given["subject"]) == (tap["child"], tap["subject"])
            ]
            phone.entries.append(
                Entry(
                    d.uuid(number),
                    d.uuid(number),
                    given,
                    there.get("version"),
                    before[-1] if before else None,
                )
            )
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


@kind("phone_returns", "POST /api/v1/results/batch", weight=3.0)
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
        rounds: list[list[tuple[Entry, dict[str, Any], dict[str, Any]]]] = []
        versions: dict[str, int | None] = {}
        told: Any = None
        while ready := [each for each in entries if each.after is None or each.after in versions]:
            for each in ready:
                if each.after is not None:
                    each.version = versions[each.after]
                present = w.p.live_result(each.given["child"], each.given["round"], each.given["subject"])
                if present is not None and present.version is None:
                    present.version = await go.result_version(w.ids[present.id])
            body = {"writes": [_body(w, each) for each in ready]}
            told = await go.write("POST", "/api/v1/results/batch", body)
            if not told.is_done:
                return told
            again = await go.write("POST", "/api/v1/results/batch", body)
            first = told.data["answers"]
            second = again.data["answers"] if again.is_done else first
            rounds.append(list(zip(ready, first, second, strict=True)))
            versions = {
                each.id: one["version"]
                for each, one in zip(ready, first, strict=True)
                if one["code"] in ("saved", "changed")
            }
            entries = [each for each in entries if each not in ready]
        if told is not None:
            told.data = {"rounds": rounds, "held": entries}
            return told
        return await go.read("GET", "/api/v1/me")

    @staticmethod
    def judge(w: World, d: Deed) -> str:
        return "forbidden?" if w.p.people[d.who].role == "viewer" else ""

    @staticmethod
    def apply(w: World, d: Deed, answer: Any) -> None:
        verdicts = w.keys_made.setdefault("verdicts", [])
        for sent in answer.get("rounds", []):
            for entry, first, second in sent:
                why = _why(w, d, entry)
                is_saved = first["code"] in ("saved", "changed")
                verdicts.append(("an entry of a phone that was away", why, is_saved, first["code"]))
                if is_saved:
                    _done(w, d, entry)
                    # The very same once more is the very same answer.
                    same = second["code"] in ("saved", "changed") and second["version"] == first["version"]
                    verdicts.append(("an entry of a phone, sent twice", "", same, second["code"]))
        _phones(w).pop(d.who, None)

    @staticmethod
    def touches(w: World, d: Deed) -> Any:
        phone = _phones(w).get(d.who)
        return [f"phone of {d.who}", *(each.given["child"] for each in (phone.entries if phone else []))]


def _body(w: World, entry: Entry) -> dict[str, Any]:
    given = entry.given
    return {
        "id": entry.id,
        "student_id": w.ids[given["child"]],
        "round_id": w.ids[given["round"]],
        "subject": given["subject"],
        "tested_on": given["tested_on"],
        "outcome": given["outcome"],
        "level": given["level"],
        "version": entry.version,
    }


def _why(w: World, d: Deed, entry: Entry) -> str:
    given = entry.given
    child, held = w.p.children.get(given["child"]), w.p.rounds.get(given["round"])
    if child is None or held is None:
        return "not_found"  # an import that was undone, a practice school that began anew
    present = w.p.live_result(child.id, held.id, given["subject"])
    return w.p.why_no_result(
        d.who,
        child,
        held,
        given["subject"],
        tested_on=date.fromisoformat(given["tested_on"]),
        today=w.today,
        has_reason=False,
        fits=entry.version == (present.version if present else None),
    )


def _done(w: World, d: Deed, entry: Entry) -> None:
    given = entry.given
    child, held = w.p.children[given["child"]], w.p.rounds[given["round"]]
    if w.p.live_result(child.id, held.id, given["subject"]) is None:
        w.call(entry.word, "result", entry.id)
        if w.p.cell_for(child, held) is None:
            return
    w.p.enter(
        entry.word,
        d.who,
        child,
        held,
        given["subject"],
        outcome=given["outcome"],
        level=given["level"],
        tested_on=date.fromisoformat(given["tested_on"]),
    )


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
        phone, owner = d.uuid(), w.ids[d.given["owner"]]
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
