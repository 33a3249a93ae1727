-- name: sequences_used
-- How far each sequence is towards the end of its own range or of its column's, the nearest first; those this role can't read are marked.
select s.schemaname::text as schema, s.sequencename::text as name, s.data_type::text as kind,
       coalesce(s.last_value, 0)::bigint as last_value,
       has_sequence_privilege(q.oid, 'select, usage') as is_readable,
       least(s.max_value, case y.typname when 'int2' then 32767 when 'int4' then 2147483647 else s.max_value end)::bigint as ends_at,
       coalesce(tn.nspname::text, '') as table_schema, coalesce(t.relname::text, '') as table_name, coalesce(a.attname::text, '') as column_name,
       coalesce(y.typname::text, '') as column_kind, coalesce(a.attidentity <> '', false) as is_identity,
       greatest(coalesce(u.n_live_tup, 0), t.reltuples::bigint, 0)::bigint as rows
from pg_sequences s
join pg_namespace n on n.nspname = s.schemaname
join pg_class q on q.relname = s.sequencename and q.relnamespace = n.oid and q.relkind = 'S'
left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = q.oid and d.refclassid = 'pg_class'::regclass
                     and d.refobjsubid > 0 and d.deptype in ('a', 'i')
left join pg_class t on t.oid = d.refobjid
left join pg_namespace tn on tn.oid = t.relnamespace
left join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
left join pg_type y on y.oid = a.atttypid
left join pg_stat_user_tables u on u.relid = t.oid
where s.increment_by > 0 and not s.cycle
order by has_sequence_privilege(q.oid, 'select, usage'),
         coalesce(s.last_value, 0)::float8
         / greatest(least(s.max_value, case y.typname when 'int2' then 32767 when 'int4' then 2147483647 else s.max_value end), 1) desc
limit 200
