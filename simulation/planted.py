"""Faults that are put in on purpose, to show that the simulation sees them. Nothing of this is ever on but in its own runs.

Each takes one safeguard away: in the program's process, before it starts (`IN_PROGRAM`), or in the simulation's own database (`IN_DATABASE`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

DUPLICATE = """
insert into result select (jsonb_populate_record(null::result, to_jsonb(r) || jsonb_build_object('id', new_id()))).*
from result r where r.id = %(id)s::uuid
"""


def _module(name: str) -> Any:
    return import_module(f"rightlevel.{name}")


def _lock_forgotten_by_the_grid() -> None:
    actions = _module("programme.results.actions")
    judge = actions.judge

    def lenient(actor: Any, write: Any, facts: Any, *more: Any) -> Any:
        replace = import_module("msgspec").structs.replace
        return judge(
            actor, write, replace(facts, school_is_locked=False) if write.method == "grid" else facts, *more
        )

    actions.judge = lenient


def _retry_counted_twice() -> None:
    application = _module("web.application").RightLevelApplication
    recall = application.recall

    async def twice(self: Any, call: Any) -> Any:
        answer = await recall(self, call)
        if answer is not None and call.path == "/api/v1/results":
            told = import_module("msgspec").json.decode(answer.content)
            if told.get("result_id"):
                session = call.session
                await session._connection.execute(DUPLICATE.encode(), {"id": told["result_id"]})
        return answer

    application.recall = twice


def _right_from_a_cache() -> None:
    application = _module("web.application")
    found = application.read_actor
    kept: dict[object, Any] = {}

    async def cached(call: Any, session: Any, *, scopes: Any) -> Any:
        actor = await found(call, session, scopes=scopes)
        if actor is None or actor.role not in ("mentor", "teacher"):
            return actor
        old = kept.get(actor.person_id)
        if old is not None and len(old.held) >= len(actor.scope.held):
            return import_module("msgspec").structs.replace(actor, scope=old)
        kept[actor.person_id] = actor.scope
        return actor

    application.read_actor = cached


def _list_that_stops() -> None:
    store = _module("programme.students.store")
    page_of_students = store.page_of_students

    async def first_page(*given: Any, **named: Any) -> Any:
        page = await page_of_students(*given, **named)
        return import_module("msgspec").structs.replace(page, next=None)

    store.page_of_students = first_page


def _absent_told_as_tested() -> None:
    api = _module("programme.figures.store")
    model = _module("programme.figures.model")
    figures_of = model.figures_of

    def padded(*given: Any, **named: Any) -> Any:
        told = figures_of(*given, **named)
        return import_module("msgspec").structs.replace(told, assessed=told.assessed + told.absent)

    for each in (api, model, _module("programme.figures.actions")):
        if hasattr(each, "figures_of"):
            each.figures_of = padded


def _audit_row_forgotten() -> None:
    actions = _module("programme.students.actions")
    write_audit = actions.write_audit

    async def forgetful(session: Any, actor: Any, action: str, *more: Any, **named: Any) -> None:
        if action != "leave":
            await write_audit(session, actor, action, *more, **named)

    actions.write_audit = forgetful


def _deletion_not_done() -> None:
    store = _module("programme.students.store")

    done = store.delete_student_row

    async def pretend(*_given: Any, **_named: Any) -> None:
        return None

    pretend.__name__ = done.__name__
    store.delete_student_row = pretend


def _class_limit_forgotten() -> None:
    scope = _module("programme.permissions").Scope

    def covers(self: Any, school_id: int, *, subject: Any = None, class_id: Any = None) -> bool:
        return bool(self.is_everything or any(h.school_id == school_id for h in self._of(subject)))

    scope.covers = covers


def _untested_left_out() -> None:
    reading = _module("programme.exports.reading").Reading
    blocks = reading._blocks

    async def tested(self: Any, what: str, ask: Any, values: Any) -> Any:
        async for block in blocks(self, what, ask, values):
            lines = block.content.splitlines(keepends=True)
            kept = [each for each in lines if what != "results" or each.count(b"not_tested") < 2]
            yield import_module("msgspec").structs.replace(block, content=b"".join(kept), rows=len(kept))

    reading._blocks = tested


IN_PROGRAM: dict[str, Callable[[], None]] = {
    "a lock that the grid forgets": _lock_forgotten_by_the_grid,
    "a retry counted twice": _retry_counted_twice,
    "a right read from a cache": _right_from_a_cache,
    "a list that stops at a page": _list_that_stops,
    "absent told as tested": _absent_told_as_tested,
    "an audit row forgotten": _audit_row_forgotten,
    "a deletion acknowledged and not done": _deletion_not_done,
    "the limit to a class forgotten": _class_limit_forgotten,
    "a file without the untested": _untested_left_out,
}

IN_DATABASE: dict[str, str] = {
    "a figure by today's grade": """
        create function planted() returns trigger language plpgsql as $$ begin
            perform set_config('rightlevel.amending', 'planted', true);
            update result set grade = new.grade where student_id = new.id and deleted_at is null;
            return null; end $$;
        create trigger zz_planted after update of grade on student for each row when (old.grade <> new.grade) execute function planted();""",
    "a retry counted twice": "drop index result_is_unique;",
    "an aggregate not taken back on deletion": """
        do $$ declare each record; begin
            for each in select tgname from pg_trigger where tgrelid = 'result'::regclass and tgname ~ 'count|seat' and tgtype & 16 <> 0 loop
                execute format('alter table result disable trigger %I', each.tgname);
            end loop; end $$;""",
    "a merge that loses a result": """
        create function planted() returns trigger language plpgsql as $$ begin
            perform set_config('rightlevel.amending', 'planted', true);
            update result set deleted_at = now() where id = (
                select id from result where student_id = new.kept_id and deleted_at is null order by id limit 1);
            return null; end $$;
        create trigger zz_planted after insert on student_merge for each row execute function planted();""",
    "a practice school counted": """
        do $$ declare each record; begin
            for each in select pg_get_functiondef(oid) as body from pg_proc where pronamespace = 'public'::regnamespace and proname ~ '^add_' loop
                execute replace(each.body, 'and not s.is_practice', '');
            end loop; end $$;""",
    "a frozen figure that moves": """
        create function planted() returns trigger language plpgsql as $$ begin
            perform set_config('rightlevel.amending', 'planted', true);
            update result r set grade = 3 + (r.grade - 2) % 3 from round o where o.id = r.round_id and o.state in ('closed', 'frozen')
                and r.student_id = new.id and r.deleted_at is null;
            return null; end $$;
        create trigger zz_planted after update of name on student for each row when (old.name <> new.name) execute function planted();""",
    "a school that takes its past along": """
        do $$ declare body text := pg_get_functiondef('keep_school_place'::regproc); begin
            execute replace(body, 'case when each.goes_along then 1 else 0 end, case when each.goes_along then 0 else 1 end', '1, 0');
        end $$;""",
    "a changed result left in the same-children counts": """
        do $$ declare body text := pg_get_functiondef('keep_movement'::regproc); begin
            execute replace(body, 'having sum(sign) <> 0', 'having sum(sign) > 0');
        end $$;""",
    "an assignment that does not end": """
        create function planted() returns trigger language plpgsql as $$ begin new.ended_at := null; return new; end $$;
        create trigger zz_planted before update of ended_at on assignment for each row execute function planted();""",
    "a child's sex changed under a fixed roll": """
        create function planted() returns trigger language plpgsql as $$ begin
            perform set_config('rightlevel.amending', 'planted', true);
            update result set sex = new.sex where student_id = new.id and deleted_at is null;
            return null; end $$;
        create trigger zz_planted after update of sex on student for each row when (old.sex <> new.sex) execute function planted();""",
}

NEEDS: dict[str, tuple[str, ...]] = {
    "a lock that the grid forgets": ("grid", "lock_school"),
    "a retry counted twice": ("test",),
    "a right read from a cache": ("test", "assign", "end_assignment"),
    "a list that stops at a page": ("enrol",),
    "absent told as tested": ("test",),
    "an audit row forgotten": ("leave", "enrol"),
    "a deletion acknowledged and not done": ("delete_child", "enrol"),
    "the limit to a class forgotten": ("test", "assign"),
    "a figure by today's grade": ("test", "correct"),
    "an aggregate not taken back on deletion": ("test", "delete_result"),
    "a merge that loses a result": ("test", "merge"),
    "a practice school counted": ("test",),
    "a frozen figure that moves": ("test", "correct"),
    "a school that takes its past along": ("test", "move_school"),
    "a file without the untested": ("test", "enrol"),
    "a changed result left in the same-children counts": ("test", "test_many"),
    "an assignment that does not end": ("test", "assign", "end_assignment"),
    "a child's sex changed under a fixed roll": ("test", "correct"),
}
"""The deeds of the programme in which each is looked for: few, so that it is found soon."""

NAMES = tuple(dict.fromkeys((*IN_PROGRAM, *IN_DATABASE)))


def plant_in_program(name: str) -> None:
    """Takes one safeguard out of the program in this process, if it is one of those that stand there."""
    if name in IN_PROGRAM:
        IN_PROGRAM[name]()
