-- name: set_steps
-- Sets by which steps schools' results of a round are approved if it is still the version that was read.
update round
set approval_steps = %(steps)s::text[], version = version + 1
where id = %(round_id)s and version = %(version)s and deleted_at is null

-- name: count_approved
-- How many schools' results of a round somebody approved at any step. Bounded by one row found; served by school_approval's primary key.
select count(*)
from (select from school_approval where round_id = %(round_id)s and last_by is not null limit 1) few

-- name: forget_approvals
-- Forgets the approvals of a round of which none is asked any more; locks stay. Served by the primary key.
delete from school_approval where round_id = %(round_id)s

-- name: hold_approval
-- How far a school's results of a round are approved, held; made where nobody did anything yet. Served by the primary key.
insert into school_approval as a (round_id, school_id, waits_for, changed_at)
values (%(round_id)s, %(school_id)s, %(first)s, %(now)s)
on conflict (round_id, school_id) do update set version = a.version
returning a.waits_for, a.last_by, a.locked_at, a.version

-- name: move_approval
-- Takes an approval on, or back, if it is still the version that was read. Served by the primary key.
update school_approval
set waits_for = %(waits_for)s, last_by = %(last_by)s, changed_at = %(now)s, locked_at = %(locked_at)s, version = version + 1
where round_id = %(round_id)s and school_id = %(school_id)s and version = %(version)s

-- name: keep_step
-- Keeps who did what at which step.
insert into approval_step (round_id, school_id, step, deed, at, person_id, words)
values (%(round_id)s, %(school_id)s, %(step)s, %(deed)s, %(now)s, %(person_id)s, %(words)s)

-- name: count_steps
-- How many steps were done or returned at a school in a round, up to a bound. Served by approval_step_by_school.
select count(*)
from (select from approval_step where round_id = %(round_id)s and school_id = %(school_id)s limit %(most)s) few

-- name: list_steps
-- What was approved and returned at a school in a round, the latest first. Served by approval_step_by_school.
select s.id, s.step, s.deed, s.at, p.display_name as person_name, s.words
from approval_step s
join person p on p.id = s.person_id
where s.round_id = %(round_id)s and s.school_id = %(school_id)s
order by s.id desc
limit %(rows)s

-- name: lock_where_unlocked
-- Locks a school in a round where it is not locked yet; how many rows. Served by the primary key.
insert into round_school as e (round_id, school_id, locked_at, locked_by, lock_reason)
values (%(round_id)s, %(school_id)s, %(now)s, %(by)s, %(reason)s)
on conflict (round_id, school_id) do update
set locked_at = excluded.locked_at, locked_by = excluded.locked_by, lock_reason = excluded.lock_reason
where e.locked_at is null

-- name: unlock_own
-- Takes away the lock that an approval set, and none that somebody set by hand since. Served by the primary key.
update round_school
set locked_at = null, locked_by = null, lock_reason = null
where round_id = %(round_id)s and school_id = %(school_id)s and locked_at = %(locked_at)s

-- name: is_approved
-- Whether somebody approved a school's results of a round at any step. Served by the primary key.
select exists (
    select from school_approval where round_id = %(round_id)s and school_id = %(school_id)s and last_by is not null) as is_approved

-- name: list_approvals
-- How far schools' results of a round are approved, in the order of their ids: of all schools, or of those held; of closed schools those with which
-- somebody began. Served by the primary keys of school and school_approval.
--! plan each time
select r.id as round_id, s.id as school_id, s.code as school_code, s.name_local as school_name,
    case when a.round_id is null then r.approval_steps[1] else coalesce(a.waits_for, 'approved') end as state,
    coalesce(a.version, 0) as version, a.changed_at, a.last_by, a.locked_at is not null as holds_lock
from round r
join school s on s.deleted_at is null
left join school_approval a on a.round_id = r.id and a.school_id = s.id
where r.id = %(round_id)s and cardinality(r.approval_steps) > 0
    and (s.status = 'open' or a.round_id is not null)
    and (s.id = any(%(school_ids)s::bigint[]) or %(school_ids)s::bigint[] is null)
    and (s.id > %(after_id)s::bigint or %(after_id)s::bigint is null)
    and (%(state)s::text is null
        or case when a.round_id is null then r.approval_steps[1] else coalesce(a.waits_for, 'approved') end = %(state)s)
order by s.id
limit %(rows)s

-- name: count_approvals
-- How many schools' results of a round are how far, of those of which anything was done; at most four rows. Reads the round's approvals; served by
-- the primary key.
select coalesce(a.waits_for, 'approved') as state, count(*)::integer as schools
from school_approval a
where a.round_id = %(round_id)s
group by 1
order by 1
limit 4

-- name: count_waiting
-- For how many schools a step of a round waits, up to a bound: of all, or of those held. Served by school_approval_waiting.
select count(*)
from (
    select from school_approval
    where round_id = %(round_id)s and waits_for = %(step)s and (school_id = any(%(school_ids)s::bigint[]) or %(school_ids)s::bigint[] is null)
    limit %(rows)s) few

-- name: who_may
-- Who is assigned to a whole school today, of some roles, by name; at most five. Served by assignment_by_school.
select distinct p.display_name as name
from assignment a
join person p on p.id = a.person_id and p.deleted_at is null and p.is_active
where a.school_id = %(school_id)s and a.class_id is null and a.ended_at is null and a.from_on <= %(today)s
    and (a.to_on is null or a.to_on >= %(today)s) and p.role::text = any(%(roles)s::text[])
order by p.display_name
limit 5
