"""The deeds of every room, one file a room. Importing this declares them all."""

from simulation.rooms import (
    boundaries,
    bringing,
    checking,
    children,
    more,
    pages,
    phones,
    places,
    plain,
    results,
    rounds,
    words,
)

__all__ = [
    "boundaries",
    "bringing",
    "checking",
    "children",
    "more",
    "pages",
    "phones",
    "places",
    "plain",
    "results",
    "rounds",
    "words",
]
