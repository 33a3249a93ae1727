"""Deeds about scales: a copy of the program's own is begun, changed, published, retired or deleted. No round here is measured by one, so that no
figure of the model's changes by them.
"""

from __future__ import annotations

import json
from typing import Any

from simulation.deeds import KINDS, Deed, World
from simulation.rooms.plain import LEAD, plain

FIRST = "00000000-0000-7000-8000-00000000000"
"""With 1 the program's own scale of reading, with 2 that of mathematics."""


def _name(d: Deed) -> str:
    return f"Scale {d.key % 6}"


async def _found(go: Any, state: str) -> dict[str, Any] | None:
    """A version that somebody made, of a state, as a leader finds it."""
    rows = (await go.read_as("coordinator1", "/api/v1/scales")).data["scales"]
    return next((each for each in rows if each["is_own"] and each["state"] == state), None)


async def _draft(go: Any, d: Deed) -> dict[str, Any]:
    """A draft that is there, or else one that is begun by whoever leads now."""
    found = await _found(go, "draft")
    return found or {"key": f"{FIRST}{1 + d.key % 2}", "edited": 1}


async def _begin(go: Any, _w: World, d: Deed) -> Any:
    key = f"{FIRST}{1 + d.key % 2}"
    if d.way == "page":
        return await go.form(f"/scales/{key}", f"/scales/{key}/copy", name=_name(d))
    return await go.write("POST", "/api/v1/scales", {"copy_of": key, "name": _name(d)})


async def _import(go: Any, _w: World, d: Deed) -> Any:
    told = await go.read_as("coordinator1", f"/api/v1/scales/{FIRST}{1 + d.key % 2}")
    content = json.dumps({**told.data["text"], "name": _name(d)}).encode()
    return await go.form_with_file("/scales", "/scales", ("scale.json", content, "application/json"))


async def _change(go: Any, _w: World, d: Deed) -> Any:
    row = await _draft(go, d)
    if d.way == "page":
        address = f"/scales/{row['key']}/edit"
        return await go.form(address, address, **{"rungs.0.colour": f"#{d.key % 0xFFFFFF:06x}"})
    told = await go.read_as("coordinator1", f"/api/v1/scales/{row['key']}")
    body = {"text": told.data["text"], "edited": row["edited"]}
    return await go.write("PUT", f"/api/v1/scales/{row['key']}", body)


async def _publish(go: Any, _w: World, d: Deed) -> Any:
    row = await _draft(go, d)
    if d.way == "page":
        return await go.form(f"/scales/{row['key']}", f"/scales/{row['key']}/publish")
    return await go.write("POST", f"/api/v1/scales/{row['key']}/publish", {"edited": row["edited"]})


async def _drop(go: Any, _w: World, d: Deed) -> Any:
    row = await _draft(go, d)
    if d.way == "page":
        return await go.form(f"/scales/{row['key']}", f"/scales/{row['key']}/drop")
    return await go.write("DELETE", f"/api/v1/scales/{row['key']}", None)


async def _retire(go: Any, _w: World, d: Deed) -> Any:
    row = await _found(go, "published") or {"key": f"{FIRST}1", "edited": 1}
    if d.way == "page" and row["key"] != f"{FIRST}1":
        return await go.form(f"/scales/{row['key']}", f"/scales/{row['key']}/retire")
    return await go.write("POST", f"/api/v1/scales/{row['key']}/retire", {"edited": row["edited"]})


for name, route, send, more in (
    ("begin_scale", "POST /api/v1/scales", _begin, "POST /scales/{key}/copy"),
    ("change_scale", "PUT /api/v1/scales/{key}", _change, "POST /scales/{key}/edit"),
    ("publish_scale", "POST /api/v1/scales/{key}/publish", _publish, "POST /scales/{key}/publish"),
    ("drop_scale", "DELETE /api/v1/scales/{key}", _drop, "POST /scales/{key}/drop"),
    ("retire_scale", "POST /api/v1/scales/{key}/retire", _retire, "POST /scales/{key}/retire"),
):
    plain(name, route, roles=LEAD, weight=0.03, more=(more,))
    KINDS[name].send = send
    KINDS[name].has_page = True
plain("import_scale", "POST /scales", roles=LEAD, weight=0.03)
KINDS["import_scale"].send = _import
