-- Practice schools: counted nowhere, emptied by one button. See the room programme.practice.

-- Schools whose results are kept as they were frozen: every one but practice schools, which are in no snapshot.
create view frozen_school as
    select s.round_id, sc.id as school_id, s.sealed_at
    from round_snapshot s
    join school sc on not sc.is_practice
        or exists (select 1 from round_snapshot_part p where p.round_id = s.round_id and p.school_id = sc.id);

create or replace function keep_amendments() returns trigger language plpgsql as $$
declare
    said text := nullif(current_setting('rightlevel.amending', true), '');
begin
    if not exists (select 1 from old_rows o join frozen_school s on s.round_id = o.round_id and s.school_id = o.school_id) then
        return null;
    end if;
    if tg_op = 'DELETE' then
        raise exception 'results of a frozen round are not removed' using errcode = 'check_violation', constraint = 'round_is_frozen';
    end if;
    if exists (
        select 1
        from old_rows o
        join new_rows n on n.id = o.id
        join frozen_school s on s.round_id = o.round_id and s.school_id = o.school_id and s.sealed_at is null
        where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result)) then
        raise exception 'a round that is being frozen does not change' using errcode = 'check_violation', constraint = 'round_is_sealing';
    end if;
    if said is null and exists (
        select 1
        from old_rows o
        join new_rows n on n.id = o.id
        join frozen_school s on s.round_id = o.round_id and s.school_id = o.school_id
        where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result)) then
        raise exception 'a result of a frozen round changes only with a reason' using errcode = 'check_violation', constraint = 'round_is_frozen';
    end if;
    insert into amendment (round_id, result_id, school_id, before_line, person_id, reason)
    select o.round_id, o.id, o.school_id, case when o.deleted_at is null then snapshot_line(o::result) end,
        nullif(current_setting('rightlevel.amending_by', true), '')::bigint, left(said, 200)
    from old_rows o
    join new_rows n on n.id = o.id
    join frozen_school s on s.round_id = o.round_id and s.school_id = o.school_id
    where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result);
    return null;
end $$;

-- The school, if it may be emptied: whatever empties one asks for it by this name, so that no mistake in a program reaches a real school. It is
-- a practice school, in no snapshot, and nothing ties its children to a real one.
create function practice_school(wanted bigint) returns bigint language plpgsql stable as $$
begin
    if not exists (select 1 from school s where s.id = wanted and s.is_practice) then
        raise exception 'only a practice school is emptied' using errcode = 'check_violation', constraint = 'school_is_for_practice';
    end if;
    if exists (
        select 1
        from round_snapshot s
        join round_snapshot_part p on p.round_id = s.round_id and p.school_id = wanted)
    or exists (
        select 1
        from result r
        join student st on st.id = r.student_id and st.school_id <> wanted
        join school o on o.id = st.school_id and not o.is_practice
        where r.school_id = wanted and r.deleted_at is null)
    or exists (
        select 1
        from (
            select a.id from student a where a.school_id = wanted and a.deleted_at is null
            union all
            select d.id from student d where d.school_id = wanted and d.deleted_at is not null) st
        join result r on r.student_id = st.id and r.school_id <> wanted
        join school o on o.id = r.school_id and not o.is_practice) then
        raise exception 'a school that was a real one is not emptied' using errcode = 'check_violation', constraint = 'school_was_real';
    end if;
    return wanted;
end $$;

-- Photos whose visit is gone: their bytes are taken out of the store from due_at on, then the row. At most five for each visit that was emptied.
create table photo_left (
    photo_id uuid primary key,
    visit_id uuid not null,
    due_at timestamptz not null
);
create index photo_left_by_due on photo_left (due_at, photo_id);

-- What is deleted, and what hangs on it.
create index student_deleted_by_school on student (school_id) where deleted_at is not null;
create index result_by_student on result (student_id);
create index amendment_by_result on amendment (result_id);
create index visit_deleted_by_school on visit (school_id) where deleted_at is not null;
create index photo_by_visit on photo (visit_id);
