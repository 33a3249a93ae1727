"""datasette, which answers any SQL (ASGI), with a deadline, a bounded answer and a rate: DATABASE_FILE names an SQLite file."""

import os

from datasette.app import Datasette

from flatwater import Guard, GuardLimits, RateClass

app = Guard(
    Datasette(files=[os.environ["DATABASE_FILE"]], settings={"sql_time_limit_ms": 60_000}).app(),
    GuardLimits(body_bytes=100_000, response_bytes=200_000, deadline_s=1),
    rate=RateClass("all", per_s=5, burst=20),
)
