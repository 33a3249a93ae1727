-- name: make_month
-- Makes a month's partition where it is missing and its rows are nowhere yet; whether it was made.
select make_month(%(parent)s::regclass, %(month)s::date)

-- name: drop_month
-- Takes away a month's partition that holds so many rows, or whatever it holds (null); whether it was taken away.
select drop_month(%(parent)s::regclass, %(month)s::date, %(counted)s::bigint)

-- name: months_before
-- The months of a table that have partitions of their own and are over before a day. Served by the catalogue.
select to_date(right(c.relname, 7), 'YYYY_MM') as month
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = %(parent)s::regclass and c.relname ~ '_[0-9]{4}_[0-9]{2}$' and to_date(right(c.relname, 7), 'YYYY_MM') < %(before)s::date
order by 1
limit 1000

-- name: months_of_the_rest
-- The oldest month of the default partition, where it is over before a moment. Served by audit_entry_by_time.
select date_trunc('month', min(at) at time zone 'UTC')::date as month
from audit_entry_rest
where at < %(before)s
having min(at) is not null

-- name: audit_of_a_month
-- How many rows a month has, how many of them lie in the default partition, and the last. Served by audit_entry_by_time.
select count(*) as rows, count(*) filter (where tableoid = 'audit_entry_rest'::regclass) as in_rest, coalesce(max(id), 0) as last_id
from audit_entry
where at >= %(since)s and at < %(until)s

-- name: lines_of_a_month
-- The rows of a month in the order in which they were added, as JSON. What a row held of a child is not in it: an erasure must reach all there is of
-- one, and would not reach a file. Served by each month's primary key.
select a.id, jsonb_build_object('id', a.id, 'at', a.at, 'person_id', a.person_id, 'role', a.role, 'action', a.action, 'resource', a.resource,
    'resource_id', a.resource_id, 'outcome', a.outcome, 'address', a.address, 'times', a.times, 'last_at', a.last_at,
    'before', case when a.resource not in ('student', 'result', 'verification', 'intervention', 'group') then a.before end,
    'after', case when a.resource not in ('student', 'result', 'verification', 'intervention', 'group') then a.after end,
    'reason', case when a.resource not in ('student', 'result', 'verification', 'intervention', 'group') then a.reason end)::text as line
from audit_entry a
where a.at >= %(since)s and a.at < %(until)s and a.id > %(after)s and a.id <= %(last)s
order by a.id
limit %(rows)s

-- name: sweep_rest
-- Takes a month's rows out of the default partition, one batch. Served by audit_entry_by_time.
delete from audit_entry_rest
where id in (
    select id from audit_entry_rest
    where at >= %(since)s and at < %(until)s and id <= %(last)s
    order by at
    limit %(rows_per_batch)s
    for update skip locked)
