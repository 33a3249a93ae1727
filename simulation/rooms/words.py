"""Deeds about languages: one is added, offered or not, a text is translated by itself or with a file, digits and calendar are chosen. And
those about what a test is judged by: its rules, and the exercises of those who test.
"""

from __future__ import annotations

from typing import Any

from simulation.deeds import KINDS, Deed, World
from simulation.rooms.pages import by_page
from simulation.rooms.plain import FIELDS, LEAD, plain

CODES = ("hi", "ur", "th", "lo", "vi", "bn")
TEXT = "Digits"
"""A text that no judge of a page looks for."""


def _code(d: Deed) -> str:
    return CODES[d.key % len(CODES)]


plain(
    "add_language",
    "POST /api/v1/languages",
    roles=LEAD,
    weight=0.03,
    body=lambda _go, _w, d: {"code": _code(d)},
)
by_page(
    "add_language",
    "POST /languages",
    page=lambda *_: "/languages",
    action=lambda *_: "/languages",
    typed=lambda _w, d: {"code": _code(d)},
)
plain("offer_language", "PATCH /api/v1/languages/{language}", roles=LEAD, weight=0.03)


async def _offer(go: Any, _w: World, d: Deed) -> Any:
    """Offers a language that is not, or stops one that is; Khmer and English stay, for others read them."""
    told = await go.read("GET", "/api/v1/languages")
    if not told.is_done:
        return told
    row = next((each for each in told.data["languages"] if each["code"] == _code(d)), None)
    code, version = (row["code"], row["version"]) if row else (_code(d), 1)
    is_offered = row is not None and not row["is_offered"]
    return await go.write(
        "PATCH", f"/api/v1/languages/{code}", {"is_offered": is_offered, "version": version}
    )


KINDS["offer_language"].send = _offer
by_page(
    "offer_language",
    "POST /languages/{language}",
    page=lambda *_: "/languages",
    action=lambda _w, d: f"/languages/{_code(d)}",
    typed=lambda *_: {},
)
plain(
    "translate_text",
    "PUT /api/v1/languages/{language}/texts",
    roles=LEAD,
    weight=0.04,
    path=lambda *_: "/api/v1/languages/km/texts",
    body=lambda _go, _w, d: {"text": TEXT, "forms": [f"តួលេខ {d.key % 5}"], "version": 0},
)
by_page(
    "translate_text",
    "POST /languages/{language}/text",
    page=lambda *_: f"/languages/km/text?text={TEXT}",
    action=lambda *_: "/languages/km/text",
    typed=lambda _w, d: {"forms": f"តួលេខ {d.key % 5}"},
)
plain("import_catalogue", "POST /languages/{language}/po", roles=LEAD, weight=0.03)


async def _import(go: Any, _w: World, d: Deed) -> Any:
    content = f'msgid "{TEXT}"\nmsgstr "តួលេខ {d.key % 7}"\n'.encode()
    return await go.form_with_file("/languages/km", "/languages/km/po", ("km.po", content, "text/plain"))


KINDS["import_catalogue"].send = _import
plain(
    "choose_digits",
    "PUT /api/v1/me/digits",
    roles=(*FIELDS, "viewer"),
    weight=0.03,
    body=lambda *_: {"has_own_digits": False},
)
by_page(
    "choose_digits",
    "POST /account/digits",
    page=lambda *_: "/account",
    action=lambda *_: "/account/digits",
    typed=lambda *_: {"has_own_digits": "false"},
)
plain(
    "choose_calendar",
    "PUT /api/v1/settings/calendar",
    roles=LEAD,
    weight=0.03,
    body=lambda *_: {"calendar": "gregorian"},
)
by_page(
    "choose_calendar",
    "POST /settings/calendar",
    page=lambda *_: "/settings",
    action=lambda *_: "/settings/calendar",
    typed=lambda *_: {"calendar": "gregorian"},
)
plain("guided_rules", "POST /api/v1/guided-tests/rules", roles=LEAD, weight=0.02)


async def _rules(go: Any, _w: World, d: Deed) -> Any:
    """A new version that asks the same, so that every test stands as it did."""
    told = await go.read_as("coordinator1", "/api/v1/guided-tests/rules")
    body = {"thresholds": told.data["thresholds"], "follows": told.data["version"]}
    return await go.write("POST", "/api/v1/guided-tests/rules", body)


KINDS["guided_rules"].send = _rules
by_page(
    "guided_rules",
    "POST /tools/rules",
    page=lambda *_: "/tools/rules",
    action=lambda *_: "/tools/rules",
    typed=lambda *_: {},
)


# Exercises for testers ------------------------------------------------------------------------------------------------------


async def _exercise(go: Any, d: Deed) -> dict[str, Any]:
    """The newest version of one of the exercises, as a leader finds it."""
    rows = (await go.read_as("coordinator1", "/api/v1/exercises")).data["exercises"]
    return rows[d.key % len(rows)]


async def _add_exercise(go: Any, _w: World, d: Deed) -> Any:
    """A new version with the same cases, so that whoever takes it finds what they know."""
    newest = await _exercise(go, d)
    if d.way == "page":
        return await go.form(f"/exercises/new?version_of={newest['id']}", "/exercises/new")
    key = (await go.read_as("coordinator1", f"/api/v1/exercises/{newest['id']}/key")).data
    body = {name: key[name] for name in ("subject", "language", "needed", "cases")}
    return await go.write("POST", "/api/v1/exercises", {**body, "follows": key["version"]})


async def _take_exercise(go: Any, _w: World, d: Deed) -> Any:
    """Somebody who is seldom right: to every case the first of the answers that may be given."""
    newest = await _exercise(go, d)
    told = await go.read_as("coordinator1", f"/api/v1/exercises/{newest['id']}")
    answers = [each["choices"][0] for each in told.data["cases"]]
    address = f"/exercises/{newest['id']}"
    if d.way == "page":
        typed = {f"case_{number}": each for number, each in enumerate(answers, 1)}
        return await go.form(address, address, **typed)
    return await go.write("POST", f"/api/v1{address}/attempts", {"answers": answers})


plain(
    "add_exercise",
    "POST /api/v1/exercises",
    roles=LEAD,
    weight=0.02,
    audit=("create", "exercise"),
    more=("POST /exercises/new",),
)
KINDS["add_exercise"].send = _add_exercise
KINDS["add_exercise"].has_page = True
plain(
    "take_exercise",
    "POST /api/v1/exercises/{id}/attempts",
    roles=FIELDS,
    weight=0.05,
    audit=("take", "exercise"),
    more=("POST /exercises/{id}",),
)
KINDS["take_exercise"].send = _take_exercise
KINDS["take_exercise"].has_page = True
# Asked for by nobody here: the model's teachers enter results without an exercise, and this leaves it so.
plain(
    "ask_for_exercise",
    "PUT /api/v1/exercise-requirements",
    roles=LEAD,
    weight=0.02,
    more=("POST /exercises/testers",),
)


async def _ask_for_exercise(go: Any, _w: World, d: Deed) -> Any:
    """By the page it is what the first form there says, with nothing asked for."""
    if d.way == "page":
        return await go.form("/exercises/testers", "/exercises/testers", is_required="false")
    subject = ("language", "math")[d.key % 2]
    return await go.write("PUT", "/api/v1/exercise-requirements", {"subject": subject, "is_required": False})


KINDS["ask_for_exercise"].send = _ask_for_exercise
KINDS["ask_for_exercise"].has_page = True
