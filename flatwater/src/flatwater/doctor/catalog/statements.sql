-- name: slow_statements
-- The statements that took most of the server's time, from pg_stat_statements: times in ms, and their share of all time.
with mine as (
    select p.queryid, p.query, p.calls, p.total_exec_time, p.mean_exec_time, p.stddev_exec_time, p.max_exec_time, p.rows, p.temp_blks_written
    from pg_stat_statements p
    where p.dbid = (select d.oid from pg_database d where d.datname = current_database())
)
select coalesce(m.queryid, 0)::text as id, coalesce(m.query, '') as statement, m.calls::bigint as calls,
       m.mean_exec_time as mean_ms, m.stddev_exec_time as spread_ms, m.max_exec_time as longest_ms, m.total_exec_time as total_ms,
       (m.total_exec_time / greatest((select sum(total_exec_time) from mine), 0.001))::float8 as share,
       m.rows::bigint as rows, m.temp_blks_written::bigint * 8192 as temp_bytes
from mine m
order by m.total_exec_time desc
limit 100

-- name: most_called_statements
-- The statements that are called most often, from pg_stat_statements.
select coalesce(p.queryid, 0)::text as id, coalesce(p.query, '') as statement, p.calls::bigint as calls,
       p.mean_exec_time as mean_ms, p.stddev_exec_time as spread_ms, p.max_exec_time as longest_ms, p.total_exec_time as total_ms,
       0::float8 as share, p.rows::bigint as rows, p.temp_blks_written::bigint * 8192 as temp_bytes
from pg_stat_statements p
where p.dbid = (select d.oid from pg_database d where d.datname = current_database())
order by p.calls desc
limit 3

-- name: statements_now
-- What clients run at this moment and for how long; one of three samples.
select a.pid, a.query_start::text as started, coalesce(a.application_name, '') as application_name,
       extract(epoch from clock_timestamp() - a.query_start)::float8 * 1000 as age_ms, left(a.query, 400) as statement
from pg_stat_activity a
where a.state = 'active' and a.backend_type = 'client backend' and a.pid <> pg_backend_pid() and a.query_start is not null
order by a.query_start
limit 100

-- name: statements_forgotten
-- How often pg_stat_statements had to forget statements to make room, since when; from PostgreSQL 14; one row.
select i.dealloc::bigint as forgotten, i.stats_reset as since_at, current_setting('pg_stat_statements.max')::int as most,
       (select count(*) from pg_stat_statements)::int as kept
from pg_stat_statements_info i
limit 1

-- name: counts_of_all
-- Statements that count every row of a table, a sub-query or a join of them without a condition, the most time taken first.
select p.queryid::text as id, left(p.query, 400) as statement, p.calls::bigint as calls, p.mean_exec_time as mean_ms, p.total_exec_time as total_ms
from pg_stat_statements p
where p.dbid = (select d.oid from pg_database d where d.datname = current_database()) and p.queryid is not null
  and p.query ~* '^\s*select\s+count\s*\(\s*(\*|\$\d+|1|[\w".]+)\s*\)' and p.query !~* '\m(where|limit|group by)\M'
  and p.calls >= %(least_calls)s
order by p.total_exec_time desc
limit 20

-- name: rows_of_relations
-- The estimated rows of some tables by their names as they are written in statements, without their schema.
select c.relname::text as table_name, n.nspname::text as schema, greatest(s.n_live_tup, c.reltuples::bigint, 0)::bigint as rows
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_user_tables s on s.relid = c.oid
where c.relkind in ('r', 'p', 'm') and c.relname = any (%(names)s) and n.nspname not in ('pg_catalog', 'information_schema')
order by 3 desc
limit 100

-- name: session_settings_kept
-- Statements that set something for a session and not for one transaction, from pg_stat_statements, the most called first.
select left(p.query, 200) as statement, sum(p.calls)::bigint as calls
from pg_stat_statements p
where p.dbid = (select d.oid from pg_database d where d.datname = current_database())
  and p.query ~* '^\s*(set\s+(session\s+)?(search_path|role|statement_timeout|lock_timeout|work_mem|[a-z_]+\.[a-z_]+)\M|listen\M|prepare\M|select\s+pg_advisory_lock\M)'
group by 1
order by 2 desc
limit 50

-- name: session_settings_seen
-- What a session's last statement set for the whole session; a sample where no statistics of statements are kept.
select left(a.query, 200) as statement, count(*)::bigint as calls
from pg_stat_activity a
where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
  and a.query ~* '^\s*(set\s+(session\s+)?(search_path|role|statement_timeout|lock_timeout|work_mem|[a-z_]+\.[a-z_]+)\M|listen\M|prepare\M|select\s+pg_advisory_lock\M)'
group by 1
order by 2 desc
limit 50
