"""Imported first: pytest names test modules after their folders, and `rightlevel` must mean the package by then."""

import flatwater
import rightlevel

PACKAGES = (flatwater, rightlevel)
