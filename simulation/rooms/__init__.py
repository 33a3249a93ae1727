"""The deeds of every room, one file a room. Importing this declares them all."""

from simulation.rooms import (
    approvals,
    boundaries,
    bringing,
    checking,
    children,
    more,
    pages,
    phones,
    places,
    plain,
    publishing,
    results,
    rounds,
    scales,
    webhooks,
    words,
)

__all__ = [
    "approvals",
    "boundaries",
    "bringing",
    "checking",
    "children",
    "more",
    "pages",
    "phones",
    "places",
    "plain",
    "publishing",
    "results",
    "rounds",
    "scales",
    "webhooks",
    "words",
]
