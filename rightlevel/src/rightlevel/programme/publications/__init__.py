"""Publications: what anybody may read of frozen rounds, kept apart from all that moves.

A round is published once, at one moment, after it was frozen; only what may be told is kept, and the public page reads nothing else.

Public: `read_public_page`, `change_public_page`, `publish_round`, `hide_round`, `read_public_figures`; `PublicationsPage`, `PublicPage`,
`PublicPageChange`, `Publication`, `PublicQuery`, `PublicFigures`, `SPLITS`.
"""

from rightlevel.programme.publications.actions import (
    change_public_page,
    hide_round,
    publish_round,
    read_public_figures,
    read_public_page,
)
from rightlevel.programme.publications.model import (
    SPLITS,
    Publication,
    PublicationsPage,
    PublicCell,
    PublicFigures,
    PublicPage,
    PublicPageChange,
    PublicPart,
    PublicPlace,
    PublicQuery,
    PublicRound,
)

__all__ = [
    "SPLITS",
    "PublicCell",
    "PublicFigures",
    "PublicPage",
    "PublicPageChange",
    "PublicPart",
    "PublicPlace",
    "PublicQuery",
    "PublicRound",
    "Publication",
    "PublicationsPage",
    "change_public_page",
    "hide_round",
    "publish_round",
    "read_public_figures",
    "read_public_page",
]
