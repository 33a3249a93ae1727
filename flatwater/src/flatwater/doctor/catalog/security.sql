-- name: public_rights
-- Tables that everybody may write, and schemas in which everybody may make things; system schemas are left out.
select 'table' as kind, n.nspname::text as schema, c.relname::text as name,
       string_agg(distinct lower(x.privilege_type), ', ' order by lower(x.privilege_type)) as rights
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) x
where c.relkind in ('r', 'p', 'v', 'm', 'f') and x.grantee = 0 and x.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_%%'
group by 2, 3
union all
select 'schema', n.nspname::text, n.nspname::text, 'create'
from pg_namespace n
cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x
where x.grantee = 0 and x.privilege_type = 'CREATE' and n.nspname not like 'pg\_%%'
order by 1, 2, 3
limit 100

-- name: tables_looked_at
-- How many tables and views of this database there are; one row.
select count(*)::int as tables from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_%%'
limit 1

-- name: entrance_rules
-- The lines of the server's entrance file in their order, with those it can't read; a superuser's or a granted look only.
select h.line_number as line, coalesce(h.type, '') as kind,
       coalesce(array_to_string(h.database, ','), '') as databases, coalesce(array_to_string(h.user_name, ','), '') as roles,
       coalesce(h.address, '') as address, coalesce(h.netmask, '') as netmask, coalesce(h.auth_method, '') as method, coalesce(h.error, '') as error,
--? own_file: coalesce(h.file_name, '') as file
--? one_file: current_setting('hba_file') as file
from pg_hba_file_rules h
order by h.line_number
limit 150

-- name: superuser_sessions
-- The sessions of clients that are superusers, by role and application.
select split_part(coalesce(a.application_name, ''), '/', 1) as application, r.rolname::text as role, r.oid = 10 as is_first,
       count(*)::int as sessions, (select count(*) from pg_roles s where s.rolsuper and s.rolcanlogin)::int as superusers
from pg_stat_activity a
join pg_roles r on r.oid = a.usesysid
where a.backend_type = 'client backend' and a.pid <> pg_backend_pid() and r.rolsuper
group by 1, r.oid, r.rolname
order by 4 desc, 1, 2
limit 50

-- name: sessions_by_right
-- How many sessions of clients there are beside the look's own, and how many of one application; one row.
select count(*)::int as sessions,
       count(*) filter (where split_part(coalesce(a.application_name, ''), '/', 1) = %(application)s)::int as of_application
from pg_stat_activity a
where a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
limit 1

-- name: open_sessions
-- Sessions from other machines by whether their line is encrypted, the most first.
select split_part(coalesce(a.application_name, ''), '/', 1) as application, coalesce(a.usename::text, '') as role,
       host(a.client_addr) as address, coalesce(s.ssl, false) or coalesce(g.encrypted, false) as is_encrypted, count(*)::int as sessions
from pg_stat_activity a
left join pg_stat_ssl s on s.pid = a.pid
left join pg_stat_gssapi g on g.pid = a.pid
where a.client_addr is not null and a.backend_type = 'client backend'
  and not a.client_addr <<= any (%(near)s::inet[])
group by 1, 2, 3, 4
order by 5 desc, 1, 2, 3
limit 100

-- name: encryption_settings
-- Whether the server offers encryption and where it listens; one row.
select current_setting('ssl')::bool as is_on, current_setting('listen_addresses') as listens,
       (select count(*) from pg_stat_activity a where a.client_addr is null and a.backend_type = 'client backend')::int as hidden_or_local
limit 1

-- name: disabled_triggers
-- Triggers of the application's tables that are switched off, those that hold foreign keys among them.
select n.nspname::text as schema, c.relname::text as table_name, t.tgname::text as name, t.tgisinternal as is_of_constraint,
       coalesce(k.conname::text, '') as constraint_name
from pg_trigger t
join pg_class c on c.oid = t.tgrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_constraint k on k.oid = t.tgconstraint
where t.tgenabled = 'D' and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_%%'
order by n.nspname, c.relname, t.tgname
limit 100

-- name: triggers_looked_at
-- How many triggers there are, and how many functions that run as their owner; one row.
select (select count(*) from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal)::int as triggers,
       (select count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema'))::int as definers
limit 1

-- name: definers_without_path
-- Functions that run with their owner's rights and look names up wherever their caller says; extensions' own are left out.
select n.nspname::text as schema, p.proname::text as name, pg_get_function_identity_arguments(p.oid) as arguments,
       r.rolname::text as owner, r.rolsuper as is_superusers, has_function_privilege('public', p.oid, 'execute') as is_everybodys,
       case p.prokind when 'p' then 'procedure' else 'function' end as kind
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_roles r on r.oid = p.proowner
where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
  and not exists (select 1 from unnest(coalesce(p.proconfig, '{}')) as set(text) where set.text like 'search\_path=%%')
  and not exists (select 1 from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by n.nspname, p.proname, 3
limit 100

-- name: md5_passwords
-- Roles whose passwords are kept as md5; for a superuser's look only.
select a.rolname::text as role, a.rolsuper as is_superuser, (select count(*) from pg_authid where rolpassword is not null)::int as passwords
from pg_authid a
where a.rolpassword like 'md5%%'
order by a.rolname
limit 100

-- name: passwords_looked_at
-- How many roles have a password; for a superuser's look only; one row.
select count(*)::int as passwords from pg_authid where rolpassword is not null
limit 1
