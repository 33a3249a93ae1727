-- name: roles_of_application
-- The roles by which one application's sessions are connected.
select distinct a.usename::text as role
from pg_stat_activity a
where split_part(a.application_name, '/', 1) = %(application)s and a.usename is not null
order by 1
limit 50
