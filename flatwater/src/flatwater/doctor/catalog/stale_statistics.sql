-- name: stale_tables
-- Tables whose rows changed since their last analyze, against the count that starts one by itself, those furthest past it first.
with options as (
    select c.oid,
           (max(o.option_value) filter (where o.option_name = 'autovacuum_analyze_threshold'))::float8 as threshold,
           (max(o.option_value) filter (where o.option_name = 'autovacuum_analyze_scale_factor'))::float8 as scale
    from pg_class c
    cross join lateral pg_options_to_table(c.reloptions) o
    where c.relkind in ('r', 'm') and c.reloptions is not null
    group by c.oid
),
changed as (
    select s.schemaname, s.relname, c.relowner, s.n_mod_since_analyze, s.n_live_tup,
           greatest(s.last_analyze, s.last_autoanalyze) as last_at,
           coalesce(o.threshold, current_setting('autovacuum_analyze_threshold')::float8)
           + coalesce(o.scale, current_setting('autovacuum_analyze_scale_factor')::float8) * greatest(c.reltuples, 0) as trigger_rows
    from pg_stat_user_tables s
    join pg_class c on c.oid = s.relid
    left join options o on o.oid = s.relid
    where c.relpersistence <> 't' and c.relkind in ('r', 'm')
)
select c.schemaname::text as schema, c.relname::text as table_name, pg_get_userbyid(c.relowner)::text as owner,
       c.n_mod_since_analyze::bigint as changed_rows, c.n_live_tup::bigint as live_rows, c.trigger_rows, c.last_at
from changed c
where c.n_live_tup + c.n_mod_since_analyze > 0
order by c.n_mod_since_analyze / greatest(c.trigger_rows, 1) desc, c.n_live_tup desc
limit 60
