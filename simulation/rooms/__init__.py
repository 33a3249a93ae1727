"""The deeds of every room, one file a room. Importing this declares them all."""

from simulation.rooms import checking, children, places, plain, results, rounds

__all__ = ["checking", "children", "places", "plain", "results", "rounds"]
