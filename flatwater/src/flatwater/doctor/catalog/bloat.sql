-- name: table_bloat
-- How many pages the largest tables have, and how many their rows would fill by the average widths of the last analyze.
-- A row is 4 bytes of pointer, 24 of head and its columns, to the next eighth byte; a page has 8,168 bytes for them.
with locked as (select l.relation from pg_locks l where l.relation is not null and l.mode = 'AccessExclusiveLock'),
chosen as (
    select c.oid, n.nspname, c.relname, c.relowner, c.reltuples,
           coalesce((select o.option_value::int from pg_options_to_table(c.reloptions) o where o.option_name = 'fillfactor'), 100) as fill
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')
      and n.nspname not like 'pg\_toast%%'
      and c.oid not in (select relation from locked)
    order by c.relpages desc, c.oid
    limit %(most)s
),
wide as (
    select p.schemaname, p.tablename, sum(p.avg_width * (1 - p.null_frac)) as row_bytes
    from pg_stats p
    where exists (select 1 from chosen c where c.nspname = p.schemaname and c.relname = p.tablename)
    group by 1, 2
)
select c.nspname::text as schema, c.relname::text as name, pg_get_userbyid(c.relowner)::text as owner,
       coalesce(pg_relation_size(c.oid), 0)::bigint as size_bytes,
       case when w.row_bytes is null or c.reltuples < 0 then null
            else ceil(c.reltuples / greatest(floor(8168.0 * c.fill / 100 / (28 + ceil(w.row_bytes / 8.0) * 8)), 1))::bigint * 8192
       end as needed_bytes,
       coalesce(s.n_dead_tup, 0)::bigint as dead_rows, coalesce(s.n_live_tup, 0)::bigint as live_rows
from chosen c
left join wide w on w.schemaname = c.nspname and w.tablename = c.relname
left join pg_stat_user_tables s on s.relid = c.oid
order by 4 desc
limit 60

-- name: index_bloat
-- How many pages the largest B-tree indexes have and how many their entries would fill: 12 bytes of pointer and head each, and the columns;
-- nine tenths of a page are filled. Indexes over expressions are left out, for their widths are not known by column.
with locked as (select l.relation from pg_locks l where l.relation is not null and l.mode = 'AccessExclusiveLock'),
chosen as (
    select i.indexrelid, i.indrelid, i.indkey, c.relname, c.reltuples, n.nspname, t.relname as table_name, t.relowner
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam and m.amname = 'btree'
    join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = t.relnamespace
    where i.indexprs is null and i.indisvalid and c.relkind = 'i' and c.relpersistence <> 't'
      and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_toast%%'
      and i.indexrelid not in (select relation from locked) and i.indrelid not in (select relation from locked)
    order by c.relpages desc, c.oid
    limit %(most)s
),
wide as (
    select c.indexrelid, sum(p.avg_width) as entry_bytes
    from chosen c
    join pg_attribute a on a.attrelid = c.indrelid and a.attnum = any (c.indkey::int2[])
    join pg_stats p on p.schemaname = c.nspname and p.tablename = c.table_name and p.attname = a.attname
    group by 1
)
select c.nspname::text as schema, c.relname::text as name, pg_get_userbyid(c.relowner)::text as owner,
       coalesce(pg_relation_size(c.indexrelid), 0)::bigint as size_bytes,
       case when w.entry_bytes is null or c.reltuples < 0 then null
            else (ceil(c.reltuples / greatest(floor(8152 * 0.9 / (12 + ceil(w.entry_bytes / 8.0) * 8)), 1))::bigint + 1) * 8192
       end as needed_bytes,
       0::bigint as dead_rows, 0::bigint as live_rows
from chosen c
left join wide w on w.indexrelid = c.indexrelid
order by 4 desc
limit 60
