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
