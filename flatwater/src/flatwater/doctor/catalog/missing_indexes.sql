-- name: scanned_tables
-- Large tables that are read from end to end again and again, the most rows read first; indexed columns come with them.
select s.schemaname::text as schema, s.relname::text as table_name, s.relid::bigint as table_oid,
       greatest(s.n_live_tup, c.reltuples::bigint, 0)::bigint as rows,
       s.seq_scan::bigint as scans, s.seq_tup_read::bigint as rows_read, coalesce(s.idx_scan, 0)::bigint as index_scans,
       array(select a.attname::text from pg_attribute a where a.attrelid = s.relid and a.attnum > 0 and not a.attisdropped
             order by a.attnum limit 200) as columns,
       array(select distinct a.attname::text
             from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
             where i.indrelid = s.relid and i.indisvalid limit 200) as first_columns,
       -- Second columns of indexes whose first has few values: what PostgreSQL 18 finds by skipping from one value to the next.
       array(select distinct b.attname::text
             from pg_index i
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
             join pg_attribute b on b.attrelid = i.indrelid and b.attnum = i.indkey[1]
             join pg_class x on x.oid = i.indexrelid
             join pg_am m on m.oid = x.relam and m.amname = 'btree'
             join pg_stats t on t.schemaname = s.schemaname and t.tablename = s.relname and t.attname = a.attname
             where i.indrelid = s.relid and i.indisvalid and i.indpred is null and i.indnkeyatts > 1 and t.n_distinct between 1 and 100
             limit 200) as skipped_to
from pg_stat_user_tables s
join pg_class c on c.oid = s.relid
where s.seq_scan >= %(least_scans)s and greatest(s.n_live_tup, c.reltuples::bigint) >= %(least_rows)s
  and s.seq_tup_read / s.seq_scan >= %(least_rows)s / 2
order by s.seq_tup_read desc
limit 20

-- name: statements_seen
-- What sessions ran last and what runs now, as text: a sample by which a missing index is told where no statistics of statements are kept.
select a.query as statement
from pg_stat_activity a
where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid() and a.query ilike '%%where%%'
order by a.query_start desc nulls last
limit 100

-- name: statements_kept
-- The statements that took most time, as text, from pg_stat_statements.
select p.query as statement
from pg_stat_statements p
where p.dbid = (select d.oid from pg_database d where d.datname = current_database()) and p.query ilike '%%where%%'
order by p.total_exec_time desc
limit 150

-- name: foreign_keys_without_index
-- Foreign keys that no index serves, the largest tables first, and whether the server ever looks their rows up by them: when a row of the
-- table they refer to is deleted. An index serves a key when it begins with those of its columns that name a row of that table by themselves,
-- in any order, and holds every row in which they are not empty. Others that begin so are told with their condition.
with key_columns as (
    -- For each key the sets of its columns that name one row: its own, and those of every shorter unique rule of the table it refers to.
    select k.oid, k.conrelid, k.conkey,
           array(select k.conkey[array_position(k.confkey, r.attnum)]
                 from unnest((u.indkey::int2[])[0:u.indnkeyatts - 1]) r(attnum)) as columns
    from pg_constraint k
    join pg_index u on u.indrelid = k.confrelid and u.indisunique and u.indisvalid and u.indpred is null and u.indexprs is null
                   and (u.indkey::int2[])[0:u.indnkeyatts - 1] <@ k.confkey
    where k.contype = 'f' and k.conparentid = 0
), serving as (
    select c.oid, i.indexrelid,
           i.indpred is null
           or exists (select 1 from pg_attribute a
                      where a.attrelid = c.conrelid and a.attnum = any (c.conkey)
                        and pg_get_expr(i.indpred, i.indrelid) = format('(%%I IS NOT NULL)', a.attname)) as is_whole
    from key_columns c
    join pg_index i on i.indrelid = c.conrelid and i.indisvalid
                   and (i.indkey::int2[])[0:cardinality(c.columns) - 1] @> c.columns
                   and cardinality((i.indkey::int2[])[0:cardinality(c.columns) - 1]) = cardinality(c.columns)
)
select n.nspname::text as schema, t.relname::text as table_name, k.conname::text as name,
       f.relname::text as refers_to, t.relkind::text as kind,
       greatest(s.n_live_tup, t.reltuples::bigint, 0)::bigint as rows,
       array(select a.attname::text
             from unnest(k.conkey) with ordinality u(attnum, place)
             join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum
             order by u.place limit 32) as columns,
       coalesce(p.n_tup_del, 0)::bigint as deleted_above, k.confdeltype in ('c', 'n', 'd') as follows_deletion,
       array(select x.relname || ' (where ' || pg_get_expr(i.indpred, i.indrelid) || ')'
             from serving v
             join pg_index i on i.indexrelid = v.indexrelid
             join pg_class x on x.oid = v.indexrelid
             where v.oid = k.oid and not v.is_whole
             order by 1 limit 5) as partly
from pg_constraint k
join pg_class t on t.oid = k.conrelid
join pg_class f on f.oid = k.confrelid
join pg_namespace n on n.oid = t.relnamespace
left join pg_stat_user_tables s on s.relid = t.oid
left join pg_stat_user_tables p on p.relid = f.oid
where k.contype = 'f' and k.conparentid = 0
  and not exists (select 1 from serving v where v.oid = k.oid and v.is_whole)
order by (coalesce(p.n_tup_del, 0) > 0 or k.confdeltype in ('c', 'n', 'd')) desc, 6 desc, 1, 2, 3
limit 150

-- name: row_policies
-- Row policies of tables where they hold, with the columns that each names, whether a valid index begins with one, and the columns' types.
select n.nspname::text as schema, c.relname::text as table_name, p.polname::text as name, c.relkind::text as kind,
       greatest(s.n_live_tup, c.reltuples::bigint, 0)::bigint as rows,
       coalesce(pg_get_expr(p.polqual, p.polrelid), '') as condition,
       array(select a.attname::text from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
             where d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass and d.refobjid = p.polrelid
               and d.refobjsubid > 0
             order by a.attnum limit 32) as columns,
       array(select distinct a.attname::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
             where i.indrelid = p.polrelid and i.indisvalid and i.indpred is null limit 200) as first_columns
from pg_policy p
join pg_class c on c.oid = p.polrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_user_tables s on s.relid = c.oid
where c.relrowsecurity and p.polqual is not null and p.polcmd in ('r', '*', 'w', 'd')
order by 5 desc, 1, 2, 3
limit 100

-- name: has_hypothetical_indexes
-- Whether indexes can be tried in this database without being built (the extension hypopg); one row.
select exists (select 1 from pg_extension e where e.extname = 'hypopg') as is_here limit 1
