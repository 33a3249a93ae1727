"""Forecasts: how many children will have a result when a round ends, if the days to come are like those that were.

Public: `read_forecast`, `note_days`; `Forecast`, `WhyNot`.
"""

from rightlevel.programme.forecasts.actions import note_days, read_forecast
from rightlevel.programme.forecasts.model import Forecast, WhyNot

__all__ = ["Forecast", "WhyNot", "note_days", "read_forecast"]
