-- name: session_now
-- Who looks, at what, and whether the limits of the look are held; one row.
select current_setting('server_version_num')::int as version,
       pg_backend_pid() as backend_pid,
       current_database() as database,
       current_user::text as role,
       clock_timestamp() as at,
       (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
       pg_has_role(current_user, 'pg_read_all_stats', 'usage') as sees_others,
       exists (select 1 from pg_extension where extname = 'pg_stat_statements') as has_pg_stat_statements,
       exists (select 1 from pg_available_extensions where name = 'pg_stat_statements') as offers_pg_stat_statements,
       pg_is_in_recovery() as is_replica,
       coalesce(host(inet_server_addr()), '') as server_address,
       current_setting('lock_timeout') as lock_timeout,
       current_setting('statement_timeout') as statement_timeout,
       current_setting('default_transaction_read_only') as read_only
limit 1
