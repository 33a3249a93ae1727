-- name: newest_migration
-- How far the schema is. Served by the primary key.
select coalesce(max(number), 0) as number from schema_migration

-- name: admins
-- Admins in use, how many of them have no second factor, and whether one is needed here. A few rows.
select count(*)::int as admins,
    (count(*) filter (where not exists (
        select from second_factor f where f.person_id = p.id and f.confirmed_at is not null)))::int as without_factor,
    coalesce((select s.value = 'true'::jsonb from setting s where s.key = 'admins_need_second_factor'), true) as is_needed,
    coalesce((select s.value = 'true'::jsonb from setting s where s.key = 'is_demonstration'), false) as is_demonstration
from person p
where p.role = 'admin' and p.is_active and p.deleted_at is null

-- name: overlapping_dates
-- Schools whose own dates for one round overlap another round there. Served by round_school's primary key.
select a.school_id, ra.kind::text as kind, rb.kind::text as other_kind,
    coalesce(a.starts_on, ra.starts_on)::text as starts_on, coalesce(a.ends_on, ra.ends_on)::text as ends_on
from round_school a
join round ra on ra.id = a.round_id and ra.deleted_at is null
join round rb on rb.id <> ra.id and rb.deleted_at is null
left join round_school b on b.round_id = rb.id and b.school_id = a.school_id
where (a.starts_on is not null or a.ends_on is not null)
    and daterange(coalesce(a.starts_on, ra.starts_on), coalesce(a.ends_on, ra.ends_on), '[]')
        && daterange(coalesce(b.starts_on, rb.starts_on), coalesce(b.ends_on, rb.ends_on), '[]')
order by a.school_id
limit 20

-- name: clean_up_standing
-- When the clean-up of rate limits last ran, and how it ended. Served by the primary key.
select extract(epoch from now() - started_at)::float8 as age_s, ended_at is not null as is_ended, removed
from clean_up
where name = 'rate_limits'

-- name: platform_age
-- How long this schema has been here.
select extract(epoch from now() - min(applied_at))::float8 as age_s from schema_migration

-- name: stuck_imports
-- Imports that began an hour ago and have not ended. Served by import_run_by_time.
select count(*)::int as stuck
from import_run
where state::text in ('waiting', 'reading', 'saving') and started_at < now() - interval '1 hour'

-- name: table_sizes
-- What each table takes with its indexes and its months, as it is. Served by the catalogue.
select c.relname::text as table_name, sum(pg_total_relation_size(coalesce(p.relid, c.oid)))::bigint as size_bytes
from pg_class c
join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
left join lateral pg_partition_tree(c.oid) p on c.relkind = 'p'
where c.relkind in ('r', 'p') and not c.relispartition
group by c.relname
order by c.relname
limit 1000

-- name: loops
-- How the loops of every process fare, and whether a process that has fallen silent was replaced by one that began later. A few rows.
select l.host, l.process_id, l.name, l.period_s, l.state, l.failures_in_a_row, l.missed_turns, l.last_error,
    extract(epoch from now() - l.told_at)::float8 as silent_s,
    exists (
        select from loop_standing o
        where o.began_at > l.told_at and (o.host, o.process_id) <> (l.host, l.process_id)) as is_replaced
from loop_standing l
order by l.host, l.process_id, l.name
limit 1000

-- name: hosts
-- The hosts that told something within a minute. A row a process.
select name, version, has_sign
from host_standing
where told_at > now() - interval '60 seconds'
order by name
limit 64

-- name: newest_backup
-- The last backup and how old it is. Served by backup_by_time.
select name, size_bytes, extract(epoch from now() - made_at)::float8 as age_s from backup order by made_at desc limit 1
