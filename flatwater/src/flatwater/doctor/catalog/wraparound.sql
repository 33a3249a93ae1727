-- name: database_ages
-- How many transactions and multixacts old the oldest unfrozen row of each database is, the oldest first.
select d.datname::text as name, age(d.datfrozenxid)::bigint as transactions, mxid_age(d.datminmxid)::bigint as multixacts,
       current_setting('autovacuum_freeze_max_age')::bigint as freeze_at,
       current_setting('autovacuum_multixact_freeze_max_age')::bigint as multixact_freeze_at,
       '' as schema, '' as owner
from pg_database d
order by greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) desc
limit 50

-- name: table_ages
-- The tables of this database with the oldest unfrozen rows, with their toast tables counted to them.
select n.nspname::text as schema, c.relname::text as name, pg_get_userbyid(c.relowner)::text as owner,
       greatest(age(c.relfrozenxid), age(t.relfrozenxid))::bigint as transactions,
       greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid))::bigint as multixacts,
       current_setting('autovacuum_freeze_max_age')::bigint as freeze_at,
       current_setting('autovacuum_multixact_freeze_max_age')::bigint as multixact_freeze_at
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_class t on t.oid = c.reltoastrelid
where c.relkind in ('r', 'm') and c.relpersistence <> 't'
order by greatest(age(c.relfrozenxid), age(t.relfrozenxid), mxid_age(c.relminmxid), mxid_age(t.relminmxid)) desc, c.relpages desc
limit 10
