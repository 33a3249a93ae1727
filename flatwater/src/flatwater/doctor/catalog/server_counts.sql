-- name: database_counts
-- What this database counted since its statistics began: transactions, deadlocks, temporary files, broken pages; one row.
select d.xact_commit::bigint as commits, d.xact_rollback::bigint as rollbacks, d.deadlocks::bigint as deadlocks,
       d.temp_files::bigint as temp_files, d.temp_bytes::bigint as temp_bytes, coalesce(d.checksum_failures, 0)::bigint as broken_pages,
       d.conflicts::bigint as conflicts, coalesce(d.stats_reset, pg_postmaster_start_time()) as since_at,
       current_setting('work_mem') as work_mem, current_setting('temp_file_limit') as temp_file_limit
from pg_stat_database d
where d.datname = current_database()
limit 1

-- name: checkpoints
-- How many checkpoints came by the clock and how many were asked for, before PostgreSQL 17; one row.
select b.checkpoints_timed::bigint as timed, b.checkpoints_req::bigint as requested,
       coalesce(b.stats_reset, pg_postmaster_start_time()) as since_at,
       pg_size_bytes(current_setting('max_wal_size'))::bigint as max_wal_bytes,
       extract(epoch from current_setting('checkpoint_timeout')::interval)::float8 as timeout_s
from pg_stat_bgwriter b
limit 1

-- name: checkpoints_17
-- The same from PostgreSQL 17 on, where the checkpointer counts for itself; one row.
select b.num_timed::bigint as timed, b.num_requested::bigint as requested,
       coalesce(b.stats_reset, pg_postmaster_start_time()) as since_at,
       pg_size_bytes(current_setting('max_wal_size'))::bigint as max_wal_bytes,
       extract(epoch from current_setting('checkpoint_timeout')::interval)::float8 as timeout_s
from pg_stat_checkpointer b
limit 1

-- name: notification_queue
-- How full the queue of LISTEN and NOTIFY is, and who of the listeners has been in one transaction longest; one row.
select pg_notification_queue_usage()::float8 as used,
       coalesce((select a.pid || ' ' || coalesce(nullif(a.application_name, ''), a.usename::text, '')
                 from pg_stat_activity a
                 where a.xact_start is not null and a.pid <> pg_backend_pid() and a.datname = current_database()
                 order by a.xact_start limit 1), '') as oldest
limit 1

-- name: hot_updates
-- Tables that are updated much, with how many updates stayed beside their row and how many had to find another page.
select s.schemaname::text as schema, s.relname::text as table_name, s.n_tup_upd::bigint as updates, s.n_tup_hot_upd::bigint as beside,
--? new_page: s.n_tup_newpage_upd::bigint as elsewhere,
--? no_new_page: null::bigint as elsewhere,
       coalesce((select o.option_value::int from pg_options_to_table(c.reloptions) o where o.option_name = 'fillfactor'), 100) as fill
from pg_stat_user_tables s
join pg_class c on c.oid = s.relid
where s.n_tup_upd >= %(least_updates)s
order by s.n_tup_upd desc
limit 40
