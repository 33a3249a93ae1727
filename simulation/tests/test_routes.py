"""Every route that writes is among the deeds: read from the program's own document."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from simulation.deeds import KINDS
from simulation.rooms import __all__ as rooms

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("post", "put", "patch", "delete")
NOT_DEEDS = {
    "POST /sign-out": "ends the session that the simulation needs",
    "POST /sign-in/step": "nobody of the cast has a second factor",
    "POST /api/v1/webhooks/deliveries/{id}/send": "nothing is given up before a day of tries, and none passes here",
    "POST /webhooks/deliveries/{id}/send": "the same",
    "POST /webhooks/{id}/send": "the same: its button is there for what was given up",
    "POST /operations/cure": "changes the database server, not the programme",
}
"""Routes that write and are no deed, with the reason."""


def _writing_routes() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from rightlevel.commands import main; main()", "openapi"],
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    paths = json.loads(done.stdout)["paths"]
    return {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if method in METHODS
    }


def test_every_route_that_writes_is_among_the_deeds() -> None:
    assert rooms
    routes = _writing_routes()
    performed = {route for kind in KINDS.values() for route in kind.routes}
    missing = routes - performed - NOT_DEEDS.keys()
    assert not missing, "\n".join(sorted(missing))


def test_no_deed_is_for_a_route_that_is_gone() -> None:
    performed = {route for kind in KINDS.values() for route in kind.routes}
    assert not performed - _writing_routes()
    assert not NOT_DEEDS.keys() - _writing_routes()
