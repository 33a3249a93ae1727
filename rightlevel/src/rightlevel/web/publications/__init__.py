"""The public page: what anybody may read of frozen rounds, as page, CSV and JSON; and where it is switched on and a round is published."""

from __future__ import annotations

from flatwater.contract import Everyone, Html
from rightlevel.programme.permissions import May
from rightlevel.programme.publications import (
    SPLITS,
    PublicationsPage,
    PublicFigures,
    PublicPageChange,
    PublicQuery,
    change_public_page,
    hide_round,
    publish_round,
    read_public_figures,
    read_public_page,
)
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.publications import pages
from rightlevel.web.publications.pages import PUBLIC
from rightlevel.web.request import Request, actor_of
from rightlevel.web.templating import language_of, render

PUBLISHES = May("publish", "figure")
PUBLISHING_S = 60.0
"""Two statements for each place on which others hang, at most 2,000 places."""
DEPTHS = {1: N_("Countries"), 2: N_("Provinces"), 3: N_("Districts"), 4: N_("Communes and clusters")}
SPLIT_NAMES = {
    "levels": N_("By level"),
    "sexes": N_("By level and sex"),
    "grades": N_("By level, sex and grade"),
}

routes = Deeds("figures", "figure", deeds={"change": "publish", "read": "publish"})
routes.answers(
    "read_page_for_all",
    "GET /api/v1/public-page",
    read_public_page,
    says="Whether there is a public page, what it tells, and which frozen rounds are published.",
)
routes.does(
    change_public_page,
    PublicPageChange,
    json=("change_page_for_all", "PUT /api/v1/public-page"),
    html=("post_change_page_for_all", "/public-page"),
    then="/public-page",
    says="Switches the public page on or off, and says what it tells.",
)
routes.does(
    publish_round,
    json=("publish_one_round", "POST /api/v1/public-page/rounds/{id}/publish"),
    html=("post_publish_round", "/public-page/rounds/{id}/publish"),
    then="/public-page",
    word=N_("The round is published."),
    says="Publishes a frozen round as it is now, once and for all; one that was hidden is shown again as it was.",
    deadline_s=PUBLISHING_S,
)
routes.does(
    hide_round,
    json=("hide_one_round", "POST /api/v1/public-page/rounds/{id}/hide"),
    html=("post_hide_round", "/public-page/rounds/{id}/hide"),
    then="/public-page",
    word=N_("The round is no longer on the public page."),
    says="Takes a published round off the public page; what was published is kept as it was.",
)
routes.include(pages.routes)


@routes.get("/api/v1/public/figures", Everyone(), rate=PUBLIC)
async def read_figures_for_all(request: Request, *, query: PublicQuery) -> PublicFigures:
    """What is published of a place in a round, for anybody: no number of one to nine children, alone or by subtraction."""
    return await read_public_figures(request.session, query)


@routes.get("/public-page", PUBLISHES, **IN_PAGES)
async def page_for_all_page(request: Request) -> Html:
    """Where the public page is switched on, and frozen rounds are published."""
    found: PublicationsPage = await read_public_page(request.session, actor_of(request))
    _ = language_of(request).gettext
    return render(
        request,
        "publications/settings.html",
        found=found,
        depths_named=[(depth, _(name)) for depth, name in DEPTHS.items()],
        splits_named=[(each, _(SPLIT_NAMES[each])) for each in SPLITS],
    )
