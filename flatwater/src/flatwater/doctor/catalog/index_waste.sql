-- name: statistics_age
-- Since when uses are counted, and whether replicas count theirs elsewhere; one row. Where nobody reset the counts they go back at least to
-- the server's start.
select greatest(coalesce(d.stats_reset, pg_postmaster_start_time()), '-infinity'::timestamptz) as since_at,
       (select count(*) from pg_stat_replication)::int as replicas
from pg_stat_database d
where d.datname = current_database()
limit 1

-- name: unused_indexes
-- Indexes that nobody reads and that keep no rule, the largest first; from PostgreSQL 16 with the day of the last use.
with locked as (select l.relation from pg_locks l where l.relation is not null and l.mode = 'AccessExclusiveLock')
select s.schemaname::text as schema, s.relname::text as table_name, s.indexrelname::text as name,
       coalesce(pg_relation_size(s.indexrelid), 0)::bigint as size_bytes, s.idx_scan::bigint as scans,
       pg_get_indexdef(s.indexrelid) as definition,
--? last_use: s.last_idx_scan as last_used_at,
--? no_last_use: null::timestamptz as last_used_at,
       i.indnatts::int as columns
from pg_stat_user_indexes s
join pg_index i on i.indexrelid = s.indexrelid
join pg_class c on c.oid = s.indexrelid
where i.indisvalid and not i.indisunique and not i.indisprimary and not i.indisexclusion and not i.indisreplident
  and not exists (select 1 from pg_constraint k where k.conindid = s.indexrelid)
  and not exists (select 1 from pg_inherits h where h.inhrelid = s.indexrelid)
  and s.indexrelid not in (select relation from locked) and s.relid not in (select relation from locked)
  and (s.idx_scan < %(fewest_scans)s
--? last_use: or s.last_idx_scan < clock_timestamp() - make_interval(days => %(unused_days)s)
  )
order by c.relpages desc, c.oid
limit 60

-- name: duplicate_indexes
-- Indexes that another index of the same table stands in for: the same columns, or the first of its columns, in the same order, with the
-- same method, condition, operators and collation.
select n.nspname::text as schema, t.relname::text as table_name, ac.relname::text as name, bc.relname::text as covered_by,
       (coalesce(ac.relpages, 0)::bigint * 8192) as size_bytes, pg_get_indexdef(a.indexrelid) as definition,
       a.indnkeyatts = b.indnkeyatts as is_same
from pg_index a
join pg_index b on b.indrelid = a.indrelid and b.indexrelid <> a.indexrelid
join pg_class ac on ac.oid = a.indexrelid
join pg_class bc on bc.oid = b.indexrelid and bc.relam = ac.relam
join pg_am m on m.oid = ac.relam
join pg_class t on t.oid = a.indrelid
join pg_namespace n on n.oid = t.relnamespace
where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_toast%%'
  and a.indisvalid and b.indisvalid and not a.indisprimary and not a.indisexclusion and not a.indisreplident and not a.indisclustered
  and not exists (select 1 from pg_constraint k where k.conindid = a.indexrelid)
  and not exists (select 1 from pg_inherits h where h.inhrelid = a.indexrelid)
  and coalesce(pg_get_expr(a.indexprs, a.indrelid), '') = coalesce(pg_get_expr(b.indexprs, b.indrelid), '')
  and coalesce(pg_get_expr(a.indpred, a.indrelid), '') = coalesce(pg_get_expr(b.indpred, b.indrelid), '')
  and (b.indkey::int2[])[0:a.indnkeyatts - 1] = (a.indkey::int2[])[0:a.indnkeyatts - 1]
  and (b.indclass::oid[])[0:a.indnkeyatts - 1] = (a.indclass::oid[])[0:a.indnkeyatts - 1]
  and (b.indcollation::oid[])[0:a.indnkeyatts - 1] = (a.indcollation::oid[])[0:a.indnkeyatts - 1]
  and (b.indoption::int2[])[0:a.indnkeyatts - 1] = (a.indoption::int2[])[0:a.indnkeyatts - 1]
  and a.indkey::int2[] <@ b.indkey::int2[]
  and case when a.indnkeyatts = b.indnkeyatts
           -- Of two that are the same, one stays: the one that keeps a rule, else the one with more columns beside the key, else the older.
           then (b.indisunique or not a.indisunique)
                and (b.indisunique and not a.indisunique
                     or exists (select 1 from pg_constraint k where k.conindid = b.indexrelid)
                     or b.indnatts > a.indnatts or (b.indnatts = a.indnatts and b.indexrelid < a.indexrelid))
           else m.amname = 'btree' and not a.indisunique and a.indexprs is null and b.indnkeyatts > a.indnkeyatts
      end
order by ac.relpages desc, ac.oid, bc.oid
limit 60

-- name: invalid_indexes
-- Indexes that a failed build left behind; those that are being built now are marked.
select n.nspname::text as schema, t.relname::text as table_name, c.relname::text as name, pg_get_indexdef(i.indexrelid) as definition,
       i.indisunique as is_unique, c.relkind = 'I' as is_partitioned,
       exists (select 1 from pg_stat_progress_create_index p where p.index_relid = i.indexrelid or p.relid = i.indrelid) as is_building
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
where not i.indisvalid or not i.indisready or not i.indislive
order by 1, 2, 3
limit 60

-- name: constraints_not_valid
-- Rules that are not proved for the rows that were there before them.
select n.nspname::text as schema, t.relname::text as table_name, k.conname::text as name
from pg_constraint k
join pg_class t on t.oid = k.conrelid
join pg_namespace n on n.oid = t.relnamespace
where not k.convalidated and k.conparentid = 0
--? enforced: and k.conenforced
order by 1, 2, 3
limit 60

-- name: null_indexes
-- Large indexes over a column that is mostly empty, without a condition that leaves the empty ones out.
with locked as (select l.relation from pg_locks l where l.relation is not null and l.mode = 'AccessExclusiveLock')
select n.nspname::text as schema, t.relname::text as table_name, c.relname::text as name, a.attname::text as column_name,
       (c.relpages::bigint * 8192) as size_bytes, p.null_frac::float8 as empty_share, pg_get_indexdef(i.indexrelid) as definition
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
join pg_stats p on p.schemaname = n.nspname and p.tablename = t.relname and p.attname = a.attname
where i.indisvalid and i.indnatts = 1 and i.indpred is null and not i.indisprimary
  and p.null_frac >= %(least_share)s and c.relpages::bigint * 8192 >= %(least_bytes)s
  and i.indexrelid not in (select relation from locked)
order by c.relpages desc
limit 20
