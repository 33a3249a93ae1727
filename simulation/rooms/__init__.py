"""The deeds of every room, one file a room. Importing this declares them all."""

from simulation.rooms import children, places, results, rounds

__all__ = ["children", "places", "results", "rounds"]
