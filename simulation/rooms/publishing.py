"""The public page: an admin says what it tells and publishes frozen rounds; what strangers read is looked at when a day is over.

Schools are drawn into two ways here too.
"""

from __future__ import annotations

from typing import Any

from simulation.deeds import Deed, World
from simulation.rooms.plain import plain

SPLITS = ("levels", "sexes", "grades")
ADMIN = ("admin",)


def a_page(w: World) -> dict[str, Any]:
    """How the page shall be: mostly on."""
    return {"is_on": w.chance(0.9), "depth": w.pick((1, 2, 3, 4)), "split": w.pick(SPLITS)}


def a_frozen_round(w: World) -> dict[str, Any] | None:
    held = w.pick(sorted(each.id for each in w.p.rounds.values() if each.state == "frozen"))
    return None if held is None else {"round": held}


def _at(step: str, page: str) -> Any:
    return lambda _go, w, d: f"{page}/rounds/{w.ids[d.given['round']]}/{step}"


def _typed(_w: World, d: Deed) -> dict[str, Any]:
    known = {name: str(d.given[name]) for name in ("depth", "split")}
    return known | ({"is_on": "true"} if d.given["is_on"] else {})


plain(
    "set_public_page",
    "PUT /api/v1/public-page",
    roles=ADMIN,
    given=a_page,
    body=lambda _go, _w, d: {name: d.given[name] for name in ("is_on", "depth", "split")},
    audit=("change", "setting"),
)
plain(
    "post_public_page",
    "POST /public-page",
    roles=ADMIN,
    given=a_page,
    form=(lambda *_: "/public-page", lambda *_: "/public-page", _typed),
)


def _page_of(step: str) -> Any:
    return lambda w, d: _at(step, "/public-page")(None, w, d)


for _step, _weight in (("publish", 0.25), ("hide", 0.06)):
    plain(
        f"{_step}_round",
        f"POST /api/v1/public-page/rounds/{{id}}/{_step}",
        roles=ADMIN,
        given=a_frozen_round,
        path=_at(_step, "/api/v1/public-page"),
        weight=_weight,
    )
    plain(
        f"post_{_step}_round",
        f"POST /public-page/rounds/{{id}}/{_step}",
        roles=ADMIN,
        given=a_frozen_round,
        form=(lambda *_: "/public-page", _page_of(_step), lambda *_: {}),
        weight=_weight,
    )


# Two ways of working ---------------------------------------------------------------------------------------------------------


def _trial(_go: Any, _w: World, d: Deed) -> dict[str, Any]:
    return {"name": f"Trial {d.key}", "way_a": "Camps", "way_b": "An hour a day", "strata_depth": d.key % 5}


plain("draw_trial", "POST /api/v1/trials", body=_trial, weight=0.05)
plain(
    "post_draw_trial",
    "POST /trials",
    form=(
        lambda *_: "/trials",
        lambda *_: "/trials",
        lambda w, d: {name: str(value) for name, value in _trial(None, w, d).items()},
    ),
    weight=0.05,
)
