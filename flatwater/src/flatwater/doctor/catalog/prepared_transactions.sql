-- name: prepared_transactions
-- Transactions that were prepared for a second commit and wait for it, the oldest first.
select p.gid as name, p.owner::text as role, p.database::text as database,
       extract(epoch from clock_timestamp() - p.prepared)::float8 as age_s, p.prepared as prepared_at,
       (select count(*)
        from pg_locks l
        where l.pid is null
          and l.virtualtransaction in (select x.virtualtransaction from pg_locks x
                                       where x.pid is null and x.locktype = 'transactionid' and x.transactionid = p.transaction))::int as locks
from pg_prepared_xacts p
order by p.prepared
limit 50
