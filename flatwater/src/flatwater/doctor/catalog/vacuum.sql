-- name: autovacuum_settings
-- Whether the server vacuums and counts by itself; one row.
select current_setting('autovacuum')::bool as is_on, current_setting('track_counts')::bool as counts,
       current_setting('autovacuum_max_workers')::int as workers,
       (select count(*) from pg_stat_progress_vacuum)::int as running
limit 1

-- name: vacuum_due
-- Tables by how far their dead rows are past the count that starts an autovacuum, by their own options or the server's settings.
with options as (
    select c.oid,
           max(o.option_value) filter (where o.option_name = 'autovacuum_enabled') as enabled,
           (max(o.option_value) filter (where o.option_name = 'autovacuum_vacuum_threshold'))::float8 as threshold,
           (max(o.option_value) filter (where o.option_name = 'autovacuum_vacuum_scale_factor'))::float8 as scale
    from pg_class c
    cross join lateral pg_options_to_table(c.reloptions) o
    where c.relkind in ('r', 'm') and c.reloptions is not null
    group by c.oid
),
due as (
    select s.schemaname, s.relname, c.relowner, s.n_dead_tup, s.n_live_tup, s.last_autovacuum, s.last_vacuum, s.relid,
           coalesce(o.enabled in ('off', 'false', 'no', '0'), false) as is_off,
           least(
               coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold')::float8)
               + coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0),
               coalesce(nullif(current_setting('autovacuum_vacuum_max_threshold', true)::float8, -1), 'infinity'::float8)
           ) as trigger_rows
    from pg_stat_user_tables s
    join pg_class c on c.oid = s.relid
    left join options o on o.oid = s.relid
    where c.relpersistence <> 't'
)
select d.schemaname::text as schema, d.relname::text as table_name, pg_get_userbyid(d.relowner)::text as owner,
       d.n_dead_tup::bigint as dead_rows, d.n_live_tup::bigint as live_rows, d.trigger_rows, d.is_off,
       greatest(d.last_autovacuum, d.last_vacuum) as last_at,
       exists (select 1 from pg_stat_progress_vacuum p where p.relid = d.relid) as is_running
from due d
where d.is_off or d.n_dead_tup > d.trigger_rows
order by d.n_dead_tup desc
limit 60

-- name: oldest_horizons
-- Who keeps vacuum from taking out what is dead: the oldest transactions that sessions, replicas, slots and prepared transactions still need.
select h.kind, h.who, h.age, h.target
from (
    select 'session' as kind, coalesce(nullif(a.application_name, ''), a.usename::text, a.backend_type) as who,
           age(a.backend_xmin)::bigint as age, a.pid::text as target
    from pg_stat_activity a
    where a.backend_xmin is not null and a.pid <> pg_backend_pid() and a.backend_type <> 'autovacuum worker'
    union all
    select 'replication slot', s.slot_name::text, greatest(age(s.xmin), age(s.catalog_xmin))::bigint, s.slot_name::text
    from pg_replication_slots s
    where coalesce(s.xmin, s.catalog_xmin) is not null
    union all
    select 'prepared transaction', p.gid, age(p.transaction)::bigint, p.gid
    from pg_prepared_xacts p
) h
order by h.age desc
limit 5
