"""Children, schools and people are found by any part of a name or code, and nobody is told of what they may not read."""

from __future__ import annotations

import msgspec
import pytest
from people import Cast

from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.permissions import Actor, TokenReach
from rightlevel.programme.search import LONGEST_SEARCH, MOST_FOUND, Found, search, store
from rightlevel.programme.students import name_key

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: student
-- Enrols a child.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
values (%(school)s, %(year)s, %(code)s, %(name)s, %(key)s, 1, 3)
-- name: many
-- Enrols many children.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, 'N' || n, 'Many ' || n, 'many ' || n, 1, 3 from generate_series(1, %(many)s) n
-- name: rename_school
-- Gives a school other names.
update school set name_local = %(local)s, name_latin = %(latin)s, code = %(code)s where id = %(school)s
-- name: rename_person
-- Gives somebody another name.
update person set display_name = %(name)s where id = %(person)s
-- name: delete_student
-- Takes a child out of use.
update student set deleted_at = now() where code = %(code)s
-- name: key_in_database
-- A text folded as the database does it.
select search_text(%(text)s) as key
""",
    origin="test_search.py",
)


async def enrol(session: Session, cast: Cast, code: str, name: str, school: int | None = None) -> None:
    values = {
        "school": school or cast.school_a,
        "year": cast.school_year,
        "code": code,
        "name": name,
        "key": name_key(name),
    }
    await session.execute(QUERIES["student"], values)


async def names(session: Session, actor: Actor, text: str) -> list[str]:
    found = (await search(session, actor, search=text)).students
    return [] if found is None else [each.name for each in found.items]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("Sok", True),
        ("SOK dara", True),
        ("dara sok", True),  # in any order
        ("phea", True),  # a part of a word
        ("Rene", True),  # accents of Latin letters
        ("st-0042", True),
        ("0042", True),  # a part of a code
        ("៤២", True),  # digits of another script
        ("phea 42", True),  # a part of the name and one of the code
        ("so", True),
        ("ea", True),  # the last two letters of a word
        ("sokk", False),
        ("dara borey", False),  # every word must be there
        ("%", False),
        ("_", False),
        ("o'r", True),
    ],
)
async def test_any_part_of_a_name_or_code_finds_a_child(
    session: Session, cast: Cast, text: str, is_found: bool
) -> None:
    await enrol(session, cast, "ST-0042", "Sok René Sophea O'Reilly Dara")
    for actor in (cast.coordinator, cast.teacher):
        found = await names(session, actor, text)
        assert (found == ["Sok René Sophea O'Reilly Dara"]) is is_found or (
            is_found and "Sok René Sophea O'Reilly Dara" in found
        ), actor.role


@pytest.mark.parametrize("text", ["ចាន់ដារ៉ា", "ដារ៉ា", "ចាន់", "រ៉ា"])
async def test_khmer_which_has_no_spaces_is_found_by_any_part(
    session: Session, cast: Cast, text: str
) -> None:
    for actor in (cast.coordinator, cast.mentor):
        assert await names(session, actor, text) == ["ចាន់ដារ៉ា"]


async def test_what_is_rare_is_found_through_the_index_of_parts(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enrol(session, cast, "Z-777", "Bun Vireak")
    monkeypatch.setattr(store, "SAMPLED", 0)
    for text in ("irea", "un", "777", "vireak bun"):
        assert await names(session, cast.coordinator, text) == ["Bun Vireak"], text


async def test_a_whole_code_comes_first_then_names_that_begin_with_the_text(
    session: Session, cast: Cast
) -> None:
    await enrol(session, cast, "K1", "Vuth Kim")
    await enrol(session, cast, "K2", "Kim Vuth")
    await enrol(session, cast, "KIM", "Aok")
    assert await names(session, cast.coordinator, "kim") == ["Aok", "Kim Vuth", "Vuth Kim"]
    assert await names(session, cast.teacher, "kim") == ["Aok", "Kim Vuth", "Vuth Kim"]


async def test_more_than_a_page_is_said_and_never_counted_past_it(session: Session, cast: Cast) -> None:
    values = {"school": cast.school_a, "year": cast.school_year}
    await session.execute(QUERIES["many"], {**values, "many": MOST_FOUND})
    for actor in (cast.coordinator, cast.teacher):
        exactly = (await search(session, actor, search="many")).students
        assert exactly is not None
        assert (len(exactly.items), exactly.is_more) == (MOST_FOUND, False)
    await enrol(session, cast, "N99", "Many 99")
    for actor in (cast.coordinator, cast.teacher):
        more = (await search(session, actor, search="any")).students
        assert more is not None
        assert (len(more.items), more.is_more) == (MOST_FOUND, True)


async def test_one_letter_finds_a_code_and_beginnings(session: Session, cast: Cast) -> None:
    await enrol(session, cast, "7", "Seven")
    assert await names(session, cast.coordinator, "7") == ["Seven"]
    assert await names(session, cast.coordinator, "d") == ["Dara"]


async def test_nobody_finds_children_of_schools_that_are_not_theirs(session: Session, cast: Cast) -> None:
    for actor in (cast.mentor, cast.teacher, cast.stranger):
        found = await search(session, actor, search="Beta")
        assert found.students is not None
        assert found.schools is not None
        assert (found.students.items, found.students.is_more) == ((), False), actor.username
        assert (found.schools.items, found.schools.is_more) == ((), False), actor.username
    assert await names(session, cast.coordinator, "Beta child")
    assert await names(session, cast.mentor_elsewhere, "Beta child")


async def test_a_viewer_finds_schools_and_is_told_of_no_child_and_nobody(
    session: Session, cast: Cast
) -> None:
    found = await search(session, cast.viewer, search="a")
    assert (found.students, found.people) == (None, None)
    found = await search(session, cast.viewer, search="Alpha")
    assert found.schools is not None
    assert [each.name_local for each in found.schools.items] == ["Alpha School"]


async def test_people_are_found_by_whoever_may_read_them(session: Session, cast: Cast) -> None:
    await session.execute(
        QUERIES["rename_person"], {"name": "ស៊ុន Élodie Vanna", "person": cast.teacher.person_id}
    )
    for text in ("vanna", "elodie", "ស៊ុន", "teache"):
        found: Found = await search(session, cast.coordinator, search=text)
        assert found.people is not None
        assert cast.teacher.person_id in [each.id for each in found.people.items], text
        for actor in (cast.mentor, cast.teacher, cast.viewer):
            assert (await search(session, actor, search=text)).people is None


async def test_schools_are_found_by_both_names_and_code(session: Session, cast: Cast) -> None:
    values = {
        "local": "សាលាបឋមសិក្សា ១២",
        "latin": "Lycée Prey Veng",
        "code": "PV-0312",
        "school": cast.school_a,
    }
    await session.execute(QUERIES["rename_school"], values)
    for text in ("បឋម", "12", "lycee", "veng prey", "0312", "pv-0312"):
        for actor in (cast.coordinator, cast.viewer, cast.teacher):
            found = await search(session, actor, search=text)
            assert found.schools is not None
            assert [each.id for each in found.schools.items] == [cast.school_a], (text, actor.role)


async def test_what_was_deleted_is_not_found(session: Session, cast: Cast) -> None:
    await session.execute(QUERIES["delete_student"], {"code": "A1"})
    for actor in (cast.coordinator, cast.teacher):
        assert await names(session, actor, "chan") == []


async def test_a_token_finds_only_what_it_reaches(session: Session, cast: Cast) -> None:
    reach = TokenReach(may_write=False, resources=("search", "school"))
    narrow = msgspec.structs.replace(cast.coordinator, token=reach)
    found = await search(session, narrow, search="Alpha")
    assert (found.students, found.people) == (None, None)
    assert found.schools is not None
    with pytest.raises(Forbidden):
        await search(
            session, msgspec.structs.replace(narrow, token=TokenReach(resources=("school",))), search="a"
        )


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "x" * (LONGEST_SEARCH + 1)])
async def test_a_text_without_a_letter_or_too_long_is_refused(
    session: Session, cast: Cast, text: str
) -> None:
    for actor in (cast.coordinator, cast.teacher):
        with pytest.raises(Invalid) as refused:
            await search(session, actor, search=text)
        assert [each.field for each in refused.value.faults] == ["search"]


@pytest.mark.parametrize("text", ["'", "\\", "a'b\\c", "&| !x", "a:* <->", "%_\\"])
async def test_signs_mean_themselves(session: Session, cast: Cast, text: str) -> None:
    await enrol(session, cast, "SIGN", f"Name {text} end")
    assert f"Name {text} end" in await names(session, cast.coordinator, text) or len(text) == 1
    assert f"Name {text} end" in await names(session, cast.teacher, text)


@pytest.mark.parametrize("text", ["Élodie  Ça", "ចាន់ដារ៉ា ១២", "SOK", "ﬁn १२", "Ñandú"])
async def test_the_database_folds_as_childrens_names_are_folded(session: Session, text: str) -> None:
    folded = await session.fetch_value(QUERIES["key_in_database"], {"text": text})
    assert " ".join(str(folded).split()) == name_key(text)
