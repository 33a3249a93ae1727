-- name: largest_tables
-- The largest tables with what their indexes take and how often they were read. Tables whose lock nobody else may have now are left
-- out, for their size would wait for it; past 5,000 tables they are chosen by the size that the last vacuum wrote down.
with locked as (select l.relation from pg_locks l where l.relation is not null and l.mode = 'AccessExclusiveLock'),
counted as (select count(*) as tables from pg_class where relkind in ('r', 'm')),
chosen as (
    select c.oid, n.nspname, c.relname, c.reltuples
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')
      and n.nspname not like 'pg\_toast%%'
      and c.oid not in (select relation from locked)
    order by case when (select tables from counted) < 5000 then pg_relation_size(c.oid) else c.relpages::bigint * 8192 end desc nulls last
    limit 40
)
select c.nspname::text as schema, c.relname::text as table_name,
       coalesce(pg_table_size(c.oid), 0)::bigint as table_bytes,
       coalesce(pg_indexes_size(c.oid), 0)::bigint as indexes_bytes,
       greatest(coalesce(s.n_live_tup, 0), c.reltuples::bigint, 0)::bigint as rows,
       (coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0))::bigint as scans
from chosen c
left join pg_stat_user_tables s on s.relid = c.oid
order by 3 desc
limit 40

-- name: largest_indexes
-- The largest indexes; those of locked tables are left out.
with locked as (select l.relation from pg_locks l where l.relation is not null and l.mode = 'AccessExclusiveLock')
select s.schemaname::text as schema, s.relname::text as table_name, s.indexrelname::text as index_name,
       coalesce(pg_relation_size(s.indexrelid), 0)::bigint as index_bytes, coalesce(s.idx_scan, 0)::bigint as scans
from pg_stat_user_indexes s
join pg_class c on c.oid = s.indexrelid
where s.indexrelid not in (select relation from locked) and s.relid not in (select relation from locked)
order by c.relpages desc, c.oid
limit 10

-- name: locked_tables
-- How many relations of this database are locked against everybody, or wait to be, right now; one row.
select count(distinct l.relation)::int as tables
from pg_locks l
where l.relation is not null and l.mode = 'AccessExclusiveLock'
  and l.database = (select d.oid from pg_database d where d.datname = current_database())
limit 1
