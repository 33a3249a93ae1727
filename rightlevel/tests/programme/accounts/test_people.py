import msgspec
import pytest
from people import NOW, Cast, actor_now

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts import (
    NewPerson,
    PersonChange,
    actor_by_token,
    change_person,
    create_person,
    create_token,
    delete_person,
    list_people,
    list_tokens,
    read_person,
    reset_password,
    restore_person,
    revoke_token,
    set_active,
)
from rightlevel.programme.accounts.model import LastAdmin
from rightlevel.programme.accounts.tokens import MAX_TOKENS, TooManyTokens
from rightlevel.programme.errors import AlreadyTaken, Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.permissions import Actor
from rightlevel.programme.time_zone import ProgrammeClock

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: audit
-- The newest audit rows as text.
select string_agg(a::text, E'\\n') from (select action, resource, before, after, reason from audit_entry order by id desc limit 20) a
-- name: sessions
-- How many sessions somebody has.
select count(*) from person_session where person_id = %(person)s
""",
    origin="test_people.py",
)


async def make(
    session: Session, actor: Actor | None, username: str = "new.one", role: str = "teacher", **more: str
) -> int:
    new = NewPerson(username, "New One", role, **more)
    return (await create_person(session, actor, new, password_hash="$argon2id$secret")).id


@pytest.mark.parametrize(
    ("by", "role", "may"),
    [
        ("admin", "admin", True),
        ("admin", "coordinator", True),
        ("coordinator", "mentor", True),
        ("coordinator", "coordinator", False),
        ("coordinator", "admin", False),
        ("mentor", "teacher", False),
        ("teacher", "viewer", False),
        ("viewer", "viewer", False),
    ],
)
async def test_nobody_gives_a_role_at_or_above_their_own(
    session: Session, cast: Cast, by: str, role: str, may: bool
) -> None:
    actor: Actor = getattr(cast, by)
    if may:
        await make(session, actor, role=role)
    else:
        with pytest.raises(Forbidden):
            await make(session, actor, role=role)


async def test_every_fault_of_a_new_account_is_named_at_once(session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid) as invalid:
        await create_person(
            session,
            cast.admin,
            NewPerson("No Spaces!", "", "king", email="nowhere", language="no language", password="short"),
            password_hash="",
        )
    assert {fault.field for fault in invalid.value.faults} == {
        "username",
        "display_name",
        "role",
        "email",
        "language",
        "password",
    }


async def test_a_name_in_use_is_said_to_be(session: Session, cast: Cast) -> None:
    async with session.savepoint():
        await make(session, cast.admin, email="one@example.org")
    for values, field in (
        ({"username": "new.one"}, "username"),
        ({"username": "other", "email": "ONE@example.org"}, "email"),
    ):
        with pytest.raises(AlreadyTaken) as taken:
            async with session.savepoint():
                await make(session, cast.admin, **values)
        assert taken.value.faults[0].field == field


async def test_people_are_found_by_name_and_role_and_paged_without_gaps(session: Session, cast: Cast) -> None:
    for number in range(7):
        await make(session, cast.admin, f"mentor{number}", "mentor")
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await list_people(session, cast.coordinator, PageRequest(3, after), role="mentor")
        seen += [person.username for person in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == sorted(["mentor", "mentor_elsewhere", *(f"mentor{n}" for n in range(7))])
    found = await list_people(session, cast.coordinator, PageRequest(), search="mentor3")
    assert [person.username for person in found.items] == ["mentor3"]
    nothing = await list_people(session, cast.coordinator, PageRequest(), search="%")
    assert nothing.items == []
    with pytest.raises(Forbidden):
        await list_people(session, cast.teacher, PageRequest())


async def test_a_stale_change_shows_both(session: Session, cast: Cast) -> None:
    person_id = await make(session, cast.admin)
    changed = await change_person(
        session, cast.coordinator, person_id, PersonChange(1, display_name="Renamed"), StandingClock(NOW)
    )
    assert (changed.display_name, changed.version) == ("Renamed", 2)
    with pytest.raises(Stale) as stale:
        await change_person(
            session, cast.coordinator, person_id, PersonChange(1, display_name="Other"), StandingClock(NOW)
        )
    assert stale.value.values["current"]["display_name"] == "Renamed"
    assert stale.value.values["yours"]["display_name"] == "Other"


async def test_nobody_changes_their_own_role_and_no_password_above_is_reset(
    session: Session, cast: Cast
) -> None:
    with pytest.raises(Forbidden):
        await change_person(
            session,
            cast.coordinator,
            cast.coordinator.person_id,
            PersonChange(1, role="mentor"),
            StandingClock(NOW),
        )
    with pytest.raises(Forbidden):
        await reset_password(
            session, cast.coordinator, cast.admin.person_id, password_hash="x", clock=StandingClock(NOW)
        )
    with pytest.raises(Forbidden):
        await change_person(
            session,
            cast.coordinator,
            cast.teacher.person_id,
            PersonChange(1, role="admin"),
            StandingClock(NOW),
        )
    await reset_password(
        session, cast.coordinator, cast.mentor.person_id, password_hash="x", clock=StandingClock(NOW)
    )


async def test_the_last_admin_stays(session: Session, cast: Cast) -> None:
    second = await make(session, cast.admin, "second", "admin")
    await set_active(session, cast.admin, second, is_active=False, clock=StandingClock(NOW))
    helper = msgspec.structs.replace(cast.admin, person_id=second)
    for attempt in (
        change_person(
            session, helper, cast.admin.person_id, PersonChange(1, role="viewer"), StandingClock(NOW)
        ),
        set_active(session, helper, cast.admin.person_id, is_active=False, clock=StandingClock(NOW)),
    ):
        with pytest.raises(LastAdmin):
            await attempt
    with pytest.raises(Forbidden):
        await set_active(
            session, cast.coordinator, cast.coordinator.person_id, is_active=False, clock=StandingClock(NOW)
        )


async def test_switching_off_and_removing_end_all_sessions_at_once(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await set_active(
        session, cast.coordinator, cast.teacher.person_id, is_active=False, clock=StandingClock(NOW)
    )
    assert await session.fetch_value(QUERIES["sessions"], {"person": cast.teacher.person_id}) == 0
    await delete_person(
        session, cast.coordinator, cast.mentor.person_id, reason="left the programme", clock=clock
    )
    assert await session.fetch_value(QUERIES["sessions"], {"person": cast.mentor.person_id}) == 0
    with pytest.raises(NotFound):
        await delete_person(session, cast.coordinator, cast.mentor.person_id, reason="again", clock=clock)
    assert (await read_person(session, cast.coordinator, cast.mentor.person_id)).is_deleted
    restored = await restore_person(session, cast.coordinator, cast.mentor.person_id)
    assert not restored.is_deleted


async def test_a_token_has_its_holders_rights_until_it_is_revoked(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await create_token(session, cast.teacher, None, label="phone", days=30, clock=clock)
    actor = await actor_by_token(session, made.token, ProgrammeClock(clock), address="x")
    assert actor is not None
    assert (actor.username, actor.scope) == ("teacher", cast.teacher.scope)
    with pytest.raises(NotFound):
        await revoke_token(session, cast.mentor, made.id, clock)
    with pytest.raises(NotFound):
        await revoke_token(session, cast.teacher, "no-uuid", clock)
    listed = await list_tokens(session, cast.teacher, PageRequest())
    assert made.id in [token.id for token in listed.items]
    await revoke_token(session, cast.teacher, made.id, clock)
    assert await actor_by_token(session, made.token, ProgrammeClock(clock), address="x") is None


async def test_a_token_ends_by_itself_and_there_are_at_most_twenty(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(Invalid):
        await create_token(session, cast.teacher, None, label="", days=10_000, clock=clock)
    tokens = [
        await create_token(session, cast.stranger, None, label="", days=1, clock=clock)
        for _ in range(MAX_TOKENS - 1)
    ]
    with pytest.raises(TooManyTokens):
        await create_token(session, cast.stranger, None, label="", days=1, clock=clock)
    clock.advance(86_401)
    assert await actor_by_token(session, tokens[0].token, ProgrammeClock(clock), address="x") is None


async def test_an_ended_assignment_is_out_of_scope_on_the_next_look(session: Session, cast: Cast) -> None:
    assert (await actor_now(session, "teacher")).scope.covers(cast.school_a, subject="math")
    end = read_queries(
        "-- name: end\n-- Ends.\nupdate assignment set ended_at = now() where person_id = %(p)s", origin="x"
    )
    await session.execute(end["end"], {"p": cast.teacher.person_id})
    assert not (await actor_now(session, "teacher")).scope.covers(cast.school_a)


async def test_no_hash_and_no_token_reaches_the_audit(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    person_id = await make(session, cast.admin)
    await reset_password(session, cast.admin, person_id, password_hash="$argon2id$secret", clock=clock)
    made = await create_token(session, cast.teacher, None, label="phone", days=30, clock=clock)
    written = await session.fetch_value(QUERIES["audit"], {})
    assert "reset_password" in written
    assert "argon2" not in written
    assert made.token not in written
