"""Today: what waits for somebody, by role, as counts of things that are done elsewhere.

Public: `tasks_of`; `Today`, `Task`, `TaskKind`, `MOST_COUNTED`.
"""

from rightlevel.programme.today.actions import tasks_of
from rightlevel.programme.today.model import MOST_COUNTED, Task, TaskKind, Today

__all__ = ["MOST_COUNTED", "Task", "TaskKind", "Today", "tasks_of"]
