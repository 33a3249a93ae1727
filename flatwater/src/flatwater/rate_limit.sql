-- name: take_rate
-- Takes from an identity's allowance if there is enough left; no row if not. Served by the primary key.
insert into flatwater_rate_limit as r (rule, identity, arrival_at)
values (%(rule)s, %(identity)s, clock_timestamp() + make_interval(secs => %(step_s)s))
on conflict (rule, identity) do update
set arrival_at = greatest(r.arrival_at, clock_timestamp()) + make_interval(secs => %(step_s)s)
where greatest(r.arrival_at, clock_timestamp()) + make_interval(secs => %(step_s)s)
    <= clock_timestamp() + make_interval(secs => %(room_s)s)
returning extract(epoch from arrival_at - clock_timestamp())::float8 as ahead_s

-- name: read_rate
-- How far ahead an identity's theoretical arrival is. Served by the primary key.
select extract(epoch from arrival_at - clock_timestamp())::float8 as ahead_s
from flatwater_rate_limit
where rule = %(rule)s and identity = %(identity)s

-- name: count_rates
-- How many rows there are, counted, but no more than so many. Reads the table as far as that.
select count(*) from (select from flatwater_rate_limit limit %(most)s) counted

-- name: count_rates_where_there_may_be_many
-- The same, and 0 without reading it where the table is too small to hold so many. Served by its size.
select case
    when pg_relation_size('flatwater_rate_limit') / current_setting('block_size')::bigint * %(rows_of_a_page)s < %(most)s then 0
    else (select count(*) from (select from flatwater_rate_limit limit %(most)s) counted)
end

-- name: count_pages
-- How many pages the table has now.
select (pg_relation_size('flatwater_rate_limit') / current_setting('block_size')::bigint)::bigint

-- name: sweep_rates
-- Takes out the rows of some pages whose allowance is full again, but for those in use. Served by the pages' own numbers.
delete from flatwater_rate_limit
where ctid = any(array(
    select ctid
    from flatwater_rate_limit
    where ctid >= %(first)s::tid and ctid < %(past)s::tid and arrival_at < now()
    limit %(rows_per_batch)s
    for update skip locked))
