-- name: wal_kept
-- What the log of writes takes on disk, and what it may take; one row. Needs pg_monitor.
select (select coalesce(sum(w.size), 0) from pg_ls_waldir() w)::bigint as size_bytes,
       pg_size_bytes(current_setting('max_wal_size'))::bigint as max_wal_bytes,
       (current_setting('max_slot_wal_keep_size') = '-1') as slots_are_unbounded
limit 1

-- name: archiver
-- Whether finished pieces of the log reach their archive; one row.
select current_setting('archive_mode') <> 'off' as is_on, a.failed_count::bigint as failed,
       coalesce(a.last_failed_wal, '') as last_failed, coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false) as is_failing,
       coalesce(extract(epoch from clock_timestamp() - a.last_archived_time), 0)::float8 as since_archived_s
from pg_stat_archiver a
limit 1

-- name: replication_slots
-- Each replication slot with how much of the log it makes the server keep.
select s.slot_name::text as name, s.slot_type as kind, coalesce(s.plugin::text, '') as plugin, s.active as is_active, s.temporary as is_temporary,
       coalesce(s.wal_status, '') as status,
       coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, s.restart_lsn), 0)::bigint as held_bytes,
--? since: coalesce(extract(epoch from clock_timestamp() - s.inactive_since), 0)::float8 as inactive_s,
--? no_since: 0::float8 as inactive_s,
       coalesce(s.database::text, '') as database, coalesce(s.restart_lsn::text, '') as from_lsn
from pg_replication_slots s
order by 7 desc
limit 50

-- name: replicas
-- The replicas that are connected, with how far behind they are in bytes and seconds.
select r.pid, coalesce(r.application_name, '') as name, coalesce(host(r.client_addr), 'this machine') as address, coalesce(r.state, 'hidden') as state,
       coalesce(r.sync_state, '') as sync,
       coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, r.replay_lsn), 0)::bigint as behind_bytes,
       coalesce(extract(epoch from r.replay_lag), 0)::float8 as behind_s
from pg_stat_replication r
order by 6 desc
limit 50

-- name: replica_here
-- How far this replica is behind what it got, and whether it gets anything; one row.
select case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
            else coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 0) end::float8 as behind_s,
       coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::bigint as behind_bytes,
       pg_is_wal_replay_paused() as is_paused,
       exists (select 1 from pg_stat_wal_receiver) as is_fed
limit 1

-- name: synchronous_wanted
-- Which replicas a commit waits for, and how many of them are there; one row.
select current_setting('synchronous_standby_names') as names, current_setting('synchronous_commit') as commit_waits,
       (select count(*) from pg_stat_replication r where r.sync_state in ('sync', 'quorum'))::int as present
limit 1
