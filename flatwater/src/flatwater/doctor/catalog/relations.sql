-- name: roles_of_application
-- The roles by which one application's sessions are connected, those who own tables that they were granted the writing of, and whoever
-- looks where the database is theirs and they are no superuser.
with connected as (
    select distinct a.usesysid as oid
    from pg_stat_activity a
    where split_part(a.application_name, '/', 1) = %(application)s and a.usesysid is not null
)
select pg_get_userbyid(c.oid)::text as role from connected c
union
select pg_get_userbyid(t.relowner)::text
from pg_class t
cross join lateral aclexplode(t.relacl) x
where t.relkind in ('r', 'p') and x.grantee in (select oid from connected) and x.privilege_type in ('INSERT', 'UPDATE', 'DELETE')
union
select current_user::text
where exists (select from pg_database d join pg_roles r on r.oid = d.datdba
              where d.datname = current_database() and r.rolname = current_user and not r.rolsuper)
order by 1
limit 50
