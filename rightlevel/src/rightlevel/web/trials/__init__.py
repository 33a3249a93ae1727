"""Two ways of working: schools drawn at random, and how much more the same children moved under one, as JSON, page and file."""

from __future__ import annotations

from rightlevel.programme import trials
from rightlevel.web.feature import Deeds
from rightlevel.web.language import N_
from rightlevel.web.trials import pages

routes = Deeds("figures", "trial", deeds={"create": "draw"})
routes.answers("list_drawn_trials", "GET /api/v1/trials", trials.list_trials)
routes.answers("read_one_trial", "GET /api/v1/trials/{id}", trials.read_trial)
routes.answers("list_schools_of_trial", "GET /api/v1/trials/{id}/schools", trials.list_trial_schools)
routes.answers(
    "read_out_trial",
    "GET /api/v1/trials/{id}/read-out",
    trials.read_out,
    trials.ReadOutQuery,
    says="How much more the same children moved under the second way than under the first, with a 95 % interval by schools.",
)
routes.does(
    trials.draw_trial,
    trials.NewTrial,
    json=("draw_one_trial", "POST /api/v1/trials"),
    html=("post_draw_trial", "/trials"),
    then="/trials/{made.id}",
    may="create",
    made="/api/v1/trials/{made.id}",
    none_if_blank=("place_id", "seed"),
    word=N_("The schools are drawn."),
    says="Draws the open schools of a place into two ways of working, half of each stratum each, and keeps the draw.",
)
routes.include(pages.routes)
