-- name: sessions
-- The sessions of clients, the ones longest in their state first; the look's own is left out.
-- A role without pg_read_all_stats sees other roles' without kind and state; they are told as hidden. Statistics views have no index.
select a.pid,
       coalesce(a.backend_start::text, '') as started,
       coalesce(a.application_name, '') as application_name,
       coalesce(a.usename::text, '') as role,
       coalesce(a.datname::text, '') as database,
       coalesce(a.state, 'hidden') as state,
       coalesce(host(a.client_addr), '') as client_address,
       coalesce(a.client_port, 0) as client_port,
       coalesce(extract(epoch from clock_timestamp() - a.backend_start), 0)::float8 as age_s,
       coalesce(extract(epoch from clock_timestamp() - a.state_change), 0)::float8 as in_state_s,
       coalesce(extract(epoch from clock_timestamp() - a.xact_start), 0)::float8 as in_transaction_s,
       coalesce(extract(epoch from clock_timestamp() - a.query_start), 0)::float8 as statement_s,
       coalesce(a.wait_event_type, '') as waits_for_kind,
       coalesce(a.wait_event, '') as waits_for,
       coalesce(r.rolsuper, false) as is_superuser,
       left(coalesce(a.query, ''), 400) as statement,
       coalesce(a.state_change::text, '') as state_changed
from pg_stat_activity a
left join pg_roles r on r.oid = a.usesysid
where coalesce(a.backend_type, 'client backend') = 'client backend' and a.datid is not null and a.pid <> pg_backend_pid()
order by a.state_change nulls last, a.pid
limit 200

-- name: connections_by_state
-- How many clients' sessions there are by application, role and state, the most first; exact where the list of sessions is cut.
select split_part(coalesce(a.application_name, ''), '/', 1) as application,
       coalesce(a.usename::text, '') as role,
       coalesce(a.state, 'hidden') as state,
       count(*)::int as sessions,
       coalesce(max(extract(epoch from clock_timestamp() - a.state_change)), 0)::float8 as longest_in_state_s,
       coalesce(max(extract(epoch from clock_timestamp() - a.backend_start)), 0)::float8 as oldest_s
from pg_stat_activity a
where coalesce(a.backend_type, 'client backend') = 'client backend' and a.datid is not null and a.pid <> pg_backend_pid()
group by 1, 2, 3
order by 4 desc, 1, 2, 3
limit 200

-- name: connection_room
-- How many connections the server allows and how many are taken; one row.
select current_setting('max_connections')::int as allowed,
       current_setting('superuser_reserved_connections')::int as reserved,
       (select count(*) from pg_stat_activity where coalesce(backend_type, 'client backend') in ('client backend', 'walsender') and usesysid is not null)::int as taken
limit 1
