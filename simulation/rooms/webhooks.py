"""Webhooks: made, changed, tried, renewed, sent again and taken away. They lead nowhere: what is not reached is tried again, which holds up nothing."""

from __future__ import annotations

from typing import Any

from simulation.deeds import Deed, World
from simulation.rooms.plain import at, one, plain, thing, version_of

NOWHERE = "https://127.0.0.1:9/hook"
"""An address inside: it is never connected to."""


def _known(w: World) -> dict[str, Any] | None:
    return None if len(w.things.get("webhook", {})) >= 12 else {}


def _keep(w: World, d: Deed, answer: Any) -> None:
    number, version = answer["webhook"]["id"], answer["webhook"]["version"]
    w.things.setdefault("webhook", {})[f"webhook {d.key}"] = {"id": number, "version": version, "who": d.who}


def _renewed(w: World, d: Deed, answer: Any) -> None:
    known = w.things.get("webhook", {}).get(d.given["of"])
    if known is not None:
        known["version"] = answer["webhook"]["version"]


def _page(w: World, d: Deed) -> str:
    return f"/webhooks/{thing(w, d)['id']}"


plain(
    "make_webhook",
    "POST /api/v1/webhooks",
    given=_known,
    audit=("create", "webhook"),
    after=_keep,
    body=lambda _go, _w, d: {
        "name": f"Hook {d.key}",
        "url": NOWHERE,
        "events": ["round.closed", "import.done", "school.complete"],
    },
)
plain(
    "make_webhook_by_page",
    "POST /webhooks/new",
    given=_known,
    weight=0.05,
    form=(
        lambda *_: "/webhooks/new",
        lambda *_: "/webhooks/new",
        lambda _w, d: {"name": f"Hook {d.key}", "url": NOWHERE, "events": ["round.frozen"]},
    ),
)
plain(
    "change_webhook",
    "PATCH /api/v1/webhooks/{id}",
    given=one("webhook"),
    path=at("/api/v1/webhooks/{id}"),
    body=lambda _go, w, d: {"version": version_of(w, d), "is_on": d.key % 3 > 0},
)
plain(
    "change_webhook_by_page",
    "POST /webhooks/{id}/edit",
    given=one("webhook"),
    weight=0.05,
    form=(
        lambda w, d: f"{_page(w, d)}/edit",
        lambda w, d: f"{_page(w, d)}/edit",
        lambda _w, d: {"name": f"Other {d.key}"},
    ),
)
for _name, _tail in (("try_webhook", "test"), ("send_dead_again", "send")):
    plain(
        _name,
        f"POST /api/v1/webhooks/{{id}}/{_tail}",
        given=one("webhook"),
        path=at(f"/api/v1/webhooks/{{id}}/{_tail}"),
        weight=0.08,
        after=lambda _w, _d, _answer: None,
    )
plain(
    "renew_webhook_secret",
    "POST /api/v1/webhooks/{id}/secret",
    given=one("webhook"),
    path=at("/api/v1/webhooks/{id}/secret"),
    audit=("renew_secret", "webhook"),
    after=_renewed,
    weight=0.08,
)
for _name, _tail, _typed in (
    ("try_webhook_by_page", "test", {}),
    ("renew_webhook_secret_by_page", "secret", {}),
    ("remove_webhook_by_page", "delete", {"reason": "over"}),
):
    plain(
        _name,
        f"POST /webhooks/{{id}}/{_tail}",
        given=one("webhook"),
        form=(_page, lambda w, d, tail=_tail: f"{_page(w, d)}/{tail}", lambda _w, _d, typed=_typed: typed),
        ends=_tail == "delete",
        weight=0.05,
    )
plain(
    "remove_webhook",
    "DELETE /api/v1/webhooks/{id}",
    given=one("webhook"),
    path=at("/api/v1/webhooks/{id}?reason=over"),
    ends=True,
    audit=("delete", "webhook"),
    weight=0.05,
)
