-- name: timeouts_of_roles
-- Which time-outs a new session of each role that is connected begins with, by database; role and database settings win over the server's.
-- The look's own session can't be asked: it set its own. The server's files are read only for a superuser.
select r.rolname::text as role, d.datname::text as database,
       coalesce(string_agg(distinct split_part(a.application_name, '/', 1), ', '), '') as applications,
       count(distinct a.pid)::int as sessions,
       t.name as setting,
       coalesce(
           (select split_part(c, '=', 2)
            from pg_db_role_setting s cross join lateral unnest(s.setconfig) c
            where split_part(c, '=', 1) = t.name and s.setrole in (0, r.oid) and s.setdatabase in (0, d.oid)
            order by (s.setrole <> 0 and s.setdatabase <> 0) desc, s.setrole <> 0 desc limit 1),
--? from_files: (select f.setting from pg_file_settings f where lower(f.name) = t.name and f.error is null order by f.seqno desc limit 1),
           '0') as value
from pg_stat_activity a
join pg_roles r on r.oid = a.usesysid
join pg_database d on d.oid = a.datid
cross join (values ('statement_timeout'), ('idle_in_transaction_session_timeout'), ('lock_timeout')) t(name)
where coalesce(a.backend_type, 'client backend') = 'client backend' and a.pid <> pg_backend_pid()
--? one_application: and split_part(a.application_name, '/', 1) = %(application)s
group by r.oid, r.rolname, d.oid, d.datname, t.name
order by r.rolname, d.datname, t.name
limit 150

-- name: memory_settings
-- The settings by which the server takes memory, in bytes or as counts.
select s.name,
       (s.setting::float8 * case s.unit when '8kB' then 8192 when 'kB' then 1024 when 'MB' then 1048576 else 1 end)::float8 as amount
from pg_settings s
where s.name in ('shared_buffers', 'work_mem', 'maintenance_work_mem', 'autovacuum_work_mem', 'max_connections',
                 'autovacuum_max_workers', 'hash_mem_multiplier', 'effective_cache_size', 'temp_buffers')
order by s.name
limit 20

-- name: server_processes
-- Every process of the server with what it is for; clients first, the oldest first.
select a.pid, coalesce(a.backend_type, 'client backend') as kind, coalesce(a.application_name, '') as application_name,
       coalesce(a.usename::text, '') as role, coalesce(a.backend_start::text, '') as started, coalesce(a.state, '') as state,
       coalesce(a.state_change::text, '') as state_changed,
       coalesce(extract(epoch from clock_timestamp() - a.backend_start), 0)::float8 as age_s
from pg_stat_activity a
where a.pid <> pg_backend_pid()
order by a.backend_type <> 'client backend', a.backend_start
limit 200

-- name: own_memory
-- What the look's own session takes at the server, the largest first; from PostgreSQL 14.
select m.name, sum(m.total_bytes)::bigint as size_bytes
from pg_backend_memory_contexts m
group by m.name
order by 2 desc
limit 20

-- name: database_size
-- The size of this database; one row. It reads the folder, so it is asked once a look.
select pg_database_size(current_database())::bigint as size_bytes limit 1

-- name: timeouts_in_order
-- The time-outs that a new session of each connected role begins with, in milliseconds (0: none); role and database settings win over the
-- server's. One that the role and the database don't set is the server's own where only a superuser sees its files, else 0.
select r.rolname::text as role, d.datname::text as database,
       max(case when t.name = 'statement_timeout' then v.ms else 0 end)::float8 as statement_ms,
       max(case when t.name = 'lock_timeout' then v.ms else 0 end)::float8 as lock_ms,
       max(case when t.name = 'transaction_timeout' then v.ms else 0 end)::float8 as transaction_ms
from (select distinct a.usesysid, a.datid from pg_stat_activity a
      where coalesce(a.backend_type, 'client backend') = 'client backend' and a.pid <> pg_backend_pid()) o
join pg_roles r on r.oid = o.usesysid
join pg_database d on d.oid = o.datid
cross join (values ('statement_timeout'), ('lock_timeout'), ('transaction_timeout')) t(name)
cross join lateral (
    select coalesce(
        (select split_part(c, '=', 2)
         from pg_db_role_setting s cross join lateral unnest(s.setconfig) c
         where split_part(c, '=', 1) = t.name and s.setrole in (0, r.oid) and s.setdatabase in (0, d.oid)
         order by (s.setrole <> 0 and s.setdatabase <> 0) desc, s.setrole <> 0 desc limit 1),
--? from_files: (select f.setting from pg_file_settings f where lower(f.name) = t.name and f.error is null order by f.seqno desc limit 1),
        '0') as text
) w
cross join lateral (
    select case when w.text ~ '^\d+$' then w.text::float8 when w.text ~ '^[\d.]+ *(us|ms|s|min|h|d)$' then extract(epoch from w.text::interval) * 1000
                else 0 end as ms
) v
group by r.rolname, d.datname
order by r.rolname, d.datname
limit 100
