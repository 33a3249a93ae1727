"""The deeds of every room, one file a room. Importing this declares them all."""

from simulation.rooms import places, rounds, children, results, checking, plain, pages  # isort: skip (pages come after what they are pages of)

__all__ = ["checking", "children", "pages", "places", "plain", "results", "rounds"]
