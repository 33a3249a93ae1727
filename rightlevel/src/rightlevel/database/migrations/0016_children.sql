-- Children: a history of every field, one normal form of codes, and one judge of where a child may stand.

-- Building one index over every child takes longer than a step is usually given.
set local statement_timeout = '10min';

drop index student_code_is_unique_in_its_school;

-- Codes in their normal form (students.model.code_form): NFC, nothing that isn't seen, single spaces. A code that would become empty or too long stays.
update student st
set code = f.form
from (
    select id, normalize(btrim(regexp_replace(
        regexp_replace(code, '[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2064\uFEFF]', '', 'g'), '\s+', ' ', 'g')), NFC) as form
    from student
    where code ~ '[^!-~]') f
where st.id = f.id and st.code <> f.form and length(f.form) between 1 and 40;

-- Rows from before codes were compared without case: all but the first of those that share a code. The mark goes with the code or the school.
alter table student add column code_is_shared boolean not null default false;
update student st
set code_is_shared = true
from (
    select id, row_number() over (partition by school_id, lower(code) order by created_at, id) as place
    from student
    where deleted_at is null) each
where each.place > 1 and st.id = each.id;

create unique index student_code_is_unique_in_its_school on student (school_id, lower(code)) where deleted_at is null and not code_is_shared;
create index student_sharing_a_code on student (school_id, lower(code)) where code_is_shared and deleted_at is null;

-- Every later change of a child's record, written by a trigger whichever way the change comes: who, when, by which deed and why, and what changed with
-- both values. Of a guardian's contact only whether there is one. It holds names: it is in no audit and erasing the child removes it. The latest
-- thousand changes of a child are kept. settled_as: what somebody said of another name (programme/twins/renames.py).
create table student_change (
    id bigint generated always as identity primary key,
    student_id uuid not null references student on delete cascade,
    version integer not null,
    at timestamptz not null default now(),
    person_id bigint references person,
    deed text not null constraint student_change_deed_is_short check (length(deed) between 1 and 40),
    reason text constraint student_change_reason_is_short check (length(reason) <= 500),
    before jsonb not null,
    after jsonb not null,
    settled_as text constraint student_change_settled_is_known check (settled_as in ('same', 'back')),
    settled_at timestamptz,
    settled_by bigint references person,
    constraint student_change_settled_says_who_and_when check (num_nonnulls(settled_as, settled_at, settled_by) in (0, 3))
);
create index student_change_by_student on student_change (student_id, id);
create index student_change_of_name on student_change (at, id) where before ? 'name' and settled_as is null and deed <> 'put_back';

create function keep_student_changes() returns trigger language plpgsql as $$
declare
    said_by bigint := nullif(current_setting('rightlevel.changing_by', true), '')::bigint;
    said_deed text := coalesce(nullif(current_setting('rightlevel.changing_deed', true), ''), 'unknown');
    said_why text := nullif(current_setting('rightlevel.changing_why', true), '');
begin
    insert into student_change (student_id, version, person_id, deed, reason, before, after)
    select c.id, c.version, said_by, said_deed, left(said_why, 500), c.before, c.after
    from (
        select n.id, n.version,
            case when o.name <> n.name then jsonb_build_object('name', o.name) else '{}' end
            || case when o.code <> n.code then jsonb_build_object('code', o.code) else '{}' end
            || case when o.sex <> n.sex then jsonb_build_object('sex', o.sex) else '{}' end
            || case when (o.grade, o.class_id) is distinct from (n.grade, n.class_id)
                then jsonb_build_object('grade', o.grade, 'class_id', o.class_id) else '{}' end
            || case when o.school_id <> n.school_id then jsonb_build_object('school_id', o.school_id) else '{}' end
            || case when o.school_year_id <> n.school_year_id then jsonb_build_object('school_year_id', o.school_year_id) else '{}' end
            || case when o.birth_on is distinct from n.birth_on then jsonb_build_object('birth_on', o.birth_on) else '{}' end
            || case when o.age is distinct from n.age then jsonb_build_object('age', o.age) else '{}' end
            || case when (o.status, o.left_on, o.left_reason) is distinct from (n.status, n.left_on, n.left_reason)
                then jsonb_build_object('status', o.status, 'left_on', o.left_on, 'left_reason', o.left_reason) else '{}' end
            || case when (o.guardian_contact, o.guardian_consent_on, o.guardian_withdrawn_on)
                    is distinct from (n.guardian_contact, n.guardian_consent_on, n.guardian_withdrawn_on)
                then jsonb_build_object('guardian_contact', o.guardian_contact is not null, 'guardian_consent_on', o.guardian_consent_on,
                    'guardian_withdrawn_on', o.guardian_withdrawn_on) else '{}' end
            || case when (o.deleted_at is null, o.merged_into) is distinct from (n.deleted_at is null, n.merged_into)
                then jsonb_build_object('deleted', o.deleted_at is not null, 'merged_into', o.merged_into) else '{}' end as before,
            case when o.name <> n.name then jsonb_build_object('name', n.name) else '{}' end
            || case when o.code <> n.code then jsonb_build_object('code', n.code) else '{}' end
            || case when o.sex <> n.sex then jsonb_build_object('sex', n.sex) else '{}' end
            || case when (o.grade, o.class_id) is distinct from (n.grade, n.class_id)
                then jsonb_build_object('grade', n.grade, 'class_id', n.class_id) else '{}' end
            || case when o.school_id <> n.school_id then jsonb_build_object('school_id', n.school_id) else '{}' end
            || case when o.school_year_id <> n.school_year_id then jsonb_build_object('school_year_id', n.school_year_id) else '{}' end
            || case when o.birth_on is distinct from n.birth_on then jsonb_build_object('birth_on', n.birth_on) else '{}' end
            || case when o.age is distinct from n.age then jsonb_build_object('age', n.age) else '{}' end
            || case when (o.status, o.left_on, o.left_reason) is distinct from (n.status, n.left_on, n.left_reason)
                then jsonb_build_object('status', n.status, 'left_on', n.left_on, 'left_reason', n.left_reason) else '{}' end
            || case when (o.guardian_contact, o.guardian_consent_on, o.guardian_withdrawn_on)
                    is distinct from (n.guardian_contact, n.guardian_consent_on, n.guardian_withdrawn_on)
                then jsonb_build_object('guardian_contact', n.guardian_contact is not null, 'guardian_consent_on', n.guardian_consent_on,
                    'guardian_withdrawn_on', n.guardian_withdrawn_on) else '{}' end
            || case when (o.deleted_at is null, o.merged_into) is distinct from (n.deleted_at is null, n.merged_into)
                then jsonb_build_object('deleted', n.deleted_at is not null, 'merged_into', n.merged_into) else '{}' end as after
        from old_rows o
        join new_rows n on n.id = o.id
        -- Erasing writes nothing of what it erases.
        where n.erased_at is not distinct from o.erased_at) c
    where c.before <> '{}';
    if exists (select 1 from new_rows where version > 1000) then
        delete from student_change c
        using (
            select n.id, (select k.id from student_change k where k.student_id = n.id order by k.id desc offset 1000 limit 1) as last_id
            from new_rows n
            where n.version > 1000) kept
        where c.student_id = kept.id and c.id <= kept.last_id;
    end if;
    return null;
end $$;
create trigger student_changes_on_update after update on student referencing old table as old_rows new table as new_rows
    for each statement execute function keep_student_changes();

-- Where the grade of a class is asked to change: whether anybody was in it.
-- Everything that speaks against a child standing there: the one judge, for single deeds and whole files alike. A school or year that isn't there
-- or is deleted, a closed school, a practice school for a child of a real one or the other way round, a class that isn't of that school, year and
-- grade or is deleted.
create function standing_faults(to_school bigint, to_year bigint, to_class bigint, to_grade integer, from_school bigint) returns text[]
language sql stable as $$
    select array_remove(array[
        case when s.id is null then 'no_school' when s.deleted_at is not null then 'school_deleted' when s.status <> 'open' then 'school_closed' end,
        case when f.is_practice <> s.is_practice then 'across_practice' end,
        case when y.id is null then 'no_year' when y.deleted_at is not null then 'year_deleted' end,
        case when to_class is null then null
            when c.id is null or c.school_id <> to_school then 'class_elsewhere'
            when c.deleted_at is not null then 'class_deleted'
            when c.school_year_id <> to_year then 'class_of_another_year'
            when c.grade <> to_grade then 'class_of_another_grade' end], null)
    from (select 1) one
    left join school s on s.id = to_school
    left join school f on f.id = from_school
    left join school_year y on y.id = to_year
    left join class c on c.id = to_class
$$;
