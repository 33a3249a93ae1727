-- name: table_rows
-- The tables with most rows and the largest ones, with how many rows they are thought to have, what they take and their columns of time.
with locked as (select l.relation from pg_locks l where l.relation is not null and l.mode = 'AccessExclusiveLock')
select n.nspname::text as schema, c.relname::text as table_name, c.relpersistence = 'u' as is_unlogged,
       greatest(coalesce(s.n_live_tup, 0), c.reltuples::bigint, 0)::bigint as rows,
       coalesce(pg_relation_size(c.oid), 0)::bigint as size_bytes,
       array(select a.attname::text
             from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
             order by a.attnum limit 50) as times
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_user_tables s on s.relid = c.oid
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')
  and c.oid not in (select relation from locked)
order by c.relpersistence = 'u' desc, greatest(coalesce(s.n_live_tup, 0), c.reltuples::bigint, 0) desc, c.oid
limit 120
