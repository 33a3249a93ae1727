"""Results: one child, a class grid, a batch; locks, guided tests, and results without a baseline."""

from __future__ import annotations

from rightlevel.web.results import api, entry, grid, of_round
from rightlevel.web.routes import Routes

routes = Routes("pages")
routes.include(api.routes)
routes.include(entry.routes)
routes.include(grid.routes)
routes.include(of_round.routes)
