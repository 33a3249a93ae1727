"""The deeds of every room, one file a room. Importing this declares them all."""

from simulation.rooms import (
    boundaries,
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
    words,
)

__all__ = [
    "boundaries",
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
    "words",
]
