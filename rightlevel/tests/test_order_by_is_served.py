"""No statement sorts by a column of its output that hides a column of a table: `id::text as id … order by id` sorts texts, which no index serves.

In ORDER BY a bare name is the output's before it is a table's (*source*: PostgreSQL's manual, SELECT), so whoever means the table's writes `student.id`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flatwater.queries import read_queries

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "rightlevel/src/rightlevel/database/schema.sql"
FILES = [
    each
    for folder in ("rightlevel/src", "flatwater/src", "benchmarks")
    for each in sorted((ROOT / folder).rglob("*.sql"))
    if "migrations" not in each.parts and ".work" not in each.parts
]
"""A migration has run; what it made stands in the schema."""
TABLE = re.compile(r"(?ms)^create table (\w+) \((.*?)^\)")
COLUMN = re.compile(r"(?m)^    (\w+) \w")
ADDED = re.compile(r"(?m)^alter table (\w+) add column (\w+)")
MADE = re.compile(r"(?P<made>[^\s,(]+)\s+as\s+(?P<name>\w+)\b(?!\s*\()")
ORDER_BY = re.compile(r"\border by\s+((?:[^\n;()]|\((?:[^()]|\([^()]*\))*\))+)")
SORTS_BY_ITSELF = re.compile(r"\b(?:\w+_agg|over|within group)\s*\(")
MEANT = re.compile(r"(?<![\w.%(:'])([a-z_]\w*)(?![\w.(:])")
WORDS = frozenset(
    {
        "asc",
        "desc",
        "nulls",
        "first",
        "last",
        "limit",
        "for",
        "update",
        "share",
        "of",
        "end",
        "is",
        "null",
        "not",
    }
)


def columns_of_tables() -> dict[str, set[str]]:
    """What each table of the schema has."""
    text = SCHEMA.read_text("utf-8")
    found = {
        name: set(COLUMN.findall(body)) - {"constraint", "primary"} for name, body in TABLE.findall(text)
    }
    for table, column in ADDED.findall(text):
        found[table].add(column)
    return found


TABLES = columns_of_tables()


def outside_of_calls(statement: str) -> str:
    """The statement without what aggregates and windows sort by: in there a name is always a table's."""
    while call := SORTS_BY_ITSELF.search(statement):
        depth, at = 1, call.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(statement[at], 0)
            at += 1
        statement = statement[: call.start()] + "sorted_by_itself" + statement[at:]
    return statement


def hidden(statement: str) -> set[str]:
    """The names a statement sorts by that its output gave to something else, and that a table it reads has too."""
    statement = outside_of_calls(re.sub(r"--(?!\?)[^\n]*", "", statement))
    read = {name for name in re.findall(r"(?:from|join|update)\s+(\w+)", statement) if name in TABLES}
    there = set[str]().union(*(TABLES[name] for name in read))
    made = {
        each["name"]
        for each in MADE.finditer(statement)
        if each["made"].rpartition(".")[2] != each["name"] and each["name"] in there
    }
    sorted_by = {word for terms in ORDER_BY.findall(statement) for word in MEANT.findall(terms)} - WORDS
    return made & sorted_by


def statements(path: Path) -> dict[str, str]:
    """The statements of a file by name, all their parts switched on and fragments in place; of the schema, whatever ends in a semicolon."""
    text = path.read_text("utf-8")
    if "-- name: " in text:
        queries = read_queries(text, origin=str(path))
        return {name: query.plus(*query.parts).text for name, query in queries.items()}
    return {
        f"statement {number}": each
        for number, each in enumerate(re.split(r";\s*$", text, flags=re.MULTILINE), 1)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_statement_sorts_by_what_its_output_hides(path: Path) -> None:
    assert {name: hidden(each) for name, each in statements(path).items() if hidden(each)} == {}


def test_the_lint_sees_what_it_is_for() -> None:
    assert hidden("select id::text as id, name_key\nfrom student\norder by name_key, id\nlimit 5") == {"id"}
    assert hidden("select v.id::text as id\nfrom visit v\norder by v.id") == set()
    assert hidden(
        "select st.id::text as id\nfrom student st\norder by st.grade desc, coalesce(st.name, ''), id\n"
    ) == {"id"}
    assert hidden("select lower(name_local) as name_local\nfrom school\norder by name_local") == {
        "name_local"
    }
    assert hidden("select count(*) as points\nfrom school\norder by points desc") == set()
    assert hidden("select s.code as code\nfrom school s\norder by code") == set()
    assert hidden("select array_agg(st.id order by id), st.grade::text as id from student st") == set()
    assert hidden("select x from (select st.id::text as id from student st order by id limit 5) x") == {"id"}


def test_the_lint_knows_the_tables() -> None:
    assert {"id", "name_key", "merged_into", "grade"} <= TABLES["student"]
    assert len(TABLES) > 50
