-- name: hold_results
-- Waits for the writes of results that are under way, and lets no other begin before this transaction ends: what is being entered is judged
-- either wholly before or wholly after a round changes. Writes take milliseconds; the session's lock limit bounds the wait.
lock table result in exclusive mode

-- name: list_rounds
-- Rounds, the latest first. Bounded by three a year; served by round_is_unique_in_its_year.
select r.id, r.school_year_id, y.name as year_name, r.kind::text as kind, r.starts_on, r.ends_on, r.state::text as state, r.version,
    r.deleted_at is not null as is_deleted
from round r
join school_year y on y.id = r.school_year_id
where true
--? live: and r.deleted_at is null
--? deleted: and r.deleted_at is not null
--? by_year: and r.school_year_id = %(school_year_id)s
--? by_state: and r.state = %(state)s::round_state
--? after: and (r.starts_on, r.id) < (select k.starts_on, k.id from round k where k.id = %(after_id)s)
order by r.starts_on desc, r.id desc
limit %(rows)s

-- name: read_round
-- One round. Served by the primary key.
select r.id, r.school_year_id, y.name as year_name, r.kind::text as kind, r.starts_on, r.ends_on, r.state::text as state, r.version,
    r.deleted_at is not null as is_deleted
from round r
join school_year y on y.id = r.school_year_id
where r.id = %(round_id)s
--? for_update: for update of r

-- name: other_rounds
-- The days of a year's other live rounds. Served by round_is_unique_in_its_year.
select kind::text as kind, starts_on, ends_on
from round
where school_year_id = %(school_year_id)s and deleted_at is null and id <> %(round_id)s
order by starts_on
limit 3

-- name: current_round
-- The round to work in: the open one that began last, else the last one that began. Bounded by three a year.
select r.id, r.school_year_id, y.name as year_name, r.kind::text as kind, r.starts_on, r.ends_on, r.state::text as state, r.version,
    false as is_deleted
from round r
join school_year y on y.id = r.school_year_id
where r.deleted_at is null and (r.state = 'open' or r.starts_on <= %(today)s)
order by (r.state = 'open') desc, r.starts_on desc
limit 1

-- name: insert_round
-- Makes a round.
insert into round (school_year_id, kind, starts_on, ends_on)
values (%(school_year_id)s, %(kind)s::round_kind, %(starts_on)s, %(ends_on)s)
returning id

-- name: change_round
-- Changes a round's days if it is still the version that was read.
update round
set starts_on = %(starts_on)s, ends_on = %(ends_on)s, version = version + 1
where id = %(round_id)s and version = %(version)s and deleted_at is null

-- name: set_round_state
-- Takes a round from one state to another if it is still the version that was read.
update round
set state = %(state)s::round_state, version = version + 1
where id = %(round_id)s and version = %(version)s and state = %(before)s::round_state and deleted_at is null

-- name: count_results
-- Whether a round has live results. Served by result_by_school's heap in the worst case; bounded by one row found.
select count(*) as live
from (select 1 from result where round_id = %(round_id)s and deleted_at is null limit 1) few

-- name: delete_round
-- Takes a round out of use, restorably.
update round
set deleted_at = %(now)s, deleted_by = %(by)s, delete_reason = %(reason)s, version = version + 1
where id = %(round_id)s and deleted_at is null

-- name: restore_round
-- Brings a round back.
update round
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(round_id)s and deleted_at is not null

-- name: list_round_schools
-- The schools for which something is different in a round. Served by the primary key.
select e.round_id, e.school_id, s.name_local as school_name, e.starts_on, e.ends_on, e.locked_at, e.lock_reason
from round_school e
join school s on s.id = e.school_id
where e.round_id = %(round_id)s
--? by_school: and e.school_id = %(school_id)s
--? after: and e.school_id > %(after_id)s
order by e.school_id
limit %(rows)s

-- name: set_school_dates
-- Keeps a school's own days in a round.
insert into round_school (round_id, school_id, starts_on, ends_on)
values (%(round_id)s, %(school_id)s, %(starts_on)s, %(ends_on)s)
on conflict (round_id, school_id) do update
set starts_on = excluded.starts_on, ends_on = excluded.ends_on

-- name: lock_school
-- Locks a school in a round.
insert into round_school (round_id, school_id, locked_at, locked_by, lock_reason)
values (%(round_id)s, %(school_id)s, %(now)s, %(by)s, %(reason)s)
on conflict (round_id, school_id) do update
set locked_at = excluded.locked_at, locked_by = excluded.locked_by, lock_reason = excluded.lock_reason

-- name: unlock_school
-- Unlocks a school in a round.
update round_school
set locked_at = null, locked_by = null, lock_reason = null
where round_id = %(round_id)s and school_id = %(school_id)s and locked_at is not null
