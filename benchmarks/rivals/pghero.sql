-- name: connections
-- How many connections there are; the tile is red from 500 in all or 100 idle in transaction.
select count(*) as taken, count(*) filter (where state like 'idle in transaction%%') as forgotten,
       count(*) >= 500 or count(*) filter (where state like 'idle in transaction%%') >= 100 as is_red
from pg_stat_activity;

-- name: connection_sources
-- Who holds how many connections.
select datname as database, usename as role, application_name as source, count(*) as connections
from pg_stat_activity group by datname, usename, application_name order by connections desc;

-- name: long_running_queries
-- Statements of this database that began over a minute ago.
select pid, state, application_name as source, query, wait_event is not null as waits
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'
  and clock_timestamp() - coalesce(query_start, xact_start) > interval '60 s';

-- name: live_queries
-- All that is not idle in this database.
select pid, state, application_name as source, query, wait_event is not null as waits
from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle';

-- name: replication_slots
-- Slots that nobody reads.
select slot_name, database from pg_replication_slots where not active;

-- name: transaction_ids
-- Tables that come within one and a half billion transactions of the end.
select c.oid::regclass::text as table_name
from pg_class c left join pg_class t on t.oid = c.reltoastrelid
where c.relkind = 'r' and 2146483648 - greatest(age(c.relfrozenxid), age(t.relfrozenxid)) < 1500000000;

-- name: sequences
-- Sequences behind a column's default or identity that used over nine tenths of the column's range.
select s.oid::regclass::text as sequence, format_type(a.atttypid, a.atttypmod) as column_type
from pg_class s
join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.deptype in ('a', 'i') and d.refobjsubid > 0
join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where s.relkind = 'S'
  and coalesce(pg_sequence_last_value(s.oid), 0)
      > 0.9 * case a.atttypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647 else 9223372036854775807 end;

-- name: invalid_indexes
-- Indexes that can't be used.
select c.relname as index_name from pg_index i join pg_class c on c.oid = i.indexrelid
where not i.indisvalid and c.relnamespace not in ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace);

-- name: invalid_constraints
-- Foreign keys that were never proved.
select conrelid::regclass::text as table_name, conname as constraint_name
from pg_constraint where contype = 'f' and not convalidated;

-- name: duplicate_indexes
-- Indexes that keep no rule and whose columns another index of the same method begins with.
with plain as (
    select i.indexrelid, i.indrelid, i.indisunique, c.relname, c.relam,
           regexp_replace(pg_get_indexdef(i.indexrelid), '^[^(]*\((.*)\)$', '\1') as columns,
           i.indexprs::text as expressions, i.indpred::text as condition
    from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indisvalid and c.relnamespace = 'public'::regnamespace
)
select a.relname as unneeded, b.relname as covering
from plain a join plain b on b.indrelid = a.indrelid and b.indexrelid <> a.indexrelid and b.relam = a.relam
 and b.expressions is not distinct from a.expressions and b.condition is not distinct from a.condition
where not a.indisunique and (b.columns = a.columns or starts_with(b.columns, a.columns || ', '))
  and (b.columns <> a.columns or b.indisunique or a.relname > b.relname);

-- name: slow_queries
-- Statements of 20 ms and more on the mean that were called a hundred times.
select left(query, 1000) as query, calls, (total_exec_time + total_plan_time) / calls as mean_ms
from pg_stat_statements s join pg_database d on d.oid = s.dbid
where d.datname = current_database() and calls >= 100 and (total_exec_time + total_plan_time) / calls >= 20
order by total_exec_time desc limit 100;

-- name: queries
-- The hundred statements that took most time.
select left(query, 1000) as query, calls, total_exec_time + total_plan_time as total_ms
from pg_stat_statements s join pg_database d on d.oid = s.dbid
where d.datname = current_database() and calls > 0 order by total_ms desc limit 100;

-- name: suggested_indexes
-- Columns that a slow statement of one table compares and that no index begins with. The tool parses the statement; this takes
-- the form "from t where c =" only, which is what the sick server runs.
with slow as (
    select regexp_match(query, 'from\s+(\w+)\s+where\s+(\w+)\s*=\s*\$', 'i') as parts
    from pg_stat_statements s join pg_database d on d.oid = s.dbid
    where d.datname = current_database() and calls >= 50 and (total_exec_time + total_plan_time) / calls >= 20
)
select parts[1] as table_name, parts[2] as column_name
from slow
join pg_class c on c.relname = parts[1] and c.relnamespace = 'public'::regnamespace and c.reltuples >= 500
join pg_stats p on p.schemaname = 'public' and p.tablename = parts[1] and p.attname = parts[2]
join pg_attribute a on a.attrelid = c.oid and a.attname = parts[2]
where not exists (select 1 from pg_index i where i.indrelid = c.oid and i.indkey[0] = a.attnum);

-- name: cache_hit_rate
-- The share of reads that memory answered, of tables and of indexes; red under 99 per cent, in the extended view only.
select t.rate as table_rate, i.rate as index_rate, t.rate < 0.99 or i.rate < 0.99 as is_red
from (select sum(heap_blks_hit) / nullif(sum(heap_blks_hit + heap_blks_read), 0) as rate from pg_statio_user_tables) t,
     (select sum(idx_blks_hit) / nullif(sum(idx_blks_hit + idx_blks_read), 0) as rate from pg_statio_user_indexes) i;

-- name: unused_indexes
-- Indexes of 10 MB and more that keep no rule and were never read, in the extended view only.
select u.indexrelname as index_name, pg_relation_size(u.indexrelid) as size_bytes
from pg_stat_user_indexes u join pg_index i on i.indexrelid = u.indexrelid
where not i.indisunique and u.idx_scan = 0 and pg_relation_size(u.indexrelid) >= 10 * 1024 * 1024;

-- name: index_bloat
-- B-trees that waste 100 MB and more by the width of their columns in the statistics.
with widths as (
    select i.indexrelid, c.relname, c.reltuples, c.relpages,
           8 + 4 + sum(coalesce(p.avg_width, 8)) as row_bytes
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_class t on t.oid = i.indrelid
    join pg_attribute a on a.attrelid = t.oid and a.attnum = any (i.indkey)
    left join pg_stats p on p.schemaname = t.relnamespace::regnamespace::text and p.tablename = t.relname and p.attname = a.attname
    where c.relnamespace = 'public'::regnamespace
    group by i.indexrelid, c.relname, c.reltuples, c.relpages
)
select relname as index_name, relpages::bigint * 8192 - ceil(reltuples * row_bytes / 0.9)::bigint as wasted_bytes
from widths
where relpages::bigint * 8192 - ceil(reltuples * row_bytes / 0.9)::bigint >= 100 * 1024 * 1024;

-- name: space
-- Every table and index with its size.
select c.relname as relation, c.relkind as kind, pg_table_size(c.oid) as size_bytes
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'i', 'I') order by size_bytes desc;

-- name: maintenance
-- When each table was last vacuumed and analyzed.
select relname as table_name, last_vacuum, last_autovacuum, last_analyze, last_autoanalyze, n_dead_tup as dead_rows
from pg_stat_user_tables order by schemaname, relname;

-- name: tune
-- Ten settings as they are.
select name, setting, unit from pg_settings
where name in ('max_connections', 'shared_buffers', 'effective_cache_size', 'work_mem', 'maintenance_work_mem', 'min_wal_size',
               'max_wal_size', 'checkpoint_completion_target', 'wal_buffers', 'default_statistics_target');

-- name: unused_tables
-- Tables whose indexes were never read.
select relname as table_name, n_live_tup as rows from pg_stat_user_tables where idx_scan = 0 order by n_live_tup desc;
