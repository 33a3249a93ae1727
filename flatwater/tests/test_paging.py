import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatwater.paging import (
    MAX_CURSOR_CHARS,
    BadCursor,
    Page,
    PageLimit,
    PageRequest,
    page_of,
    read_cursor,
    write_cursor,
)


class Row(msgspec.Struct):
    name: str
    id: int


def test_a_page_tells_where_to_go_on_only_when_there_is_more() -> None:
    rows = [Row("a", 1), Row("b", 2), Row("c", 3)]
    first = page_of(rows, PageRequest(limit=2), lambda row: (row.name, row.id))
    assert first.items == rows[:2]
    assert first.next is not None
    assert PageRequest(after=first.next).key(tuple[str, int]) == ("b", 2)
    assert page_of(rows, PageRequest(limit=3), lambda row: (row.id,)) == Page(rows)
    assert page_of(list[Row](), PageRequest(limit=3), lambda row: (row.id,)) == Page([])


def test_one_row_more_than_shown_is_asked_for() -> None:
    assert PageRequest(limit=20).rows_to_ask == 21


def test_the_first_page_has_no_key() -> None:
    assert PageRequest().key(tuple[str, int]) is None


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(-(2**63), 2**63 - 1)
)
def test_a_cursor_is_read_as_it_was_written(name: str, number: int) -> None:
    cursor = write_cursor((name, number))
    assert cursor.isascii()
    assert not set("+/=&? ") & set(cursor)
    assert read_cursor(cursor, tuple[str, int]) == (name, number)


def test_the_longest_name_in_khmer_can_be_paged_by() -> None:
    cursor = write_cursor(("ក" * 200, "ក" * 200, 2**63))
    assert len(cursor) <= MAX_CURSOR_CHARS
    assert read_cursor(cursor, tuple[str, str, int])[0] == "ក" * 200


def test_a_key_that_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(ValueError, match="too long to page by"):
        write_cursor(("ក" * 2_000,))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "é",
        "a",
        "AAAA",
        "bnVsbA",
        write_cursor((1,)),
        write_cursor(("a", "b")),
        write_cursor(("a", 1, 2)),
        "A" * 99_999,
    ],
)
def test_a_damaged_cursor_is_refused_with_a_sentence(cursor: str) -> None:
    with pytest.raises(BadCursor, match="Start again from the first page"):
        read_cursor(cursor, tuple[str, int])


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_cursors(cursor: str) -> None:
    with pytest.raises(BadCursor):
        read_cursor(cursor, tuple[str, int, bool])


@pytest.mark.parametrize(("default", "ceiling"), [(0, 10), (11, 10), (1, 1_001)])
def test_a_limit_stays_within_its_ceiling_and_ours(default: int, ceiling: int) -> None:
    with pytest.raises(ValueError, match="a page has 1 to 1000 rows"):
        PageLimit(default, ceiling)
