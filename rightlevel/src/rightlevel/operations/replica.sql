-- name: reached
-- How far the log of the primary is on its disk: past each commit that was acknowledged.
select pg_current_wal_flush_lsn()::text as reached

-- name: is_as_far
-- Whether a replica has done what the primary had done; never of a server that follows none, for it may go its own way.
select pg_is_in_recovery() and coalesce(pg_last_wal_replay_lsn() >= %(reached)s::pg_lsn, false) as is_as_far
