"""No statement sorts by a column of its output that hides a column of a table: `id::text as id … order by id` sorts texts, which no index serves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src/rightlevel"
FILES = [each for each in sorted(SOURCE.rglob("*.sql")) if "database" not in each.parts]
CAST_UNDER_ITS_OWN_NAME = re.compile(r"\b(?:\w+\.)?(\w+)::\w+(?:\[\])?\s+as\s+\1\b")
ORDER_BY = re.compile(r"(?m)^[ \t]*order by\s+([^\n;]+)")


def hidden(statement: str) -> set[str]:
    """The columns a statement sorts by under a name that its output gave to something else."""
    cast = set(CAST_UNDER_ITS_OWN_NAME.findall(statement))
    sorted_by = {
        word
        for terms in ORDER_BY.findall(statement)
        for word in re.findall(r"(?<![\w.])(\w+)(?![\w.(])", terms)
    }
    return cast & sorted_by


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_statement_sorts_by_a_cast(path: Path) -> None:
    statements = re.split(r"(?m)^-- name: ", path.read_text("utf-8"))[1:]
    assert {each.split()[0]: hidden(each) for each in statements if hidden(each)} == {}


def test_the_lint_sees_what_it_is_for() -> None:
    assert hidden("select id::text as id, name_key\nfrom student\norder by name_key, id\nlimit 5") == {"id"}
    assert hidden("select v.id::text as id\nfrom visit v\norder by v.id") == set()
    assert hidden(
        "select st.id::text as id\nfrom student st\norder by st.grade desc, coalesce(st.name, ''), id\n"
    ) == {"id"}
