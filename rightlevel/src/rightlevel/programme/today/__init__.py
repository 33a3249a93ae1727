"""Today: what waits for somebody, by role, as counts of things that are done elsewhere.

Public: `tasks_of`, and `read_day` with what they were found in; `Day`, `Today`, `Task`, `TaskKind`, `MOST_COUNTED`.
"""

from rightlevel.programme.today.actions import read_day, tasks_of
from rightlevel.programme.today.model import MOST_COUNTED, Day, Task, TaskKind, Today

__all__ = ["MOST_COUNTED", "Day", "Task", "TaskKind", "Today", "read_day", "tasks_of"]
