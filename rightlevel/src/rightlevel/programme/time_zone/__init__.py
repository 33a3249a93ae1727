"""The programme's time zone: where a day begins and ends for everything that is judged or shown by days.

The zone that coordinators chose, else the one of the place tree's country. Instants are kept in UTC; a day comes from `flatwater.clock.today`
at a clock whose zone this is.

Public: `ProgrammeClock`, `learn_time_zone`, `read_time_zone`, `change_time_zone`, `TimeZone`.
"""

from rightlevel.programme.time_zone.actions import change_time_zone, learn_time_zone, read_time_zone
from rightlevel.programme.time_zone.model import ProgrammeClock, TimeZone

__all__ = ["ProgrammeClock", "TimeZone", "change_time_zone", "learn_time_zone", "read_time_zone"]
