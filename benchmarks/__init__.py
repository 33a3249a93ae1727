"""Measurements, each beside its floor in the same run. `make bench` runs them all; see README.md."""
