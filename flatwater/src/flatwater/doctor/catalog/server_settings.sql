-- name: pending_restarts
-- Settings that were changed and wait for a restart. One that the server's command line sets keeps its value over a restart.
select s.name, s.setting as value, coalesce(s.unit, '') as unit
from pg_settings s
where s.pending_restart and s.source <> 'command line'
order by s.name
limit 50

-- name: server_started
-- Since when the server runs and its exact version; one row.
select pg_postmaster_start_time() as started_at, current_setting('server_version') as version limit 1

-- name: risky_settings
-- Settings that switch off what keeps rows whole, or that hide plans from the planner, with their values here.
select s.name, s.setting as value, s.context
from pg_settings s
where s.name in ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'zero_damaged_pages', 'ignore_checksum_failure',
                 'track_activities', 'random_page_cost', 'enable_seqscan', 'enable_indexscan', 'enable_indexonlyscan', 'enable_bitmapscan',
                 'enable_nestloop', 'enable_hashjoin', 'enable_mergejoin', 'enable_hashagg', 'enable_sort', 'enable_material',
                 'log_lock_waits', 'password_encryption', 'log_min_duration_statement', 'max_wal_size')
order by s.name
limit 50

-- name: server_folder
-- Where the server keeps its files; shown with pg_read_all_settings; one row.
select current_setting('data_directory') as folder limit 1

-- name: tables_without_key
-- Tables with rows and no primary key, the largest first.
select n.nspname::text as schema, c.relname::text as table_name,
       greatest(coalesce(s.n_live_tup, 0), c.reltuples::bigint, 0)::bigint as rows,
       coalesce((select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid
                 where x.indrelid = c.oid and x.indisunique and x.indisvalid and not exists (select 1 from pg_constraint k where k.conindid = i.oid)
                   and x.indpred is null and x.indexprs is null
                   and not exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attnum = any (x.indkey::int2[]) and not a.attnotnull)
                 order by i.relname limit 1), '') as unique_index
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_user_tables s on s.relid = c.oid
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema')
  and not exists (select 1 from pg_constraint k where k.conrelid = c.oid and k.contype = 'p')
  and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 3 desc, 1, 2
limit 40

-- name: columns_without_rule
-- Columns that by their name and type refer to another table's only key, and have no foreign key. Tables are joined by their word, alone
-- and without its s, so that many tables make no product.
with keyed as materialized (
    select f.oid, f.relnamespace, f.relname, k.conkey[1] as attnum, w.word
    from pg_class f
    join pg_constraint k on k.conrelid = f.oid and k.contype = 'p' and cardinality(k.conkey) = 1
    cross join lateral (values (f.relname::text), (case when f.relname like '%%s' then left(f.relname, -1) end)) w(word)
    where f.relkind in ('r', 'p') and w.word is not null
),
referring as materialized (
    select a.attrelid, a.attname, a.attnum, a.atttypid, left(a.attname, -3) as word
    from pg_attribute a
    where a.attnum > 0 and not a.attisdropped and a.attname like '%%\_id'
      and not exists (select 1 from pg_constraint x where x.conrelid = a.attrelid and x.contype = 'f' and a.attnum = any (x.conkey))
)
select n.nspname::text as schema, c.relname::text as table_name, r.attname::text as column_name,
       f.relname::text as refers_to, fa.attname::text as key_column, greatest(c.reltuples::bigint, 0)::bigint as rows
from referring r
join pg_class c on c.oid = r.attrelid and c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
join pg_namespace n on n.oid = c.relnamespace and n.nspname not in ('pg_catalog', 'information_schema')
join keyed f on f.word = r.word and f.relnamespace = c.relnamespace and f.oid <> c.oid
join pg_attribute fa on fa.attrelid = f.oid and fa.attnum = f.attnum and fa.atttypid = r.atttypid
order by c.reltuples desc, 1, 2, 3
limit 40
