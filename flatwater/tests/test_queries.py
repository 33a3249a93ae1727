import re
from pathlib import Path

import pytest

from flatwater.queries import (
    MAX_REMEMBERED_VARIANTS,
    Queries,
    QueryFileBroken,
    like_text,
    load_queries,
    main,
    read_queries,
)

FILE = """-- The queries of a test.

-- name: list_notes
-- Notes in order,
-- served by the primary key.
select id, words
from note
where true
--? by_author: and author = %(author)s
  --? after: and id > %(after)s
order by id
limit %(limit)s;

-- name: count_notes
-- How many notes there are.
select count(*) from note where words like '%%a%%'
"""


def read(text: str) -> Queries:
    return read_queries(text, origin="a test")


def test_a_query_has_its_name_sentence_text_and_parameters() -> None:
    queries = read(FILE)
    assert list(queries) == ["list_notes", "count_notes"]
    notes = queries["list_notes"]
    assert notes.sentence == "Notes in order, served by the primary key."
    assert notes.text == "select id, words\nfrom note\nwhere true\norder by id\nlimit %(limit)s"
    assert notes.parameters == {"limit"}
    assert notes.parts == {"by_author", "after"}
    assert len(queries) == 2
    assert "count_notes" in queries
    assert queries["count_notes"].text == "select count(*) from note where words like '%%a%%'"


def test_optional_parts_are_switched_on_in_their_place() -> None:
    notes = read(FILE)["list_notes"]
    both = notes.plus("after", "by_author")
    assert both.text.splitlines()[3:5] == ["and author = %(author)s", "and id > %(after)s"]
    assert both.parameters == {"author", "after", "limit"}
    assert both is notes.plus("by_author").plus("after")
    assert notes.plus() is notes
    assert repr(both) == "<query list_notes +after +by_author>"
    assert "author" not in notes.text


def test_a_query_may_say_that_it_is_planned_each_time() -> None:
    queries = read(
        "-- name: a\n-- Asks.\n--! plan each time\nselect 1\n-- name: b\n-- Asks.\nselect 2\n--? more: , 3"
    )
    assert (queries["a"].text, queries["a"].sentence, queries["a"].prepare) == ("select 1", "Asks.", False)
    assert queries["b"].prepare is None
    assert queries["b"].plus("more").prepare is None


def test_a_part_or_a_query_that_there_is_not_is_named() -> None:
    queries = read(FILE)
    with pytest.raises(LookupError, match="list_notes has no part by_day"):
        queries["list_notes"].plus("by_day")
    with pytest.raises(LookupError, match="a test has no query notes; it has list_notes, count_notes"):
        queries["notes"]


def test_remembered_variants_are_bounded() -> None:
    parts = [f"part_{number}" for number in range(10)]
    lines = "\n".join(f"--? {part}: and {number} = {number}" for number, part in enumerate(parts))
    query = read(f"-- name: many\n-- Many parts.\nselect 1 where true\n{lines}")["many"]
    for number in range(2 ** len(parts)):
        chosen = [part for at, part in enumerate(parts) if number >> at & 1]
        assert query.plus(*chosen).text.count("and ") == len(chosen)
    assert len(query.source.variants) == MAX_REMEMBERED_VARIANTS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no query"),
        ("select 1", "line 1: SQL before the first"),
        ("-- name: a\nselect 1", "lacks the sentence"),
        ("-- name: a\n--\nselect 1", "lacks the sentence"),
        ("-- name: a\n-- Asks.", "has no SQL"),
        ("-- name: a\n-- Asks.\n--? part: select 1", "has no SQL"),
        ("-- name: a b\n-- Asks.\nselect 1", "not 'a b'"),
        ("-- name: A\n-- Asks.\nselect 1", "not 'A'"),
        ("-- name:\n-- Asks.\nselect 1", "not ''"),
        ("-- name: a\n-- Asks.\nselect 1\n  -- name: b c\n-- Asks.\nselect 1", "not 'b c'"),
        ("-- name: a\n-- Asks.\nselect 1\n-- name: a\n-- Asks.\nselect 1", "a is there twice"),
        ("-- name: a\n-- Asks.\nselect 100 % 3", "a per cent sign is written %%"),
        ("-- name: a\n-- Asks.\nselect 1 where a like '%x'", "a per cent sign is written %%"),
        ("-- name: a\n-- Asks.\nselect %s", "a parameter"),
        ("-- name: a\n-- Asks.\nselect %%%", "a per cent sign is written %%"),
        ("-- name: a\n-- Asks.\n--! plan never\nselect 1", "'--! plan never' says nothing"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(text: str, why: str) -> None:
    with pytest.raises(QueryFileBroken, match=why):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "select * from note",
        "SELECT\n  * from note",
        "select distinct * from note",
        "select distinct on (author) * from note",
        "select n.* from note n",
        'select "n".* from note "n"',
        "select (n).* from note n",
        "select id, * from note",
        "delete from note returning *",
        "select id from (select * from note) n",
        "select id from note where words = '--' and id in (select * from note)",
        "select id from note\n--? part: union select * from note",
    ],
)
def test_a_star_for_columns_is_refused(text: str) -> None:
    with pytest.raises(QueryFileBroken, match="names its columns"):
        read(f"-- name: a\n-- Asks.\n{text}")


@pytest.mark.parametrize(
    "text",
    [
        "select count(*) from note",
        "select 2 * id, id * 2, n.id * 3, 1.5 * id, id*id from note n",
        "select '* , * select *' as words",
        "select 1 -- select * from note",
        "select /* n.* */ 1",
        "select count(*) filter (where id > 1), sum(value * value) from counter",
    ],
)
def test_a_star_that_multiplies_counts_or_is_text_passes(text: str) -> None:
    assert read(f"-- name: a\n-- Asks.\n{text}")["a"].text == text


@pytest.mark.parametrize(
    "text",
    [
        "begin",
        "commit",
        "ROLLBACK",
        "set search_path = x",
        "reset all",
        "discard all",
        "select 1; commit",
        "set role x",
        "start transaction",
    ],
)
def test_what_would_change_the_session_for_others_is_refused(text: str) -> None:
    with pytest.raises(QueryFileBroken, match="change the session"):
        read(f"-- name: a\n-- Asks.\n{text}")


def test_settings_of_one_transaction_pass() -> None:
    read(
        "-- name: a\n-- Asks.\nset local work_mem = '8MB'\n-- name: b\n-- Asks.\nset constraints all deferred"
    )


def test_a_file_is_read_from_its_package() -> None:
    assert load_queries("flatwater")["notify"].name == "notify"
    with pytest.raises(FileNotFoundError):
        load_queries("flatwater", "nothing.sql")


def test_text_for_like_means_itself() -> None:
    assert like_text("50%_A\\") == "50\\%\\_a\\\\"


def test_what_is_sent_is_without_comments_and_indentation() -> None:
    sent = read("-- name: a\n-- Asks.\nselect 1\n    -- a reader's word\n    from note\n  where word = '--'")[
        "a"
    ].text
    assert sent == "select 1\nfrom note\nwhere word = '--'"


@pytest.mark.parametrize(
    "text", ["select 'two\n  lines'", "select $$two\n  -- lines$$", "select /* two\n  lines */ 1"]
)
def test_a_text_over_several_lines_keeps_its_spaces(text: str) -> None:
    assert read(f"-- name: a\n-- Asks.\n{text}")["a"].text == text


SHARED = """
-- fragment: live_only
-- What is not deleted.
and deleted_at is null
--? by_author: and author = %(author)s

-- fragment: live_and_read
-- What is not deleted and was read.
--> live_only
and read_at is not null

-- name: list_read
-- Notes that were read.
select id
from note
where true
    --> live_and_read
order by id

-- name: count_live
-- How many notes there are.
select count(*) from note where words like 'a%%'
--> live_only
"""


def test_what_queries_share_stands_in_each_of_them() -> None:
    queries = read(SHARED)
    assert list(queries) == ["list_read", "count_live"], "a fragment is no query"
    assert queries["list_read"].text.splitlines() == [
        "select id",
        "from note",
        "where true",
        "and deleted_at is null",
        "and read_at is not null",
        "order by id",
    ]
    count = queries["count_live"].plus("by_author")
    assert count.text.splitlines()[1:] == ["and deleted_at is null", "and author = %(author)s"]
    assert (count.parameters, count.parts) == ({"author"}, {"by_author"})


def test_a_query_is_printed_as_psql_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "queries.sql"
    file.write_text(SHARED)
    main([str(file), "count_live", "by_author"])
    assert capsys.readouterr().out == (
        "-- How many notes there are.\n"
        "select count(*) from note where words like 'a%'\n"
        "and deleted_at is null\n"
        "and author = :'author';\n"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-- name: a\n-- One.\nselect 1\n--> gone", "uses a fragment 'gone' that is not there before it"),
        ("-- name: a\n-- One.\nselect 1\n-->", "uses a fragment '' that is not there before it"),
        (
            "-- name: a\n-- One.\nselect 1\n--> b\n-- fragment: b\n-- Two.\nand 2",
            "uses a fragment 'b' that is not there before it",
        ),
        ("-- fragment: b\n-- Two.\nand 2\n-- name: a\n-- One.\nselect 1", "nothing uses the fragment b"),
        ("-- fragment: b\nand 2\n-- name: a\n-- One.\nselect 1\n--> b", "b lacks the sentence"),
        ("-- fragment: b\n-- Two.\n-- name: a\n-- One.\nselect 1\n--> b", "b has no SQL"),
        (
            "-- fragment: b\n-- Two.\n--! plan each time\nand 2\n-- name: a\n-- One.\nselect 1\n--> b",
            "b: how it is planned is a query's to say",
        ),
        ("-- fragment: a\n-- Two.\nand 2\n-- name: a\n-- One.\nselect 1\n--> a", "a is there twice"),
        ("-- fragment: b\n-- Two.\nand s.*\n-- name: a\n-- One.\nselect 1\n--> b", "names its columns"),
        ("-- fragment: B\n-- Two.\nand 2\n-- name: a\n-- One.\nselect 1", "lower case letters"),
    ],
)
def test_a_fragment_that_can_not_be_is_refused(text: str, why: str) -> None:
    with pytest.raises(QueryFileBroken, match=re.escape(why)):
        read(text)
