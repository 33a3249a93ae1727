-- name: count_follow_ups
-- How many things were agreed at a visit. Served by follow_up_by_visit.
select count(*) from follow_up where visit_id = %(visit_id)s::uuid

-- name: read_owner
-- Who is to own a follow-up, and whether they work at the school. Served by the primary key and assignment_by_school.
select p.role::text as role, exists (select 1 from assignment a where a.school_id = %(school_id)s and a.person_id = p.id and a.ended_at is null
    and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)) as is_there
from person p
where p.id = %(owner_id)s and p.deleted_at is null and p.is_active and p.role <> 'viewer'

-- name: owners_of_school
-- Whom to choose as an owner: everybody who works at a school, leaders not among them. Served by assignment_by_school; at most 200.
select distinct p.id, p.display_name, p.role = 'teacher' as is_teacher
from assignment a
join person p on p.id = a.person_id and p.deleted_at is null and p.is_active
where a.school_id = %(school_id)s and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
order by p.display_name, p.id
limit 200

-- name: insert_follow_up
-- Keeps follow-up actions, once.
insert into follow_up (id, visit_id, school_id, subject, owner_id, words, due_on, raised_by, raised_at)
values (%(id)s::uuid, %(visit_id)s::uuid, %(school_id)s, %(subject)s::subject, %(owner_id)s, %(words)s, %(due_on)s, %(person_id)s, %(now)s)
on conflict (id) do nothing

-- fragment: shown_follow_up
-- What is shown of a follow-up action.
select f.id::text as id, f.visit_id::text as visit_id, f.school_id, s.name_local as school_name, f.subject::text as subject, f.owner_id,
    o.display_name as owner_name, o.role::text as owner_role, f.words, f.due_on, f.state::text as state, f.version, f.raised_by,
    f.closed_at as closed_on, f.closed_words
from follow_up f
join visit v on v.id = f.visit_id and v.deleted_at is null
join school s on s.id = f.school_id
join person o on o.id = f.owner_id

-- name: read_follow_up
-- One thing that was agreed, not of a deleted visit. Served by the primary key.
--> shown_follow_up
where f.id = %(follow_up_id)s::uuid
--? for_update: for update of f

-- name: close_follow_up
-- Ends an open follow-up, if it is still the version that was read.
update follow_up
set state = %(state)s::follow_up_state, closed_by = %(person_id)s, closed_at = %(now)s, closed_words = %(words)s, version = version + 1
where id = %(id)s::uuid and version = %(version)s and state = 'open'

-- name: list_follow_ups
-- Things that were agreed, the most urgent first. Served by follow_up_open_by_owner, follow_up_open_by_school, follow_up_open_by_due,
-- follow_up_closed or follow_up_by_visit.
--! plan each time
--> shown_follow_up
where true
    and case %(which)s::text when 'open' then f.state = 'open' when 'overdue' then f.state = 'open' and f.due_on < %(today)s::date
        when 'closed' then f.state <> 'open' else true end
    and (f.owner_id = %(person_id)s or f.school_id = any(%(scope_schools)s::bigint[]) and exists (
        select 1 from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) as h (school_id, subject)
        where h.school_id = f.school_id and h.subject = f.subject)
        or %(scope_schools)s::bigint[] is null)
    and (f.owner_id = %(owner_id)s::bigint or %(owner_id)s::bigint is null)
    and (f.school_id = %(school_id)s::bigint or %(school_id)s::bigint is null)
    and (%(place_id)s::bigint is null or f.school_id in (
        select s.id from place p join school s on s.place_id = p.id where p.lineage @> array[%(place_id)s::bigint]))
    and (f.visit_id = %(visit_id)s::uuid or %(visit_id)s::uuid is null)
    and (%(counts_practice)s or not s.is_practice)
    and ((f.due_on, f.id) > (%(after_on)s::date, %(after_id)s::uuid) or %(after_id)s::uuid is null)
order by f.due_on, f.id
limit %(rows)s
