-- name: interventions
-- Programmes, the latest first. Served by intervention_by_start and the primary key.
--! plan each time
select i.id, i.name, i.words, i.subject::text as subject, i.starts_on, i.ends_on, i.version, i.deleted_at is not null as is_deleted
from intervention i
where true
    and ((i.deleted_at is not null) = %(deleted)s::boolean or %(deleted)s::boolean is null)
    and (i.id = %(intervention_id)s::bigint or %(intervention_id)s::bigint is null)
    and ((i.starts_on, i.id) < (select k.starts_on, k.id from intervention k where k.id = %(after_id)s::bigint) or %(after_id)s::bigint is null)
order by i.starts_on desc, i.id desc
limit %(rows)s
--? for_share: for share of i
--? for_update: for update of i

-- name: count_interventions
-- How many programmes are in use, counted by one writer at a time. Served by intervention_by_start.
select count(*)
from intervention, (select pg_advisory_xact_lock(hashtextextended('rightlevel.interventions', 0))) held
where deleted_at is null

-- name: insert_intervention
-- Adds a programme.
insert into intervention (name, words, subject, starts_on, ends_on, created_at, created_by)
values (%(name)s, %(words)s, %(subject)s::subject, %(starts_on)s, %(ends_on)s, %(now)s, %(person_id)s)
returning id

-- name: change_intervention
-- Changes a programme; no row when it is another version by now. Served by the primary key.
update intervention
set name = %(name)s, words = %(words)s, subject = %(subject)s::subject, starts_on = %(starts_on)s, ends_on = %(ends_on)s, version = version + 1
where id = %(intervention_id)s and version = %(version)s and deleted_at is null

-- name: delete_intervention
-- Takes a programme out of use. Served by the primary key.
update intervention
set deleted_at = %(now)s, deleted_by = %(person_id)s, delete_reason = %(reason)s, version = version + 1
where id = %(intervention_id)s and deleted_at is null

-- name: restore_intervention
-- Brings a programme back. Served by the primary key.
update intervention
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(intervention_id)s and deleted_at is not null

-- name: children
-- Where the children to be enrolled are. Served by the primary key.
select st.id::text as student_id, st.school_id, st.class_id
from student st
where st.id = any(%(student_ids)s::uuid[]) and st.deleted_at is null and st.status = 'active'
order by st.id

-- name: insert_enrolment
-- Enrols a child, or nothing where it is enrolled already or the id is used. Served by intervention_enrolment_once_at_a_time.
insert into intervention_enrolment (id, intervention_id, student_id, school_id, from_on, created_at, created_by)
values (%(id)s::uuid, %(intervention_id)s, %(student_id)s::uuid, %(school_id)s, %(from_on)s, %(now)s, %(person_id)s)
on conflict do nothing

-- name: enrolments
-- Enrolments whose child somebody may see, the latest first. Served by intervention_enrolment_by_student, _by_school and the primary key.
--! plan each time
select e.id::text as id, e.intervention_id, i.name as intervention_name, i.subject::text as subject, e.student_id::text as student_id,
    st.name as student_name, st.code as student_code, e.school_id, st.school_id as child_school_id, st.class_id, e.from_on, e.to_on, e.outcome,
    e.words, e.version
from intervention_enrolment e
join intervention i on i.id = e.intervention_id
join student st on st.id = e.student_id and st.deleted_at is null
where true
    and (e.id = %(id)s::uuid or %(id)s::uuid is null)
    and (e.intervention_id = %(intervention_id)s::bigint or %(intervention_id)s::bigint is null)
    and (e.school_id = %(school_id)s::bigint or %(school_id)s::bigint is null)
    and (e.student_id = %(student_id)s::uuid or %(student_id)s::uuid is null)
    and (%(held_schools)s::bigint[] is null or exists (
        select 1
        from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[], %(held_classes)s::bigint[]) as h (school_id, subject, class_id)
        where h.school_id = st.school_id and (h.class_id is null or h.class_id = st.class_id) and (i.subject is null or h.subject = i.subject)))
    and (e.id < %(after_id)s::uuid or %(after_id)s::uuid is null)
order by e.id desc
limit %(rows)s
--? for_update: for update of e

-- name: change_enrolment
-- Changes an enrolment and keeps what it was; no row when it is another version by now. Served by the primary key.
with changed as (
    update intervention_enrolment
    set from_on = %(from_on)s, to_on = %(to_on)s, outcome = %(outcome)s, words = %(words)s, version = version + 1
    where id = %(id)s::uuid and version = %(version)s
    returning id, version
)
insert into intervention_change (enrolment_id, version, at, person_id, before, after)
select id, version, %(now)s, %(person_id)s, %(before)s::jsonb, %(after)s::jsonb
from changed

-- name: changes
-- Every later change of an enrolment, in order. Served by intervention_change_by_enrolment.
select c.id, c.version, c.at, p.display_name as person_name, c.before, c.after
from intervention_change c
join person p on p.id = c.person_id
where c.enrolment_id = %(id)s::uuid
    and (c.id > %(after_id)s or %(after_id)s is null)
order by c.id
limit %(rows)s
