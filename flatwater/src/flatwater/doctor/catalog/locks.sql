-- name: blocked_sessions
-- Each session that waits for a lock with each one that it waits for, the longest wait first.
-- pg_blocking_pids stops the lock manager for a moment, so it is asked only for sessions whose lock is not granted, and for at
-- most 50. The list of locks tells them also to a role that may not see what other roles do.
with ungranted as materialized (
    select distinct on (k.pid) k.pid, k.locktype, k.mode, k.relation
--? from_14: , k.waitstart
    from pg_locks k where not k.granted and k.pid is not null order by k.pid limit 50
), waiting as (
    select a.pid, a.application_name, a.query, a.query_start
    from ungranted u join pg_stat_activity a on a.pid = u.pid limit 50
)
select w.pid,
       coalesce(w.application_name, '') as application_name,
       left(coalesce(w.query, ''), 400) as statement,
--? from_14: coalesce(extract(epoch from clock_timestamp() - coalesce(l.waitstart, w.query_start)), 0)::float8 as waited_s,
--? before_14: coalesce(extract(epoch from clock_timestamp() - w.query_start), 0)::float8 as waited_s,
       coalesce(l.locktype, 'unknown') as kind,
       coalesce(l.mode, '') as mode,
       coalesce(l.relation::regclass::text, '') as subject,
       b.pid as blocker_pid,
       coalesce(b.started, '') as blocker_started,
       coalesce(b.application_name, '') as blocker_application_name,
       coalesce(b.role, '') as blocker_role,
       coalesce(b.state, 'hidden') as blocker_state,
       coalesce(b.in_state_s, 0)::float8 as blocker_in_state_s,
       coalesce(b.in_transaction_s, 0)::float8 as blocker_in_transaction_s,
       coalesce(b.statement, '') as blocker_statement,
       coalesce(b.state_changed, '') as blocker_state_changed
from waiting w
cross join lateral unnest(pg_blocking_pids(w.pid)) as by(pid)
join ungranted l on l.pid = w.pid
left join lateral (
    select coalesce(a.backend_start::text, '') as started, a.application_name, a.usename::text as role, a.state,
           extract(epoch from clock_timestamp() - a.state_change) as in_state_s,
           extract(epoch from clock_timestamp() - a.xact_start) as in_transaction_s,
           left(a.query, 400) as statement, a.state_change::text as state_changed
    from pg_stat_activity a where a.pid = by.pid limit 1
) s on true
cross join lateral (select by.pid, s.started, s.application_name, s.role, s.state, s.in_state_s, s.in_transaction_s, s.statement, s.state_changed) b
order by waited_s desc, w.pid, b.pid
limit 200

-- name: queues_behind_strong_locks
-- Tables for which a session waits to get a lock that shuts out readers or writers, with how many stand behind it.
select l.relation::regclass::text as subject,
       l.mode,
       l.pid,
       coalesce(a.backend_start::text, '') as started,
       coalesce(a.application_name, '') as application_name,
       coalesce(a.state, 'hidden') as state,
       left(coalesce(a.query, ''), 400) as statement,
       coalesce(a.usename::text, '') as role,
       coalesce(a.state_change::text, '') as state_changed,
       coalesce(extract(epoch from clock_timestamp() - a.query_start), 0)::float8 as waited_s,
       (select count(*) from pg_locks q
        where q.locktype = 'relation' and q.relation = l.relation and q.database = l.database
          and not q.granted and q.pid <> l.pid)::int as behind
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and not l.granted
  and l.database = (select oid from pg_database where datname = current_database())
  and l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
order by waited_s desc, l.pid
limit 50
