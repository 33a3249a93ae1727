-- name: cache_hits
-- How many blocks of tables and of indexes were found in the server's own memory and how many were asked of the system; one row.
select coalesce(sum(t.heap_blks_hit), 0)::bigint as table_hits,
       coalesce(sum(t.heap_blks_read), 0)::bigint as table_reads,
       coalesce(sum(t.idx_blks_hit), 0)::bigint as index_hits,
       coalesce(sum(t.idx_blks_read), 0)::bigint as index_reads
from pg_statio_user_tables t
limit 1

-- name: most_read_tables
-- The tables of which most blocks had to be asked of the system.
select t.schemaname::text as schema, t.relname::text as table_name,
       coalesce(t.heap_blks_hit, 0)::bigint as hits, coalesce(t.heap_blks_read, 0)::bigint as reads
from pg_statio_user_tables t
where t.heap_blks_read > 0
order by t.heap_blks_read desc
limit 5
