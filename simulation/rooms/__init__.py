"""The deeds of every room, one file a room. Importing this declares them all."""

from simulation.rooms import checking, children, more, pages, places, plain, results, rounds

__all__ = ["checking", "children", "more", "pages", "places", "plain", "results", "rounds"]
