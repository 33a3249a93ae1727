-- name: missing_fk_indexes
-- Columns that are named like a table in the singular with "_id", and that no index begins with (a verdict of diagnose).
select c.table_name, c.column_name
from information_schema.columns c
join pg_class t on t.relname = c.table_name and t.relnamespace = 'public'::regnamespace and t.relkind = 'r'
join pg_attribute a on a.attrelid = t.oid and a.attname = c.column_name
where c.table_schema = 'public' and c.column_name like '%%\_id'
  and exists (select 1 from pg_class o where o.relnamespace = 'public'::regnamespace and o.relkind = 'r'
              and o.relname = regexp_replace(c.column_name, '_id$', '') || 's')
  and not exists (select 1 from pg_index i where i.indrelid = t.oid and i.indkey[0] = a.attnum);

-- name: missing_fk_constraints
-- Columns that are named like a table in the singular with "_id" and have no foreign key (a verdict of diagnose).
select c.table_name, c.column_name
from information_schema.columns c
join pg_class t on t.relname = c.table_name and t.relnamespace = 'public'::regnamespace and t.relkind = 'r'
join pg_attribute a on a.attrelid = t.oid and a.attname = c.column_name
where c.table_schema = 'public' and c.column_name like '%%\_id'
  and exists (select 1 from pg_class o where o.relnamespace = 'public'::regnamespace and o.relkind = 'r'
              and o.relname = regexp_replace(c.column_name, '_id$', '') || 's')
  and not exists (select 1 from pg_constraint k where k.conrelid = t.oid and k.contype = 'f' and a.attnum = any (k.conkey));

-- name: settings_verdicts
-- Settings left at a default that diagnose objects to: a random page at 4, work_mem of 4 MB.
select name, setting from pg_settings
where (name = 'random_page_cost' and setting = '4') or (name = 'work_mem' and setting = '4096');

-- name: db_settings
-- Twelve settings as they are.
select name, setting, unit from pg_settings
where name in ('max_connections', 'shared_buffers', 'effective_cache_size', 'maintenance_work_mem', 'checkpoint_completion_target',
               'wal_buffers', 'default_statistics_target', 'random_page_cost', 'effective_io_concurrency', 'work_mem',
               'min_wal_size', 'max_wal_size');

-- name: cache_hit
-- The share of reads that memory answered, of tables and of indexes; diagnose wants over 98.5 per cent.
select t.rate as table_rate, i.rate as index_rate, t.rate <= 0.985 or i.rate <= 0.985 as is_red
from (select sum(heap_blks_hit) / nullif(sum(heap_blks_hit + heap_blks_read), 0) as rate
      from pg_statio_user_tables where schemaname = 'public') t,
     (select sum(idx_blks_hit) / nullif(sum(idx_blks_hit + idx_blks_read), 0) as rate
      from pg_statio_user_indexes where schemaname = 'public') i;

-- name: unused_indexes
-- Indexes of 1 MB and more that keep no rule and were read under twenty times (a verdict of diagnose).
select u.indexrelname as index_name, u.idx_scan as scans
from pg_stat_user_indexes u join pg_index i on i.indexrelid = u.indexrelid
where not i.indisunique and u.idx_scan < 20 and u.schemaname = 'public'
  and pg_relation_size(u.relid) > 5 * 8192 and pg_relation_size(u.indexrelid) >= 1000000;

-- name: null_indexes
-- Indexes of one column, over 1 MB, that are without a condition and half empty at least (a verdict of diagnose).
select c.relname as index_name, p.null_frac as empty_share
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
join pg_stats p on p.schemaname = t.relnamespace::regnamespace::text and p.tablename = t.relname and p.attname = a.attname
where not i.indisprimary and i.indpred is null and i.indnatts = 1 and p.null_frac >= 0.5 and pg_relation_size(c.oid) > 1024 * 1024;

-- name: bloat
-- Tables and indexes of ten times the pages that the widths in the statistics ask for (a verdict of diagnose).
with widths as (
    select p.schemaname, p.tablename, sum((1 - p.null_frac) * p.avg_width) as row_bytes, max(p.null_frac) as most_empty,
           1 + count(*) filter (where p.null_frac <> 0) / 8 as empty_bytes
    from pg_stats p where p.schemaname = 'public' group by p.schemaname, p.tablename
), rows as (
    select tablename, ceil((row_bytes + 23) / 4) * 4 as row_bytes, most_empty * (23 + empty_bytes + 4 - (23 + empty_bytes) %% 4) as empty_bytes
    from widths
), wanted as (
    select 'table' as kind, c.relname, c.relpages, ceil(c.reltuples * (ceil(r.row_bytes / 4) * 4 + r.empty_bytes + 4) / 8172) as pages
    from rows r join pg_class c on c.relname = r.tablename and c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    union all
    select 'index', x.relname, x.relpages, ceil(x.reltuples * (r.row_bytes - 12) / 8172)
    from rows r
    join pg_class c on c.relname = r.tablename and c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    join pg_index i on i.indrelid = c.oid
    join pg_class x on x.oid = i.indexrelid
)
select kind, relname as object_name, round((relpages / nullif(pages, 0))::numeric, 1) as bloat
from wanted where pages > 0 and relpages / pages >= 10;

-- name: bloat_figures
-- The same estimate for every table, without the level.
select p.tablename as object_name, c.relpages, c.reltuples, sum((1 - p.null_frac) * p.avg_width) as row_bytes
from pg_stats p join pg_class c on c.relname = p.tablename and c.relnamespace = 'public'::regnamespace
where p.schemaname = 'public' group by p.tablename, c.relpages, c.reltuples;

-- name: duplicate_indexes
-- Indexes of one table with the same columns, operators, expression and condition (a verdict of diagnose).
select string_agg(indexrelid::regclass::text, ', ') as index_names, sum(pg_relation_size(indexrelid)) as size_bytes
from pg_index
group by indrelid, indclass::text, indkey::text, coalesce(indexprs::text, ''), coalesce(indpred::text, '') having count(*) > 1;

-- name: outliers
-- Statements that take a third of all time (a verdict of diagnose).
select left(query, 1000) as query, calls
from pg_stat_statements s
where total_exec_time >= 0.33 * (select sum(total_exec_time) from pg_stat_statements)
order by total_exec_time desc limit 10;

-- name: calls
-- The ten statements that took most time, and how often they were called.
select left(query, 1000) as query, calls, total_exec_time as total_ms from pg_stat_statements order by total_exec_time desc limit 10;

-- name: blocking
-- Who waits for the end of whose transaction.
select w.pid as blocked_pid, wa.query as blocked, h.pid as blocking_pid, ha.query as blocking
from pg_locks w
join pg_stat_activity wa on wa.pid = w.pid
join pg_locks h on h.transactionid = w.transactionid and h.pid <> w.pid
join pg_stat_activity ha on ha.pid = h.pid
where not w.granted;

-- name: locks
-- Strong locks with who holds or wants them.
select l.pid, c.relname as table_name, l.granted, l.mode, left(a.query, 200) as query, a.application_name
from pg_locks l join pg_stat_activity a on a.pid = l.pid left join pg_class c on c.oid = l.relation
where l.mode in ('ExclusiveLock', 'AccessExclusiveLock', 'RowExclusiveLock') and l.pid <> pg_backend_pid();

-- name: long_running_queries
-- Statements that began over half a second ago and are not idle; one idle in its transaction is among them.
select pid, query, clock_timestamp() - query_start as duration
from pg_stat_activity where query <> '' and state <> 'idle' and clock_timestamp() - query_start > interval '500 ms';

-- name: connections
-- Every session of this database.
select usename as role, client_addr::text as client, application_name from pg_stat_activity where datname = current_database();

-- name: vacuum_stats
-- Rows that are dead, and whether autovacuum is expected.
select u.relname as table_name, u.last_vacuum, u.n_dead_tup as dead_rows,
       u.n_dead_tup >= current_setting('autovacuum_vacuum_threshold')::int
                       + current_setting('autovacuum_vacuum_scale_factor')::real * c.reltuples as expects_autovacuum
from pg_stat_user_tables u join pg_class c on c.oid = u.relid;

-- name: seq_scans
-- How often each table was read whole.
select relname as table_name, seq_scan as scans from pg_stat_user_tables order by seq_scan desc;

-- name: index_usage
-- The share of reads of each table that took an index.
select relname as table_name, n_live_tup as rows, 100 * idx_scan / nullif(seq_scan + idx_scan, 0) as percent_by_index
from pg_stat_user_tables order by n_live_tup desc;

-- name: table_size
-- Every table with its size.
select relname as table_name, pg_table_size(relid) as size_bytes from pg_stat_user_tables order by size_bytes desc;

-- name: index_size
-- Every index with its size.
select indexrelname as index_name, pg_relation_size(indexrelid) as size_bytes from pg_stat_user_indexes order by size_bytes desc;

-- name: records_rank
-- Every table with its number of rows.
select relname as table_name, n_live_tup as rows from pg_stat_user_tables order by n_live_tup desc;
