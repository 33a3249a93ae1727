"""Many rows read without a ceiling."""

from __future__ import annotations

from collections.abc import Iterator

from flatwater.audit.app import App
from flatwater.audit.model import Priority
from flatwater.audit.query_builder import no_request_adds_to
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, shown
from flatwater.audit.statements import Read, is_bounded, is_seldom_added_to, reads_of_all


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for read in reads_of_all(module):
        if read.text is None:
            yield Hit(
                read.node,
                f"`{shown(read.node)}` reads every row of a query that has no limit{_of_part(read)}.",
                _priority(app, read),
            )
        elif not is_bounded(read.text):
            short = " ".join(read.text.split())[:90]
            yield Hit(
                read.node, f"Every row of `{short}` is read at once{_of_part(read)}.", _priority(app, read)
            )


def _priority(app: App, read: Read) -> Priority:
    """A whole table that requests add to is as large as it gets. How many belong to one owner the source doesn't say: that is advice, to be driven."""
    if read.is_part or is_seldom_added_to(read):
        return "P3"
    return "P3" if no_request_adds_to(app, read.function, read.node) else "P1"


def _of_part(read: Read) -> str:
    return "; how many a condition leaves, driving shows" if read.is_part else ""


RULE = Rule(
    name="query-without-limit",
    priority="P1",
    reason="The table decides how much memory a request takes: a thousand rows today, a million in a year.",
    change="Page by key with a LIMIT (flatwater.paging), or stream the rows and hold one batch at a time.",
    in_requests=True,
    seek=_seek,
    bad="""
@app.get("/pupils")
async def pupils(connection):
    cursor = await connection.execute("SELECT name FROM pupil ORDER BY name")
    return await cursor.fetchall()
""",
    good="""
@app.get("/pupils")
async def pupils(connection, after: int):
    cursor = await connection.execute("SELECT name FROM pupil WHERE id > %s ORDER BY id LIMIT 100", [after])
    return await cursor.fetchall()
""",
)
