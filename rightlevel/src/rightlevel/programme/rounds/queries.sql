-- name: hold_results
-- Waits for the writes of results that are under way, and lets no other begin before this transaction ends: what is being entered is judged
-- either wholly before or wholly after a round changes. Writes take milliseconds; the session's lock limit bounds the wait.
lock table result in exclusive mode

-- name: hold_rolls
-- Waits also for whoever changes where children stand: a roll that is fixed, or goes by today's enrolment again, is so for everybody at once.
-- Children first, as everybody does who writes both.
lock table student in share row exclusive mode

-- name: later_opened
-- Whether a round that begins later was ever opened. Bounded by three a year.
select exists (
    select 1 from round o where o.starts_on > r.starts_on and o.opened_at is not null and o.deleted_at is null) as is_there
from round r
where r.id = %(round_id)s

-- name: loosen_roll
-- Lets a round go by who is enrolled now again. *Cost*: reads the children once, and the counts.
select loosen_roll(%(round_id)s::bigint)::text as done

-- name: list_rounds
-- Rounds, the latest first. Bounded by three a year; served by round_is_unique_in_its_year.
--! plan each time
select r.id, r.school_year_id, y.name as year_name, r.kind::text as kind, r.starts_on, r.ends_on, r.state::text as state, r.version,
    r.deleted_at is not null as is_deleted, r.roll_at, r.approval_steps, r.language_scale::text as language_scale, r.math_scale::text as math_scale
from round r
join school_year y on y.id = r.school_year_id
where true
    and (r.deleted_at is not null) = %(deleted)s::boolean
    and (r.school_year_id = %(school_year_id)s::bigint or %(school_year_id)s::bigint is null)
    and (r.state = %(state)s::round_state or %(state)s::round_state is null)
    and ((r.starts_on, r.id) < (select k.starts_on, k.id from round k where k.id = %(after_id)s::bigint) or %(after_id)s::bigint is null)
order by r.starts_on desc, r.id desc
limit %(rows)s

-- name: read_round
-- One round. Served by the primary key.
select r.id, r.school_year_id, y.name as year_name, r.kind::text as kind, r.starts_on, r.ends_on, r.state::text as state, r.version,
    r.deleted_at is not null as is_deleted, r.roll_at, r.approval_steps, r.language_scale::text as language_scale, r.math_scale::text as math_scale
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
    false as is_deleted, r.roll_at, r.approval_steps, r.language_scale::text as language_scale, r.math_scale::text as math_scale
from round r
join school_year y on y.id = r.school_year_id
where r.deleted_at is null and (r.state = 'open' or r.starts_on <= %(today)s)
order by (r.state = 'open') desc, r.starts_on desc
limit 1

-- name: insert_round
-- Makes a round.
insert into round (school_year_id, kind, starts_on, ends_on, language_scale, math_scale)
values (%(school_year_id)s, %(kind)s::round_kind, %(starts_on)s, %(ends_on)s, %(language_scale)s::uuid, %(math_scale)s::uuid)
returning id

-- name: change_round
-- Changes a round's days if it is still the version that was read.
update round
set starts_on = %(starts_on)s, ends_on = %(ends_on)s, language_scale = %(language_scale)s::uuid, math_scale = %(math_scale)s::uuid,
    version = version + 1
where id = %(round_id)s and version = %(version)s and deleted_at is null

-- name: set_round_state
-- Takes a round from one state to another if it is still the version that was read.
update round
set state = %(state)s::round_state, state_at = %(now)s, version = version + 1
where id = %(round_id)s and version = %(version)s and state = %(before)s::round_state and deleted_at is null

-- name: count_results
-- Whether a round has live results. Served by result_by_school's heap in the worst case; bounded by one row found.
select count(*) as live
from (select 1 from result where round_id = %(round_id)s and deleted_at is null limit 1) few

-- name: results_outside
-- How many live results of a round lie outside its days, or of some schools outside those of theirs. Reads the round's results once.
select count(*)::integer as results
from result r
left join round_school e on e.round_id = r.round_id and e.school_id = r.school_id
--? of_schools: join unnest(%(school_ids)s::bigint[], %(starts)s::date[], %(ends)s::date[]) as w (school_id, starts_on, ends_on) on w.school_id = r.school_id
where r.round_id = %(round_id)s and r.deleted_at is null
--? of_round: and not r.tested_on between coalesce(e.starts_on, %(starts_on)s::date) and coalesce(e.ends_on, %(ends_on)s::date)
--? of_schools: and not r.tested_on between coalesce(w.starts_on, %(starts_on)s::date) and coalesce(w.ends_on, %(ends_on)s::date)

-- name: windows_outside
-- How many schools' own days in a round would begin after they end, or lie outside its school year. Served by the primary key.
select count(*)::integer as schools
from round_school e
where e.round_id = %(round_id)s
    and (coalesce(e.starts_on, %(starts_on)s::date) > coalesce(e.ends_on, %(ends_on)s::date))

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
--! plan each time
select e.round_id, e.school_id, s.name_local as school_name, e.starts_on, e.ends_on, e.locked_at, e.lock_reason
from round_school e
join school s on s.id = e.school_id
where e.round_id = %(round_id)s
    and (e.school_id = %(school_id)s or %(school_id)s is null)
    and (e.school_id > %(after_id)s or %(after_id)s is null)
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

-- name: amend
-- Says for the rest of the transaction why results of a frozen round are changed, and by whom (trigger keep_amendments).
select set_config('rightlevel.amending', %(reason)s, true) as reason, set_config('rightlevel.amending_by', %(person_id)s::text, true) as person_id

-- name: school_dates
-- The days that some schools have in a round, with the schools that there are, held in the order of their ids. Served by the primary keys.
select s.id as school_id, e.starts_on, e.ends_on
from school s
left join round_school e on e.school_id = s.id and e.round_id = %(round_id)s
where s.deleted_at is null
--? by_ids: and s.id = any(%(school_ids)s::bigint[])
--? by_place: and s.place_id in (select p.id from place p where p.lineage @> array[%(place_id)s]::bigint[])
order by s.id
limit %(rows)s
for share of s

-- name: set_many_dates
-- Keeps some schools' own days in a round.
insert into round_school (round_id, school_id, starts_on, ends_on)
select %(round_id)s, w.school_id, w.starts_on, w.ends_on
from unnest(%(school_ids)s::bigint[], %(starts)s::date[], %(ends)s::date[]) as w (school_id, starts_on, ends_on)
on conflict (round_id, school_id) do update
set starts_on = excluded.starts_on, ends_on = excluded.ends_on

-- name: begin_snapshot
-- Notes that a round is frozen; its parts come next.
insert into round_snapshot (round_id, frozen_at, frozen_by)
values (%(round_id)s, %(now)s, %(person_id)s)

-- name: rounds_to_seal
-- Frozen rounds whose snapshot is not whole yet. Served by a handful of rows.
select round_id
from round_snapshot
where sealed_at is null
order by round_id
limit 100

-- name: seal_some_schools
-- Writes the parts of the next schools of a frozen round, practice schools left out, in the order of their ids. Nothing of the round changes
-- meanwhile: it is frozen, and amended only once it is sealed. Served by school's primary key and result_by_school; bounded by the number of schools.
with next_schools as materialized (
    select s.id
    from school s
    where s.id > %(after_id)s and not s.is_practice
    order by s.id
    limit %(schools)s
), parts as materialized (
    select r.school_id, count(*)::integer as results, string_agg(snapshot_line(r), E'\n' order by snapshot_line(r) collate "C") as content
    from next_schools n
    join result r on r.school_id = n.id and r.round_id = %(round_id)s and r.deleted_at is null
    group by r.school_id
), kept as (
    insert into round_snapshot_part (round_id, school_id, results, content, sha256)
    select %(round_id)s, school_id, results, content, sha256(convert_to(content, 'UTF8'))
    from parts
    on conflict (round_id, school_id) do nothing
)
select coalesce(max(id), 0) as last_id, count(*) as schools
from next_schools

-- name: seal_round
-- Seals a frozen round whose parts are all there: the hash of its parts' hashes in the order of their schools.
update round_snapshot s
set sealed_at = %(now)s, parts = p.parts, results = p.results, sha256 = p.sha256
from (
    select count(*)::integer as parts, coalesce(sum(results), 0)::bigint as results,
        sha256(coalesce(string_agg(sha256, ''::bytea order by school_id), ''::bytea)) as sha256
    from round_snapshot_part
    where round_id = %(round_id)s) p
where s.round_id = %(round_id)s and s.sealed_at is null

-- name: read_snapshot
-- The snapshot of a frozen round. Served by the primary key and amendment_by_round.
select s.round_id, s.frozen_at, p.display_name as frozen_by, s.sealed_at, s.parts, s.results, encode(s.sha256, 'hex') as sha256,
    (select count(*) from amendment a where a.round_id = s.round_id) as amendments
from round_snapshot s
join person p on p.id = s.frozen_by
where s.round_id = %(round_id)s

-- name: snapshot_part
-- One school's part of a snapshot. Served by the primary key.
select content
from round_snapshot_part
where round_id = %(round_id)s and school_id = %(school_id)s

-- name: check_some_parts
-- Of the next schools with a part: whether its hash is that of its content, and whether live rows and amendments give the very same content.
-- Served by the primary key, result_by_school and amendment_by_round.
with next_parts as materialized (
    select school_id, content, sha256
    from round_snapshot_part
    where round_id = %(round_id)s and school_id > %(after_id)s
    order by school_id
    limit %(schools)s
), first_lines as materialized (
    select distinct on (a.school_id, a.result_id) a.school_id, a.result_id, a.before_line
    from next_parts n
    join amendment a on a.round_id = %(round_id)s and a.school_id = n.school_id
    order by a.school_id, a.result_id, a.id
), lines as (
    select r.school_id, snapshot_line(r) as line
    from next_parts n
    join result r on r.school_id = n.school_id and r.round_id = %(round_id)s and r.deleted_at is null
    where not exists (select 1 from first_lines f where f.result_id = r.id)
    union all
    select school_id, before_line
    from first_lines
    where before_line is not null
), rebuilt as (
    select school_id, string_agg(line, E'\n' order by line collate "C") as content
    from lines
    group by school_id
)
select n.school_id, sha256(convert_to(n.content, 'UTF8')) = n.sha256 as is_intact, coalesce(b.content = n.content, false) as is_rebuilt
from next_parts n
left join rebuilt b on b.school_id = n.school_id
order by n.school_id

-- name: snapshot_hash
-- Whether a snapshot's hash is that of its parts; not while it is being made. Served by the primary keys.
select coalesce(s.sha256 = p.sha256 and s.parts = p.parts and s.results = p.results, false) as is_intact
from round_snapshot s
cross join (
    select count(*)::integer as parts, coalesce(sum(results), 0)::bigint as results,
        sha256(coalesce(string_agg(sha256, ''::bytea order by school_id), ''::bytea)) as sha256
    from round_snapshot_part
    where round_id = %(round_id)s) p
where s.round_id = %(round_id)s and s.sealed_at is not null

-- name: list_amendments
-- What was changed in a frozen round, the newest first. Served by amendment_by_round.
--! plan each time
select a.id, a.result_id::text as result_id, a.school_id, a.at, p.display_name as person_name, a.reason, a.before_line
from amendment a
left join person p on p.id = a.person_id
where a.round_id = %(round_id)s
    and (a.school_id = %(school_id)s or %(school_id)s is null)
    and (a.id < %(after_id)s or %(after_id)s is null)
order by a.id desc
limit %(rows)s
