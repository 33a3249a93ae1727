-- name: watched_now
-- The server in one row: connections by state, statements, waits for locks, and the counters of this database.
select count(*) filter (where coalesce(a.backend_type, 'client backend') = 'client backend' and a.datid is not null)::int as connections,
       count(*) filter (where a.backend_type = 'client backend' and a.state = 'active')::int as active,
       count(*) filter (where a.backend_type = 'client backend' and a.state = 'idle')::int as idle,
       count(*) filter (where a.backend_type = 'client backend' and a.state like 'idle in transaction%%')::int as forgotten,
       count(*) filter (where a.wait_event_type = 'Lock')::int as blocked,
       current_setting('max_connections')::int as allowed,
       coalesce(max(extract(epoch from clock_timestamp() - a.query_start))
                filter (where a.backend_type = 'client backend' and a.state = 'active'), 0)::float8 as longest_s,
       max(d.xact_commit + d.xact_rollback)::bigint as transactions,
       max(d.blks_hit)::bigint as hits,
       max(d.blks_read)::bigint as reads,
       max(d.temp_bytes)::bigint as temp_bytes
from pg_stat_database d
left join pg_stat_activity a on a.pid <> pg_backend_pid()
where d.datname = current_database()
limit 1
